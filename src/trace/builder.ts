/** A trace that grows: rows are appended, names become numbers. */
import { type Events, growEvents, makeEvents, trimEvents } from './events.ts';
import type { Trace, TraceMeta } from './meta.ts';
import { OP_TOUCH } from './ops.ts';

const FIRST_ROWS = 4096;

export class TraceBuilder {
  readonly events: Events;
  readonly names: string[] = [''];
  readonly #rows = new Map<string, number>([['', 0]]);

  constructor(capacity = FIRST_ROWS) {
    this.events = makeEvents(capacity);
  }

  get rows(): number {
    return this.events.rows;
  }

  /** The number of a name; '' is 0. */
  name(text: string): number {
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const row = this.names.length;
    this.names.push(text);
    this.#rows.set(text, row);
    return row;
  }

  /** Appends a row with its first columns; the caller sets the others. The row's number. */
  add(time: number, pid: number, tid: number, op: number, vpn = 0, offset = 0, length = 0): number {
    const { events } = this;
    const row = events.rows;
    if (row === events.time.length) growEvents(events, row * 2);
    events.time[row] = time;
    events.pid[row] = pid;
    events.tid[row] = tid;
    events.op[row] = op;
    events.vpn[row] = vpn;
    events.offset[row] = offset;
    events.length[row] = length;
    events.arg[row] = 0;
    events.arg2[row] = 0;
    events.pgoff[row] = 0;
    events.name[row] = 0;
    events.result[row] = 0;
    events.rows = row + 1;
    return row;
  }

  /** The last columns of a row. */
  detail(
    row: number,
    arg: number,
    arg2: number,
    pgoff: number,
    name: number,
    result: number,
  ): void {
    const { events } = this;
    events.arg[row] = arg;
    events.arg2[row] = arg2;
    events.pgoff[row] = pgoff;
    events.name[row] = name;
    events.result[row] = result;
  }

  /** An access of one byte, or the fault that it took. */
  touch(
    time: number,
    pid: number,
    tid: number,
    vpn: number,
    offset: number,
    access: number,
    fault: number,
  ): void {
    const row = this.add(time, pid, tid, OP_TOUCH, vpn, offset, 1);
    this.events.arg[row] = access;
    this.events.arg2[row] = fault;
  }

  /** Forgets the rows, keeps the names: for writers that flush. */
  clear(): void {
    this.events.rows = 0;
  }

  finish(meta: TraceMeta): Trace {
    return { meta, names: this.names, events: trimEvents(this.events) };
  }
}
