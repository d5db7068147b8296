/** perf: whether it is there, what it may do here, and how it is asked. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { MEMORY_CALLS } from '../import/index.ts';

const TRACEFS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];

export const NO_PERF = 'perf is not installed';
export const NO_PERF_HINT =
  'Debian: apt install linux-perf; Ubuntu: apt install linux-tools-generic; Fedora: dnf install perf';

/** What perf can record here. */
export type PerfRights =
  | { readonly kind: 'tracepoints'; readonly mounted: boolean }
  | { readonly kind: 'software'; readonly why: string }
  | { readonly kind: 'none'; readonly why: string; readonly hint: string };

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function tracefs(): string | undefined {
  return TRACEFS.find((path) => readable(`${path}/events/exceptions/page_fault_user/id`));
}

export function perfVersion(): string | undefined {
  const { status, stdout } = spawnSync('perf', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function paranoia(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));
  } catch {
    return Number.NaN;
  }
}

/** Mounts tracefs where it is missing and this process may. */
export function perfRights(): PerfRights {
  if (perfVersion() === undefined) return { kind: 'none', why: NO_PERF, hint: NO_PERF_HINT };
  const isRoot = process.geteuid?.() === 0;
  let mounted = false;
  if (tracefs() === undefined && isRoot) {
    spawnSync('mount', ['-t', 'tracefs', 'nodev', TRACEFS[0]!]);
    mounted = tracefs() !== undefined;
  }
  const level = paranoia();
  if (Number.isNaN(level)) {
    const why = 'this kernel has no perf events';
    return { kind: 'none', why, hint: 'it needs CONFIG_PERF_EVENTS' };
  }
  const found = tracefs();
  if (found !== undefined && (isRoot || level <= -1)) return { kind: 'tracepoints', mounted };
  if (isRoot && found === undefined) {
    return { kind: 'software', why: 'the tracepoints exceptions:page_fault_* are missing here' };
  }
  if (level >= 3) {
    const why = `kernel.perf_event_paranoid is ${level}: no perf for users without rights`;
    return { kind: 'none', why, hint: 'run as root, or set it to 2 or less' };
  }
  return { kind: 'software', why: 'tracepoints need root, or CAP_PERFMON and a readable tracefs' };
}

/** `-e` options for all that a trace needs. */
export function tracepointFlags(): string[] {
  const base = tracefs() ?? TRACEFS[0]!;
  const names = ['exceptions:page_fault_user', 'exceptions:page_fault_kernel'];
  for (const call of MEMORY_CALLS) {
    if (!existsSync(`${base}/events/syscalls/sys_enter_${call}`)) continue;
    names.push(`syscalls:sys_enter_${call}`, `syscalls:sys_exit_${call}`);
  }
  names.push('task:task_newtask', 'sched:sched_process_exec');
  return names.flatMap((name) => ['-e', name]);
}

/** Pages of a CPU's buffer: 32 MiB, or what a user without rights may lock. */
export const BUFFER_PAGES = 8192;
export const BUFFER_PAGES_SMALL = 64;

export const SCRIPT_FLAGS = [
  ...['--ns', '--show-mmap-events', '--show-task-events', '--show-lost-events'],
  ...['-F', 'comm,pid,tid,time,event,trace'],
];
/** Of software events, which have no text but an address. */
export const SCRIPT_FLAGS_SOFTWARE = [...SCRIPT_FLAGS.slice(0, -1), 'comm,pid,tid,time,event,addr'];
