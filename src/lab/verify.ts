/**
 * Model against another kernel's transcript, step by step: the first observable that differs. What
 * is not compared stands in MASKED (verify_compare.ts), with its reason; nothing else is left out.
 */
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import { cannotAsk } from '../scenario/cannot.ts';
import type { Program, Step } from '../scenario/index.ts';
import type { TaskObservation, Transcript, Unseen } from '../scenario/transcript.ts';
import type { ProgramLayout } from './layout.ts';
import { ModelKernel } from './model_kernel.ts';
import { DEFAULT_MEMORY } from './run.ts';
import {
  Comparison,
  compareOutcome,
  compareSizes,
  compareTask,
  type Divergence,
  seenBits,
} from './verify_compare.ts';
import { filesOf, observeFiles } from './verify_files.ts';
import { PageMatcher } from './verify_pages.ts';
import { STATISTIC, StatsMatcher } from './verify_stats.ts';

export { type Divergence, MASKED } from './verify_compare.ts';

/** Another process may have moved what differs: it is worth asking again. */
export function mayBeOthers(found: Divergence | undefined): boolean {
  return found?.observable.startsWith(STATISTIC) === true;
}

export interface VerifyResult {
  readonly divergence?: Divergence;
  /** Values that were compared and agreed. */
  readonly compared: number;
  /** The rule that the program reached and the model does not have: nothing after it is compared. */
  readonly unmodelled?: string;
  /** What the program needs and the other kernel does not have or allow; nothing after it either. */
  readonly cannot?: string;
  /** Line of an access that faults for ever on both; nothing after it is compared. */
  readonly endless?: number;
  readonly stepsCompared: number;
  /** To be handed to the next verification, which takes over its memory. */
  readonly machine: Machine;
}

export interface OtherTranscript extends Transcript {
  readonly layout: ProgramLayout;
  /** Effective capabilities of the first task, as bits by the kernel's numbers; else all. */
  readonly capabilities?: readonly number[];
  /** read_ahead_kb of the disk that the program's files lie on. */
  readonly readAheadKb?: number;
  /** max_sectors_kb of that disk. */
  readonly diskRequestKb?: number | undefined;
  /** Lowest address that its mmap() gives to a hint. */
  readonly lowestHint?: number | undefined;
  /** Settings of its machine before the program, by path. */
  readonly settingsBefore?: ReadonlyMap<string, string>;
  /** Whether its guard regions mark their VMA; as the modelled release has it when absent. */
  readonly guardMarks?: boolean | undefined;
  /** What could not be seen there. */
  readonly unseen?: readonly Unseen[];
  /** Statistics after each step, where they were read: "hugepages-64kB/stats/split", "thp_split_pmd". */
  readonly stats?: readonly (ReadonlyMap<string, number> | undefined)[];
  /** No other process moves them. */
  readonly quiet?: boolean;
  /** Its reads of anonymous memory allocate (Settings.anonReadsAllocate). */
  readonly anonReadsAllocate?: boolean;
}

export interface VerifyOptions {
  readonly release: Release;
  /** RAM of the other kernel's machine; else the program's own, else DEFAULT_MEMORY. */
  readonly memory?: number;
  /** The machine of an earlier verification, used no more. */
  readonly reuse?: Machine;
}

/** The kernel's capability numbers in the order of the model's bits (CAP_* of fs_types.ts). */
const CAP_NUMBERS = [14, 17, 21, 24, 19, 23, 1, 7, 15];

function capsOf(numbers: readonly number[]): number {
  let caps = 0;
  CAP_NUMBERS.forEach((number, bit) => {
    if (numbers.includes(number)) caps |= 1 << bit;
  });
  return caps;
}

function firstTask(program: Program): string {
  const named = program.steps.find((step) => step.task !== '');
  return program.steps[0]?.task || named?.task || '';
}

/** Executes a program on the model beside the transcript of another kernel. */
class Verification {
  readonly #kernel: ModelKernel;
  readonly #other: OtherTranscript;
  readonly #matcher: PageMatcher;
  readonly #stats: StatsMatcher;
  #compared = 0;
  #isEndless = false;

