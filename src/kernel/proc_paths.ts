/**
 * The files of /proc and /sys that the model has, by path: their text or words, and what writing to
 * them does. One list serves open(2), `cat`, `echo` and expectations.
 */
import { EACCES, EINVAL, ENOENT, type TaskRow } from '../base/index.ts';
import { CAP_SYS_ADMIN } from '../mm/fs_types.ts';
import type { Knob, Stored } from '../mm/knob.ts';
import { meminfoText, vmstatText } from '../mm/meminfo.ts';
import { kpagecountWords, kpageflagsWords } from '../mm/page.ts';
import { pagemapWords } from '../mm/pagemap.ts';
import { statmText, statusText } from '../mm/proc_status.ts';
import { sysctlFiles } from '../mm/sysctl.ts';
import { FAULT_AROUND_FILE, faultAroundKnob, THP_ROOT, thpFiles } from '../mm/sysfs.ts';
import { smapsRollupText, smapsText } from '../mm/task_mmu.ts';
import { capable } from '../mm/util.ts';
import { mapsText } from '../mm/vma_names.ts';
import { tableOf } from './fd_table.ts';
import type { KernelState } from './state.ts';

export interface ProcFile {
  readonly text?: () => string;
  /** Words of a binary file, from entry `first`. */
  readonly words?: (first: number, count: number) => Uint32Array;
  readonly store?: (text: string) => Stored;
  readonly writable: boolean;
  /** Readable by its owner and root only. */
  readonly rootOnly?: boolean;
}

function fromKnob(knob: Knob): ProcFile {
  return knob.write === undefined
    ? { text: knob.read, writable: false }
    : { text: knob.read, store: knob.write, writable: true };
}

/** The task that "self", a pid or a task's name means; 0 = none. */
export function taskByName(k: KernelState, t: TaskRow, name: string): TaskRow {
  if (name === 'self' || name === 'thread-self') return t;
  const { m } = k;
  if (/^[0-9]+$/.test(name)) {
    const byPid = k.byPid.get(Number(name));
    if (byPid !== undefined) return byPid;
  }
  for (const task of k.byPid.values()) if (m.names[m.task.name[task]!] === name) return task;
  return 0;
}

const LIMITS: readonly (readonly [string, keyof LimitColumns, string])[] = [
  ['Max file size', 'fsize', 'bytes'],
  ['Max data size', 'data', 'bytes'],
  ['Max stack size', 'stack', 'bytes'],
  ['Max open files', 'nofile', 'files'],
  ['Max locked memory', 'memlock', 'bytes'],
  ['Max address space', 'as', 'bytes'],
];

interface LimitColumns {
  fsize: unknown;
  data: unknown;
  stack: unknown;
  nofile: unknown;
  memlock: unknown;
  as: unknown;
}

/** /proc/PID/limits: the limits that the model keeps (fs/proc/base.c proc_pid_limits()). */
function limitsText(k: KernelState, t: TaskRow): string {
  const { sig } = k.m;
  const s = k.m.task.sig[t]!;
  const show = (x: number): string => (x === Number.POSITIVE_INFINITY ? 'unlimited' : String(x));
  const lines = LIMITS.map(([label, name, unit]) => {
    const cur = show(sig[`${name}Cur`][s]!).padEnd(20);
    const max = show(sig[`${name}Max`][s]!).padEnd(20);
    return `${label.padEnd(25)} ${cur} ${max} ${unit.padEnd(10)}\n`;
  });
  const head = ['Soft Limit', 'Hard Limit'].map((x) => x.padEnd(20)).join(' ');
  return `${'Limit'.padEnd(25)} ${head} ${'Units'.padEnd(10)}\n${lines.join('')}`;
}

function textFile(text: () => string): ProcFile {
  return { text, writable: false };
}

function taskFile(k: KernelState, reader: TaskRow, t: TaskRow, name: string): ProcFile | undefined {
  const { m } = k;
  const mm = m.task.mm[t]!;
  switch (name) {
    case 'maps':
      return textFile(() => (mm === 0 ? '' : mapsText(m, mm)));
    case 'smaps':
      return textFile(() => (mm === 0 ? '' : smapsText(m, mm)));
    case 'smaps_rollup':
      return textFile(() => (mm === 0 ? '' : smapsRollupText(m, mm)));
    case 'status':
      return textFile(() => statusText(m, t, { fdSize: fdSize(k, t) }));
    case 'statm':
      return textFile(() => statmText(m, mm));
    case 'limits':
      return textFile(() => limitsText(k, t));
    case 'comm':
      return textFile(() => `${m.names[m.task.comm[t]!]}\n`);
    case 'pagemap': {
      const showPfn = reader === 0 || capable(m, reader, CAP_SYS_ADMIN);
      return {
        words: (first, count) =>
          mm === 0 ? new Uint32Array(0) : pagemapWords(m, mm, first, count, showPfn),
        writable: false,
        rootOnly: true,
      };
    }
  }
  return undefined;
}

