/**
 * What the refusals of a log tell of its caller: capabilities that it does not have. A call that
 * failed where a privileged caller would not be refused shows an unprivileged one.
 */
import {
  EACCES,
  EAGAIN,
  ENOMEM,
  EPERM,
  PAGE_SIZE,
  type Pages,
  type TaskRow,
  type U64,
  type Vpn,
  word,
} from '../base/index.ts';
import { CAP_IPC_LOCK, CAP_SYS_RAWIO, FS_SECRET } from '../mm/fs_types.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_LOCKED,
  MCL_CURRENT,
  MREMAP_FIXED,
  pagesCeil,
} from '../mm/mman.ts';
import { capable } from '../mm/util.ts';
import { VM_LOCKED, VM2_SEALED } from '../mm/vm_flags.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';
import { learnSegmentOwner, learnSegmentRefusal } from './calls_shm.ts';
import { fileOf } from './fd_table.ts';
import type { KernelState } from './state.ts';
import { Args, type Value } from './values.ts';

/** Pages of [start, end) that are locked already (count_mm_mlocked_page_nr). */
function lockedWithin(k: KernelState, t: TaskRow, start: Vpn, end: Vpn): Pages {
  const { m } = k;
  const mm = m.task.mm[t]!;
  let pages = 0;
  for (let v = findVmaIntersection(m, mm, start, end); v !== 0; v = m.vma.next[v]!) {
    if (m.vma.start[v]! >= end) break;
    if ((m.vma.flags[v]! & VM_LOCKED) === 0) continue;
    pages += Math.min(end, m.vma.end[v]!) - Math.max(start, m.vma.start[v]!);
  }
  return pages;
}

/** Would an unprivileged caller be refused this call for RLIMIT_MEMLOCK, with this errno? */
function overMemlock(k: KernelState, t: TaskRow, name: string, a: Args, errno: number): boolean {
  const { m } = k;
  const mm = m.task.mm[t]!;
  const bytes = m.sig.memlockCur[m.task.sig[t]!]!;
  const limit = Math.floor(bytes / PAGE_SIZE);
  const locked = m.mm.lockedVm[mm]!;
  switch (name) {
    case 'mlock':
    case 'mlock2': {
      if (errno === EPERM) return bytes === 0;
      const start = word.pageOf(a.u64(0));
      const end = start + pagesCeil(word.add(a.u64(1), word.u64(0, word.offsetOf(a.u64(0)))));
      const wanted = locked + (end - start);
      return errno === ENOMEM && wanted > limit && wanted - lockedWithin(k, t, start, end) > limit;
    }
    case 'mlockall':
      if (errno === EPERM) return bytes === 0;
      return errno === ENOMEM && (a.int(0) & MCL_CURRENT) !== 0 && m.mm.totalVm[mm]! > limit;
    case 'mmap': {
      const flags = a.int(3);
      if (errno === EPERM) return (flags & MAP_LOCKED) !== 0 && bytes === 0;
      const file = (flags & MAP_ANONYMOUS) === 0 ? fileOf(k, t, a.int(4)) : 0;
      const secret = m.inode.kind[m.file.inode[file]!] === FS_SECRET;
      const lock = secret || (flags & MAP_LOCKED) !== 0 || (m.mm.defFlags[mm]! & VM_LOCKED) !== 0;
      return errno === EAGAIN && lock && locked + pagesCeil(a.u64(1)) > limit;
    }
    case 'mremap':
      return errno === EAGAIN && locked + pagesCeil(a.u64(2)) - pagesCeil(a.u64(1)) > limit;
  }
  return false;
}

/** Is a mapping of [addr, addr + len) sealed, so that EPERM has another reason? */
function sealed(k: KernelState, t: TaskRow, addr: U64, len: U64): boolean {
  const { m } = k;
  const end = word.pageOf(addr) + pagesCeil(len);
  let v = findVmaIntersection(m, m.task.mm[t]!, word.pageOf(addr), end);
  for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
    if ((m.vma.flags2[v]! & VM2_SEALED) !== 0) return true;
  }
  return false;
}

/** A fixed mapping below mmap_min_addr that was refused. */
function belowMinAddr(k: KernelState, t: TaskRow, name: string, a: Args, errno: number): boolean {
  if (errno !== EPERM) return false;
  const min = k.m.settings.mmapMinAddr;
  if (name === 'mmap') {
    const fixed = (a.int(3) & MAP_FIXED) !== 0 && a.num(0) < min;
    return fixed && !sealed(k, t, a.u64(0), a.u64(1));
  }
  const fixed = name === 'mremap' && (a.int(3) & MREMAP_FIXED) !== 0 && a.num(4) < min;
  return fixed && !sealed(k, t, a.u64(0), a.u64(1)) && !sealed(k, t, a.u64(4), a.u64(2));
}

/** Takes from the caller what the log's refusal shows it has not; a note, or ''. */
export function learnPrivileges(
  k: KernelState,
  t: TaskRow,
  name: string,
  values: readonly Value[],
): string {
  const errno = k.observed?.errno;
  if (k.observed === undefined || k.m.task.mm[t] === 0) return '';
  const a = new Args(values);
  if (errno === undefined) {
    const owner = name === 'shmctl' && learnSegmentOwner(k, t, a);
    return owner ? 'the caller is the owner or privileged' : '';
  }
  const { caps } = k.m.task;
  if (capable(k.m, t, CAP_IPC_LOCK) && overMemlock(k, t, name, a, errno)) {
    caps[t] = caps[t]! & ~CAP_IPC_LOCK;
    return 'the caller has no CAP_IPC_LOCK';
  }
  if (capable(k.m, t, CAP_SYS_RAWIO) && belowMinAddr(k, t, name, a, errno)) {
    caps[t] = caps[t]! & ~CAP_SYS_RAWIO;
    return 'the caller has no CAP_SYS_RAWIO';
  }
  if (/^shm(get|at|ctl)$/.test(name) && (errno === EACCES || errno === EPERM)) {
    if (learnSegmentRefusal(k, t, name, a, errno)) return 'the caller is not privileged';
  }
  return '';
}
