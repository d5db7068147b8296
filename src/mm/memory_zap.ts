/**
 * Taking mappings away: zap_page_range(), unmap_mapping_range(), free_pgtables() (mm/memory.c,
 * 6.18). Entries, RSS, mapcounts and references go; swap entries and markers by their own rules.
 */
import { LEVEL_PAGES } from '../arch/index.ts';
import {
  fillColumn,
  type InodeRow,
  type MmRow,
  modPow2,
  type Pages,
  type Pfn,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { addRss } from './fault_result.ts';
import { folioMarkDirty } from './filemap.ts';
import { folioPages, folioPut, headOf } from './folio.ts';
import { dropPageTable, splitHugePmd, zapHugePmd } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON } from './page_flags.ts';
import { freePageTable, freeTableRow, isHugePmd, pmdTable, tableIsEmpty } from './pgalloc.ts';
import {
  isGuardMarker,
  isMarker,
  isSwapEntry,
  isTable,
  MARKER_UFFD_WP,
  makeMarker,
  PTE_D,
  PTE_UFFD_WP,
  pmdAddrEnd,
  pmdSlotIn,
  pteMapped,
  ptePfn,
  pteSlotIn,
  REGION_PAGES,
  regionOf,
  swapOffset,
  tableRow,
} from './pgtable.ts';
import { folioRemoveRmapPtes } from './rmap.ts';
import { swapFree } from './swap.ts';
import { updateHiwaterRss } from './util.ts';
import { OPS_NONE, VM_LOCKED } from './vm_flags.ts';
import { uffdWp } from './vma_prot.ts';

/** Private copies go too (all but hole punch and COLLAPSE). */
export const ZAP_EVEN_COWS = 1 << 0;
/** uffd-wp and guard markers go too (munmap). */
export const ZAP_DROP_MARKERS = 1 << 1;
/** Page tables that a 2 MiB stretch empties are freed (MADV_DONTNEED, 6.14). */
export const ZAP_RECLAIM_PT = 1 << 2;
/**
 * The pages are unmapped one folio at a time, to be split or reclaimed (try_to_unmap()). A huge PMD of
 * a file is only split for that, which forgets to keep the high-water mark of RSS.
 */
export const ZAP_BY_RMAP = 1 << 3;

/**
 * Unmaps [start, end) of one VMA. Huge PMDs that are covered in part are split first.
 * Source: mm/memory.c unmap_page_range(), 6.18.
 */
export function zapPageRange(
  m: Machine,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  flags: number = ZAP_EVEN_COWS | ZAP_DROP_MARKERS,
): void {
  const mm = m.vma.mm[v]!;
  const byRmap = (flags & ZAP_BY_RMAP) !== 0;
  if (!byRmap) updateHiwaterRss(m, mm);
  for (let at = start; at < end; ) {
    const region = regionOf(at);
    const row = pmdTable(m, mm, region);
    if (row === 0) {
      at = (region + 1) * REGION_PAGES;
      continue;
    }
    const blockEnd = pmdAddrEnd(at, end);
    const slot = pmdSlotIn(row, at);
    const entry = m.pt[slot]!;
    if (isHugePmd(entry)) {
      if (blockEnd - at === 512) {
        const isFile = m.vma.ops[v] !== OPS_NONE;
        if (byRmap && isFile) splitHugePmd(m, v, slot);
        else if ((flags & ZAP_EVEN_COWS) !== 0 || isFile) zapHugePmd(m, v, slot);
        at = blockEnd;
        continue;
      }
      splitHugePmd(m, v, slot);
    }
    const below = m.pt[slot]!;
    if (isTable(below)) {
      if (byRmap) updateHiwaterRss(m, mm);
      const kept = zapPteRange(m, v, pteSlotIn(below, at), blockEnd - at, flags);
      if ((flags & ZAP_RECLAIM_PT) !== 0 && m.release.ptReclaim && !kept && blockEnd - at === 512) {
        if (tableIsEmpty(m, tableRow(below))) dropPageTable(m, mm, slot);
      }
    }
    at = blockEnd;
  }
}

