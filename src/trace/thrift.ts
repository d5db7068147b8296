/**
 * Thrift's compact protocol, as much of it as Parquet's headers need: structs, lists, strings,
 * i32 and i64. A struct is a list of fields, each with the distance from the field before.
 */
import { ByteSink, type Cursor, readVarint, readZigzag } from './byte_sink.ts';
import { encodeUtf8 } from './utf8.ts';

export const T_TRUE = 1;
export const T_FALSE = 2;
export const T_I32 = 5;
export const T_I64 = 6;
export const T_BINARY = 8;
export const T_LIST = 9;
export const T_STRUCT = 12;

export class ThriftWriter {
  readonly out: ByteSink;
  readonly #outer: number[] = [];
  #last = 0;

  constructor(out = new ByteSink(4096)) {
    this.out = out;
  }

  #field(id: number, type: number): void {
    const distance = id - this.#last;
    if (distance > 0 && distance < 16) {
      this.out.byte(distance * 16 + type);
    } else {
      this.out.byte(type);
      this.out.zigzag(id);
    }
    this.#last = id;
  }

  int(id: number, value: number, type: typeof T_I32 | typeof T_I64 = T_I32): void {
    this.#field(id, type);
    this.out.zigzag(value);
  }

  text(id: number, value: string): void {
    this.#field(id, T_BINARY);
    this.bareText(value);
  }

  /** An element of a list of strings. */
  bareText(value: string): void {
    const bytes = encodeUtf8(value);
    this.out.varint(bytes.length);
    this.out.append(bytes);
  }

  list(id: number, type: number, size: number): void {
    this.#field(id, T_LIST);
    if (size < 15) {
      this.out.byte(size * 16 + type);
    } else {
      this.out.byte(15 * 16 + type);
      this.out.varint(size);
    }
  }

  /** A struct as a field; 0 for the outermost and for elements of lists. */
  begin(id = 0): void {
    if (id !== 0) this.#field(id, T_STRUCT);
    this.#outer.push(this.#last);
    this.#last = 0;
  }

  end(): void {
    this.out.byte(0);
    this.#last = this.#outer.pop() ?? 0;
  }
}

/** A struct's fields by number: numbers, bytes, lists and structs; what is absent is undefined. */
export interface ThriftStruct {
  readonly [field: number]: ThriftValue;
}
export type ThriftValue = number | boolean | Uint8Array | readonly ThriftValue[] | ThriftStruct;

const DEPTH_MOST = 16;

/** Undefined when the bytes are no struct. */
export function readStruct(cursor: Cursor, depth = 0): ThriftStruct | undefined {
  const fields: { [field: number]: ThriftValue } = {};
  let id = 0;
  for (;;) {
    const head = cursor.bytes[cursor.at++];
    if (head === undefined || depth > DEPTH_MOST) return undefined;
    if (head === 0) return fields;
    const distance = head >>> 4;
    id = distance === 0 ? readZigzag(cursor) : id + distance;
    const value = readValue(cursor, head & 15, depth);
    if (value === undefined) return undefined;
    fields[id] = value;
  }
}

function readValue(cursor: Cursor, type: number, depth: number): ThriftValue | undefined {
  switch (type) {
    case T_TRUE:
      return true;
    case T_FALSE:
      return false;
    case 3:
      return cursor.bytes[cursor.at++];
    case 4:
    case T_I32:
    case T_I64:
      return readZigzag(cursor);
    case 7:
      cursor.at += 8;
      return 0;
    case T_BINARY: {
      const size = readVarint(cursor);
      const from = cursor.at;
      cursor.at += size;
      return cursor.at > cursor.bytes.length ? undefined : cursor.bytes.subarray(from, cursor.at);
    }
    case T_LIST:
    case 10:
      return readList(cursor, depth);
    case T_STRUCT:
      return readStruct(cursor, depth + 1);
    default:
      return undefined;
  }
}

function readList(cursor: Cursor, depth: number): ThriftValue[] | undefined {
  const head = cursor.bytes[cursor.at++];
  if (head === undefined) return undefined;
  const size = head >>> 4 === 15 ? readVarint(cursor) : head >>> 4;
  if (size > cursor.bytes.length) return undefined;
  const values: ThriftValue[] = [];
  for (let i = 0; i < size; i++) {
    const value = readValue(cursor, head & 15, depth);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}
