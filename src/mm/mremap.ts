/**
 * mremap(2) as it is since 6.17: parameters first, then VMA by VMA; MREMAP_FIXED of one size may
 * move several. Source: mm/mremap.c do_mremap(), 6.18. Older kernels: mremap_legacy.ts.
 */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type TaskRow,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { FS_OPAQUE, FS_ZERO } from './fs_types.ts';
import { mmPopulate } from './gup.ts';
import type { Machine } from './mm_types.ts';
import {
  isPageAligned,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  pagesAligned,
  TASK_PAGES,
  wrapAdd,
} from './mman.ts';
import { legacyMremap } from './mremap_legacy.ts';
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
  OPS_SHM,
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_PFNMAP,
  VM_SHARED,
} from './vm_flags.ts';
import { vmaIsSealed } from './vma.ts';
import { uffdArmed } from './vma_prot.ts';
import { findVmaIntersection, vmaLookup } from './vma_tree.ts';

const KNOWN_FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

function impliesNewAddr(r: Remap): boolean {
  return (r.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
}

/** check_mremap_params(). */
function checkParams(m: Machine, task: TaskRow, a: MremapArgs, r: Remap): Errno {
  if (a.flags.hi !== 0 || (r.flags & ~KNOWN_FLAGS) !== 0) return -EINVAL;
  if (!isPageAligned(a.addr)) return -EINVAL;
  if (r.newPages === 0 || r.newPages > TASK_PAGES) return -EINVAL;
  if (!impliesNewAddr(r)) return 0;
  const limit = TASK_PAGES - r.newPages;
  if (r.newAddr > limit) return -EINVAL;
  if (!isPageAligned(a.newAddr)) return -EINVAL;
  if ((r.flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP) !== 0 && r.oldPages !== r.newPages) return -EINVAL;
  if (wrapAdd(r.addr, r.oldPages) > r.newAddr && r.newAddr + r.newPages > r.addr) return -EINVAL;
  if (m.mm.mapCount[m.task.mm[task]!]! + 2 >= m.settings.maxMapCount - 3) return -ENOMEM;
  return 0;
}

/** align_hugetlb(): lengths to 2 MiB; never larger, addresses on 2 MiB. */
function alignHugetlb(r: Remap): boolean {
  r.oldPages = Math.ceil(r.oldPages / 512) * 512;
  r.newPages = Math.ceil(r.newPages / 512) * 512;
  if (r.addr % 512 !== 0 || r.newAddr % 512 !== 0) return false;
  return r.newPages <= r.oldPages;
}

/** check_prep_vma(): may this VMA be treated so? Sets `r.delta`. */
function checkPrepVma(m: Machine, task: TaskRow, r: Remap): Errno {
  const v = r.vma;
  if (v === 0) return -EFAULT;
  if (vmaIsSealed(m, v)) return -EPERM;
  const flags = m.vma.flags[v]!;
  if ((flags & VM_HUGETLB) !== 0 && !alignHugetlb(r)) return -EINVAL;
  r.delta = Math.abs(r.oldPages - r.newPages);
  if (!impliesNewAddr(r)) r.newAddr = r.addr;
  const expands = r.newPages > r.oldPages;
  if (!expands && !impliesNewAddr(r)) return 0;

  if (r.oldPages === 0 && (flags & (VM_SHARED | VM_MAYSHARE)) === 0) return -EINVAL;
  const rigid = (flags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0;
  if ((r.flags & MREMAP_DONTUNMAP) !== 0 && rigid) return -EINVAL;
  const old = Math.min(r.oldPages, r.newPages);
  if (old > m.vma.end[v]! - r.addr) return -EFAULT;
  if (r.newPages === old) return 0;
  if ((flags & VM_LOCKED) !== 0) r.populate = true;
  if (rigid) return -EFAULT;
  if (!mlockFutureOk(m, task, flags, r.delta)) return -EAGAIN;
  return mayExpandVm(m, task, flags, r.delta) ? 0 : -ENOMEM;
}

/** mremap_to(): the destination is cleared first, whatever comes after. */
function mremapTo(m: Machine, task: TaskRow, r: Remap): Vpn | Errno {
  const mm = m.task.mm[task]!;
  const shrinks = r.oldPages > r.newPages;
  if ((r.flags & MREMAP_FIXED) !== 0) {
    const error = doMunmap(m, mm, r.newAddr, r.newPages);
    if (error !== 0) return error;
    r.vma = vmaLookup(m, mm, r.addr);
    if (r.vma === 0) return -EFAULT;
  }
  if (shrinks) {
    const error = doMunmap(m, mm, r.addr + r.newPages, r.oldPages - r.newPages);
    if (error !== 0) return error;
    r.vma = vmaLookup(m, mm, r.addr);
    if (r.vma === 0) return -EFAULT;
    r.oldPages = r.newPages;
  }
  if (
    (r.flags & MREMAP_DONTUNMAP) !== 0 &&
    !mayExpandVm(m, task, m.vma.flags[r.vma]!, r.oldPages)
  ) {
    return -ENOMEM;
  }
  const error = setNewAddr(m, task, r);
  return error !== 0 ? error : moveVma(m, task, r, true);
}

/** mremap_at(): stays where it is if that is possible. */
function mremapAt(m: Machine, task: TaskRow, r: Remap): Vpn | Errno {
  if (r.oldPages === r.newPages) return r.addr;
  if (r.oldPages > r.newPages) {
    const mm = m.task.mm[task]!;
    const error = doMunmap(m, mm, r.addr + r.newPages, r.oldPages - r.newPages);
    return error !== 0 ? error : r.addr;
  }
  if (canExpandInPlace(m, task, r)) {
    const error = expandInPlace(m, task, r);
    return error !== 0 ? error : r.addr;
  }
  if ((r.flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const error = setNewAddr(m, task, r);
  return error !== 0 ? error : moveVma(m, task, r, true);
}

/** vma_multi_allowed(): others can only be moved alone. */
export function mayMoveAmongOthers(m: Machine, v: VmaRow): boolean {
  if (uffdArmed(m, v) || m.vma.ops[v] === OPS_SHM) return false;
  const file = m.vma.file[v]!;
  if (file === 0) return true;
  const kind = m.inode.kind[m.file.inode[file]!]!;
  return kind !== FS_ZERO && kind !== FS_OPAQUE;
}

/** remap_move(): each VMA of the range by itself, with the gaps between them kept. */
function remapMove(m: Machine, task: TaskRow, r: Remap): Vpn | Errno {
  const mm = m.task.mm[task]!;
  const start = r.addr;
  const end = r.addr + r.oldPages;
  let target = r.newAddr;
  let result: number = -EFAULT;
  let lastEnd = start;
  let seen = false;
  for (;;) {
    const v = lastEnd < end ? findVmaIntersection(m, mm, lastEnd, end) : 0;
    if (v === 0) return result;
    const vmaStart = m.vma.start[v]!;
    const vmaEnd = m.vma.end[v]!;
    if (!seen && start < vmaStart) return -EFAULT;
    const offset = seen ? vmaStart - lastEnd : 0;
    lastEnd = vmaEnd;
    r.vma = v;
    r.addr = Math.max(vmaStart, start);
    r.newAddr = target + offset;
    r.oldPages = Math.min(end, vmaEnd) - r.addr;
    r.newPages = r.oldPages;
    if (!mayMoveAmongOthers(m, v) && (seen || vmaEnd < end)) return -EFAULT;
    const error = checkPrepVma(m, task, r);
    const at = error !== 0 ? error : mremapTo(m, task, r);
    if (at < 0) return at;
    if (!seen) result = at;
    seen = true;
    target = at + r.newPages;
  }
}

/** mremap(2): the first page of the mapping, or -errno. */
export function sysMremap(m: Machine, task: TaskRow, a: MremapArgs): Vpn | Errno {
  const r: Remap = {
    flags: a.flags.lo | 0,
    addr: word.pageOf(a.addr),
    oldPages: pagesAligned(a.oldLen),
    newPages: pagesAligned(a.newLen),
    newAddr: word.pageOf(a.newAddr),
    vma: 0,
    delta: 0,
    populate: false,
  };
  if (!m.release.mremapMany) {
    return populated(m, task, r, legacyMremap(m, task, a, r));
  }
  const error = checkParams(m, task, a, r);
  if (error !== 0) return error;
  if ((r.flags & MREMAP_FIXED) !== 0 && r.oldPages === r.newPages) return remapMove(m, task, r);
  r.vma = vmaLookup(m, m.task.mm[task]!, r.addr);
  const refused = checkPrepVma(m, task, r);
  if (refused !== 0) return refused;
  const at = impliesNewAddr(r) ? mremapTo(m, task, r) : mremapAt(m, task, r);
  return populated(m, task, r, at);
}

/** A locked mapping that grew is populated where it is new. */
function populated(m: Machine, task: TaskRow, r: Remap, at: Vpn | Errno): Vpn | Errno {
  if (at >= 0 && r.populate) {
    const from = at + r.oldPages;
    mmPopulate(m, task, from, from + r.delta, true);
  }
  return at;
}
