/** Checks a kernel: explores the programs within the bounds, and says what was found and covered. */
import {
  BreadthFirst,
  type Checkpoint,
  collisionChance,
  DepthFirst,
  Expander,
  type Finding,
  ParallelSearch,
  RandomWalk,
  type Round,
  type SearchEnd,
} from '../check/index.ts';
import { LAWS, type LawName } from '../laws/index.ts';
import type { Release } from '../mm/release_types.ts';
import type { WhyRule } from '../mm/why.ts';
import type { Action } from './alphabet.ts';
import { type Bounds, PRESETS } from './bounds.ts';
import type { CheckShare } from './check_part.ts';
import { type Confirmed, confirm, confirmFailure } from './confirm.ts';
import { type BranchReport, Coverage } from './coverage.ts';
import { cycleWords } from './cycle.ts';
import { BOOKS_FAIL, LAW_NAMES, lawMask } from './law_bits.ts';
import { MemoryModel } from './memory_model.ts';
import { programText } from './program_text.ts';
import { lawWords, schedule } from './schedule.ts';

export interface CheckOptions {
  readonly bounds?: Bounds;
  /** Laws to check; all by default. */
  readonly laws?: readonly LawName[];
  /** Bytes for states and fingerprints. */
  readonly memory?: number;
  /** Steps that are followed after a violation. */
  readonly aftermath?: number;
  /** Each program to its end before the next one: less memory, no shortest counterexamples. */
  readonly depthFirst?: boolean;
  /** Threads of a search; all but one are CheckParts, which the caller runs. */
  readonly jobs?: number;
  /** Random walks instead of a search, and their seed. */
  readonly walks?: number;
  readonly seed?: number;
  /** Stop at the first violation: a mutation is killed. */
  readonly first?: boolean;
}

/** One kind of violation, and the shortest program that shows it. */
export interface KernelViolation {
  readonly law: LawName | 'books';
  /** The step that shows it: "write", "munmap". */
  readonly by: string;
  readonly steps: number;
  /** A scenario. */
  readonly program: string;
  /** The law's words; absent where the model's own books failed. */
  readonly shown?: Confirmed;
  readonly message: string;
  /** With concurrent faults: the order of events, which the scenario's comments have too. */
  readonly schedule?: readonly string[];
  /** Of a fault that never ends: its phases, which come again. */
  readonly cycle?: string;
}

export interface LawCoverage {
  readonly name: LawName;
  /** How often its subject was met. 0: nothing was proved. */
  readonly exercised: number;
  readonly sometimes: string;
  readonly broken: boolean;
}

export interface CheckReport {
  readonly kernel: string;
  readonly bounds: Bounds;
  readonly actions: number;
  readonly method: 'breadth-first' | 'depth-first' | 'random walks';
  readonly end: SearchEnd | 'walked' | 'stopped';
  readonly states: number;
  readonly transitions: number;
  /** Depth whose states were all expanded, and how far the next one came. */
  readonly depth: number;
  readonly expanded: { readonly done: number; readonly of: number };
  readonly bytes: number;
  /** Upper bound of the chance that two states were taken for one. */
  readonly collision: number;
  readonly laws: readonly LawCoverage[];
  readonly branches: readonly BranchReport[];
  readonly violations: readonly KernelViolation[];
}

/** A check that can go on later: everything but the kernel and the options. */
export interface CheckState {
  readonly search: Checkpoint;
  /** How often each law was exercised, and each rule decided. */
  readonly times: Float64Array;
  readonly branches: ReadonlyMap<WhyRule, number>;
}

const DEFAULT_MEMORY = 2 * 1024 ** 3;
const DEFAULT_AFTERMATH = 2;

/** A check that runs in portions. */
export class KernelCheck {
  readonly model: MemoryModel;
  readonly bounds: Bounds;
  readonly search: BreadthFirst | DepthFirst | ParallelSearch | RandomWalk;
  /** This thread's part in a parallel search. */
  private readonly expander: Expander | undefined;
  private readonly release: Release;
  private readonly options: CheckOptions;
  private readonly coverage: Coverage;
  private readonly wanted: number;
  private ended: CheckReport['end'] = 'running';

  constructor(release: Release, options: CheckOptions = {}, from?: CheckState) {
    this.release = release;
    this.options = options;
    this.bounds = options.bounds ?? PRESETS.default;
    this.wanted = lawMask(options.laws);
    this.model = new MemoryModel(release, this.bounds, this.wanted);
    this.coverage = new Coverage(from?.branches);
    const depth = this.bounds.steps;
    const limits = {
      depth,
      memory: options.memory ?? DEFAULT_MEMORY,
      aftermath: options.aftermath ?? DEFAULT_AFTERMATH,
    };
    const { walks, seed = 1, jobs = 1 } = options;
    if (walks !== undefined) this.search = new RandomWalk(this.model, { depth, walks, seed });
    else if (options.depthFirst === true) this.search = new DepthFirst(this.model, limits);
    else if (jobs > 1) {
      this.search = new ParallelSearch(this.model, limits, jobs, from?.search);
      this.expander = new Expander(this.model);
    } else if (from !== undefined) {
      this.search = BreadthFirst.resume(this.model, limits, from.search);
    } else this.search = new BreadthFirst(this.model, limits);
    this.model.world.m.why = this.coverage;
    if (from !== undefined) this.model.world.counts.times.set(from.times);
  }

  /** What is needed to go on later; undefined where a search has nothing to go on from. */
  state(): CheckState | undefined {
    const { search, model, coverage } = this;
    if (search instanceof RandomWalk || search instanceof DepthFirst) return undefined;
    return {
      search: search.checkpoint(),
      times: model.world.counts.times.slice(),
      branches: coverage.counts,
    };
  }

