/**
 * Results of calls as strace prints them:
 *   = 0x7f...   = 3</path>   = 0 (Timeout)   = 0x1 (flags FD_CLOEXEC)   = 17 <0.000012>
 *   = -1 ENOMEM (Cannot allocate memory)   = ?   = ? ERESTARTSYS (To be restarted ...)
 */
import { word } from '../base/index.ts';
import { errnoNumber } from './constants.ts';
import { parseInteger } from './numbers.ts';
import type { Expected } from './program.ts';
import {
  isDigit,
  isWordStart,
  scanItem,
  skipComment,
  skipDecoration,
  skipSpaces,
  skipWord,
} from './scan.ts';
import { readDecoration } from './strings.ts';

export const NO_RESULT: Expected = { kind: 'none' };

/** Results that repeat in a log share one object. */
const errnos = new Map<string, Expected>();
const smallValues = new Map<string, Expected>();

function errnoResult(name: string): Expected {
  let found = errnos.get(name);
  if (found === undefined) {
    found = { kind: 'errno', errno: errnoNumber(name), name };
    if (errnos.size < 256) errnos.set(name, found);
  }
  return found;
}

function valueResult(text: string): Expected | undefined {
  const known = smallValues.get(text);
  if (known !== undefined) return known;
  const negative = text.charCodeAt(0) === 45;
  const value = parseInteger(negative ? text.slice(1) : text);
  if (value === undefined) return undefined;
  const found: Expected = { kind: 'value', value: negative ? word.neg(value) : value, text };
  if (text.length <= 3) smallValues.set(text, found);
  return found;
}

export class LogResult {
  expected: Expected = NO_RESULT;
  /** Where the value itself ended. */
  valueEnd = 0;

  /** Reads the result that begins behind the `=`; false when the text is no result. */
  read(text: string, start: number, end: number): boolean {
    const pos = skipSpaces(text, start, end);
    if (pos >= end) return false;
    const c = text.charCodeAt(pos);
    if (c === 63) {
      this.expected = NO_RESULT;
      this.valueEnd = pos + 1;
      return pos + 1 === end || text.charCodeAt(pos + 1) === 32;
    }
    const digits = c === 45 ? pos + 1 : pos;
    if (digits >= end || !isDigit(text.charCodeAt(digits))) return false;
    let after = skipWord(text, digits, end);
    const value = valueResult(text.slice(pos, after));
    if (value === undefined) return false;
    this.expected = value;
    if (c === 45 && text.charCodeAt(after) === 32) after = this.#errno(text, pos, after, end);
    else if (after < end && text.charCodeAt(after) === 60) {
      const found = readDecoration(text, after, end);
      if (found === undefined) return false;
      if (value.kind === 'value') this.expected = { ...value, path: found.path };
      after = found.after;
    }
    this.valueEnd = after;
    return this.#trailer(text, after, end);
  }

  /** `-1 ENOMEM` and `-1 (errno 1000)`. */
  #errno(text: string, start: number, space: number, end: number): number {
    const from = skipSpaces(text, space, end);
    if (from < end && isWordStart(text.charCodeAt(from))) {
      const after = skipWord(text, from, end);
      this.expected = errnoResult(text.slice(from, after));
      return after;
    }
    if (text.startsWith('(errno ', from)) {
      const after = skipWord(text, from + 7, end);
      const errno = Number(text.slice(from + 7, after));
      if (Number.isInteger(errno) && text.charCodeAt(after) === 41) {
        this.expected = { kind: 'errno', errno, name: `errno ${errno}` };
        return after + 1;
      }
    }
    return start === space ? start : space;
  }

  /** Remarks in parentheses, comments, contexts and -T's time; nothing else may follow. */
  #trailer(text: string, start: number, end: number): boolean {
    let pos = start;
    while (true) {
      pos = skipSpaces(text, pos, end);
      if (pos >= end) return true;
      // A remark is set off by a space: `03(` is no result.
      if (pos === start) return false;
      const c = text.charCodeAt(pos);
      let after = -1;
      if (c === 40 || c === 91) after = scanItem(text, pos + 1, end, false) + 1;
      else if (c === 60) after = skipDecoration(text, pos, end);
      else if (c === 47 && text.charCodeAt(pos + 1) === 42) after = skipComment(text, pos, end);
      if (after <= pos) return false;
      pos = after;
      start = -1;
    }
  }
}
