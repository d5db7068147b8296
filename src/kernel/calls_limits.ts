/**
 * Resource limits and prctl (kernel/sys.c, 6.18), as far as they touch memory.
 */
import { EINVAL, EPERM, ESRCH, type TaskRow, word } from '../base/index.ts';
import { CAP_SYS_RESOURCE } from '../mm/fs_types.ts';
import {
  THP_DISABLE_COMPLETELY,
  THP_DISABLE_EXCEPT_ADVISED,
  THP_DISABLE_NONE,
} from '../mm/huge_memory.ts';
import { setAnonVmaName } from '../mm/madvise.ts';
import { internName } from '../mm/mm_types.ts';
import { capable } from '../mm/util.ts';
import {
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_IO,
  VM_MAYSHARE,
  VM_MERGEABLE,
  VM_MIXEDMAP,
  VM_PFNMAP,
  VM_SHARED,
  VM2_DROPPABLE,
} from '../mm/vm_flags.ts';
import type { CallTable, KernelState } from './state.ts';
import { type Args, field, type Outcome, type StructValue } from './values.ts';

/** RLIMIT_* that the model obeys, by number. */
const LIMITS = new Map<number, 'fsize' | 'data' | 'stack' | 'nofile' | 'memlock' | 'as'>([
  [1, 'fsize'],
  [2, 'data'],
  [3, 'stack'],
  [7, 'nofile'],
  [8, 'memlock'],
  [9, 'as'],
]);
const RLIM_NLIMITS = 16;
/** fs.nr_open. */
const NR_OPEN = 1048576;

/** A limit: all bits set is unlimited. */
function limitValue(s: StructValue, name: string, place: string): number | undefined {
  const value = field(s, name, place);
  if (value === undefined) return undefined;
  if (value.hi === 0xffffffff && value.lo === 0xffffffff) return Number.POSITIVE_INFINITY;
  return word.toNumber(value);
}

/** do_prlimit() with a new limit. */
function setLimit(
  k: KernelState,
  t: TaskRow,
  target: TaskRow,
  resource: number,
  s: StructValue,
): Outcome {
  const cur = limitValue(s, 'rlim_cur', '0');
  const max = limitValue(s, 'rlim_max', '1');
  if (cur === undefined || max === undefined) return { unmodelled: 'a limit that cannot be read' };
  if (cur > max) return -EINVAL;
  // Which capabilities a log's root has is not known: a refusal is believed.
  if (k.observed?.errno !== undefined) return { ignored: 'limits that may not be raised' };
  const name = LIMITS.get(resource);
  if (name === undefined) return { ignored: 'this limit is not about memory' };
  if (name === 'nofile' && max > NR_OPEN) return -EPERM;
  const { sig } = k.m;
  const row = k.m.task.sig[target]!;
  if (max > sig[`${name}Max`][row]! && !capable(k.m, t, CAP_SYS_RESOURCE)) return -EPERM;
  sig[`${name}Cur`][row] = cur;
  sig[`${name}Max`][row] = max;
  return 0;
}

/** check_prlimit_permission(): the caller's user is all of the other task's, or CAP_SYS_RESOURCE. */
function mayPrlimit(k: KernelState, t: TaskRow, target: TaskRow): boolean {
  const { uid, euid } = k.m.task;
  const user = uid[t]!;
  const suid = k.creds.get(target)?.suid ?? uid[target]!;
  if (t === target || (uid[target] === user && euid[target] === user && suid === user)) return true;
  return capable(k.m, t, CAP_SYS_RESOURCE);
}

function prlimit(k: KernelState, t: TaskRow, pid: number, a: Args, at: number): Outcome {
  const resource = a.int(at);
  const target = pid === 0 ? t : (k.byPid.get(pid) ?? 0);
  if (target === 0) return k.observed === undefined ? -ESRCH : { ignored: 'another process' };
  if (k.observed === undefined && !mayPrlimit(k, t, target)) return -EPERM;
  if (resource < 0 || resource >= RLIM_NLIMITS) return -EINVAL;
  const wanted = a.struct(at + 1);
  if (wanted !== undefined) return setLimit(k, t, target, resource, wanted);
  if (a.isZero(at + 1)) return 0;
  return { unmodelled: 'limits that stand in memory' };
}

