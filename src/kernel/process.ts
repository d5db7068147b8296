/** Processes and threads: the first one, fork and clone, exec (kernel/fork.c, fs/exec.c, 6.18). */
import { EINVAL, ENOMEM, type MmRow, newRow, type TaskRow } from '../base/index.ts';
import { fileGet, filePut } from '../mm/file.ts';
import { dropMm, dupMm } from '../mm/fork.ts';
import { CAP_ALL, FS_DISK, O_LARGEFILE, O_RDWR } from '../mm/fs_types.ts';
import { internName } from '../mm/mm_types.ts';
import { VM_MERGEABLE } from '../mm/vm_flags.ts';
import { adopt, exitTask, forget, INIT_PID } from './exit.ts';
import { copyTableOf, execTable, installAt, newTable, tableOf } from './fd_table.ts';
import { type Layout, newMm, staticLayout, unknownLayout } from './layout.ts';
import { describe, ensureInode, plainInode } from './namespace.ts';
import type { KernelState } from './state.ts';

export const CLONE_VM = 0x100;
export const CLONE_FILES = 0x400;
export const CLONE_SIGHAND = 0x800;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_THREAD = 0x10000;

const UNLIMITED = Number.POSITIVE_INFINITY;

/** Limits of a login session: stack 8 MiB, locked memory 8 MiB, 1024 files, all else unlimited. */
function setDefaultLimits(k: KernelState, sig: number): void {
  const c = k.m.sig;
  const eightMiB = 8 * 1024 * 1024;
  for (const name of ['as', 'data', 'fsize'] as const) {
    c[`${name}Cur`][sig] = UNLIMITED;
    c[`${name}Max`][sig] = UNLIMITED;
  }
  c.stackCur[sig] = eightMiB;
  c.stackMax[sig] = UNLIMITED;
  c.memlockCur[sig] = eightMiB;
  c.memlockMax[sig] = eightMiB;
  c.nofileCur[sig] = 1024;
  c.nofileMax[sig] = 1048576;
}

function newSig(k: KernelState, pid: number, parent: number, parentTask: TaskRow): number {
  const sig = newRow(k.m.sig);
  k.m.sig.pid[sig] = pid;
  k.m.sig.parent[sig] = parent;
  adopt(k, sig, parentTask);
  return sig;
}

function newTask(k: KernelState, pid: number, sig: number, mm: MmRow): TaskRow {
  const { m } = k;
  const t = newRow(m.task);
  m.task.pid[t] = pid;
  m.task.sig[t] = sig;
  m.task.tgid[t] = m.sig.pid[sig]!;
  m.task.mm[t] = mm;
  m.task.alive[t] = 1;
  m.sig.threads[sig]!++;
  k.byPid.set(pid, t);
  return t;
}

function takePid(k: KernelState): number {
  while (k.byPid.has(k.nextPid)) k.nextPid++;
  return k.nextPid++;
}

/** An image of `path`: its file, opened for the mappings of the layout. */
function imageLayout(k: KernelState, t: TaskRow, path: string): Layout {
  if (k.config.unknownImages) return unknownLayout();
  const inode = ensureInode(k, t, path, FS_DISK, 8192);
  const file = describe(k, inode, path, O_LARGEFILE);
  const limit = t === 0 ? 8 * 1024 * 1024 : k.m.sig.stackCur[k.m.task.sig[t]!]!;
  return staticLayout(limit, file);
}

function putImage(k: KernelState, layout: Layout): void {
  const file = layout.vmas.find((x) => (x.file ?? 0) !== 0)?.file ?? 0;
  if (file !== 0) filePut(k.m, file);
}

/** Options of a process that nobody forked. */
export interface SpawnOptions {
  readonly pid?: number;
  readonly name?: string;
  readonly layout?: Layout;
  /** Path of its program. */
  readonly path?: string;
  readonly uid?: number;
  readonly caps?: number;
  readonly parent?: number;
}

/** The first process, or one that a log shows without its birth. */
export function spawn(k: KernelState, options: SpawnOptions): TaskRow {
  const { m } = k;
  const path = options.path ?? k.config.defaultPath;
  const layout = options.layout ?? imageLayout(k, 0, path);
  const mm = newMm(m, layout);
  if (options.layout === undefined) putImage(k, layout);
  const pid = options.pid ?? takePid(k);
  if (options.pid !== undefined && pid >= k.nextPid) k.nextPid = pid + 1;
  const parent = options.parent ?? INIT_PID;
  const sig = newSig(k, pid, parent, k.byPid.get(parent) ?? 0);
  setDefaultLimits(k, sig);
  const t = newTask(k, pid, sig, mm);
  m.task.files[t] = newTable(k);
  openTerminal(k, t);
  m.task.uid[t] = options.uid ?? 0;
  m.task.euid[t] = options.uid ?? 0;
  const caps = options.caps ?? ((options.uid ?? 0) === 0 ? CAP_ALL : 0);
  m.task.caps[t] = caps;
  k.creds.set(t, { suid: options.uid ?? 0, permitted: caps });
  m.task.name[t] = internName(m, options.name ?? String(pid));
  m.task.comm[t] = internName(m, comm(path));
  k.cwd.set(pid, '/root');
  return t;
}

