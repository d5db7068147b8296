/**
 * Events as struct of arrays: one row an event, in the order of time. Unlike the model's tables a
 * row 0 is an event like every other; `name` 0 means none.
 *
 * | column  | type | unit                                          |
 * | ------- | ---- | --------------------------------------------- |
 * | time    | f64  | ns since the recording began, never falling   |
 * | pid     | i32  | process                                       |
 * | tid     | i32  | thread                                        |
 * | op      | u8   | OP_*                                          |
 * | vpn     | f64  | page number of the address, exact below 2^52  |
 * | offset  | u16  | byte in that page                             |
 * | length  | f64  | bytes                                         |
 * | arg     | i32  | by op                                         |
 * | arg2    | i32  | by op                                         |
 * | pgoff   | f64  | pages from the file's start                   |
 * | name    | i32  | row of the trace's `names`                    |
 * | result  | f64  | page number, value or -errno                  |
 */
export interface Events {
  /** Rows in use; the columns may be longer. */
  rows: number;
  time: Float64Array;
  pid: Int32Array;
  tid: Int32Array;
  op: Uint8Array;
  vpn: Float64Array;
  offset: Uint16Array;
  length: Float64Array;
  arg: Int32Array;
  arg2: Int32Array;
  pgoff: Float64Array;
  name: Int32Array;
  result: Float64Array;
}

export type EventColumn = Exclude<keyof Events, 'rows'>;

/** In the order in which a file has them. */
export const EVENT_COLUMNS: readonly EventColumn[] = [
  'time',
  'pid',
  'tid',
  'op',
  'vpn',
  'offset',
  'length',
  'arg',
  'arg2',
  'pgoff',
  'name',
  'result',
];

function eventsIn(rows: number, room: (bytes: number) => ArrayBufferLike): Events {
  return {
    rows: 0,
    time: new Float64Array(room(rows * 8)),
    pid: new Int32Array(room(rows * 4)),
    tid: new Int32Array(room(rows * 4)),
    op: new Uint8Array(room(rows)),
    vpn: new Float64Array(room(rows * 8)),
    offset: new Uint16Array(room(rows * 2)),
    length: new Float64Array(room(rows * 8)),
    arg: new Int32Array(room(rows * 4)),
    arg2: new Int32Array(room(rows * 4)),
    pgoff: new Float64Array(room(rows * 8)),
    name: new Int32Array(room(rows * 4)),
    result: new Float64Array(room(rows * 8)),
  };
}

export function makeEvents(capacity: number): Events {
  return eventsIn(capacity, (bytes) => new ArrayBuffer(bytes));
}

/** The same in memory that threads can share. */
export function makeSharedEvents(capacity: number): Events {
  return eventsIn(capacity, (bytes) => new SharedArrayBuffer(bytes));
}

/** Makes room for at least `capacity` rows; the columns are new arrays afterwards. */
export function growEvents(events: Events, capacity: number): void {
  if (capacity <= events.time.length) return;
  const grown = makeEvents(Math.max(capacity, events.time.length * 2, 1024));
  copyEvents(events, 0, events.rows, grown, 0);
  grown.rows = events.rows;
  Object.assign(events, grown);
}

/** Rows [from, to) of `source` become rows `at`… of `target`, which has room for them. */
export function copyEvents(
  source: Events,
  from: number,
  to: number,
  target: Events,
  at: number,
): void {
  target.time.set(source.time.subarray(from, to), at);
  target.pid.set(source.pid.subarray(from, to), at);
  target.tid.set(source.tid.subarray(from, to), at);
  target.op.set(source.op.subarray(from, to), at);
  target.vpn.set(source.vpn.subarray(from, to), at);
  target.offset.set(source.offset.subarray(from, to), at);
  target.length.set(source.length.subarray(from, to), at);
  target.arg.set(source.arg.subarray(from, to), at);
  target.arg2.set(source.arg2.subarray(from, to), at);
  target.pgoff.set(source.pgoff.subarray(from, to), at);
  target.name.set(source.name.subarray(from, to), at);
  target.result.set(source.result.subarray(from, to), at);
}

/** Views of the rows in use: what `rows` says is then the columns' length too. */
export function trimEvents(events: Events): Events {
  const { rows } = events;
  return {
    rows,
    time: events.time.subarray(0, rows),
    pid: events.pid.subarray(0, rows),
    tid: events.tid.subarray(0, rows),
    op: events.op.subarray(0, rows),
    vpn: events.vpn.subarray(0, rows),
    offset: events.offset.subarray(0, rows),
    length: events.length.subarray(0, rows),
    arg: events.arg.subarray(0, rows),
    arg2: events.arg2.subarray(0, rows),
    pgoff: events.pgoff.subarray(0, rows),
    name: events.name.subarray(0, rows),
    result: events.result.subarray(0, rows),
  };
}
