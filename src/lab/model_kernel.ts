/**
 * The model as a kernel: executes the steps of a scenario one by one and says what came back. Names
 * that steps bind, and the tasks they make, live here.
 */
import { ERRNO, type TaskRow, type U64, word } from '../base/index.ts';
import { Kernel, type Value } from '../kernel/index.ts';
import type { Effect } from '../laws/index.ts';
import {
  ACCESS_BUS_ADRERR,
  ACCESS_EXEC,
  ACCESS_OK,
  ACCESS_OOM,
  ACCESS_READ,
  ACCESS_SEGV_ACCERR,
  ACCESS_SEGV_MAPERR,
  ACCESS_STUCK,
  ACCESS_UFFD_WAIT,
  ACCESS_WRITE,
  access,
  FAULTS_MAX,
  loadContent,
  storeContent,
} from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import { createsTask, type Expr, evaluateExpr, type Step } from '../scenario/index.ts';
import type { SignalInfo, StepOutcome } from '../scenario/transcript.ts';
import { effectOf } from './effect.ts';
import { argumentValue } from './evaluate.ts';
import { DEFAULT_LAYOUT, type ProgramLayout, spawnFirst } from './layout.ts';

const KINDS = { read: ACCESS_READ, write: ACCESS_WRITE, exec: ACCESS_EXEC } as const;

/** Process numbers begin here in every program, as they do on the host. */
const FIRST_PID = 100;

/** What a step came to; `note` says why there is no plain answer. */
export interface ModelOutcome extends StepOutcome {
  readonly note?: string;
  /** The rule that the program reached and the model does not have. */
  readonly unmodelled?: string;
  /** The call does not return to its task (exit, or the task waits). */
  readonly none?: boolean;
  /** The same fault came for ever. */
  readonly stuck?: boolean;
}

/** Watches what a program does: the laws do. */
export interface Watcher {
  before(task: TaskRow, vpn: number, kind: number): void;
  after(task: TaskRow, vpn: number, kind: number, result: number): void;
  loaded(task: TaskRow, vpn: number, content: number): void;
  stored(task: TaskRow, vpn: number, content: number): void;
  called(effect: Effect): void;
}

/** The byte that a `write` without a value stores: another one for each of 255 steps in a row. */
export function freshByte(step: number): number {
  return (step % 255) + 1;
}

function signalOf(result: number, vpn: number, offset: number): SignalInfo | undefined {
  const address = word.fromPage(vpn, offset);
  switch (result) {
    case ACCESS_SEGV_MAPERR:
      return { name: 'SIGSEGV', code: 'MAPERR', address };
    case ACCESS_SEGV_ACCERR:
      return { name: 'SIGSEGV', code: 'ACCERR', address };
    case ACCESS_BUS_ADRERR:
      return { name: 'SIGBUS', code: 'ADRERR', address };
    default:
      return undefined;
  }
}

export interface ModelOptions {
  readonly release: Release;
  /** Bytes of RAM. */
  readonly memory: number;
  readonly layout?: ProgramLayout;
  /** CAP_* of the first task (src/mm/fs_types.ts); else all. */
  readonly caps?: number;
  /** A machine of equal size that is used no more. */
  readonly reuse?: Machine;
}

export class ModelKernel {
  readonly kernel: Kernel;
  readonly m: Machine;
  /** Tasks by the scenario's names, in order of creation. */
  readonly tasks = new Map<string, TaskRow>();
  readonly values = new Map<string, U64>();
  /** The first program's image, which is no part of what a scenario sees. */
  readonly image: ProgramLayout['own'];
  watcher: Watcher | undefined;

  constructor(options: ModelOptions, firstTask: string) {
    this.kernel = Kernel.boot({
      release: options.release,
      memoryBytes: options.memory,
      contents: true,
      firstPid: FIRST_PID,
      ...(options.reuse === undefined ? {} : { reuse: options.reuse }),
    });
    this.m = this.kernel.m;
    this.image = (options.layout ?? DEFAULT_LAYOUT).own;
    const first = spawnFirst(this.kernel, options.layout ?? DEFAULT_LAYOUT, options.caps);
    this.kernel.setTaskName(first, firstTask);
    this.tasks.set(firstTask, first);
  }

  /** The row of a task by name; '' is the first. */
  taskOf(name: string): TaskRow | undefined {
    if (name !== '') return this.tasks.get(name);
    return this.tasks.values().next().value;
  }

  readonly resolve = (name: string): U64 | undefined => {
    const value = this.values.get(name);
    if (value !== undefined) return value;
    const task = this.tasks.get(name);
    return task === undefined ? undefined : word.fromNumber(this.m.task.pid[task]!);
  };

  valueOf(expr: Expr): U64 | undefined {
    return evaluateExpr(expr, this.resolve);
  }

  /** `/proc/child/…` for a task named in the scenario becomes `/proc/PID/…`. */
  pathOf(path: string): string {
    const match = /^\/proc\/([^/]+)\//.exec(path);
    const task = match === null ? undefined : this.tasks.get(match[1]!);
    if (match === null || task === undefined) return path;
    return `/proc/${this.m.task.pid[task]!}/${path.slice(match[0].length)}`;
  }

