/**
 * What is known of each folio over a whole report, and how one of its pages is written:
 *
 *   A0 A1   pages of folio A; a folio of a single page has no number
 *   a0      the same page, mapped read-only
 *   P p     a page that is a folio of its own and mapped nowhere else, private (anonymous) memory
 *   F f     a page of the page cache (a file or shared memory) that is a folio of its own
 *   z       the zero page        g  a guard marker        s  a swap entry
 *   k       a page of the kernel's own (no folio)
 *
 * P and F are used only where there are so many single pages that naming each would hide the large
 * folios and the shared pages.
 */

import type { PageReport, TaskReport } from '../lab/index.ts';
import { folioName } from '../lab/index.ts';
import type { Style } from './text.ts';

export interface FolioInfo {
  readonly folio: number;
  readonly order: number;
  readonly anon: boolean;
  /** Entries of page tables that map one of its pages, over all tasks. */
  readonly entries: number;
  /** Names of the tasks that map it. */
  readonly tasks: readonly string[];
}

/** Colours of folios, which then repeat. */
export const FOLIO_COLOURS = 10;
/** Above so many folios, single anonymous pages lose their names. */
const NAMED_MAX = 36;
/** Above so many single pages of the page cache, these do: their place in the file is their name. */
const CACHE_MAX = 12;

export class FolioBook {
  readonly folios: ReadonlyMap<number, FolioInfo>;
  readonly #crowded: boolean;
  readonly #crowdedCache: boolean;

  constructor(tasks: readonly TaskReport[]) {
    const found = new Map<number, FolioInfo & { entries: number; tasks: string[] }>();
    for (const task of tasks) {
      for (const page of task.pages) {
        if (page.folio === 0) continue;
        const { folio, order, anon } = page;
        const known = found.get(folio);
        if (known === undefined) {
          found.set(folio, { folio, order, anon, entries: 1, tasks: [task.name] });
        } else {
          known.entries++;
          if (!known.tasks.includes(task.name)) known.tasks.push(task.name);
        }
      }
    }
    this.folios = found;
    let cache = 0;
    for (const { order, anon } of found.values()) if (order === 0 && !anon) cache++;
    this.#crowdedCache = cache > CACHE_MAX;
    this.#crowded = found.size - (this.#crowdedCache ? cache : 0) > NAMED_MAX;
  }

  /** True for a folio whose page is written as P or F. */
  isNameless(folio: number): boolean {
    const info = this.folios.get(folio);
    if (info === undefined || info.order > 0) return false;
    return info.anon ? this.#crowded && info.entries < 2 : this.#crowdedCache;
  }

  cell(page: PageReport): string {
    if (page.guard === true) return 'g';
    if (page.zero === true) return 'z';
    if (!page.present) return 's';
    if (page.folio === 0) return 'k';
    const name = this.isNameless(page.folio) ? (page.anon ? 'P' : 'F') : folioName(page.folio);
    const shown = page.writable ? name : name.toLowerCase();
    return page.order === 0 ? shown : `${shown}${page.index}`;
  }

  style(page: PageReport): Style {
    if (page.guard === true) return 'bad';
    if (page.zero === true || !page.present || page.folio === 0) return 'note';
    const colour = (page.folio - 1) % FOLIO_COLOURS;
    if (this.isNameless(page.folio)) return page.anon ? 'solid-0' : 'folio-0';
    return page.anon ? `solid-${colour}` : `folio-${colour}`;
  }

  /** Width of the widest cell; two at least, so that short names do not crowd. */
  cellWidth(pages: readonly PageReport[]): number {
    return pages.reduce((width, page) => Math.max(width, this.cell(page).length), 2);
  }
}
