/** msync(2): its errors; dirty pages that it writes become clean. Source: mm/msync.c, 6.18. */
import { EBUSY, EINVAL, ENOMEM, type Errno, type TaskRow, type U64, word } from '../base/index.ts';
import { FS_DISK, FS_SECRET } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import { isPageAligned, MS_ASYNC, MS_INVALIDATE, MS_SYNC, pagesAligned, wrapAdd } from './mman.ts';
import { VM_LOCKED, VM_SHARED } from './vm_flags.ts';
import { findVma } from './vma_tree.ts';
import { writebackRange } from './writeback.ts';

export function sysMsync(m: Machine, task: TaskRow, addr: U64, len: U64, flags: number): Errno {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -EINVAL;
  let start = word.pageOf(addr);
  const end = wrapAdd(start, pagesAligned(len));
  if (end < start) return -ENOMEM;
  if (end === start) return 0;
  const mm = m.task.mm[task]!;
  let hole = 0;
  for (;;) {
    const v = findVma(m, mm, start);
    if (v === 0) return -ENOMEM;
    const first = m.vma.start[v]!;
    if (start < first) {
      if (flags === MS_ASYNC || first >= end) return -ENOMEM;
      start = first;
      hole = -ENOMEM;
    }
    if ((flags & MS_INVALIDATE) !== 0 && (m.vma.flags[v]! & VM_LOCKED) !== 0) return -EBUSY;
    const stop = m.vma.end[v]!;
    const file = m.vma.file[v]!;
    if ((flags & MS_SYNC) !== 0 && file !== 0 && (m.vma.flags[v]! & VM_SHARED) !== 0) {
      const inode = m.file.inode[file]!;
      // memfd_secret has no fsync operation.
      if (m.inode.kind[inode] === FS_SECRET) return -EINVAL;
      const from = m.vma.pgoff[v]! + (start - first);
      const pages = Math.min(end, stop) - start;
      if (m.inode.kind[inode] === FS_DISK) writebackRange(m, inode, from, from + pages);
    }
    if (stop >= end) return hole;
    start = stop;
  }
}
