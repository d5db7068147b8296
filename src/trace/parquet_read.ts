/** A footer as facts; a row group's bytes as events. */
import { decodeDelta, decodeHybrid } from './bit_packing.ts';
import type { Cursor } from './byte_sink.ts';
import { EVENT_COLUMNS, type EventColumn, type Events } from './events.ts';
import { OP_NAMES } from './ops.ts';
import {
  CODEC_GZIP,
  CODEC_NONE,
  COLUMN_TYPES,
  type ColumnChunk,
  ENCODING_DELTA,
  ENCODING_DICTIONARY,
  ENCODING_PLAIN,
  type Inflate,
  PAGE_DATA,
  PAGE_DICTIONARY,
  type RowGroup,
  TYPE_BYTE_ARRAY,
  TYPE_INT32,
} from './parquet_form.ts';
import { readStruct, type ThriftStruct, type ThriftValue } from './thrift.ts';
import { decodeUtf8 } from './utf8.ts';

export interface Footer {
  readonly rows: number;
  readonly groups: readonly RowGroup[];
  readonly columns: readonly string[];
  readonly pairs: Readonly<Record<string, string>>;
  /** Written as we write: no nulls, our types and encodings. Others need a general reader. */
  readonly ours: boolean;
  /** No byte of a row group lies at or behind this. */
  readonly end: number;
}

const structs = (value: ThriftValue | undefined): readonly ThriftStruct[] =>
  Array.isArray(value) ? (value as readonly ThriftStruct[]) : [];
const number = (value: ThriftValue | undefined): number => (typeof value === 'number' ? value : -1);
const text = (value: ThriftValue | undefined): string =>
  value instanceof Uint8Array ? decodeUtf8(value) : '';

function chunkOf(column: ThriftStruct): { chunk: ColumnChunk; ours: boolean; end: number } {
  const meta = (column[3] ?? {}) as ThriftStruct;
  const path = Array.isArray(meta[3]) ? (meta[3] as readonly ThriftValue[]) : [];
  const name = path.map(text).join('.') as EventColumn;
  const encodings = new Set((Array.isArray(meta[2]) ? meta[2] : []) as number[]);
  const dictionaryAt = number(meta[11]);
  const encoding = encodings.has(ENCODING_DICTIONARY)
    ? ENCODING_DICTIONARY
    : encodings.has(ENCODING_DELTA)
      ? ENCODING_DELTA
      : ENCODING_PLAIN;
  const chunk: ColumnChunk = {
    column: name,
    codec: number(meta[4]),
    encoding,
    rows: number(meta[5]),
    packedBytes: number(meta[7]),
    plainBytes: number(meta[6]),
    dictionaryAt,
    dataAt: number(meta[9]),
  };
  const start = dictionaryAt >= 0 ? Math.min(dictionaryAt, chunk.dataAt) : chunk.dataAt;
  const ours =
    COLUMN_TYPES[name] === meta[1] && (chunk.codec === CODEC_NONE || chunk.codec === CODEC_GZIP);
  return { chunk, ours, end: start + chunk.packedBytes };
}

/** Of the Thrift bytes before the footer's length; undefined when they are none. */
export function parseFooter(bytes: Uint8Array): Footer | undefined {
  const struct = readStruct({ bytes, at: 0 });
  if (struct === undefined || number(struct[3]) < 0) return undefined;
  const schema = structs(struct[2]);
  const columns = schema.slice(1).map((element) => text(element[4]));
  const pairs: Record<string, string> = {};
  for (const pair of structs(struct[5])) pairs[text(pair[1])] = text(pair[2]);
  let ours =
    columns.length === EVENT_COLUMNS.length &&
    EVENT_COLUMNS.every((name, i) => columns[i] === name) &&
    schema.slice(1).every((element) => number(element[3]) === 0);
  let end = 4;
  const groups = structs(struct[4]).map((group): RowGroup => {
    const rows = number(group[3]);
    const chunks = structs(group[1]).map((column) => {
      const found = chunkOf(column);
      ours &&= found.ours && found.chunk.rows === rows;
      end = Math.max(end, found.end);
      return found.chunk;
    });
    return { rows, columns: chunks };
  });
  return { rows: number(struct[3]), groups, columns, pairs, ours, end };
}

/** Where the bytes of a row group begin and end in the file. */
export function rangeOf(group: RowGroup): { start: number; end: number } {
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const { dictionaryAt, dataAt, packedBytes } of group.columns) {
    const at = dictionaryAt >= 0 ? dictionaryAt : dataAt;
    start = Math.min(start, at);
    end = Math.max(end, at + packedBytes);
  }
  return { start, end };
}

