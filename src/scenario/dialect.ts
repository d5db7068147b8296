/**
 * Which language a file is written in, judged by its content: a scenario is a superset of a log, so
 * a file is a log when it looks like one and next to nothing in it is a scenario's own.
 */
import { LogPrefix } from './log_prefix.ts';
import { isDigit, isSpace, isWordStart, skipSpaces, skipWord, trimEnd } from './scan.ts';
import { nearest } from './suggest.ts';

export type FileKind = 'scenario' | 'log' | 'binary' | 'neither' | 'empty';

export interface Detected {
  readonly kind: FileKind;
  /** Where the first line that is neither, or the first binary character, stands. */
  readonly line: number;
  readonly column: number;
}

export const DIRECTIVES: readonly string[] = [
  'kernel',
  'memory',
  'echo',
  'cat',
  'expect',
  'read',
  'write',
  'exec',
];

const SAMPLE_LINES = 400;
const SAMPLE_CHARS = 1 << 20;
/** Longer lines are judged by their beginning and end. */
const LINE_CHARS = 400;

interface Counts {
  /** Lines that only a scenario has. */
  scenario: number;
  /** Lines that only a log has: a task number, a time stamp, `+++`. */
  log: number;
  /** `call(...) = result`, which both have. */
  result: number;
  /** `call(`: a scenario's, or a log's torn line. */
  call: number;
  comment: number;
  /** A first word that is nearly a directive. */
  near: number;
  lines: number;
  firstOther: number;
}

const prefix = new LogPrefix();

function looksLikeStatement(text: string, pos: number, end: number): boolean {
  if (!isWordStart(text.charCodeAt(pos))) return false;
  const after = skipWord(text, pos, end);
  if (text.charCodeAt(after) === 40) return true;
  const word = text.slice(pos, after);
  if (DIRECTIVES.includes(word)) return after >= end || isSpace(text.charCodeAt(after));
  // `NAME = call(`
  let next = skipSpaces(text, after, end);
  if (text.charCodeAt(next) !== 61) return false;
  next = skipSpaces(text, next + 1, end);
  return isWordStart(text.charCodeAt(next)) && text[skipWord(text, next, end)] === '(';
}

function judge(text: string, start: number, end: number, line: number, counts: Counts): void {
  const short = Math.min(end, start + LINE_CHARS);
  prefix.read(text, start, short);
  const { pos } = prefix;
  const c = text.charCodeAt(pos);
  counts.lines++;
  const rest = text.slice(pos, short);
  if (/^(\+\+\+ |--- SIG|<\.\.\. \w+ resumed>|strace: |% time )/.test(rest)) {
    counts.log++;
    return;
  }
  if (!prefix.any && c === 35) {
    counts.comment++;
    return;
  }
  const after = skipWord(text, pos, short);
  if (isWordStart(c) && text.charCodeAt(after) === 40 && after < short) {
    if (prefix.any) counts.log++;
    else {
      const tail = text.slice(Math.max(pos, end - LINE_CHARS), end);
      if (/\) += |<unfinished \.\.\.>$/.test(tail)) counts.result++;
      else counts.call++;
    }
    return;
  }
  if (looksLikeStatement(text, pos, short)) {
    // A bare `read` behind a task number is a log's last line, cut off before its parenthesis.
    if (!(prefix.any && after >= short)) counts.scenario++;
    return;
  }
  if (text.charCodeAt(after) === 58 && after > pos && !isDigit(c)) {
    if (looksLikeStatement(text, skipSpaces(text, after + 1, short), short)) {
      counts.scenario++;
      return;
    }
  }
  const gap = after < short && isSpace(text.charCodeAt(after)) && c >= 97;
  if (gap && nearest(text.slice(pos, after), DIRECTIVES) !== undefined) counts.near++;
  else if (counts.firstOther === 0) counts.firstOther = line;
}

function sample(text: string, from: number, firstLine: number, counts: Counts): void {
  let start = from;
  let line = firstLine;
  const stop = Math.min(text.length, from + SAMPLE_CHARS);
  while (start < stop && counts.lines < SAMPLE_LINES) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const last = trimEnd(text, start, end);
    if (skipSpaces(text, start, last) < last) judge(text, start, last, line, counts);
    start = end + 1;
    line++;
  }
}

function isControl(c: number): boolean {
  return (c < 32 && c !== 9 && c !== 10 && c !== 13 && c !== 12) || c === 127 || c === 0xfffd;
}

/** Place and number of control characters at the head of the file. */
function controls(text: string): { count: number; size: number; line: number; column: number } {
  const size = Math.min(text.length, 1 << 16);
  let count = 0;
  let line = 1;
  let lineStart = 0;
  let at = { line: 0, column: 0 };
  for (let i = 0; i < size; i++) {
    const c = text.charCodeAt(i);
    if (c === 10) {
      line++;
      lineStart = i + 1;
    } else if (isControl(c)) {
      if (count === 0) at = { line, column: i - lineStart + 1 };
      count++;
    }
  }
  return { count, size, ...at };
}

export function detect(text: string, file: string): Detected {
  const counts: Counts = {
    scenario: 0,
    log: 0,
    result: 0,
    call: 0,
    comment: 0,
    near: 0,
    lines: 0,
    firstOther: 0,
  };
  sample(text, 0, 1, counts);
  const control = controls(text);
  const place = { line: control.line, column: control.column };
  const known = counts.scenario + counts.log + counts.result;
  // A torn log may hold a block of zeros; a file of bytes has no line that makes sense.
  const binary = control.count * 100 > control.size || text.slice(0, 1 << 16).includes('\0');
  if (binary && (known < 3 || control.count * 2 > control.size))
    return { kind: 'binary', ...place };
  if (counts.lines === 0) return { kind: 'empty', line: 0, column: 0 };
  if (known === 0 && text.length > SAMPLE_CHARS) {
    const middle = text.indexOf('\n', text.length >> 1) + 1;
    counts.lines = 0;
    if (middle > 0) sample(text, middle, 0, counts);
  }
  return { kind: decide(counts, file), line: counts.firstOther, column: 0 };
}

function decide(counts: Counts, file: string): FileKind {
  const { scenario, log, result } = counts;
  // The name of a file settles only what its content leaves open.
  if (file.endsWith('.fl') && log === 0) return 'scenario';
  if (scenario > 0 && scenario * 20 >= log + result) return 'scenario';
  if (log > 0) return 'log';
  if (result > 0) return counts.comment > 0 ? 'scenario' : 'log';
  if (scenario + counts.call + counts.comment > 0) return 'scenario';
  return counts.near * 2 > counts.lines ? 'scenario' : 'neither';
}
