/**
 * The two mm slots of a large folio, and the mark that says "one process only" when it is clear:
 * by them a write decides whether it may keep the page (mm/rmap.c, include/linux/rmap.h
 * folio_add_return_large_mapcount(), folio_sub_return_large_mapcount(), 6.18).
 *
 * A slot counts from when its mm got it: where more than two mms mapped the folio it may count too
 * little, never too much. Without the mark, the one mm that is known has all mappings; with it, no
 * slot has them all, or the folio would be copied for ever although nobody shares it.
 */
import type { MmRow, Pfn } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_MM_SHARED } from '../mm/page_flags.ts';

export interface SlotProblem {
  readonly found: string;
  readonly due: string;
}

/** `maps` are all mappings of the folio, `mapsOf` those of one mm; null = the slots agree. */
export function mmSlotsAgree(
  m: Machine,
  head: Pfn,
  maps: number,
  mapsOf: (mm: MmRow) => number,
): SlotProblem | null {
  const { mapping, index, flags } = m.page;
  const slots = mapping[head + 3]!;
  const first = slots & 0xffff;
  const second = slots >>> 16;
  const isShared = (flags[head]! & PG_MM_SHARED) !== 0;
  const known = [
    { mm: first, count: index[head + 3]! },
    { mm: second, count: index[head + 2]! },
  ];
  for (const { mm, count } of known) {
    if (mm === 0) continue;
    const real = mapsOf(mm);
    const wrong = isShared ? count > real || count <= 0 : count !== maps;
    if (wrong && count !== real) return { found: `mappings by mm ${mm} ${count}`, due: `${real}` };
    if (isShared && count === maps) {
      return {
        found: 'marked as mapped by several mms',
        due: `unmarked: mm ${mm} has all ${maps}`,
      };
    }
  }
  if (isShared || maps === 0) return null;
  const most = Math.max(first === 0 ? 0 : mapsOf(first), second === 0 ? 0 : mapsOf(second));
  if (most === maps) return null;
  return { found: `marked as mapped by one mm alone, its mappings ${most}`, due: `${maps}` };
}
