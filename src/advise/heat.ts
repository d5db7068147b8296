/**
 * Where and when memory was touched first: bins of address × time. Address spaces are mostly
 * holes; only runs of memory that were touched are laid out, one above the other.
 */
import { OP_TOUCH, type Trace } from '../trace/index.ts';

/** A run of touched memory of one process: row `first` of the map begins at page `start`. */
export interface HeatBand {
  readonly pid: number;
  readonly start: number;
  readonly pages: number;
  /** Rows of the map. */
  readonly first: number;
  readonly rows: number;
}

export interface HeatMap {
  readonly columns: number;
  readonly rows: number;
  /** Nanoseconds at the first column's begin and the last one's end. */
  readonly from: number;
  readonly to: number;
  readonly bands: readonly HeatBand[];
  /** [row, column, touches], where there are any. */
  readonly cells: readonly (readonly [row: number, column: number, touches: number])[];
}

const COLUMNS = 120;
const ROWS = 64;
/** A hole of this many pages separates two bands. */
const HOLE = 4096;
const BANDS_SHOWN = 12;

interface Run {
  pid: number;
  start: number;
  end: number;
  touches: number;
}

/** Touches as one number each that sorts by process, then page: exact below 2^53. */
function touchedRuns(trace: Trace): Run[] {
  const { op, pid, vpn, rows } = trace.events;
  const byPid = new Map<number, number[]>();
  let list: number[] = [];
  let last = -1;
  for (let i = 0; i < rows; i++) {
    if (op[i] !== OP_TOUCH) continue;
    if (pid[i] !== last) {
      last = pid[i]!;
      list = byPid.get(last) ?? [];
      byPid.set(last, list);
    }
    list.push(vpn[i]!);
  }
  const runs: Run[] = [];
  for (const [owner, pages] of byPid) {
    const sorted = Float64Array.from(pages).sort();
    let run: Run | undefined;
    for (const page of sorted) {
      if (run !== undefined && page - run.end < HOLE) {
        run.end = page + 1;
        run.touches++;
      } else {
        run = { pid: owner, start: page, end: page + 1, touches: 1 };
        runs.push(run);
      }
    }
  }
  return runs;
}

/** The runs with most touches, each with rows by its share of the pages, at least one. */
function bandsOf(runs: readonly Run[]): HeatBand[] {
  const shown = [...runs].sort((a, b) => b.touches - a.touches).slice(0, BANDS_SHOWN);
  shown.sort((a, b) => a.pid - b.pid || a.start - b.start);
  const total = shown.reduce((sum, run) => sum + (run.end - run.start), 0);
  const bands: HeatBand[] = [];
  let first = 0;
  for (const { pid, start, end } of shown) {
    const rows = Math.max(1, Math.round((ROWS * (end - start)) / total));
    bands.push({ pid, start, pages: end - start, first, rows });
    first += rows;
  }
  return bands;
}

export function heatMap(trace: Trace): HeatMap {
  const { op, pid, vpn, time, rows: n } = trace.events;
  const bands = bandsOf(touchedRuns(trace));
  const height = bands.reduce((sum, band) => sum + band.rows, 0);
  const from = n === 0 ? 0 : time[0]!;
  const to = n === 0 ? 0 : time[n - 1]!;
  const span = Math.max(1, to - from);
  const counts = new Float64Array(height * COLUMNS);
  for (let i = 0; i < n; i++) {
    if (op[i] !== OP_TOUCH) continue;
    const at = vpn[i]!;
    for (const band of bands) {
      if (band.pid !== pid[i] || at < band.start || at >= band.start + band.pages) continue;
      const row = band.first + Math.floor(((at - band.start) * band.rows) / band.pages);
      const column = Math.min(COLUMNS - 1, Math.floor(((time[i]! - from) * COLUMNS) / span));
      counts[row * COLUMNS + column]! += 1;
      break;
    }
  }
  const cells: [number, number, number][] = [];
  counts.forEach((count, i) => {
    if (count > 0) cells.push([Math.floor(i / COLUMNS), i % COLUMNS, count]);
  });
  return { columns: COLUMNS, rows: height, from, to, bands, cells };
}
