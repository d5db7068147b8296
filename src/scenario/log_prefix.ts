/**
 * What strace writes before an event: the task (`17060`, `[pid 17060]`, `17060<comm>`), time stamps
 * (-t, -tt, -ttt, -r), the instruction pointer (-i) or the call's number (-n) in brackets.
 */
import { isDigit, isSpace, skipDecoration } from './scan.ts';

/** Longest bracketed word that can be an instruction pointer, a number or a security context. */
const BRACKET_MAX = 160;

export class LogPrefix {
  /** Index of the first character of the event. */
  pos = 0;
  pid = '';
  time: number | undefined;
  /** True when anything stood before the event. */
  any = false;
  #lastPid = -1;
  #lastPidText = '';

  read(text: string, start: number, end: number): void {
    this.pid = '';
    this.time = undefined;
    this.any = false;
    let pos = start;
    while (pos < end) {
      const c = text.charCodeAt(pos);
      let after = -1;
      if (isSpace(c)) {
        pos++;
        continue;
      }
      if (isDigit(c)) after = this.#number(text, pos, end);
      else if (c === 91) after = this.#bracket(text, pos, end);
      else if (c === 40) after = this.#relative(text, pos, end);
      if (after < 0) break;
      this.any = true;
      pos = after;
    }
    this.pos = pos;
  }

  /** A pid, `HH:MM:SS[.frac]` or `seconds.frac`; -1 when the number is none of these. */
  #number(text: string, start: number, end: number): number {
    let pos = start;
    let value = 0;
    for (; pos < end && pos < start + 12; pos++) {
      const c = text.charCodeAt(pos);
      if (!isDigit(c)) break;
      value = value * 10 + c - 48;
    }
    const c = pos < end ? text.charCodeAt(pos) : -1;
    if (isSpace(c) && this.pid === '') {
      this.#setPid(value);
      return pos;
    }
    if (c === 60 && this.pid === '') {
      const after = skipDecoration(text, pos, Math.min(end, pos + BRACKET_MAX));
      if (after > 0) this.#setPid(value);
      return after;
    }
    if (c === 58 && this.time === undefined) return this.#clock(text, start, end);
    if (c === 46 && this.time === undefined) return this.#seconds(text, start, pos, end);
    return -1;
  }

  #setPid(value: number): void {
    if (value !== this.#lastPid) {
      this.#lastPid = value;
      this.#lastPidText = String(value);
    }
    this.pid = this.#lastPidText;
  }

  #seconds(text: string, start: number, dot: number, end: number): number {
    let pos = dot + 1;
    while (pos < end && pos < dot + 10 && isDigit(text.charCodeAt(pos))) pos++;
    if (pos < end && !isSpace(text.charCodeAt(pos))) return -1;
    this.time = Number(text.slice(start, pos));
    return pos;
  }

  #clock(text: string, start: number, end: number): number {
    const found = /^(\d\d):(\d\d):(\d\d(?:\.\d{1,9})?)(?=\s|$)/.exec(
      text.slice(start, Math.min(end, start + 24)),
    );
    if (found === null) return -1;
    this.time = Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3]);
    return start + found[0].length;
  }

  /** `(+     0.000123)`: -r together with -t. */
  #relative(text: string, start: number, end: number): number {
    const found = /^\(\+ *\d+(?:\.\d+)?\)/.exec(text.slice(start, Math.min(end, start + 40)));
    return found === null ? -1 : start + found[0].length;
  }

  #bracket(text: string, start: number, end: number): number {
    const limit = Math.min(end, start + BRACKET_MAX);
    let close = start + 1;
    while (close < limit && text.charCodeAt(close) !== 93) close++;
    if (close >= limit) return -1;
    const inside = text.slice(start + 1, close);
    const pid = /^pid +(\d{1,10})(?:<.*>)?$/.exec(inside);
    if (pid !== null) {
      if (this.pid !== '') return -1;
      this.#setPid(Number(pid[1]));
      return close + 1;
    }
    return /^(?:[0-9a-f]{8,16}|\?+| *\d+|[a-z_:0-9.,]+)$/.test(inside) ? close + 1 : -1;
  }
}
