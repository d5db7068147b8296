/** What the parts of the perf importer share: the line at hand, the clock, and where rows go. */
import { TraceBuilder } from '../trace/index.ts';
import { FileNames } from './file_names.ts';
import type { ImportReport } from './importer.ts';
import type { CallRow } from './perf_calls.ts';
import type { PerfHead } from './perf_line.ts';

export class PerfLog {
  readonly builder = new TraceBuilder();
  readonly files = new FileNames();
  readonly report: ImportReport;
  readonly head: PerfHead = { pid: 0, tid: 0, seconds: 0, nanoseconds: 0, event: '', rest: 0 };
  #baseSeconds = -1;
  #baseNanoseconds = 0;
  #time = 0;

  constructor(report: ImportReport) {
    this.report = report;
  }

  /** Seconds on perf's clock at time 0. */
  get origin(): number {
    return this.#baseSeconds + this.#baseNanoseconds / 1e9;
  }

  /** The line is of what was there before the recording began: perf gives it no time. */
  get isEarly(): boolean {
    return this.head.seconds === 0 && this.head.nanoseconds === 0;
  }

  /** The time of the line at hand; it never falls. */
  now(): number {
    const { seconds, nanoseconds } = this.head;
    if (this.#baseSeconds < 0) {
      this.#baseSeconds = seconds;
      this.#baseNanoseconds = nanoseconds;
    }
    const time = (seconds - this.#baseSeconds) * 1e9 + nanoseconds - this.#baseNanoseconds;
    if (time > this.#time) this.#time = time;
    return this.#time;
  }

  call(pid: number, tid: number, row: CallRow): void {
    const { builder } = this;
    const { op, address, length = 0, arg = 0, arg2 = 0, pgoff = 0, name = '', result } = row;
    const vpn = address?.vpn ?? 0;
    const at = builder.add(this.now(), pid, tid, op, vpn, address?.offset ?? 0, length);
    builder.detail(at, arg, arg2, pgoff, builder.name(name), result);
  }
}
