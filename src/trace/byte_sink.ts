/** Bytes that grow, and the variable-length integers of Thrift and Parquet. */
const FIRST_BYTES = 1 << 16;

export class ByteSink {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = FIRST_BYTES) {
    this.bytes = new Uint8Array(capacity);
  }

  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Little-endian, as everything in Parquet. */
  u32(value: number): void {
    this.reserve(4);
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  /** An integer as a 64-bit two's complement. */
  i64(value: number): void {
    const hi = Math.floor(value / 4294967296);
    this.u32(value - hi * 4294967296);
    this.u32(hi);
  }

  /** ULEB128 of an exact non-negative double. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** Zigzag, so that small negative numbers stay short; exact for |value| < 2^52. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** A place in bytes that are read. */
export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

export function readVarint(cursor: Cursor): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = cursor.bytes[cursor.at++]!;
    value += (byte & 127) * scale;
    if (byte < 128 || byte === undefined) return value;
    scale *= 128;
  }
}

export function readZigzag(cursor: Cursor): number {
  const raw = readVarint(cursor);
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}