/** getrlimit(); in a log, what it shows becomes the limit: it was set before the log began. */
function learnLimit(
  k: KernelState,
  t: TaskRow,
  resource: number,
  s: StructValue | undefined,
): void {
  const name = LIMITS.get(resource);
  if (name === undefined || s === undefined) return;
  const cur = limitValue(s, 'rlim_cur', '0');
  const max = limitValue(s, 'rlim_max', '1');
  if (cur === undefined || max === undefined) return;
  const row = k.m.task.sig[t]!;
  k.m.sig[`${name}Cur`][row] = cur;
  k.m.sig[`${name}Max`][row] = max;
}

function prlimit64(k: KernelState, t: TaskRow, a: Args): Outcome {
  const done = prlimit(k, t, a.int(0), a, 1);
  if (done === 0 && k.observed !== undefined && a.struct(2) === undefined && a.int(0) === 0) {
    learnLimit(k, t, a.int(1), a.struct(3));
  }
  return done;
}

const PR_SET_MM = 35;
const PR_SET_THP_DISABLE = 41;
const PR_GET_THP_DISABLE = 42;
const PR_SET_MDWE = 65;
const PR_GET_MDWE = 66;
const PR_SET_MEMORY_MERGE = 67;
const PR_GET_MEMORY_MERGE = 68;
const PR_SET_VMA = 0x53564d41;

const PR_THP_DISABLE_EXCEPT_ADVISED = 2;
const PR_MDWE_REFUSE_EXEC_GAIN = 1;
const PR_MDWE_NO_INHERIT = 2;

/** True when one of the arguments [from, to] is not zero. */
function anySet(a: Args, from: number, to: number): boolean {
  for (let i = from; i <= to; i++) if (a.has(i) && !a.isZero(i)) return true;
  return false;
}

/** prctl_set_thp_disable(): the flags came with 6.18. */
function setThpDisable(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const mm = m.task.mm[t]!;
  const on = !a.isZero(1);
  if (!m.release.prctlExceptAdvised) {
    if (anySet(a, 2, 4)) return -EINVAL;
    m.mm.thpDisable[mm] = on ? THP_DISABLE_COMPLETELY : THP_DISABLE_NONE;
    return 0;
  }
  if (anySet(a, 3, 4)) return -EINVAL;
  const flags = a.u64(2);
  if (!on && (flags.lo !== 0 || flags.hi !== 0)) return -EINVAL;
  if (flags.hi !== 0 || (flags.lo & ~PR_THP_DISABLE_EXCEPT_ADVISED) !== 0) return -EINVAL;
  const except = (flags.lo & PR_THP_DISABLE_EXCEPT_ADVISED) !== 0;
  const how = except ? THP_DISABLE_EXCEPT_ADVISED : THP_DISABLE_COMPLETELY;
  m.mm.thpDisable[mm] = on ? how : THP_DISABLE_NONE;
  return 0;
}

function getThpDisable(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (anySet(a, 1, 4)) return -EINVAL;
  switch (k.m.mm.thpDisable[k.m.task.mm[t]!]) {
    case THP_DISABLE_COMPLETELY:
      return 1;
    case THP_DISABLE_EXCEPT_ADVISED:
      return 1 | PR_THP_DISABLE_EXCEPT_ADVISED;
  }
  return 0;
}

function setMdwe(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (anySet(a, 2, 4)) return -EINVAL;
  const bits = a.u64(1);
  const known = PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT;
  if (bits.hi !== 0 || (bits.lo & ~known) !== 0) return -EINVAL;
  if ((bits.lo & PR_MDWE_NO_INHERIT) !== 0 && (bits.lo & PR_MDWE_REFUSE_EXEC_GAIN) === 0)
    return -EINVAL;
  const mm = k.m.task.mm[t]!;
  const old = k.m.mm.mdwe[mm]!;
  if (old !== 0 && old !== bits.lo) return -EPERM;
  k.m.mm.mdwe[mm] = bits.lo;
  return 0;
}

const KSM_NEVER =
  VM_SHARED | VM_MAYSHARE | VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_HUGETLB | VM_MIXEDMAP;

