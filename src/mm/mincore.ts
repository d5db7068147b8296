/**
 * mincore(2): which pages of a range are resident, mapped or not. Source: mm/mincore.c, 6.18.
 */
import {
  EFAULT,
  EINVAL,
  ENOMEM,
  type Errno,
  type Pages,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { mayWriteFile } from './file.ts';
import { cacheGet } from './filemap.ts';
import { headOf } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { isPageAligned, pagesCeil, TASK_PAGES } from './mman.ts';
import { PG_UPTODATE } from './page_flags.ts';
import { isHugePmd, pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { isMarker, PTE_MAPPED } from './pgtable.ts';
import { vmaIsAnonymous } from './vma.ts';
import { vmaLookup } from './vma_tree.ts';

/** Bytes that mincore works on before it copies them out: what is done stays done. */
const CHUNK: Pages = 4096;

/** mincore_page(): the page is in the page cache and holds its data. */
function cached(m: Machine, v: VmaRow, vpn: Vpn): number {
  const file = m.vma.file[v]!;
  if (file === 0 || vmaIsAnonymous(m, v)) return 0;
  const pfn = cacheGet(m, m.file.inode[file]!, m.vma.pgoff[v]! + (vpn - m.vma.start[v]!));
  return pfn !== 0 && (m.page.flags[headOf(m, pfn)]! & PG_UPTODATE) !== 0 ? 1 : 0;
}

function resident(m: Machine, v: VmaRow, vpn: Vpn): number {
  const pmd = pmdSlot(m, m.vma.mm[v]!, vpn);
  if (pmd !== 0) {
    if (isHugePmd(m.pt[pmd]!)) return 1;
    const slot = pteSlotUnder(m, pmd, vpn);
    const pte = slot === 0 ? 0 : m.pt[slot]!;
    if ((pte & PTE_MAPPED) !== 0) return 1;
    // A swap entry: in core only while the swap cache holds the page, which is not modelled.
    if (pte !== 0 && !isMarker(pte)) return 0;
  }
  return cached(m, v, vpn);
}

/** can_do_mincore(): what a caller may not know of a file is told as resident. */
function mayKnow(m: Machine, task: TaskRow, v: VmaRow): boolean {
  if (vmaIsAnonymous(m, v)) return true;
  const file = m.vma.file[v]!;
  return file !== 0 && mayWriteFile(m, task, m.file.inode[file]!);
}

/** Takes the bytes of a chunk that begins at page `from` of the range; false: it cannot. */
export type CopyOut = (from: Pages, bytes: Uint8Array) => boolean;

/**
 * mincore(2): one byte a page, handed to `copyOut` (null: nobody looks) for each VMA or CHUNK, so
 * that what lies before a hole has been copied when the hole is met. `vecValid` false: the vector
 * is no user memory.
 */
export function sysMincore(
  m: Machine,
  task: TaskRow,
  addr: U64,
  len: U64,
  copyOut: CopyOut | null,
  vecValid: boolean,
): Errno {
  if (!isPageAligned(addr)) return -EINVAL;
  const start = word.pageOf(addr);
  const pages = pagesCeil(len);
  if (start > TASK_PAGES || pages > TASK_PAGES - start) return -ENOMEM;
  if (!vecValid) return -EFAULT;
  const mm = m.task.mm[task]!;
  const end = start + pages;
  for (let at = start; at < end; ) {
    const v = vmaLookup(m, mm, at);
    if (v === 0) return -ENOMEM;
    const stop = Math.min(m.vma.end[v]!, end, at + CHUNK);
    if (copyOut !== null) {
      const known = mayKnow(m, task, v);
      const bytes = new Uint8Array(stop - at);
      for (let i = 0; i < bytes.length; i++) bytes[i] = known ? resident(m, v, at + i) : 1;
      if (!copyOut(at - start, bytes)) return -EFAULT;
    }
    at = stop;
  }
  return 0;
}
