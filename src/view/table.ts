/**
 * Aligned columns. Widths come from the contents; when the row is too wide, one elastic column
 * gives way, and its texts are wrapped under themselves.
 */
import { BLANK, type Line, lineWidth, padLine, type Span, span, wrapLine } from './text.ts';

export interface Column {
  readonly align?: 'left' | 'right';
  /** The column that gives way; at most one. */
  readonly elastic?: boolean;
  /** Never wider than this; only for the elastic column. */
  readonly max?: number;
}

const GAP = 2;
/** The elastic column does not become narrower than this: rather the row overflows. */
const ELASTIC_MIN = 20;

function trimRight(spans: Line): Line {
  const out = [...spans];
  for (let last = out.pop(); last !== undefined; last = out.pop()) {
    const text = last.text.trimEnd();
    if (text !== '') return [...out, span(text, last.style)];
  }
  return out;
}

/**
 * Rows with as many cells as there are columns; columns that are empty in every row are dropped.
 * Gives the lines of each row.
 */
export function tableRows(
  columns: readonly Column[],
  rows: readonly (readonly Line[])[],
  width: number,
  indent = 0,
): Line[][] {
  const widths = columns.map((_, c) =>
    rows.reduce((max, row) => Math.max(max, lineWidth(row[c] ?? BLANK)), 0),
  );
  const shown = columns.map((_, c) => c).filter((c) => widths[c]! > 0);
  const elastic = columns.findIndex((column) => column.elastic === true);
  if (elastic >= 0 && widths[elastic]! > 0) {
    const gaps = GAP * (shown.length - 1);
    const others = shown.reduce((sum, c) => sum + (c === elastic ? 0 : widths[c]!), indent + gaps);
    const max = Math.min(columns[elastic]!.max ?? width, width - others);
    widths[elastic] = Math.min(widths[elastic]!, Math.max(ELASTIC_MIN, max));
  }
  return rows.map((row) => {
    const lines: Line[] = [];
    const cells = shown.map((c) => wrapLine(row[c] ?? BLANK, widths[c]!));
    const height = Math.max(...cells.map((cell) => cell.length));
    for (let k = 0; k < height; k++) {
      const out: Span[] = indent > 0 ? [span(' '.repeat(indent))] : [];
      shown.forEach((c, i) => {
        if (i > 0) out.push(span(' '.repeat(GAP)));
        const cell = cells[i]![k] ?? BLANK;
        if (columns[c]!.align === 'right') {
          out.push(span(' '.repeat(Math.max(0, widths[c]! - lineWidth(cell)))), ...cell);
        } else out.push(...padLine(cell, widths[c]!));
      });
      lines.push(trimRight(out));
    }
    return lines;
  });
}

export function table(
  columns: readonly Column[],
  rows: readonly (readonly Line[])[],
  width: number,
  indent = 0,
): Line[] {
  return tableRows(columns, rows, width, indent).flat();
}

/** Blocks of lines side by side, each as wide as `widths` says. */
export function beside(
  blocks: readonly (readonly Line[])[],
  widths: readonly number[],
  gap: string,
): Line[] {
  const height = Math.max(0, ...blocks.map((block) => block.length));
  const lines: Line[] = [];
  for (let k = 0; k < height; k++) {
    const out: Span[] = [];
    blocks.forEach((block, i) => {
      if (i > 0) out.push(span(gap, 'dim'));
      out.push(...padLine(block[k] ?? BLANK, widths[i]!));
    });
    lines.push(trimRight(out));
  }
  return lines;
}
