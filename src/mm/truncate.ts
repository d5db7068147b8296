/**
 * Files that shrink: truncate, hole punch, and the end of an inode (mm/truncate.c, mm/shmem.c
 * shmem_undo_range(), 6.18).
 */
import type { Bytes, InodeRow, Pfn } from '../base/index.ts';
import { diskDirty, diskForget, diskHasBlock } from './disk.ts';
import {
  cacheFreeRows,
  cacheGet,
  cacheHead,
  cacheNext,
  cacheReadFolio,
  cacheRemove,
  filePages,
  folioAccountDirtied,
  folioMarkDirty,
} from './filemap.ts';
import { folioIndex, folioOrder, folioPages, headOf, isLarge } from './folio.ts';
import { splitFileFolio } from './folio_split.ts';
import { FS_DISK, FS_SHMEM, INODE_DA_ALLOC_CLOSE } from './fs_types.ts';
import { unmapMappingPages, ZAP_EVEN_COWS } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import {
  PG_BUFFER_DIRTY,
  PG_BUFFER_STALE,
  PG_DIRTY,
  PG_MAPPEDTODISK,
  PG_UPTODATE,
  PG_WRITTEN,
} from './page_flags.ts';
import { shmemUnacctBlocks } from './shmem_blocks.ts';

function dropFolio(m: Machine, inode: InodeRow, head: Pfn): void {
  const n = folioPages(m, head);
  const index = folioIndex(m, head);
  unmapMappingPages(m, inode, index, index + n - 1, 0);
  cacheRemove(m, head);
  if (m.inode.kind[inode] === FS_SHMEM) shmemUnacctBlocks(m, inode, n);
}

const OF_A_BLOCK = PG_WRITTEN | PG_MAPPEDTODISK | PG_BUFFER_DIRTY | PG_BUFFER_STALE;

/** Zeroes the bytes [from, to) of a file in its page cache; whole blocks of a disk go. */
function zeroBytes(m: Machine, inode: InodeRow, from: Bytes, to: Bytes): void {
  const first = Math.floor(from / 4096);
  const last = Math.ceil(to / 4096);
  for (let index = first; index < last; index++) {
    const pfn = cacheGet(m, inode, index);
    if (pfn === 0) continue;
    const wholly = from <= index * 4096 && to >= index * 4096 + 4096;
    if (wholly) m.page.flags[pfn] = m.page.flags[pfn]! & ~OF_A_BLOCK;
    if (m.content.length !== 0 && from <= index * 4096) m.content[pfn] = 0;
  }
}

/** try_folio_split_or_unmap(): what cannot be split of a disk file at least faults anew. */
function splitOrUnmap(m: Machine, inode: InodeRow, head: Pfn, page: number): boolean {
  if (splitFileFolio(m, head, page)) return true;
  if (m.inode.kind[inode] !== FS_SHMEM) {
    const index = folioIndex(m, head);
    unmapMappingPages(m, inode, index, index + folioPages(m, head) - 1, 0);
  }
  return false;
}

/**
 * A folio that [start, last] covers in part: zeroed there and, if large, split around both ends of
 * the hole. False when it could not be split and must stay.
 * Source: mm/truncate.c truncate_inode_partial_folio(), 6.18.
 */
function truncatePartialFolio(
  m: Machine,
  inode: InodeRow,
  head: Pfn,
  start: Bytes,
  last: Bytes,
): boolean {
  const pos = folioIndex(m, head) * 4096;
  const size = folioPages(m, head) * 4096;
  const offset = Math.max(0, start - pos);
  const length = pos + size <= last ? size - offset : last + 1 - pos - offset;
  if (length === size) {
    dropFolio(m, inode, head);
    return true;
  }
  zeroBytes(m, inode, pos + offset, pos + offset + length);
  if (!isLarge(m, head)) return true;
  const firstPage = folioIndex(m, head) + Math.floor(offset / 4096);
  if (splitOrUnmap(m, inode, head, firstPage)) {
    if (offset + length === size) return true;
    const secondPage = pos / 4096 + Math.floor((offset + length) / 4096);
    const second = cacheHead(m, inode, secondPage);
    if (second !== 0 && isLarge(m, second)) splitOrUnmap(m, inode, second, secondPage);
    return true;
  }
  if ((m.page.flags[head]! & PG_DIRTY) !== 0) return false;
  dropFolio(m, inode, head);
  return true;
}

