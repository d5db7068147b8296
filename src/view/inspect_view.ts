/** `inspect`: one row a mapping, the folios that it is made of, and what they are good for. */
import type { FolioSums, InspectReport, MappingReport } from '../lab/index.ts';
import { type Column, table } from './table.ts';
import { BLANK, clean, type Line, line, paragraph, span } from './text.ts';
import { addressOf, grouped, pagesSize } from './words.ts';

export interface InspectViewOptions {
  readonly width: number;
  readonly all: boolean;
}

/** Without --all, so many mappings: the largest by what is resident. */
const ROWS_MAX = 16;
const NAME_MAX = 34;
const WIDE_MIN = 110;

const KB = (pages: number) => grouped(pages * 4);

function percent(pages: number, of: number): string {
  if (pages === 0) return '·';
  const share = (100 * pages) / of;
  return share < 1 ? '<1' : String(Math.floor(share));
}

function share(pages: number, of: number): Line {
  return pages === 0 ? [span('·', 'dim')] : [span(`${percent(pages, of)}%`)];
}

/** "2M 8,192  64K 1,024": kB by size of folio; small pages are left out. */
function sizes(sums: FolioSums): Line {
  const parts = sums.byOrder
    .map((pages, order) => ({ pages, order }))
    .filter(({ pages, order }) => pages > 0 && order > 0)
    .reverse()
    .map(({ pages, order }) => `${pagesSize(1 << order)} ${KB(pages)}`);
  return parts.length === 0 ? [span('·', 'dim')] : [span(parts.join('  '))];
}

interface Layout {
  readonly columns: readonly Column[];
  readonly head: readonly string[];
  readonly first: (mapping: MappingReport | undefined) => Line[];
  readonly shares: (sums: FolioSums) => Line[];
}

const RIGHT: Column = { align: 'right' };
const TOTAL = line('all mappings', 'strong');

const WIDE: Layout = {
  columns: [{}, {}, {}, RIGHT, RIGHT, RIGHT, RIGHT],
  head: ['', '', '', 'resident kB', 'aligned', 'unal.', 'part.'],
  first: (mapping) =>
    mapping === undefined
      ? [TOTAL, BLANK, BLANK]
      : [
          line(addressOf(mapping.startVpn)),
          line(mapping.perms, 'dim'),
          line(tail(mapping.name === '' ? 'anonymous' : mapping.name, NAME_MAX)),
        ],
  shares: (sums) =>
    [sums.aligned, sums.unaligned, sums.partial].map((pages) => share(pages, sums.resident)),
};

/** Below 110 columns: a mapping is its file's name or its address; the three shares in one. */
const NARROW: Layout = {
  columns: [{}, RIGHT, RIGHT],
  head: ['', 'resident kB', 'al/un/pa %'],
  first: (mapping) => [mapping === undefined ? TOTAL : line(tail(shortName(mapping), 15))],
  shares: (sums) => {
    const parts = [sums.aligned, sums.unaligned, sums.partial];
    return [line(parts.map((pages) => percent(pages, sums.resident)).join('/'))];
  },
};

function shortName({ name, startVpn }: MappingReport): string {
  return name === '' ? addressOf(startVpn) : name.slice(name.lastIndexOf('/') + 1);
}

/** The end of a name, which tells more than its beginning. */
function tail(name: string, most: number): string {
  const text = clean(name);
  return text.length <= most ? text : `…${text.slice(text.length - most + 1)}`;
}

function cells(layout: Layout, sums: FolioSums, mapping: MappingReport | undefined): Line[] {
  return [
    ...layout.first(mapping),
    line(KB(sums.resident)),
    ...layout.shares(sums),
    share(sums.pmd, sums.resident),
    share(sums.cont, sums.resident),
    sizes(sums),
  ];
}

function headOf(layout: Layout, contPages: number): Line[] {
  const words = [...layout.head, 'PMD', `cont ${pagesSize(contPages)}`, 'large folios, kB'];
  return words.map((word) => line(word, 'head'));
}

/** The process's folios; mappings without a resident page are left out. */
export function inspectView(report: InspectReport, options: InspectViewOptions): Line[] {
  const present = report.mappings.filter((mapping) => mapping.resident > 0);
  const largest = [...present].sort((a, b) => b.resident - a.resident).slice(0, ROWS_MAX);
  const shown = options.all ? present : present.filter((mapping) => largest.includes(mapping));
  const layout = options.width < WIDE_MIN ? NARROW : WIDE;
  const rows = shown.map((mapping) => cells(layout, mapping, mapping));
  const columns = [...layout.columns, RIGHT, RIGHT, { elastic: true }];
  const total = cells(layout, report.total, undefined);
  const lines: Line[] = [
    [span(clean(report.command), 'head'), span(`  pid ${report.pid}`)],
    ...table(columns, [headOf(layout, report.contPages), ...rows, total], options.width, 2),
  ];
  const hidden = present.length - shown.length;
  if (hidden > 0) lines.push(line(`  ${hidden} smaller mappings are not shown (--all)`, 'dim'));
  return lines;
}

/** What the columns mean; once, below all processes. */
export function inspectLegend(contPages: number, width: number): Line[] {
  const text =
    'aligned: folios mapped from end to end at a multiple of their size · unal.: from end to end, ' +
    'elsewhere · part.: a part of the folio is mapped here · PMD: by one entry of 2 MiB · ' +
    `cont ${pagesSize(contPages)}: blocks aligned in address and in memory, as a contiguous bit needs`;
  return paragraph([span('  ')], text, 'dim', width);
}
