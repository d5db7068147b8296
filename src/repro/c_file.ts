/** A scenario as one C file: the model's transcript, step by step, as checks. */
import { type Diagnostic, type U64, word } from '../base/index.ts';
import { DEFAULT_MEMORY } from '../lab/run.ts';
import type { Release } from '../mm/release_types.ts';
import type { Program, Step } from '../scenario/index.ts';
import { expectText } from './c_expect.ts';
import { cString, MODEL_TOP_VPN, NotInC } from './c_expr.ts';
import { cName } from './c_names.ts';
import { doText, outcomeText, type StepScope } from './c_step.ts';
import { framesText, numbersText } from './frames.ts';
import { type Recorded, type RecordedStep, record } from './record.ts';
import { CHECKS } from './runtime_checks.ts';
import { LOOK } from './runtime_look.ts';
import { INIT_MAIN, MAIN, PLAIN_MAIN, ROOM, SETTINGS } from './runtime_main.ts';
import { INCLUDES, TASKS } from './runtime_tasks.ts';
import { Scope } from './scope.ts';

export const REPRO_CODES = {
  REP001: 'a step that a C program cannot do',
  REP002: 'an expectation that a C program cannot check',
  REP003: 'a scenario of which nothing is left',
  REP004: 'an strace log',
} as const;

export interface ReproOptions {
  readonly release: Release;
  /** The kernel was chosen by the user: the file does not ask which one it runs on. */
  readonly isChosen?: boolean;
  readonly memory?: number;
  /** main() is a machine's first process. */
  readonly isInit?: boolean;
  readonly version?: string;
}

export interface Repro {
  readonly text: string;
  /** Whose answers are asserted. */
  readonly kernel: string;
  /** Test points of the file, and how many are skipped from the start. */
  readonly points: number;
  readonly skipped: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** With and without the zero page: what a C program asserts depends on what it finds. */
interface Variant {
  readonly recorded: Recorded;
  /** What is expected of each mapping, by `task start`. */
  readonly last: Map<string, string>;
}

/** What every C library has had for long; other constants are defined where headers lack them. */
const OLD =
  /^(PROT_(READ|WRITE|EXEC|NONE)|MAP_(SHARED|PRIVATE|FIXED|ANONYMOUS|NORESERVE|POPULATE|LOCKED|GROWSDOWN|STACK|32BIT)|MADV_(NORMAL|RANDOM|SEQUENTIAL|WILLNEED|DONTNEED|FREE|HUGEPAGE|NOHUGEPAGE|MERGEABLE|DONTFORK|DOFORK|REMOVE)|E[A-Z0-9]+|O_[A-Z]+|SIG[A-Z]+|SEEK_(SET|CUR|END)|IPC_[A-Z]+|MS_[A-Z]+|RLIMIT_[A-Z]+|CLONE_(VM|FS|FILES|SIGHAND|THREAD|SYSVSEM)|MREMAP_(MAYMOVE|FIXED))$/;

class Writer implements StepScope {
  readonly scope = new Scope();
  readonly firstTask: string;
  readonly #program: Program;
  readonly #options: ReproOptions;
  readonly #variants: readonly [Variant, Variant];
  readonly #lines: string[] = [];
  readonly #counters: string[] = [];
  readonly #diagnostics: Diagnostic[] = [];
  #slots = 1;
  #points = 0;
  #skipped = 0;

  constructor(program: Program, options: ReproOptions) {
    this.#program = program;
    this.#options = options;
    const memory = options.memory ?? program.memory ?? DEFAULT_MEMORY;
    const one = (noZeroPage: boolean): Variant => ({
      recorded: record(program, { release: options.release, memory, noZeroPage }),
      last: new Map(),
    });
    this.#variants = [one(false), one(true)];
    this.firstTask = this.#variants[0].recorded.firstTask;
    this.scope.tasks.set(this.firstTask, 0);
  }

  task(name: string): string {
    return cName(name === '' ? this.firstTask : name);
  }

  newTask(name: string): number {
    const slot = this.#slots++;
    if (name !== '') {
      this.scope.tasks.set(name, slot);
      this.scope.values.delete(name);
    }
    return slot;
  }

