/** Frames and folios against what was counted: alignment, mapcount, refcount, exclusivity. */
import {
  entireMapcount,
  folioMapcount,
  folioRefcount,
  headOf,
  pagePteMapcount,
} from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  ORDER_MASK,
  PG_ANON_EXCLUSIVE,
  PG_BUDDY,
  PG_HEAD,
  PG_LOCKED,
  PG_MM_SHARED,
  PG_PREMATURE,
  PG_RESERVED,
} from '../mm/page_flags.ts';
import { nrPagesMapped } from '../mm/rmap.ts';
import { PHASE_ANON_INSTALL, PHASE_FINISH, PHASE_WP_INSTALL, type Vmf } from '../mm/vmf.ts';
import {
  LAW_ALIGNMENT,
  LAW_EXCLUSIVITY,
  LAW_MAPCOUNT,
  LAW_REFCOUNT,
  type LawCounts,
} from './law_bits.ts';
import { MM_ROWS, type Tally } from './tally.ts';

const ORDERS = 11;
const freeBlocks = new Int32Array(ORDERS);
let mapped = 0;
let multiple = 0;
let exclusive = 0;
let blocks = 0;

/** Bits of the broken ones among the four laws. */
export function framesBroken(
  m: Machine,
  tally: Tally,
  faults: readonly Vmf[],
  counts: LawCounts,
): number {
  freeBlocks.fill(0);
  mapped = 0;
  multiple = 0;
  exclusive = 0;
  blocks = 0;
  let broken = 0;
  const { flags, counts: books } = m.page;
  for (let pfn = 2; pfn < m.wilderness; ) {
    if (pfn === m.carveNext && pfn < m.carveEnd) {
      for (; pfn < m.carveEnd; pfn++) {
        if (flags[pfn] !== 0 || books[pfn] !== 0) broken |= 1 << LAW_ALIGNMENT;
      }
      continue;
    }
    const f = flags[pfn]!;
    const order = f & ORDER_MASK;
    const n = 1 << order;
    if ((f & (PG_BUDDY | PG_HEAD)) !== 0) {
      // Folios only: how the rest is cut into free blocks is not part of the state.
      if (order > 0 && (f & PG_HEAD) !== 0) blocks++;
      if ((pfn & (n - 1)) !== 0 || pfn + n > m.pages) broken |= 1 << LAW_ALIGNMENT;
      if ((f & PG_BUDDY) !== 0) {
        freeBlocks[order]!++;
        for (let i = pfn + 1; i < pfn + n; i++) {
          if (flags[i] !== 0 || books[i] !== 0) broken |= 1 << LAW_ALIGNMENT;
        }
      } else if ((f & PG_RESERVED) === 0) broken |= folio(m, tally, faults, pfn, order);
      pfn += n;
      continue;
    }
    const isNothing = (f & (PG_RESERVED | PG_PREMATURE)) === 0 && books[pfn] === 0;
    if (order !== 0 || isNothing) broken |= 1 << LAW_ALIGNMENT;
    else if ((f & PG_RESERVED) === 0) broken |= folio(m, tally, faults, pfn, 0);
    pfn++;
  }
  if (!freeListsAgree(m)) broken |= 1 << LAW_ALIGNMENT;
  counts.met(LAW_ALIGNMENT, blocks);
  counts.met(LAW_MAPCOUNT, mapped);
  counts.met(LAW_REFCOUNT, multiple);
  counts.met(LAW_EXCLUSIVITY, exclusive);
  return broken;
}

function freeListsAgree(m: Machine): boolean {
  const { flags, mapping, index } = m.page;
  for (let order = 0; order < ORDERS; order++) {
    const due = freeBlocks[order]!;
    let listed = 0;
    let prev = 0;
    for (let pfn = m.freeHead[order]!; pfn !== 0; pfn = mapping[pfn]!) {
      const f = flags[pfn]!;
      if ((f & PG_BUDDY) === 0 || (f & ORDER_MASK) !== order || index[pfn] !== prev) return false;
      prev = pfn;
      if (++listed > due) break;
    }
    if (listed !== due || m.freeCount[order] !== due) return false;
  }
  return true;
}

