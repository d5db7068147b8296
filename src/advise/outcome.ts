/** One setting, tried: what a worker gives back. */
import { PAGE_SIZE } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import {
  type Baseline,
  baselineOf,
  type Census,
  censusAtPeak,
  type FaultCounts,
  faultCounts,
  findHidden,
  type Hidden,
  HiddenFinder,
  type PeakMemory,
  peakMemory,
  runReplay,
  type Series,
  type SettingWrite,
  startReplay,
  takeCensus,
  warningsOf,
} from '../replay/index.ts';
import { eventCount, OP_MADVISE, scanEvents, type Trace, type TraceNote } from '../trace/index.ts';
import { type Candidate, candidateOf, type Traits } from './candidate.ts';

/** Plain data: it goes between threads and machines. */
export interface Outcome {
  readonly name: string;
  readonly settings: readonly SettingWrite[];
  readonly faults: FaultCounts;
  readonly peak: PeakMemory;
  readonly census: Census;
  readonly series: Series;
  /** Writes that the kernel would refuse: nothing was run. */
  readonly refused: readonly SettingWrite[];
}

/** The recording itself, replayed: what all predictions start from. */
export interface Recorded {
  readonly base: Baseline;
  readonly traits: Traits;
  readonly warnings: readonly TraceNote[];
  /** Faults in the trace. */
  readonly recorded: number;
}

const MADV_HUGEPAGE = 14;
const SAMPLES = 250;
/** Censuses begin at this share of the least peak. */
const NEAR_PEAK = 0.9;

/** Rows of a trace that are replayed before all others, where it has a hundred times as many. */
const REHEARSED = 5000;

/** Machines are kept between runs: their columns are taken over. */
export class Trial {
  readonly #trace: Trace;
  readonly #release: Release;
  #reuse: Machine | undefined;
  #hidden: Hidden | undefined;

  constructor(trace: Trace, release: Release) {
    this.#trace = trace;
    this.#release = release;
    if (eventCount(trace) > 100 * REHEARSED) this.#rehearse();
  }

  /**
   * V8 compiles for what it has seen, and once more for each size of folio that comes later: it is
   * shown small, large and PMD-sized ones before there is anything to compile.
   */
  #rehearse(): void {
    for (const orders of [[], [4], [9]]) {
      const { settings } = candidateOf({ anon: orders, shmem: orders }, this.#release);
      const options = { ...this.#options(settings, false), until: REHEARSED, samples: 0 };
      const { replay } = startReplay(this.#trace, options);
      runReplay(replay, options);
      takeCensus(replay.m);
      this.#reuse = replay.m;
    }
  }

  #options(settings: readonly SettingWrite[], thpDisabled: boolean) {
    const reuse = this.#reuse === undefined ? {} : { reuse: this.#reuse };
    return { release: this.#release, settings, thpDisabled, samples: SAMPLES, ...reuse };
  }

  recorded(): Recorded {
    const options = this.#options([], this.#trace.meta.thpDisabled);
    const { replay } = startReplay(this.#trace, options);
    this.#reuse = replay.m;
    replay.finder = new HiddenFinder();
    runReplay(replay, options);
    this.#hidden = replay.finder.found;
    let advises = false;
    scanEvents(this.#trace, ({ op, arg, result, rows }) => {
      for (let i = 0; i < rows && !advises; i++) {
        advises = op[i] === OP_MADVISE && arg[i] === MADV_HUGEPAGE && result[i]! >= 0;
      }
    });
    const faults = faultCounts(replay);
    const files = (faults.byKind['file'] ?? 0) * 10 >= faults.total && faults.total > 0;
    const shmem = (faults.byKind['shmem'] ?? 0) > 0;
    return {
      base: baselineOf(replay),
      traits: { shmem, advises, files },
      warnings: warningsOf(replay, replay),
      recorded: replay.tally.recorded,
    };
  }

  /** A thread that was not asked for the recording looks for itself. */
  #hiddenTouches(): Hidden {
    if (this.#hidden !== undefined) return this.#hidden;
    const options = this.#options([], this.#trace.meta.thpDisabled);
    const { hidden, ran } = findHidden(this.#trace, { ...options, samples: 0 });
    this.#reuse = ran.m;
    this.#hidden = hidden;
    return hidden;
  }

  /**
   * `least`: bytes that are in use at the peak under every setting, as far as is known; `expected`:
   * under this one.
   */
  run(candidate: Candidate, least = 0, expected = least): Outcome {
    const { name, settings } = candidate;
    const near = {
      censusFrom: Math.floor((least / PAGE_SIZE) * NEAR_PEAK),
      expected: expected / PAGE_SIZE,
    };
    const hidden = this.#hiddenTouches();
    const options = { ...this.#options(settings, false), ...near, hidden };
    const { replay, refused } = startReplay(this.#trace, options);
    this.#reuse = replay.m;
    if (refused.length === 0) runReplay(replay, options);
    const found = {
      name,
      settings,
      faults: faultCounts(replay),
      peak: peakMemory(replay),
      series: replay.peaks.series,
      refused,
    };
    // The machine goes on to be used: this comes last.
    const census = replay.peaks.census ?? censusAtPeak(this.#trace, options, replay);
    return { ...found, census };
  }
}
