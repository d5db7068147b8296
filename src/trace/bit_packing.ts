/**
 * The two integer encodings that a trace file uses.
 *
 * RLE/bit-packing hybrid, for indexes into a dictionary (width 0 to 24 bits):
 *
 *     run   := varint(count << 1)        value, in ceil(width / 8) bytes
 *     pack  := varint(groups << 1 | 1)   groups × 8 values of `width` bits, lowest bit first
 *
 * DELTA_BINARY_PACKED, for numbers that rise or lie near each other:
 *
 *     head  := varint(128) varint(4) varint(count) zigzag(first)
 *     block := zigzag(least delta) 4 widths, then 4 × 32 of (delta - least), `width` bits each
 *
 * Values are exact doubles, below 2^52 in size; so a difference is exact too.
 */
import { type ByteSink, type Cursor, readVarint, readZigzag } from './byte_sink.ts';

/** A run shorter than this costs more than it saves. */
const RUN_LEAST = 16;
const BLOCK = 128;
const MINIBLOCK = 32;
const TWO32 = 4294967296;

export function bitsFor(most: number): number {
  return most === 0 ? 0 : 32 - Math.clz32(most);
}

/** Packs `values[from, from + count)`, padded with zeros to whole groups of 8. */
function packInts(values: Int32Array, from: number, count: number, width: number, out: ByteSink) {
  const groups = Math.ceil(count / 8);
  out.reserve(groups * width);
  const { bytes } = out;
  let at = out.length;
  let word = 0;
  let filled = 0;
  for (let i = 0; i < groups * 8; i++) {
    word |= (i < count ? values[from + i]! : 0) << filled;
    filled += width;
    while (filled >= 8) {
      bytes[at++] = word;
      word >>>= 8;
      filled -= 8;
    }
  }
  out.length = at;
}

export function encodeHybrid(values: Int32Array, rows: number, width: number, out: ByteSink): void {
  let packFrom = 0;
  let at = 0;
  const flush = (to: number): void => {
    if (to === packFrom) return;
    out.varint(Math.ceil((to - packFrom) / 8) * 2 + 1);
    packInts(values, packFrom, to - packFrom, width, out);
  };
  while (at < rows) {
    const value = values[at]!;
    let end = at + 1;
    while (end < rows && values[end] === value) end++;
    // Packed groups hold 8: the run gives the last group what it lacks.
    const borrowed = (8 - ((at - packFrom) % 8)) % 8;
    if (end - at - borrowed >= RUN_LEAST) {
      flush(at + borrowed);
      out.varint((end - at - borrowed) * 2);
      for (let bits = 0; bits < width; bits += 8) out.byte(value >>> bits);
      packFrom = end;
    }
    at = end;
  }
  flush(rows);
}

export type NumberColumn = Float64Array | Int32Array | Uint16Array | Uint8Array;

/**
 * Indexes that wait to be looked up: the columns' own types are looked at once for many values. The
 * cost of a store into an array of one of four types is ten times that of one whose type is known.
 */
let indexes = new Int32Array(1 << 13);
/** Looked up when there are so many. */
const ENOUGH = 1 << 12;
/** A run of this length is filled at once. */
const LONG_RUN = 64;

function unpackInts(
  bytes: Uint8Array,
  start: number,
  width: number,
  count: number,
  out: Int32Array,
  from: number,
): void {
  const mask = (1 << width) - 1;
  let at = start;
  let word = 0;
  let filled = 0;
  for (let i = from; i < from + count; i++) {
    while (filled < width) {
      word |= bytes[at++]! << filled;
      filled += 8;
    }
    out[i] = word & mask;
    word >>>= width;
    filled -= width;
  }
}