/**
 * Removes the pages of bytes [start, last] from the page cache; `last` = Infinity to the end.
 * Source: shmem_undo_range(), truncate_inode_pages_range(), 6.18.
 */
export function truncatePageRange(m: Machine, inode: InodeRow, start: Bytes, last: Bytes): void {
  let first = Math.ceil(start / 4096);
  let end = last === Number.POSITIVE_INFINITY ? last : Math.floor((last + 1) / 4096);
  const { fallocEnd } = m.inode;
  diskForget(m, inode, first, Math.floor(last / 4096) + 1);
  if (fallocEnd[inode]! > first && fallocEnd[inode]! <= end) fallocEnd[inode] = first;
  if (m.inode.nrPages[inode] === 0) return;
  for (let at = cacheNext(m, inode, first, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const head = headOf(m, cacheGet(m, inode, at));
    const index = folioIndex(m, head);
    const next = index + folioPages(m, head);
    if (index >= first && next <= end) dropFolio(m, inode, head);
    at = next;
  }
  if (m.inode.nrPages[inode] === 0) return;
  const startPage = Math.floor(start / 4096);
  const lastPage = last === Number.POSITIVE_INFINITY ? -1 : Math.floor(last / 4096);
  let sameFolio = startPage === lastPage;
  const head = cacheHead(m, inode, startPage);
  if (head !== 0) {
    const index = folioIndex(m, head);
    const next = index + folioPages(m, head);
    sameFolio = last < next * 4096;
    if (m.inode.kind[inode] === FS_SHMEM) folioMarkDirty(m, head);
    if (!truncatePartialFolio(m, inode, head, start, last)) {
      first = next;
      if (sameFolio) end = index;
    }
  }
  if (!sameFolio && lastPage >= 0) {
    const tail = cacheHead(m, inode, lastPage);
    if (tail !== 0) {
      const index = folioIndex(m, tail);
      if (m.inode.kind[inode] === FS_SHMEM) folioMarkDirty(m, tail);
      if (!truncatePartialFolio(m, inode, tail, start, last)) end = index;
    }
  }
  for (let at = cacheNext(m, inode, first, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const rest = headOf(m, cacheGet(m, inode, at));
    const next = folioIndex(m, rest) + folioPages(m, rest);
    if (folioOrder(m, rest) === 0) dropFolio(m, inode, rest);
    else truncatePartialFolio(m, inode, rest, start, last);
    at = next;
  }
}

/**
 * Takes back what a failing fallocate(2) has made in pages [first, end): folios that are not up to
 * date. One that reaches out of the range is only split there, unless its first piece is a single
 * page: then its pages are gone through once more. Source: mm/shmem.c shmem_undo_range(), 6.18.
 */
export function undoFallocate(m: Machine, inode: InodeRow, first: number, end: number): void {
  const { flags } = m.page;
  for (let at = cacheNext(m, inode, first, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const head = headOf(m, cacheGet(m, inode, at));
    const index = folioIndex(m, head);
    at = index + folioPages(m, head);
    const isInside = index >= first && at <= end;
    if (isInside && (flags[head]! & PG_UPTODATE) === 0) dropFolio(m, inode, head);
  }
  for (let at = cacheNext(m, inode, first, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const head = headOf(m, cacheGet(m, inode, at));
    at = folioIndex(m, head) + folioPages(m, head);
    if ((flags[head]! & PG_UPTODATE) !== 0) continue;
    if (folioOrder(m, head) === 0) {
      dropFolio(m, inode, head);
    } else if (truncatePartialFolio(m, inode, head, first * 4096, end * 4096 - 1)) {
      if (folioOrder(m, head) === 0) at = first;
    }
  }
}

/**
 * Sets a file's size: pages beyond it are unmapped everywhere, private copies too, and leave the
 * page cache. ext4 cuts its page cache at a larger size too: a folio that reaches over that is split,
 * or unmapped. Errors (seals, limits) are the caller's. Source: mm/shmem.c shmem_setattr(),
 * fs/ext4/inode.c ext4_setattr(), 6.18.
 */
export function truncateSetsize(m: Machine, inode: InodeRow, bytes: Bytes): void {
  const old = m.inode.size[inode]!;
  m.inode.size[inode] = bytes;
  const onDisk = m.inode.kind[inode] === FS_DISK;
  if (onDisk && bytes === 0) {
    m.inode.flags[inode] = m.inode.flags[inode]! | INODE_DA_ALLOC_CLOSE;
  }
  if (bytes > old) {
    if (!onDisk) return;
    if (old % 4096 !== 0) touchPartialPage(m, inode, Math.floor(old / 4096));
    truncatePageRange(m, inode, bytes, Number.POSITIVE_INFINITY);
    return;
  }
  const hole = Math.ceil(bytes / 4096);
  const unmap = old > hole * 4096;
  if (unmap) unmapMappingPages(m, inode, hole, Number.MAX_SAFE_INTEGER, ZAP_EVEN_COWS);
  truncatePageRange(m, inode, bytes, Number.POSITIVE_INFINITY);
  if (unmap) unmapMappingPages(m, inode, hole, Number.MAX_SAFE_INTEGER, ZAP_EVEN_COWS);
  if (onDisk && bytes % 4096 !== 0) touchPartialPage(m, inode, Math.floor(bytes / 4096));
}

/**
 * Punches bytes [start, end): whole pages are unmapped, private copies are kept. The last byte of a
 * hole that ends inside the first page is at -1 in shmem_fallocate() and ext4_punch_hole(), and is
 * taken unsigned: everything from the first whole page on is unmapped (asked, 6.18.44).
 */
export function punchHole(m: Machine, inode: InodeRow, start: Bytes, end: Bytes): void {
  const first = Math.ceil(start / 4096);
  const last = Math.floor(end / 4096) - 1;
  if (last >= first) unmapMappingPages(m, inode, first, last, 0);
  else if (last < 0 && (m.inode.kind[inode] !== FS_DISK || m.release.ext4HoleUnmapsAll)) {
    unmapMappingPages(m, inode, first, Number.MAX_SAFE_INTEGER, 0);
  }
  truncatePageRange(m, inode, start, end - 1);
  if (m.inode.kind[inode] === FS_DISK) zeroPartialPages(m, inode, start, end);
}

/** ext4_punch_hole(): nothing behind i_size; a hole that reaches over it ends with its page. */
export function punchDiskHole(m: Machine, inode: InodeRow, start: Bytes, end: Bytes): void {
  const size = m.inode.size[inode]!;
  if (start < size) punchHole(m, inode, start, end > size ? Math.ceil(size / 4096) * 4096 : end);
}

/**
 * ext4 zeroes the partial pages at both ends of a hole, and behind a new or old end of the file, in
 * the page cache. A page that was not cached is brought in for that, whether the disk has a block
 * for it or not, and stays not up to date: fault-around passes it over. A block makes it dirty.
 * Source: fs/ext4/inode.c ext4_zero_partial_blocks(), __ext4_block_zero_page_range(); asked, 6.18.44.
 */
export function zeroPartialPages(m: Machine, inode: InodeRow, start: Bytes, end: Bytes): void {
  if (start % 4096 !== 0) touchPartialPage(m, inode, Math.floor(start / 4096));
  if (end % 4096 !== 0) touchPartialPage(m, inode, Math.floor(end / 4096));
}

function touchPartialPage(m: Machine, inode: InodeRow, index: number): void {
  if (index >= filePages(m, inode)) return;
  let pfn = cacheGet(m, inode, index);
  if (pfn === 0) {
    pfn = cacheReadFolio(m, inode, index, 0);
    if (pfn === 0) return;
    m.page.flags[pfn] = m.page.flags[pfn]! & ~PG_UPTODATE;
  }
  if (!diskHasBlock(m, pfn)) return;
  diskDirty(m, pfn, 1);
  folioAccountDirtied(m, headOf(m, pfn));
}

/** The last user of an inode without a name is gone: its pages go. */
export function evictInode(m: Machine, inode: InodeRow): void {
  truncatePageRange(m, inode, 0, Number.POSITIVE_INFINITY);
  cacheFreeRows(m, inode);
}
