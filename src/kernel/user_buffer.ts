/**
 * Memory that a call reads from or writes to, in pieces that follow each other: the kernel's iov_iter
 * (lib/iov_iter.c, 6.18). A plain call has one piece; how many there are changes nothing else.
 */
import { type TaskRow, type U64, word } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { TASK_PAGES } from '../mm/mman.ts';
import { copyOut, presentBytes, touchRange, userByte } from './user_copy.ts';

export interface Piece {
  /** An address of the task, or text: bytes without an address, which take no faults. */
  readonly base: U64 | string;
  readonly length: number;
}
export type UserBuffer = readonly Piece[];

export function bufferLength(buffer: UserBuffer): number {
  return buffer.reduce((sum, { length }) => sum + length, 0);
}

const SIGN_PAGE = 2 ** 51;

/** access_ok(): neither lies a piece beyond the addresses that user space has, nor reaches it there. */
export function isUserBuffer(m: Machine, buffer: UserBuffer): boolean {
  const end = m.release.userPtrMax ? TASK_PAGES : SIGN_PAGE;
  return buffer.every(({ base, length }) => {
    if (typeof base === 'string') return true;
    const last = word.add(base, word.fromNumber(Math.max(length, 1) - 1));
    return word.pageOf(base) <= word.pageOf(last) && word.pageOf(last) < end;
  });
}

/**
 * `each` for every run of addresses in bytes [from, from + length), with its place behind `from`,
 * until one comes to less than it was asked for. Returns what they came to together.
 */
function inPieces(
  buffer: UserBuffer,
  from: number,
  length: number,
  each: (at: U64, n: number, place: number) => number,
): number {
  let done = 0;
  let start = 0;
  for (const { base, length: size } of buffer) {
    const inside = from + done - start;
    start += size;
    const n = Math.min(size - inside, length - done);
    if (n <= 0) continue;
    const moved =
      typeof base === 'string' ? n : each(word.add(base, word.fromNumber(inside)), n, done);
    done += moved;
    if (moved < n) break;
  }
  return done;
}

/** Bytes of [from, from + length) that can be touched, from the front; faults are taken. */
export function touchBuffer(
  m: Machine,
  t: TaskRow,
  buffer: UserBuffer,
  from: number,
  length: number,
  write: boolean,
): number {
  return inPieces(buffer, from, length, (at, n) => touchRange(m, t, at, n, write));
}

/** Bytes of [from, from + length) that can be read without a fault, from the front. */
export function presentInBuffer(
  m: Machine,
  t: TaskRow,
  buffer: UserBuffer,
  from: number,
  length: number,
): number {
  return inPieces(buffer, from, length, (at, n) => presentBytes(m, t, at, n));
}

/** Copies to [from, from + length) what `byteAt` gives: the bytes that could be written. */
export function copyToBuffer(
  m: Machine,
  t: TaskRow,
  buffer: UserBuffer,
  from: number,
  length: number,
  byteAt: (i: number) => number,
): number {
  return inPieces(buffer, from, length, (at, n, place) =>
    copyOut(m, t, at, n, (i) => byteAt(place + i)),
  );
}

/**
 * The content that byte `at` has. Behind the first byte of a page of memory there are zeros, as far as
 * is known; text beyond its end is of unknown content.
 */
export function bufferByte(m: Machine, t: TaskRow, buffer: UserBuffer, at: number): number {
  let start = 0;
  for (const { base, length } of buffer) {
    const inside = at - start;
    start += length;
    if (inside >= length) continue;
    if (typeof base === 'string') {
      return inside < base.length ? base.charCodeAt(inside) : m.nextContent++;
    }
    const from = word.add(base, word.fromNumber(inside));
    return word.offsetOf(from) === 0 ? userByte(m, t, from) : 0;
  }
  return 0;
}
