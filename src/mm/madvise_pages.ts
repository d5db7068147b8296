/**
 * Advice about pages: MADV_FREE, MADV_COLD, MADV_PAGEOUT. They walk the page tables, and split a
 * large folio that the range covers in part. Source: mm/madvise.c madvise_free_pte_range(),
 * madvise_cold_or_pageout_pte_range(), mm/huge_memory.c madvise_free_huge_pmd(), 6.18.
 */
import type { Pages, Pfn, TaskRow, VmaRow, Vpn } from '../base/index.ts';
import { mayWriteFile } from './file.ts';
import { folioMapcount, folioPages, headOf, isLarge } from './folio.ts';
import { splitFolio } from './folio_split.ts';
import type { Machine } from './mm_types.ts';
import {
  PG_ANON,
  PG_DIRTY,
  PG_LRU,
  PG_SWAPBACKED,
  PG_SWAPCACHE,
  PG_UNEVICTABLE,
} from './page_flags.ts';
import { isHugePmd, pmdTable, pteSlotUnder } from './pgalloc.ts';
import {
  isMarker,
  isSwapEntry,
  isTable,
  MARKER_POISONED,
  PTE_A,
  PTE_D,
  PTE_MAPPED,
  pmdAddrEnd,
  pmdSlotIn,
  ptePfn,
  REGION_PAGES,
  regionOf,
  swapOffset,
} from './pgtable.ts';
import { ptesInBatch } from './pte_batch.ts';
import { type Reclaim, reclaimFolios } from './reclaim.ts';
import { folioMaybeMappedShared } from './rmap.ts';
import { swapFree } from './swap.ts';
import { updateHiwaterRss } from './util.ts';
import { vmaIsAnonymous } from './vma.ts';

/** Calls `visit` for each PMD entry that is not none, with the part of the range below it. */
function walkPmds(
  m: Machine,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  visit: (slot: number, from: Vpn, to: Vpn) => void,
): void {
  const mm = m.vma.mm[v]!;
  for (let at = start; at < end; ) {
    const region = regionOf(at);
    const row = pmdTable(m, mm, region);
    if (row === 0) {
      at = (region + 1) * REGION_PAGES;
      continue;
    }
    const to = pmdAddrEnd(at, end);
    const slot = pmdSlotIn(row, at);
    if (m.pt[slot] !== 0) visit(slot, at, to);
    at = to;
  }
}

/** vm_normal_folio() found nothing: the zero page, or a page of the huge zero folio. */
function isZeroPage(m: Machine, pfn: Pfn): boolean {
  return pfn === m.zeroPfn || (m.hugeZeroPfn !== 0 && headOf(m, pfn) === m.hugeZeroPfn);
}

function clearBits(m: Machine, slot: number, n: Pages, bits: number): void {
  for (let i = slot; i < slot + n; i++) m.pt[i] = m.pt[i]! & ~bits;
}

/** folio_mark_lazyfree(): the folio may be dropped without being written out. */
function markLazyfree(m: Machine, head: Pfn): void {
  const { flags } = m.page;
  const f = flags[head]!;
  if ((f & PG_ANON) === 0 || (f & PG_LRU) === 0 || (f & (PG_SWAPCACHE | PG_UNEVICTABLE)) !== 0) {
    return;
  }
  flags[head] = f & ~PG_SWAPBACKED;
}

/** True when the huge PMD was dealt with; false sends the walk on to the PTEs, if there are any. */
function freeHugePmd(m: Machine, slot: number, from: Vpn, to: Vpn): boolean {
  const head = ptePfn(m.pt[slot]!);
  if (head === m.hugeZeroPfn || folioMaybeMappedShared(m, head)) return false;
  if (to - from !== 512) {
    splitFolio(m, head);
    return false;
  }
  m.page.flags[head] = m.page.flags[head]! & ~PG_DIRTY;
  m.pt[slot] = m.pt[slot]! & ~(PTE_A | PTE_D);
  markLazyfree(m, head);
  return true;
}

