/**
 * Who is who in a log: its pids as tasks of the model, children as they are born, and what happens
 * out of sight because strace was not told to follow (no -f), or not to trace births.
 */
import { type MmRow, type TaskRow, word } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import type { Program, Step } from '../scenario/index.ts';
import type { LogLimits } from './log_limits.ts';
import type { LearnedSpaces } from './log_state.ts';
import { asInt, type LogCall } from './log_trial.ts';
import { observedCall } from './log_verdict.ts';

const CLONE_THREAD = 0x10000;
/** CLONE_VM, CLONE_SIGHAND and CLONE_THREAD. */
const AS_THREAD = 0x10900;
const BIRTH = /^(v?fork|clone3?)$/;

export class LogTasks {
  readonly #kernel: Kernel;
  readonly #program: Program;
  readonly #learned: LearnedSpaces;
  readonly #limits: LogLimits;
  /** Tasks by the pid of the log; '' is the only task of a log without pids. */
  readonly #byPid = new Map<string, TaskRow>();
  /** Address spaces that a thread shares of which the log shows nothing. */
  readonly #shared = new Set<MmRow>();
  #named: ReadonlySet<string> | undefined;
  #birthsTraced: boolean | undefined;

  constructor(kernel: Kernel, program: Program, learned: LearnedSpaces, limits: LogLimits) {
    this.#kernel = kernel;
    this.#program = program;
    this.#learned = learned;
    this.#limits = limits;
  }

  /** In order of appearance. */
  all(): ReadonlyMap<string, TaskRow> {
    return this.#byPid;
  }

  get(pid: string): TaskRow | undefined {
    return this.#byPid.get(pid);
  }

  /** The task behind a pid; one that the log names without its birth is made. */
  of(step: Step): TaskRow {
    const pid = step.task;
    const known = this.#byPid.get(pid);
    if (known !== undefined) return known;
    const number = pid === '' ? undefined : Number(pid);
    let task = number === undefined ? 0 : this.#kernel.taskByPid(number);
    if (task === 0 && number !== undefined) task = this.#thread(step, number);
    if (task === 0) {
      task = this.#kernel.spawn(number === undefined ? {} : { pid: number });
      const mm = this.#kernel.m.task.mm[task]!;
      this.#learned.forget(mm);
      this.#limits.forget(mm);
      this.#learned.of(mm).attached = true;
    }
    this.#byPid.set(pid, task);
    return task;
  }

  /**
   * In a log that traces no births, a newcomer that does not begin with brk(NULL), as a fresh image
   * does, is taken for a thread of the task that was born last. 0 where it is not.
   */
  #thread(step: Step, pid: number): TaskRow {
    this.#birthsTraced ??= this.#program.steps.some(
      ({ op }) => op.kind === 'call' && (BIRTH.test(op.name) || op.name.startsWith('execve')),
    );
    if (this.#birthsTraced || this.#byPid.size === 0 || /^brk\((NULL|0)\)/.test(step.text))
      return 0;
    const { alive } = this.#kernel.m.task;
    const creator = [...this.#byPid.values()].reverse().find((task) => alive[task] !== 0);
    if (creator === undefined) return 0;
    const flags = word.fromNumber(AS_THREAD);
    observedCall(this.#kernel, creator, 'clone', [flags], { value: pid });
    return this.#kernel.taskByPid(pid);
  }

  /** A call has made a child. */
  born(task: TaskRow, call: LogCall): void {
    const { expected, name } = call;
    if (expected.kind !== 'value' || !BIRTH.test(name)) return;
    const pid = word.toNumber(expected.value);
    const child = this.#kernel.taskByPid(pid);
    if (child === 0 || child === task) return;
    const { mm } = this.#kernel.m.task;
    this.#byPid.set(String(pid), child);
    if (mm[child] !== mm[task]) {
      this.#shared.delete(mm[child]!);
      this.#learned.copy(mm[task]!, mm[child]!);
      this.#limits.copy(mm[task]!, mm[child]!);
    } else if (!this.#isNamed(String(pid)) && isThread(call)) {
      this.#shared.add(mm[task]!);
    }
  }

  /** A task has a new address space. */
  executed(task: TaskRow): void {
    const mm = this.#kernel.m.task.mm[task]!;
    this.#learned.forget(mm);
    this.#limits.forget(mm);
    this.#shared.delete(mm);
  }

  /** Does somebody use this task's memory whose calls the log does not show? */
  isShared(task: TaskRow): boolean {
    return this.#shared.has(this.#kernel.m.task.mm[task]!);
  }

  #isNamed(pid: string): boolean {
    this.#named ??= new Set(this.#program.steps.map((step) => step.task));
    return this.#named.has(pid);
  }
}

/** clone with CLONE_THREAD, in either form. */
function isThread({ name, values }: LogCall): boolean {
  const first = values[0];
  if (name !== 'clone' && name !== 'clone3') return false;
  if (typeof first === 'object' && 'flags' in first) {
    return (asInt(first['flags']).lo & CLONE_THREAD) !== 0;
  }
  return (asInt(first).lo & CLONE_THREAD) !== 0;
}
