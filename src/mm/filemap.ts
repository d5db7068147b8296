/**
 * The page cache: per inode a tree of rows of 512 entries (in the same pool as page tables), whose
 * leaves hold the PFN of each cached page. A large folio occupies all its slots; one of 2 MiB that
 * fills a leaf has minus its PFN where the leaf's row would be, as an xarray has one multi-index
 * entry, until the leaf is needed to tell its pages apart.
 *
 * Source of behaviour: mm/filemap.c, 6.18.
 */
import {
  assert,
  fillColumn,
  type InodeRow,
  modPow2,
  type Order,
  type Pfn,
  PMD_ORDER,
  type VmaRow,
} from '../base/index.ts';
import { diskDirtyFolio, diskRead } from './disk.ts';
import { allocFolio, folioIndex, folioOrder, folioPut, headOf, setFolioIndex } from './folio.ts';
import { FS_DISK } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import {
  PG_DIRTY,
  PG_MAPPEDTODISK,
  PG_PREMATURE,
  PG_READAHEAD,
  PG_SWAPBACKED,
  PG_UPTODATE,
  PG_WRITTEN,
} from './page_flags.ts';
import { freeTableRow, newTableRow, tableIsEmpty } from './pgalloc.ts';
import { NR_FILE_DIRTY, NR_FILE_PAGES, NR_FILE_THPS, NR_SHMEM, NR_SHMEM_THPS } from './vmstat.ts';

const SPAN = [1, 512, 262144, 134217728, 68719476736];

/** Which entry of a node, `level` levels above the leaves, leads to a page offset. */
function nodeIndex(index: number, level: number): number {
  if (index <= 0x7fffffff) return (index >> (9 * level)) & 511;
  return modPow2(index / SPAN[level]!, 512);
}

/** The tree, as high as it is, has room for a page offset. */
function reaches(m: Machine, inode: InodeRow, index: number): boolean {
  return index < SPAN[m.inode.cacheHeight[inode]!]!;
}

/** Row of the leaf that covers a page offset; 0 = none; minus the head of a 2 MiB folio there. */
function leafRow(m: Machine, inode: InodeRow, index: number): number {
  const height = m.inode.cacheHeight[inode]!;
  if (height === 0 || index >= SPAN[height]!) return 0;
  const { pt } = m;
  let row = m.inode.cacheRoot[inode]!;
  for (let level = height - 1; level > 0; level--) {
    row = pt[(row << 9) | nodeIndex(index, level)]!;
    if (row <= 0) return row;
  }
  return row;
}

/** Makes the tree at least `levels` high, and high enough for a page offset. */
function raise(m: Machine, inode: InodeRow, index: number, levels: number): void {
  const { cacheRoot, cacheHeight } = m.inode;
  assert(index < SPAN[4]!, 'page offsets in the page cache have at most 36 bits');
  if (cacheHeight[inode] === 0) {
    cacheRoot[inode] = newTableRow(m);
    cacheHeight[inode] = 1;
  }
  while (cacheHeight[inode]! < levels || index >= SPAN[cacheHeight[inode]!]!) {
    const root = newTableRow(m);
    m.pt[root * 512] = cacheRoot[inode]!;
    cacheRoot[inode] = root;
    cacheHeight[inode]!++;
  }
}

/** Slot, `level` levels above the leaves, that leads to a page offset; makes the nodes above. */
function nodeSlotAlloc(m: Machine, inode: InodeRow, index: number, level: number): number {
  if (m.inode.cacheHeight[inode]! <= level || !reaches(m, inode, index)) {
    raise(m, inode, index, level + 1);
  }
  let row = m.inode.cacheRoot[inode]!;
  for (let l = m.inode.cacheHeight[inode]! - 1; l > level; l--) {
    const slot = (row << 9) | nodeIndex(index, l);
    row = m.pt[slot]!;
    if (row === 0) {
      row = newTableRow(m);
      m.pt[slot] = row;
    } else if (row < 0) {
      row = expand(m, slot);
    }
  }
  return (row << 9) | nodeIndex(index, level);
}

