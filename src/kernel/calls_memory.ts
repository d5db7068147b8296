/**
 * The calls on address spaces: arguments unpacked here, everything else in the room `mm`. A page
 * number that comes back becomes an address.
 */
import {
  EACCES,
  EBADF,
  EFAULT,
  EIDRM,
  EINVAL,
  ENOSPC,
  ENOSYS,
  ESRCH,
  type TaskRow,
  type U64,
  word,
} from '../base/index.ts';
import { sysBrk } from '../mm/brk.ts';
import { CAP_SYS_ADMIN, CAP_SYS_PTRACE } from '../mm/fs_types.ts';
import { sysMadvise } from '../mm/madvise.ts';
import { type CopyOut, sysMincore } from '../mm/mincore.ts';
import { sysMlock, sysMlock2, sysMlockall, sysMunlock, sysMunlockall } from '../mm/mlock.ts';
import { MADV_COLLAPSE, MAP_ANONYMOUS, MAP_SHARED, PROT_WRITE } from '../mm/mman.ts';
import { sysMmap } from '../mm/mmap.ts';
import { sysMprotect } from '../mm/mprotect.ts';
import { sysMremap } from '../mm/mremap.ts';
import { sysMseal } from '../mm/mseal.ts';
import { sysMsync } from '../mm/msync.ts';
import { sysMunmap } from '../mm/munmap.ts';
import { importIovec, refusedAtOnce, sysProcessMadvise } from '../mm/process_madvise.ts';
import { sysRemapFilePages } from '../mm/remap_file_pages.ts';
import { capable } from '../mm/util.ts';
import { fileForMap } from './assume.ts';
import { rawFile } from './fd_table.ts';
import type { CallTable, KernelState } from './state.ts';
import { copyBytes } from './user_copy.ts';
import { type Args, field, isInt, isStruct, type Outcome, type Value } from './values.ts';

/** A page number or -errno as the call's value. */
function address(vpn: number): Outcome {
  return vpn < 0 ? vpn : { value: word.fromPage(vpn) };
}

function mmap(k: KernelState, t: TaskRow, a: Args): Outcome {
  const anonymous = (a.u64(3).lo & MAP_ANONYMOUS) !== 0;
  const fd = a.has(4) ? a.int(4) : -1;
  const shared = (a.u64(3).lo & MAP_SHARED) !== 0;
  const write = (a.u64(2).lo & PROT_WRITE) !== 0;
  const file = anonymous ? 0 : fileForMap(k, t, fd, shared, write);
  const told = k.observed?.errno;
  if (!anonymous && file === 0 && told !== undefined && told !== EBADF) {
    return { ignored: 'a descriptor that the log does not show being opened' };
  }
  return address(
    sysMmap(k.m, t, {
      addr: a.u64(0),
      len: a.u64(1),
      prot: a.u64(2),
      flags: a.u64(3),
      file: !anonymous && file === 0 ? -EBADF : file,
      offset: a.u64(5),
    }),
  );
}

function mincore(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const vec = a.values[2];
  const valid = !isInt(vec) || vec.hi < TASK_HI;
  // A log tells of success where the vector lies in memory that the model does not know.
  const looks = isInt(vec) && (k.observed === undefined || k.observed.errno === EFAULT);
  const copyOut: CopyOut | null = looks
    ? (from, bytes) => copyBytes(m, t, word.add(vec, word.fromNumber(from)), bytes)
    : null;
  return sysMincore(m, t, a.u64(0), a.u64(1), copyOut, valid);
}

/** High word of TASK_SIZE: what lies above is no user memory (access_ok). */
const TASK_HI = 0x8000;

/**
 * MADV_COLLAPSE needs memory that was touched, and a log shows no touches: where the model cannot
 * confirm a log's result it says nothing.
 */
function collapsed(k: KernelState, advice: number, done: number): Outcome {
  if (advice !== MADV_COLLAPSE || k.observed === undefined) return done;
  const { value, errno } = k.observed;
  if (done < 0 ? errno === -done : value === done) return done;
  return { ignored: 'whether memory was touched is not seen in a log' };
}

/** Ranges of an iovec array: `[{iov_base=…, iov_len=…}, …]`. */
function iovec(value: Value | undefined): { addr: U64; len: U64 }[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const out: { addr: U64; len: U64 }[] = [];
  for (const item of value as readonly Value[]) {
    if (!isStruct(item)) return undefined;
    const addr = field(item, 'iov_base', '0');
    const len = field(item, 'iov_len', '1');
    if (addr === undefined || len === undefined) return undefined;
    out.push({ addr, len });
  }
  return out;
}

/**
 * mm_access(): without CAP_SYS_PTRACE only a process of the same user and of no more rights: what it
 * is permitted must be effective here. One that changed its user cannot be dumped, and so not by its
 * own kind either. CAP_SYS_ADMIN stands for CAP_PERFMON, which opens memory for reading.
 * Source: kernel/fork.c may_access_mm(), kernel/ptrace.c __ptrace_may_access(), security/commoncap.c
 * cap_ptrace_access_check(), 6.18.
 */
