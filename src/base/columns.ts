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

export interface TableHead {
  /** High-water mark: rows 1..used-1 have been handed out at least once. */
  used: number;
  capacity: number;
  /** Rows handed out and not given back. */
  live: number;
  freeHead: number;
  nextFree: Int32Array;
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
  declare used: number;
  declare capacity: number;
  declare live: number;
  declare freeHead: number;
  declare nextFree: Int32Array;
  declare readonly columnNames: readonly string[];

  constructor(columns: Readonly<Record<string, AnyArray>>, head: TableHead) {
    for (const name of head.columnNames) {
      const value = columns[name];
      Object.defineProperty(this, name, { value, writable: true, enumerable: true });
    }
    this.used = head.used;
    this.capacity = head.capacity;
    this.live = head.live;
    this.freeHead = head.freeHead;
    this.nextFree = head.nextFree;
    this.columnNames = head.columnNames;
  }
}

export function makeTable<S extends Schema>(schema: S, capacity: number): Table<S> {
  const columns: Record<string, AnyArray> = {};
  const columnNames = Object.keys(schema);
  for (const name of columnNames) columns[name] = makeColumn(schema[name] as ColumnType, capacity);
  // Made when the first row is given back: the frame table gives none.
  const nextFree = new Int32Array(0);
  const head = { used: 1, capacity, live: 0, freeHead: 0, nextFree, columnNames };
  return new TableObject(columns, head) as unknown as Table<S>;
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
  const rows = table.capacity * 2;
  const fields = table as unknown as Record<string, AnyArray>;
  for (const name of table.columnNames) fields[name] = regrow(columnOf(table, name), rows);
  if (table.nextFree.length !== 0) table.nextFree = regrow(table.nextFree, rows) as Int32Array;
  table.capacity = rows;
}

/** A row with every column zero. */
export function newRow(table: TableHead): number {
  table.live++;
  const recycled = table.freeHead;
  if (recycled !== 0) {
    table.freeHead = table.nextFree[recycled]!;
    return recycled;
  }
  if (table.used === table.capacity) growTable(table);
  return table.used++;
}

/** Gives a row back and clears it, so that equal states have equal columns. */
export function freeRow(table: TableHead, row: number): void {
  for (const name of table.columnNames) columnOf(table, name)[row] = 0;
  if (table.nextFree.length === 0) table.nextFree = new Int32Array(table.capacity);
  table.nextFree[row] = table.freeHead;
  table.freeHead = row;
  table.live--;
}

export function copyTable<S extends Schema>(table: Table<S>): Table<S> {
  const columns: Record<string, AnyArray> = {};
  for (const name of table.columnNames) columns[name] = columnOf(table, name).slice();
  const { used, capacity, live, freeHead, columnNames } = table;
  const head = { used, capacity, live, freeHead, nextFree: table.nextFree.slice(), columnNames };
  return new TableObject(columns, head) as unknown as Table<S>;
}
