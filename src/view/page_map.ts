/**
 * The picture of one mapping. A short mapping is a grid whose columns are the pages of a 64K block,
 * so that the column is the address digit that the row's label leaves open, and naturally aligned
 * folios begin in columns that are multiples of their size:
 *
 *              0  1  2  3  4  5  6  7
 *     0x1_000 ┃A0 A1 A2 A3│·  ·  ·  · ┃        ┃ 64K boundary   │ 16K boundary
 *     0x2_000 ┃  /A0 A1 A2│A3                  / a folio that is not naturally aligned here
 *
 * A long mapping is a list of runs (`A0…A15`, `·×240`), with rows of the grid where a block holds
 * too many runs to be read as a list.
 */
import type { PageReport } from '../lab/index.ts';
import type { FolioBook } from './folio_book.ts';
import { clipRun, type Run, runsOf, runText } from './page_runs.ts';
import { append, BLANK, type Line, lineWidth, type Span, span } from './text.ts';
import { addressOf, vpnOf } from './words.ts';

/** Pages in a block, and columns of a full row. */
const BLOCK = 16;
/** Longer mappings are shown as runs. */
const GRID_PAGES_MAX = 64;
/** Mappings of several blocks with so few pages are shown as runs, too. */
const LONELY_MAX = 2;
/** A block with so many runs is a row of the grid also in a long mapping. */
const RUNS_IN_BLOCK = 5;

export interface Geometry {
  /** Columns of a row: 16, 8 or 4. */
  readonly columns: number;
  readonly cellWidth: number;
  readonly labelWidth: number;
  readonly indent: number;
  readonly width: number;
}

export interface MapArea {
  readonly start: number;
  readonly end: number;
  readonly pages: readonly PageReport[];
}

/** Label of the row that begins at page `vpn`: `_` is the digit that the column gives. */
function label(vpn: number, columns: number): string {
  if (columns < BLOCK) return addressOf(vpn);
  const block = Math.floor(vpn / BLOCK);
  return `0x${block === 0 ? '' : block.toString(16)}_000`;
}

/** Labels lose their beginning (the mapping's line has it) rather than the grid its columns. */
const LABEL_SHORT = 9;

/** The widest grid that fits; `areas` are what it will show. */
export function geometry(
  areas: readonly MapArea[],
  cellWidth: number,
  width: number,
  indent: number,
): Geometry {
  let labels = 6;
  let used = 4;
  for (const { start, end } of areas) {
    labels = Math.max(labels, addressOf(end - 1).length, label(end - 1, BLOCK).length);
    used = Math.max(used, Math.min(BLOCK, Math.ceil(((start % BLOCK) + end - start) / 4) * 4));
  }
  const short = Math.min(labels, LABEL_SHORT);
  for (const columns of [BLOCK, 8, 4]) {
    const needed = (columns === BLOCK ? used : columns) * (cellWidth + 1) + indent + 2;
    for (const labelWidth of [labels, short]) {
      if (needed + labelWidth <= width) return { columns, cellWidth, labelWidth, indent, width };
    }
  }
  return { columns: 4, cellWidth, labelWidth: short, indent, width };
}

function shortLabel(text: string, width: number): string {
  return text.length <= width ? text.padStart(width) : `…${text.slice(text.length - width + 1)}`;
}

export function isLong({ start, end, pages }: MapArea): boolean {
  if (end - start > GRID_PAGES_MAX) return true;
  // A stack with one page of its 33 is better told as `·×31 B ·`.
  return end - start > BLOCK && pages.length <= LONELY_MAX;
}

/** Whether page `vpn` begins a folio (or what this range has of it) that is not aligned here. */
function isMisaligned(page: PageReport, vpn: number): boolean {
  return page.folio !== 0 && page.order > 0 && (vpn - page.index) % (1 << page.order) !== 0;
}

function separator(vpn: number): string {
  if (vpn % BLOCK === 0) return '┃';
  return vpn % 4 === 0 ? '│' : ' ';
}

/** The edge in front of the run at its first page: a broken law, a misaligned folio, a boundary. */
function edge(run: Run, vpn: number): Span {
  if (run.broken) return span('!', 'bad');
  if (run.page !== undefined && run.begins && vpn === run.start && isMisaligned(run.page, vpn)) {
    return span('/', 'warn');
  }
  return span(separator(vpn), 'dim');
}

/** The line of column digits above grids. */
export function ruler(g: Geometry, columns: number): Line {
  let text = ' '.repeat(g.indent + g.labelWidth + 1);
  for (let c = 0; c < columns; c++) {
    const digit = g.columns === BLOCK ? c.toString(16) : `+${c.toString(16)}`;
    text += ` ${digit.padEnd(g.cellWidth)}`;
  }
  return [span(text.trimEnd(), 'dim')];
}

/** One row: pages [from, from + columns) as far as they lie in [start, end). */
function gridRow(g: Geometry, runs: readonly Run[], from: number, book: FolioBook): Line {
  const rowLabel = shortLabel(label(from, g.columns), g.labelWidth);
  const out: Span[] = [span(`${' '.repeat(g.indent)}${rowLabel} `, 'dim')];
  let at = from;
  for (const run of runs) {
    const end = Math.min(run.start + run.pages, from + g.columns);
    for (; at < run.start; at++) {
      out.push(span(separator(at).padEnd(g.cellWidth + 1), 'dim'));
    }
    for (; at < end; at++) {
      out.push(edge(run, at));
      const { page } = run;
      if (page === undefined) {
        out.push(span('·'.padEnd(g.cellWidth), 'dim'));
        continue;
      }
      const index =
        page.folio === 0 || book.isNameless(page.folio) ? page.index : page.index + at - run.start;
      const text = book.cell(index === page.index ? page : { ...page, index });
      const style = run.broken ? 'bad' : book.style(page);
      const pad = ' '.repeat(Math.max(0, g.cellWidth - text.length));
      // Within a folio the style goes on to the next cell, so that a folio is one bar.
      if (page.order > 0) out.push(span(text + pad, style));
      else out.push(span(text, style), span(pad));
    }
  }
  if (at % 4 === 0) out.push(span(separator(at), 'dim'));
  return out;
}

