/**
 * An strace log on the model: every call that concerns memory is predicted and held against the
 * result that the log recorded.
 *
 * What a log cannot tell is learned from its first results and counted as assumed, never as
 * matched: the first brk, the first address, mappings of an image. Where a prediction is wrong the
 * verdict is `mismatched`, and the model is then brought into the log's state, so that one wrong
 * answer does not spoil the rest.
 */
import { errnoName, PAGE_SIZE, type TaskRow, type U64, word } from '../base/index.ts';
import { type CallResult, Kernel, type Value } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import { findVmaIntersection, STACK_GUARD_PAGES } from '../mm/vma_tree.ts';
import { type Arg, callClass, type Expected, type Program, type Step } from '../scenario/index.ts';
import { argumentValue } from './evaluate.ts';
import { outcomeText } from './expect.ts';
import { LogFixer } from './log_fix.ts';
import { LogLimits } from './log_limits.ts';
import { type Pending, ThreadOrder } from './log_order.ts';
import { PendingCalls } from './log_pending.ts';
import { LearnedSpaces } from './log_state.ts';
import { LogTasks } from './log_tasks.ts';
import { LogTouches } from './log_touches.ts';
import { asInt, chooses, type LogCall, MAP_ANONYMOUS, sourceOf, Trial } from './log_trial.ts';
import { observedCall, observedOf, same } from './log_verdict.ts';
import type { StepReport, Verdict } from './report.ts';

const NO_NAMES = (): undefined => undefined;
const EPERM = 1;
const ENOMEM = 12;
const MAP_LOCKED = 0x2000;
/** strace --inject: the call was not made. */
const INJECTED = '(INJECTED)';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** RLIMIT_MEMLOCK refuses only what is locked; other errors have other reasons. */
function mapRefused(values: readonly Value[], expected: Expected): boolean {
  if (expected.kind !== 'errno' || expected.errno === ENOMEM) return true;
  const flags = asInt(values[3]).lo;
  if (expected.errno !== EPERM) return true;
  return (flags & MAP_LOCKED) !== 0 && (flags & MAP_ANONYMOUS) !== 0;
}

/** strace prints the stack of clone(2) first; the kernel takes the flags first. */
function kernelOrder(args: readonly Arg[]): readonly Arg[] {
  const flags = args.find((arg) => arg.name === 'flags');
  return flags === undefined ? args : [flags, ...args.filter((arg) => arg !== flags)];
}

/** The resource whose limit of the calling process a call shows or sets, or -1. */
function toldLimit(name: string, values: readonly Value[]): number {
  if (name === 'getrlimit' || name === 'setrlimit') return word.toInt32(asInt(values[0]));
  const own = name === 'prlimit64' && word.toInt32(asInt(values[0])) === 0;
  return own ? word.toInt32(asInt(values[1])) : -1;
}

const NO_EXPECTED: Expected = { kind: 'none' };

export interface LogOptions {
  readonly release: Release;
  readonly memory: number;
}

/** What a step came to, as the report wants it. */
export interface LogOutcome {
  readonly result: CallResult;
  readonly verdict: Verdict;
  readonly note?: string;
}

export class LogRun {
  readonly kernel: Kernel;
  readonly m: Machine;
  readonly learned = new LearnedSpaces();
  readonly reports: (StepReport | undefined)[] = [];
  readonly #program: Program;
  readonly #pending: PendingCalls;
  readonly #trial: Trial;
  readonly #order: ThreadOrder;
  readonly #limits: LogLimits;
  readonly #fixer: LogFixer;
  readonly #tasks: LogTasks;
  readonly #touches: LogTouches;
  /** Calls in progress that were looked at, by step. */
  readonly #waiting = new Map<number, Pending>();

