/**
 * The mapping itself: what was there goes, limits are checked, a neighbour grows or a VMA is made.
 * Source: mm/vma.c mmap_region(), __mmap_region(), 6.18.
 */
import {
  EACCES,
  EAGAIN,
  EINVAL,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  type FileRow,
  freeRow,
  newRow,
  PAGE_SIZE,
  type Pages,
  type TaskRow,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { fileGet, shmemFileSetup } from './file.ts';
import {
  F_SEAL_WRITE,
  FS_DISK,
  FS_HUGETLB,
  FS_OPAQUE,
  FS_SECRET,
  FS_SHMEM,
  FS_ZERO,
  INODE_NORESERVE,
  INODE_SHARED_ANON,
  INODE_SYSV,
} from './fs_types.ts';
import { hugetlbReserve } from './hugetlb.ts';
import type { Machine } from './mm_types.ts';
import { abandonUnmap, cleanUpArea, completeUnmap, gatherUnmap, newUnmap } from './munmap.ts';
import {
  mayExpandVm,
  mlockFutureOk,
  vmEnoughMemory,
  vmStatAccount,
  vmUnacctMemory,
} from './util.ts';
import {
  OPS_FILE,
  OPS_NONE,
  OPS_SECRET,
  OPS_SHM,
  OPS_SHMEM,
  OPS_SHMEM_ANON,
  OPS_UNKNOWN,
  VM_ACCOUNT,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_NORESERVE,
  VM_SHARED,
  VM_SPECIAL,
  VM_SYNC,
  VM_WRITE,
  VM2_DROPPABLE,
} from './vm_flags.ts';
import { insertVmaBetween, VM_LOCKED_MASK, vmaSupportsMlock } from './vma.ts';
import { newRange, vmaMergeNewRange } from './vma_merge.ts';
import { findVma, lastVma } from './vma_tree.ts';

export interface Region {
  readonly start: Vpn;
  readonly pages: Pages;
  readonly pgoff: number;
  readonly flags: number;
  readonly flags2: number;
  readonly file: FileRow;
}

/** map_deny_write_exec(): prctl(PR_SET_MDWE). */
export function deniesWriteExec(m: Machine, mm: number, old: number, flags: number): boolean {
  if ((m.mm.mdwe[mm]! & 1) === 0 || (flags & VM_EXEC) === 0) return false;
  return (flags & VM_WRITE) !== 0 || (old & VM_EXEC) === 0;
}

/** ksm_compatible(): private memory of the usual kind. */
export function ksmCompatible(flags: number, flags2: number): boolean {
  return (
    (flags & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB)) === 0 &&
    (flags2 & VM2_DROPPABLE) === 0
  );
}

/** ksm_vma_flags(): prctl(PR_SET_MEMORY_MERGE) makes what it can mergeable. */
export function ksmVmaFlags(m: Machine, mm: number, flags: number, flags2: number): number {
  const all = (m.mm.defFlags[mm]! & VM_MERGEABLE) !== 0;
  return all && ksmCompatible(flags, flags2) ? flags | VM_MERGEABLE : flags;
}

