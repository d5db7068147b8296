/**
 * The output of `strace -f`: system calls, but no accesses.
 *
 * What is in the log and what is invented:
 *
 *     mmap, brk, mremap, …     their rows, with the results that the kernel gave
 *     openat, close, dup       not in the trace: they name the files of later mmaps (`-y` does too)
 *     clone, fork, vfork       FORK or THREAD
 *     execve                   EXEC; the image's own mappings are not in the log and missing
 *     accesses                 none: a replay shows mappings, and faults only of calls that
 *                              populate (MAP_POPULATE, mlock, MADV_POPULATE_*)
 *     time                     of -t, -tt, -ttt; without, 1 us a call (invented)
 */
import { word } from '../base/index.ts';
import { constantValue, type Expr, LogReader, Report, type Step } from '../scenario/index.ts';
import {
  OP_EXEC,
  OP_EXIT,
  OP_FORK,
  OP_THREAD,
  OP_THREAD_EXIT,
  TraceBuilder,
} from '../trace/index.ts';
import { FileNames } from './file_names.ts';
import type { Importer, ImportFacts, ImportReport } from './importer.ts';
import { type CallArg, callRow, intOf, type OpenCall } from './perf_calls.ts';

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_THREAD = 0x10000;
const FORKS = new Set(['fork', 'vfork', 'clone', 'clone3']);
const DAY = 86400;

interface Process {
  readonly pid: number;
  readonly threads: Set<number>;
  /** Descriptors whose files are known. */
  readonly files: Map<number, string>;
}

export interface StraceOptions {
  /** Seconds of the recording's beginning on strace's clock: rows get times since then. */
  readonly origin?: number;
}

const NO_ARG: CallArg = { vpn: 0, offset: 0 };

function argOf(expr: Expr | undefined): CallArg {
  const value = expr === undefined ? undefined : constantValue(expr);
  return value === undefined ? NO_ARG : { vpn: word.pageOf(value), offset: word.offsetOf(value) };
}

export class StraceImporter implements Importer {
  readonly kind = 'strace';
  readonly builder = new TraceBuilder();
  readonly files = new FileNames();
  readonly #report: ImportReport;
  readonly #steps: Step[] = [];
  readonly #log: Report;
  readonly #reader: LogReader;
  readonly #processes = new Map<number, Process>();
  /** Thread → its process. */
  readonly #owners = new Map<number, Process>();
  readonly #options: StraceOptions;
  #origin = -1;
  #time = 0;
  #days = 0;
  #lastSeconds = 0;
  #hasTime = false;
  #memfds = 0;
  #command: readonly string[] = [];

  constructor(report: ImportReport, options: StraceOptions = {}) {
    this.#report = report;
    this.#options = options;
    this.#log = new Report(report.file);
    this.#reader = new LogReader(this.#steps, this.#log, 'warning');
  }

  line(text: string, number: number): void {
    if (text === '') return;
    this.#reader.line(text, 0, text.length, number);
    this.#drain(false);
  }

