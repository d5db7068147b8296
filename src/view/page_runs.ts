/** A mapping's pages as runs: neighbours that continue each other are one run. */
import type { PageReport } from '../lab/index.ts';
import type { FolioBook } from './folio_book.ts';
import { vpnOf } from './words.ts';

export interface Run {
  readonly start: number;
  pages: number;
  /** First page of the run; undefined for a hole. */
  readonly page: PageReport | undefined;
  /** True where a law was broken at every page of the run. */
  readonly broken: boolean;
  /** False where the page before the run is the one before in the same folio. */
  readonly begins: boolean;
}

function continues(run: Run, page: PageReport, broken: boolean, book: FolioBook): boolean {
  const first = run.page;
  if (first === undefined || run.broken !== broken || first.huge !== page.huge) return false;
  if (first.present !== page.present || first.writable !== page.writable) return false;
  if (first.zero !== page.zero || first.guard !== page.guard) return false;
  if (first.folio === page.folio) {
    return page.folio === 0 || page.index === first.index + run.pages;
  }
  return book.isNameless(first.folio) && book.isNameless(page.folio) && first.anon === page.anon;
}

/** Runs that cover [start, end) without a gap. `pages` are those of the range, ascending. */
export function runsOf(
  start: number,
  end: number,
  pages: readonly PageReport[],
  book: FolioBook,
  isBroken: (address: string) => boolean,
): Run[] {
  const runs: Run[] = [];
  let next = start;
  for (const page of pages) {
    const vpn = vpnOf(page.address);
    const broken = isBroken(page.address);
    const last = runs[runs.length - 1];
    if (vpn > next) {
      runs.push({ start: next, pages: vpn - next, page: undefined, broken: false, begins: true });
    } else if (last !== undefined && continues(last, page, broken, book)) {
      last.pages++;
      next = vpn + 1;
      continue;
    }
    const before = vpn === next ? last?.page : undefined;
    const begins =
      page.folio === 0 ||
      before?.folio !== page.folio ||
      before.index + (last?.pages ?? 0) !== page.index;
    runs.push({ start: vpn, pages: 1, page, broken, begins });
    next = vpn + 1;
  }
  if (next < end)
    runs.push({ start: next, pages: end - next, page: undefined, broken: false, begins: true });
  return runs;
}

/** The part of a run in [from, to). */
export function clipRun(run: Run, from: number, to: number, book: FolioBook): Run {
  const start = Math.max(run.start, from);
  const pages = Math.min(run.start + run.pages, to) - start;
  const first = run.page;
  if (
    first === undefined ||
    start === run.start ||
    first.folio === 0 ||
    book.isNameless(first.folio)
  ) {
    return { ...run, start, pages, begins: run.begins && start === run.start };
  }
  return {
    ...run,
    start,
    pages,
    begins: false,
    page: { ...first, index: first.index + start - run.start },
  };
}

/** A run on its own: `A0…A15`, `·×240`, `P×3`; in brackets where one PMD maps it. */
export function runText(run: Run, book: FolioBook): string {
  const { page, pages } = run;
  const first = page === undefined ? '·' : book.cell(page);
  if (pages === 1) return first;
  let text = `${first}×${pages}`;
  if (page !== undefined && page.order > 0 && page.folio !== 0 && !page.zero && page.present) {
    text = `${first}…${book.cell({ ...page, index: page.index + pages - 1 })}`;
  }
  return page?.huge === true ? `[${text}]` : text;
}