/** Gives a 2 MiB folio that fills one entry a leaf of its own. */
function expand(m: Machine, slot: number): number {
  const head = -m.pt[slot]!;
  const row = newTableRow(m);
  for (let i = 0; i < 512; i++) m.pt[row * 512 + i] = head + i;
  m.pt[slot] = row;
  return row;
}

/** The frame that caches page `index`, or 0 (filemap_get_entry). */
export function cacheGet(m: Machine, inode: InodeRow, index: number): Pfn {
  const row = leafRow(m, inode, index);
  if (row === 0) return 0;
  const at = modPow2(index, 512);
  return row < 0 ? at - row : m.pt[(row << 9) | at]!;
}

/** The first cached page offset in [index, end), or -1. */
export function cacheNext(m: Machine, inode: InodeRow, index: number, end: number): number {
  const height = m.inode.cacheHeight[inode]!;
  const limit = height === 0 ? 0 : Math.min(end, SPAN[height]!);
  for (let at = index; at < limit; ) {
    const row = leafRow(m, inode, at);
    if (row < 0) return at;
    const first = modPow2(at, 512);
    const next = at - first + 512;
    if (row !== 0) {
      const { pt } = m;
      const stop = Math.min(limit, next);
      for (let s = row * 512 + first; at < stop; at++, s++) if (pt[s] !== 0) return at;
    }
    at = next;
  }
  return -1;
}

/** True when no page of [index, index+n) is cached. */
export function cacheRangeEmpty(m: Machine, inode: InodeRow, index: number, n: number): boolean {
  return cacheNext(m, inode, index, index + n) < 0;
}

function countCached(m: Machine, head: Pfn, n: number): void {
  const isShmem = (m.page.flags[head]! & PG_SWAPBACKED) !== 0;
  m.vmstat[NR_FILE_PAGES]! += n;
  if (isShmem) m.vmstat[NR_SHMEM]! += n;
  if (n === 512 || n === -512) m.vmstat[isShmem ? NR_SHMEM_THPS : NR_FILE_THPS]! += n / 512;
}

/**
 * Puts a fresh folio into the cache at a page offset that is aligned to it. The cache holds one
 * reference a page; the caller's own is the first of them (__filemap_add_folio, folio_put).
 */
export function cacheInsert(m: Machine, inode: InodeRow, index: number, head: Pfn): void {
  const order = folioOrder(m, head);
  const n = 1 << order;
  if (order === PMD_ORDER) {
    insertHuge(m, inode, index, head);
  } else {
    const slot = nodeSlotAlloc(m, inode, index, 0);
    const { pt } = m;
    for (let i = 0; i < n; i++) {
      assert(pt[slot + i] === 0, 'a page-cache slot is taken once');
      pt[slot + i] = head + i;
    }
  }
  setFolioIndex(m, head, index);
  m.page.mapping[head] = inode;
  if (n > 1) m.page.index[head + 1]! += n - 1;
  m.inode.nrPages[inode]! += n;
  countCached(m, head, n);
}

/** A 2 MiB folio takes the place of a whole leaf. */
function insertHuge(m: Machine, inode: InodeRow, index: number, head: Pfn): void {
  const slot = nodeSlotAlloc(m, inode, index, 1);
  const row = m.pt[slot]!;
  if (row !== 0) {
    assert(row > 0 && tableIsEmpty(m, row), 'a page-cache slot is taken once');
    freeTableRow(m, row);
  }
  m.pt[slot] = -head;
}

/** Takes a folio out of the cache and drops the cache's references (filemap_remove_folio). */
export function cacheRemove(m: Machine, head: Pfn): void {
  const { flags, mapping } = m.page;
  const inode = mapping[head]!;
  const order = folioOrder(m, head);
  const n = 1 << order;
  const index = folioIndex(m, head);
  if (order === PMD_ORDER && leafRow(m, inode, index) < 0) {
    m.pt[nodeSlotAlloc(m, inode, index, 1)] = 0;
  } else {
    const slot = nodeSlotAlloc(m, inode, index, 0);
    fillColumn(m.pt, 0, slot, slot + n);
  }
  mapping[head] = 0;
  m.inode.nrPages[inode]! -= n;
  countCached(m, head, -n);
  if ((flags[head]! & PG_DIRTY) !== 0 && (flags[head]! & PG_SWAPBACKED) === 0) {
    m.vmstat[NR_FILE_DIRTY]! -= n;
  }
  if ((flags[head]! & PG_PREMATURE) === 0) folioPut(m, head, n);
}

