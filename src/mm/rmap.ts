/**
 * Reverse mapping: mapcounts, exclusivity, and the walk to all PTEs of a folio (mm/rmap.c,
 * include/linux/rmap.h, 6.18 with PAGE_MAPCOUNT and MM_ID).
 *
 * A large folio counts its mappings three ways: per page, entire (PMD), and in total; and it
 * remembers in two slots which mms map it, so that "mapped by one mm only" can be answered without
 * a walk. With more than two mms the answer may stay "shared" although it is not: the model keeps
 * the same slots, so it errs where the kernel errs.
 */
import {
  assert,
  type MmRow,
  type Order,
  type Pages,
  type Pfn,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import {
  entireMapcount,
  folioIndex,
  folioMapcount,
  folioOrder,
  folioPages,
  indexHighBits,
  pagePteMapcount,
} from './folio.ts';
import { INODE_UNEVICTABLE } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import {
  INDEX_HI_MASK,
  MAPCOUNT_MASK,
  ORDER_MASK,
  PAGE_LEVEL_FLAGS,
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_DEFERRED,
  PG_HEAD,
  PG_MLOCKED,
  PG_MM_SHARED,
  PG_PARTIALLY_MAPPED,
  PG_SWAPBACKED,
  PG_UNEVICTABLE,
  PG_UPTODATE,
} from './page_flags.ts';
import { pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { pteMapped, ptePfn } from './pgtable.ts';
import { VM_LOCKED, VM2_DROPPABLE } from './vm_flags.ts';
import {
  countMthp,
  MTHP_NR_ANON,
  MTHP_NR_ANON_PARTIALLY_MAPPED,
  MTHP_SPLIT_DEFERRED,
  NR_ANON_MAPPED,
  NR_ANON_THPS,
  NR_FILE_MAPPED,
  NR_FILE_PMDMAPPED,
  NR_MLOCK,
  NR_SHMEM_PMDMAPPED,
  THP_DEFERRED_SPLIT_PAGE,
} from './vmstat.ts';

const NR_MAPPED_SHIFT = 16;

/** Pages of a large folio that some PTE maps. */
export function nrPagesMapped(m: Machine, head: Pfn): Pages {
  return m.page.counts[head + 1]! >>> NR_MAPPED_SHIFT;
}

function addNrPagesMapped(m: Machine, head: Pfn, by: Pages): void {
  m.page.counts[head + 1]! += by << NR_MAPPED_SHIFT;
}

/** folio_add_return_large_mapcount() and its per-mm slots. */
function addLargeMapcount(m: Machine, head: Pfn, by: number, mm: MmRow): void {
  const { flags, mapping, index } = m.page;
  const total = mapping[head + 1]! + by;
  mapping[head + 1] = total;
  if ((flags[head]! & ORDER_MASK) < 2) return;
  const slots = mapping[head + 3]!;
  const slot0 = slots & 0xffff;
  const slot1 = slots >>> 16;
  if (slot0 === mm) {
    index[head + 3]! += by;
  } else if (slot1 === mm) {
    index[head + 2]! += by;
  } else if (slot0 === 0) {
    mapping[head + 3] = (slots & 0xffff0000) | mm;
    index[head + 3] = by;
    if (total !== by) flags[head] = flags[head]! | PG_MM_SHARED;
  } else if (slot1 === 0) {
    mapping[head + 3] = slot0 | (mm << 16);
    index[head + 2] = by;
    flags[head] = flags[head]! | PG_MM_SHARED;
  }
}

/** folio_sub_return_large_mapcount(). */
function subLargeMapcount(m: Machine, head: Pfn, by: number, mm: MmRow): void {
  const { flags, mapping, index } = m.page;
  const total = mapping[head + 1]! - by;
  mapping[head + 1] = total;
  if ((flags[head]! & ORDER_MASK) < 2) return;
  const slots = mapping[head + 3]!;
  if ((slots & 0xffff) === mm) {
    index[head + 3]! -= by;
    if (index[head + 3]! > 0) return;
    index[head + 3] = 0;
    mapping[head + 3] = slots & 0xffff0000;
  } else if (slots >>> 16 === mm) {
    index[head + 2]! -= by;
    if (index[head + 2]! > 0) return;
    index[head + 2] = 0;
    mapping[head + 3] = slots & 0xffff;
  }
  if (index[head + 3] === total || index[head + 2] === total) {
    flags[head] = flags[head]! & ~PG_MM_SHARED;
  }
}

/**
 * folio_maybe_mapped_shared(): more than one mm may map it. Before 6.15 a guess: mapped by PMD and
 * otherwise, more often than it has pages, or its first page twice (folio_likely_mapped_shared(), 6.12).
 */
export function folioMaybeMappedShared(m: Machine, head: Pfn): boolean {
  const f = m.page.flags[head]!;
  const mapcount = folioMapcount(m, head);
  if (mapcount <= 1) return false;
  if ((f & PG_HEAD) === 0) return true;
  if (!m.release.sharedByMms) {
    if (entireMapcount(m, head) > 0 || mapcount > folioPages(m, head)) return true;
    return pagePteMapcount(m, head) > 1;
  }
  if ((f & ORDER_MASK) < 2) return pairIsShared(m, head);
  return (f & PG_MM_SHARED) !== 0;
}

/** Two pages have no room for the slots; who maps them is looked up. Only files have such folios. */
function pairIsShared(m: Machine, head: Pfn): boolean {
  const { start, end, pgoff, mm, shareNext } = m.vma;
  const first = folioIndex(m, head);
  let only = 0;
  for (let v = m.inode.firstVma[m.page.mapping[head]!]!; v !== 0; v = shareNext[v]!) {
    const at = start[v]! + (first - pgoff[v]!);
    for (let vpn = Math.max(at, start[v]!); vpn < Math.min(at + 2, end[v]!); vpn++) {
      const pmd = pmdSlot(m, mm[v]!, vpn);
      const slot = pmd === 0 ? 0 : pteSlotUnder(m, pmd, vpn);
      if (slot === 0 || !pteMapped(m.pt[slot]!) || ptePfn(m.pt[slot]!) !== head + vpn - at)
        continue;
      if (only !== 0 && only !== mm[v]) return true;
      only = mm[v]!;
    }
  }
  return false;
}

function countMapped(m: Machine, head: Pfn, nr: Pages, nrPmd: Pages): void {
  const f = m.page.flags[head]!;
  if ((f & PG_ANON) !== 0) {
    m.vmstat[NR_ANON_MAPPED]! += nr;
    if (nrPmd !== 0) m.vmstat[NR_ANON_THPS]! += nrPmd / 512;
    return;
  }
  m.vmstat[NR_FILE_MAPPED]! += nr;
  if (nrPmd !== 0) {
    m.vmstat[(f & PG_SWAPBACKED) !== 0 ? NR_SHMEM_PMDMAPPED : NR_FILE_PMDMAPPED]! += nrPmd / 512;
  }
}

/**
 * First mapping of a fresh anonymous folio, whole, at `vpn`: each page exclusive to its mm. The
 * caller's reference pays for the first PTE, or for the PMD; it adds the rest.
 * Source: mm/rmap.c folio_add_new_anon_rmap(), 6.18.
 */
export function folioAddNewAnonRmap(m: Machine, head: Pfn, v: VmaRow, vpn: Vpn): void {
  const anonVma = m.vma.anonVma[v]!;
  assert(anonVma !== 0, 'an anonymous page needs an anon_vma');
  const index = m.vma.pgoff[v]! + (vpn - m.vma.start[v]!);
  const f = m.page.flags[head]!;
  const swapBacked = (m.vma.flags2[v]! & VM2_DROPPABLE) !== 0 ? 0 : PG_SWAPBACKED;
  m.page.mapping[head] = -anonVma;
  m.page.index[head] = index;
  m.page.flags[head] =
    (f & ~INDEX_HI_MASK) |
    indexHighBits(index) |
    (PG_ANON | PG_UPTODATE | PG_ANON_EXCLUSIVE | swapBacked);
  if ((f & PG_HEAD) === 0) {
    m.page.counts[head]! += 1;
    m.vmstat[NR_ANON_MAPPED]! += 1;
  } else {
    mapNewLarge(m, head, f & ORDER_MASK, m.vma.mm[v]!);
  }
  if ((m.vma.flags[v]! & VM_LOCKED) !== 0) mlockVmaFolio(m, head, v);
}

/** The counters of a large anonymous folio that one mm maps whole. */
function mapNewLarge(m: Machine, head: Pfn, order: Order, mm: MmRow): void {
  const { flags, counts, mapping, index } = m.page;
  const n = 1 << order;
  mapping[head + 3] = mm;
  if (order < 9) {
    // Tails carry the order alone; the head has its flags already.
    const tail = order | PG_ANON_EXCLUSIVE;
    counts[head] = 1;
    for (let pfn = head + 1; pfn < head + n; pfn++) {
      flags[pfn] = tail | (flags[pfn]! & PAGE_LEVEL_FLAGS);
      counts[pfn] = 1;
    }
    counts[head + 1] = 1 | (n << NR_MAPPED_SHIFT);
    mapping[head + 1] = n;
    index[head + 3] = n;
  } else {
    mapping[head + 1] = 1;
    mapping[head + 2] = 1;
    index[head + 3] = 1;
    m.vmstat[NR_ANON_THPS]! += 1;
  }
  m.vmstat[NR_ANON_MAPPED]! += n;
  countMthp(m, order, MTHP_NR_ANON);
}

/** PTE mappings of pages [page, page+n) of one folio: mapcounts only (__folio_add_rmap). */
function addPteMaps(m: Machine, head: Pfn, page: Pfn, n: Pages, mm: MmRow): void {
  const { flags, counts } = m.page;
  if ((flags[head]! & PG_HEAD) === 0) {
    assert((counts[head]! & MAPCOUNT_MASK) !== MAPCOUNT_MASK, 'a page has below 65536 mappings');
    counts[head]! += 1;
    if ((counts[head]! & MAPCOUNT_MASK) === 1) countMapped(m, head, 1, 0);
    return;
  }
  let first = 0;
  for (let pfn = page; pfn < page + n; pfn++) {
    const c = counts[pfn]!;
    if ((c & MAPCOUNT_MASK) === 0) first++;
    counts[pfn] = c + 1;
  }
  if (first !== 0) {
    addNrPagesMapped(m, head, first);
    if (entireMapcount(m, head) === 0) countMapped(m, head, first, 0);
  }
  addLargeMapcount(m, head, n, mm);
}

/** Maps pages of a page-cache folio by PTE. References are the caller's. */
export function folioAddFileRmapPtes(m: Machine, head: Pfn, page: Pfn, n: Pages, v: VmaRow): void {
  addPteMaps(m, head, page, n, m.vma.mm[v]!);
  if ((m.vma.flags[v]! & VM_LOCKED) === 0 || folioPages(m, head) !== n) return;
  if (n === 1 || m.release.mlockLargeFile) mlockVmaFolio(m, head, v);
}

/** Maps a folio by one PMD: anonymous (fork, collapse) or page cache. */
export function folioAddRmapPmd(m: Machine, head: Pfn, v: VmaRow): void {
  const { mapping } = m.page;
  const before = mapping[head + 2]!;
  mapping[head + 2] = before + 1;
  if (before === 0) countMapped(m, head, 512 - nrPagesMapped(m, head), 512);
  addLargeMapcount(m, head, 1, m.vma.mm[v]!);
  if ((m.vma.flags[v]! & VM_LOCKED) === 0) return;
  if (m.release.mlockLargeFile || m.page.mapping[head]! <= 0) mlockVmaFolio(m, head, v);
}

/** Maps pages of a known anonymous folio by PTE (PMD split, fork, swap-in). */
export function folioAddAnonRmapPtes(
  m: Machine,
  head: Pfn,
  page: Pfn,
  n: Pages,
  v: VmaRow,
  exclusive: boolean,
): void {
  addPteMaps(m, head, page, n, m.vma.mm[v]!);
  // What is mapped whole is locked in a locked VMA. A split PMD's folio is locked once more before the
  // PMD's own lock goes: the mark stays.
  if ((n === 1 || m.release.mlockLargeFile) && folioPages(m, head) === n) {
    mlockVmaFolio(m, head, v);
  }
  if (!exclusive) return;
  const { flags } = m.page;
  for (let pfn = page; pfn < page + n; pfn++) flags[pfn] = flags[pfn]! | PG_ANON_EXCLUSIVE;
}

/** deferred_split_folio(): a large anonymous folio joins the list of split candidates. */
export function deferredSplitFolio(m: Machine, head: Pfn, partially: boolean): void {
  const { flags } = m.page;
  const f = flags[head]!;
  const order = f & ORDER_MASK;
  if (order <= 1) return;
  if (!partially && m.settings.shrinkUnderused === 0) return;
  if (partially && (f & PG_PARTIALLY_MAPPED) === 0) {
    if (order === 9) m.vmstat[THP_DEFERRED_SPLIT_PAGE]! += 1;
    countMthp(m, order, MTHP_SPLIT_DEFERRED);
    countMthp(m, order, MTHP_NR_ANON_PARTIALLY_MAPPED);
  }
  flags[head] = f | PG_DEFERRED | (partially ? PG_PARTIALLY_MAPPED : 0);
}

function afterRemoval(m: Machine, head: Pfn, v: VmaRow, partially: boolean): void {
  const f = m.page.flags[head]!;
  if (partially && (f & PG_ANON) !== 0 && (f & PG_PARTIALLY_MAPPED) === 0) {
    deferredSplitFolio(m, head, true);
  }
  if ((m.vma.flags[v]! & VM_LOCKED) !== 0) munlockVmaFolio(m, head);
}

/**
 * Unmaps pages [page, page+n) of a folio from `v` by PTE: mapcounts, statistics, deferred split.
 * Source: mm/rmap.c folio_remove_rmap_ptes(), 6.18.
 */
export function folioRemoveRmapPtes(m: Machine, head: Pfn, page: Pfn, n: Pages, v: VmaRow): void {
  const { flags, counts } = m.page;
  if ((flags[head]! & PG_HEAD) === 0) {
    counts[head]! -= 1;
    if ((counts[head]! & MAPCOUNT_MASK) === 0) countMapped(m, head, -1, 0);
    if ((m.vma.flags[v]! & VM_LOCKED) !== 0) munlockVmaFolio(m, head);
    return;
  }
  subLargeMapcount(m, head, n, m.vma.mm[v]!);
  let last = 0;
  for (let pfn = page; pfn < page + n; pfn++) {
    const c = counts[pfn]! - 1;
    counts[pfn] = c;
    if ((c & MAPCOUNT_MASK) === 0) last++;
  }
  if (last !== 0) addNrPagesMapped(m, head, -last);
  const unmapped = entireMapcount(m, head) === 0 ? last : 0;
  if (unmapped !== 0) countMapped(m, head, -unmapped, 0);
  afterRemoval(m, head, v, unmapped !== 0 && nrPagesMapped(m, head) !== 0);
}

/** Unmaps a PMD mapping. Source: mm/rmap.c folio_remove_rmap_pmd(), 6.18. */
export function folioRemoveRmapPmd(m: Machine, head: Pfn, v: VmaRow): void {
  const { mapping } = m.page;
  subLargeMapcount(m, head, 1, m.vma.mm[v]!);
  mapping[head + 2]! -= 1;
  let partially = false;
  if (mapping[head + 2] === 0) {
    const nr = 512 - nrPagesMapped(m, head);
    countMapped(m, head, -nr, -512);
    partially = nr !== 0 && nr < 512;
  }
  afterRemoval(m, head, v, partially);
}

/** Locks and unlocks that a CPU collects before it carries them out (PAGEVEC_SIZE). */
const MLOCK_BATCH = 31;

/**
 * Bit of a folio's count of locks: there were two at once. The kernel's own count misses those that
 * come while the folio is on no list, which hangs on how full the CPU's batches are ("might
 * undercount", mm/mlock.c __munlock_folio(), 6.18): one unlock may end them both.
 */
const LOCKS_UNSURE = 0x8000;

/** Whether the marks of a folio that is locked may be gone on a real machine. */
export function locksUnsure(m: Machine, head: Pfn): boolean {
  return (m.page.mlocks[head]! & LOCKS_UNSURE) !== 0;
}

/** Takes a place in the CPU's batch; a full one, or one with a large folio, is carried out. */
function batchMlock(m: Machine, head: Pfn, isUnlock: boolean): void {
  m.mlockBatch.push(isUnlock ? head : 0);
  const isLarge = (m.page.flags[head]! & PG_HEAD) !== 0;
  if (isLarge || m.mlockBatch.length === MLOCK_BATCH) m.mlockBatch.length = 0;
}

/**
 * lru_add_drain(): the CPU's batch is carried out: around a walk that locks what is mapped, and when
 * the pages of a VMA have been brought in (mm/gup.c populate_vma_page_range(), faultin_page_range()).
 */
export function lruAddDrain(m: Machine): void {
  m.mlockBatch.length = 0;
}

/**
 * mlock_vma_folio(): a folio that a VM_LOCKED VMA maps whole. Each mapping counts. A lock that comes
 * while the folio's unlock still waits in the batch is lost: the mark that it finds is taken away
 * before it is carried out itself, and then the folio is evictable.
 * Source: mm/mlock.c mlock_folio(), __mlock_folio(), 6.18.
 */
export function mlockVmaFolio(m: Machine, head: Pfn, v: VmaRow): void {
  const { flags, mlocks } = m.page;
  if ((m.vma.flags[v]! & VM_LOCKED) === 0) return;
  const isMarked = (flags[head]! & PG_MLOCKED) !== 0;
  const isLost = !isMarked && m.release.munlockWaits && m.mlockBatch.includes(head);
  batchMlock(m, head, false);
  if (isLost) return;
  mlocks[head] = isMarked ? (mlocks[head]! + 1) | LOCKS_UNSURE : 1;
  if (isMarked) return;
  flags[head] = flags[head]! | PG_MLOCKED | PG_UNEVICTABLE;
  m.vmstat[NR_MLOCK]! += folioPages(m, head);
}

/** munlock_folio(): the last lock that is known of clears the marks; a split forgets locks. */
export function munlockVmaFolio(m: Machine, head: Pfn): void {
  const { flags, mlocks } = m.page;
  batchMlock(m, head, true);
  const locks = mlocks[head]! & ~LOCKS_UNSURE;
  if (locks > 1) mlocks[head]!--;
  else mlocks[head] = 0;
  if ((flags[head]! & PG_MLOCKED) === 0 || locks > 1) return;
  flags[head] = flags[head]! & ~PG_MLOCKED;
  if (!mappingUnevictable(m, head)) flags[head] = flags[head]! & ~PG_UNEVICTABLE;
  m.vmstat[NR_MLOCK]! -= folioPages(m, head);
}

/** mapping_unevictable(): SHM_LOCK, memfd_secret. */
export function mappingUnevictable(m: Machine, head: Pfn): boolean {
  const inode = m.page.mapping[head]!;
  return inode > 0 && (m.inode.flags[inode]! & INODE_UNEVICTABLE) !== 0;
}

/** folio_move_anon_rmap(): the folio now belongs to this VMA's own anon_vma. */
export function folioMoveAnonRmap(m: Machine, head: Pfn, v: VmaRow): void {
  m.page.mapping[head] = -m.vma.anonVma[v]!;
}

/** Order of the folio that holds a frame that is mapped as a whole by PMD. */
export function isPmdMappable(m: Machine, head: Pfn): boolean {
  return folioOrder(m, head) === 9;
}
