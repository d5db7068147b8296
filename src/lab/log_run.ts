/**
 * An strace log on the model: every call that concerns memory is predicted and held against the
 * result that the log recorded.
 *
 * What a log cannot tell is learned from its first results and counted as assumed, never as
 * matched: the first brk, the first address, mappings of an image. Where a prediction is wrong the
 * verdict is `mismatched`, and the model is then brought into the log's state, so that one wrong
 * answer does not spoil the rest.
 */
import { errnoName, type TaskRow, type U64, word } from '../base/index.ts';
import { type CallResult, Kernel, type Observed, type Value } from '../kernel/index.ts';
import type { Machine, Release } from '../mm/mm_types.ts';
import { callClass, type Expected, type Program, type Step } from '../scenario/index.ts';
import { argumentValue } from './evaluate.ts';
import { outcomeText } from './expect.ts';
import { LogFixer } from './log_fix.ts';
import { LearnedSpaces } from './log_state.ts';
import { PendingCalls } from './log_pending.ts';
import { observedCall, same } from './log_verdict.ts';
import type { StepReport, Verdict } from './report.ts';

const NO_NAMES = (): undefined => undefined;
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
  readonly #fixer: LogFixer;
  /** Tasks by the pid of the log; '' is the only task of a log without pids. */
  readonly #tasks = new Map<string, TaskRow>();

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
    this.#fixer = new LogFixer(this.kernel, this.learned);
  }

  /** Tasks that the log names, in order of appearance. */
  tasks(): ReadonlyMap<string, TaskRow> {
    return this.#tasks;
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
    const task = this.#taskOf(step.task);
    if (this.m.task.alive[task] === 0) {
      this.#put(i, step, { result: { none: true }, verdict: 'ignored' });
      return;
    }
    if (kind === 'memory') this.#overtake(i, task);
    this.#put(i, step, this.#call(step, task));
  }

  /**
   * Calls of other threads that were in progress while this one ended may have taken effect before
   * it. Where their recorded address is the one that the model would choose now, they did.
   */
  #overtake(i: number, task: TaskRow): void {
    const step = this.#program.steps[i]!;
    const others = this.#pending.overlapping(i);
    if (others.length === 0) return;
    const own = this.#predicted(step, task);
    if (own === true) return;
    for (const j of others) {
      if (this.reports[j] !== undefined) continue;
      const other = this.#program.steps[j]!;
      const mate = this.#tasks.get(other.task);
      if (mate === undefined || this.m.task.mm[mate] !== this.m.task.mm[task]) continue;
      const fits = this.#predicted(other, mate);
      if (fits === false) continue;
      if (fits === undefined && own !== false) continue;
      this.#put(j, other, this.#call(other, mate));
      if (this.#predicted(step, task) === true) return;
    }
  }

  /** Would this call, now, get the address that the log shows? Undefined where it chooses none. */
  #predicted(step: Step, task: TaskRow): boolean | undefined {
    const { op, expected } = step;
    if (op.kind !== 'call' || op.name !== 'mmap' || expected?.kind !== 'value') return undefined;
    const values = this.#values(step);
    if (typeof values === 'string') return undefined;
    return this.#fixer.wouldMapAt(task, values, expected.value);
  }

  #values(step: Step): Value[] | string {
    if (step.op.kind !== 'call') return 'not a call';
    const values: Value[] = [];
    for (const arg of step.op.args) {
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
    this.m.unmodelled = '';
    const mmBefore = this.m.task.mm[task]!;
    const observed = observedOf(expected);
    if (kind === 'memory') {
      const known = this.#fixer.learnBefore(task, name, values, expected);
      const result = observedCall(this.kernel, task, name, values, observed);
      return this.#judge(task, name, values, expected, result, known);
    }
    const result = observedCall(this.kernel, task, name, values, observed);
    this.#afterProcessCall(step, task, name, mmBefore);
    return { result, verdict: same(result, expected) ? 'matched' : 'unchecked' };
  }

  #judge(
    task: TaskRow,
    name: string,
    values: readonly Value[],
    expected: Expected,
    result: CallResult,
    learned: string,
  ): LogOutcome {
    if ('ignored' in result) return { result, verdict: 'unchecked', note: result.ignored };
    if ('unmodelled' in result || this.m.unmodelled !== '') {
      const note = 'unmodelled' in result ? result.unmodelled : this.m.unmodelled;
      this.#fixer.force(task, name, values, expected, result);
      return { result, verdict: 'unchecked', note: `not modelled: ${note}` };
    }
    if (same(result, expected)) {
      if (learned !== '') return { result, verdict: 'assumed', note: learned };
      return { result, verdict: 'matched' };
    }
    const assumed = this.#fixer.assume(task, name, values, expected, result);
    if (assumed !== undefined) {
      return { result: assumed.result, verdict: assumed.verdict, note: assumed.note };
    }
    this.#fixer.force(task, name, values, expected, result);
    return { result, verdict: 'mismatched' };
  }

  /** fork and exec change who is who. */
  #afterProcessCall(step: Step, task: TaskRow, name: string, mmBefore: number): void {
    const mm = this.m.task.mm[task]!;
    if (name === 'execve' || name === 'execveat') {
      if (mm !== mmBefore) this.learned.forget(mm);
      return;
    }
    if (step.expected?.kind !== 'value') return;
    const pid = word.toNumber(step.expected.value);
    const child = this.kernel.taskByPid(pid);
    if (child === 0 || child === task || this.#tasks.has(String(pid))) return;
    if (!/^(v?fork|clone3?)$/.test(name)) return;
    this.#tasks.set(String(pid), child);
    this.learned.copy(mmBefore, this.m.task.mm[child]!);
  }

  #taskOf(pid: string): TaskRow {
    const known = this.#tasks.get(pid);
    if (known !== undefined) return known;
    const number = pid === '' ? undefined : Number(pid);
    const born = number === undefined ? 0 : this.kernel.taskByPid(number);
    const task = born !== 0 ? born : this.kernel.spawn(number === undefined ? {} : { pid: number });
    this.#tasks.set(pid, task);
    return task;
  }

  #exited(step: Step, supersededBy: string | undefined): void {
    const task = this.#tasks.get(step.task);
    if (task === undefined || supersededBy !== undefined) return;
    if (this.m.task.alive[task] !== 0) this.kernel.exitThread(task, 0);
  }

  #put(i: number, step: Step, outcome: LogOutcome): void {
    const expected = step.expected;
    const result = resultText(outcome.result, expected);
    const errno = 'errno' in outcome.result ? errnoName(outcome.result.errno) : undefined;
    this.reports[i] = {
      line: step.at.line,
      task: step.task,
      text: step.text,
      result: outcome.verdict === 'ignored' ? '' : result,
      ...(errno === undefined ? {} : { errno }),
      minflt: 0,
      majflt: 0,
      ...(expected === undefined ? {} : { expected: expectedText(expected) }),
      verdict: outcome.verdict,
      ...(outcome.note === undefined ? {} : { note: outcome.note }),
    };
  }
}

function observedOf(expected: Expected): Observed | undefined {
  if (expected.kind === 'value') {
    const value = word.toSigned(expected.value);
    return expected.path === undefined ? { value } : { value, path: expected.path };
  }
  return expected.kind === 'errno' ? { errno: expected.errno } : undefined;
}

function resultText(result: CallResult, expected: Expected | undefined): string {
  if ('value' in result) return valueText(result.value, expected);
  if ('errno' in result) return `-1 ${errnoName(result.errno)}`;
  return '?';
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
