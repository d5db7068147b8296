/**
 * /proc/kpageflags and /proc/kpagecount: one 64-bit word a frame (fs/proc/page.c
 * stable_page_flags(), get_kpage_count(), 6.18). Words are two uint32 halves, low half first.
 *
 * Frames that the model does not have (kernel image, slabs, page tables) do not exist here: the
 * machine's physical memory is what user pages and the page cache are made of.
 */
import type { Pages, Pfn } from '../base/index.ts';
import { folioMapped, headOf, pageMapcount } from './folio.ts';
import type { Machine } from './mm_types.ts';
import {
  KPF,
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_BUDDY,
  PG_DIRTY,
  PG_HEAD,
  PG_HWPOISON,
  PG_LOCKED,
  PG_LRU,
  PG_MLOCKED,
  PG_REFERENCED,
  PG_RESERVED,
  PG_SWAPBACKED,
  PG_SWAPCACHE,
  PG_UNEVICTABLE,
  PG_UPTODATE,
} from './page_flags.ts';
import { isHugeZero } from './task_mmu.ts';

/** Folio flags that are copied as they are into the low word. */
const COPIED: readonly (readonly [number, number])[] = [
  [PG_LOCKED, KPF.LOCKED],
  [PG_DIRTY, KPF.DIRTY],
  [PG_UPTODATE, KPF.UPTODATE],
  [PG_LRU, KPF.LRU],
  [PG_REFERENCED, KPF.REFERENCED],
  [PG_SWAPBACKED, KPF.SWAPBACKED],
  [PG_UNEVICTABLE, KPF.UNEVICTABLE],
];

/** Low half of a frame's word; `head` is its folio's first frame. */
export function kpageflagsLow(m: Machine, pfn: Pfn, head: Pfn): number {
  const flags = m.page.flags[head]!;
  const large = (flags & PG_HEAD) !== 0;
  if (isHugeZero(m, pfn)) {
    const place = pfn === m.hugeZeroPfn ? KPF.COMPOUND_HEAD : KPF.COMPOUND_TAIL;
    return (1 << KPF.ZERO_PAGE) | (1 << KPF.THP) | (1 << place);
  }
  if (pfn === m.zeroPfn) return 1 << KPF.ZERO_PAGE;
  if ((m.page.flags[pfn]! & PG_BUDDY) !== 0) return 1 << KPF.BUDDY;
  if (pfn >= m.wilderness) return 0;
  let word = 0;
  const told = m.release.kpageflagsOfFolio ? flags : m.page.flags[pfn]!;
  for (const [flag, bit] of COPIED) if ((told & flag) !== 0) word |= 1 << bit;
  if (folioMapped(m, head)) word |= 1 << KPF.MMAP;
  if ((flags & PG_ANON) !== 0) word |= 1 << KPF.ANON;
  if ((flags & PG_SWAPCACHE) !== 0 && (flags & PG_SWAPBACKED) !== 0) word |= 1 << KPF.SWAPCACHE;
  if (large) word |= (1 << KPF.THP) | (1 << (pfn === head ? KPF.COMPOUND_HEAD : KPF.COMPOUND_TAIL));
  if ((m.page.flags[pfn]! & PG_HWPOISON) !== 0) word |= 1 << KPF.HWPOISON;
  return word >>> 0;
}

/** High half. */
export function kpageflagsHigh(m: Machine, pfn: Pfn, head: Pfn): number {
  if (isHugeZero(m, pfn)) return 0;
  // Before 6.10 each page's own: a tail has none of these but PG_anon_exclusive.
  const flags = m.page.flags[m.release.kpageflagsOfFolio ? head : pfn]!;
  let word = 0;
  if ((flags & PG_RESERVED) !== 0) word |= 1 << (KPF.RESERVED - 32);
  if ((flags & PG_MLOCKED) !== 0) word |= 1 << (KPF.MLOCKED - 32);
  // PG_anon_exclusive is an alias of PG_owner_2; the folio's bit is its head page's.
  if ((flags & PG_ANON_EXCLUSIVE) !== 0) word |= 1 << (KPF.OWNER_2 - 32);
  return word;
}

function clampFrames(m: Machine, first: Pfn, pages: Pages): Pages {
  return Math.max(0, Math.min(pages, m.pages - first));
}

/** The flag words of frames [first, first + pages); fewer where memory ends. */
export function kpageflagsWords(m: Machine, first: Pfn, pages: Pages): Uint32Array {
  const n = clampFrames(m, first, pages);
  const out = new Uint32Array(n * 2);
  for (let i = 0; i < n; i++) {
    const pfn = first + i;
    const head = headOf(m, pfn);
    out[i * 2] = kpageflagsLow(m, pfn, head);
    out[i * 2 + 1] = kpageflagsHigh(m, pfn, head);
  }
  return out;
}

/** The mapcount words of frames [first, first + pages); fewer where memory ends. */
export function kpagecountWords(m: Machine, first: Pfn, pages: Pages): Uint32Array {
  const n = clampFrames(m, first, pages);
  const out = new Uint32Array(n * 2);
  for (let i = 0; i < n; i++) {
    const pfn = first + i;
    if (pfn < m.wilderness && (m.page.flags[pfn]! & (PG_BUDDY | PG_RESERVED)) === 0) {
      out[i * 2] = pageMapcount(m, pfn);
    }
  }
  return out;
}
