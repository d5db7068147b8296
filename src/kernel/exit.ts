/**
 * Ends of threads and processes, and who waits for them: children belong to the thread that forked
 * them (kernel/exit.c, 6.18).
 */
import { assert, ECHILD, freeRow, type TaskRow } from '../base/index.ts';
import { dropMm } from '../mm/fork.ts';
import { leaveTable } from './fd_table.ts';
import type { KernelState } from './state.ts';

export const INIT_PID = 1;

/** Makes a process the youngest child of a thread. */
export function adopt(k: KernelState, sig: number, parentTask: TaskRow): void {
  k.m.sig.parentTask[sig] = parentTask;
  k.m.sig.sibling[sig] = k.nextSibling++;
}

/** The children of one thread, the eldest first. */
function childrenOf(k: KernelState, parent: TaskRow): number[] {
  const { parentTask, sibling, used, pid } = k.m.sig;
  const rows: number[] = [];
  for (let s = 1; s < used; s++) if (pid[s] !== 0 && parentTask[s] === parent) rows.push(s);
  return rows.sort((a, b) => sibling[a]! - sibling[b]!);
}

/** The threads of a process, the eldest first. */
function threadsOf(k: KernelState, sig: number): TaskRow[] {
  return [...k.byPid.values()].filter((task) => k.m.task.sig[task] === sig);
}

/** One thread ends. */
export function exitTask(k: KernelState, t: TaskRow, status: number): void {
  const { m } = k;
  if (m.task.alive[t] === 0) return;
  m.task.alive[t] = 0;
  const mm = m.task.mm[t]!;
  m.task.mm[t] = 0;
  dropMm(m, mm);
  leaveTable(k, t);
  const sig = m.task.sig[t]!;
  m.sig.threads[sig]!--;
  // find_new_reaper(): the eldest thread that lives takes over what this one forked.
  const heir = threadsOf(k, sig).find((task) => m.task.alive[task] !== 0);
  if (heir !== undefined) for (const child of childrenOf(k, t)) adopt(k, child, heir);
  if (m.task.pid[t] !== m.task.tgid[t]) forget(k, t);
  if (m.sig.threads[sig] === 0) becomeZombie(k, sig, status);
}

/** exit_group(), a fatal signal: every thread of the process ends. */
export function exitGroup(k: KernelState, t: TaskRow, status: number): void {
  const sig = k.m.task.sig[t]!;
  for (const task of [...k.byPid.values()]) {
    if (k.m.task.sig[task] === sig) exitTask(k, task, status);
  }
}

export function forget(k: KernelState, t: TaskRow): void {
  k.byPid.delete(k.m.task.pid[t]!);
  k.creds.delete(t);
  freeRow(k.m.task, t);
}

function becomeZombie(k: KernelState, sig: number, status: number): void {
  const { m } = k;
  m.sig.zombie[sig] = 1;
  m.sig.exitStatus[sig] = status;
  const pid = m.sig.pid[sig]!;
  for (const task of [...k.byPid.values()]) {
    const s = m.task.sig[task]!;
    if (m.sig.parent[s] === pid && s !== sig) reparent(k, task, s);
  }
  // Init, and every process that the model does not run, reaps at once.
  if (!isModelled(k, m.sig.parent[sig]!)) reapSig(k, sig);
}

/** Init becomes the parent of a process. */
export function disown(k: KernelState, sig: number): void {
  k.m.sig.parent[sig] = INIT_PID;
  k.m.sig.parentTask[sig] = 0;
}

function reparent(k: KernelState, task: TaskRow, sig: number): void {
  disown(k, sig);
  if (k.m.sig.zombie[sig] !== 0 && k.m.task.pid[task] === k.m.sig.pid[sig]) reapSig(k, sig);
}

function isModelled(k: KernelState, pid: number): boolean {
  const t = k.byPid.get(pid);
  return t !== undefined && k.m.sig.zombie[k.m.task.sig[t]!] === 0;
}

function reapSig(k: KernelState, sig: number): void {
  const { m } = k;
  const pid = m.sig.pid[sig]!;
  const leader = k.byPid.get(pid);
  assert(leader !== undefined, 'a zombie has its leader');
  forget(k, leader);
  k.cwd.delete(pid);
  k.personality.delete(pid);
  freeRow(m.sig, sig);
}

export const WAIT_BLOCKS = 'waiting for a process that does not end';

/**
 * wait4(): the pid reaped, 0 under WNOHANG, -ECHILD, or undefined where it would wait.
 * `pid` as wait4 takes it; process groups are taken for "any child". The caller's own children are
 * looked at first, then those of the threads after it. Source: kernel/exit.c __do_wait(), 6.18.
 */
export function wait(
  k: KernelState,
  t: TaskRow,
  pid: number,
  noHang: boolean,
  noWait: boolean,
): number | undefined {
  const { m } = k;
  const threads = threadsOf(k, m.task.sig[t]!);
  const from = threads.indexOf(t);
  let children = 0;
  for (const thread of [...threads.slice(from), ...threads.slice(0, from)]) {
    for (const sig of childrenOf(k, thread)) {
      const child = m.sig.pid[sig]!;
      if (pid > 0 && child !== pid) continue;
      children++;
      if (m.sig.zombie[sig] === 0) continue;
      if (!noWait) reapSig(k, sig);
      return child;
    }
  }
  if (children === 0) return -ECHILD;
  return noHang ? 0 : undefined;
}
