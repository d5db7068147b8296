/** Runs a program on the model and reports: the root of `run`, `compare` and `why`. */
import { bugContext, type Diagnostic, word } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { DEFAULT_KERNEL, findKernel } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';
import { MTHP_ITEMS, MTHP_NAMES, VMSTAT_NAMES } from '../mm/vmstat.ts';
import type { Expected, Program, Step } from '../scenario/index.ts';
import type { StepOutcome } from '../scenario/transcript.ts';
import { judgeOnModel, operandText, outcomeText } from './expect.ts';
import { LawWatch } from './law_watch.ts';
import { expectedText, LogRun } from './log_run.ts';
import { ModelKernel, type ModelOutcome } from './model_kernel.ts';
import { FolioNumbers, taskReport } from './observe.ts';
import type { LawReport, RunReport, StepReport, Summary, TaskReport, Verdict } from './report.ts';

/** RAM of the machine that the model's answers were held against: 24 GiB, what Linux leaves of it. */
export const DEFAULT_MEMORY = 25_276_514_304;

export interface RunOptions {
  /** Name of the kernel; else the program's own, else the default. */
  readonly kernel?: string;
  /** Check the laws after every step. */
  readonly laws?: boolean;
  /** Bytes of RAM; else the program's own, else DEFAULT_MEMORY. */
  readonly memory?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The release a run is on; undefined when there is none of that name. */
export function releaseOf(program: Program, options: RunOptions): Release | undefined {
  return findKernel(options.kernel ?? program.kernel ?? DEFAULT_KERNEL);
}

export function runProgram(program: Program, options: RunOptions = {}): RunReport {
  const release = releaseOf(program, options);
  if (release === undefined) return emptyReport(program, options.kernel ?? program.kernel ?? '');
  const memory = options.memory ?? program.memory ?? DEFAULT_MEMORY;
  if (program.dialect === 'strace') return runLog(program, release, memory, options);
  return new ScenarioRun(program, release, memory, options).run();
}

/** Executes a scenario step by step. */
export class ScenarioRun {
  readonly kernel: ModelKernel;
  readonly outcomes: ModelOutcome[] = [];
  readonly diagnostics: Diagnostic[] = [];
  readonly #program: Program;
  readonly #options: RunOptions;
  readonly #laws: LawWatch | undefined;
  readonly #last = new Map<string, StepOutcome>();
  readonly #reports: StepReport[] = [];
  readonly #firstTask: string;

