/** What the letters and signs of the pictures mean: the folios, and the signs in use. */
import { folioName, type PageReport } from '../lab/index.ts';
import { FOLIO_COLOURS, type FolioBook } from './folio_book.ts';
import { count, flow, type Line, span } from './text.ts';
import { grouped, pagesSize } from './words.ts';

/** Folios described without --all. */
const FOLIOS_MAX = 12;

/** What each letter is: large folios first, then those that several entries map. */
export function folioLines(book: FolioBook, all: boolean, width: number): Line[] {
  const named = [...book.folios.values()].filter((f) => !book.isNameless(f.folio));
  named.sort((a, b) => b.order - a.order || b.entries - a.entries || a.folio - b.folio);
  const shown = all ? named : named.slice(0, FOLIOS_MAX);
  const items = shown.map((f): Line => {
    const colour = (f.folio - 1) % FOLIO_COLOURS;
    const kind = f.anon ? 'anonymous' : 'page cache';
    const pages = 1 << f.order;
    const what = pages === 1 ? 'page' : 'folio';
    const where = f.tasks.length > 1 ? ` in ${f.tasks.length} tasks` : '';
    const mapped =
      f.entries === pages && where === '' ? '' : `, ${count(f.entries, 'entry', 'entries')}`;
    return [
      span(folioName(f.folio), f.anon ? `solid-${colour}` : `folio-${colour}`),
      span(` ${pagesSize(pages)} ${kind} ${what}${mapped}${where}`),
    ];
  });
  const hidden = named.length - shown.length;
  if (hidden > 0) items.push([span(`and ${grouped(hidden)} more`, 'dim')]);
  return flow(items, '  ', '  ·  ', width);
}

/** The signs that the pictures of these pages use, and no others, with their meaning. */
export function signsOf(
  pages: readonly PageReport[],
  book: FolioBook,
  marks: { readonly crooked: boolean; readonly broken: boolean },
): Map<string, string> {
  const signs = new Map<string, string>();
  if (pages.length === 0) return signs;
  const has = (test: (page: PageReport) => boolean): boolean => pages.some(test);
  const cells = new Set(pages.map((page) => book.cell(page)));
  const large = pages.find((page) => page.order > 0 && page.folio !== 0 && page.present);
  if (large !== undefined) {
    const name = folioName(large.folio);
    signs.set(`${name}0 ${name}1 …`, `pages of folio ${name}`);
  }
  if (cells.has('P') || cells.has('p')) signs.set('P', 'single anonymous page');
  if (cells.has('F') || cells.has('f')) signs.set('F', 'single page of the page cache');
  const isNamed = (page: PageReport): boolean => page.present && page.folio !== 0 && !page.zero;
  if (has((page) => isNamed(page) && !page.writable)) signs.set('small letter', 'mapped read-only');
  if (cells.has('z')) signs.set('z', 'zero page');
  if (cells.has('g')) signs.set('g', 'guard');
  if (cells.has('s')) signs.set('s', 'swapped out');
  if (cells.has('k')) signs.set('k', "kernel's own page");
  signs.set('·', 'not mapped');
  if (has((page) => page.huge === true)) signs.set('[ ]', 'mapped by one PMD');
  signs.set('┃', '64K boundary');
  signs.set('│', '16K boundary');
  if (marks.crooked) signs.set('/', 'not aligned to its size');
  if (marks.broken) signs.set('!', 'a law was broken here');
  return signs;
}

export function legendLines(signs: ReadonlyMap<string, string>, width: number): Line[] {
  const items = [...signs].map(([sign, meaning]): Line => [span(sign), span(` ${meaning}`, 'dim')]);
  return flow(items, '  ', '   ', width);
}