  taskOfPid(pid: number): string | undefined {
    const { kernel } = this.#variants[0].recorded;
    for (const [name, task] of kernel.tasks) if (kernel.m.task.pid[task] === pid) return name;
    return undefined;
  }

  counter(text: string): string {
    let index = this.#counters.indexOf(text);
    if (index < 0) index = this.#counters.push(text) - 1;
    return `${text} - counter_${index + 1}`;
  }

  write(): Repro {
    const { steps, dialect, file } = this.#program;
    if (dialect === 'strace') {
      const message = 'an strace log is not a program that C can repeat';
      this.#diagnostics.push({
        severity: 'error',
        code: 'REP004',
        file,
        line: 1,
        column: 1,
        message,
        hint: 'copy the calls that matter into a scenario',
      });
      return { text: '', kernel: '', points: 0, skipped: 0, diagnostics: this.#diagnostics };
    }
    for (const [i, step] of steps.entries()) {
      try {
        this.#step(step, i);
      } catch (error) {
        if (!(error instanceof NotInC)) throw error;
        this.#stop(step, i, error);
        break;
      }
    }
    return {
      text: this.#file(),
      kernel: this.#options.release.name,
      points: this.#points,
      skipped: this.#skipped,
      diagnostics: this.#diagnostics,
    };
  }

