/**
 * A trace that is too large to be held decoded: what is held of it is the names and where its row
 * groups lie. Whoever replays it opens the file by itself, and decodes the groups one by one.
 */
import {
  type EventParts,
  type Events,
  makeEvents,
  type Trace,
  type TraceMeta,
} from '../trace/index.ts';
import { traceChanged } from './codes.ts';
import {
  NameTable,
  type OpenTrace,
  openTrace,
  type ReadTrace,
  readGroup,
  readTrace,
  rowsOf,
  scanTrace,
  stampOf,
} from './trace_reader.ts';

/** Events that are held: half a gigabyte. */
const HELD_MOST = 8_000_000;

/** Plain data, which goes between threads. */
export interface PartedTrace {
  readonly path: string;
  /** See stampOf. */
  readonly stamp: string;
  readonly meta: TraceMeta;
  readonly names: readonly string[];
  /** As EventParts has them. */
  readonly rows: number;
  readonly starts: readonly number[];
  readonly begin: number;
  readonly end: number;
}

class FileParts implements EventParts {
  readonly parted: PartedTrace;
  readonly rows: number;
  readonly starts: readonly number[];
  readonly begin: number;
  readonly end: number;
  readonly #open: OpenTrace;
  readonly #names = new NameTable();

  constructor(parted: PartedTrace, open: OpenTrace) {
    this.parted = parted;
    this.rows = parted.rows;
    this.starts = parted.starts;
    this.begin = parted.begin;
    this.end = parted.end;
    this.#open = open;
    parted.names.forEach(this.#names.place);
  }

  read(part: number, out: Events, at: number): void {
    const { path, stamp } = this.parted;
    const isSame = readGroup(this.#open, part, out, at, this.#names);
    if (!isSame || stampOf(this.#open.fd) !== stamp) throw traceChanged(path);
  }
}

/** Opens the file until the thread ends. Throws InputChanged when it is another by now. */
export function joinParts(parted: PartedTrace): Trace {
  const { open } = openTrace(parted.path);
  if (open === undefined || stampOf(open.fd) !== parted.stamp) throw traceChanged(parted.path);
  const { meta, names } = parted;
  return { meta, names: [...names], events: makeEvents(0), parts: new FileParts(parted, open) };
}

/** What another thread makes the trace of, if it comes in parts. */
export function partedOf({ parts }: Trace): PartedTrace | undefined {
  return parts instanceof FileParts ? parts.parted : undefined;
}

/** The trace for a replay: whole in memory up to `held` events, else in parts. */
export async function openForReplay(
  path: string,
  shared = false,
  held = HELD_MOST,
): Promise<ReadTrace> {
  if (rowsOf(path) <= held) return await readTrace(path, shared);
  const starts: number[] = [];
  let names: readonly string[] = [];
  let rows = 0;
  let begin = 0;
  let end = 0;
  const { meta, stamp, diagnostics } = await scanTrace(path, (events, found) => {
    if (rows === 0) begin = events.time[0]!;
    starts.push(rows);
    rows += events.rows;
    end = events.time[events.rows - 1]!;
    names = found;
  });
  if (meta === undefined) return { trace: undefined, diagnostics };
  const parted = { path, stamp, meta, names, rows, starts, begin, end };
  return { trace: joinParts(parted), diagnostics };
}
