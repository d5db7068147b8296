/**
 * C string literals. strace writes bytes, a scenario writes characters: a run of escaped bytes that
 * is valid UTF-8 becomes the characters it encodes, other bytes become U+0080..U+00FF.
 */
import { skipDecoration } from './scan.ts';

const SIMPLE: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  f: '\f',
  v: '\v',
  b: '\b',
  a: '\x07',
  '"': '"',
  '\\': '\\',
  "'": "'",
};

function isOctal(c: number): boolean {
  return c >= 48 && c <= 55;
}
function isHex(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);
}

/** Length of the UTF-8 sequence that a lead byte begins; 1 for what is no lead byte. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 1;
}

function decodeBytes(bytes: readonly number[]): string {
  let out = '';
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes[i]!);
    let character = String.fromCharCode(bytes[i]!);
    let taken = 1;
    if (length > 1 && i + length <= bytes.length) {
      const sequence = bytes.slice(i, i + length);
      try {
        character = decodeURIComponent(sequence.map((b) => `%${b.toString(16)}`).join(''));
        taken = length;
      } catch {
        // Not UTF-8: the lead byte stands for itself.
      }
    }
    out += character;
    i += taken;
  }
  return out;
}

/** The value of a literal's inside: `text` between the quotes, from `start` to `end`. */
export function decodeString(text: string, start: number, end: number): string {
  const first = text.indexOf('\\', start);
  if (first < 0 || first >= end) return text.slice(start, end);
  const parts: string[] = [];
  let bytes: number[] = [];
  let plain = start;
  let i = first;
  while (i < end) {
    if (text.charCodeAt(i) !== 92) {
      i++;
      continue;
    }
    if (plain < i) {
      if (bytes.length > 0) parts.push(decodeBytes(bytes));
      bytes = [];
      parts.push(text.slice(plain, i));
    }
    let j = i + 1;
    let code = 0;
    if (isOctal(text.charCodeAt(j))) {
      for (; j < end && j < i + 4 && isOctal(text.charCodeAt(j)); j++) {
        code = code * 8 + text.charCodeAt(j) - 48;
      }
    } else if (text[j] === 'x' && isHex(text.charCodeAt(j + 1))) {
      for (j++; j < end && j < i + 4 && isHex(text.charCodeAt(j)); j++) {
        code = code * 16 + Number.parseInt(text[j]!, 16);
      }
    } else {
      const letter = text[j] ?? '';
      code = (SIMPLE[letter] ?? letter).charCodeAt(0);
      j++;
    }
    if (code >= 128 && code < 256) {
      bytes.push(code);
    } else {
      if (bytes.length > 0) parts.push(decodeBytes(bytes));
      bytes = [];
      parts.push(Number.isNaN(code) ? '' : String.fromCharCode(code & 0xffff));
    }
    i = j;
    plain = j;
  }
  if (bytes.length > 0) parts.push(decodeBytes(bytes));
  if (plain < end) parts.push(text.slice(plain, end));
  return parts.join('');
}

/** A literal with its quotes, on one line, that `decodeString` turns back into `value`. */
export function encodeString(value: string): string {
  let out = '"';
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 34 || c === 92) out += `\\${value[i]}`;
    else if (c === 10) out += '\\n';
    else if (c === 9) out += '\\t';
    else if (c === 13) out += '\\r';
    // Three digits always, so that a following digit is not taken for part of the escape.
    else if (c < 32 || c === 127) out += `\\${c.toString(8).padStart(3, '0')}`;
    else out += value[i];
  }
  return `${out}"`;
}

/**
 * The path of the descriptor decoration that opens at `pos`, and the index after it. strace writes
 * ` (deleted)` inside or, as of 6.1, `(deleted)` behind the brackets; both give the inside form.
 */
export function readDecoration(
  text: string,
  pos: number,
  end: number,
): { path: string; after: number } | undefined {
  const after = skipDecoration(text, pos, end);
  if (after < 0) return undefined;
  const path = decodeString(text, pos + 1, after - 1);
  const gone = '(deleted)';
  if (after + gone.length > end || !text.startsWith(gone, after)) return { path, after };
  return { path: `${path} ${gone}`, after: after + gone.length };
}
