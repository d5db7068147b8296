/** `echo VALUE > PATH` and `cat PATH`: the ABI of files in /proc and /sys. */
import type { ExprParser } from './expr_parser.ts';
import type { Op } from './program.ts';
import { isSpace, skipSpaces, skipString, trimEnd } from './scan.ts';
import { decodeString } from './strings.ts';

/** A path, bare or quoted, that ends the line. */
function path(p: ExprParser): string | undefined {
  const { text, end } = p;
  p.skip();
  const start = p.pos;
  let found: string;
  if (p.peek() === 34) {
    const after = skipString(text, start, end);
    if (after < 0) return p.fail('SCN009', start, 'this string is not closed');
    found = decodeString(text, start + 1, after - 1);
    p.pos = after;
  } else {
    while (p.pos < end && !isSpace(text.charCodeAt(p.pos))) p.pos++;
    found = text.slice(start, p.pos);
  }
  if (!found.startsWith('/')) {
    const message = found === '' ? 'expected a path' : 'a path must begin with /';
    return p.fail('SCN013', start, message, () => 'such as /sys/kernel/mm/...');
  }
  const rest = skipSpaces(text, p.pos, end);
  if (rest < end) {
    return p.fail(
      'SCN018',
      rest,
      `unexpected ${p.found(rest)} behind the path`,
      () => 'quote a path that holds spaces',
    );
  }
  return found;
}

export function parseCat(p: ExprParser): Op | undefined {
  const found = path(p);
  return found === undefined ? undefined : { kind: 'cat', path: found };
}

export function parseEcho(p: ExprParser): Op | undefined {
  const { text, end } = p;
  p.skip();
  const start = p.pos;
  let value: string;
  if (p.peek() === 34) {
    const after = skipString(text, start, end);
    if (after < 0) return p.fail('SCN009', start, 'this string is not closed');
    value = decodeString(text, start + 1, after - 1);
    p.pos = skipSpaces(text, after, end);
  } else {
    while (p.pos < end && p.peek() !== 62) p.pos++;
    value = text.slice(start, trimEnd(text, start, p.pos));
  }
  if (p.peek() !== 62 || text.charCodeAt(p.pos + 1) === 62) {
    const hint = () => 'a step is: echo VALUE > PATH';
    return p.fail('SCN011', p.pos, `expected '>', found ${p.found(p.pos)}`, hint);
  }
  p.pos++;
  const found = path(p);
  return found === undefined ? undefined : { kind: 'echo', value, path: found };
}