  constructor(program: Program, options: LogOptions) {
    this.#program = program;
    this.kernel = Kernel.boot({
      release: options.release,
      memoryBytes: options.memory,
      contents: false,
      unknownImages: true,
    });
    this.m = this.kernel.m;
    this.#pending = new PendingCalls(program);
    this.#trial = new Trial(this.kernel);
    this.#order = new ThreadOrder(this.m, this.learned);
    this.#limits = new LogLimits(this.kernel);
    this.#tasks = new LogTasks(this.kernel, program, this.learned, this.#limits);
    this.#touches = new LogTouches(this.kernel, this.learned);
    this.#fixer = new LogFixer(this.kernel, this.learned, this.#trial);
  }

  /** Tasks that the log names, in order of appearance. */
  tasks(): ReadonlyMap<string, TaskRow> {
    return this.#tasks.all();
  }

  run(onProgress?: (done: number, total: number) => void): void {
    const { steps } = this.#program;
    for (let i = 0; i < steps.length; i++) {
      if (this.reports[i] === undefined) this.#step(i);
      if (onProgress !== undefined && i % 4096 === 0) onProgress(i, steps.length);
    }
  }

  #step(i: number): void {
    const step = this.#program.steps[i]!;
    const { op } = step;
    if (op.kind === 'exited') {
      this.#exited(step, op.supersededBy);
      this.#put(i, step, { result: { none: true }, verdict: 'ignored' });
      return;
    }
    if (op.kind !== 'call') {
      this.#put(i, step, { result: { none: true }, verdict: 'ignored' });
      return;
    }
    const kind = callClass(op.name);
    if (kind === 'ignored') {
      this.#put(i, step, { result: { none: true }, verdict: 'ignored' });
      return;
    }
    const task = this.#tasks.of(step);
    if (this.m.task.alive[task] === 0) {
      this.#put(i, step, { result: { none: true }, verdict: 'ignored' });
      return;
    }
    if (kind === 'memory') this.#overtake(i, task);
    this.#put(i, step, this.#call(step, task));
  }

  /** Takes first what other threads had in progress, where the recorded addresses say so. */
  #overtake(i: number, task: TaskRow): void {
    const mates = this.#pending.overlapping(i);
    if (mates.length === 0) return;
    const own = this.#waiting.get(i) ?? this.#pendingOf(i, task);
    this.#waiting.delete(i);
    if (own === undefined) return;
    const others: Pending[] = [];
    for (const j of mates) {
      if (this.reports[j] !== undefined) continue;
      const mate = this.#tasks.get(this.#program.steps[j]!.task);
      if (mate === undefined || this.m.task.mm[mate] !== this.m.task.mm[task]) continue;
      let other = this.#waiting.get(j);
      if (other === undefined) {
        other = this.#pendingOf(j, mate);
        if (other === undefined) continue;
        this.#waiting.set(j, other);
      }
      others.push(other);
    }
    if (others.length === 0) return;
    this.#order.settle(own, others, ({ index, task: mate }) => {
      const step = this.#program.steps[index]!;
      this.#put(index, step, this.#call(step, mate));
    });
  }

  #pendingOf(index: number, task: TaskRow): Pending | undefined {
    const step = this.#program.steps[index]!;
    if (step.op.kind !== 'call' || step.expected === undefined) return undefined;
    const values = this.#values(step);
    if (typeof values === 'string') return undefined;
    return { index, task, call: { name: step.op.name, values, expected: step.expected } };
  }

  #values(step: Step): Value[] | string {
    if (step.op.kind !== 'call') return 'not a call';
    const values: Value[] = [];
    const { args, name } = step.op;
    for (const arg of name === 'clone' ? kernelOrder(args) : args) {
      const value = argumentValue(arg.value, NO_NAMES);
      if (value === undefined) return `argument ${values.length + 1} cannot be read`;
      values.push(value);
    }
    return values;
  }

  #call(step: Step, task: TaskRow): LogOutcome {
    if (step.op.kind !== 'call') return { result: { none: true }, verdict: 'ignored' };
    const { name } = step.op;
    const kind = callClass(name);
    const expected = step.expected ?? NO_EXPECTED;
    if (expected.kind === 'none' && name !== 'exit' && name !== 'exit_group') {
      return { result: { none: true }, verdict: 'ignored', note: 'the call did not return' };
    }
    const values = this.#values(step);
    if (typeof values === 'string') {
      return { result: { ignored: values }, verdict: 'unchecked', note: values };
    }
    if (step.text.endsWith(INJECTED)) {
      const note = 'strace gave this result in the place of the kernel';
      return { result: { none: true }, verdict: 'ignored', note };
    }
    this.m.unmodelled = '';
    const mmBefore = this.m.task.mm[task]!;
    this.#touches.settle(task);
    if (kind === 'memory') {
      const brk = this.m.mm.brk[mmBefore]!;
      const outcome = this.#memoryCall(task, { name, values, expected });
      this.#touches.made(task, { name, values, expected }, brk);
      return outcome;
    }
    const result = observedCall(this.kernel, task, name, values, observedOf(expected));
    if (this.m.task.mm[task] !== mmBefore) this.#tasks.executed(task);
    else this.#tasks.born(task, { name, values, expected });
    const told = expected.kind === 'value' ? toldLimit(name, values) : -1;
    if (told >= 0) this.#limits.told(mmBefore, told);
    return { result, verdict: same(result, expected) ? 'matched' : 'unchecked' };
  }

  #memoryCall(task: TaskRow, made: LogCall): LogOutcome {
    const hinted = this.#fixer.hidden.hiddenHint(task, made);
    const call = hinted ?? made;
    let learned = this.#fixer.learnBefore(task, call);
    if (hinted !== undefined) learned = 'strace does not print the hint of MREMAP_DONTUNMAP';
    if (learned === '' && this.#fixer.hidden.wasTouched(task, call)) {
      const note = 'which pages were touched, and so what merged, is not in the log';
      const result = expectedResult(call.expected);
      return { result, verdict: 'assumed', note };
    }
    this.#limits.before(task, call, this.#maybeLimited(task, call));
    const result = this.#fixer.again(task, call);
    this.#limits.after();
    return this.#judge(task, call, result, learned);
  }

  /**
   * The log shows a refusal for which the model's memory gives no reason: a limit may be behind it.
   */
  #maybeLimited(task: TaskRow, call: LogCall): boolean {
    const { name, values, expected } = call;
    if (name === 'brk') return this.#brkRefused(task, values, expected);
    if (expected.kind !== 'errno') return false;
    switch (name) {
      case 'mremap':
        return this.#trial.place(task, call) !== -ENOMEM;
      case 'mprotect':
        return this.#trial.mapped(task, sourceOf(call));
      case 'mlock':
      case 'mlock2':
        return this.#lockRefused(task, call);
      case 'mmap':
        return !this.#fixer.takesHugePages(task, call) && mapRefused(values, expected);
    }
    return true;
  }

  /** Refused locks: whether the model's memory allows what the log shows refused; undoes it. */
  #lockRefused(task: TaskRow, call: LogCall): boolean {
    this.#limits.before(task, call, false);
    const allowed = 'value' in this.#fixer.again(task, call);
    this.#limits.after();
    if (allowed) this.kernel.syscall(task, 'munlock', call.values.slice(0, 2));
    return allowed;
  }

  /** brk(2) gave the old end although nothing is in the way. */
  #brkRefused(task: TaskRow, values: readonly Value[], expected: Expected): boolean {
    const { mm: mms } = this.m;
    const mm = this.m.task.mm[task]!;
    const old = mms.brk[mm]!;
    const asked = word.toNumber(asInt(values[0]));
    if (expected.kind !== 'value' || word.toNumber(expected.value) !== old) return false;
    if (asked <= old || !word.isExact(asInt(values[0]))) return false;
    const from = Math.ceil(old / PAGE_SIZE);
    const to = Math.ceil(asked / PAGE_SIZE) + 1 + STACK_GUARD_PAGES;
    return findVmaIntersection(this.m, mm, from, to) === 0;
  }

  #judge(task: TaskRow, call: LogCall, result: CallResult, learned: string): LogOutcome {
    const { expected } = call;
    if ('ignored' in result) return { result, verdict: 'unchecked', note: result.ignored };
    if ('unmodelled' in result || this.m.unmodelled !== '') {
      const note = 'unmodelled' in result ? result.unmodelled : this.m.unmodelled;
      this.#fixer.force(task, call, result);
      return { result, verdict: 'unchecked', note: `not modelled: ${note}` };
    }
    if (same(result, expected)) {
      if ('value' in result) this.#limits.succeeded(task, call);
      const note = this.#limits.learned(task);
      if (learned !== '' || note !== '') {
        return { result, verdict: 'assumed', note: learned === '' ? note : learned };
      }
      return { result, verdict: 'matched' };
    }
    const raised = this.#raiseLimit(task, call, result);
    const assumed = raised ?? this.#fixer.assume(task, call, result);
    if (assumed !== undefined) {
      return assumed;
    }
    this.#fixer.force(task, call, result);
    if (this.#fixer.poolDecides(task, call, result)) {
      return { result, verdict: 'unchecked', note: 'how many huge pages are free is not known' };
    }
    if (this.#fixer.unknown.aboutUnknown(task, call)) {
      return { result, verdict: 'unchecked', note: 'what is mapped there is not in the log' };
    }
    if (this.#tasks.isShared(task) && chooses(call)) {
      return { result, verdict: 'unchecked', note: 'threads that are not traced map memory, too' };
    }
    return { result, verdict: 'mismatched' };
  }

  /** The log shows that what a limit refused here was allowed. */
  #raiseLimit(task: TaskRow, call: LogCall, result: CallResult): LogOutcome | undefined {
    const { expected, name } = call;
    if (expected.kind !== 'value' || !('errno' in result || name === 'brk')) return undefined;
    const note = this.#limits.tooLow(task);
    if (note === '') return undefined;
    this.#limits.before(task, call, false);
    const again = this.#fixer.again(task, call);
    this.#limits.after();
    if (!same(again, expected)) return undefined;
    this.#limits.succeeded(task, call);
    return { result: again, verdict: 'assumed', note };
  }

  #exited(step: Step, supersededBy: string | undefined): void {
    const task = this.#tasks.get(step.task);
    if (task === undefined || supersededBy !== undefined) return;
    if (this.m.task.alive[task] !== 0) this.kernel.exitThread(task, 0);
  }

  #put(i: number, step: Step, outcome: LogOutcome): void {
    const { expected } = step;
    const { verdict, note, result } = outcome;
    const report: Writable<StepReport> = {
      line: step.at.line,
      task: step.task,
      text: step.text,
      result: '',
      minflt: 0,
      majflt: 0,
      verdict,
    };
    if (expected !== undefined) report.expected = expectedText(expected);
    if (verdict !== 'ignored') {
      // What was predicted right reads as it was recorded.
      const right = verdict === 'matched' && report.expected !== undefined;
      report.result = right ? report.expected! : resultText(result, expected);
    }
    if ('errno' in result) report.errno = errnoName(result.errno);
    if (note !== undefined) report.note = note;
    this.reports[i] = report;
  }
}

function resultText(result: CallResult, expected: Expected | undefined): string {
  if ('value' in result) return valueText(result.value, expected);
  if ('errno' in result) return `-1 ${errnoName(result.errno)}`;
  return '?';
}

function expectedResult(expected: Expected): CallResult {
  return expected.kind === 'errno' ? { errno: expected.errno } : { none: true };
}

/** As the log writes it: hexadecimal where the log does. */
function valueText(value: U64, expected: Expected | undefined): string {
  const hex = expected?.kind === 'value' && expected.text.startsWith('0x');
  if (hex) return word.toHex(value);
  return outcomeText({ value, minflt: 0, majflt: 0 });
}

export function expectedText(expected: Expected): string {
  switch (expected.kind) {
    case 'value':
    case 'expr':
      return expected.text;
    case 'errno':
      return `-1 ${expected.name}`;
    case 'none':
      return '?';
  }
}