// One function a type: each has arrays of one kind only, which is several times as fast.
function lookUpF64(
  dictionary: Float64Array,
  from: Int32Array,
  count: number,
  out: Float64Array,
  at: number,
) {
  for (let i = 0; i < count; i++) out[at + i] = dictionary[from[i]!]!;
}
function lookUpI32(
  dictionary: Float64Array,
  from: Int32Array,
  count: number,
  out: Int32Array,
  at: number,
) {
  for (let i = 0; i < count; i++) out[at + i] = dictionary[from[i]!]!;
}
function lookUpU16(
  dictionary: Float64Array,
  from: Int32Array,
  count: number,
  out: Uint16Array,
  at: number,
) {
  for (let i = 0; i < count; i++) out[at + i] = dictionary[from[i]!]!;
}
function lookUpU8(
  dictionary: Float64Array,
  from: Int32Array,
  count: number,
  out: Uint8Array,
  at: number,
) {
  for (let i = 0; i < count; i++) out[at + i] = dictionary[from[i]!]!;
}

/** What the first `count` indexes stand for goes into the rows from `at` on. */
function lookUp(dictionary: Float64Array, count: number, out: NumberColumn, at: number): void {
  if (out instanceof Float64Array) lookUpF64(dictionary, indexes, count, out, at);
  else if (out instanceof Int32Array) lookUpI32(dictionary, indexes, count, out, at);
  else if (out instanceof Uint16Array) lookUpU16(dictionary, indexes, count, out, at);
  else lookUpU8(dictionary, indexes, count, out, at);
}

/**
 * What a dictionary's indexes stand for goes into the column. `fresh`: its rows are all zero still,
 * and long runs of zeros are not written, so that memory that holds nothing else is never touched.
 */
export function decodeHybrid(
  cursor: Cursor,
  width: number,
  rows: number,
  dictionary: Float64Array,
  out: NumberColumn,
  from: number,
  fresh: boolean,
): void {
  const { bytes } = cursor;
  const end = from + rows;
  let row = from;
  let held = 0;
  while (row + held < end) {
    const head = readVarint(cursor);
    const left = end - row - held;
    if (head % 2 === 0) {
      let value = 0;
      for (let bits = 0; bits < width; bits += 8) value |= bytes[cursor.at++]! << bits;
      const count = Math.min(left, head / 2);
      if (count === 0) break;
      if (count <= LONG_RUN) {
        for (let i = 0; i < count; i++) indexes[held + i] = value;
        held += count;
      } else {
        lookUp(dictionary, held, out, row);
        row += held;
        held = 0;
        if (!fresh || dictionary[value] !== 0) out.fill(dictionary[value]!, row, row + count);
        row += count;
      }
    } else {
      const packed = (head - 1) * 4;
      const count = Math.min(packed, left);
      if (held + count + LONG_RUN > indexes.length) {
        const grown = new Int32Array((held + count + LONG_RUN) * 2);
        grown.set(indexes);
        indexes = grown;
      }
      unpackInts(bytes, cursor.at, width, count, indexes, held);
      cursor.at += (packed / 8) * width;
      held += count;
    }
    if (held >= ENOUGH) {
      lookUp(dictionary, held, out, row);
      row += held;
      held = 0;
    }
  }
  lookUp(dictionary, held, out, row);
}

/** One miniblock: 32 values of up to 53 bits. */
function packWide(values: Float64Array, from: number, width: number, out: ByteSink): void {
  out.reserve(width * 4);
  const { bytes } = out;
  let at = out.length;
  let filled = 0;
  let byte = 0;
  for (let i = from; i < from + MINIBLOCK; i++) {
    let rest = values[i]!;
    let left = width;
    while (left > 0) {
      const take = Math.min(8 - filled, left);
      const scale = 1 << take;
      const low = rest % scale;
      rest = (rest - low) / scale;
      byte |= low << filled;
      filled += take;
      left -= take;
      if (filled === 8) {
        bytes[at++] = byte;
        byte = 0;
        filled = 0;
      }
    }
  }
  out.length = at;
}

function widthOf(most: number): number {
  if (most < TWO32) return bitsFor(most);
  return 32 + bitsFor(Math.floor(most / TWO32));
}

