/**
 * fork, clone, exec, exit, wait, kill and the identity of tasks (kernel/fork.c, exit.c, signal.c,
 * sys.c, capability.c, 6.18).
 */
import {
  EBADF,
  ECHILD,
  EINVAL,
  ENOENT,
  EPERM,
  ESRCH,
  type TaskRow,
  type U64,
} from '../base/index.ts';
import {
  CAP_DAC_OVERRIDE,
  CAP_IPC_LOCK,
  CAP_IPC_OWNER,
  CAP_SETUID,
  CAP_SYS_ADMIN,
  CAP_SYS_NICE,
  CAP_SYS_PTRACE,
  CAP_SYS_RAWIO,
  CAP_SYS_RESOURCE,
} from '../mm/fs_types.ts';
import { capable } from '../mm/util.ts';
import { pathArg } from './calls_open.ts';
import { exitGroup, exitTask, WAIT_BLOCKS, wait } from './exit.ts';
import { install, rawFile, tableOf } from './fd_table.ts';
import { describe, plainInode } from './namespace.ts';
import { CLONE_VFORK, CLONE_VM, type CloneRequest, clone, exec } from './process.ts';
import type { CallTable, Handler, KernelState } from './state.ts';
import { type Args, field, type Outcome, type StructValue } from './values.ts';

const NOT_MEMORY = 'identity and signals of processes are not part of memory';

/** Makes the child; in a log, with the pid that the log shows. */
function born(k: KernelState, t: TaskRow, flags: number): Outcome {
  const told = k.observed?.value;
  if (k.observed?.errno !== undefined) return { ignored: 'why a process could not be made' };
  if ((flags & CLONE_UNMODELLED) !== 0 && k.observed === undefined) {
    return { unmodelled: 'clone into new namespaces or with a pidfd' };
  }
  const request: CloneRequest = told === undefined ? { flags } : { flags, pid: told };
  const child = clone(k, t, request);
  if (child < 0) return child;
  if (told === undefined) return k.m.task.pid[child]!;
  return { ignored: 'pids are given by the system' };
}

/** CLONE_NEW* and CLONE_PIDFD. */
const CLONE_UNMODELLED = 0x7e020000 | 0x1000;

function flagsOfStruct(s: StructValue): U64 | undefined {
  return field(s, 'flags', '0');
}

function cloneCall(k: KernelState, t: TaskRow, a: Args): Outcome {
  const named = a.struct(0);
  if (named !== undefined) {
    const flags = flagsOfStruct(named);
    return flags === undefined
      ? { unmodelled: 'clone without readable flags' }
      : born(k, t, flags.lo | 0);
  }
  return born(k, t, a.int(0));
}

function clone3(k: KernelState, t: TaskRow, a: Args): Outcome {
  const args = a.struct(0);
  const flags = args === undefined ? undefined : flagsOfStruct(args);
  if (flags === undefined) return { unmodelled: 'clone3 without readable flags' };
  if ((flags.lo & 0xff) !== 0) return -EINVAL;
  return born(k, t, flags.lo | 0);
}

