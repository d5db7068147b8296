/**
 * Splitting a large folio (mm/huge_memory.c __folio_split(), 6.18).
 *
 * Anonymous: to single pages, which are mapped again where they were; pages that hold only zeroes
 * become the shared zero page (6.12), so that resident memory falls. Page cache: nothing is mapped
 * again, it refaults; the split is uneven (6.15), only around the page asked for.
 */
import { mod, type Order, type Pfn, type VmaRow } from '../base/index.ts';
import { diskHolds } from './disk.ts';
import { cacheRemove, filePages } from './filemap.ts';
import {
  folioIndex,
  folioMapcount,
  folioOrder,
  folioPut,
  folioRefcount,
  isLarge,
  setFolioIndex,
} from './folio.ts';
import { FS_DISK, FS_SHMEM } from './fs_types.ts';
import { splitHugePmd } from './huge_memory.ts';
import { unmapMappingPages, ZAP_BY_RMAP } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import {
  INDEX_HI_MASK,
  ORDER_MASK,
  PAGE_LEVEL_FLAGS,
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_DEFERRED,
  PG_DIRTY,
  PG_HEAD,
  PG_MLOCKED,
  PG_MM_SHARED,
  PG_PARTIALLY_MAPPED,
  PG_READAHEAD,
  PG_SWAPBACKED,
  PG_WRITTEN,
  REF_ONE,
} from './page_flags.ts';
import { isHugePmd, pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { makePte, PTE_A, PTE_D, PTE_P, PTE_UFFD_WP, PTE_W, pteMapped, ptePfn } from './pgtable.ts';
import { folioAddAnonRmapPtes, folioRemoveRmapPtes } from './rmap.ts';
import { shmemUnacctBlocks } from './shmem_blocks.ts';
import { updateHiwaterRss } from './util.ts';
import { VM_LOCKED } from './vm_flags.ts';
import {
  countMthp,
  MTHP_NR_ANON,
  MTHP_NR_ANON_PARTIALLY_MAPPED,
  MTHP_SPLIT,
  MTHP_SPLIT_FAILED,
  NR_FILE_DIRTY,
  NR_FILE_THPS,
  NR_SHMEM_THPS,
  THP_SPLIT_PAGE,
  THP_SPLIT_PAGE_FAILED,
} from './vmstat.ts';

/** Indexes of folios are kept modulo 2^36 (setFolioIndex). */
const INDEX_SPAN = 2 ** 36;

/** Every VMA that may map an anonymous folio, with the address of the folio's first page there. */
export function anonRmapWalk(m: Machine, head: Pfn, visit: (v: VmaRow, vpn: number) => void): void {
  const index = folioIndex(m, head);
  const a = -m.page.mapping[head]!;
  for (let row = m.anonVma.firstChain[a]!; row !== 0; row = m.chain.nextOfAnon[row]!) {
    const v = m.chain.vma[row]!;
    const distance = mod(index - m.vma.pgoff[v]! + INDEX_SPAN / 2, INDEX_SPAN) - INDEX_SPAN / 2;
    visit(v, m.vma.start[v]! + distance);
  }
}

/** True when the page holds nothing but zeroes. */
function isZeroFilled(m: Machine, pfn: Pfn): boolean {
  if (m.content.length !== 0) return m.content[pfn] === 0;
  return (m.page.flags[pfn]! & PG_WRITTEN) === 0;
}

function countSplit(m: Machine, order: Order, done: boolean): void {
  countMthp(m, order, done ? MTHP_SPLIT : MTHP_SPLIT_FAILED);
  if (order === 9) m.vmstat[done ? THP_SPLIT_PAGE : THP_SPLIT_PAGE_FAILED]! += 1;
}

/** Frames of a folio become folios of `order` each; flags that describe the whole are dropped. */
function carve(m: Machine, first: Pfn, order: Order, flags: number): void {
  const { page } = m;
  page.mlocks[first] = 0;
  const kept =
    flags &
    ~(
      ORDER_MASK |
      INDEX_HI_MASK |
      PG_HEAD |
      PG_DEFERRED |
      PG_PARTIALLY_MAPPED |
      PG_MM_SHARED |
      PAGE_LEVEL_FLAGS
    );
  const own = page.flags[first]! & PAGE_LEVEL_FLAGS;
  page.flags[first] = kept | own | (order > 0 ? PG_HEAD | order : 0);
  if (order === 0) return;
  for (let pfn = first + 1; pfn < first + (1 << order); pfn++) {
    page.flags[pfn] = (page.flags[pfn]! & PAGE_LEVEL_FLAGS) | (order < 9 ? order : 0);
  }
}

interface Mapping {
  readonly v: VmaRow;
  readonly slot: number;
  readonly pte: number;
  readonly exclusive: boolean;
  /** Of a huge PMD, whose 512 pages go at once: it is split into migration entries. */
  readonly frozen: boolean;
}

/**
 * Splits an anonymous folio to single pages. False when someone else holds a reference.
 * Source: split_folio(), remap_page(), 6.18.
 */
export function splitAnonFolio(m: Machine, head: Pfn): boolean {
  const order = folioOrder(m, head);
  if (!isLarge(m, head) || head === m.hugeZeroPfn) return false;
  if (folioRefcount(m, head) !== folioMapcount(m, head)) {
    countSplit(m, order, false);
    return false;
  }
  const { flags, counts, mapping, index } = m.page;
  const n = 1 << order;
  const first = folioIndex(m, head);
  const anonVma = mapping[head]!;
  const maps: Mapping[] = [];
  anonRmapWalk(m, head, (v, vpn) => {
    let frozen = false;
    for (let i = 0; i < n; i++) {
      const at = vpn + i;
      if (at < m.vma.start[v]! || at >= m.vma.end[v]!) continue;
      const pmd = pmdSlot(m, m.vma.mm[v]!, at);
      if (pmd === 0) continue;
      if (isHugePmd(m.pt[pmd]!)) {
        if (ptePfn(m.pt[pmd]!) !== head) continue;
        splitHugePmd(m, v, pmd);
        frozen = m.release.splitUnmapsPmd;
      }
      const slot = pteSlotUnder(m, pmd, at);
      if (slot === 0) continue;
      const pte = m.pt[slot]!;
      if (!pteMapped(pte) || ptePfn(pte) !== head + i) continue;
      const exclusive = (flags[head + i]! & PG_ANON_EXCLUSIVE) !== 0;
      // try_to_migrate_one(): the folio is dirty when the entry that goes was.
      if ((pte & PTE_D) !== 0) flags[head] = flags[head]! | PG_DIRTY;
      maps.push({ v, slot, pte, exclusive, frozen });
    }
  });
  const mlocked = (flags[head]! & PG_MLOCKED) !== 0;
  for (let i = 0; i < maps.length; ) {
    const { v, pte, frozen } = maps[i]!;
    const end = i + (frozen ? n : 1);
    if (!frozen) updateHiwaterRss(m, m.vma.mm[v]!);
    folioRemoveRmapPtes(m, head, ptePfn(pte), end - i, v);
    for (; i < end; i++) m.pt[maps[i]!.slot] = 0;
  }
  if ((flags[head]! & PG_PARTIALLY_MAPPED) !== 0) {
    countMthp(m, order, MTHP_NR_ANON_PARTIALLY_MAPPED, -1);
  }
  countMthp(m, order, MTHP_NR_ANON, -1);
  const shared = flags[head]!;
  for (let i = 0; i < n; i++) {
    const pfn = head + i;
    carve(m, pfn, 0, shared);
    flags[pfn] = flags[pfn]! & ~PG_ANON_EXCLUSIVE;
    counts[pfn] = REF_ONE;
    mapping[pfn] = anonVma;
    index[pfn] = 0;
    setFolioIndex(m, pfn, first + i);
  }
  for (const map of maps) remap(m, map, mlocked);
  for (let i = 0; i < n; i++) folioPut(m, head + i, 1);
  countSplit(m, order, true);
  return true;
}

/** Maps a page of a folio that was split where it was mapped before. */
function remap(m: Machine, map: Mapping, mlocked: boolean): void {
  const { v, slot, pte } = map;
  const pfn = ptePfn(pte);
  const locked = mlocked || (m.vma.flags[v]! & VM_LOCKED) !== 0;
  if (m.release.splitDropsZeroes && !locked && isZeroFilled(m, pfn)) {
    const protNone = (pte & PTE_P) === 0 ? PTE_W : PTE_P;
    m.pt[slot] = makePte(m.zeroPfn, protNone | PTE_A | (pte & PTE_UFFD_WP));
    m.mm.rssAnon[m.vma.mm[v]!]!--;
    return;
  }
  m.page.counts[pfn]! += REF_ONE;
  folioAddAnonRmapPtes(m, pfn, pfn, 1, v, map.exclusive);
  m.pt[slot] = pte;
}

/**
 * Splits a page-cache folio around the page at `index`, unmapping all of it; pieces beyond the end
 * of the file are dropped, but for the first. Before 6.15: to single pages.
 * Source: folio_split(), __split_unmapped_folio(), 6.18.
 */
export function splitFileFolio(m: Machine, head: Pfn, index: number): boolean {
  return splitCached(m, head, index - folioIndex(m, head), m.release.splitNonUniform);
}

function splitCached(m: Machine, head: Pfn, at: number, nonUniform: boolean): boolean {
  const { flags, counts, mapping } = m.page;
  const inode = mapping[head]!;
  const order = folioOrder(m, head);
  const n = 1 << order;
  const first = folioIndex(m, head);
  // filemap_release_folio(): a dirty buffer holds on to its folio; without any the folio is clean.
  if (m.inode.kind[inode] === FS_DISK && (flags[head]! & PG_DIRTY) !== 0) {
    if (diskHolds(m, head, n)) {
      countSplit(m, order, false);
      return false;
    }
    flags[head] = flags[head]! & ~PG_DIRTY;
    m.vmstat[NR_FILE_DIRTY]! -= n;
  }
  unmapMappingPages(m, inode, first, first + n - 1, ZAP_BY_RMAP);
  if (folioRefcount(m, head) !== n) {
    countSplit(m, order, false);
    return false;
  }
  if (order === 9) {
    m.vmstat[(flags[head]! & PG_SWAPBACKED) !== 0 ? NR_SHMEM_THPS : NR_FILE_THPS]! -= 1;
  }
  const whole = flags[head]!;
  counts.fill(0, head, head + n);
  mapping.fill(0, head, head + n);
  m.page.index.fill(0, head, head + n);
  const parts = pieces(order, at, nonUniform);
  for (const piece of parts) {
    const pfn = head + piece.offset;
    // The mark for readahead stays with the first piece.
    carve(m, pfn, piece.order, piece.offset === 0 ? whole : whole & ~PG_READAHEAD);
    mapping[pfn] = inode;
    setFolioIndex(m, pfn, first + piece.offset);
    if (piece.order === 0) counts[pfn] = REF_ONE;
    else m.page.index[pfn + 1] = 1 << piece.order;
  }
  countSplit(m, order, true);
  // shmem_fallocend(): what fallocate(2) promised beyond the end of the file stays.
  const end = Math.max(filePages(m, inode), m.inode.fallocEnd[inode]!);
  for (const piece of parts) {
    if (piece.offset === 0 || first + piece.offset < end) continue;
    const dropped = 1 << piece.order;
    cacheRemove(m, head + piece.offset);
    if (m.inode.kind[inode] === FS_SHMEM) shmemUnacctBlocks(m, inode, dropped);
  }
  return true;
}

/** How a folio of `order` falls apart around page `at`: offsets ascending. */
function pieces(order: Order, at: number, nonUniform: boolean): { offset: number; order: Order }[] {
  const list: { offset: number; order: Order }[] = [];
  if (!nonUniform) {
    for (let i = 0; i < 1 << order; i++) list.push({ offset: i, order: 0 });
    return list;
  }
  let from = 0;
  for (let o = order - 1; o >= 0; o--) {
    const half = 1 << o;
    if (at < from + half) {
      list.push({ offset: from + half, order: o });
    } else {
      list.push({ offset: from, order: o });
      from += half;
    }
  }
  list.push({ offset: from, order: 0 });
  return list.sort((a, b) => a.offset - b.offset);
}

/** Splits any large folio to single pages (split_folio()). */
export function splitFolio(m: Machine, head: Pfn): boolean {
  if ((m.page.flags[head]! & PG_ANON) !== 0) return splitAnonFolio(m, head);
  return splitCached(m, head, 0, false);
}
