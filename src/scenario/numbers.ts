/** Integer literals: decimal, hexadecimal, octal, with the binary suffixes K, M, G and T. */
import { type U64, word } from '../base/index.ts';

const SUFFIX_SHIFT: Readonly<Record<string, number>> = { K: 10, M: 20, G: 30, T: 40 };

function significantBits(value: U64): number {
  return value.hi !== 0 ? 64 - Math.clz32(value.hi) : 32 - Math.clz32(value.lo);
}

/** The value of a literal, or undefined when it is malformed or does not fit 64 bits. */
export function parseInteger(literal: string): U64 | undefined {
  const shift = SUFFIX_SHIFT[literal[literal.length - 1] ?? ''] ?? 0;
  const digits = shift === 0 ? literal : literal.slice(0, -1);
  let value: U64 | undefined;
  if (digits.startsWith('0x') || digits.startsWith('0X')) {
    value = word.parseDigits(digits.slice(2), 16);
  } else if (digits.length > 1 && digits.charCodeAt(0) === 48) {
    value = word.parseDigits(digits.slice(1), 8);
  } else {
    value = word.parseDigits(digits, 10);
  }
  if (value === undefined || shift === 0) return value;
  return significantBits(value) + shift > 64 ? undefined : word.shl(value, shift);
}
