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
  /** The columns once more, by element type: clearing a row runs over arrays of one shape. */
  i32: Int32Array[];
  f64: Float64Array[];
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

function makeColumn(type: ColumnType, rows: number): AnyArray {
  switch (type) {
    case 'f64':
      return new Float64Array(rows);
    case 'i32':
      return new Int32Array(rows);
    case 'u32':
      return new Uint32Array(rows);
    case 'u16':
      return new Uint16Array(rows);
    case 'u8':
      return new Uint8Array(rows);
  }
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
  rows.i32 = [];
  rows.f64 = [];
  rows.other = [];
  for (const name of names) {
    const column = columns[name] as AnyArray;
    if (column instanceof Int32Array) rows.i32.push(column);
    else if (column instanceof Float64Array) rows.f64.push(column);
    else rows.other.push(column);
  }
}

export function makeTable<S extends Schema>(schema: S, capacity: number): Table<S> {
  const columns: Record<string, AnyArray> = {};
  const columnNames = Object.keys(schema);
  for (const name of columnNames) columns[name] = makeColumn(schema[name] as ColumnType, capacity);
  const nextFree = new Int32Array(0);
  const rows = { used: 1, capacity, live: 0, freeHead: 0, nextFree, i32: [], f64: [], other: [] };
  return new TableObject(columns, columnNames, rows) as unknown as Table<S>;
}

function columnOf(table: TableHead, name: string): AnyArray {
  return (table as unknown as Record<string, AnyArray>)[name] as AnyArray;
}

function regrow(old: AnyArray, rows: number): AnyArray {
  const Kind = old.constructor as new (rows: number) => AnyArray;
  const grown = new Kind(rows);
  grown.set(old as never);
  return grown;
}

/** Doubles every column. */
export function growTable(table: TableHead): void {
  const { rows } = table;
  const capacity = rows.capacity * 2;
  const fields = table as unknown as Record<string, AnyArray>;
  for (const name of table.columnNames) fields[name] = regrow(columnOf(table, name), capacity);
  if (rows.nextFree.length !== 0) rows.nextFree = regrow(rows.nextFree, capacity) as Int32Array;
  listColumns(rows, fields, table.columnNames);
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
  const { i32, f64, other } = rows;
  for (let i = 0; i < i32.length; i++) i32[i]![row] = 0;
  for (let i = 0; i < f64.length; i++) f64[i]![row] = 0;
  for (let i = 0; i < other.length; i++) other[i]![row] = 0;
  if (rows.nextFree.length === 0) rows.nextFree = new Int32Array(rows.capacity);
  rows.nextFree[row] = rows.freeHead;
  rows.freeHead = row;
  rows.live--;
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
  const columns: Record<string, AnyArray> = {};
  for (const name of table.columnNames) columns[name] = columnOf(table, name).slice();
  const { rows, columnNames } = table;
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