/** Frees the rows of an empty cache. */
export function cacheFreeRows(m: Machine, inode: InodeRow): void {
  assert(m.inode.nrPages[inode] === 0, 'only an empty page cache is torn down');
  const height = m.inode.cacheHeight[inode]!;
  if (height === 0) return;
  freeRows(m, m.inode.cacheRoot[inode]!, height);
  m.inode.cacheRoot[inode] = 0;
  m.inode.cacheHeight[inode] = 0;
}

function freeRows(m: Machine, row: number, height: number): void {
  if (height > 1) {
    for (let i = 0; i < 512; i++) {
      const child = m.pt[row * 512 + i]!;
      assert(child >= 0, 'an empty page cache holds no 2 MiB folio');
      if (child !== 0) freeRows(m, child, height - 1);
    }
  }
  freeTableRow(m, row);
}

/**
 * folio_mark_dirty() of a page-cache folio; PG_reclaim, which is PG_readahead too, ends with it. One
 * of a disk has buffers here: only what a store dirtied comes here, and pageMkwrite() made them.
 */
export function folioMarkDirty(m: Machine, head: Pfn): void {
  const { flags, mapping } = m.page;
  const f = flags[head]! & ~PG_READAHEAD;
  flags[head] = f;
  if ((f & PG_SWAPBACKED) === 0 && m.inode.kind[mapping[head]!] === FS_DISK) {
    diskDirtyFolio(m, head, 1 << folioOrder(m, head));
  }
  folioAccountDirtied(m, head);
}

/** __folio_mark_dirty(), for one whose buffers became dirty. */
export function folioAccountDirtied(m: Machine, head: Pfn): void {
  const { flags } = m.page;
  const f = flags[head]!;
  if ((f & PG_DIRTY) !== 0) return;
  flags[head] = f | PG_DIRTY;
  if ((f & PG_SWAPBACKED) === 0) m.vmstat[NR_FILE_DIRTY]! += 1 << folioOrder(m, head);
}

/** Pages of a file: ceil(i_size / 4096). */
export function filePages(m: Machine, inode: InodeRow): number {
  return Math.ceil(m.inode.size[inode]! / 4096);
}

/** Page offset in its file of a page of a VMA (linear_page_index). */
export function linearPageIndex(m: Machine, v: VmaRow, vpn: number): number {
  return m.vma.pgoff[v]! + (vpn - m.vma.start[v]!);
}

/**
 * A fresh page-cache folio of a disk file, read in: contents as the disk has them (zero, for what
 * no program wrote). 0 when memory is out.
 */
export function cacheReadFolio(m: Machine, inode: InodeRow, index: number, order: Order): Pfn {
  const head = allocFolio(m, order);
  if (head === 0) return 0;
  m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
  cacheInsert(m, inode, index, head);
  if (m.disk.live !== 0) {
    for (let i = 0; i < 1 << order; i++) {
      const content = diskRead(m, inode, index + i);
      if (content < 0) continue;
      m.page.flags[head + i] = m.page.flags[head + i]! | PG_MAPPEDTODISK;
      m.reading.push(head + i);
      if (content > 0) markWritten(m, head + i, content);
    }
  }
  return head;
}

/** Marks pages as holding data: write(2), or the data of a file that existed before. */
export function markWritten(m: Machine, pfn: Pfn, content: number): void {
  m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
  if (m.content.length !== 0) m.content[pfn] = content;
}

/** Order of the folio that write(2) of `bytes` at page `index` adds to a disk file's cache. */
export function writeOrder(index: number, bytes: number): Order {
  let order = 0;
  while (order < 9 && bytes >= 8192 * 2 ** order) order++;
  while (order > 0 && index % (1 << order) !== 0) order--;
  return order;
}

/** The cached folio's head that holds page `index`, or 0. */
export function cacheHead(m: Machine, inode: InodeRow, index: number): Pfn {
  const pfn = cacheGet(m, inode, index);
  return pfn === 0 ? 0 : headOf(m, pfn);
}