/** FDSize: the table's capacity, 64 at first, doubled as it grows. */
function fdSize(k: KernelState, t: TaskRow): number {
  let size = 64;
  while (size < tableOf(k, t).entries.length) size *= 2;
  return size;
}

/** The file at an absolute path as `reader` sees it; undefined where the model has none. */
export function knobFor(k: KernelState, reader: TaskRow, path: string): ProcFile | undefined {
  const { m } = k;
  if (path.startsWith(THP_ROOT + '/')) {
    const knob = thpFiles(m).get(path.slice(THP_ROOT.length + 1));
    return knob === undefined ? undefined : fromKnob(knob);
  }
  if (path === FAULT_AROUND_FILE) return fromKnob(faultAroundKnob(m));
  if (path.startsWith('/proc/sys/')) {
    const knob = sysctlFiles(m).get(path.slice('/proc/sys/'.length));
    return knob === undefined ? undefined : fromKnob(knob);
  }
  switch (path) {
    case '/proc/vmstat':
      return textFile(() => vmstatText(m));
    case '/proc/meminfo':
      return textFile(() => meminfoText(m));
    case '/proc/kpageflags':
      return { words: (f, n) => kpageflagsWords(m, f, n), writable: false, rootOnly: true };
    case '/proc/kpagecount':
      return { words: (f, n) => kpagecountWords(m, f, n), writable: false, rootOnly: true };
  }
  const parts = /^\/proc\/([^/]+)\/(?:task\/([0-9]+)\/)?([^/]+)$/.exec(path);
  if (parts === null) return undefined;
  const t = taskByName(k, reader, parts[2] ?? parts[1]!);
  return t === 0 ? undefined : taskFile(k, reader, t, parts[3]!);
}

/** What reading a file gives: text, bytes of a binary file, or a positive errno. */
export type FileContent =
  | { readonly text: string }
  | { readonly bytes: Uint8Array }
  | { readonly errno: number };

type ReadResult = FileContent | { readonly unmodelled: string };

/** Part of a binary file, in bytes; both multiples of 8. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

function isRoot(k: KernelState, t: TaskRow): boolean {
  return t === 0 || k.m.task.euid[t] === 0;
}

/** A path that a kernel has and the model has not, or one that no kernel has. */
function absent(k: KernelState, t: TaskRow, path: string): ReadResult {
  if (path.startsWith(THP_ROOT)) return { errno: ENOENT };
  const parts = /^\/proc\/([^/]+)\//.exec(path);
  if (parts !== null && /^[0-9]+$/.test(parts[1]!) && taskByName(k, t, parts[1]!) === 0) {
    return { errno: ENOENT };
  }
  return { unmodelled: `the file ${path}` };
}

/** Reads a file of /proc or /sys. `t` 0 stands for root outside of all tasks. */
export function readProc(k: KernelState, t: TaskRow, path: string, extent?: Extent): ReadResult {
  const file = knobFor(k, t, path);
  if (file === undefined) return absent(k, t, path);
  if (file.rootOnly === true && !isRoot(k, t) && !path.endsWith('/pagemap'))
    return { errno: EACCES };
  if (file.words === undefined) {
    return file.text === undefined ? { errno: EACCES } : { text: file.text() };
  }
  if (extent === undefined) return { unmodelled: `reading the whole of ${path}` };
  if (extent.offset % 8 !== 0 || extent.length % 8 !== 0) return { errno: EINVAL };
  const words = file.words(extent.offset / 8, extent.length / 8);
  return { bytes: new Uint8Array(words.buffer, words.byteOffset, words.byteLength) };
}

/** Writes text to a file of /proc or /sys, as `echo` does. */
export function writeProc(k: KernelState, t: TaskRow, path: string, text: string): Stored {
  if (/^\/proc\/[^/]+\/oom_(score_adj|adj)$/.test(path)) return 0;
  const file = knobFor(k, t, path);
  if (file === undefined) {
    const why = absent(k, t, path);
    return 'errno' in why ? -why.errno : { unmodelled: `writing to ${path}` };
  }
  if (!file.writable || file.store === undefined || !isRoot(k, t)) return -EACCES;
  if (text === '') return 0;
  return file.store(text);
}