  /** Executes one step that is not an `expect`. `index` numbers it within the program. */
  execute(step: Step, index: number): ModelOutcome {
    const task = this.taskOf(step.task);
    if (task === undefined || this.m.task.alive[task] === 0) {
      return { minflt: 0, majflt: 0, note: 'the task has ended', none: true };
    }
    const { minflt, majflt } = this.m.task;
    const min0 = minflt[task]!;
    const maj0 = majflt[task]!;
    this.m.unmodelled = '';
    this.m.mlockBatch.length = 0;
    const done = this.#perform(step, task, index);
    const unmodelled = this.m.unmodelled || done.unmodelled;
    return {
      ...done,
      minflt: this.m.task.minflt[task]! - min0,
      majflt: this.m.task.majflt[task]! - maj0,
      ...(unmodelled ? { unmodelled } : {}),
    };
  }

  #perform(step: Step, task: TaskRow, index: number): Omit<ModelOutcome, 'minflt' | 'majflt'> {
    const { op } = step;
    switch (op.kind) {
      case 'access':
        return this.#access(op, task, index);
      case 'call':
        return this.#call(step, op.name, op.args, task);
      case 'echo': {
        // A line without a task is the administrator's, whoever the first task has become.
        const writer = step.task === '' ? 0 : task;
        const stored = this.kernel.writeFile(this.pathOf(op.path), `${op.value}\n`, writer);
        return stored < 0 ? { errno: -stored } : { value: word.fromNumber(op.value.length + 1) };
      }
      case 'cat': {
        const file = this.kernel.readFile(this.pathOf(op.path), task);
        if ('errno' in file) return { errno: file.errno };
        return 'text' in file
          ? { output: file.text }
          : { value: word.fromNumber(file.bytes.length) };
      }
      default:
        return {};
    }
  }

  #access(
    op: Extract<Step['op'], { kind: 'access' }>,
    task: TaskRow,
    index: number,
  ): Omit<ModelOutcome, 'minflt' | 'majflt'> {
    const address = this.valueOf(op.address);
    const length = op.length === undefined ? word.u64(0, 1) : this.valueOf(op.length);
    if (address === undefined || length === undefined) return { note: 'no such address' };
    const kind = KINDS[op.access];
    const first = word.pageOf(address);
    const bytes = word.offsetOf(address) + word.toNumber(length);
    const count = Math.ceil(bytes / 4096);
    const given = op.value === undefined ? undefined : this.valueOf(op.value);
    const byte = given === undefined ? freshByte(index) : word.toNumber(given) & 0xff;
    const faulted: number[] = [];
    let loaded: U64 | undefined;
    // What a page holds is known by its first byte alone.
    const isWhole = word.offsetOf(address) === 0;
    for (let i = 0; i < count; i++) {
      const vpn = first + i;
      const before = this.m.task.minflt[task]! + this.m.task.majflt[task]!;
      this.watcher?.before(task, vpn, kind);
      const result = access(this.m, task, vpn, kind);
      this.watcher?.after(task, vpn, kind, result);
      if (this.m.task.minflt[task]! + this.m.task.majflt[task]! !== before) faulted.push(vpn);
      if (result === ACCESS_OK) {
        if (i === 0 && !isWhole) continue;
        if (kind === ACCESS_WRITE) {
          storeContent(this.m, task, vpn, byte);
          this.watcher?.stored(task, vpn, byte);
          continue;
        }
        const content = loadContent(this.m, task, vpn);
        this.watcher?.loaded(task, vpn, content);
        if (kind === ACCESS_READ && i === 0) loaded = word.fromNumber(content);
        continue;
      }
      const signal = signalOf(result, vpn, i === 0 ? word.offsetOf(address) : 0);
      if (signal !== undefined) return { signal, faultedVpns: faulted };
      const stuck = result === ACCESS_STUCK;
      return { note: endlessNote(result), faultedVpns: faulted, ...(stuck ? { stuck } : {}) };
    }
    return { ...(loaded === undefined ? {} : { value: loaded }), faultedVpns: faulted };
  }

  #call(
    step: Step,
    name: string,
    args: readonly { readonly value: Expr; readonly name?: string }[],
    task: TaskRow,
  ): Omit<ModelOutcome, 'minflt' | 'majflt'> {
    const values: Value[] = [];
    for (const arg of args) {
      const value = argumentValue(arg.value, this.resolve);
      if (value === undefined) {
        return {
          note: `argument ${values.length + 1} of ${name} has no value`,
          errno: ERRNO.EINVAL,
        };
      }
      values.push(value);
    }
    const mm = this.m.task.mm[task]!;
    const result = this.kernel.syscall(task, name, values);
    this.watcher?.called(effectOf(this.kernel, task, mm, name, values, result));
    if ('unmodelled' in result) return { unmodelled: result.unmodelled };
    if ('ignored' in result) return { note: result.ignored };
    if ('none' in result) return { none: true };
    if ('errno' in result) {
      if (step.bind !== undefined) this.values.set(step.bind, word.fromNumber(-1));
      return { errno: result.errno };
    }
    if (step.bind !== undefined) {
      this.values.set(step.bind, result.value);
      if (createsTask(name)) {
        const child = this.kernel.taskByPid(word.toNumber(result.value));
        if (child !== 0) {
          // The row of a task that was reaped is used again: its name is no task any more.
          for (const [old, row] of this.tasks) if (row === child) this.tasks.delete(old);
          this.tasks.set(step.bind, child);
          this.kernel.setTaskName(child, step.bind);
        }
      }
    }
    return { value: result.value };
  }
}

function endlessNote(result: number): string {
  if (result === ACCESS_STUCK) return `the fault came ${FAULTS_MAX} times and never ends`;
  if (result === ACCESS_UFFD_WAIT) return 'waits for its userfaultfd handler';
  if (result === ACCESS_OOM) return 'out of memory: the kernel would kill a process';
  return 'no answer';
}
