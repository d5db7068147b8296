/** Pictures read back: whatever the layout, every page stands where its address says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageReport } from '../../src/lab/index.ts';
import { FolioBook } from '../../src/view/folio_book.ts';
import { geometry, mapRows, misaligned } from '../../src/view/page_map.ts';
import { lineWidth, plainText } from '../../src/view/text.ts';
import { addressOf, vpnOf } from '../../src/view/words.ts';
import { Pages } from './fixtures.ts';

const FOLIOS = {
  A: { order: 2, anon: false },
  B: { order: 4, anon: true },
  C: { order: 9, anon: true },
  D: { order: 0, anon: true },
};

const token = fc.oneof(
  fc.constantFrom('.', 'z', 'g', 's', 'D', 'd', 'P', 'F', 'p', 'A0', 'A1', 'a2', 'A3'),
  fc.nat(200).map((n) => `.*${n + 1}`),
  fc.tuple(fc.nat(11), fc.integer({ min: 1, max: 5 })).map(([i, n]) => `B${i}*${n}`),
  fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 100 })).map(([i, n]) => `C${i}*${n}`),
);

/** Cells by page number, read from the rows of a picture; undefined marks are holes. */
function readRows(rows: readonly string[], cellWidth: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const row of rows) {
    const text = row.trimEnd();
    const at = /^ *(0x[0-9a-f_]+) /.exec(text);
    if (at === null) throw new Error(`a row without address: ${text}`);
    const body = text.slice(at[0].length);
    const label = at[1]!;
    if (label.includes('_')) readGrid(found, body, vpnOf(label.replace('_', '0')), cellWidth);
    else readList(found, body, vpnOf(label));
  }
  return found;
}

function readGrid(found: Map<number, string>, body: string, vpn: number, cellWidth: number): void {
  for (let c = 0; c < 16; c++) {
    const cell = body.slice(c * (cellWidth + 1) + 1, (c + 1) * (cellWidth + 1)).trim();
    if (cell !== '' && cell !== '·') found.set(vpn + c, cell);
  }
}

function readList(found: Map<number, string>, body: string, start: number): void {
  let vpn = start;
  for (const word of body.split(/[┃│/! ]+/).filter((w) => w !== '')) {
    const text = word.replace(/[[\]]/g, '');
    const range = /^([A-Za-z]+)(\d+)…[A-Za-z]+(\d+)$/.exec(text);
    const times = /^(\D+\d*)×(\d+)$/.exec(text);
    if (range !== null) {
      for (let i = Number(range[2]); i <= Number(range[3]); i++) found.set(vpn++, range[1]! + i);
    } else {
      const n = times === null ? 1 : Number(times[2]);
      const cell = times === null ? text : times[1]!;
      for (let i = 0; i < n; i++, vpn++) if (cell !== '·') found.set(vpn, cell);
    }
  }
}

describe('a picture', () => {
  it('holds every page at its place, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(token, { minLength: 1, maxLength: 24 }),
        fc.nat(70000),
        fc.constantFrom(80, 100, 200),
        (tokens, start, width) => {
          const { pages, count } = new Pages(FOLIOS).read(addressOf(start), tokens.join(' '));
          const task = new Pages(FOLIOS).task('t', []);
          const book = new FolioBook([{ ...task, pages }]);
          const area = { start, end: start + count, pages };
          const g = geometry([area], book.cellWidth(pages), width, 4);
          const rows = mapRows(area, g, book, () => false);
          for (const row of rows) expect(lineWidth(row)).toBeLessThanOrEqual(width);
          // Lists and rows of the grid can be told apart only where rows have all 16 columns.
          fc.pre(g.columns === 16);
          const found = readRows(rows.map(plainText), g.cellWidth);
          const due = new Map(pages.map((p: PageReport) => [vpnOf(p.address), book.cell(p)]));
          expect(found).toEqual(due);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('marks a folio that is not aligned to its size, once', () => {
    const { pages } = new Pages(FOLIOS).read('0x11000', 'A0 A1 a2 A3');
    const book = new FolioBook([{ ...new Pages().task('t', []), pages }]);
    const area = { start: 0x11, end: 0x15, pages };
    expect(misaligned(area)).toEqual([{ folio: 1, order: 2, start: '0x11000' }]);
    const rows = mapRows(area, geometry([area], 2, 80, 0), book, () => false);
    expect(rows.map(plainText)).toEqual(['0x1_000 ┃  /A0 A1 a2│A3']);
  });

  it('marks pages at which a law was broken', () => {
    const { pages } = new Pages(FOLIOS).read('0x10000', 'A0 A1');
    const book = new FolioBook([{ ...new Pages().task('t', []), pages }]);
    const area = { start: 0x10, end: 0x12, pages };
    const isBroken = (address: string): boolean => address === '0x11000';
    const rows = mapRows(area, geometry([area], 2, 80, 0), book, isBroken);
    expect(rows.map(plainText)).toEqual(['0x1_000 ┃A0!A1']);
  });

  it('tells a mapping of terabytes in one row', () => {
    const { pages } = new Pages(FOLIOS).read('0x10000', 'D');
    const book = new FolioBook([{ ...new Pages().task('t', []), pages }]);
    const area = { start: 0x10, end: 0x10 + 2 ** 31, pages };
    const rows = mapRows(area, geometry([area], 2, 80, 0), book, () => false);
    expect(rows.map((row) => plainText(row).trimEnd())).toEqual(['0x10000 ┃A  ·×2147483647']);
  });
});
