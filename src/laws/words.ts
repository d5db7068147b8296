/** Frames, tasks and addresses in the words of a violation. */
import type { InodeRow, Pfn, TaskRow, Vpn } from '../base/index.ts';
import { folioIndex, folioPages, headOf } from '../mm/folio.ts';
import { FS_SHMEM } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_BUDDY, PG_HEAD } from '../mm/page_flags.ts';

export function addressWords(vpn: Vpn): string {
  return vpn < 0 ? '' : `0x${vpn.toString(16)}000`.replace('0x0000', '0x0');
}

export function taskWords(m: Machine, task: TaskRow): string {
  if (task === 0) return '';
  const name = m.names[m.task.name[task]!];
  return name === undefined || name === '' ? `pid ${m.task.pid[task]!}` : name;
}

export function inodeWords(m: Machine, inode: InodeRow): string {
  return `${m.inode.kind[inode] === FS_SHMEM ? 'shmem' : 'file'} inode ${inode}`;
}

function indexWords(first: number, n: number): string {
  return n === 1 ? `page ${first}` : `pages ${first}-${first + n - 1}`;
}

/** A frame as what it holds: "page 1 of folio (shmem inode 2, pages 0-3)". */
export function pageWords(m: Machine, pfn: Pfn): string {
  if (pfn === 0) return 'no page';
  if (pfn === m.zeroPfn) return 'the zero page';
  if (pfn < 0 || pfn >= m.pages) return `frame ${pfn}, which memory does not have`;
  const head = headOf(m, pfn);
  if (m.hugeZeroPfn !== 0 && head === m.hugeZeroPfn) return 'the huge zero page';
  const f = m.page.flags[head]!;
  const mapping = m.page.mapping[head]!;
  const n = folioPages(m, head);
  if ((f & PG_BUDDY) !== 0 || (f === 0 && m.page.counts[head] === 0)) return `free frame ${pfn}`;
  const index = folioIndex(m, head);
  const anon = (f & PG_ANON) !== 0;
  if ((f & PG_HEAD) === 0) {
    if (anon) return `an anonymous page (frame ${pfn})`;
    if (mapping > 0) return `page ${index} of ${inodeWords(m, mapping)}`;
    return `a page that belongs to no file (frame ${pfn})`;
  }
  const what = anon
    ? `anonymous, frames ${head}-${head + n - 1}`
    : mapping > 0
      ? `${inodeWords(m, mapping)}, ${indexWords(index, n)}`
      : `of no file, frames ${head}-${head + n - 1}`;
  return `page ${pfn - head} of folio (${what})`;
}

/** The page due, in short where it is of the folio that was found. */
export function dueWords(m: Machine, due: Pfn, found: Pfn): string {
  if (due === 0) return 'no page (the page cache has none at this offset)';
  const head = headOf(m, due);
  if (found > 0 && found < m.pages && head === headOf(m, found)) return `page ${due - head}`;
  return pageWords(m, due);
}

/** A folio as a whole. */
export function folioWords(m: Machine, head: Pfn): string {
  const words = pageWords(m, head);
  return words.startsWith('page 0 of folio') ? words.slice('page 0 of '.length) : words;
}
