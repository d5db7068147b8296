/**
 * What the memory looks like at one moment: folios by order, how much of it a processor could map
 * with fewer TLB entries, and how much of it no access of the program ever needed.
 */
import { type MmRow, PMD_ORDER, PMD_PAGES } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  ORDER_MASK,
  PG_ANON,
  PG_BUDDY,
  PG_HEAD,
  PG_RESERVED,
  PG_SWAPBACKED,
  PG_WRITTEN,
} from '../mm/page_flags.ts';
import { isHugePmd, pmdSlot } from '../mm/pgalloc.ts';
import { PTE_P, ptePfn, tableRow } from '../mm/pgtable.ts';
import { OPS_FILE, OPS_SPECIAL, OPS_UNKNOWN } from '../mm/vm_flags.ts';
import { ORDERS } from './tally.ts';

/** Pages that contpte can map as one entry: naturally aligned, of one folio. */
const CONT_PAGES = 16;

/** Bytes, but for the shares. */
export interface Census {
  /** Anonymous and shared memory by the order of its folio. */
  readonly anonByOrder: readonly number[];
  readonly shmemByOrder: readonly number[];
  /** In frames of which no access is known: what larger folios cost. */
  readonly waste: number;
  /** Mapped anonymous and shared memory, each mapping counted. */
  readonly mapped: number;
  /** Shares of `mapped`: by PMDs, and in aligned runs of 64 kB (arm64's contpte; PMDs included). */
  readonly thpShare: number;
  readonly contpteShare: number;
}

/** Pages, by what the last walk counted: by order, anonymous first, then shared. */
const byOrder = new Int32Array(2 * ORDERS);
/** Frames of which no access is known. */
let unused = 0;

/** Frames [from, to) that no access has touched. */
function countUnused(flags: Int32Array, from: number, to: number): number {
  let n = 0;
  for (let pfn = from; pfn < to; pfn++) if ((flags[pfn]! & PG_WRITTEN) === 0) n++;
  return n;
}

function walkFrames(flags: Int32Array, end: number): void {
  byOrder.fill(0);
  let anon = 0;
  let shmem = 0;
  let blank = 0;
  for (let pfn = 2; pfn < end; ) {
    const f = flags[pfn]!;
    const inUse = (f & (PG_ANON | PG_SWAPBACKED)) !== 0 && (f & (PG_RESERVED | PG_BUDDY)) === 0;
    if ((f & (PG_HEAD | PG_BUDDY)) === 0) {
      if (inUse) {
        if ((f & PG_ANON) !== 0) anon++;
        else shmem++;
        if ((f & PG_WRITTEN) === 0) blank++;
      }
      pfn++;
      continue;
    }
    const order = f & ORDER_MASK;
    const next = pfn + (1 << order);
    if (inUse) {
      const row = (f & PG_ANON) !== 0 ? order : ORDERS + order;
      byOrder[row] = byOrder[row]! + (1 << order);
      blank += countUnused(flags, pfn, next);
    }
    pfn = next;
  }
  byOrder[0] = byOrder[0]! + anon;
  byOrder[ORDERS] = byOrder[ORDERS]! + shmem;
  unused = blank;
}

export function takeCensus(m: Machine): Census {
  walkFrames(m.page.flags as Int32Array, m.wilderness);
  let mapped = 0;
  let byPmd = 0;
  let byRuns = 0;
  for (let mm = 1; mm < m.mm.used; mm++) {
    if (m.mm.users[mm] === 0) continue;
    coverage(m, mm);
    mapped += covered.pages;
    byPmd += covered.pmd;
    byRuns += covered.runs;
  }
  const bytes = Array.from(byOrder, (pages) => pages * 4096);
  return {
    anonByOrder: bytes.slice(0, ORDERS),
    shmemByOrder: bytes.slice(ORDERS),
    waste: unused * 4096,
    mapped: mapped * 4096,
    thpShare: mapped === 0 ? 0 : byPmd / mapped,
    contpteShare: mapped === 0 ? 0 : (byPmd + byRuns) / mapped,
  };
}

/** What the last coverage() counted, in pages. */
const covered = { pages: 0, pmd: 0, runs: 0 };

function coverage(m: Machine, mm: MmRow): void {
  covered.pages = 0;
  covered.pmd = 0;
  covered.runs = 0;
  const { start, end, ops, next } = m.vma;
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = next[v]!) {
    const kind = ops[v]!;
    if (kind === OPS_FILE || kind === OPS_SPECIAL || kind === OPS_UNKNOWN) continue;
    for (let at = start[v]!; at < end[v]!; ) {
      const stop = Math.min(at - (at % PMD_PAGES) + PMD_PAGES, end[v]!);
      const slot = pmdSlot(m, mm, at);
      const entry = slot === 0 ? 0 : m.pt[slot]!;
      if (isHugePmd(entry)) {
        covered.pages += stop - at;
        covered.pmd += stop - at;
      } else if (entry !== 0) {
        const base = tableRow(entry) * 512;
        inTable(m, base + (at % PMD_PAGES), base + (at % PMD_PAGES) + (stop - at));
      }
      at = stop;
    }
  }
}

function inTable(m: Machine, from: number, to: number): void {
  const { pt } = m;
  let pages = 0;
  let runs = 0;
  for (let slot = from; slot < to; ) {
    const entry = pt[slot]!;
    if ((entry & PTE_P) === 0) {
      slot++;
      continue;
    }
    const aligned = (slot & (CONT_PAGES - 1)) === 0 && (ptePfn(entry) & (CONT_PAGES - 1)) === 0;
    if (aligned && slot + CONT_PAGES <= to && isRun(m, slot)) {
      runs += CONT_PAGES;
      slot += CONT_PAGES;
      continue;
    }
    pages++;
    slot++;
  }
  covered.pages += pages + runs;
  covered.runs += runs;
}

/** Sixteen entries, the first of an aligned frame, map as many frames in order, of one folio. */
function isRun(m: Machine, slot: number): boolean {
  const { pt } = m;
  const { flags } = m.page;
  const pfn = ptePfn(pt[slot]!);
  if ((flags[pfn]! & ORDER_MASK) < 4) {
    const huge = flags[pfn & -PMD_PAGES]!;
    if ((huge & PG_HEAD) === 0 || (huge & ORDER_MASK) !== PMD_ORDER) return false;
  }
  for (let i = 1; i < CONT_PAGES; i++) {
    const entry = pt[slot + i]!;
    if ((entry & PTE_P) === 0 || ptePfn(entry) !== pfn + i) return false;
  }
  return true;
}