/** Takes `run` mapped pages from `pfn` on out of the VMA's mappings, with their references. */
function unmapRun(m: Machine, v: VmaRow, head: Pfn, pfn: Pfn, run: Pages): void {
  folioRemoveRmapPtes(m, head, pfn, run, v);
  folioPut(m, head, run);
}

/**
 * Zaps n entries of one table from a slot on; true when some entry had to stay. File pages with a
 * dirty entry leave the rmap after all others of the table, when the TLB has been flushed. Only the
 * order of munlocks in the CPU's batch tells (mlockVmaFolio()): it is kept for locked VMAs.
 * Source: mm/memory.c zap_present_folio_ptes(), mm/mmu_gather.c tlb_flush_rmaps(), 6.18.
 */
function zapPteRange(m: Machine, v: VmaRow, slot: number, n: number, flags: number): boolean {
  const mm = m.vma.mm[v]!;
  const { pt } = m;
  const isLocked = (m.vma.flags[v]! & VM_LOCKED) !== 0;
  let delayed: { head: Pfn; pfn: Pfn; run: Pages }[] | undefined;
  let kept = false;
  for (let i = slot; i < slot + n; ) {
    const pte = pt[i]!;
    if (pte === 0) {
      i++;
      continue;
    }
    if (!pteMapped(pte)) {
      if (!zapNonPresent(m, v, i, pte, flags)) kept = true;
      i++;
      continue;
    }
    const pfn = ptePfn(pte);
    if (pfn === m.zeroPfn || (m.hugeZeroPfn !== 0 && headOf(m, pfn) === m.hugeZeroPfn)) {
      pt[i] = 0;
      i++;
      continue;
    }
    const head = headOf(m, pfn);
    const anon = (m.page.flags[head]! & PG_ANON) !== 0;
    if (anon && (flags & ZAP_EVEN_COWS) === 0) {
      kept = true;
      i++;
      continue;
    }
    const last = head + folioPages(m, head) - 1;
    let run = 0;
    let dirty = 0;
    let wp = 0;
    while (i + run < slot + n && pfn + run <= last) {
      const next = pt[i + run]!;
      if (!pteMapped(next) || ptePfn(next) !== pfn + run) break;
      dirty |= next & PTE_D;
      wp |= next & PTE_UFFD_WP;
      run++;
    }
    fillColumn(pt, 0, i, i + run);
    if (!anon && dirty !== 0) folioMarkDirty(m, head);
    addRss(m, mm, head, -run);
    if (wp !== 0 && uffdWp(m, v) && !anon && (flags & ZAP_DROP_MARKERS) === 0) {
      pt.fill(makeMarker(MARKER_UFFD_WP), i, i + run);
      kept = true;
    }
    if (!isLocked || anon || dirty === 0) unmapRun(m, v, head, pfn, run);
    else if (delayed === undefined) delayed = [{ head, pfn, run }];
    else delayed.push({ head, pfn, run });
    i += run;
  }
  if (delayed !== undefined) for (const d of delayed) unmapRun(m, v, d.head, d.pfn, d.run);
  return kept;
}

/** Swap entries and markers; false when the entry stays. Source: zap_nonpresent_ptes(), 6.18. */
function zapNonPresent(m: Machine, v: VmaRow, slot: number, pte: number, flags: number): boolean {
  const dropMarkers = (flags & ZAP_DROP_MARKERS) !== 0;
  if (isSwapEntry(pte)) {
    if ((flags & ZAP_EVEN_COWS) === 0) return false;
    m.mm.swapEntries[m.vma.mm[v]!]!--;
    swapFree(m, swapOffset(pte));
  } else if (isGuardMarker(pte)) {
    if (!dropMarkers) return false;
  } else if (isMarker(pte) && (pte & MARKER_UFFD_WP) !== 0) {
    if (m.vma.ops[v] !== OPS_NONE && !dropMarkers) return false;
  } else if ((flags & ZAP_EVEN_COWS) === 0) {
    return false;
  }
  m.pt[slot] = 0;
  return true;
}

