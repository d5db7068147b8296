/**
 * 64-bit words without BigInt: two uint32 halves. They exist at the borders only (arguments of
 * system calls, words of pagemap); inside, an address is a page number and an offset.
 */
export interface U64 {
  readonly hi: number;
  readonly lo: number;
}

const TWO32 = 4294967296;
const TWO20 = 1048576;

export const ZERO: U64 = { hi: 0, lo: 0 };

export function u64(hi: number, lo: number): U64 {
  return { hi: hi >>> 0, lo: lo >>> 0 };
}

/** From an exact integer; a negative one becomes its two's complement. */
export function fromNumber(x: number): U64 {
  const hi = Math.floor(x / TWO32);
  return u64(hi, x - hi * TWO32);
}

/** The address of byte `offset` (0..4095, or any exact integer) of page `vpn`. */
export function fromPage(vpn: number, offset = 0): U64 {
  const first = u64(Math.floor(vpn / TWO20), vpn << 12);
  return offset === 0 ? first : add(first, fromNumber(offset));
}

/** Page number of an address: exact, below 2^52. */
export function pageOf(x: U64): number {
  return x.hi * TWO20 + (x.lo >>> 12);
}

/** Offset of an address inside its 4 KiB page. */
export function offsetOf(x: U64): number {
  return x.lo & 0xfff;
}

/** As a signed 32-bit int: file descriptors, `int` arguments. */
export function toInt32(x: U64): number {
  return x.lo | 0;
}

/** Unsigned value as a double; exact below 2^53, else the nearest. */
export function toNumber(x: U64): number {
  return x.hi * TWO32 + x.lo;
}

/** Signed value (two's complement) as a double; exact while |x| < 2^53. */
export function toSigned(x: U64): number {
  return (x.hi | 0) * TWO32 + x.lo;
}

/** True when the unsigned value fits a double exactly. */
export function isExact(x: U64): boolean {
  return x.hi < 0x200000;
}

export function add(a: U64, b: U64): U64 {
  const lo = a.lo + b.lo;
  return u64(a.hi + b.hi + (lo >= TWO32 ? 1 : 0), lo);
}
export function neg(a: U64): U64 {
  return add(not(a), u64(0, 1));
}
export function sub(a: U64, b: U64): U64 {
  return add(a, neg(b));
}
export function not(a: U64): U64 {
  return u64(~a.hi, ~a.lo);
}
export function or(a: U64, b: U64): U64 {
  return u64(a.hi | b.hi, a.lo | b.lo);
}
export function and(a: U64, b: U64): U64 {
  return u64(a.hi & b.hi, a.lo & b.lo);
}
export function equal(a: U64, b: U64): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}
/** Unsigned comparison: negative, 0 or positive. */
export function compare(a: U64, b: U64): number {
  return a.hi !== b.hi ? a.hi - b.hi : a.lo - b.lo;
}

/** Product modulo 2^64. */
export function mul(a: U64, b: U64): U64 {
  const a0 = a.lo & 0xffff;
  const a1 = a.lo >>> 16;
  const b0 = b.lo & 0xffff;
  const b1 = b.lo >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low - (low & 0xffff)) / 65536;
  const mid2 = a0 * b1 + (mid % 65536);
  const lo = (mid2 % 65536) * 65536 + (low & 0xffff);
  const carry = a1 * b1 + Math.floor(mid / 65536) + Math.floor(mid2 / 65536);
  return u64(carry + Math.imul(a.hi, b.lo) + Math.imul(a.lo, b.hi), lo);
}

export function shl(a: U64, bits: number): U64 {
  if (bits >= 64) return ZERO;
  if (bits >= 32) return u64(a.lo << (bits - 32), 0);
  if (bits === 0) return a;
  return u64((a.hi << bits) | (a.lo >>> (32 - bits)), a.lo << bits);
}
export function shr(a: U64, bits: number): U64 {
  if (bits >= 64) return ZERO;
  if (bits >= 32) return u64(0, a.hi >>> (bits - 32));
  if (bits === 0) return a;
  return u64(a.hi >>> bits, (a.lo >>> bits) | (a.hi << (32 - bits)));
}

/** Quotient and remainder by a small positive divisor (below 2^21). */
export function divmod(a: U64, divisor: number): { quotient: U64; rest: number } {
  const qhi = Math.floor(a.hi / divisor);
  const withLow = (a.hi % divisor) * TWO32 + a.lo;
  const qlo = Math.floor(withLow / divisor);
  return { quotient: u64(qhi + Math.floor(qlo / TWO32), qlo), rest: withLow % divisor };
}

/** "0x7f8464379000": lower case, no leading zeros, as /proc and strace print. */
export function toHex(x: U64): string {
  if (x.hi === 0) return '0x' + x.lo.toString(16);
  return '0x' + x.hi.toString(16) + x.lo.toString(16).padStart(8, '0');
}

export function toDecimal(x: U64): string {
  if (isExact(x)) return String(toNumber(x));
  const { quotient, rest } = divmod(x, 1000000);
  return toDecimal(quotient) + String(rest).padStart(6, '0');
}

/**
 * Parses digits in base 8, 10 or 16 (no prefix, no sign).
 * Undefined when a character is not a digit or the value does not fit 64 bits.
 */
export function parseDigits(digits: string, radix: 8 | 10 | 16): U64 | undefined {
  if (digits.length === 0) return undefined;
  let hi = 0;
  let lo = 0;
  for (let i = 0; i < digits.length; i++) {
    const c = digits.charCodeAt(i);
    const d = c >= 97 ? c - 87 : c >= 65 ? c - 55 : c - 48;
    if (d < 0 || d >= radix || (c > 57 && c < 65)) return undefined;
    lo = lo * radix + d;
    const carry = Math.floor(lo / TWO32);
    lo -= carry * TWO32;
    hi = hi * radix + carry;
    if (hi >= TWO32) return undefined;
  }
  return u64(hi, lo);
}
