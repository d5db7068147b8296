/**
 * The blocks of a disk, 4 KiB each. Three flags of a cached page tell how its block stands:
 *
 *   none               a hole
 *   PG_BUFFER_DIRTY    written to, the block only reserved (delayed allocation)
 *   PG_MAPPEDTODISK    on the disk
 *   both               on the disk, and written to since
 *   PG_BUFFER_STALE    none (behind the end of the file, or a hole since), but its buffer is dirty:
 *                      folio_mark_dirty() dirties all buffers of a folio
 *
 * Where contents are kept, a row stands for the block of a page that left the page cache clean, with
 * what the block holds. A page that is cached again may have a row still; the next one that leaves
 * replaces it. No kernel has such a table.
 *
 * A block comes with write(2), even one that copied nothing, and with the first store through a
 * shared mapping; it goes with a hole or a cut. fallocate(2) reserves blocks that count as none:
 * they are unwritten. Source: fs/ext4/inode.c ext4_block_write_begin(), ext4_page_mkwrite(), 6.18.
 */
import { freeRow, type InodeRow, newRow, type Pages, type Pfn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { PG_BUFFER_DIRTY, PG_BUFFER_STALE, PG_MAPPEDTODISK } from './page_flags.ts';

/** Does a cached page have a block (buffer_mapped)? */
export function diskHasBlock(m: Machine, pfn: Pfn): boolean {
  return (m.page.flags[pfn]! & (PG_MAPPEDTODISK | PG_BUFFER_DIRTY)) !== 0;
}

/** Makes the buffers of n cached pages dirty; they have blocks from now on. The folio is the caller's. */
export function diskDirty(m: Machine, pfn: Pfn, n: Pages): void {
  const { flags } = m.page;
  for (let i = 0; i < n; i++) {
    flags[pfn + i] = (flags[pfn + i]! & ~PG_BUFFER_STALE) | PG_BUFFER_DIRTY;
  }
}

/** Makes all buffers of a folio of n pages dirty. Source: fs/buffer.c block_dirty_folio(), 6.18. */
export function diskDirtyFolio(m: Machine, head: Pfn, n: Pages): void {
  const { flags } = m.page;
  for (let pfn = head; pfn < head + n; pfn++) {
    const f = flags[pfn]!;
    if ((f & PG_BUFFER_DIRTY) !== 0) continue;
    flags[pfn] = f | ((f & PG_MAPPEDTODISK) !== 0 ? PG_BUFFER_DIRTY : PG_BUFFER_STALE);
  }
}

/**
 * The buffers of n cached pages are written: what was reserved is on the disk. What has no block is
 * only clean then. Source: fs/ext4/page-io.c ext4_bio_write_folio(), 6.18.
 */
export function diskClean(m: Machine, pfn: Pfn, n: Pages): void {
  const { flags } = m.page;
  for (let i = 0; i < n; i++) {
    const f = flags[pfn + i]! & ~PG_BUFFER_STALE;
    flags[pfn + i] = (f & PG_BUFFER_DIRTY) === 0 ? f : (f & ~PG_BUFFER_DIRTY) | PG_MAPPEDTODISK;
  }
}

/** Does a dirty buffer hold on to a folio of n pages? (fs/buffer.c drop_buffers(), 6.18) */
export function diskHolds(m: Machine, head: Pfn, n: Pages): boolean {
  const { flags } = m.page;
  for (let pfn = head; pfn < head + n; pfn++) {
    if ((flags[pfn]! & (PG_BUFFER_DIRTY | PG_BUFFER_STALE)) !== 0) return true;
  }
  return false;
}

/** Is the block of some page of n only reserved? */
export function diskDelays(m: Machine, head: Pfn, n: Pages): boolean {
  for (let i = 0; i < n; i++) {
    const f = m.page.flags[head + i]!;
    if ((f & (PG_BUFFER_DIRTY | PG_MAPPEDTODISK)) === PG_BUFFER_DIRTY) return true;
  }
  return false;
}

function rowOf(m: Machine, inode: InodeRow, index: number): number {
  const { disk } = m;
  for (let row = 1; row < disk.used; row++) {
    if (disk.inode[row] === inode && disk.index[row] === index) return row;
  }
  return 0;
}

/** Page `pfn`, page `index` of a file, leaves the cache clean: its block stays as it was. */
export function diskKeep(m: Machine, inode: InodeRow, index: number, pfn: Pfn): void {
  const old = rowOf(m, inode, index);
  const content = m.content[pfn]!;
  if (content === 0 && (m.page.flags[pfn]! & PG_MAPPEDTODISK) === 0) {
    if (old !== 0) freeRow(m.disk, old);
    return;
  }
  const row = old !== 0 ? old : newRow(m.disk);
  m.disk.inode[row] = inode;
  m.disk.index[row] = index;
  m.disk.content[row] = content;
}

/** What is read in for page `index`; 0 for what no program wrote, -1 where there is no block. */
export function diskRead(m: Machine, inode: InodeRow, index: number): number {
  if (m.disk.live === 0) return -1;
  const row = rowOf(m, inode, index);
  return row === 0 ? -1 : m.disk.content[row]!;
}

/** Pages [first, end) of a file are cut off, or are a hole. */
export function diskForget(m: Machine, inode: InodeRow, first: number, end: number): void {
  const { disk } = m;
  if (disk.live === 0) return;
  for (let row = 1; row < disk.used; row++) {
    const index = disk.index[row]!;
    if (disk.inode[row] === inode && index >= first && index < end) freeRow(disk, row);
  }
}