/** accountable_mapping(): private, writable, not exempted. */
function accountable(m: Machine, r: Region): boolean {
  if (r.file !== 0 && m.inode.kind[m.file.inode[r.file]!] === FS_HUGETLB) return false;
  return (r.flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;
}

/** Memory of memfd_secret counts as locked, but for 6.12. */
function secretFlags(m: Machine): number {
  return m.release.secretLocks ? VM_LOCKED | VM_DONTDUMP : VM_DONTDUMP;
}

/** What the object's own mmap operation makes of a fresh VMA: its ops, more flags, or an error. */
function mmapFile(m: Machine, task: TaskRow, v: VmaRow): Errno {
  const c = m.vma;
  const pages = c.end[v]! - c.start[v]!;
  const inode = m.file.inode[c.file[v]!]!;
  const flags = c.flags[v]!;
  switch (m.inode.kind[inode]) {
    case FS_SHMEM:
      if ((m.inode.flags[inode]! & INODE_SYSV) !== 0) c.ops[v] = OPS_SHM;
      else c.ops[v] = m.inode.nlink[inode] !== 0 ? OPS_SHMEM : OPS_SHMEM_ANON;
      return 0;
    case FS_DISK:
      // MAP_SYNC asks for DAX, which the modelled disk is not (ext4_file_mmap).
      if ((flags & VM_SYNC) !== 0) return -EOPNOTSUPP;
      c.ops[v] = OPS_FILE;
      return 0;
    case FS_ZERO:
      return (flags & VM_SHARED) !== 0 ? shmemZeroSetup(m, task, v) : 0;
    case FS_SECRET:
      if ((flags & (VM_SHARED | VM_MAYSHARE)) === 0) return -EINVAL;
      c.flags[v] = flags | secretFlags(m);
      if (!mlockFutureOk(m, task, c.flags[v]!, pages)) return -EAGAIN;
      c.ops[v] = OPS_SECRET;
      return 0;
    case FS_HUGETLB:
      if (c.pgoff[v]! % 512 !== 0) return -EINVAL;
      c.flags[v] = flags | VM_HUGETLB | VM_DONTEXPAND;
      c.ops[v] = OPS_UNKNOWN;
      return hugetlbReserve(m, (flags & VM_NORESERVE) !== 0);
    case FS_OPAQUE:
      c.ops[v] = OPS_UNKNOWN;
      return 0;
    default:
      return 0;
  }
}

/** shmem_zero_setup(): a shared anonymous object as large as the VMA, committed at once. */
function shmemZeroSetup(m: Machine, task: TaskRow, v: VmaRow): Errno {
  const bytes = (m.vma.end[v]! - m.vma.start[v]!) * PAGE_SIZE;
  const reserve = (m.vma.flags[v]! & VM_NORESERVE) !== 0 ? INODE_NORESERVE : 0;
  const file = shmemFileSetup(m, task, '/dev/zero', bytes, INODE_SHARED_ANON | reserve);
  if (file < 0) return file;
  m.vma.file[v] = file;
  m.vma.ops[v] = OPS_SHMEM_ANON;
  return 0;
}

/** __mmap_new_vma(), between its neighbours-to-be. */
function newVma(
  m: Machine,
  task: TaskRow,
  mm: number,
  r: Region,
  flags: number,
  prev: VmaRow,
  next: VmaRow,
): VmaRow | Errno {
  const v = newRow(m.vma);
  const c = m.vma;
  c.mm[v] = mm;
  c.start[v] = r.start;
  c.end[v] = r.start + r.pages;
  c.pgoff[v] = r.pgoff;
  c.flags[v] = flags;
  c.flags2[v] = r.flags2;
  c.ops[v] = OPS_NONE;
  let error = 0;
  if (r.file !== 0) {
    c.file[v] = r.file;
    error = mmapFile(m, task, v);
    if (error === 0 && m.vma.file[v] === r.file) fileGet(m, r.file);
  } else if ((flags & VM_SHARED) !== 0) {
    error = shmemZeroSetup(m, task, v);
  }
  if (error !== 0) {
    freeRow(m.vma, v);
    return error;
  }
  m.vma.flags[v] = ksmVmaFlags(m, mm, m.vma.flags[v]!, r.flags2);
  insertVmaBetween(m, v, prev, next);
  return v;
}

/**
 * The properties that secretmem gives before it is tried whether a neighbour can grow; the other
 * objects' own operations come after, so that a VMA which they change never merges at first.
 */
function preparedFlags(m: Machine, mm: number, r: Region, flags: number): number {
  if (r.file !== 0 && m.inode.kind[m.file.inode[r.file]!] === FS_SECRET) {
    return flags | secretFlags(m);
  }
  return ksmVmaFlags(m, mm, flags, r.flags2);
}

/** mmap_region(): `r.start` on success, else -errno. */
export function mmapRegion(m: Machine, task: TaskRow, r: Region): Vpn | Errno {
  const mm = m.task.mm[task]!;
  if (deniesWriteExec(m, mm, r.flags, r.flags)) return -EACCES;
  if (r.file !== 0 && (r.flags & (VM_SHARED | VM_MAYWRITE)) === (VM_SHARED | VM_MAYWRITE)) {
    const inode = m.file.inode[r.file]!;
    if ((m.inode.seals[inode]! & F_SEAL_WRITE) !== 0) return -EPERM;
  }
  const end = r.start + r.pages;
  const u = newUnmap(mm, r.start, end);
  const first = findVma(m, mm, r.start);
  if (first !== 0 && m.vma.start[first]! < end) {
    const error = gatherUnmap(m, u, first);
    if (error !== 0) return error;
  } else {
    u.next = first;
    u.prev = first !== 0 ? m.vma.prev[first]! : lastVma(m, mm);
  }
  if (!mayExpandVm(m, task, r.flags, r.pages - u.pages)) {
    abandonUnmap(m, u);
    return -ENOMEM;
  }
  let flags = r.flags;
  let charged = 0;
  if (accountable(m, r)) {
    charged = r.pages - u.accounted;
    const error = charged === 0 ? 0 : vmEnoughMemory(m, task, mm, charged);
    if (error !== 0) {
      abandonUnmap(m, u);
      return error;
    }
    u.accounted = 0;
    flags |= VM_ACCOUNT;
  }
  cleanUpArea(m, u);

  const prepared = preparedFlags(m, mm, r, flags);
  const range = newRange(mm, r.start, end, r.pgoff, prepared, r.flags2, r.file);
  const { prev, next } = u;
  completeUnmap(m, u);
  let v = vmaMergeNewRange(m, range, prev, next);
  if (v === 0) {
    v = newVma(m, task, mm, r, flags, prev, next);
    if (v < 0) {
      vmUnacctMemory(m, charged);
      return v;
    }
  }
  vmStatAccount(m, mm, m.vma.flags[v]!, r.pages);
  if ((m.vma.flags[v]! & VM_LOCKED) !== 0) {
    if (vmaSupportsMlock(m, v)) m.mm.lockedVm[mm]! += r.pages;
    else m.vma.flags[v] = m.vma.flags[v]! & ~VM_LOCKED_MASK;
  }
  return r.start;
}
