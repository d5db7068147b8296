/**
 * What is really there, counted afresh: who maps each frame, which frames page caches hold, pages
 * by type and page tables of each address space. The laws compare the machine's books with it.
 *
 * One walk over the page tables, one over the page caches, one over the frames that were ever
 * handed out: linear in mapped pages and used memory.
 */
import type { InodeRow, MmRow, Pfn, TaskRow, Vpn } from '../base/index.ts';
import { headOf } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { ORDER_MASK, PG_ANON, PG_HEAD, PG_SWAPBACKED } from '../mm/page_flags.ts';
import { isHugePmd } from '../mm/pgalloc.ts';
import { isSwapEntry, isTable, PTE_D, PTE_MAPPED, ptePfn, tableRow } from '../mm/pgtable.ts';
import { OPS_NONE } from '../mm/vm_flags.ts';

/** Sees every leaf entry that is not none, and every page table without a VMA. */
export interface LeafVisitor {
  /** `v` is the VMA that holds `vpn`, 0 if there is none. `pages` is 512 for a huge PMD. */
  leaf(mm: MmRow, v: number, vpn: Vpn, entry: number, pages: number): void;
  /** A table of 512 PTEs from `vpn` on that touches no VMA. */
  strayTable(mm: MmRow, vpn: Vpn): void;
}

/** Sees every page-cache slot that is not empty. */
export interface SlotVisitor {
  slot(inode: InodeRow, index: number, pfn: Pfn): void;
}

export class MmCensus {
  rssAnon = 0;
  rssFile = 0;
  rssShmem = 0;
  swapEntries = 0;
  tables = 0;
}

const SPAN = [1, 512, 262144, 134217728, 68719476736];
const MM_SLOTS = 65536;

export class Census {
  /** PTEs that map a frame; PMDs that map the folio of a head; page-cache slots of a folio. */
  pteMaps = new Int32Array(0);
  pmdMaps = new Int32Array(0);
  cached = new Int32Array(0);
  /** 1: some entry that maps the frame is dirty; for a PMD, the head's. */
  dirty = new Uint8Array(0);
  /** Mappings of a large folio by one mm: key head * 65536 + mm. */
  readonly mapsByMm = new Map<number, number>();
  readonly mms: MmCensus[] = [];
  /** Page-cache pages of each inode. */
  readonly inodePages: number[] = [];
  /** Any task that uses the mm. */
  readonly taskOf: TaskRow[] = [];
  private readonly m: Machine;
  private cursor = 0;

  constructor(m: Machine) {
    this.m = m;
  }

  /** Counts the whole machine. Visitors see each entry after it was counted. */
  take(leaves: LeafVisitor, slots: SlotVisitor): void {
    const { m } = this;
    const frames = Math.max(m.wilderness, 2);
    if (this.pteMaps.length < frames) {
      this.pteMaps = new Int32Array(frames);
      this.pmdMaps = new Int32Array(frames);
      this.cached = new Int32Array(frames);
      this.dirty = new Uint8Array(frames);
    } else {
      this.pteMaps.fill(0);
      this.pmdMaps.fill(0);
      this.cached.fill(0);
      this.dirty.fill(0);
    }
    this.mapsByMm.clear();
    this.taskOf.length = 0;
    for (let task = m.task.used - 1; task > 0; task--) {
      if (m.task.alive[task] !== 0) this.taskOf[m.task.mm[task]!] = task;
    }
    for (let mm = 1; mm < m.mm.used; mm++) {
      this.mms[mm] = new MmCensus();
      this.cursor = m.mm.firstVma[mm]!;
      const pgd = m.mm.pgd[mm]!;
      if (pgd !== 0) this.walk(mm, pgd, 3, 0, leaves);
    }
    for (let inode = 1; inode < m.inode.used; inode++) {
      this.inodePages[inode] = 0;
      const height = m.inode.cacheHeight[inode]!;
      if (height !== 0) this.walkCache(inode, m.inode.cacheRoot[inode]!, height, 0, slots);
    }
  }

  /** True when the frame exists and was ever handed out: it can be counted. */
  countable(pfn: Pfn): boolean {
    return pfn > 0 && pfn < this.m.wilderness;
  }

  /** Some entry says that the frame was stored to. */
  dirtyEntry(pfn: Pfn): boolean {
    if (!this.countable(pfn)) return false;
    const head = headOf(this.m, pfn);
    return this.dirty[pfn] === 1 || (this.pmdMaps[head] !== 0 && this.dirty[head] === 1);
  }

