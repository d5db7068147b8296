/**
 * What is taken back when the blocks of a tmpfs mount run short: the pages that large folios hold
 * behind the end of their file (mm/shmem.c, 6.18).
 *
 * `inode.shrinkPlace` is an object's place on its mount's list of such files, 0 when it is not on it.
 * A file that is moved back keeps its place: the kernel turns the order of the files round when it
 * takes them, and once more when it puts them back at the head.
 */
import type { InodeRow, Pfn, Row } from '../base/index.ts';
import { cacheHead, filePages } from './filemap.ts';
import { folioIndex, folioPages, isLarge } from './folio.ts';
import { splitFolio } from './folio_split.ts';
import type { Machine } from './mm_types.ts';

/** Files that one call looks at. */
const BATCH = 128;

/** Answer of shmemUnusedHugeShrink(): no file is on the list. */
export const SHRINK_STOP = -1;

/**
 * A large folio was made whose pages end at `next`: if that is behind the end of the file, the file
 * goes to the end of its mount's list. Before 6.12 a single page behind the end is not worth it.
 */
export function shmemMayShrink(m: Machine, inode: InodeRow, next: number): void {
  const sb = m.inode.sb[inode]!;
  if (m.sb.maxBlocks[sb] === 0 || m.inode.shrinkPlace[inode] !== 0) return;
  const least = m.release.shmemShrinks === 'pages' ? 1 : 2;
  if (next - filePages(m, inode) >= least) m.inode.shrinkPlace[inode] = ++m.sb.shrinkPlaces[sb]!;
}

/** The first files of the mount's list; the last of them is looked at first. */
function listed(m: Machine, sb: Row): InodeRow[] {
  const found: InodeRow[] = [];
  if (m.sb.shrinkPlaces[sb] === 0) return found;
  const { shrinkPlace, rows } = m.inode;
  for (let i = 1; i < rows.used; i++) {
    if (shrinkPlace[i] !== 0 && m.inode.sb[i] === sb) found.push(i);
  }
  found.sort((a, b) => shrinkPlace[a]! - shrinkPlace[b]!);
  return found.slice(0, BATCH).reverse();
}

/**
 * Splits folios that reach over the end of their file, mapped or not, so that their pages behind the
 * end go: until `pages` are freed, before 6.12 until one or two are split. A file whose folio was
 * split, or that has nothing to give, leaves the list; one whose folio is locked, as `added` is, or
 * busy stays. Returns how many were split. Source: shmem_unused_huge_shrink(), 6.18.
 */
export function shmemUnusedHugeShrink(m: Machine, sb: Row, pages: number, added: Pfn): number {
  const { size, fallocEnd, shrinkPlace } = m.inode;
  const rule = m.release.shmemShrinks;
  const most = rule === 'pages' ? Number.POSITIVE_INFINITY : rule === 'two' ? 2 : 1;
  const files = listed(m, sb);
  if (files.length === 0) return SHRINK_STOP;
  let freed = 0;
  let split = 0;
  for (const inode of files) {
    // Before 6.12 a file that fills its last 2 MiB leaves at once, and what fallocate promised does not count.
    const isFull = rule !== 'pages' && filePages(m, inode) % 512 === 0;
    if (!isFull && (split >= most || (rule === 'pages' && freed >= pages))) continue;
    const head = isFull ? 0 : cacheHead(m, inode, Math.floor(size[inode]! / 4096));
    const isThere = head !== 0 && isLarge(m, head);
    const next = isThere ? folioIndex(m, head) + folioPages(m, head) : 0;
    const end = Math.max(filePages(m, inode), fallocEnd[inode]!);
    const gains = isThere && (rule !== 'pages' || (end > folioIndex(m, head) && end < next));
    if (gains) {
      if (head === added || !splitFolio(m, head)) continue;
      freed += next - end;
      split++;
    }
    shrinkPlace[inode] = 0;
  }
  return split;
}