  /** A fork that has not returned yet stands where it begins; what follows waits for its result. */
  #drain(all: boolean): void {
    let done = 0;
    for (const step of this.#steps) {
      const isOpen = step.unfinished === true && step.op.kind === 'call' && FORKS.has(step.op.name);
      if (isOpen && !all) break;
      this.#step(step);
      done++;
    }
    this.#steps.splice(0, done);
  }

  #process(tid: number): Process {
    let owner = this.#owners.get(tid);
    if (owner === undefined) {
      owner = { pid: tid, threads: new Set([tid]), files: new Map() };
      this.#owners.set(tid, owner);
      this.#processes.set(tid, owner);
    }
    return owner;
  }

  #now(step: Step): number {
    if (step.time === undefined) {
      this.#time += 1000;
      return this.#time;
    }
    this.#hasTime = true;
    // Clocks of -t and -tt begin again at midnight.
    if (step.time < this.#lastSeconds - DAY / 2) this.#days++;
    this.#lastSeconds = step.time;
    const seconds = step.time + this.#days * DAY;
    if (this.#origin < 0) this.#origin = this.#options.origin ?? seconds;
    this.#time = Math.max(this.#time, Math.round((seconds - this.#origin) * 1e9));
    return this.#time;
  }

  #step(step: Step): void {
    const tid = step.task === '' ? 1 : Number(step.task);
    const { op, expected } = step;
    if (op.kind === 'exited') {
      this.#exited(step, tid, op.status, op.killedBy);
      return;
    }
    if (op.kind !== 'call') return;
    if (expected === undefined || expected.kind === 'none' || expected.kind === 'expr') return;
    const owner = this.#process(tid);
    if (FORKS.has(op.name)) {
      if (expected.kind === 'value') this.#forked(step, owner, tid, op.name);
      return;
    }
    const value: CallArg =
      expected.kind === 'errno'
        ? { vpn: 2 ** 52 - 1, offset: 4096 - expected.errno }
        : { vpn: word.pageOf(expected.value), offset: word.offsetOf(expected.value) };
    if (op.name === 'execve' || op.name === 'execveat') {
      if (expected.kind === 'value') this.#exec(step, owner, tid);
      return;
    }
    const path = expected.kind === 'value' ? expected.path : undefined;
    if (this.#descriptor(op.name, op.args, owner, intOf(value), path)) return;
    this.#call(step, op.name, op.args, owner, tid, value);
  }

  #call(
    step: Step,
    name: string,
    args: readonly { readonly value: Expr }[],
    owner: Process,
    tid: number,
    value: CallArg,
  ): void {
    const words = args.map((arg) => argOf(arg.value));
    const call: OpenCall = {
      ...{ name, pid: owner.pid, args: words, file: '', mappedBytes: 0, done: false },
    };
    const fdArg = name === 'mmap' ? args[4] : name.startsWith('f') ? args[0] : undefined;
    if (fdArg !== undefined) call.file = this.#fileOf(fdArg.value, owner);
    const row = callRow(call, value, this.files);
    if (row === undefined) return;
    const at = this.builder.add(
      this.#now(step),
      owner.pid,
      tid,
      row.op,
      row.address?.vpn ?? 0,
      row.address?.offset ?? 0,
      row.length ?? 0,
    );
    const file = this.builder.name(row.name ?? call.file);
    this.builder.detail(at, row.arg ?? 0, row.arg2 ?? 0, row.pgoff ?? 0, file, row.result);
  }

  #fileOf(expr: Expr, owner: Process): string {
    if (expr.kind === 'fd' && expr.path !== '') return this.files.place(expr.path, '', 0);
    const fd = intOf(argOf(expr));
    return fd < 0 ? '' : (owner.files.get(fd) ?? '');
  }

  /** Calls that make and end descriptors; true for these. */
  #descriptor(
    name: string,
    args: readonly { readonly value: Expr }[],
    owner: Process,
    result: number,
    path: string | undefined,
  ): boolean {
    switch (name) {
      case 'open':
      case 'openat':
      case 'openat2':
      case 'creat': {
        const given = args[name.startsWith('openat') ? 1 : 0]?.value;
        const found = path ?? (given?.kind === 'string' ? given.value : '');
        if (result >= 0 && found !== '') owner.files.set(result, this.files.place(found, '', 0));
        return true;
      }
      case 'memfd_create': {
        const given = args[0]?.value;
        const label = given?.kind === 'string' ? given.value : '';
        // A number of our own stands for the inode, which the log does not tell.
        this.#memfds++;
        const made = this.files.place(`/memfd:${label} (deleted)`, '', this.#memfds);
        if (result >= 0) owner.files.set(result, made);
        return true;
      }
      case 'dup':
      case 'dup2':
      case 'dup3': {
        const from = owner.files.get(intOf(argOf(args[0]?.value)));
        if (result >= 0 && from !== undefined) owner.files.set(result, from);
        return true;
      }
      case 'close':
        if (result >= 0) owner.files.delete(intOf(argOf(args[0]?.value)));
        return true;
      default:
        return false;
    }
  }

  #forked(step: Step, owner: Process, tid: number, name: string): void {
    const { op, expected } = step;
    if (op.kind !== 'call' || expected?.kind !== 'value') return;
    const child = word.toNumber(expected.value);
    const flags = name === 'vfork' ? CLONE_VM | CLONE_VFORK : flagsOf(op.args);
    const isThread = (flags & CLONE_THREAD) !== 0;
    const row = this.builder.add(this.#now(step), owner.pid, tid, isThread ? OP_THREAD : OP_FORK);
    this.builder.detail(row, 0, name === 'fork' ? 0 : flags, 0, 0, child);
    if (isThread) {
      owner.threads.add(child);
      this.#owners.set(child, owner);
      return;
    }
    const made = { pid: child, threads: new Set([child]), files: new Map(owner.files) };
    this.#owners.set(child, made);
    this.#processes.set(child, made);
  }

  #exec(step: Step, owner: Process, tid: number): void {
    const { op } = step;
    if (op.kind !== 'call') return;
    const path = op.args.find((arg) => arg.value.kind === 'string')?.value;
    const image = path?.kind === 'string' ? path.value : '';
    if (this.#command.length === 0) this.#command = commandOf(op.args, image);
    const row = this.builder.add(this.#now(step), owner.pid, tid, OP_EXEC);
    this.builder.events.name[row] = this.builder.name(image);
  }

  #exited(step: Step, tid: number, status: number | undefined, killed: string | undefined): void {
    const owner = this.#owners.get(tid);
    if (owner === undefined) return;
    owner.threads.delete(tid);
    const isLast = owner.threads.size === 0;
    const op = isLast ? OP_EXIT : OP_THREAD_EXIT;
    const row = this.builder.add(this.#now(step), owner.pid, tid, op);
    if (isLast) this.builder.events.arg[row] = killed === undefined ? (status ?? -1) : -1;
    this.#owners.delete(tid);
  }

  finish(): ImportFacts {
    this.#reader.finish();
    this.#drain(true);
    for (const found of this.#log.finish()) {
      if (found.severity === 'note') continue;
      const code = found.code === 'LOG003' ? 'IMP004' : 'IMP002';
      this.#report.add('warning', code, found.line, found.message, found.hint);
    }
    const notes = [
      {
        code: 'no-touches',
        text: 'A log of system calls does not tell which pages were touched: a replay shows the mappings, not the faults.',
      },
      {
        code: 'no-image',
        text: 'It does not tell what execve mapped: the image, its libraries’ loader and the stack are missing.',
      },
    ];
    if (!this.#hasTime) {
      notes.push({ code: 'time-invented', text: 'It has no times: each call counts as 1 us.' });
    }
    const files = [...this.files.files.values()];
    return { mode: 'import-strace', lost: 0, command: this.#command, files, notes };
  }
}

/** `clone(flags=…)`, `clone3({flags=…})`; -1 when the log does not say. */
function flagsOf(args: readonly { readonly name?: string; readonly value: Expr }[]): number {
  for (const arg of args) {
    if (arg.name === 'flags') return flagBits(arg.value);
    if (arg.value.kind !== 'struct') continue;
    const field = arg.value.fields.find((each) => each.name === 'flags');
    if (field !== undefined) return flagBits(field.value);
  }
  return -1;
}

function flagBits(expr: Expr): number {
  const value = constantValue(expr);
  if (value !== undefined) return word.toInt32(value);
  // A flag that the parser does not know: the others still count.
  if (expr.kind !== 'binary' || expr.op !== '|') return 0;
  return flagBits(expr.left) | flagBits(expr.right);
}

function commandOf(args: readonly { readonly value: Expr }[], image: string): readonly string[] {
  const list = args.find((arg) => arg.value.kind === 'array')?.value;
  if (list?.kind !== 'array') return [image];
  return list.items.map((item) => (item.kind === 'string' ? item.value : '…'));
}
