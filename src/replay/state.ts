/** What a replay keeps beside the modelled machine. */
import type { TaskRow, Vpn } from '../base/index.ts';
import type { Kernel, KernelState } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { type Events, EventWindow, type Trace } from '../trace/index.ts';
import type { AddressMap } from './address_map.ts';
import type { FileBook } from './file_book.ts';
import { type Hidden, type HiddenFinder, NOTHING_HIDDEN } from './hidden.ts';
import type { Peaks } from './peaks.ts';
import { Tally } from './tally.ts';

/** A recorded process: its threads share it, and a vfork()ed child has its parent's `addresses`. */
export interface Process {
  readonly pid: number;
  readonly task: TaskRow;
  addresses: AddressMap;
  /** Row in the trace's names of the program that it runs; 0 before the first exec. */
  image: number;
  /** An exec was seen: what comes before belongs to whoever started the recording. */
  execed: boolean;
  minflt: number;
  majflt: number;
  /** Largest resident set, pages. */
  peak: number;
  /** Page of the last access, if the kernel's own took a fault there; else -1. */
  kernelVpn: Vpn;
}

export interface Warning {
  readonly code: string;
  readonly text: string;
}

export class Replay {
  readonly trace: Trace;
  /** The events under way: rows of `events` are counted from the window's first. */
  readonly window: EventWindow;
  readonly events: Events;
  /** Row of the trace that is next. */
  next = 0;
  readonly kernel: Kernel;
  readonly m: Machine;
  readonly k: KernelState;
  readonly files: FileBook;
  readonly peaks: Peaks;
  readonly tally = new Tally();
  readonly processes = new Map<number, Process>();
  /** Processes that have ended, for the report. */
  readonly ended: Process[] = [];
  /** Mappings go where they were recorded: the settings that place them are the recording's. */
  readonly recordedPlaces: boolean;
  /** THP is off for every process, as while recording. */
  readonly thpDisabled: boolean;
  /** fault_around_bytes is what it was while recording. */
  readonly sameFaultAround: boolean;
  /** Watches, in the replay under the recording's own settings, and nowhere else. */
  finder: HiddenFinder | undefined;
  /** What the recording mapped without an event: `hiddenNext` comes next. */
  hidden: Hidden = NOTHING_HIDDEN;
  hiddenNext = 0;
  /** Row of the event that is executed in its trace, kept for the finder. */
  row = 0;
  /** Counts of warnings by code. */
  readonly troubles = new Map<string, number>();

  constructor(
    trace: Trace,
    kernel: Kernel,
    files: FileBook,
    peaks: Peaks,
    how: { recordedPlaces: boolean; thpDisabled: boolean; sameFaultAround: boolean },
  ) {
    this.trace = trace;
    this.window = new EventWindow(trace);
    this.events = this.window.events;
    this.kernel = kernel;
    this.m = kernel.m;
    this.k = kernel.state;
    this.files = files;
    this.peaks = peaks;
    this.recordedPlaces = how.recordedPlaces;
    this.thpDisabled = how.thpDisabled;
    this.sameFaultAround = how.sameFaultAround;
  }

  trouble(code: string): void {
    this.troubles.set(code, (this.troubles.get(code) ?? 0) + 1);
  }
}