  constructor(program: Program, other: OtherTranscript, options: VerifyOptions) {
    const { reuse } = options;
    const { guardMarks = options.release.guardMarks } = other;
    // A rule that came to 6.18 in one of its stable releases.
    const release = { ...options.release, guardMarks };
    const memory = program.memory ?? options.memory ?? DEFAULT_MEMORY;
    const { layout } = other;
    const { capabilities } = other;
    const more = {
      ...(reuse === undefined ? {} : { reuse }),
      ...(capabilities === undefined ? {} : { caps: capsOf(capabilities) }),
    };
    this.#kernel = new ModelKernel({ release, memory, layout, ...more }, firstTask(program));
    this.#other = other;
    this.#stats = new StatsMatcher(other.quiet === true);
    this.#matcher = new PageMatcher(this.#kernel.m, seenBits(other.unseen ?? []));
    const { settings } = this.#kernel.m;
    if (other.readAheadKb !== undefined) settings.readAheadPages = other.readAheadKb / 4;
    if (other.diskRequestKb !== undefined) settings.diskRequestPages = other.diskRequestKb / 4;
    if (other.lowestHint !== undefined) settings.lsmMmapMinAddr = other.lowestHint;
    const minAddr = other.settingsBefore?.get('/proc/sys/vm/mmap_min_addr');
    if (minAddr !== undefined) settings.mmapMinAddr = Number(minAddr);
    settings.anonReadsAllocate = other.anonReadsAllocate === true ? 1 : 0;
  }

  run(steps: readonly Step[]): VerifyResult {
    for (const [i, step] of steps.entries()) {
      const c = new Comparison(step, i, this.#other.unseen ?? []);
      const unmodelled = this.#step(c, step, i);
      if (unmodelled !== undefined) return this.#result(i, { unmodelled });
      if (this.#isEndless) return this.#result(i, { endless: step.at.line });
      const cannot = c.found && cannotAsk(step, this.#other.outcomes[i]);
      if (cannot !== undefined) return this.#result(i, { cannot });
      if (c.found === undefined) this.#observations(c, i);
      if (c.found === undefined) this.#stats.step(c, this.#kernel.m, this.#other.stats?.[i]);
      this.#compared += c.compared;
      if (c.found !== undefined) return this.#result(i, { divergence: c.found });
    }
    return this.#result(steps.length, {});
  }

  #result(
    stepsCompared: number,
    more: Pick<VerifyResult, 'unmodelled' | 'cannot' | 'divergence' | 'endless'>,
  ): VerifyResult {
    return { compared: this.#compared, stepsCompared, machine: this.#kernel.m, ...more };
  }

  /** Executes one step; the rule that the model lacks, if it met one. */
  #step(c: Comparison, step: Step, i: number): string | undefined {
    const seen = this.#other.outcomes[i];
    if (step.op.kind === 'expect' || seen === undefined) return undefined;
    const outcome = this.#kernel.execute(step, i);
    if (outcome.unmodelled !== undefined) return outcome.unmodelled;
    // An access of which nothing is known did not end in its time.
    const isLost = step.op.kind === 'access' && seen.faultedVpns === undefined;
    this.#isEndless = outcome.stuck === true && isLost && seen.signal === undefined;
    if (this.#isEndless) return undefined;
    compareOutcome(c, step, outcome, seen, step.task === firstTaskOf(this.#kernel));
    return undefined;
  }

  #observations(c: Comparison, i: number): void {
    const tasks = this.#other.observations[i];
    if (tasks === undefined) return;
    const full = tasks.some((task) => task.vmas.some((vma) => vma.vmFlags !== undefined));
    const agree = this.#agree(tasks);
    if (agree >= 0) {
      c.compared += agree;
      if (full) this.#sizes(c, tasks);
      return;
    }
    const mine = observeFiles(this.#kernel, this.#other.layout, full);
    const names = (list: readonly TaskObservation[]): string => list.map((t) => t.task).join(' ');
    if (!c.same('', -1, 'tasks', names(mine), names(tasks))) return;
    for (const [t, task] of mine.entries()) {
      compareTask(c, task, tasks[t]!, full);
      if (c.found !== undefined) return;
    }
  }

  /** Of tasks whose mappings and pages agree. */
  #sizes(c: Comparison, tasks: readonly TaskObservation[]): void {
    for (const seen of tasks) {
      compareSizes(c, filesOf(this.#kernel, seen.task, this.#other.layout), seen);
    }
  }

  /** How many values agree; -1 when a closer look is needed. */
  #agree(tasks: readonly TaskObservation[]): number {
    const { m } = this.#kernel;
    let compared = 1;
    let at = 0;
    this.#matcher.begin();
    for (const [name, task] of this.#kernel.tasks) {
      if (m.task.alive[task] === 0) continue;
      const seen = tasks[at++];
      if (seen === undefined || seen.task !== name) return -1;
      const values = this.#matcher.task(task, seen, this.#other.layout.own);
      if (values < 0) return -1;
      compared += values;
    }
    return at === tasks.length ? compared : -1;
  }
}

function firstTaskOf(kernel: ModelKernel): string {
  return kernel.tasks.keys().next().value ?? '';
}

export function verifyProgram(
  program: Program,
  other: OtherTranscript,
  options: VerifyOptions,
): VerifyResult {
  return new Verification(program, other, options).run(program.steps);
}
