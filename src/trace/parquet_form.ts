/**
 * The form of a trace file: Apache Parquet, as DuckDB, Polars, pandas and others read it.
 *
 *     "PAR1"
 *     row group 0   one page of dictionary (where it has one) and one of data, for each column
 *     footer        of row group 0; length; "PAR1"
 *     row group 1
 *     footer        of row groups 0 and 1; length; "PAR1"
 *     …
 *
 * A footer tells where the row groups lie by their absolute offsets, and a reader looks at the last
 * one only: the older ones are dead bytes between row groups. So a file is whole after each footer;
 * whatever tears it later leaves a newest footer that can be found by its magic, and everything
 * before it is good. Footers are written ever more rarely as they grow, so that all of them
 * together stay below a few times the last one's size.
 *
 * Columns have their names from `Events`. All are REQUIRED: there are no nulls.
 *
 * | column                    | physical type | encoding |
 * | ------------------------- | ------------- | -------- |
 * | op, name                  | BYTE_ARRAY, string | RLE_DICTIONARY |
 * | pid, tid, offset, arg, arg2 | INT32       | RLE_DICTIONARY, or PLAIN where almost all values differ |
 * | time, vpn, length, pgoff, result | INT64  | RLE_DICTIONARY, or DELTA_BINARY_PACKED where they differ |
 *
 * Why this is code of ours and not a library's: of the writers for JavaScript, hyparquet-writer
 * takes 7 times as long and cannot end a file twice; its reader, hyparquet, takes 3.4 times the CPU
 * time (650 ms against 190 ms for 1,048,576 events, one run, medians) before its 64-bit integers
 * have become numbers. hyparquet reads what other programs rewrote (store/foreign.ts), DuckDB is
 * the tests' second opinion.
 *
 * A column's pages are compressed (GZIP) where that makes them smaller by a tenth. The footer's
 * key-value metadata has `faultline.schema`, a number, and `faultline.meta`, the TraceMeta as JSON.
 */
import type { EventColumn } from './events.ts';

export const MAGIC = 'PAR1';
export const KEY_SCHEMA = 'faultline.schema';
export const KEY_META = 'faultline.meta';

export const TYPE_INT32 = 1;
export const TYPE_INT64 = 2;
export const TYPE_BYTE_ARRAY = 6;
export type PhysicalType = typeof TYPE_INT32 | typeof TYPE_INT64 | typeof TYPE_BYTE_ARRAY;

export const ENCODING_PLAIN = 0;
export const ENCODING_RLE = 3;
export const ENCODING_DELTA = 5;
export const ENCODING_DICTIONARY = 8;

export const CODEC_NONE = 0;
export const CODEC_GZIP = 2;

export const PAGE_DATA = 0;
export const PAGE_DICTIONARY = 2;

export const COLUMN_TYPES: Readonly<Record<EventColumn, PhysicalType>> = {
  time: TYPE_INT64,
  pid: TYPE_INT32,
  tid: TYPE_INT32,
  op: TYPE_BYTE_ARRAY,
  vpn: TYPE_INT64,
  offset: TYPE_INT32,
  length: TYPE_INT64,
  arg: TYPE_INT32,
  arg2: TYPE_INT32,
  pgoff: TYPE_INT64,
  name: TYPE_BYTE_ARRAY,
  result: TYPE_INT64,
};

/** One column of one row group, as the footer describes it. */
export interface ColumnChunk {
  readonly column: EventColumn;
  readonly codec: number;
  readonly encoding: number;
  readonly rows: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
  /** Absolute in the file; the dictionary's is -1 where there is none. */
  readonly dictionaryAt: number;
  readonly dataAt: number;
}

export interface RowGroup {
  readonly rows: number;
  readonly columns: readonly ColumnChunk[];
}

/** Compresses or decompresses in one call; what Node and a browser do differently. */
export type Deflate = (bytes: Uint8Array) => Uint8Array;
export type Inflate = (bytes: Uint8Array, plainBytes: number) => Uint8Array;
