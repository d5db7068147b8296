/**
 * Tables as struct of arrays. A table is declared by a schema of column types; row 0 means "none"
 * and stays all zero. Rows are handed out from a free list (threaded through `nextFree`) and, when
 * that is empty, from the high-water mark; columns double when they are full. Hot code therefore
 * reads `table.column` after anything that may allocate, and never keeps a column across it.
 *
 * A generic copy and hash of a machine are possible because nothing lives outside the columns.
 */
export type ColumnType = 'i32' | 'u32' | 'u16' | 'u8' | 'f64';
export type Schema = Readonly<Record<string, ColumnType>>;

type ArrayOf<T extends ColumnType> = T extends 'f64'
  ? Float64Array
  : T extends 'i32'
    ? Int32Array
    : T extends 'u32'
      ? Uint32Array
      : T extends 'u16'
        ? Uint16Array
        : Uint8Array;

export type Columns<S extends Schema> = { [K in keyof S]: ArrayOf<S[K]> };

/**
 * What all tables have in common, in an object of one shape: newRow() and freeRow() serve twelve
 * kinds of table, and look at nothing else of them.
 */
export interface Rows {
  /** High-water mark: rows 1..used-1 have been handed out at least once. */
  used: number;
  capacity: number;
  /** Rows handed out and not given back. */
  live: number;
  freeHead: number;
  /** Empty until the first row is given back: the frame table gives none. */
  nextFree: Int32Array;
  /**
   * The columns once more: all lie in one buffer, so that a row is cleared through one view for
   * each size of element; `…At` are the indexes there at which the columns begin.
   */
  words: Int32Array;
  wordsAt: Int32Array;
  doubles: Float64Array;
  doublesAt: Int32Array;
  other: AnyArray[];
}

export interface TableHead {
  readonly rows: Rows;
  readonly used: number;
  readonly live: number;
  readonly columnNames: readonly string[];
}

export type Table<S extends Schema> = Columns<S> & TableHead;

type AnyArray = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

interface Kind {
  new (buffer: ArrayBuffer, at: number, rows: number): AnyArray;
  readonly BYTES_PER_ELEMENT: number;
}

const KINDS: Readonly<Record<ColumnType, Kind>> = {
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
};

/** Columns one after the other in a buffer of their own, all zero. */
function makeColumns(
  names: readonly string[],
  kinds: readonly Kind[],
  rows: number,
): ColumnsByName {
  const bytesOf = (kind: Kind): number => 8 * Math.ceil((kind.BYTES_PER_ELEMENT * rows) / 8);
  const buffer = new ArrayBuffer(kinds.reduce((sum, kind) => sum + bytesOf(kind), 0));
  const columns: Record<string, AnyArray> = {};
  let at = 0;
  for (let i = 0; i < names.length; i++) {
    const Kind = kinds[i]!;
    columns[names[i]!] = new Kind(buffer, at, rows);
    at += bytesOf(Kind);
  }
  return columns;
}

/**
 * One layout for all tables of a schema, fast in V8: columns first, so that they lie in the object
 * itself, and defined one by one, because an object that gets more than twelve properties by
 * computed name becomes a dictionary, in which each access is a hash look-up.
 */
class TableObject implements TableHead {
  declare readonly rows: Rows;
  declare readonly columnNames: readonly string[];

  constructor(columns: ColumnsByName, columnNames: readonly string[], rows: Rows) {
    for (const name of columnNames) {
      const value = columns[name];
      Object.defineProperty(this, name, { value, writable: true, enumerable: true });
    }
    this.rows = rows;
    this.columnNames = columnNames;
    listColumns(rows, columns, columnNames);
  }

  get used(): number {
    return this.rows.used;
  }

  get live(): number {
    return this.rows.live;
  }
}

type ColumnsByName = Readonly<Record<string, AnyArray>>;

function listColumns(rows: Rows, columns: ColumnsByName, names: readonly string[]): void {
  const wordsAt: number[] = [];
  const doublesAt: number[] = [];
  rows.other = [];
  for (const name of names) {
    const column = columns[name] as AnyArray;
    if (column instanceof Int32Array) wordsAt.push(column.byteOffset / 4);
    else if (column instanceof Float64Array) doublesAt.push(column.byteOffset / 8);
    else rows.other.push(column);
  }
  const { buffer } = columns[names[0]!]!;
  rows.words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
  rows.doubles = new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
  rows.wordsAt = Int32Array.from(wordsAt);
  rows.doublesAt = Int32Array.from(doublesAt);
}

export function makeTable<S extends Schema>(schema: S, capacity: number): Table<S> {
  const columnNames = Object.keys(schema);
  const kinds = columnNames.map((name) => KINDS[schema[name] as ColumnType]);
  const rows: Rows = {
    used: 1,
    capacity,
    live: 0,
    freeHead: 0,
    nextFree: new Int32Array(0),
    words: new Int32Array(0),
    wordsAt: new Int32Array(0),
    doubles: new Float64Array(0),
    doublesAt: new Int32Array(0),
    other: [],
  };
  const columns = makeColumns(columnNames, kinds, capacity);
  return new TableObject(columns, columnNames, rows) as unknown as Table<S>;
}

