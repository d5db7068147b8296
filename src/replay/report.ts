/** What a replay found, as plain data: sizes in bytes, times in nanoseconds. */
import { orderKb } from '../base/index.ts';
import type { Release } from '../mm/release_types.ts';
import { MTHP_ITEMS, MTHP_NAMES, VMSTAT_NAMES } from '../mm/vmstat.ts';
import {
  eventCount,
  type Trace,
  type TraceMeasured,
  type TraceNote,
  timesOf,
} from '../trace/index.ts';
import type { SettingWrite } from './boot.ts';
import type { Census } from './census.ts';
import { HiddenFinder } from './hidden.ts';
import type { Series } from './peaks.ts';
import { censusAtPeak, runReplay, startReplay } from './run.ts';
import type { Replay } from './state.ts';
import { KINDS, ORDERS } from './tally.ts';
import { warningsOf } from './warnings.ts';

export interface FaultCounts {
  readonly total: number;
  /** Of `total`, those of the kernel's own accesses. */
  readonly kernel: number;
  /** Of `total`, those that are carried over from the recording. */
  readonly carried: number;
  /** Accesses that were faults while recording and are none now. */
  readonly saved: number;
  /** Recorded twice, because the kernel tried twice: no faults of the program's. */
  readonly repeated: number;
  /** By order, of the faults of shared memory: those that found their folio there, and only mapped it. */
  readonly mapped: readonly number[];
  /** Accesses for which the machine had no memory left: more than 0 means that it is too small. */
  readonly noMemory: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** kind → faults by order of the folio that served them, 0 to 9. */
  readonly byOrder: Readonly<Record<string, readonly number[]>>;
}

export interface PeakMemory {
  /** Anonymous and shared memory at its largest, each frame once. */
  readonly memory: number;
  readonly anon: number;
  readonly shmem: number;
  /** Nanoseconds since the recording began. */
  readonly time: number;
  /** Largest resident set of any one process (ru_maxrss). */
  readonly rss: number;
}

export interface ProcessReport {
  readonly pid: number;
  readonly program: string;
  readonly faults: number;
  readonly rss: number;
}

/**
 * What getrusage() should say of the program under these settings: the recording's own numbers and
 * the model's difference. Null where the trace has none.
 */
export interface Predicted {
  readonly minflt: number;
  readonly maxrss: number;
}

export interface ReplayReport {
  readonly kernel: string;
  readonly settings: readonly SettingWrite[];
  readonly events: number;
  /** Faults in the trace. */
  readonly recorded: number;
  readonly measured: TraceMeasured | null;
  readonly predicted: Predicted | null;
  readonly faults: FaultCounts;
  readonly peak: PeakMemory;
  readonly census: Census;
  readonly series: Series;
  readonly processes: readonly ProcessReport[];
  readonly stats: Readonly<Record<string, number>>;
  readonly warnings: readonly TraceNote[];
}

export interface ReportOptions {
  readonly release: Release;
  readonly settings: readonly SettingWrite[];
  readonly samples: number;
}

export function faultCounts(r: Replay): FaultCounts {
  const { tally } = r;
  const byKind: Record<string, number> = {};
  const byOrder: Record<string, number[]> = {};
  KINDS.forEach((kind, i) => {
    byKind[kind] = tally.ofKind(i);
    byOrder[kind] = Array.from(tally.faults.subarray(i * ORDERS, (i + 1) * ORDERS));
  });
  return {
    total: tally.total(),
    kernel: tally.kernel,
    carried: tally.carried,
    saved: tally.saved,
    repeated: tally.repeated,
    mapped: Array.from(tally.mapped),
    noMemory: tally.noMemory,
    byKind,
    byOrder,
  };
}

export function peakMemory(r: Replay): PeakMemory {
  const { peaks, trace } = r;
  return {
    memory: peaks.memory * 4096,
    anon: peaks.anon * 4096,
    shmem: peaks.shmem * 4096,
    time: peaks.memory === 0 ? timesOf(trace).begin : peaks.time,
    rss: processList(r).reduce((most, p) => Math.max(most, p.rss), 0),
  };
}

/** By faults, most first. */
function processList(r: Replay): ProcessReport[] {
  const all = [...r.ended, ...r.processes.values()];
  return all
    .map(({ pid, image, minflt, peak }) => ({
      pid,
      program: r.trace.names[image] ?? '',
      faults: minflt,
      rss: peak * 4096,
    }))
    .sort((a, b) => b.faults - a.faults || a.pid - b.pid);
}

/** The machine's statistics files, those that are not 0. */
function statistics(r: Replay): Record<string, number> {
  const stats: Record<string, number> = {};
  const { vmstat, mthp } = r.m;
  VMSTAT_NAMES.forEach((name, i) => {
    if (name !== 'nr_free_pages' && vmstat[i] !== 0) stats[`vmstat ${name}`] = vmstat[i]!;
  });
  for (let order = 1; order < ORDERS; order++) {
    MTHP_NAMES.forEach((name, i) => {
      const value = mthp[order * MTHP_ITEMS + i]!;
      if (value !== 0) stats[`hugepages-${orderKb(order)}kB/stats/${name}`] = value;
    });
  }
  return stats;
}

/** The recording's own settings, replayed: what the model makes of what was measured. */
export interface Baseline {
  readonly faults: number;
  readonly rss: number;
  readonly memory: number;
}

export function baselineOf(r: Replay): Baseline {
  return { faults: r.tally.total(), rss: peakMemory(r).rss, memory: r.peaks.memory * 4096 };
}

export function predict(
  measured: TraceMeasured | null,
  base: Baseline,
  now: Baseline,
): Predicted | null {
  if (measured === null) return null;
  return {
    minflt: measured.minflt + now.faults - base.faults,
    maxrss: measured.maxrss + now.rss - base.rss,
  };
}

export interface Reported {
  readonly report: ReplayReport;
  readonly refused: readonly SettingWrite[];
}

export function replayReport(trace: Trace, options: ReportOptions): Reported {
  const { release, settings, samples } = options;
  const recorded = { release, settings: [], thpDisabled: trace.meta.thpDisabled };
  const first = startReplay(trace, recorded).replay;
  first.finder = new HiddenFinder();
  runReplay(first, recorded);
  const base = baselineOf(first);
  const how = { release, settings, samples, hidden: first.finder.found };
  const { replay, refused } = startReplay(trace, { ...how, reuse: first.m });
  if (refused.length === 0) runReplay(replay, how);
  const stats = statistics(replay);
  const faults = faultCounts(replay);
  const peak = peakMemory(replay);
  const report: ReplayReport = {
    kernel: release.name,
    settings,
    events: eventCount(trace),
    recorded: replay.tally.recorded,
    measured: trace.meta.measured,
    predicted: predict(trace.meta.measured, base, baselineOf(replay)),
    faults,
    peak,
    census: censusAtPeak(trace, how, replay),
    series: replay.peaks.series,
    processes: processList(replay),
    stats,
    warnings: warningsOf(replay, first),
  };
  return { report, refused };
}
