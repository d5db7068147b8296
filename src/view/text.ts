/**
 * What every picture and table is made of: lines of styled spans, plain data. Whoever shows them
 * paints the styles (the terminal with colours, a page with classes). Everything that a style says
 * is also said by the text, so that output without colour loses nothing.
 */
export type Style =
  | 'plain'
  | 'strong'
  | 'dim'
  | 'head'
  | 'ok'
  | 'bad'
  | 'warn'
  | 'note'
  /** A page of a folio: colour 0..9; solid where the page is private (anonymous) memory. */
  | `folio-${number}`
  | `solid-${number}`;

export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

export const BLANK: Line = [];

export function span(text: string, style: Style = 'plain'): Span {
  return { text, style };
}

export function line(text: string, style: Style = 'plain'): Line {
  return [span(text, style)];
}

/**
 * Columns that a character takes: 0 for combining marks and joiners, 2 for East Asian wide ones and
 * pictographs. Paths and strings of a log may hold any of them.
 */
function charWidth(code: number): number {
  if (code < 0x300) return 1;
  if (code <= 0x36f || code === 0x200b || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f)) {
    return 0;
  }
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += charWidth(character.codePointAt(0)!);
  return width;
}

export function lineWidth(spans: Line): number {
  let width = 0;
  for (const s of spans) width += textWidth(s.text);
  return width;
}

/**
 * Text of the input made safe to show: control characters (a terminal would obey them) become
 * `\xNN`, a tab one space.
 */
export function clean(text: string): string {
  let out = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const direction = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    if (code >= 32 && (code < 127 || code > 159) && !direction) continue;
    out += text.slice(from, i);
    out += code === 9 ? ' ' : `\\x${code.toString(16).padStart(2, '0')}`;
    from = i + 1;
  }
  return from === 0 ? text : out + text.slice(from);
}

/** `list.push(...items)` for lists that may be too long to be arguments. */
export function append<T>(list: T[], items: Iterable<T>): void {
  for (const item of items) list.push(item);
}

export function plainText(spans: Line): string {
  let out = '';
  for (const s of spans) out += s.text;
  return out;
}

/** The longest prefix of `text` that takes at most `width` columns. */
function prefixOfWidth(text: string, width: number): string {
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += charWidth(character.codePointAt(0)!);
    if (used > width) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Cuts a text that is too long, with `…` in place of the rest. */
export function cut(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1 ? '' : `${prefixOfWidth(text, width - 1)}…`;
}

/** Cuts a line to at most `width` columns. */
export function cutLine(spans: Line, width: number): Line {
  if (lineWidth(spans) <= width) return spans;
  const out: Span[] = [];
  let left = width;
  for (const s of spans) {
    const taken = textWidth(s.text);
    if (taken < left) {
      out.push(s);
      left -= taken;
      continue;
    }
    out.push(span(`${prefixOfWidth(s.text, left - 1)}…`, s.style));
    break;
  }
  return out;
}

/** Fills a line with spaces up to `width`. */
export function padLine(spans: Line, width: number): Line {
  const missing = width - lineWidth(spans);
  return missing > 0 ? [...spans, span(' '.repeat(missing))] : spans;
}

/**
 * Breaks a text into lines of at most `width` columns at spaces; a word that is longer than a line
 * is broken behind punctuation where there is some, else anywhere.
 */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  let used = 0;
  for (const word of text.split(' ')) {
    let rest = word;
    let size = textWidth(rest);
    if (used > 0 && used + 1 + size <= width) {
      current += ` ${rest}`;
      used += 1 + size;
      continue;
    }
    if (used > 0) lines.push(current);
    while (size > width) {
      let head = prefixOfWidth(rest, width);
      const stop = /^.*[,|/)=_-]/.exec(head)?.[0] ?? '';
      if (stop.length > head.length / 2) head = stop;
      if (head === '') head = [...rest][0]!;
      lines.push(head);
      rest = rest.slice(head.length);
      size = textWidth(rest);
    }
    current = rest;
    used = size;
  }
  if (current !== '' || lines.length === 0) lines.push(current);
  return lines;
}

/** Breaks a line of several styles at spaces; each part keeps its style. */
export function wrapLine(spans: Line, width: number): Line[] {
  if (lineWidth(spans) <= width) return [spans];
  const lines: Line[] = [];
  let current: Span[] = [];
  let used = 0;
  let gap = 0;
  const finish = (): void => {
    if (used > 0) lines.push(current);
    current = [];
    used = 0;
    gap = 0;
  };
  for (const { text, style } of spans) {
    for (const word of text.split(/( +)/)) {
      const size = textWidth(word);
      if (size === 0) continue;
      if (word.startsWith(' ')) {
        gap += size;
        continue;
      }
      if (used > 0 && used + gap + size > width) finish();
      const parts = size > width ? wrapText(word, width) : [word];
      parts.forEach((part, i) => {
        if (i > 0) finish();
        const space = used > 0 ? gap : 0;
        current.push(span(' '.repeat(space) + part, style));
        used += space + textWidth(part);
        gap = 0;
      });
    }
  }
  finish();
  return lines;
}

/** A paragraph: `first` before the first line, as many spaces before the others. */
export function paragraph(first: Line, text: string, style: Style, width: number): Line[] {
  const indent = lineWidth(first);
  const pad = ' '.repeat(indent);
  return wrapText(text, Math.max(16, width - indent)).map((part, i) =>
    i === 0 ? [...first, span(part, style)] : [span(pad), span(part, style)],
  );
}

/** Items packed into lines of at most `width` columns, `gap` between two. */
export function flow(items: readonly Line[], indent: string, gap: string, width: number): Line[] {
  const lines: Line[] = [];
  let current: Span[] = [];
  let used = 0;
  for (const item of items) {
    const size = lineWidth(item);
    if (used > 0 && used + gap.length + size > width) {
      lines.push(current);
      used = 0;
    }
    if (used === 0) {
      current = [span(indent)];
      used = indent.length;
    } else {
      current.push(span(gap, 'dim'));
      used += gap.length;
    }
    current.push(...item);
    used += size;
  }
  if (used > 0) lines.push(current);
  return lines;
}

/** "1 fault", "3 faults". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
