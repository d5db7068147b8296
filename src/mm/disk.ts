/**
 * What a disk holds of pages that left the page cache clean: their contents, where contents are kept
 * and are not zero. A page that is cached again may have a row still; the next one that leaves
 * replaces it. No kernel has such a table: it stands for the blocks of the disk.
 */
import { freeRow, type InodeRow, newRow } from '../base/index.ts';
import type { Machine } from './mm_types.ts';

function rowOf(m: Machine, inode: InodeRow, index: number): number {
  const { disk } = m;
  for (let row = 1; row < disk.used; row++) {
    if (disk.inode[row] === inode && disk.index[row] === index) return row;
  }
  return 0;
}

/** Page `index` of a file leaves the cache, and is on the disk as it was. */
export function diskKeep(m: Machine, inode: InodeRow, index: number, content: number): void {
  const old = rowOf(m, inode, index);
  if (content === 0) {
    if (old !== 0) freeRow(m.disk, old);
    return;
  }
  const row = old !== 0 ? old : newRow(m.disk);
  m.disk.inode[row] = inode;
  m.disk.index[row] = index;
  m.disk.content[row] = content;
}

/** What is read in for page `index`; 0 for what no program wrote. */
export function diskRead(m: Machine, inode: InodeRow, index: number): number {
  if (m.disk.live === 0) return 0;
  const row = rowOf(m, inode, index);
  return row === 0 ? 0 : m.disk.content[row]!;
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