function columnOf(table: TableHead, name: string): AnyArray {
  return (table as unknown as Record<string, AnyArray>)[name] as AnyArray;
}

/** The columns of a table, copied to new ones with room for `capacity` rows. */
function regrow(table: TableHead, capacity: number): ColumnsByName {
  const { columnNames } = table;
  const kinds = columnNames.map((name) => columnOf(table, name).constructor as unknown as Kind);
  const grown = makeColumns(columnNames, kinds, capacity);
  for (const name of columnNames) grown[name]!.set(columnOf(table, name) as never);
  return grown;
}

/** Doubles every column. */
export function growTable(table: TableHead): void {
  const { rows, columnNames } = table;
  const capacity = rows.capacity * 2;
  const grown = regrow(table, capacity);
  Object.assign(table, grown);
  if (rows.nextFree.length !== 0) {
    const { nextFree } = rows;
    rows.nextFree = new Int32Array(capacity);
    rows.nextFree.set(nextFree);
  }
  listColumns(rows, grown, columnNames);
  rows.capacity = capacity;
}

/** A row with every column zero. */
export function newRow(table: TableHead): number {
  const { rows } = table;
  rows.live++;
  const recycled = rows.freeHead;
  if (recycled !== 0) {
    rows.freeHead = rows.nextFree[recycled]!;
    return recycled;
  }
  if (rows.used === rows.capacity) growTable(table);
  return rows.used++;
}

/** Gives a row back and clears it, so that equal states have equal columns. */
export function freeRow(table: TableHead, row: number): void {
  const { rows } = table;
  const { words, wordsAt, doubles, doublesAt, other } = rows;
  for (let i = 0; i < wordsAt.length; i++) words[wordsAt[i]! + row] = 0;
  for (let i = 0; i < doublesAt.length; i++) doubles[doublesAt[i]! + row] = 0;
  for (let i = 0; i < other.length; i++) other[i]![row] = 0;
  if (rows.nextFree.length === 0) rows.nextFree = new Int32Array(rows.capacity);
  rows.nextFree[row] = rows.freeHead;
  rows.freeHead = row;
  rows.live--;
}

/** Forgets all rows of a table that has not been placed, as if it had just been made. */
export function emptyTable(table: TableHead): void {
  const { rows } = table;
  for (const name of table.columnNames) columnOf(table, name).fill(0, 0, rows.used);
  rows.used = 1;
  rows.live = 0;
  rows.freeHead = 0;
}

/** Bytes that placeTable() needs, a multiple of 8. */
export function tableBytes(table: TableHead, capacity: number): number {
  let bytes = 8 * Math.ceil(capacity / 2);
  for (const name of table.columnNames) {
    bytes += 8 * Math.ceil((columnOf(table, name).BYTES_PER_ELEMENT * capacity) / 8);
  }
  return bytes;
}

/**
 * Moves the columns into one buffer from byte `at` on, with room for `capacity` rows, so that the
 * table is saved and restored by copying a range. It must not grow afterwards: assertPlaced().
 */
export function placeTable(
  table: TableHead,
  buffer: ArrayBuffer,
  at: number,
  capacity: number,
): number {
  const { rows } = table;
  const fields = table as unknown as Record<string, AnyArray>;
  let next = at;
  for (const name of table.columnNames) {
    const old = columnOf(table, name);
    const Kind = old.constructor as new (
      buffer: ArrayBuffer,
      at: number,
      length: number,
    ) => AnyArray;
    const column = new Kind(buffer, next, capacity);
    column.set(old.subarray(0, Math.min(capacity, old.length)) as never);
    fields[name] = column;
    next += 8 * Math.ceil(column.byteLength / 8);
  }
  const nextFree = new Int32Array(buffer, next, capacity);
  nextFree.set(rows.nextFree.subarray(0, capacity));
  rows.nextFree = nextFree;
  rows.capacity = capacity;
  listColumns(rows, fields, table.columnNames);
  return next + 8 * Math.ceil(capacity / 2);
}

export function copyTable<S extends Schema>(table: Table<S>): Table<S> {
  const { rows, columnNames } = table;
  const columns = regrow(table, rows.capacity);
  const copy = { ...rows, nextFree: rows.nextFree.slice() };
  return new TableObject(columns, columnNames, copy) as unknown as Table<S>;
}

/**
 * column.fill(value, from, to): the built-in costs a hundred nanoseconds before it stores anything,
 * so that short ranges are faster in a loop.
 */
export function fillColumn(column: Int32Array, value: number, from: number, to: number): void {
  if (to - from > 128) column.fill(value, from, to);
  else for (let i = from; i < to; i++) column[i] = value;
}