function mayAccess(k: KernelState, t: TaskRow, target: TaskRow): boolean {
  const { mm, uid, euid, caps } = k.m.task;
  if (mm[t] === mm[target] || capable(k.m, t, CAP_SYS_PTRACE) || k.observed !== undefined)
    return true;
  const same = euid[t] === 0 && uid[target] === 0 && euid[target] === 0;
  if (k.m.release.perfmonMayAccess && capable(k.m, t, CAP_SYS_ADMIN)) return true;
  const others = k.creds.get(target)?.permitted ?? caps[target]!;
  return same && (others & ~caps[t]!) === 0;
}

function processMadvise(k: KernelState, t: TaskRow, a: Args): Outcome {
  const ranges = iovec(a.values[1]);
  if (ranges === undefined) return { unmodelled: 'process_madvise with an iovec in memory' };
  if (ranges.length !== a.num(2)) return { unmodelled: 'process_madvise with part of its iovec' };
  if (!a.isZero(4)) return -EINVAL;
  const bad = importIovec(ranges);
  if (typeof bad === 'number') return bad;
  const fd = a.int(0);
  let target = t;
  const isSelf = fd === PIDFD_SELF || fd === PIDFD_SELF_THREAD;
  if (!isSelf || !k.m.release.pidfdSelf) {
    const special = k.special.get(rawFile(k, t, fd));
    if (special?.kind !== 'pidfd') {
      const unseen = k.config.unknownImages && special === undefined && fd >= 0;
      return unseen ? { ignored: 'whose memory a pidfd of before the log means' } : -EBADF;
    }
    target = k.byPid.get(special.pid) ?? 0;
    if (target === 0 || k.m.task.mm[target] === 0) return -ESRCH;
  }
  const advice = a.int(3);
  if (refusedAtOnce(k.m, advice)) return -EINVAL;
  if (!mayAccess(k, t, target)) return -EACCES;
  const mm = k.m.task.mm[target]!;
  return collapsed(k, advice, sysProcessMadvise(k.m, t, mm, ranges, advice, a.int(4)));
}

const PIDFD_SELF = -10000;
const PIDFD_SELF_THREAD = -10001;

/**
 * A processor without protection keys still has key 0 to give: the first pkey_alloc() takes it, is
 * refused by arch_set_user_pkey_access(), and never gives it back, so that later ones find none.
 */
function pkeyAlloc(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (k.config.pkeys) return { unmodelled: 'protection keys' };
  const init = a.u64(1);
  if (!a.isZero(0) || init.hi !== 0 || (init.lo & ~3) !== 0) return -EINVAL;
  const { pkeys } = k.m.mm;
  const mm = k.m.task.mm[t]!;
  if (pkeys[mm] !== 0 || k.m.release.pkeysRunOut) return -ENOSPC;
  pkeys[mm] = 1;
  return -EINVAL;
}

function mseal(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (k.m.release.lacks.includes('mseal')) return -ENOSYS;
  return sysMseal(k.m, t, a.u64(0), a.u64(1), a.u64(2));
}

export const MEMORY_CALLS: CallTable = {
  mmap: ['uuuu|uu', mmap],
  munmap: ['uu', (k, t, a) => sysMunmap(k.m, t, a.u64(0), a.u64(1))],
  mremap: [
    'uuu|uu',
    (k, t, a) =>
      address(
        sysMremap(k.m, t, {
          addr: a.u64(0),
          oldLen: a.u64(1),
          newLen: a.u64(2),
          flags: a.u64(3),
          newAddr: a.u64(4),
        }),
      ),
  ],
  mprotect: ['uuu', (k, t, a) => sysMprotect(k.m, t, a.u64(0), a.u64(1), a.u64(2), -1)],
  pkey_mprotect: ['uuuu', (k, t, a) => sysMprotect(k.m, t, a.u64(0), a.u64(1), a.u64(2), a.int(3))],
  pkey_alloc: ['|uu', pkeyAlloc],
  pkey_free: ['u', (k) => (k.config.pkeys ? { unmodelled: 'protection keys' } : -EINVAL)],
  madvise: [
    'uuu',
    (k, t, a) => collapsed(k, a.int(2), sysMadvise(k.m, t, a.u64(0), a.u64(1), a.int(2))),
  ],
  process_madvise: ['uauu|u', processMadvise],
  brk: ['u', (k, t, a) => sysBrk(k.m, t, a.u64(0))],
  mlock: ['uu', (k, t, a) => sysMlock(k.m, t, a.u64(0), a.u64(1))],
  mlock2: ['uuu', (k, t, a) => sysMlock2(k.m, t, a.u64(0), a.u64(1), a.int(2))],
  munlock: ['uu', (k, t, a) => sysMunlock(k.m, t, a.u64(0), a.u64(1))],
  mlockall: ['u', (k, t, a) => sysMlockall(k.m, t, a.int(0))],
  munlockall: ['', (k, t) => sysMunlockall(k.m, t)],
  msync: ['uuu', (k, t, a) => sysMsync(k.m, t, a.u64(0), a.u64(1), a.int(2))],
  mincore: ['uu|a', mincore],
  mseal: ['uu|u', mseal],
  remap_file_pages: [
    'uuuu|u',
    (k, t, a) => {
      const done = sysRemapFilePages(k.m, t, a.u64(0), a.u64(1), a.u64(2), a.u64(3), a.u64(4));
      // Of a segment that is gone: EIDRM where another took its slot at that moment.
      return done === -EINVAL && k.observed?.errno === EIDRM ? -EIDRM : done;
    },
  ],
};