/**
 * PR_SET_MEMORY_MERGE: VM_MERGEABLE on all mappings that KSM may look at, and on those to come.
 * That no page is merged stands with khugepaged and KSM among what does not run.
 * Source: mm/ksm.c ksm_enable_merge_any(), ksm_disable_merge_any(), 6.18.
 */
function setMemoryMerge(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  if (anySet(a, 2, 4)) return -EINVAL;
  const mm = m.task.mm[t]!;
  const on = !a.isZero(1);
  const was = (m.mm.defFlags[mm]! & VM_MERGEABLE) !== 0;
  if (on === was) return 0;
  m.mm.defFlags[mm] = on ? m.mm.defFlags[mm]! | VM_MERGEABLE : m.mm.defFlags[mm]! & ~VM_MERGEABLE;
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
    const flags = m.vma.flags[v]!;
    if ((flags & KSM_NEVER) !== 0 || (m.vma.flags2[v]! & VM2_DROPPABLE) !== 0) continue;
    // ksm_add_vma() and ksm_del_vma() set the flag in place: nothing is merged.
    m.vma.flags[v] = on ? flags | VM_MERGEABLE : flags & ~VM_MERGEABLE;
  }
  return 0;
}

/** PR_SET_VMA: names of anonymous memory, where the kernel is configured for them. */
function setVma(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const told = k.observed;
  // A log that shows success shows a kernel with names; one that shows EINVAL, one without.
  if (told !== undefined && told.errno === undefined) k.config.anonVmaName = true;
  if (!k.config.anonVmaName || !a.isZero(1)) return -EINVAL;
  const name = a.text(4);
  if (name === undefined && !a.isZero(4)) return { unmodelled: 'a name that stands in memory' };
  if (name !== undefined && (name.length >= 80 || !/^[\x20-\x7e]*$/.test(name))) return -EINVAL;
  if (name !== undefined && /[\\`$[\]]/.test(name)) return -EINVAL;
  const row = name === undefined ? 0 : internName(m, name);
  return setAnonVmaName(m, t, a.u64(2), a.u64(3), row);
}

function prctl(k: KernelState, t: TaskRow, a: Args): Outcome {
  switch (a.u64(0).lo) {
    case PR_SET_THP_DISABLE:
      return setThpDisable(k, t, a);
    case PR_GET_THP_DISABLE:
      return getThpDisable(k, t, a);
    case PR_SET_MDWE:
      if (k.m.release.lacks.includes('PR_SET_MDWE')) return -EINVAL;
      return setMdwe(k, t, a);
    case PR_GET_MDWE:
      if (k.m.release.lacks.includes('PR_SET_MDWE')) return -EINVAL;
      return anySet(a, 1, 4) ? -EINVAL : k.m.mm.mdwe[k.m.task.mm[t]!]!;
    case PR_SET_MEMORY_MERGE:
      if (k.m.release.lacks.includes('PR_SET_MEMORY_MERGE')) return -EINVAL;
      return setMemoryMerge(k, t, a);
    case PR_GET_MEMORY_MERGE: {
      if (k.m.release.lacks.includes('PR_SET_MEMORY_MERGE')) return -EINVAL;
      if (anySet(a, 1, 4)) return -EINVAL;
      return (k.m.mm.defFlags[k.m.task.mm[t]!]! & VM_MERGEABLE) !== 0 ? 1 : 0;
    }
    case PR_SET_VMA:
      return setVma(k, t, a);
    case PR_SET_MM:
      return { unmodelled: 'prctl(PR_SET_MM)' };
  }
  return { ignored: 'this prctl is not about memory' };
}

export const LIMIT_CALLS: CallTable = {
  setrlimit: ['ua', (k, t, a) => prlimit(k, t, 0, a, 0)],
  getrlimit: [
    'u|a',
    (k, t, a) => {
      if (a.int(0) < 0 || a.int(0) >= RLIM_NLIMITS) return -EINVAL;
      if (k.observed?.value === 0) learnLimit(k, t, a.int(0), a.struct(1));
      return 0;
    },
  ],
  prlimit64: ['uu|aa', prlimit64],
  prctl: ['u|aaaaa', prctl],
};