  /** From a step that cannot be done on, nothing makes sense. */
  #stop(step: Step, i: number, error: NotInC): void {
    const left = this.#program.steps.slice(i).filter(isPoint).length;
    const done = this.#points - this.#skipped;
    const at = error.expr?.at ?? step.at;
    this.#diagnostics.push({
      severity: done === 0 ? 'error' : 'warning',
      code: done === 0 ? 'REP003' : 'REP001',
      file: this.#program.file,
      line: at.line,
      column: at.column,
      message: error.message,
      hint: done === 0 ? 'nothing is left to test' : 'this step and the rest are skipped',
    });
    this.#points += left;
    this.#skipped += left;
    this.#put('', `skip_rest(${cString(`line ${step.at.line}: ${error.message}`)});`);
  }

  #put(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  #title(step: Step): string {
    const task = step.task === '' ? '' : `${step.task}: `;
    return `${step.at.line === 0 ? '--set' : `line ${step.at.line}`}: ${task}${step.text.replace(/\s+/g, ' ')}`;
  }

  #step(step: Step, i: number): void {
    const { op } = step;
    const seen = this.#variants.map((v) => v.recorded.steps[i]!);
    if (!isPoint(step)) {
      this.#put('', `/* ${comment(this.#title(step))} */`);
      return;
    }
    this.scope.bound = seen[0]!.bound;
    if (op.kind === 'expect') {
      this.#expect(step, seen);
      return;
    }
    const unmodelled = seen[0]!.outcome.unmodelled;
    if (unmodelled !== undefined) throw new NotInC(`not modelled: ${unmodelled}`);
    const first = doText(step, seen[0]!, this);
    const other = this.#points;
    const checks = this.#variants.map((v, k) => [
      ...outcomeText(step, seen[k]!, this),
      ...this.#mappings(v, seen[k]!),
    ]);
    this.#points = other + 1;
    this.#put('', `begin(${cString(this.#title(step))});`, ...first);
    this.#putEither(checks[0]!, checks[1]!);
    this.#put('done();');
  }

  #expect(step: Step, seen: readonly RecordedStep[]): void {
    if (step.op.kind !== 'expect') return;
    const title = this.#title(step);
    this.#points++;
    let text: string;
    try {
      text = expectText(title, step.op.expectation, step.task, this);
    } catch (error) {
      if (!(error instanceof NotInC)) throw error;
      const { line, column } = step.at;
      const { message } = error;
      const file = this.#program.file;
      this.#diagnostics.push({ severity: 'note', code: 'REP002', file, line, column, message });
      this.#skipped++;
      this.#put('', `skip(${cString(title)}, ${cString(message)});`);
      return;
    }
    const [holds, otherwise] = [seen[0]!.holds, seen[1]!.holds];
    if (holds === false) {
      this.#put('', `/* The model of ${this.#options.release.name} says otherwise. */`, text);
    } else if (otherwise === false) {
      this.#put('', 'if (zero_page)', `\t${text}`, 'else');
      this.#put(`\tskip(${cString(title)}, "needs the zero page");`);
    } else {
      this.#put('', text);
    }
  }

  /** What has changed of the mappings; a variant remembers what it has said. */
  #mappings(variant: Variant, seen: RecordedStep): string[] {
    const lines: string[] = [];
    const now = new Map<string, string>();
    for (const [task, mappings] of seen.tasks) {
      for (const mapping of mappings) {
        const key = `${task} ${mapping.startVpn}`;
        const frames = cString(framesText(mapping));
        const what = `${mapping.pages}, "${mapping.perms}", ${frames}, ${cString(numbersText(mapping))}`;
        now.set(key, what);
      }
    }
    const dead = new Set<string>();
    for (const key of variant.last.keys()) {
      const [task, start] = key.split(' ') as [string, string];
      if (now.has(key) || dead.has(task)) continue;
      if (seen.tasks.has(task)) {
        lines.push(`gone(${this.task(task)}, ${this.scope.address(Number(start))});`);
        continue;
      }
      dead.add(task);
      const { kernel } = variant.recorded;
      const row = kernel.tasks.get(task);
      const lives = row !== undefined && kernel.m.task.alive[row] !== 0;
      lines.push(`${lives ? 'forget' : 'ended'}(${this.task(task)});`);
    }
    for (const [key, what] of now) {
      if (variant.last.get(key) === what) continue;
      const [task, start] = key.split(' ') as [string, string];
      lines.push(`maps(${this.task(task)}, ${this.scope.address(Number(start))}, ${what});`);
    }
    variant.last.clear();
    for (const [key, what] of now) variant.last.set(key, what);
    return lines;
  }

  #putEither(a: readonly string[], b: readonly string[]): void {
    let same = 0;
    while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
    this.#put(...a.slice(0, same));
    const [rest, other] = [a.slice(same), b.slice(same)];
    if (rest.length === 0 && other.length === 0) return;
    const block = (lines: readonly string[]): string[] => lines.map((line) => `\t${line}`);
    if (rest.length === 0) this.#put('if (!zero_page) {', ...block(other), '}');
    else if (other.length === 0) this.#put('if (zero_page) {', ...block(rest), '}');
    else this.#put('if (zero_page) {', ...block(rest), '} else {', ...block(other), '}');
  }

  #file(): string {
    const { scope } = this;
    const body = this.#body();
    const defines = [
      `#define TASKS ${this.#slots}`,
      `#define POINTS ${this.#points}`,
      `#define BYTES ${scope.bytes}`,
      `#define USES_BRK ${scope.usesBrk ? 1 : 0}`,
      `#define MODEL_TOP ${word.toHex(word.fromPage(MODEL_TOP_VPN))}UL`,
      '#define TOP_LOWEST 0x700000000000UL',
    ];
    return [
      this.#head(),
      INCLUDES,
      ...(this.#options.isInit === true ? ['#include <sys/reboot.h>\n'] : []),
      `#ifndef __x86_64__\n#error "the expectations are those of x86-64"\n#endif\n`,
      this.#constants(),
      `${defines.join('\n')}\n`,
      TASKS,
      LOOK,
      CHECKS,
      SETTINGS,
      ...(scope.usesFiles ? [ROOM] : []),
      'static void needs(void);\nstatic void scenario(void);\nstatic void leave(void);\n',
      MAIN,
      '/* ---- the scenario ------------------------------------------------------------------------- */',
      this.#needs(),
      body,
      (this.#options.isInit === true ? INIT_MAIN : PLAIN_MAIN).trimStart(),
    ].join('\n');
  }

  #head(): string {
    const { release, version } = this.#options;
    const about = this.#program.about.trimEnd();
    const lines = about === '' ? [] : [...about.split('\n'), ''];
    const head = [
      ...lines,
      `Made by faultline ${version ?? ''} from ${this.#program.file}; the expectations are those of`,
      `Linux ${release.name}. Needs root; settings are put back. Output is TAP, as in kselftest.`,
      'The scenario itself is at the end of this file.',
      '',
      '  cc -O2 -Wall -Wextra -o t t.c && ./t',
    ];
    const text = head.map((line) => ` * ${comment(line)}`.trimEnd()).join('\n');
    return `// SPDX-License-Identifier: MIT\n/*\n${text}\n */`;
  }

  #constants(): string {
    const lines: string[] = [];
    for (const [name, value] of this.scope.constants) {
      if (OLD.test(name)) continue;
      lines.push(`#ifndef ${name}`, `#define ${name} ${valueText(value)}`, '#endif');
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  #needs(): string {
    const { kernel, memory } = this.#program;
    const lines: string[] = [];
    if (kernel !== undefined && this.#options.isChosen !== true) {
      lines.push(`needs_release(${cString(kernel)});`);
    }
    if (memory !== undefined) lines.push(`needs_memory(${memory}UL);`);
    if (this.scope.usesFiles) lines.push('enter_room();');
    if (this.scope.usesDisk) lines.push('needs_ext4();');
    const leave = this.scope.usesFiles ? 'remove_room();' : '';
    const block = (list: readonly string[]): string =>
      list.length === 0 ? '{\n}' : `{\n${list.map((line) => `\t${line}`).join('\n')}\n}`;
    return [
      `\nstatic void needs(void)\n${block(lines)}\n`,
      `static void leave(void)\n${block(leave === '' ? [] : [leave])}\n`,
    ].join('\n');
  }

  /** The function scenario(); a name that nothing uses is not bound. */
  #body(): string {
    let lines = this.#lines;
    const names = [...new Set([...this.scope.tasks.keys(), ...this.scope.values])].map(cName);
    const code = lines.map((line) => line.replace(/"(?:[^"\\]|\\.)*"|\/\*.*?\*\//g, '""'));
    const used = new Set<string>();
    for (const name of names) {
      const use = new RegExp(`\\b${name}\\b(?! = )`);
      if (code.some((line) => use.test(line))) used.add(name);
    }
    lines = lines.map((line) => {
      const bind = /^(\w+) = (?=call\(|spawn\()/.exec(line);
      return bind === null || used.has(bind[1]!) ? line : line.slice(bind[0].length);
    });
    const isTask = new Set([...this.scope.tasks.keys()].map(cName));
    const first = this.task('');
    const pointers = [...isTask].filter((name) => name !== first && used.has(name));
    const values = [...this.scope.values].map(cName).filter((n) => used.has(n) && !isTask.has(n));
    const start = `first_task(${cString(this.firstTask)})`;
    const declared = [
      used.has(first) ? `struct task *${first} = ${start};` : '',
      pointers.length === 0 ? '' : `struct task ${pointers.map((name) => `*${name}`).join(', ')};`,
      values.length === 0 ? '' : `u64 ${values.join(', ')};`,
      ...this.#counters.map((text, i) => `s64 counter_${i + 1} = ${text};`),
      used.has(first) ? '' : `\n\t${start};`,
    ].filter((line) => line !== '');
    const head = '__attribute__((noinline)) static void scenario(void)\n{';
    const all = [...declared, ...lines].map((line) => (line === '' ? '' : `\t${line}`));
    return `${head}\n${all.join('\n')}\n}\n`;
  }
}

function isPoint(step: Step): boolean {
  const { op } = step;
  return op.kind === 'access' || op.kind === 'call' || op.kind === 'echo' || op.kind === 'expect';
}

function comment(text: string): string {
  return text.replaceAll('*/', '* /').replaceAll('/*', '/ *');
}

function valueText(value: U64): string {
  const long = value.hi !== 0 || value.lo > 0x7fffffff;
  return long ? `${word.toHex(value)}UL` : value.lo < 10 ? String(value.lo) : word.toHex(value);
}

export function reproProgram(program: Program, options: ReproOptions): Repro {
  return new Writer(program, options).write();
}
