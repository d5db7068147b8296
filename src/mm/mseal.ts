/** mseal(2): a range whose mappings can no longer be changed. Source: mm/mseal.c, 6.18. */
import { EINVAL, ENOMEM, type Errno, type TaskRow, type U64, word } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { isPageAligned, pagesAligned, wrapAdd } from './mman.ts';
import { VM2_SEALED } from './vm_flags.ts';
import { vmaModifyFlags } from './vma_merge.ts';
import { findVmaIntersection } from './vma_tree.ts';

export function sysMseal(m: Machine, task: TaskRow, addr: U64, len: U64, flags: U64): Errno {
  if (flags.hi !== 0 || flags.lo !== 0) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  const pages = pagesAligned(len);
  if (pages === 0) return len.hi === 0 && len.lo === 0 ? 0 : -EINVAL;
  const start = word.pageOf(addr);
  const end = wrapAdd(start, pages);
  if (end < start) return -EINVAL;
  const mm = m.task.mm[task]!;
  const first = findVmaIntersection(m, mm, start, end);
  let covered = start;
  for (let v = first; v !== 0 && m.vma.start[v]! <= covered && covered < end; v = m.vma.next[v]!) {
    covered = m.vma.end[v]!;
  }
  if (covered < end) return -ENOMEM;
  for (let v = first; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
    const sealed = m.vma.flags2[v]! | VM2_SEALED;
    if (sealed === m.vma.flags2[v]) continue;
    const from = Math.max(m.vma.start[v]!, start);
    const to = Math.min(m.vma.end[v]!, end);
    const held = vmaModifyFlags(m, v, from, to, m.vma.flags[v]!, sealed);
    if (held < 0) return held;
    v = held;
  }
  return 0;
}
