/**
 * A program as a request frame for the executor.
 *
 * Each step of the program becomes one or more wire steps; an `expect` needs one for each thing
 * that its two sides ask for. `plan` keeps which is which.
 *
 *   frame: 1, id, time limit (ms), flags, number of wire steps, wire steps
 *   wire step: words that follow, op, task, variable, child task, level, operands
 */
import { assert, word } from '../base/index.ts';
import {
  type Arg,
  callClass,
  createsTask,
  type Expr,
  findCall,
  type Operand,
  type Program,
  type Step,
} from '../scenario/index.ts';
import { callNumber, flatten, inOrder, REFUSED } from '../scenario/syscalls.ts';
import { putArguments } from './arguments.ts';
import { freshByte, putConstant, putExpr, type Scope } from './evaluate.ts';
import { HostReport } from './report.ts';
import { Words } from './words.ts';

const NONE = 0xffffffff;
export const TASKS_MAX = 23;

const STEP = {
  nop: 0,
  call: 1,
  access: 2,
  echo: 3,
  cat: 4,
  clone: 5,
  exit: 6,
  execve: 7,
  eval: 8,
  peek: 9,
} as const;

const PROGRAM_FILES = 1;
const PROGRAM_MOUNTS = 2;
const PROGRAM_SHM = 4;
export const PROGRAM_STATS = 8;
export const PROGRAM_LAYOUT = 16;
/** What the program writes to settings stays for the programs that follow. */
export const PROGRAM_HOLD = 32;
/** Settings are as they were after the last program of this executor: they need not be read. */
export const PROGRAM_KEPT = 64;
/** The first task may be the last program's, made clean (executor/keep.c). */
export const PROGRAM_REUSE = 128;

export const LEVELS = { none: 0, pages: 1, full: 2 } as const;
export type Level = keyof typeof LEVELS;

/** What a wire step is for. */
export interface WireStep {
  readonly step: number;
  /** `main`: its outcome is the step's; left, right: an operand of an expectation. */
  readonly role: 'main' | 'left' | 'right';
}

export interface Encoded {
  readonly frame: Words;
  readonly wire: readonly WireStep[];
  readonly tasks: readonly string[];
  readonly report: HostReport;
  /** The settings that the program writes, with the values: path and value in turn. */
  readonly written: readonly (readonly [path: string, value: string])[];
}

const SIGCHLD = 17;
const VFORK_FLAGS = 0x4100 | SIGCHLD;

class Encoder implements Scope {
  readonly report: HostReport;
  readonly wire: WireStep[] = [];
  readonly tasks: string[] = [''];
  readonly out = new Words();
  readonly #variables = new Map<string, number>();
  readonly #level: number;
  readonly #program: Program;
  flags = 0;
  readonly written: [string, string][] = [];
  #step = 0;

  constructor(program: Program, level: number) {
    this.report = new HostReport(program.file);
    this.#program = program;
    this.#level = level;
  }

  variable(name: string): number | undefined {
    return this.#variables.get(name);
  }

  task(name: string): number | undefined {
    const found = this.tasks.indexOf(name);
    return found < 0 ? undefined : found;
  }