interface Page {
  readonly kind: number;
  readonly encoding: number;
  readonly values: number;
  readonly bytes: Uint8Array;
}

function readPage(cursor: Cursor, codec: number, inflate: Inflate): Page | undefined {
  const header = readStruct(cursor);
  if (header === undefined) return undefined;
  const kind = number(header[1]);
  const plainBytes = number(header[2]);
  const packedBytes = number(header[3]);
  const head = header[kind === PAGE_DATA ? 5 : 7] as ThriftStruct | undefined;
  if (head === undefined || packedBytes < 0) return undefined;
  const packed = cursor.bytes.subarray(cursor.at, cursor.at + packedBytes);
  if (packed.length !== packedBytes) return undefined;
  cursor.at += packedBytes;
  const bytes = codec === CODEC_GZIP ? inflate(packed, plainBytes) : packed;
  if (bytes.length !== plainBytes) return undefined;
  return { kind, encoding: number(head[2]), values: number(head[1]), bytes };
}

/** Numbers stored plainly, or strings as the numbers that `place` gives them. */
function plainValues(
  page: Page,
  column: EventColumn,
  place: (text: string) => number,
): Float64Array | undefined {
  const type = COLUMN_TYPES[column];
  const { bytes, values } = page;
  const out = new Float64Array(values);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === TYPE_BYTE_ARRAY) {
    let at = 0;
    for (let i = 0; i < values; i++) {
      if (at + 4 > bytes.length) return undefined;
      const size = view.getUint32(at, true);
      out[i] = place(decodeUtf8(bytes.subarray(at + 4, at + 4 + size)));
      at += 4 + size;
    }
    return out;
  }
  const width = type === TYPE_INT32 ? 4 : 8;
  if (bytes.length < values * width) return undefined;
  for (let i = 0; i < values; i++) {
    out[i] =
      width === 4
        ? view.getInt32(i * 4, true)
        : view.getInt32(i * 8 + 4, true) * 4294967296 + view.getUint32(i * 8, true);
  }
  return out;
}

const OP_NUMBERS = new Map<string, number>(OP_NAMES.map((name, op) => [name, op]));

/** What gives a name its number. */
export type Namer = (name: string) => number;

function decodeColumn(
  chunk: ColumnChunk,
  cursor: Cursor,
  out: Events,
  at: number,
  namer: Namer,
  inflate: Inflate,
  fresh: boolean,
): boolean {
  const { column } = chunk;
  const target = out[column];
  // An operation of a later version is one that a reader does not know: none.
  const place = column === 'op' ? (name: string) => OP_NUMBERS.get(name) ?? 0 : namer;
  let dictionary: Float64Array | undefined;
  let row = at;
  const end = at + chunk.rows;
  while (row < end) {
    const page = readPage(cursor, chunk.codec, inflate);
    if (page === undefined) return false;
    if (page.kind === PAGE_DICTIONARY) {
      dictionary = plainValues(page, column, place);
      if (dictionary === undefined) return false;
      continue;
    }
    if (page.values <= 0 || row + page.values > end) return false;
    const data: Cursor = { bytes: page.bytes, at: 0 };
    if (page.encoding === ENCODING_DICTIONARY) {
      if (dictionary === undefined) return false;
      const width = data.bytes[data.at++]!;
      // Columns that are new hold zeros already; not to write them saves their first touches.
      if (width > 0) decodeHybrid(data, width, page.values, dictionary, target, row, fresh);
      else if (!fresh || dictionary[0] !== 0) {
        target.fill(dictionary[0]!, row, row + page.values);
      }
    } else if (page.encoding === ENCODING_DELTA && target instanceof Float64Array) {
      if (!decodeDelta(data, page.values, target, row)) return false;
    } else if (page.encoding === ENCODING_PLAIN) {
      const values = plainValues(page, column, place);
      if (values === undefined) return false;
      target.set(values, row);
    } else {
      return false;
    }
    row += page.values;
  }
  return true;
}

/**
 * Decodes a row group into the rows from `at` of `out`, which has room for them. `bytes` are those
 * of `rangeOf(group)`. `fresh` says that those rows are all zero still. False when they do not hold what the footer promised.
 */
export function decodeRowGroup(
  group: RowGroup,
  bytes: Uint8Array,
  out: Events,
  at: number,
  namer: Namer,
  inflate: Inflate,
  fresh = false,
): boolean {
  const base = rangeOf(group).start;
  for (const chunk of group.columns) {
    const from = chunk.dictionaryAt >= 0 ? chunk.dictionaryAt : chunk.dataAt;
    const cursor: Cursor = { bytes, at: from - base };
    if (!decodeColumn(chunk, cursor, out, at, namer, inflate, fresh)) return false;
  }
  return true;
}
