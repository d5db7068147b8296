/**
 * How much memory is in use: the largest amounts, and samples over the time of the recording.
 * Memory only becomes less in a few calls, so that looking before each of them, and at the end,
 * gives the exact peak.
 */
import type { MmRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  NR_ANON_THPS,
  NR_FILE_PAGES,
  NR_FREE_PAGES,
  NR_SHMEM,
  NR_SHMEM_PMDMAPPED,
} from '../mm/vmstat.ts';
import { type Census, takeCensus } from './census.ts';
import type { Process, Replay } from './state.ts';

/** Pages in frames of anonymous memory: mapped, or part of a folio of which some page is. */
export function anonFrames(m: Machine): number {
  const v = m.vmstat;
  return m.pages - 2 - v[NR_FREE_PAGES]! - v[NR_FILE_PAGES]!;
}

/** Pages that the programs cost: anonymous memory and shared memory, each frame once. */
export function memoryInUse(m: Machine): number {
  return anonFrames(m) + m.vmstat[NR_SHMEM]!;
}

export function rssOf(m: Machine, mm: MmRow): number {
  return m.mm.rssAnon[mm]! + m.mm.rssFile[mm]! + m.mm.rssShmem[mm]!;
}

/** One line a sample; all columns are equally long. Sizes are bytes. */
export interface Series {
  /** Nanoseconds since the recording began. */
  readonly time: number[];
  readonly anon: number[];
  readonly shmem: number[];
  /** Pages of files that some process maps, each process by itself. */
  readonly file: number[];
  /** Part of anon and shmem that is mapped by PMDs. */
  readonly huge: number[];
  /** Faults up to here. */
  readonly faults: number[];
}

/** A census is taken again when memory has grown by this much since the last one. */
const CENSUS_GROWTH = 1.05;

export class Peaks {
  /** Pages, the row before which they were in use, and its time. */
  memory = 0;
  row = 0;
  time = 0;
  anon = 0;
  shmem = 0;
  #census: Census | undefined;
  /** Row before which the last census was due, if it was left out, else -1. */
  #leftOut = -1;
  /** Pages in use from which the next census is due. */
  #censusFrom: number;
  /** Pages that will be in use at the peak, at least, as far as is known. */
  readonly #expected: number;
  readonly series: Series = { time: [], anon: [], shmem: [], file: [], huge: [], faults: [] };

  /**
   * Censuses are taken on the way from `censusFrom` pages on; undefined: none. Only the last counts:
   * one that another will follow, if the peak is as high as `expected`, is left out.
   */
  constructor(censusFrom: number | undefined, expected: number | undefined) {
    this.#censusFrom = censusFrom ?? Number.POSITIVE_INFINITY;
    this.#expected = expected ?? 0;
  }

  /**
   * What the memory looked like when it was within CENSUS_GROWTH of its largest, where a second run
   * up to the peak would be too dear; undefined when it was never so large, or where the peak was
   * lower than expected.
   */
  get census(): Census | undefined {
    return this.#leftOut < 0 ? this.#census : undefined;
  }

  /** The row before which a second run has to stop, where there is no census. */
  get censusRow(): number {
    return this.#leftOut < 0 ? this.row : this.#leftOut;
  }

  /** To be called before memory of `process` may become less, by the event of `row`. */
  note(r: Replay, process: Process, row: number): void {
    const { m } = r;
    const rss = rssOf(m, m.task.mm[process.task]!);
    if (rss > process.peak) process.peak = rss;
    const used = memoryInUse(m);
    if (used <= this.memory) return;
    const { time, rows } = r.events;
    this.memory = used;
    this.row = r.window.first + row;
    this.time = rows === 0 ? 0 : time[Math.min(row, rows - 1)]!;
    this.shmem = m.vmstat[NR_SHMEM]!;
    this.anon = used - this.shmem;
    if (used < this.#censusFrom) return;
    this.#censusFrom = used * CENSUS_GROWTH;
    this.#leftOut = this.#censusFrom <= this.#expected ? this.row : -1;
    if (this.#leftOut < 0) this.#census = takeCensus(m);
  }

  sample(r: Replay, time: number): void {
    const { m } = r;
    const { series } = this;
    let file = 0;
    for (let mm = 1; mm < m.mm.used; mm++) file += m.mm.rssFile[mm]!;
    series.time.push(time);
    series.anon.push(anonFrames(m) * 4096);
    series.shmem.push(m.vmstat[NR_SHMEM]! * 4096);
    series.file.push(file * 4096);
    series.huge.push((m.vmstat[NR_ANON_THPS]! + m.vmstat[NR_SHMEM_PMDMAPPED]!) * 512 * 4096);
    series.faults.push(r.tally.total());
  }
}
