/**
 * Runs of entries that map consecutive pages of one folio alike: many operations take them in one
 * step, and what they find of one entry they find of all. Source: mm/internal.h
 * folio_pte_batch_flags(), 6.18.
 */
import type { Pages, Pfn } from '../base/index.ts';
import { folioPages } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { PTE_MAPPED, PTE_P, PTE_UFFD_WP, PTE_W, ptePfn } from './pgtable.ts';

/**
 * Entries from `slot`, at most `max`, that map consecutive pages of the folio at `head` from the
 * first one's page on. Young and dirty bits may differ, write bits unless `respectWrite`.
 */
export function ptesInBatch(
  m: Machine,
  slot: number,
  head: Pfn,
  max: Pages,
  respectWrite: boolean,
): Pages {
  const { pt } = m;
  const first = pt[slot]!;
  const pfn = ptePfn(first);
  // Without P, W says PROT_NONE: it then always agrees where P does.
  const alike = PTE_P | PTE_UFFD_WP | (respectWrite ? PTE_W : 0);
  const limit = Math.min(max, head + folioPages(m, head) - pfn);
  let n = 1;
  for (; n < limit; n++) {
    const pte = pt[slot + n]!;
    if ((pte & PTE_MAPPED) === 0 || ptePfn(pte) !== pfn + n || ((pte ^ first) & alike) !== 0) break;
  }
  return n;
}