/** Runs one behind the other, wrapped to the width; each line begins with its address. */
function runLines(g: Geometry, runs: readonly Run[], book: FolioBook): Line[] {
  const lines: Line[] = [];
  let current: Span[] = [];
  let used = 0;
  for (const run of runs) {
    const text = runText(run, book);
    const size = text.length + 2;
    if (used === 0 || used + size > g.width) {
      if (used > 0) lines.push(current);
      current = [span(`${' '.repeat(g.indent)}${addressOf(run.start)} `, 'dim')];
      used = lineWidth(current);
    }
    const style = run.page === undefined ? 'dim' : run.broken ? 'bad' : book.style(run.page);
    current.push(edge(run, run.start), span(text, style), span(' '));
    used += size;
  }
  if (used > 0) lines.push(current);
  return lines;
}

function intersecting(runs: readonly Run[], from: number, to: number, at: number): Run[] {
  const out: Run[] = [];
  for (let i = at; i < runs.length && runs[i]!.start < to; i++) {
    if (runs[i]!.start + runs[i]!.pages > from) out.push(runs[i]!);
  }
  return out;
}

/**
 * The grid for the rows of a long mapping: its cells may be wider than those of the others, since
 * what is told as runs (a folio of 512 pages) does not count for those.
 */
function longGeometry(
  area: MapArea,
  shared: Geometry,
  runs: readonly Run[],
  book: FolioBook,
): Geometry {
  const short = runs.filter((run) => run.page !== undefined && run.pages < BLOCK);
  const last = short.map(({ page, pages }) => ({ ...page!, index: page!.index + pages - 1 }));
  const cells = book.cellWidth([...short.map((run) => run.page!), ...last]);
  return geometry([area], Math.max(cells, shared.cellWidth), shared.width, shared.indent);
}

/** The rows of a long mapping: lists of runs between rows of the grid. */
function longRows(g: Geometry, runs: readonly Run[], book: FolioBook): Line[] {
  const lines: Line[] = [];
  let list: Run[] = [];
  let at = runs[0]?.start ?? 0;
  const blockOf = (vpn: number): number => vpn - (vpn % BLOCK);
  for (let i = 0; i < runs.length; ) {
    const run = runs[i]!;
    const end = run.start + run.pages;
    const block = blockOf(at);
    const inBlock = intersecting(runs, Math.max(block, at), block + BLOCK, i);
    if (inBlock.length >= RUNS_IN_BLOCK) {
      append(lines, runLines(g, list, book));
      list = [];
      for (let from = block; from < block + BLOCK; from += g.columns) {
        const inRow = inBlock.filter((r) => r.start < from + g.columns && r.start + r.pages > from);
        const parts = inRow.map((r) => clipRun(r, Math.max(from, at), from + g.columns, book));
        if (parts.length > 0) lines.push(gridRow(g, parts, from, book));
      }
      at = block + BLOCK;
      while (i < runs.length && runs[i]!.start + runs[i]!.pages <= at) i++;
      continue;
    }
    // The run ends in a block that will be a row of the grid: leave that part to the row.
    const last = blockOf(end);
    const dense = intersecting(runs, last, last + BLOCK, i).length >= RUNS_IN_BLOCK;
    const to = dense && last > at ? last : end;
    list.push(clipRun(run, at, to, book));
    at = to;
    if (to === end) i++;
  }
  append(lines, runLines(g, list, book));
  return lines;
}

/** Columns that the grid of this area uses, from the left; 0 for an area shown as runs. */
export function columnsUsed(area: MapArea, g: Geometry): number {
  if (isLong(area)) return 0;
  const first = area.start % g.columns;
  return Math.min(first + area.end - area.start, g.columns);
}

/** The picture of a mapping. */
export function mapRows(
  area: MapArea,
  g: Geometry,
  book: FolioBook,
  isBroken: (address: string) => boolean,
): Line[] {
  const runs = runsOf(area.start, area.end, area.pages, book, isBroken);
  if (isLong(area)) return longRows(longGeometry(area, g, runs, book), runs, book);
  const lines: Line[] = [];
  const begin = area.start - (area.start % g.columns);
  for (let from = begin; from < area.end; from += g.columns) {
    const parts = runs
      .filter((r) => r.start < from + g.columns && r.start + r.pages > from)
      .map((r) => clipRun(r, from, from + g.columns, book));
    lines.push(gridRow(g, parts, from, book));
  }
  return lines.length === 0 ? [BLANK] : lines;
}

/** Folios that begin in this range at an address that is not a multiple of their size. */
export function misaligned(area: MapArea): { folio: number; order: number; start: string }[] {
  const found = new Map<string, { folio: number; order: number; start: string }>();
  for (const page of area.pages) {
    const vpn = vpnOf(page.address);
    if (!isMisaligned(page, vpn)) continue;
    const start = addressOf(vpn - page.index);
    found.set(`${page.folio} ${start}`, { folio: page.folio, order: page.order, start });
  }
  return [...found.values()];
}