/** MADV_DONTNEED of [start, end) in one VMA: markers stay, emptied page tables may go. */
export function zapPageRangeSingle(m: Machine, v: VmaRow, start: Vpn, end: Vpn): void {
  zapPageRange(m, v, start, end, ZAP_EVEN_COWS | ZAP_RECLAIM_PT);
}

/**
 * Unmaps pages [first, last] of a file from every VMA that maps them. Markers stay: guard regions
 * and uffd write protection outlive a truncation.
 * Source: mm/memory.c unmap_mapping_pages(), 6.18.
 */
export function unmapMappingPages(
  m: Machine,
  inode: InodeRow,
  first: number,
  last: number,
  flags: number,
): void {
  const { start, end, pgoff, shareNext } = m.vma;
  for (let v = m.inode.firstVma[inode]!; v !== 0; v = shareNext[v]!) {
    const pages = end[v]! - start[v]!;
    const from = Math.max(first - pgoff[v]!, 0);
    const to = Math.min(last - pgoff[v]! + 1, pages);
    if (from < to) zapPageRange(m, v, start[v]! + from, start[v]! + to, flags);
  }
}

/**
 * Frees the page tables that cover [start, end) and reach no VMA: `floor` is the end of the VMA
 * below (0 = none), `ceiling` the start of the one above (0 = none).
 * Source: mm/memory.c free_pgd_range(), 6.18.
 */
export function freePgtables(
  m: Machine,
  mm: MmRow,
  start: Vpn,
  end: Vpn,
  floor: Vpn,
  ceiling: Vpn,
): void {
  const pgd = m.mm.pgd[mm]!;
  if (pgd === 0) return;
  const top = ceiling === 0 ? Number.POSITIVE_INFINITY : ceiling;
  // Every table spans 2 MiB at least: the first such block above the floor must be free as well.
  const into = modPow2(start, 512);
  const block = start - into + (start - into < floor ? 512 : 0);
  if (block >= end || block + 512 > top) return;
  freeLevel(m, mm, pgd, 3, 0, start, end, floor, top);
}

/**
 * Frees, below the table `row` (whose entries span LEVEL_PAGES[level] each and begin at `base`),
 * what [start, end) covers and [floor, ceiling) leaves alone.
 */
function freeLevel(
  m: Machine,
  mm: MmRow,
  row: number,
  level: number,
  base: Vpn,
  start: Vpn,
  end: Vpn,
  floor: Vpn,
  ceiling: Vpn,
): void {
  const span = LEVEL_PAGES[level]!;
  const first = Math.max(0, Math.floor((start - base) / span));
  const last = Math.min(511, Math.floor((end - 1 - base) / span));
  for (let i = first; i <= last; i++) {
    const entry = m.pt[row * 512 + i]!;
    if (!isTable(entry)) continue;
    const from = base + i * span;
    const child = tableRow(entry);
    if (level > 1) freeLevel(m, mm, child, level - 1, from, start, end, floor, ceiling);
    if (from < floor || from + span > ceiling) continue;
    m.pt[row * 512 + i] = 0;
    if (level === 2 && m.mm.lastPmdTable[mm] === child) m.mm.lastPmdTable[mm] = 0;
    freePageTable(m, mm, child);
  }
}

/** Frees the top-level table of an address space that has no mapping left. */
export function freePgd(m: Machine, mm: MmRow): void {
  const pgd = m.mm.pgd[mm]!;
  if (pgd === 0) return;
  m.mm.pgd[mm] = 0;
  m.mm.lastPmdTable[mm] = 0;
  freeTableRow(m, pgd);
}