  /** The first name that no fork has bound is the initial task's. */
  #taskOf(name: string): number {
    if (name === '') return 0;
    const found = this.task(name);
    if (found !== undefined) return found;
    assert(this.tasks[0] === '', `task '${name}' is unknown and the initial task has a name`);
    this.tasks[0] = name;
    return 0;
  }

  #begin(
    role: WireStep['role'],
    op: number,
    task: number,
    more: { variable?: number | undefined; child?: number; level?: number },
  ): number {
    this.wire.push({ step: this.#step, role });
    const hole = this.out.hole();
    this.out.put(op);
    this.out.put(task);
    this.out.put(more.variable ?? NONE);
    this.out.put(more.child ?? NONE);
    this.out.put(more.level ?? 0);
    return hole;
  }

  steps(): void {
    for (const [index, step] of this.#program.steps.entries()) {
      this.#step = index;
      const known = step.task === '' || this.task(step.task) !== undefined || this.tasks[0] === '';
      if (!known) this.report.add('error', 'HOST009', step.at, `there is no task '${step.task}'`);
      else this.#one(step);
    }
  }

  #one(step: Step): void {
    const { op } = step;
    const level = this.#level;
    switch (op.kind) {
      case 'call':
        this.#call(step, op.name, op.args);
        return;
      case 'access': {
        const hole = this.#begin('main', STEP.access, this.#taskOf(step.task), { level });
        this.out.put(['read', 'write', 'exec'].indexOf(op.access));
        putExpr(this.out, op.address, this, this.report);
        if (op.length === undefined) putConstant(this.out, word.fromNumber(1));
        else putExpr(this.out, op.length, this, this.report);
        if (op.value === undefined) putConstant(this.out, word.fromNumber(freshByte(this.#step)));
        else putExpr(this.out, op.value, this, this.report);
        this.out.fill(hole);
        return;
      }
      case 'echo': {
        const hole = this.#begin('main', STEP.echo, 0, { level });
        if (/^\/(?:sys|proc\/sys)\//.test(op.path)) this.written.push([op.path, op.value]);
        this.#path(op.path, step.task);
        const bytes = new Uint8Array(Buffer.from(op.value + '\n', 'latin1'));
        this.out.put(bytes.length);
        this.out.putBytes(bytes);
        this.out.fill(hole);
        return;
      }
      case 'cat': {
        const hole = this.#begin('main', STEP.cat, 0, { level });
        this.#path(op.path, step.task);
        this.out.fill(hole);
        return;
      }
      case 'expect':
        this.#expect(step);
        return;
      default:
        this.report.add('error', 'HOST004', step.at, 'a line of a log cannot be executed');
    }
  }

  /** Tasks in a path stand for their process numbers: /proc/child/smaps, /proc/self/maps. */
  #path(path: string, self: string): void {
    const match = /^\/proc\/([^/]+)(\/.*)$/.exec(path);
    const owner = match?.[1];
    const task = owner === 'self' ? this.#taskOf(self) : owner && this.task(owner);
    if (match === null || typeof task !== 'number') {
      this.out.put(1);
      this.#text(path);
      return;
    }
    this.out.put(3);
    this.#text('/proc/');
    this.out.put(1);
    this.out.put(task);
    this.#text(match[2]!);
  }

  #text(text: string): void {
    const bytes = new Uint8Array(Buffer.from(text, 'latin1'));
    this.out.put(0);
    this.out.put(bytes.length);
    this.out.putBytes(bytes);
  }

  #bind(step: Step): number | undefined {
    if (step.bind === undefined) return undefined;
    const known = this.#variables.get(step.bind) ?? this.#variables.size;
    this.#variables.set(step.bind, known);
    return known;
  }

  #call(step: Step, name: string, args: readonly Arg[]): void {
    const level = this.#level;
    const task = this.#taskOf(step.task);
    const refused = REFUSED.get(name);
    const number = callNumber(name);
    const call = findCall(name) ?? { name, class: 'memory' as const, params: [], min: 0, max: 6 };
    if (callClass(name) === 'ignored') {
      this.report.add('note', 'HOST002', step.at, `${name} does not concern memory; not executed`);
      this.out.fill(this.#begin('main', STEP.nop, task, { variable: this.#bind(step), level }));
      return;
    }
    if (refused !== undefined || number === undefined) {
      const why = refused ?? 'its number is not known';
      this.report.add('error', 'HOST002', step.at, `${name} is not executed on the host: ${why}`);
      return;
    }
    if (call.class === 'file' && args.some((arg) => arg.value.kind === 'string')) {
      this.flags |= PROGRAM_FILES;
    }
    if (name === 'mount') this.flags |= PROGRAM_MOUNTS;
    if (name === 'shmget') this.flags |= PROGRAM_SHM;
    if (createsTask(name)) {
      this.#clone(step, name, args, task);
      return;
    }
    const op = name.startsWith('exit')
      ? STEP.exit
      : name.startsWith('exec')
        ? STEP.execve
        : STEP.call;
    const params = call.params.length > 0 ? call.params : ['a', 'b', 'c', 'd', 'e', 'f'];
    const hole = this.#begin('main', op, task, { variable: undefined, level });
    this.out.put(number);
    if (op === STEP.execve) {
      this.report.add('note', 'HOST016', step.at, `${name} executes the executor's own image`);
      this.out.put(0);
    } else {
      putArguments(this.out, { ...call, params }, args, this, this.report);
    }
    // Bound only now: `a = mremap(a, ...)` still means the old value in its arguments.
    const variable = this.#bind(step);
    if (variable !== undefined) this.out.set(hole + 3, variable);
    this.out.fill(hole);
  }

  #clone(step: Step, name: string, args: readonly Arg[], task: number): void {
    const child = this.tasks.length;
    if (child >= TASKS_MAX) {
      this.report.add('error', 'HOST005', step.at, `more than ${TASKS_MAX} tasks`);
      return;
    }
    const hole = this.#begin('main', STEP.clone, task, { child, level: this.#level });
    this.out.put(56);
    this.out.put(4);
    for (const value of cloneArguments(name, args)) {
      this.out.put(0);
      if (typeof value === 'number') putConstant(this.out, word.fromNumber(value));
      else putExpr(this.out, value, this, this.report);
    }
    // A task's name stands for the value of its fork, which is -1 if the fork failed.
    const variable = this.#bind(step);
    if (variable !== undefined) this.out.set(hole + 3, variable);
    this.tasks.push(step.bind ?? `task${child}`);
    this.out.fill(hole);
  }

  #expect(step: Step): void {
    assert(step.op.kind === 'expect', 'the step is an expectation');
    const { expectation } = step.op;
    if (expectation.kind === 'mapped') {
      this.#evaluate('left', expectation.address, this.#taskOf(expectation.task));
      const one: Expr = { kind: 'int', value: word.fromNumber(1), text: '1', at: step.at };
      this.#evaluate('right', expectation.length ?? one, 0);
    } else {
      this.#operand('left', expectation.left, step);
      this.#operand('right', expectation.right, step);
    }
    this.out.fill(this.#begin('main', STEP.nop, 0, { level: Math.max(this.#level, LEVELS.pages) }));
  }

  #evaluate(role: 'left' | 'right', expr: Expr, task: number): void {
    const hole = this.#begin(role, STEP.eval, task, {});
    putExpr(this.out, expr, this, this.report);
    this.out.fill(hole);
  }

  #operand(role: 'left' | 'right', operand: Operand, step: Step): void {
    switch (operand.kind) {
      case 'expr':
        if (operand.expr.kind !== 'string') this.#evaluate(role, operand.expr, 0);
        return;
      case 'page':
      case 'order':
      case 'index':
      case 'mapcount':
        this.#evaluate(role, operand.address, this.#taskOf(operand.task));
        return;
      case 'value': {
        const hole = this.#begin(role, STEP.peek, this.#taskOf(operand.task), {});
        putExpr(this.out, operand.address, this, this.report);
        this.out.fill(hole);
        return;
      }
      case 'smaps':
        this.#evaluate(role, operand.address, 0);
        this.#cat(role, operand.path, step);
        return;
      case 'field':
        this.#cat(role, operand.path, step);
        return;
      default:
    }
  }

  #cat(role: 'left' | 'right', path: string, step: Step): void {
    const hole = this.#begin(role, STEP.cat, 0, {});
    this.#path(path, step.task);
    this.out.fill(hole);
  }
}

