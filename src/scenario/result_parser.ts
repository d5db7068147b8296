/**
 * What a scenario expects of a call: everything that strace prints, and `= a+4K`, `= -ENOMEM`.
 * The interface keeps a number as `value`, an expression as `expr`.
 */
import { allConstantNames, errnoNumber } from './constants.ts';
import type { ExprParser } from './expr_parser.ts';
import { formatExpr } from './format_expr.ts';
import type { Expected, Expr } from './program.ts';
import {
  isWordStart,
  scanItem,
  skipComment,
  skipDecoration,
  skipSpaces,
  skipWord,
} from './scan.ts';
import { clip, didYouMean } from './suggest.ts';

/** Reads `= RESULT` up to the end of the line; undefined when there is none. */
export function parseResult(p: ExprParser): Expected | undefined | 'bad' {
  p.skip();
  if (p.pos >= p.end) return undefined;
  if (p.peek() !== 61) {
    p.fail('SCN018', p.pos, `unexpected ${p.found(p.pos)} behind the call`, () =>
      p.peek() === 59 ? 'a step needs no semicolon' : "a result is written '= VALUE'",
    );
    return 'bad';
  }
  p.pos++;
  p.skip();
  const expected = result(p);
  if (expected === undefined) return 'bad';
  if (!skipRemarks(p)) {
    p.fail('SCN018', p.pos, `unexpected ${p.found(p.pos)} behind the result`);
    return 'bad';
  }
  return expected;
}

function result(p: ExprParser): Expected | undefined {
  const { text, end } = p;
  const start = p.pos;
  if (p.peek() === 63) {
    // What strace says behind `?` is why the call did not return.
    p.pos = skipWord(text, skipSpaces(text, start + 1, end), end);
    return { kind: 'none' };
  }
  const errno = errnoAt(p, start);
  if (errno !== undefined) {
    const name = text.slice(errno, skipWord(text, errno, end));
    const number = errnoNumber(name);
    if (number === 0) {
      return p.fail('SCN017', errno, `'${clip(name)}' is no error number`, () =>
        didYouMean(name, errorNames()),
      );
    }
    p.pos = errno + name.length;
    return { kind: 'errno', errno: number, name };
  }
  const value = p.expr();
  return value === undefined ? undefined : expectedOf(p, value, start);
}

/** Where the name stands in `-ENOMEM` or `-1 ENOMEM`; undefined for anything else. */
function errnoAt(p: ExprParser, start: number): number | undefined {
  const { text, end } = p;
  if (p.peek() !== 45) return undefined;
  let pos = start + 1;
  if (text.startsWith('1 ', pos)) pos = skipSpaces(text, pos + 1, end);
  else if (text.charCodeAt(pos) !== 69) return undefined;
  return pos < end && isWordStart(text.charCodeAt(pos)) ? pos : undefined;
}

function* errorNames(): Iterable<string> {
  for (const name of allConstantNames()) if (errnoNumber(name) !== 0) yield name;
}

function expectedOf(p: ExprParser, value: Expr, start: number): Expected | undefined {
  if (value.kind === 'int') return { kind: 'value', value: value.value, text: value.text };
  if (value.kind === 'fd') {
    const text = String(value.fd);
    const bits = { hi: value.fd < 0 ? 0xffffffff : 0, lo: value.fd >>> 0 };
    return { kind: 'value', value: bits, text, path: value.path };
  }
  if (value.kind === 'const' && errnoNumber(value.name) !== 0) {
    return p.fail(
      'SCN017',
      start,
      `an error is returned as a negative number`,
      () => `write '= -1 ${value.name}'`,
    );
  }
  return { kind: 'expr', value, text: formatExpr(value) };
}

/** Skips `(remarks)`, comments and -T's `<0.000012>` up to the end. */
function skipRemarks(p: ExprParser): boolean {
  const { text, end } = p;
  while (true) {
    p.pos = skipSpaces(text, p.pos, end);
    if (p.pos >= end) return true;
    const c = p.peek();
    let after = -1;
    if (c === 40) after = scanItem(text, p.pos + 1, end, false) + 1;
    else if (c === 60) after = skipDecoration(text, p.pos, end);
    else if (c === 47 && text.charCodeAt(p.pos + 1) === 42) after = skipComment(text, p.pos, end);
    if (after <= p.pos) return false;
    p.pos = after;
  }
}