function freePtes(m: Machine, v: VmaRow, pmd: number, from: Vpn, to: Vpn): void {
  if (!isTable(m.pt[pmd]!)) return;
  for (let at = from; at < to; ) {
    const slot = pteSlotUnder(m, pmd, at);
    const pte = m.pt[slot]!;
    if ((pte & PTE_MAPPED) === 0) {
      if (isSwapEntry(pte)) {
        m.mm.swapEntries[m.vma.mm[v]!]!--;
        m.pt[slot] = 0;
        swapFree(m, swapOffset(pte));
      } else if (isMarker(pte) && (pte & MARKER_POISONED) !== 0) {
        m.pt[slot] = 0;
      }
      at++;
      continue;
    }
    if (isZeroPage(m, ptePfn(pte))) {
      at++;
      continue;
    }
    const head = headOf(m, ptePfn(pte));
    let n = 1;
    if (isLarge(m, head)) {
      n = ptesInBatch(m, slot, head, to - at, false);
      if (n < folioPages(m, head)) {
        if (folioMaybeMappedShared(m, head) || !splitFolio(m, head)) at += n;
        continue;
      }
    }
    const { flags } = m.page;
    if ((flags[head]! & (PG_SWAPCACHE | PG_DIRTY)) !== 0) {
      if (folioMapcount(m, head) !== folioPages(m, head)) {
        at += n;
        continue;
      }
      flags[head] = flags[head]! & ~PG_DIRTY;
    }
    clearBits(m, slot, n, PTE_A | PTE_D);
    markLazyfree(m, head);
    at += n;
  }
}

/** MADV_FREE for a range of one anonymous VMA. Source: mm/madvise.c madvise_free_single_vma(), 6.18. */
export function madviseFree(m: Machine, v: VmaRow, start: Vpn, end: Vpn): void {
  updateHiwaterRss(m, m.vma.mm[v]!);
  walkPmds(m, v, start, end, (slot, from, to) => {
    if (isHugePmd(m.pt[slot]!) && freeHugePmd(m, slot, from, to)) return;
    freePtes(m, v, slot, from, to);
  });
}

/** True when the huge PMD was dealt with; false: it is split into PTEs, or gone. */
function coldHugePmd(
  m: Machine,
  slot: number,
  from: Vpn,
  to: Vpn,
  anonOnly: boolean,
  pageout: Reclaim | null,
): boolean {
  const entry = m.pt[slot]!;
  const head = ptePfn(entry);
  if (head === m.hugeZeroPfn || folioMaybeMappedShared(m, head)) return true;
  const f = m.page.flags[head]!;
  if (anonOnly && (f & PG_ANON) === 0) return true;
  if (to - from !== 512) return !splitFolio(m, head);
  if (pageout === null) m.pt[slot] = entry & ~PTE_A;
  else if ((f & PG_UNEVICTABLE) === 0) pageout.push({ head, vpn: from });
  return true;
}

function coldPtes(
  m: Machine,
  pmd: number,
  from: Vpn,
  to: Vpn,
  anonOnly: boolean,
  pageout: Reclaim | null,
): void {
  for (let at = from; at < to; ) {
    if (!isTable(m.pt[pmd]!)) return;
    const slot = pteSlotUnder(m, pmd, at);
    const pte = m.pt[slot]!;
    if ((pte & PTE_MAPPED) === 0 || isZeroPage(m, ptePfn(pte))) {
      at++;
      continue;
    }
    const head = headOf(m, ptePfn(pte));
    const f = m.page.flags[head]!;
    const spared = anonOnly && (f & PG_ANON) === 0;
    let n = 1;
    if (isLarge(m, head)) {
      n = ptesInBatch(m, slot, head, to - at, false);
      if (n < folioPages(m, head)) {
        if (folioMaybeMappedShared(m, head) || spared || !splitFolio(m, head)) at += n;
        continue;
      }
    }
    if (folioMapcount(m, head) === folioPages(m, head) && !spared) {
      if (pageout === null) clearBits(m, slot, n, PTE_A);
      else if ((f & PG_UNEVICTABLE) === 0) pageout.push({ head, vpn: at });
    }
    at += n;
  }
}

/**
 * MADV_COLD, or with `pageout` MADV_PAGEOUT, for a range of one VMA. Pages of a file that the
 * caller could not write are left alone by PAGEOUT, its private copies are not.
 */
export function madviseColdOrPageout(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  pageout: boolean,
): void {
  const anonOnly = pageout && !vmaIsAnonymous(m, v) && !canDoFilePageout(m, task, v);
  walkPmds(m, v, start, end, (slot, from, to) => {
    const list: Reclaim | null = pageout ? [] : null;
    if (!isHugePmd(m.pt[slot]!) || !coldHugePmd(m, slot, from, to, anonOnly, list)) {
      coldPtes(m, slot, from, to, anonOnly, list);
    }
    if (list !== null) reclaimFolios(m, v, list);
  });
}

/** can_do_file_pageout(). */
export function canDoFilePageout(m: Machine, task: TaskRow, v: VmaRow): boolean {
  const file = m.vma.file[v]!;
  return file !== 0 && mayWriteFile(m, task, m.file.inode[file]!);
}