/** References that faults between two phases hold on a folio. */
function heldByFaults(m: Machine, faults: readonly Vmf[], head: number): number {
  let held = 0;
  for (let i = 0; i < faults.length; i++) {
    const vmf = faults[i]!;
    if (vmf.phase === PHASE_ANON_INSTALL && vmf.folio !== 0 && headOf(m, vmf.folio) === head)
      held++;
    const page = vmf.phase === PHASE_FINISH || vmf.phase === PHASE_WP_INSTALL ? vmf.page : 0;
    if (page !== 0 && headOf(m, page) === head) held++;
    if (vmf.cowPage !== 0 && headOf(m, vmf.cowPage) === head) held++;
  }
  return held;
}

/** Some fault is between ->fault and finish_fault() with this folio: it holds its lock. */
function lockedByFault(m: Machine, faults: readonly Vmf[], head: number): boolean {
  for (let i = 0; i < faults.length; i++) {
    const { phase, page } = faults[i]!;
    if (phase === PHASE_FINISH && page !== 0 && headOf(m, page) === head) return true;
  }
  return false;
}

function folio(
  m: Machine,
  tally: Tally,
  faults: readonly Vmf[],
  head: number,
  order: number,
): number {
  const { flags } = m.page;
  const { pteMaps } = tally;
  const n = 1 << order;
  let broken = 0;
  let maps = 0;
  let pagesMapped = 0;
  for (let pfn = head; pfn < head + n; pfn++) {
    const own = pteMaps[pfn]!;
    maps += own;
    if (own !== 0) pagesMapped++;
    if (order > 0 && (flags[pfn]! & ORDER_MASK) !== order) broken |= 1 << LAW_ALIGNMENT;
    if (own !== pagePteMapcount(m, pfn)) broken |= 1 << LAW_MAPCOUNT;
    if ((flags[pfn]! & PG_ANON_EXCLUSIVE) !== 0) {
      if (own !== 0) exclusive++;
      if (own > 1) broken |= 1 << LAW_EXCLUSIVITY;
    }
  }
  if (maps !== 0) mapped++;
  if (order > 0) {
    if (folioMapcount(m, head) !== maps || nrPagesMapped(m, head) !== pagesMapped) {
      broken |= 1 << LAW_MAPCOUNT;
    }
    if (order > 1 && (entireMapcount(m, head) !== 0 || !slotsAgree(m, tally, head, maps))) {
      broken |= 1 << LAW_MAPCOUNT;
    }
  }
  const slots = tally.cached[head]!;
  if (maps > 1 || (maps > 0 && slots > 0)) multiple++;
  let due = maps + slots;
  if (faults.length !== 0) due += heldByFaults(m, faults, head);
  if (folioRefcount(m, head) !== due) broken |= 1 << LAW_REFCOUNT;
  if ((flags[head]! & PG_LOCKED) !== 0 && !lockedByFault(m, faults, head)) {
    broken |= 1 << LAW_REFCOUNT;
  }
  return broken;
}

/** The two mm slots of a large folio: as mmSlotsAgree() (room `laws`). */
function slotsAgree(m: Machine, tally: Tally, head: number, maps: number): boolean {
  const { mapping, index, flags } = m.page;
  const slots = mapping[head + 3]!;
  const first = slots & 0xffff;
  const second = slots >>> 16;
  const shared = (flags[head]! & PG_MM_SHARED) !== 0;
  const byFirst = tally.mapsByMm[head * MM_ROWS + first]!;
  const bySecond = tally.mapsByMm[head * MM_ROWS + second]!;
  if (!slotAgrees(first, index[head + 3]!, byFirst, maps, shared)) return false;
  if (!slotAgrees(second, index[head + 2]!, bySecond, maps, shared)) return false;
  return shared || maps === 0 || Math.max(byFirst, bySecond) === maps;
}

/**
 * A slot counts from when its mm got it: where more than two mms map, too little, never too much.
 * One that has all mappings leaves no reason for the mark.
 */
function slotAgrees(
  mm: number,
  count: number,
  real: number,
  maps: number,
  shared: boolean,
): boolean {
  if (mm === 0) return true;
  if (shared && count === maps) return false;
  const wrong = shared ? count > real || count <= 0 : count !== maps;
  return !wrong || count === real;
}
