/**
 * What a log's results tell of its caller before the call is made: capabilities that it has not, or
 * has again. Only where nothing that the model knows explains the result.
 */
import { EACCES, ENOSPC, EPERM, type TaskRow, type U64, word } from '../base/index.ts';
import { CAP_SYS_PTRACE, CAP_SYS_RAWIO } from '../mm/fs_types.ts';
import { MAP_FIXED, MREMAP_FIXED, pagesCeil } from '../mm/mman.ts';
import { capable } from '../mm/util.ts';
import { VM2_SEALED } from '../mm/vm_flags.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';
import { learnSegmentOwner, learnSegmentRefusal } from './calls_shm.ts';
import type { KernelState, Observed } from './state.ts';
import { Args, type Value } from './values.ts';

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

/** A fixed mapping below mmap_min_addr. */
function belowMinAddr(k: KernelState, t: TaskRow, name: string, a: Args): boolean {
  const min = k.m.settings.mmapMinAddr;
  if (name === 'mmap') {
    const fixed = (a.int(3) & MAP_FIXED) !== 0 && a.num(0) < min;
    return fixed && !sealed(k, t, a.u64(0), a.u64(1));
  }
  const fixed = name === 'mremap' && (a.int(3) & MREMAP_FIXED) !== 0 && a.num(4) < min;
  return fixed && !sealed(k, t, a.u64(0), a.u64(1)) && !sealed(k, t, a.u64(4), a.u64(2));
}

/** Takes one capability away; false when the caller had it not. */
function drop(k: KernelState, t: TaskRow, cap: number): boolean {
  if (!capable(k.m, t, cap)) return false;
  k.m.task.caps[t] = k.m.task.caps[t]! & ~cap;
  return true;
}

const UFFD_USER_MODE_ONLY = 1;

function refused(k: KernelState, t: TaskRow, name: string, a: Args, errno: number): string {
  if (/^shm(get|at|ctl)$/.test(name) && (errno === EACCES || errno === EPERM)) {
    return learnSegmentRefusal(k, t, name, a, errno) ? 'the caller is not privileged' : '';
  }
  if (name === 'shmget' && errno === ENOSPC && k.shm.size < k.m.settings.shmMni) {
    k.m.settings.shmMni = k.shm.size;
    return 'segments of other processes are not in the log';
  }
  if (errno !== EPERM) return '';
  if (belowMinAddr(k, t, name, a)) {
    return drop(k, t, CAP_SYS_RAWIO) ? 'the caller has no CAP_SYS_RAWIO' : '';
  }
  if (name === 'userfaultfd' && (a.int(0) & UFFD_USER_MODE_ONLY) === 0) {
    return drop(k, t, CAP_SYS_PTRACE) ? 'the caller has no CAP_SYS_PTRACE' : '';
  }
  return '';
}

/**
 * To be called before the call is executed: brings the caller into the state that the recorded
 * result needs. A note, or '' when nothing was learned.
 */
export function learnCaller(
  k: KernelState,
  t: TaskRow,
  name: string,
  values: readonly Value[],
  recorded: Observed,
): string {
  if (k.m.task.mm[t] === 0) return '';
  const a = new Args(values);
  if (recorded.errno !== undefined) return refused(k, t, name, a, recorded.errno);
  if (name === 'shmctl' && learnSegmentOwner(k, t, a)) return 'the caller is privileged again';
  return '';
}
