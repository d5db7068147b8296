/** Small steps that every kind of fault ends with: the re-check under the lock, RSS by type. */
import type { MmRow, Pages, Pfn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_SWAPBACKED } from './page_flags.ts';

/** pte_range_none(): n entries from a slot are none. */
export function pteRangeNone(m: Machine, slot: number, n: Pages): boolean {
  const { pt } = m;
  for (let i = slot; i < slot + n; i++) if (pt[i] !== 0) return false;
  return true;
}

/** add_mm_counter() with the type that mm_counter(folio) gives. */
export function addRss(m: Machine, mm: MmRow, head: Pfn, pages: Pages): void {
  const f = m.page.flags[head]!;
  const cols = m.mm;
  if ((f & PG_ANON) !== 0) cols.rssAnon[mm]! += pages;
  else if ((f & PG_SWAPBACKED) !== 0) cols.rssShmem[mm]! += pages;
  else cols.rssFile[mm]! += pages;
}
