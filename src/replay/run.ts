/** Executes a trace on a modelled machine. */
import { assert } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { DEFAULT_KERNEL, findKernel } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';
import {
  eventCount,
  OP_BRK,
  OP_EXEC,
  OP_EXIT,
  OP_FALLOCATE,
  OP_FORK,
  OP_FTRUNCATE,
  OP_MADVISE,
  OP_MAP,
  OP_MLOCK,
  OP_MLOCKALL,
  OP_MMAP,
  OP_MPROTECT,
  OP_MREMAP,
  OP_MUNLOCK,
  OP_MUNLOCKALL,
  OP_MUNMAP,
  OP_PRCTL,
  OP_PRESENT,
  OP_SHMAT,
  OP_SHMCTL,
  OP_SHMDT,
  OP_SHMGET,
  OP_TOUCH,
  type Trace,
  timesOf,
} from '../trace/index.ts';
import { attachMapping, makePresent } from './attach.ts';
import { bootFor, placementOf, type SettingWrite } from './boot.ts';
import * as calls from './calls.ts';
import { type Census, takeCensus } from './census.ts';
import { FileBook } from './file_book.ts';
import { type Hidden, HiddenFinder, mayHide, NOTHING_HIDDEN } from './hidden.ts';
import { Peaks } from './peaks.ts';
import { exec, exit, fork, processOf } from './processes.ts';
import { type Process, Replay } from './state.ts';
import { prctl } from './thp_prctl.ts';
import { touch, touchHidden } from './touch.ts';

export interface ReplayOptions {
  readonly release: Release;
  /** Written on top of the recording's settings. */
  readonly settings: readonly SettingWrite[];
  /** As while recording: THP off for every process, whatever the settings say. */
  readonly thpDisabled?: boolean;
  /** Samples over the time of the recording; 0 = none. */
  readonly samples?: number;
  /** Take censuses on the way, near the peak: from so many pages in use on. */
  readonly censusFrom?: number;
  /** Pages that will be in use at the peak, at least, as far as is known: see Peaks. */
  readonly expected?: number;
  /** Stop before this row. */
  readonly until?: number;
  /** What a replay under the recording's settings found (`Replay.finder`). */
  readonly hidden?: Hidden;
  /** A machine of equal size that is used no more. */
  readonly reuse?: Machine;
}

/** A replay that has run; `refused` settings were not written. */
export interface Replayed {
  readonly replay: Replay;
  readonly refused: readonly SettingWrite[];
}

export function startReplay(trace: Trace, options: ReplayOptions): Replayed {
  const { meta } = trace;
  const { release, settings } = options;
  const { kernel, refused } = bootFor(meta, release, settings, options.reuse);
  const { m } = kernel;
  const then = recordedMachine(trace, release);
  const replay = new Replay(
    trace,
    kernel,
    new FileBook(trace, kernel.state),
    new Peaks(options.censusFrom, options.expected),
    {
      recordedPlaces: placementOf(m.settings) === then.placement,
      thpDisabled: options.thpDisabled === true,
      sameFaultAround: m.settings.faultAroundPages <= then.faultAround,
    },
  );
  if (options.hidden !== undefined) replay.hidden = options.hidden;
  return { replay, refused };
}

/** What the recording hides, by a replay under its own settings; `ran` is that replay. */
export function findHidden(trace: Trace, options: ReplayOptions): { hidden: Hidden; ran: Replay } {
  const { replay } = startReplay(trace, options);
  if (!mayHide(trace, replay.files)) return { hidden: NOTHING_HIDDEN, ran: replay };
  const finder = new HiddenFinder();
  replay.finder = finder;
  runReplay(replay, options);
  return { hidden: finder.found, ran: replay };
}

interface Recorded {
  readonly placement: string;
  readonly faultAround: number;
}

const recordedMachines = new WeakMap<Trace, Recorded>();

/** What the recording's own settings come to: asked of a machine once for each trace. */
function recordedMachine(trace: Trace, release: Release): Recorded {
  const known = recordedMachines.get(trace);
  if (known !== undefined) return known;
  const small = { ...trace.meta, machine: { ...trace.meta.machine, memory: 1 } };
  const { m } = bootFor(small, release, []).kernel;
  const found = {
    placement: placementOf(m.settings),
    faultAround: m.settings.faultAroundPages,
  };
  recordedMachines.set(trace, found);
  return found;
}