/** flags, parent_tid, child_tid, tls: what the executor passes to clone(2). */
function cloneArguments(name: string, args: readonly Arg[]): (Expr | number)[] {
  if (name === 'fork') return [SIGCHLD, 0, 0, 0];
  if (name === 'vfork') return [VFORK_FLAGS, 0, 0, 0];
  if (name === 'clone') {
    const call = findCall('clone');
    assert(call !== undefined, 'clone is a known call');
    const [flags, , parent, child, tls] = inOrder(call, args);
    return [flags ?? 0, parent ?? 0, child ?? 0, tls ?? 0];
  }
  const struct = args[0]?.value;
  const fields = new Map<string, Expr>();
  if (struct?.kind === 'struct') for (const f of struct.fields) fields.set(f.name, f.value);
  const positional = struct === undefined ? [] : flatten(struct);
  const flags = fields.get('flags') ?? positional[0];
  const signal = fields.get('exit_signal');
  if (flags === undefined || signal === undefined) return [flags ?? signal ?? 0, 0, 0, 0];
  const at = struct?.at ?? { line: 0, column: 0 };
  const both: Expr = { kind: 'binary', op: '|', left: flags, right: signal, at };
  const { parent, child } = { parent: fields.get('parent_tid'), child: fields.get('child_tid') };
  return [both, parent ?? 0, child ?? 0, fields.get('tls') ?? 0];
}

/** Where a program's frame has its flags. */
export const FRAME_FLAGS = 4;

export function encodeProgram(
  program: Program,
  id: number,
  options: { level: Level; limitMs: number; flags: number },
): Encoded {
  const encoder = new Encoder(program, LEVELS[options.level]);
  if (program.dialect === 'strace') {
    encoder.report.add('error', 'HOST004', undefined, 'an strace log cannot be executed');
  }
  encoder.steps();
  const frame = new Words();
  frame.put(0);
  frame.put(1);
  frame.put(id);
  frame.put(options.limitMs);
  frame.put(encoder.flags | options.flags);
  frame.put(encoder.wire.length);
  frame.append(encoder.out);
  frame.set(0, (frame.length - 1) * 4);
  const { wire, tasks, report, written } = encoder;
  return { frame, wire, tasks, report, written };
}
