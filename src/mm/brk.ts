/** brk(2). Source: mm/mmap.c SYSCALL brk, check_brk_limits(), mm/vma.c do_brk_flags(), 6.18. */
import {
  type Bytes,
  EAGAIN,
  ENOMEM,
  type Errno,
  newRow,
  PAGE_SIZE,
  type Pages,
  pagesUp,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { getUnmappedArea } from './get_unmapped_area.ts';
import { mmPopulate } from './gup.ts';
import type { Machine } from './mm_types.ts';
import { MAP_FIXED } from './mman.ts';
import { ksmVmaFlags } from './mmap_region.ts';
import { unmapRange } from './munmap.ts';
import { mayExpandVm, mlockFutureOk, refuse, vmEnoughMemory } from './util.ts';
import {
  VM_ACCOUNT,
  VM_EXEC,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_READ,
  VM_WRITE,
} from './vm_flags.ts';
import { insertVma } from './vma.ts';
import { newRange, vmaMergeNewRange } from './vma_merge.ts';
import { findVmaIntersection, lastVma, STACK_GUARD_PAGES, vmStartGap } from './vma_tree.ts';

/** VM_DATA_DEFAULT_FLAGS of a task without READ_IMPLIES_EXEC. */
const VM_DATA_DEFAULT_FLAGS = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

/** Grows the brk VMA that ends at `start`, or makes one (do_brk_flags). `moreFlags`: VM_EXEC or 0. */
export function doBrkFlags(
  m: Machine,
  task: TaskRow,
  prev: VmaRow,
  start: Vpn,
  pages: Pages,
  moreFlags: number,
): Errno {
  const mm = m.task.mm[task]!;
  const own = m.mm.defFlags[mm]! & ~VM_MERGEABLE;
  const exec = m.task.readExec[task] !== 0 ? VM_EXEC : 0;
  const flags = ksmVmaFlags(m, mm, exec | moreFlags | VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | own, 0);
  if (!mayExpandVm(m, task, flags, pages)) return -ENOMEM;
  if (m.mm.mapCount[mm]! > m.settings.maxMapCount) return -ENOMEM;
  const refused = vmEnoughMemory(m, task, mm, pages);
  if (refused !== 0) return refused;
  const end = start + pages;
  const range = newRange(mm, start, end, start, flags, 0, 0);
  const grown = prev === 0 ? 0 : vmaMergeNewRange(m, range, prev, 0);
  if (grown === 0) {
    const v = newRow(m.vma);
    m.vma.mm[v] = mm;
    m.vma.start[v] = start;
    m.vma.end[v] = end;
    m.vma.pgoff[v] = start;
    m.vma.flags[v] = flags;
    insertVma(m, v);
  }
  m.mm.totalVm[mm]! += pages;
  m.mm.dataVm[mm]! += pages;
  if ((flags & VM_LOCKED) !== 0) m.mm.lockedVm[mm]! += pages;
  return 0;
}

function checkBrkLimits(m: Machine, task: TaskRow, start: Vpn, pages: Pages): Errno {
  const at = getUnmappedArea(m, task, 0, start, pages, 0, MAP_FIXED);
  if (at < 0) return at;
  const flags = m.mm.defFlags[m.task.mm[task]!]!;
  return mlockFutureOk(m, task, flags, pages) ? 0 : -EAGAIN;
}

/** The VMA that ends highest at or below `vpn` and above `floor`, or 0 (vma_prev_limit). */
function vmaBelow(m: Machine, mm: number, vpn: Vpn, floor: Vpn): VmaRow {
  const next = findVmaIntersection(m, mm, vpn, Infinity);
  const v = next !== 0 ? m.vma.prev[next]! : lastVma(m, mm);
  return v !== 0 && m.vma.end[v]! > floor ? v : 0;
}

/** brk(2): the new break, or the old one when it cannot be moved. Byte addresses. */
export function sysBrk(m: Machine, task: TaskRow, address: U64): Bytes {
  const mm = m.task.mm[task]!;
  const { brkStart, startData, endData } = m.mm;
  const old = m.mm.brk[mm]!;
  if (!word.isExact(address)) return old;
  const brk = word.toNumber(address);
  if (brk < brkStart[mm]!) return old;
  const sig = m.task.sig[task]!;
  const data = brk - brkStart[mm]! + (endData[mm]! - startData[mm]!);
  if (data > m.sig.dataCur[sig]!) {
    refuse('data', pagesUp(data));
    return old;
  }

  const newEnd = pagesUp(brk);
  const oldEnd = pagesUp(old);
  if (newEnd === oldEnd) {
    m.mm.brk[mm] = brk;
    return brk;
  }
  if (brk <= old) {
    const v = findVmaIntersection(m, mm, newEnd, oldEnd);
    if (v === 0) return old;
    if (unmapRange(m, mm, v, newEnd, oldEnd) !== 0) return old;
    m.mm.brk[mm] = brk;
    return brk;
  }
  if (checkBrkLimits(m, task, oldEnd, newEnd - oldEnd) !== 0) return old;
  const next = findVmaIntersection(m, mm, oldEnd, newEnd + 1 + STACK_GUARD_PAGES);
  if (next !== 0 && newEnd + 1 > vmStartGap(m, next)) return old;
  const prev = vmaBelow(m, mm, oldEnd, Math.floor(brkStart[mm]! / PAGE_SIZE));
  if (doBrkFlags(m, task, prev, oldEnd, newEnd - oldEnd, 0) < 0) return old;
  m.mm.brk[mm] = brk;
  if ((m.mm.defFlags[mm]! & VM_LOCKED) !== 0) mmPopulate(m, task, oldEnd, newEnd, true);
  return brk;
}
