/**
 * The events of a trace, a window at a time. Of a trace that is held whole the window is all of it.
 * A larger one comes in parts, each decoded when it is due, into the same memory: what a replay
 * needs does not grow with the trace.
 */
import { copyEvents, type Events, growEvents, makeEvents } from './events.ts';
import type { Trace } from './meta.ts';
import { OP_EXEC, OP_MAP } from './ops.ts';

export interface EventParts {
  readonly rows: number;
  /** First row of each part, from 0 on. */
  readonly starts: readonly number[];
  /** Times of the first and of the last event. */
  readonly begin: number;
  readonly end: number;
  /** Decodes a part into the rows from `at` on of `out`, which has room for it. */
  read(part: number, out: Events, at: number): void;
}

export function eventCount(trace: Trace): number {
  return trace.parts?.rows ?? trace.events.rows;
}

/** Times of the first and of the last event; 0 without events. */
export function timesOf({ parts, events }: Trace): {
  readonly begin: number;
  readonly end: number;
} {
  if (parts !== undefined) return parts;
  const { time, rows } = events;
  return rows === 0 ? { begin: 0, end: 0 } : { begin: time[0]!, end: time[rows - 1]! };
}

function rowsOf({ starts, rows }: EventParts, part: number): number {
  return (starts[part + 1] ?? rows) - starts[part]!;
}

/** Gives all events to `take`, in order. */
export function scanEvents(trace: Trace, take: (events: Events) => void): void {
  const { parts } = trace;
  if (parts === undefined) {
    take(trace.events);
    return;
  }
  const events = makeEvents(0);
  for (let part = 0; part < parts.starts.length; part++) {
    const rows = rowsOf(parts, part);
    events.rows = 0;
    growEvents(events, rows);
    parts.read(part, events, 0);
    events.rows = rows;
    take(events);
  }
}

/** Rows before an exec whose image the window may cut. */
function rowsWhole({ op, rows }: Events): number {
  let at = rows;
  while (at > 0 && op[at - 1] === OP_MAP) at--;
  return at > 0 && op[at - 1] === OP_EXEC ? at - 1 : rows;
}

export class EventWindow {
  readonly events: Events;
  /** Row of the trace that is row 0 of `events`. */
  first = 0;
  /** Row of the trace behind the last one to be executed here; `events` may have a few more. */
  end = 0;
  readonly #parts: EventParts | undefined;
  #next = 0;

  constructor({ events, parts }: Trace) {
    this.#parts = parts;
    this.events = parts === undefined ? events : makeEvents(0);
    if (parts === undefined) this.end = events.rows;
  }

  /** Moves on to the events behind `end`, which must be there. Columns may be new arrays. */
  advance(): void {
    const { events } = this;
    const parts = this.#parts!;
    const kept = this.first + events.rows - this.end;
    const added = rowsOf(parts, this.#next);
    copyEvents(events, events.rows - kept, events.rows, events, 0);
    events.rows = kept;
    growEvents(events, kept + added);
    parts.read(this.#next++, events, kept);
    events.rows = kept + added;
    this.first = this.end;
    const isLast = this.#next === parts.starts.length;
    this.end += isLast ? events.rows : rowsWhole(events);
  }
}
