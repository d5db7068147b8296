/** Events as the bytes of a Parquet row group; row groups as a footer. */
import { bitsFor, encodeDelta, encodeHybrid } from './bit_packing.ts';
import { ByteSink } from './byte_sink.ts';
import { EVENT_COLUMNS, type EventColumn, type Events } from './events.ts';
import { SCHEMA_VERSION, type TraceMeta } from './meta.ts';
import { OP_NAMES } from './ops.ts';
import {
  CODEC_GZIP,
  CODEC_NONE,
  COLUMN_TYPES,
  type ColumnChunk,
  type Deflate,
  ENCODING_DELTA,
  ENCODING_DICTIONARY,
  ENCODING_PLAIN,
  ENCODING_RLE,
  KEY_META,
  KEY_SCHEMA,
  PAGE_DATA,
  PAGE_DICTIONARY,
  type PhysicalType,
  type RowGroup,
  TYPE_BYTE_ARRAY,
  TYPE_INT32,
} from './parquet_form.ts';
import { T_I32, T_I64, T_STRUCT, ThriftWriter } from './thrift.ts';
import { encodeUtf8 } from './utf8.ts';

/** A dictionary with more entries than this, or than a quarter of the rows, saves nothing. */
const DICTIONARY_MOST = 4096;
/** A page must shrink to this share of its size to be worth a reader's time. */
const PACKED_MOST = 0.9;

interface Page {
  readonly kind: number;
  readonly encoding: number;
  readonly values: number;
  readonly bytes: Uint8Array;
}

/** The distinct values and, in `indexes`, each row's place among them; undefined: too many. */
function dictionaryOf(
  values: ArrayLike<number>,
  rows: number,
  indexes: Int32Array,
): number[] | undefined {
  const most = Math.max(2, Math.min(DICTIONARY_MOST, rows / 4));
  const places = new Map<number, number>();
  let last = Number.NaN;
  let place = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row]!;
    if (value !== last) {
      last = value;
      const known = places.get(value);
      if (known === undefined) {
        place = places.size;
        if (place === most) return undefined;
        places.set(value, place);
      } else {
        place = known;
      }
    }
    indexes[row] = place;
  }
  return [...places.keys()];
}

function plainValues(values: ArrayLike<number>, rows: number, type: PhysicalType): Uint8Array {
  const sink = new ByteSink(rows * 8 + 8);
  if (type === TYPE_INT32) for (let i = 0; i < rows; i++) sink.u32(values[i]!);
  else for (let i = 0; i < rows; i++) sink.i64(values[i]!);
  return sink.view();
}

function plainStrings(values: readonly string[]): Uint8Array {
  const sink = new ByteSink(4096);
  for (const value of values) {
    const bytes = encodeUtf8(value);
    sink.u32(bytes.length);
    sink.append(bytes);
  }
  return sink.view();
}

function pagesOf(
  column: EventColumn,
  events: Events,
  names: readonly string[],
  indexes: Int32Array,
): Page[] {
  const { rows } = events;
  const values = events[column];
  const type = COLUMN_TYPES[column];
  const texts: readonly string[] = column === 'op' ? OP_NAMES : names;
  const distinct = dictionaryOf(values, rows, indexes);
  if (distinct !== undefined) {
    const plain =
      type === TYPE_BYTE_ARRAY
        ? plainStrings(distinct.map((value) => texts[value] ?? ''))
        : plainValues(distinct, distinct.length, type);
    const sink = new ByteSink(rows + 64);
    const width = bitsFor(distinct.length - 1);
    sink.byte(width);
    encodeHybrid(indexes, rows, width, sink);
    return [
      { kind: PAGE_DICTIONARY, encoding: ENCODING_PLAIN, values: distinct.length, bytes: plain },
      { kind: PAGE_DATA, encoding: ENCODING_DICTIONARY, values: rows, bytes: sink.view() },
    ];
  }
  if (type === TYPE_BYTE_ARRAY) {
    const plain = plainStrings(Array.from(values.subarray(0, rows), (value) => texts[value] ?? ''));
    return [{ kind: PAGE_DATA, encoding: ENCODING_PLAIN, values: rows, bytes: plain }];
  }
  if (type === TYPE_INT32) {
    const plain = plainValues(values, rows, type);
    return [{ kind: PAGE_DATA, encoding: ENCODING_PLAIN, values: rows, bytes: plain }];
  }
  const sink = new ByteSink(rows * 4 + 64);
  encodeDelta(values, rows, sink);
  return [{ kind: PAGE_DATA, encoding: ENCODING_DELTA, values: rows, bytes: sink.view() }];
}

function pageHeader(page: Page, packedBytes: number): Uint8Array {
  const thrift = new ThriftWriter(new ByteSink(64));
  thrift.begin();
  thrift.int(1, page.kind);
  thrift.int(2, page.bytes.length);
  thrift.int(3, packedBytes);
  thrift.begin(page.kind === PAGE_DATA ? 5 : 7);
  thrift.int(1, page.values);
  thrift.int(2, page.encoding);
  if (page.kind === PAGE_DATA) {
    thrift.int(3, ENCODING_RLE);
    thrift.int(4, ENCODING_RLE);
  }
  thrift.end();
  thrift.end();
  return thrift.out.view();
}