  private walk(mm: MmRow, row: number, level: number, base: Vpn, leaves: LeafVisitor): void {
    const { m } = this;
    const span = SPAN[level]!;
    const counts = this.mms[mm]!;
    for (let i = 0; i < 512; i++) {
      const entry = m.pt[row * 512 + i]!;
      if (entry === 0) continue;
      const vpn = base + i * span;
      if (level === 1 && isHugePmd(entry)) {
        const v = this.vmaAt(mm, vpn);
        this.count(mm, entry, true);
        if (v !== 0 && m.vma.ops[v] === OPS_NONE) counts.tables++;
        leaves.leaf(mm, v, vpn, entry, 512);
      } else if (isTable(entry)) {
        counts.tables++;
        if (level > 1) {
          this.walk(mm, tableRow(entry), level - 1, vpn, leaves);
        } else {
          this.vmaAt(mm, vpn);
          if (this.cursor === 0 || m.vma.start[this.cursor]! >= vpn + 512)
            leaves.strayTable(mm, vpn);
          this.walkPtes(mm, tableRow(entry), vpn, leaves);
        }
      }
    }
  }

  private walkPtes(mm: MmRow, row: number, base: Vpn, leaves: LeafVisitor): void {
    const { m } = this;
    for (let i = 0; i < 512; i++) {
      const pte = m.pt[row * 512 + i]!;
      if (pte === 0) continue;
      const vpn = base + i;
      if ((pte & PTE_MAPPED) !== 0) this.count(mm, pte, false);
      else if (isSwapEntry(pte)) this.mms[mm]!.swapEntries++;
      leaves.leaf(mm, this.vmaAt(mm, vpn), vpn, pte, 1);
    }
  }

  /** VMAs and entries are both met in ascending order: a cursor finds each entry's VMA. */
  private vmaAt(mm: MmRow, vpn: Vpn): number {
    const { start, end, next, mm: owner } = this.m.vma;
    let v = this.cursor;
    while (v !== 0 && end[v]! <= vpn) v = next[v]!;
    this.cursor = v;
    return v !== 0 && start[v]! <= vpn && owner[v] === mm ? v : 0;
  }

  private count(mm: MmRow, entry: number, huge: boolean): void {
    const { m } = this;
    const pfn = ptePfn(entry);
    if (pfn === m.zeroPfn || !this.countable(pfn)) return;
    const head = headOf(m, pfn);
    if (m.hugeZeroPfn !== 0 && head === m.hugeZeroPfn) return;
    const f = m.page.flags[head]!;
    if ((entry & PTE_D) !== 0) this.dirty[pfn] = 1;
    const n = huge ? 512 : 1;
    if (huge) this.pmdMaps[head]!++;
    else this.pteMaps[pfn]!++;
    if ((f & PG_HEAD) !== 0 && (f & ORDER_MASK) > 1) {
      const key = head * MM_SLOTS + mm;
      this.mapsByMm.set(key, (this.mapsByMm.get(key) ?? 0) + 1);
    }
    const counts = this.mms[mm]!;
    if ((f & PG_ANON) !== 0) counts.rssAnon += n;
    else if ((f & PG_SWAPBACKED) !== 0) counts.rssShmem += n;
    else counts.rssFile += n;
  }

  mapsOf(head: Pfn, mm: MmRow): number {
    return this.mapsByMm.get(head * MM_SLOTS + mm) ?? 0;
  }

  private walkCache(
    inode: InodeRow,
    row: number,
    height: number,
    base: number,
    slots: SlotVisitor,
  ): void {
    const { m } = this;
    const span = SPAN[height - 1]!;
    for (let i = 0; i < 512; i++) {
      const entry = m.pt[row * 512 + i]!;
      if (entry === 0) continue;
      const index = base + i * span;
      if (height > 1 && entry < 0) {
        // A 2 MiB folio in the place of a leaf.
        for (let page = 0; page < 512; page++)
          this.cacheSlot(inode, index + page, page - entry, slots);
        continue;
      }
      if (height > 1) {
        this.walkCache(inode, entry, height - 1, index, slots);
        continue;
      }
      this.cacheSlot(inode, index, entry, slots);
    }
  }

  private cacheSlot(inode: InodeRow, index: number, pfn: Pfn, slots: SlotVisitor): void {
    this.inodePages[inode]!++;
    if (this.countable(pfn)) this.cached[headOf(this.m, pfn)]!++;
    slots.slot(inode, index, pfn);
  }
}
