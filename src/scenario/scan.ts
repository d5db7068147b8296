/**
 * Scanning of strace's notation over char codes: where an argument list or an item ends. Every
 * function looks at each character a bounded number of times and never past `end`, so that a file
 * is read in linear time whatever it holds.
 */
const QUOTE = 34;
const BACKSLASH = 92;

export function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}
export function isWordStart(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95;
}
export function isWord(c: number): boolean {
  return isWordStart(c) || isDigit(c);
}
export function isSpace(c: number): boolean {
  return c === 32 || c === 9 || c === 13;
}

export function skipSpaces(text: string, pos: number, end: number): number {
  while (pos < end && isSpace(text.charCodeAt(pos))) pos++;
  return pos;
}

export function trimEnd(text: string, start: number, end: number): number {
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

export function skipWord(text: string, pos: number, end: number): number {
  while (pos < end && isWord(text.charCodeAt(pos))) pos++;
  return pos;
}

/** Index after the closing quote of the string that opens at `pos`; -1 when it never closes. */
export function skipString(text: string, pos: number, end: number): number {
  for (let i = pos + 1; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === BACKSLASH) i++;
    else if (c === QUOTE) return i + 1;
  }
  return -1;
}

/** Index after the comment that opens at `pos`; -1 when it never closes. */
export function skipComment(text: string, pos: number, end: number): number {
  for (let i = pos + 2; i + 1 < end; i++) {
    if (text.charCodeAt(i) === 42 && text.charCodeAt(i + 1) === 47) return i + 2;
  }
  return -1;
}

/**
 * Index after the `>` that closes the decoration of a descriptor opened by the `<` at `pos`; -1
 * when it never closes. Paths escape `<` and `>`; devices nest (`</dev/null<char 1:3>>`), and
 * sockets hold arrows (`<TCP:[127.0.0.1:5->127.0.0.1:6]>`).
 */
export function skipDecoration(text: string, pos: number, end: number): number {
  const isPath = text.charCodeAt(pos + 1) === 47;
  let depth = 0;
  for (let i = pos; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 60) depth++;
    else if (c === 62) {
      if (!isPath && text.charCodeAt(i - 1) === 45) continue;
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

/**
 * Index of what ends the item at `pos`: a closing bracket that no bracket of the item opens, or,
 * if `atComma`, a comma outside all brackets. -1 when the text ends first or a string stays open.
 */
export function scanItem(text: string, pos: number, end: number, atComma: boolean): number {
  let depth = 0;
  // Without these a line of a million '<' would be read a million times.
  let mayDecorate = true;
  let mayComment = true;
  for (let i = pos; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = skipString(text, i, end) - 1;
      if (i < 0) return -1;
    } else if (c === 40 || c === 91 || c === 123) {
      depth++;
    } else if (c === 41 || c === 93 || c === 125) {
      if (depth === 0) return i;
      depth--;
    } else if (c === 44) {
      if (atComma && depth === 0) return i;
    } else if (c === 60) {
      if (text.charCodeAt(i + 1) === 60) {
        i++;
      } else if (mayDecorate && i > pos && isWord(text.charCodeAt(i - 1))) {
        const after = skipDecoration(text, i, end);
        if (after < 0) mayDecorate = false;
        else i = after - 1;
      }
    } else if (c === 47 && mayComment && text.charCodeAt(i + 1) === 42) {
      const after = skipComment(text, i, end);
      if (after < 0) mayComment = false;
      else i = after - 1;
    }
  }
  return -1;
}