/** Appends the row group to `out`, whose first byte lies at `base` in the file. */
export function encodeRowGroup(
  events: Events,
  names: readonly string[],
  base: number,
  out: ByteSink,
  deflate: Deflate,
): RowGroup {
  const indexes = new Int32Array(events.rows);
  const columns: ColumnChunk[] = [];
  for (const column of EVENT_COLUMNS) {
    const pages = pagesOf(column, events, names, indexes);
    const plain = pages.reduce((sum, page) => sum + page.bytes.length, 0);
    let packed = pages.map((page) => deflate(page.bytes));
    const packedSum = packed.reduce((sum, bytes) => sum + bytes.length, 0);
    const codec = packedSum < plain * PACKED_MOST ? CODEC_GZIP : CODEC_NONE;
    if (codec === CODEC_NONE) packed = pages.map((page) => page.bytes);
    const start = out.length;
    let dictionaryAt = -1;
    let dataAt = -1;
    let headers = 0;
    for (const [i, page] of pages.entries()) {
      const at = base + out.length;
      if (page.kind === PAGE_DICTIONARY) dictionaryAt = at;
      else dataAt = at;
      const header = pageHeader(page, packed[i]!.length);
      headers += header.length;
      out.append(header);
      out.append(packed[i]!);
    }
    columns.push({
      column,
      codec,
      encoding: pages[pages.length - 1]!.encoding,
      rows: events.rows,
      packedBytes: out.length - start,
      plainBytes: plain + headers,
      dictionaryAt,
      dataAt,
    });
  }
  return { rows: events.rows, columns };
}

const REQUIRED = 0;
const CONVERTED_UTF8 = 0;

function writeSchema(thrift: ThriftWriter): void {
  thrift.list(2, T_STRUCT, EVENT_COLUMNS.length + 1);
  thrift.begin();
  thrift.text(4, 'trace');
  thrift.int(5, EVENT_COLUMNS.length);
  thrift.end();
  for (const column of EVENT_COLUMNS) {
    const type = COLUMN_TYPES[column];
    thrift.begin();
    thrift.int(1, type);
    thrift.int(3, REQUIRED);
    thrift.text(4, column);
    if (type === TYPE_BYTE_ARRAY) thrift.int(6, CONVERTED_UTF8);
    thrift.end();
  }
}

function writeChunk(thrift: ThriftWriter, chunk: ColumnChunk): void {
  thrift.begin();
  thrift.int(2, chunk.dataAt, T_I64);
  thrift.begin(3);
  thrift.int(1, COLUMN_TYPES[chunk.column]);
  const encodings = [...new Set([ENCODING_PLAIN, ENCODING_RLE, chunk.encoding])];
  thrift.list(2, T_I32, encodings.length);
  for (const encoding of encodings) thrift.out.zigzag(encoding);
  thrift.list(3, 8, 1);
  thrift.bareText(chunk.column);
  thrift.int(4, chunk.codec);
  thrift.int(5, chunk.rows, T_I64);
  thrift.int(6, chunk.plainBytes, T_I64);
  thrift.int(7, chunk.packedBytes, T_I64);
  thrift.int(9, chunk.dataAt, T_I64);
  if (chunk.dictionaryAt >= 0) thrift.int(11, chunk.dictionaryAt, T_I64);
  thrift.end();
  thrift.end();
}

function writePair(thrift: ThriftWriter, key: string, value: string): void {
  thrift.begin();
  thrift.text(1, key);
  thrift.text(2, value);
  thrift.end();
}

/** The footer with its length and magic: with it, the bytes so far are a whole file. */
export function encodeFooter(groups: readonly RowGroup[], meta: TraceMeta): Uint8Array {
  const thrift = new ThriftWriter();
  thrift.begin();
  thrift.int(1, 1);
  writeSchema(thrift);
  thrift.int(
    3,
    groups.reduce((sum, group) => sum + group.rows, 0),
    T_I64,
  );
  thrift.list(4, T_STRUCT, groups.length);
  for (const group of groups) {
    thrift.begin();
    thrift.list(1, T_STRUCT, group.columns.length);
    for (const chunk of group.columns) writeChunk(thrift, chunk);
    thrift.int(
      2,
      group.columns.reduce((sum, chunk) => sum + chunk.plainBytes, 0),
      T_I64,
    );
    thrift.int(3, group.rows, T_I64);
    thrift.end();
  }
  thrift.list(5, T_STRUCT, 2);
  writePair(thrift, KEY_SCHEMA, String(SCHEMA_VERSION));
  writePair(thrift, KEY_META, JSON.stringify(meta));
  thrift.text(6, meta.tool);
  thrift.end();
  const { out } = thrift;
  const length = out.length;
  out.u32(length);
  out.append(encodeUtf8('PAR1'));
  return out.view();
}