/** Runs the events: all, with samples at the end of equal parts of their time, or those before `until`. */
export function runReplay(r: Replay, options: ReplayOptions): void {
  const count = eventCount(r.trace);
  const rows = Math.min(options.until ?? count, count);
  const { begin, end } = timesOf(r.trace);
  const samples = options.samples ?? 0;
  for (let i = 1; i <= samples; i++) {
    const time = begin + ((end - begin) * i) / samples;
    if (i === samples) runTo(r, rows);
    else if (begin === end) runTo(r, Math.floor((rows * i) / samples));
    else runUntil(r, time, rows);
    r.peaks.sample(r, time);
  }
  runTo(r, rows);
  for (const process of r.processes.values()) r.peaks.note(r, process, rows - r.window.first);
}

/** Runs the events before row `to` of the trace. */
function runTo(r: Replay, to: number): void {
  while (r.next < to) {
    if (r.next === r.window.end) r.window.advance();
    const { first, end } = r.window;
    const stop = Math.min(to, end);
    runRows(r, r.next - first, stop - first);
    r.next = stop;
  }
}

/** Runs the events up to a time, and not beyond row `most`. */
function runUntil(r: Replay, time: number, most: number): void {
  while (r.next < most) {
    if (r.next === r.window.end) r.window.advance();
    const { first, end } = r.window;
    const stop = Math.min(most, end);
    const row = first + firstLater(r.events.time, time, r.next - first, stop - first);
    runTo(r, row);
    if (row < stop) return;
  }
}

/** The first of the rows [from, to) whose time is above `time`, or `to`. */
function firstLater(times: Float64Array, time: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (times[mid]! <= time) low = mid + 1;
    else high = mid;
  }
  return low;
}

function runRows(r: Replay, from: number, to: number): void {
  const { op, pid } = r.events;
  const { first } = r.window;
  let process: Process | undefined;
  for (let i = from; i < to; i++) {
    if (process === undefined || process.pid !== pid[i]!) process = processOf(r, pid[i]!);
    if (op[i] === OP_TOUCH) {
      if (r.finder !== undefined) r.row = first + i;
      touch(r, process, i);
      if (first + i === r.hidden.row[r.hiddenNext]) touchHidden(r, process, first + i);
      continue;
    }
    runEvent(r, process, i);
    // It may have ended, or begun anew.
    process = undefined;
  }
}

function runEvent(r: Replay, process: Process, i: number): void {
  const e = r.events;
  switch (e.op[i]) {
    case OP_MMAP:
      calls.mmap(r, process, i);
      break;
    case OP_MUNMAP:
      calls.munmap(r, process, i);
      break;
    case OP_MREMAP:
      calls.mremap(r, process, i);
      break;
    case OP_MPROTECT:
      calls.mprotect(r, process, i);
      break;
    case OP_MADVISE:
      calls.madvise(r, process, i);
      break;
    case OP_BRK:
      calls.brk(r, process, i);
      break;
    case OP_MLOCK:
      calls.mlock(r, process, i);
      break;
    case OP_MUNLOCK:
      calls.munlock(r, process, i);
      break;
    case OP_MLOCKALL:
      calls.mlockall(r, process, i);
      break;
    case OP_MUNLOCKALL:
      calls.munlockall(r, process, i);
      break;
    case OP_SHMGET:
      calls.shm(r, process, 'shmget', i);
      break;
    case OP_SHMAT:
      calls.shm(r, process, 'shmat', i);
      break;
    case OP_SHMDT:
      calls.shm(r, process, 'shmdt', i);
      break;
    case OP_SHMCTL:
      calls.shm(r, process, 'shmctl', i);
      break;
    case OP_FTRUNCATE:
      calls.ftruncate(r, process, i);
      break;
    case OP_FALLOCATE:
      calls.fallocate(r, process, i);
      break;
    case OP_PRCTL:
      prctl(r, process, i);
      break;
    case OP_FORK:
      fork(r, process, e.result[i]!, e.arg2[i]!);
      break;
    case OP_EXEC:
      exec(r, process, i);
      break;
    case OP_EXIT:
      exit(r, process, i);
      break;
    case OP_MAP:
      attachMapping(r, process, i);
      break;
    case OP_PRESENT:
      makePresent(r, process, i);
      break;
    default:
      break;
  }
}

/**
 * The state at the row before which most memory was in use, or the last census was left out: the
 * trace runs once more, up to it.
 */
export function censusAtPeak(trace: Trace, options: ReplayOptions, done: Replay): Census {
  const { censusFrom: _, ...rest } = options;
  const { replay } = startReplay(trace, { ...rest, reuse: done.m });
  runReplay(replay, { ...rest, until: done.peaks.censusRow, samples: 0 });
  return takeCensus(replay.m);
}

/** The kernel of this name, which is modelled; without a name, the newest. */
export function releaseNamed(name: string = DEFAULT_KERNEL): Release {
  const release = findKernel(name);
  assert(release !== undefined, 'a kernel that is asked for by name is modelled');
  return release;
}