function execve(k: KernelState, t: TaskRow, a: Args, dirfd: number, at: number): Outcome {
  if (k.observed?.errno !== undefined) return { ignored: 'which programs a disk holds' };
  const path = pathArg(k, t, dirfd, a.text(at));
  if (typeof path === 'number') return path;
  if (k.observed === undefined && k.directories.has(path)) return -13;
  if (k.observed === undefined && !k.names.has(path) && !/^\/(usr\/)?(bin|sbin)\//.test(path))
    return -ENOENT;
  exec(k, t, path);
  return 0;
}

function wait4(k: KernelState, t: TaskRow, a: Args): Outcome {
  const told = k.observed;
  const options = a.int(2);
  if (told === undefined && (options & ~0xe000000b) !== 0) return -EINVAL;
  const asked = told?.value !== undefined && told.value > 0 ? told.value : a.int(0);
  const got = wait(k, t, asked, (options & 1) !== 0, false);
  if (told !== undefined) return { ignored: 'the order in which processes end' };
  return got ?? { unmodelled: WAIT_BLOCKS };
}

const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;

function waitid(k: KernelState, t: TaskRow, a: Args): Outcome {
  const options = a.int(3);
  if (k.observed === undefined && (options & (WEXITED | 2 | 8)) === 0) return -EINVAL;
  const pid = a.int(0) === P_PID ? a.int(1) : -1;
  const got = wait(k, t, pid, (options & WNOHANG) !== 0, (options & WNOWAIT) !== 0);
  if (k.observed !== undefined) return { ignored: 'the order in which processes end' };
  if (got === undefined) return { unmodelled: WAIT_BLOCKS };
  return got === -ECHILD ? got : 0;
}

const FATAL_BY_DEFAULT = new Set([1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 14, 15, 16, 24, 25, 26, 27, 31]);

/** kill(): SIGKILL ends the process; other signals depend on handlers, which are not modelled. */
function kill(k: KernelState, t: TaskRow, a: Args, at: number, sigAt: number): Outcome {
  const sig = a.int(sigAt);
  const pid = a.int(at);
  if (k.observed !== undefined) return { ignored: NOT_MEMORY };
  if (sig < 0 || sig > 64) return -EINVAL;
  if (pid <= 0) return { unmodelled: 'signals to process groups' };
  const target = k.byPid.get(pid);
  if (target === undefined) return -ESRCH;
  if (sig === 0) return 0;
  if (sig === 9) {
    const self = k.m.task.sig[target] === k.m.task.sig[t];
    exitGroup(k, target, 9);
    return self ? { none: true } : 0;
  }
  return FATAL_BY_DEFAULT.has(sig)
    ? { unmodelled: 'signal handlers (only SIGKILL is certain)' }
    : 0;
}

/** Effective capabilities after the user ids changed (cap_emulate_setxuid). */
function fixCaps(k: KernelState, t: TaskRow, oldRoot: boolean, oldEuid: number): void {
  const { m } = k;
  const creds = k.creds.get(t) ?? { suid: 0, permitted: m.task.caps[t]! };
  const nowRoot = m.task.uid[t] === 0 || m.task.euid[t] === 0 || creds.suid === 0;
  if (oldRoot && !nowRoot) {
    creds.permitted = 0;
    m.task.caps[t] = 0;
  }
  if (oldEuid === 0 && m.task.euid[t] !== 0) m.task.caps[t] = 0;
  if (oldEuid !== 0 && m.task.euid[t] === 0) m.task.caps[t] = creds.permitted;
  k.creds.set(t, creds);
}

/** The ids that a task may take without privilege: real, effective, saved. */
function ownIds(k: KernelState, t: TaskRow): number[] {
  const { uid, euid } = k.m.task;
  return [uid[t]!, euid[t]!, k.creds.get(t)?.suid ?? euid[t]!];
}

/** Sets the ids, -1 for "keep", and what follows for the capabilities. */
function setUids(k: KernelState, t: TaskRow, ruid: number, euid: number, suid: number): number {
  const { m } = k;
  const creds = k.creds.get(t) ?? { suid: m.task.euid[t]!, permitted: m.task.caps[t]! };
  k.creds.set(t, creds);
  const mine = [m.task.uid[t]!, m.task.euid[t]!, creds.suid];
  const oldRoot = mine.includes(0);
  if (ruid !== -1) m.task.uid[t] = ruid;
  if (euid !== -1) m.task.euid[t] = euid;
  if (suid !== -1) creds.suid = suid;
  fixCaps(k, t, oldRoot, mine[1]!);
  return 0;
}

function setresuid(k: KernelState, t: TaskRow, a: Args): Outcome {
  const wanted = [a.int(0), a.int(1), a.int(2)] as const;
  const mine = ownIds(k, t);
  const isOwn = wanted.every((id) => id === -1 || mine.includes(id));
  return isOwn || capable(k.m, t, CAP_SETUID) ? setUids(k, t, ...wanted) : -EPERM;
}

function setuid(k: KernelState, t: TaskRow, a: Args): Outcome {
  const uid = a.int(0);
  if (uid === -1) return -EINVAL;
  if (capable(k.m, t, CAP_SETUID)) return setUids(k, t, uid, uid, uid);
  const creds = k.creds.get(t);
  if (uid !== k.m.task.uid[t] && uid !== creds?.suid) return -EPERM;
  return setUids(k, t, -1, uid, -1);
}

function setreuid(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const [ruid, euid] = [a.int(0), a.int(1)];
  const mine = [m.task.uid[t]!, m.task.euid[t]!];
  if (!capable(m, t, CAP_SETUID)) {
    if (ruid !== -1 && !mine.includes(ruid)) return -EPERM;
    if (euid !== -1 && ![...mine, k.creds.get(t)?.suid].includes(euid)) return -EPERM;
  }
  const newEuid = euid === -1 ? m.task.euid[t]! : euid;
  const saved = ruid !== -1 || (euid !== -1 && euid !== m.task.uid[t]) ? newEuid : -1;
  return setUids(k, t, ruid, euid, saved);
}

/** Kernel numbers of the capabilities that the model knows. */
const CAP_BITS: readonly (readonly [number, number])[] = [
  [1, CAP_DAC_OVERRIDE],
  [7, CAP_SETUID],
  [14, CAP_IPC_LOCK],
  [15, CAP_IPC_OWNER],
  [17, CAP_SYS_RAWIO],
  [19, CAP_SYS_PTRACE],
  [21, CAP_SYS_ADMIN],
  [23, CAP_SYS_NICE],
  [24, CAP_SYS_RESOURCE],
];

function capsOf(mask: U64): number {
  let caps = 0;
  for (const [bit, cap] of CAP_BITS) if (((mask.lo >>> bit) & 1) !== 0) caps |= cap;
  return caps;
}

function capset(k: KernelState, t: TaskRow, a: Args): Outcome {
  const data = a.struct(1);
  const effective = field(data, 'effective', '0');
  const permitted = field(data, 'permitted', '1');
  if (effective === undefined || permitted === undefined) {
    return { unmodelled: 'capset with capabilities in memory' };
  }
  if (k.observed?.errno !== undefined) return { ignored: NOT_MEMORY };
  const creds = k.creds.get(t) ?? { suid: k.m.task.euid[t]!, permitted: k.m.task.caps[t]! };
  const wanted = capsOf(permitted);
  if ((wanted & ~creds.permitted) !== 0 || (capsOf(effective) & ~wanted) !== 0) return -EPERM;
  creds.permitted = wanted;
  k.creds.set(t, creds);
  k.m.task.caps[t] = capsOf(effective);
  return 0;
}

const READ_IMPLIES_EXEC = 0x400000;
const ADDR_COMPAT_LAYOUT = 0x200000;

function personality(k: KernelState, t: TaskRow, a: Args): Outcome {
  const tgid = k.m.task.tgid[t]!;
  const old = k.personality.get(tgid) ?? 0;
  const wanted = a.u64(0).lo >>> 0;
  if (wanted !== 0xffffffff) {
    if ((wanted & ADDR_COMPAT_LAYOUT) !== 0 && k.observed === undefined) {
      return { unmodelled: 'personalities that change the layout of images' };
    }
    k.personality.set(tgid, wanted);
    k.m.task.readExec[t] = (wanted & READ_IMPLIES_EXEC) !== 0 ? 1 : 0;
  }
  return k.observed === undefined ? old : { ignored: NOT_MEMORY };
}

function identity(k: KernelState, value: number): Outcome {
  return k.observed === undefined ? value : { ignored: NOT_MEMORY };
}

function ignored(): Outcome {
  return { ignored: NOT_MEMORY };
}

const PIDFD_THREAD = 0x80;

function pidfdOpen(k: KernelState, t: TaskRow, a: Args): Outcome {
  const pid = a.int(0);
  const noThreads = k.m.release.lacks.includes('PIDFD_THREAD') && (a.int(1) & PIDFD_THREAD) !== 0;
  if (k.observed === undefined && noThreads) return -EINVAL;
  if (k.observed === undefined && (pid <= 0 || (a.int(1) & ~0x880) !== 0)) return -EINVAL;
  if (k.observed === undefined) {
    const target = k.byPid.get(pid);
    if (target === undefined) return -ESRCH;
    // A thread that leads no process has a descriptor for itself alone (PIDFD_THREAD).
    if (k.m.task.tgid[target] !== pid && (a.int(1) & PIDFD_THREAD) === 0) {
      return k.m.release.pidfdThreadIsNoent ? -ENOENT : -EINVAL;
    }
  }
  if (k.observed?.errno !== undefined) return { ignored: NOT_MEMORY };
  const name = `anon_inode:[pidfd:${pid}]`;
  const file = describe(k, plainInode(k, name, false), name, 2);
  k.special.set(file, { kind: 'pidfd', pid });
  return install(k, t, file, true);
}

function unshare(k: KernelState, t: TaskRow, a: Args): Outcome {
  const CLONE_FILES = 0x400;
  if ((a.int(0) & CLONE_FILES) !== 0 && tableOf(k, t).users > 1) {
    return { unmodelled: 'unshare(CLONE_FILES) of a shared table' };
  }
  return { ignored: NOT_MEMORY };
}

/** Calls whose work the model does not have; a log's result of them is let pass. */
function inLogOnly(name: string): Handler {
  return (k) =>
    k.observed === undefined ? { unmodelled: `the call ${name}` } : { ignored: NOT_MEMORY };
}

export const PROCESS_CALLS: CallTable = {
  fork: ['', (k, t) => born(k, t, 17)],
  vfork: ['', (k, t) => born(k, t, CLONE_VM | CLONE_VFORK | 17)],
  clone: ['|aaaaa', cloneCall],
  clone3: ['a|u', clone3],
  exit: [
    '|u',
    (k, t, a) => {
      exitTask(k, t, a.int(0));
      return { none: true };
    },
  ],
  exit_group: [
    '|u',
    (k, t, a) => {
      exitGroup(k, t, a.int(0));
      return { none: true };
    },
  ],
  execve: ['s|aa', (k, t, a) => execve(k, t, a, -100, 0)],
  execveat: ['us|aau', (k, t, a) => execve(k, t, a, a.int(0), 1)],
  wait4: ['u|aaa', wait4],
  waitpid: ['u|aa', wait4],
  waitid: ['uu|aaa', waitid],
  kill: ['uu', (k, t, a) => kill(k, t, a, 0, 1)],
  tkill: ['uu', (k, t, a) => kill(k, t, a, 0, 1)],
  tgkill: ['uuu', (k, t, a) => kill(k, t, a, 1, 2)],
  pidfd_open: ['u|u', pidfdOpen],
  pidfd_send_signal: [
    'uu|aa',
    (k, t, a) => {
      const special = k.special.get(rawFile(k, t, a.int(0)));
      if (special?.kind !== 'pidfd') return k.observed === undefined ? -EBADF : ignored();
      if (a.int(1) !== 9 || k.observed !== undefined) return ignored();
      const target = k.byPid.get(special.pid);
      if (target === undefined) return -ESRCH;
      exitGroup(k, target, 9);
      return 0;
    },
  ],
  getpid: ['', (k, t) => identity(k, k.m.task.tgid[t]!)],
  gettid: ['', (k, t) => identity(k, k.m.task.pid[t]!)],
  set_tid_address: ['u', (k, t) => identity(k, k.m.task.pid[t]!)],
  getppid: ['', (k, t) => identity(k, k.m.sig.parent[k.m.task.sig[t]!]!)],
  getuid: ['', (k, t) => identity(k, k.m.task.uid[t]!)],
  geteuid: ['', (k, t) => identity(k, k.m.task.euid[t]!)],
  getgid: ['', (k) => identity(k, 0)],
  getegid: ['', (k) => identity(k, 0)],
  setuid: ['u', setuid],
  setreuid: ['uu', setreuid],
  setresuid: ['uuu', setresuid],
  setgid: ['u', ignored],
  setregid: ['uu', ignored],
  setresgid: ['uuu', ignored],
  setfsuid: ['u', ignored],
  setfsgid: ['u', ignored],
  setgroups: ['u|a', ignored],
  setsid: ['', ignored],
  setpgid: ['uu', ignored],
  capget: ['a|a', ignored],
  capset: ['aa', capset],
  personality: ['u', personality],
  arch_prctl: ['u|a', () => ({ ignored: 'segment bases are not part of memory' })],
  unshare: ['u', unshare],
  pidfd_getfd: ['uu|u', inLogOnly('pidfd_getfd')],
  ptrace: ['u|aaa', inLogOnly('ptrace')],
  process_mrelease: ['u|u', inLogOnly('process_mrelease')],
  process_vm_readv: ['uauau|u', inLogOnly('process_vm_readv')],
  process_vm_writev: ['uauau|u', inLogOnly('process_vm_writev')],
  chroot: ['s', inLogOnly('chroot')],
  pivot_root: ['ss', inLogOnly('pivot_root')],
  swapon: ['s|u', inLogOnly('swapon')],
  swapoff: ['s', inLogOnly('swapoff')],
  setns: ['uu', ignored],
  getrusage: ['u|a', () => ({ ignored: 'times are not modelled; faults are counted per step' })],
  pause: ['', () => ({ none: true })],
};