  constructor(program: Program, release: Release, memory: number, options: RunOptions) {
    this.#program = program;
    this.#options = options;
    const named = program.steps.find((step) => step.task !== '');
    this.#firstTask = program.steps[0]?.task || named?.task || 'main';
    this.kernel = new ModelKernel({ release, memory }, this.#firstTask);
    if (options.laws === true) {
      this.#laws = new LawWatch(this.kernel);
      this.kernel.watcher = this.#laws;
    }
  }

  /** Executes step `i`; to be called in order. */
  step(i: number): StepReport {
    const step = this.#program.steps[i]!;
    bugContext.step = `${this.#program.file}:${step.at.line}: ${step.text}`;
    const report = step.op.kind === 'expect' ? this.#expect(step) : this.#execute(step, i);
    this.#laws?.afterStep(step.at.line);
    this.#reports.push(report);
    return report;
  }

  run(): RunReport {
    const { steps } = this.#program;
    for (let i = 0; i < steps.length; i++) {
      this.step(i);
      this.#options.onProgress?.(i + 1, steps.length);
    }
    return this.report();
  }

  report(): RunReport {
    const { kernel } = this;
    const numbers = new FolioNumbers();
    const tasks: TaskReport[] = [];
    for (const [name, task] of kernel.tasks) tasks.push(taskReport(kernel.m, task, name, numbers));
    return {
      kernel: kernel.m.release.name,
      file: this.#program.file,
      dialect: this.#program.dialect,
      about: this.#program.about,
      steps: this.#reports,
      summary: summaryOf(this.#reports),
      tasks,
      stats: statsOf(kernel.m),
      laws: this.#laws?.report() ?? [],
      diagnostics: this.diagnostics,
      partial: this.#program.torn > 0,
    };
  }

  #execute(step: Step, i: number): StepReport {
    const outcome = this.kernel.execute(step, i);
    this.outcomes[i] = outcome;
    const task = step.task === '' ? this.#firstTask : step.task;
    if (step.op.kind === 'access' || step.op.kind === 'call') this.#last.set(task, outcome);
    if (outcome.unmodelled !== undefined) {
      this.diagnostics.push({
        severity: 'error',
        code: 'RUN001',
        file: this.#program.file,
        line: step.at.line,
        column: step.at.column,
        message: `not modelled: ${outcome.unmodelled}`,
      });
    }
    return {
      line: step.at.line,
      task,
      text: step.text,
      result: outcomeText(outcome),
      ...(outcome.errno === undefined ? {} : { errno: outcomeText(outcome).slice(3) }),
      ...(outcome.signal === undefined
        ? {}
        : { signal: { ...outcome.signal, address: word.toHex(outcome.signal.address) } }),
      minflt: outcome.minflt,
      majflt: outcome.majflt,
      ...(step.expected === undefined ? {} : { expected: this.#expectedText(step.expected) }),
      verdict: this.#verdict(step, outcome),
      ...(noteOf(outcome) === '' ? {} : { note: noteOf(outcome) }),
    };
  }

  #expectedText(expected: Expected): string {
    if (expected.kind !== 'expr') return expectedText(expected);
    const value = this.kernel.valueOf(expected.value);
    return value === undefined ? expected.text : word.toHex(value);
  }

  #verdict(step: Step, outcome: ModelOutcome): Verdict {
    const { expected } = step;
    if (outcome.unmodelled !== undefined) return 'unchecked';
    if (expected === undefined) return outcome.stuck === true ? 'mismatched' : 'unchecked';
    if (expected.kind === 'none') return outcome.none === true ? 'matched' : 'mismatched';
    if (expected.kind === 'errno') {
      return outcome.errno === expected.errno ? 'matched' : 'mismatched';
    }
    const due = expected.kind === 'value' ? expected.value : this.kernel.valueOf(expected.value);
    const matches =
      outcome.value !== undefined && due !== undefined && word.equal(outcome.value, due);
    return matches ? 'matched' : 'mismatched';
  }

  #expect(step: Step): StepReport {
    if (step.op.kind !== 'expect') throw new TypeError('not an expectation');
    const { expectation } = step.op;
    const self = this.kernel.taskOf(step.task) ?? 0;
    const judged = judgeOnModel(this.kernel, expectation, this.#last, self);
    const due =
      expectation.kind === 'compare' ? `${expectation.op} ${operandText(judged.right)}` : '';
    return {
      line: step.at.line,
      task: expectation.kind === 'mapped' ? expectation.task : step.task,
      text: step.text,
      result: expectation.kind === 'compare' ? operandText(judged.left) : mappedText(judged),
      minflt: 0,
      majflt: 0,
      expected:
        due || (expectation.kind === 'mapped' && expectation.mapped ? 'mapped' : 'unmapped'),
      verdict: judged.holds ? 'matched' : 'mismatched',
    };
  }
}

function mappedText(judged: ReturnType<typeof judgeOnModel>): string {
  return `${operandText(judged.left)} pages mapped`;
}

function noteOf(outcome: ModelOutcome): string {
  if (outcome.unmodelled !== undefined) return `not modelled: ${outcome.unmodelled}`;
  return outcome.note ?? '';
}

export function summaryOf(steps: readonly StepReport[]): Summary {
  const count: Record<Verdict, number> = {
    matched: 0,
    mismatched: 0,
    assumed: 0,
    unchecked: 0,
    ignored: 0,
  };
  for (const step of steps) count[step.verdict]++;
  return { steps: steps.length, ...count };
}

/** vmstat items and mTHP statistics that are not zero, by the kernel's names. */
export function statsOf(m: Machine): Record<string, number> {
  const stats: Record<string, number> = {};
  VMSTAT_NAMES.forEach((name, i) => {
    const value = m.vmstat[i]!;
    if (value !== 0) stats[name] = value;
  });
  for (let order = 1; order <= 9; order++) {
    MTHP_NAMES.forEach((name, item) => {
      const value = m.mthp[order * MTHP_ITEMS + item]!;
      if (value !== 0) stats[`hugepages-${4 << order}kB/stats/${name}`] = value;
    });
  }
  return stats;
}

function runLog(
  program: Program,
  release: Release,
  memory: number,
  options: RunOptions,
): RunReport {
  const run = new LogRun(program, { release, memory });
  run.run(options.onProgress);
  const steps = run.reports.filter((step) => step !== undefined);
  const numbers = new FolioNumbers();
  const tasks: TaskReport[] = [];
  for (const [pid, task] of run.tasks()) {
    if (run.m.task.alive[task] !== 0) tasks.push(taskReport(run.m, task, pid, numbers));
  }
  const laws: readonly LawReport[] =
    options.laws === true ? new LawWatch(run).afterAll(program.steps.at(-1)?.at.line ?? 0) : [];
  return {
    kernel: release.name,
    file: program.file,
    dialect: program.dialect,
    about: program.about,
    steps,
    summary: summaryOf(steps),
    tasks,
    stats: statsOf(run.m),
    laws,
    diagnostics: [],
    partial: program.torn > 0,
  };
}

function emptyReport(program: Program, kernel: string): RunReport {
  return {
    kernel,
    file: program.file,
    dialect: program.dialect,
    about: program.about,
    steps: [],
    summary: summaryOf([]),
    tasks: [],
    stats: {},
    laws: [],
    diagnostics: [
      {
        severity: 'error',
        code: 'RUN002',
        file: program.file,
        line: 0,
        column: 0,
        message: `no kernel '${kernel}' is modelled`,
        hint: '`faultline kernels` lists them',
      },
    ],
    partial: false,
  };
}

/** Anything that has a machine behind it. */
export interface HasMachine {
  readonly m: Machine;
  readonly kernel: Kernel;
}