  /** Somebody wants it to end here. */
  stop(): void {
    if (this.ended === 'running') this.ended = 'stopped';
  }

  /** Goes on for about `budget` transitions; false when it has ended. */
  run(budget: number): boolean {
    const { search } = this;
    if (search instanceof BreadthFirst || search instanceof DepthFirst) {
      const end = search.run(budget);
      if (end !== 'running') this.ended = end;
    } else if (search instanceof ParallelSearch) {
      // Without others: this thread does all of a round.
      const round = this.round(budget);
      if (round !== undefined) {
        this.work(round);
        this.join(round, []);
      }
    } else if (!search.run(budget)) this.ended = 'walked';
    if (this.options.first === true && search.findings.length > 0 && this.ended === 'running') {
      this.ended = 'stopped';
    }
    return this.ended === 'running';
  }

  /** A round of a parallel search, for other threads to take part in; undefined when it has ended. */
  round(budget: number): Round | undefined {
    const { search } = this;
    if (!(search instanceof ParallelSearch) || this.ended !== 'running') return undefined;
    const round = search.round(budget);
    if (round === undefined) this.ended = search.end;
    return round;
  }

  /** This thread's part of a round. */
  work(round: Round): void {
    this.expander?.take(round);
  }

  /** Ends a round, with what the others did. */
  join(round: Round, others: readonly CheckShare[]): void {
    const { search, expander, coverage } = this;
    if (!(search instanceof ParallelSearch) || expander === undefined) return;
    const { times } = this.model.world.counts;
    for (const other of others) {
      other.times.forEach((n, law) => {
        times[law]! += n;
      });
      coverage.add(other.branches);
    }
    search.join(round, [expander.share(), ...others.map((other) => other.share)]);
  }

  /** A line on how far it is. `seconds` since it began. */
  progress(seconds: number): string {
    const { search } = this;
    const rate = Math.round(search.transitions / seconds).toLocaleString('en');
    const states = search.states.toLocaleString('en');
    if (search instanceof RandomWalk) {
      return `${search.walks.toLocaleString('en')} walks, ${states} states, ${rate} transitions/s`;
    }
    if (search instanceof DepthFirst) return `${states} states, ${rate} transitions/s`;
    const memory = Math.ceil(search.bytes / 1048576);
    const queue = search.queue.toLocaleString('en');
    return `depth ${search.depth}: ${states} states, ${queue} in the queue, ${rate} transitions/s, ${memory} MB`;
  }

  report(): CheckReport {
    const { search, model, bounds } = this;
    const isSearch = !(search instanceof RandomWalk);
    const byLevels = isSearch && !(search instanceof DepthFirst);
    const violations = search.findings.map((found) => this.violation(found));
    return {
      kernel: this.release.name,
      bounds,
      actions: model.alphabet.length,
      method: !isSearch ? 'random walks' : byLevels ? 'breadth-first' : 'depth-first',
      end: this.ended,
      states: search.states,
      transitions: search.transitions,
      depth: byLevels ? search.depth : bounds.steps,
      expanded: byLevels ? search.expanded : { done: 0, of: this.options.walks ?? 0 },
      bytes: isSearch ? search.bytes : 0,
      collision: collisionChance(search.states),
      laws: LAWS.filter((_, i) => (this.wanted & (1 << i)) !== 0).map((law) => ({
        name: law.name,
        exercised: model.world.counts.times[LAW_NAMES.indexOf(law.name)]!,
        sometimes: law.sometimes,
        broken: violations.some((v) => v.law === law.name),
      })),
      branches: this.coverage.report(),
      violations,
    };
  }

  private violation(found: Finding): KernelViolation {
    const actions = found.actions.map((a) => this.model.alphabet[a]!);
    const isBooks = found.property === BOOKS_FAIL;
    const law = isBooks ? 'books' : LAW_NAMES[found.property]!;
    const program = this.text(found, actions, law);
    const common = { by: found.kind, steps: actions.length, program };
    if (law === 'books') {
      if (this.bounds.inFlight > 0) return { law, ...common, message: this.model.failure };
      return { law, ...common, message: confirmFailure(program, this.release) };
    }
    if (this.bounds.inFlight > 0) {
      const schedules = schedule(this.model, found.actions);
      return { law, ...common, schedule: schedules, message: lawWords(this.model, law) };
    }
    const shown = confirm(program, this.release, law);
    const cycle = law === 'progress' ? cycleWords(this.model, found.actions) : '';
    return {
      law,
      ...common,
      shown,
      message: shown.message,
      ...(cycle === '' ? {} : { cycle }),
    };
  }

  private text(found: Finding, actions: readonly Action[], law: string): string {
    const head = [
      `# Breaks the law ${law} on ${this.release.name}: one of the shortest programs that do,`,
      '# found by `faultline check`.',
      ...(this.release.isVariant === true ? [] : [`kernel ${this.release.name}`]),
    ];
    if (this.bounds.inFlight > 0) {
      head.push('# The order of events; a scenario runs its steps one after the other:');
      schedule(this.model, found.actions).forEach((event, i) => {
        head.push(`#   ${i + 1}. ${event}`);
      });
    }
    return programText(this.bounds, actions, head, this.model.tailOf(found)).text;
  }
}

/** A whole check in one call. */
export function checkKernel(release: Release, options: CheckOptions = {}): CheckReport {
  const check = new KernelCheck(release, options);
  const budget = options.first === true ? 2000 : 1 << 16;
  while (check.run(budget));
  return check.report();
}
