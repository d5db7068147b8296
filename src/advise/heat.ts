/**
 * Where and when memory was touched first: bins of address × time. Address spaces are mostly
 * holes; only runs of memory that were touched are laid out, one above the other.
 */
import { type Events, OP_TOUCH, scanEvents, type Trace, timesOf } from '../trace/index.ts';

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

/** Touched pages of a stretch of HOLE pages: no hole inside it separates two bands. */
interface Block {
  first: number;
  last: number;
  touches: number;
}

type Blocks = Map<number, Map<number, Block>>;

function addBlocks(byPid: Blocks, { op, pid, vpn, rows }: Events): void {
  let blocks = new Map<number, Block>();
  let lastPid = -1;
  let block: Block | undefined;
  let lastNumber = -1;
  for (let i = 0; i < rows; i++) {
    if (op[i] !== OP_TOUCH) continue;
    const page = vpn[i]!;
    const number = Math.floor(page / HOLE);
    if (pid[i] !== lastPid) {
      lastPid = pid[i]!;
      lastNumber = -1;
      blocks = byPid.get(lastPid) ?? new Map<number, Block>();
      byPid.set(lastPid, blocks);
    }
    if (number !== lastNumber) {
      lastNumber = number;
      block = blocks.get(number);
      if (block === undefined) {
        block = { first: page, last: page, touches: 0 };
        blocks.set(number, block);
      }
    }
    if (page < block!.first) block!.first = page;
    if (page > block!.last) block!.last = page;
    block!.touches++;
  }
}

function touchedRuns(trace: Trace): Run[] {
  const runs: Run[] = [];
  const byPid: Blocks = new Map();
  scanEvents(trace, (events) => addBlocks(byPid, events));
  for (const [pid, blocks] of byPid) {
    let run: Run | undefined;
    for (const { first, last, touches } of [...blocks.values()].sort((a, b) => a.first - b.first)) {
      if (run !== undefined && first - run.end < HOLE) {
        run.end = last + 1;
        run.touches += touches;
      } else {
        run = { pid, start: first, end: last + 1, touches };
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

/** Counts the touches of these events into `counts`, by row and column of the map. */
function countTouches(
  counts: Float64Array,
  bands: readonly HeatBand[],
  { op, pid, vpn, time, rows }: Events,
  from: number,
  span: number,
): void {
  for (let i = 0; i < rows; i++) {
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
}

export function heatMap(trace: Trace): HeatMap {
  const bands = bandsOf(touchedRuns(trace));
  const height = bands.reduce((sum, band) => sum + band.rows, 0);
  const { begin: from, end: to } = timesOf(trace);
  const span = Math.max(1, to - from);
  const counts = new Float64Array(height * COLUMNS);
  scanEvents(trace, (events) => countTouches(counts, bands, events, from, span));
  const cells: [number, number, number][] = [];
  counts.forEach((count, i) => {
    if (count > 0) cells.push([Math.floor(i / COLUMNS), i % COLUMNS, count]);
  });
  return { columns: COLUMNS, rows: height, from, to, bands, cells };
}
