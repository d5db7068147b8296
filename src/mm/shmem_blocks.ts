/** How many blocks of its mount an object of tmpfs uses (mm/shmem.c, 6.18). */
import type { InodeRow } from '../base/index.ts';
import { INODE_NORESERVE, INODE_SHARED_ANON } from './fs_types.ts';
import type { Machine } from './mm_types.ts';

/** Pages that an object of MAP_NORESERVE takes or gives count in the commit limit one by one. */
function commit(m: Machine, inode: InodeRow, pages: number): void {
  const needed = INODE_NORESERVE | INODE_SHARED_ANON;
  if ((m.inode.flags[inode]! & needed) !== needed) return;
  m.committed += pages;
  m.inode.charged[inode]! += pages;
}

/** Takes room on the mount; false when there is none. */
export function shmemAcctBlocks(m: Machine, inode: InodeRow, pages: number): boolean {
  const sb = m.inode.sb[inode]!;
  const { maxBlocks, usedBlocks } = m.sb;
  if (maxBlocks[sb] !== 0 && usedBlocks[sb]! + pages > maxBlocks[sb]!) return false;
  usedBlocks[sb]! += pages;
  commit(m, inode, pages);
  return true;
}

/** Gives room back when pages leave an object. */
export function shmemUnacctBlocks(m: Machine, inode: InodeRow, pages: number): void {
  m.sb.usedBlocks[m.inode.sb[inode]!]! -= pages;
  commit(m, inode, -pages);
}