export function encodeDelta(values: ArrayLike<number>, rows: number, out: ByteSink): void {
  out.varint(BLOCK);
  out.varint(BLOCK / MINIBLOCK);
  out.varint(rows);
  out.zigzag(rows > 0 ? values[0]! : 0);
  const block = new Float64Array(BLOCK);
  for (let at = 1; at < rows; at += BLOCK) {
    const count = Math.min(BLOCK, rows - at);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const delta = values[at + i]! - values[at + i - 1]!;
      block[i] = delta;
      if (delta < least) least = delta;
    }
    block.fill(least, count);
    out.zigzag(least);
    const widthsAt = out.length;
    out.u32(0);
    for (let mini = 0; mini < BLOCK / MINIBLOCK; mini++) {
      const from = mini * MINIBLOCK;
      // A miniblock without values has a width of 0 and no bytes.
      if (from >= count) break;
      let most = 0;
      for (let i = from; i < from + MINIBLOCK; i++) {
        block[i]! -= least;
        if (block[i]! > most) most = block[i]!;
      }
      const width = widthOf(most);
      out.bytes[widthsAt + mini] = width;
      packWide(block, from, width, out);
    }
  }
}

/** The first row is `from`. False when the bytes are not what the head of the page promised. */
export function decodeDelta(
  cursor: Cursor,
  rows: number,
  out: Float64Array,
  from: number,
): boolean {
  const block = readVarint(cursor);
  const minis = readVarint(cursor);
  const count = readVarint(cursor);
  let value = readZigzag(cursor);
  if (count !== rows || minis === 0 || block % minis !== 0) return false;
  const perMini = block / minis;
  const { bytes } = cursor;
  const end = from + rows;
  let row = from;
  if (rows > 0) out[row++] = value;
  while (row < end) {
    const least = readZigzag(cursor);
    const widthsAt = cursor.at;
    cursor.at += minis;
    for (let mini = 0; mini < minis && row < end; mini++) {
      const width = bytes[widthsAt + mini]!;
      const to = Math.min(end, row + perMini);
      const at = cursor.at;
      cursor.at += (perMini / 8) * width;
      if (width === 0) {
        for (; row < to; row++) {
          value += least;
          out[row] = value;
        }
      } else if (width <= 24) {
        value = unpackNarrow(bytes, at, width, least, value, out, row, to);
        row = to;
      } else {
        value = unpackWide(bytes, at, width, least, value, out, row, to);
        row = to;
      }
    }
  }
  return cursor.at <= bytes.length;
}

function unpackNarrow(
  bytes: Uint8Array,
  start: number,
  width: number,
  least: number,
  before: number,
  out: Float64Array,
  from: number,
  to: number,
): number {
  const mask = (1 << width) - 1;
  let at = start;
  let value = before;
  let word = 0;
  let filled = 0;
  for (let row = from; row < to; row++) {
    while (filled < width) {
      word |= bytes[at++]! << filled;
      filled += 8;
    }
    value += least + (word & mask);
    out[row] = value;
    word >>>= width;
    filled -= width;
  }
  return value;
}

/** Up to 64 bits, of which the value has at most 53: 24 of them at a time. */
function unpackWide(
  bytes: Uint8Array,
  start: number,
  width: number,
  least: number,
  before: number,
  out: Float64Array,
  from: number,
  to: number,
): number {
  let at = start;
  let value = before;
  let word = 0;
  let filled = 0;
  for (let row = from; row < to; row++) {
    let delta = 0;
    let scale = 1;
    let left = width;
    while (left > 0) {
      const take = left < 24 ? left : 24;
      while (filled < take) {
        word |= bytes[at++]! << filled;
        filled += 8;
      }
      delta += (word & ((1 << take) - 1)) * scale;
      word >>>= take;
      filled -= take;
      scale *= 16777216;
      left -= take;
    }
    value += least + delta;
    out[row] = value;
  }
  return value;
}
