/**
 * Whether what was seen of a task is what the model has, without making the model's observation: by
 * far most steps agree, and then no word of it is needed. What differs is for compareTask() to say.
 */
import type { MmRow, TaskRow, VmaRow } from '../base/index.ts';
import { folioOrder, headOf, pageMapcount } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { isHugePmd, pmdTable } from '../mm/pgalloc.ts';
import {
  isTable,
  pmdAddrEnd,
  pmdSlotIn,
  pteMapped,
  ptePfn,
  pteSlotIn,
  REGION_PAGES,
  regionOf,
} from '../mm/pgtable.ts';
import { isHugeZero } from '../mm/task_mmu.ts';
import { OPS_NONE } from '../mm/vm_flags.ts';
import { permissions, vmaName } from '../mm/vma_names.ts';
import { PAGE_ZERO, type TaskObservation, type VmaObservation } from '../scenario/transcript.ts';
import { entryBits, folioBits } from './observation.ts';
import { comparedBits, VALUES_PER_PAGE } from './verify_compare.ts';

/** Columns of PagesObservation.columns. */
const VPN_LOW = 0;
const VPN_HIGH = 1;
const BITS = 2;
const FOLIO = 3;
const PLACE = 4;
const MAPCOUNT = 5;
const COLUMNS = 6;

const TWO_32 = 4294967296;

function sameVma(m: Machine, v: VmaRow, seen: VmaObservation | undefined): boolean {
  if (seen === undefined) return false;
  const { start, end, flags, pgoff, ops, file } = m.vma;
  const offset = ops[v] === OPS_NONE && file[v] === 0 ? 0 : pgoff[v]!;
  return (
    start[v] === seen.startVpn &&
    end[v] === seen.endVpn &&
    offset === seen.pgoff &&
    permissions(flags[v]!) === seen.perms &&
    vmaName(m, v) === seen.name
  );
}

/** One look at all tasks: folios are numbered in order of first appearance. */
export class PageMatcher {
  readonly #m: Machine;
  /** PAGE_* bits that are compared. */
  readonly #mask: number;
  /** By head frame. */
  readonly #numbers = new Map<number, number>();
  /** folioBits() by a folio's flags. */
  readonly #bits = new Map<number, number>();
  #columns: Uint32Array = new Uint32Array(0);
  #rows = 0;
  #at = 0;
  #head = -1;
  #headBits = 0;
  #number = 0;
  #order = 0;

  constructor(m: Machine, mask: number) {
    this.#m = m;
    this.#mask = mask;
  }

  begin(): void {
    this.#numbers.clear();
    this.#head = -1;
  }

  /** How many values agree; -1 when one does not, or when nothing can be said without a closer look. */
  task(task: TaskRow, seen: TaskObservation, own: { startVpn: number; endVpn: number }): number {
    const m = this.#m;
    const { columns } = seen.pages;
    if (columns === undefined) return -1;
    this.#columns = columns;
    this.#rows = columns.length / COLUMNS;
    this.#at = 0;
    const mm = m.task.mm[task]!;
    let vmas = 0;
    for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
      const start = m.vma.start[v]!;
      const isOwn = start >= own.startVpn && start < own.endVpn;
      if (!isOwn && !sameVma(m, v, seen.vmas[vmas++])) return -1;
      if (!this.#range(mm, start, m.vma.end[v]!)) return -1;
    }
    if (vmas !== seen.vmas.length || this.#at !== this.#rows) return -1;
    return vmas + this.#rows * VALUES_PER_PAGE;
  }

  #range(mm: MmRow, start: number, end: number): boolean {
    const m = this.#m;
    for (let at = start; at < end; ) {
      const region = regionOf(at);
      const row = pmdTable(m, mm, region);
      if (row === 0) {
        at = (region + 1) * REGION_PAGES;
        continue;
      }
      const blockEnd = pmdAddrEnd(at, end);
      const entry = m.pt[pmdSlotIn(row, at)]!;
      if (isHugePmd(entry)) {
        for (; at < blockEnd; at++) if (!this.#page(at, entry, at % 512, true)) return false;
      } else if (isTable(entry)) {
        const base = pteSlotIn(entry, at) - at;
        for (; at < blockEnd; at++) {
          const pte = m.pt[base + at]!;
          if (pte !== 0 && !this.#page(at, pte, 0, false)) return false;
        }
      }
      at = blockEnd;
    }
    return true;
  }

  #page(vpn: number, entry: number, offset: number, huge: boolean): boolean {
    const m = this.#m;
    const columns = this.#columns;
    const rows = this.#rows;
    const at = this.#at++;
    if (at >= rows) return false;
    const low = vpn >>> 0;
    if (columns[VPN_LOW * rows + at] !== low) return false;
    if (columns[VPN_HIGH * rows + at] !== (vpn - low) / TWO_32) return false;
    let bits = entryBits(m, entry, offset, huge);
    let number = 0;
    let place = 0;
    let count = 0;
    if (pteMapped(entry)) {
      const pfn = ptePfn(entry) + offset;
      if (pfn === m.zeroPfn || isHugeZero(m, pfn)) {
        bits |= PAGE_ZERO;
      } else {
        const head = headOf(m, pfn);
        if (head !== this.#head) this.#take(head);
        const own = pfn === head || m.release.kpageflagsOfFolio;
        bits |= own ? this.#headBits : folioBits(m, head, pfn);
        number = this.#number;
        place = ((pfn - head) | (this.#order << 24)) >>> 0;
        count = pageMapcount(m, pfn);
      }
    }
    const mask = comparedBits(this.#mask, bits);
    return (
      (bits & mask) === (columns[BITS * rows + at]! & mask) &&
      number === columns[FOLIO * rows + at] &&
      place === columns[PLACE * rows + at] &&
      count === columns[MAPCOUNT * rows + at]
    );
  }

  /** What is said of a folio hangs on its flags, but for locks that are not certain. */
  #bitsOf(head: number): number {
    const m = this.#m;
    if (m.page.mlocks[head] !== 0) return folioBits(m, head);
    const flags = m.page.flags[head]!;
    let bits = this.#bits.get(flags);
    if (bits === undefined) {
      bits = folioBits(m, head);
      this.#bits.set(flags, bits);
    }
    return bits;
  }

  #take(head: number): void {
    const m = this.#m;
    this.#head = head;
    this.#headBits = this.#bitsOf(head);
    this.#order = folioOrder(m, head);
    const known = this.#numbers.get(head);
    this.#number = known ?? this.#numbers.size + 1;
    if (known === undefined) this.#numbers.set(head, this.#number);
  }
}