/** Descriptors 0, 1 and 2, as a shell leaves them. */
function openTerminal(k: KernelState, t: TaskRow): void {
  const path = '/dev/pts/0';
  const file = describe(k, plainInode(k, path, false), path, O_RDWR | O_LARGEFILE);
  for (const fd of [0, 1, 2]) {
    installAt(k, t, fd, file, false);
    if (fd !== 0) fileGet(k.m, file);
  }
}

function comm(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1, path.lastIndexOf('/') + 16);
}

export interface CloneRequest {
  /** CLONE_* and the exit signal in the low byte. */
  readonly flags: number;
  readonly pid?: number;
}

/** The new task, or -errno. Source: kernel/fork.c copy_process(), 6.18. */
export function clone(k: KernelState, t: TaskRow, request: CloneRequest): TaskRow {
  const { flags } = request;
  const thread = (flags & CLONE_THREAD) !== 0;
  if (thread && (flags & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return -EINVAL;
  const { m } = k;
  const oldMm = m.task.mm[t]!;
  let mm = oldMm;
  if ((flags & CLONE_VM) !== 0) m.mm.users[mm]!++;
  else {
    mm = dupMm(m, t, oldMm);
    if (mm === 0) return -ENOMEM;
  }
  const pid = request.pid ?? takePid(k);
  if (pid >= k.nextPid) k.nextPid = pid + 1;
  const oldSig = m.task.sig[t]!;
  let sig = oldSig;
  if (!thread) {
    const sister = (flags & CLONE_PARENT) !== 0;
    const parent = sister ? m.sig.parent[oldSig]! : m.task.tgid[t]!;
    sig = newSig(k, pid, parent, sister ? m.sig.parentTask[oldSig]! : t);
    for (const name of LIMIT_COLUMNS) m.sig[name][sig] = m.sig[name][oldSig]!;
  }
  const child = newTask(k, pid, sig, mm);
  if ((flags & CLONE_FILES) !== 0) {
    tableOf(k, t).users++;
    m.task.files[child] = m.task.files[t]!;
  } else m.task.files[child] = copyTableOf(k, t);
  for (const name of ['uid', 'euid', 'caps', 'comm', 'readExec'] as const)
    m.task[name][child] = m.task[name][t]!;
  m.task.name[child] = internName(m, String(pid));
  const creds = k.creds.get(t);
  if (creds !== undefined) k.creds.set(child, { ...creds });
  if (!thread) inheritProcess(k, t, pid);
  return child;
}

const LIMIT_COLUMNS = [
  ...(['asCur', 'asMax', 'dataCur', 'dataMax', 'stackCur', 'stackMax'] as const),
  ...(['memlockCur', 'memlockMax', 'fsizeCur', 'fsizeMax', 'nofileCur', 'nofileMax'] as const),
];

function inheritProcess(k: KernelState, t: TaskRow, pid: number): void {
  const tgid = k.m.task.tgid[t]!;
  k.cwd.set(pid, k.cwd.get(tgid) ?? '/root');
  const persona = k.personality.get(tgid);
  if (persona !== undefined) k.personality.set(pid, persona);
}

/**
 * A new image for a process: other threads end, the address space is replaced, descriptors marked
 * close-on-exec are closed.
 */
export function exec(k: KernelState, t: TaskRow, path: string, layout?: Layout): void {
  const { m } = k;
  const sig = m.task.sig[t]!;
  for (const task of [...k.byPid.values()]) {
    if (task !== t && m.task.sig[task] === sig && m.task.alive[task] !== 0) exitTask(k, task, 0);
  }
  if (m.task.pid[t] !== m.task.tgid[t]) takeLeadership(k, t);
  const old = m.task.mm[t]!;
  const image = layout ?? imageLayout(k, t, path);
  const mm = newMm(m, image);
  if (layout === undefined) putImage(k, image);
  m.mm.thpDisable[mm] = m.mm.thpDisable[old]!;
  m.task.readExec[t] = 0;
  m.mm.defFlags[mm] = m.mm.defFlags[old]! & VM_MERGEABLE;
  m.task.mm[t] = mm;
  dropMm(m, old);
  execTable(k, t);
  m.task.comm[t] = internName(m, comm(path));
}

/** de_thread(): the thread that executes takes over its leader's pid. */
function takeLeadership(k: KernelState, t: TaskRow): void {
  const { m } = k;
  const tgid = m.task.tgid[t]!;
  const leader = k.byPid.get(tgid);
  k.byPid.delete(m.task.pid[t]!);
  if (leader !== undefined) {
    m.task.name[t] = m.task.name[leader]!;
    forget(k, leader);
  }
  m.task.pid[t] = tgid;
  k.byPid.set(tgid, t);
}
