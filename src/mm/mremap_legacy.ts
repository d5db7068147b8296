/**
 * mremap(2) before it was rewritten (6.10 to 6.16): one VMA at a time; the destination of
 * MREMAP_FIXED is unmapped before the source is looked at closely.
 * Source: mm/mremap.c mremap(), mremap_to(), vma_to_resize(), 6.11.
 */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type TaskRow,
  type Vpn,
} from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import {
  isPageAligned,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  TASK_PAGES,
  wrapAdd,
} from './mman.ts';
import {
  canExpandInPlace,
  expandInPlace,
  type MremapArgs,
  moveVma,
  type Remap,
  setNewAddr,
} from './mremap_vma.ts';
import { doMunmap } from './munmap.ts';
import { mayExpandVm, mlockFutureOk } from './util.ts';
import {
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_PFNMAP,
  VM_SHARED,
} from './vm_flags.ts';
import { sealRefusesRange, vmaIsSealed } from './vma.ts';
import { vmaLookup } from './vma_tree.ts';

const KNOWN_FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

/** vma_to_resize(): may the VMA at `r.addr` get the new length? */
function vmaToResize(m: Machine, task: TaskRow, r: Remap): Errno {
  const v = vmaLookup(m, m.task.mm[task]!, r.addr);
  r.vma = v;
  if (v === 0) return -EFAULT;
  const flags = m.vma.flags[v]!;
  if (r.oldPages === 0 && (flags & (VM_SHARED | VM_MAYSHARE)) === 0) return -EINVAL;
  const rigid = (flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0;
  if ((r.flags & MREMAP_DONTUNMAP) !== 0 && rigid) return -EINVAL;
  if (r.oldPages > m.vma.end[v]! - r.addr) return -EFAULT;
  r.delta = r.newPages - r.oldPages;
  if (r.delta === 0) return 0;
  if (rigid) return -EFAULT;
  if ((flags & VM_LOCKED) !== 0) r.populate = true;
  if (!mlockFutureOk(m, task, flags, r.delta)) return -EAGAIN;
  return mayExpandVm(m, task, flags, r.delta) ? 0 : -ENOMEM;
}

function mremapTo(m: Machine, task: TaskRow, a: MremapArgs, r: Remap): Vpn | Errno {
  const mm = m.task.mm[task]!;
  if (!isPageAligned(a.newAddr)) return -EINVAL;
  if (r.newPages > TASK_PAGES || r.newAddr > TASK_PAGES - r.newPages) return -EINVAL;
  if (wrapAdd(r.addr, r.oldPages) > r.newAddr && r.newAddr + r.newPages > r.addr) return -EINVAL;
  if (m.mm.mapCount[mm]! + 2 >= m.settings.maxMapCount - 3) return -ENOMEM;
  if (sealRefusesRange(m, mm, r.addr, r.addr + r.oldPages)) return -EPERM;
  let error: Errno;
  if ((r.flags & MREMAP_FIXED) !== 0) {
    error = doMunmap(m, mm, r.newAddr, r.newPages);
    if (error !== 0) return error;
  }
  if (r.oldPages > r.newPages) {
    error = doMunmap(m, mm, r.addr + r.newPages, r.oldPages - r.newPages);
    if (error !== 0) return error;
    r.oldPages = r.newPages;
  }
  error = vmaToResize(m, task, r);
  if (error !== 0) return error;
  const dontunmap = (r.flags & MREMAP_DONTUNMAP) !== 0;
  if (dontunmap && !mayExpandVm(m, task, m.vma.flags[r.vma]!, r.oldPages)) return -ENOMEM;
  error = setNewAddr(m, task, r);
  return error !== 0 ? error : moveVma(m, task, r, false);
}

/** The operation; `r` holds the arguments in pages. Leaves in `r` what is to be populated. */
export function legacyMremap(m: Machine, task: TaskRow, a: MremapArgs, r: Remap): Vpn | Errno {
  const { flags } = r;
  if (a.flags.hi !== 0 || (flags & ~KNOWN_FLAGS) !== 0) return -EINVAL;
  const mayMove = (flags & MREMAP_MAYMOVE) !== 0;
  const dontunmap = (flags & MREMAP_DONTUNMAP) !== 0;
  if ((flags & MREMAP_FIXED) !== 0 && !mayMove) return -EINVAL;
  if (dontunmap && (!mayMove || a.oldLen.lo !== a.newLen.lo || a.oldLen.hi !== a.newLen.hi)) {
    return -EINVAL;
  }
  if (!isPageAligned(a.addr) || r.newPages === 0) return -EINVAL;
  const mm = m.task.mm[task]!;
  const v = vmaLookup(m, mm, r.addr);
  if (v === 0) return -EFAULT;
  if (!m.release.sealsCheckedFirst && vmaIsSealed(m, v)) return -EPERM;
  if ((m.vma.flags[v]! & VM_HUGETLB) !== 0) {
    r.oldPages = Math.ceil(r.oldPages / 512) * 512;
    r.newPages = Math.ceil(r.newPages / 512) * 512;
    if (r.addr % 512 !== 0 || r.newAddr % 512 !== 0 || r.newPages > r.oldPages) return -EINVAL;
  }
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremapTo(m, task, a, r);
  if (sealRefusesRange(m, mm, r.addr, r.addr + r.oldPages)) return -EPERM;
  if (r.oldPages === r.newPages) return r.addr;
  if (r.oldPages > r.newPages) {
    const error = doMunmap(m, mm, r.addr + r.newPages, r.oldPages - r.newPages);
    return error !== 0 ? error : r.addr;
  }
  let error = vmaToResize(m, task, r);
  if (error !== 0) return error;
  if (canExpandInPlace(m, task, r)) {
    error = expandInPlace(m, task, r);
    return error !== 0 ? error : r.addr;
  }
  if (!mayMove) return -ENOMEM;
  error = setNewAddr(m, task, r);
  return error !== 0 ? error : moveVma(m, task, r, false);
}
