/**
 * The buddy allocator (mm/page_alloc.c, 6.18): blocks of 2^order frames, naturally aligned, split
 * and merged with their buddies. One zone, no watermarks, no per-CPU lists: which frame comes next
 * is not an observable of the kernel either.
 *
 * Memory that was never handed out is not in any list: `wilderness` is the first frame of it, so
 * that a machine of 400 GiB costs nothing until it is used. Free lists are threaded through the
 * mapping (next) and index (previous) words of the first frame of each free block.
 */
import { assert, MAX_PAGE_ORDER, type Order, type Pfn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { ORDER_MASK, PG_BUDDY, PG_RESERVED } from './page_flags.ts';
import { NR_FREE_PAGES } from './vmstat.ts';

/** Frames 0 (none) and 1 (the zero page) are taken; the rest of their block is free. */
export function initPageAlloc(m: Machine): void {
  assert(m.pages >= 16, 'a machine has at least 16 frames');
  m.page.flags[0] = PG_RESERVED;
  m.page.flags[m.zeroPfn] = PG_RESERVED;
  m.wilderness = 2;
  m.vmstat[NR_FREE_PAGES] = m.pages - 2;
}

function pushFree(m: Machine, pfn: Pfn, order: Order): void {
  const { flags, mapping, index } = m.page;
  const head = m.freeHead[order]!;
  flags[pfn] = PG_BUDDY | order;
  mapping[pfn] = head;
  index[pfn] = 0;
  if (head !== 0) index[head] = pfn;
  m.freeHead[order] = pfn;
  m.freeCount[order]!++;
}

function unlinkFree(m: Machine, pfn: Pfn, order: Order): void {
  const { flags, mapping, index } = m.page;
  const next = mapping[pfn]!;
  const prev = index[pfn]!;
  if (prev !== 0) mapping[prev] = next;
  else m.freeHead[order] = next;
  if (next !== 0) index[next] = prev;
  flags[pfn] = 0;
  mapping[pfn] = 0;
  index[pfn] = 0;
  m.freeCount[order]!--;
}

/** Moves the wilderness on by the largest aligned block that lies there, into a free list. */
function tame(m: Machine): boolean {
  const at = m.wilderness;
  if (at >= m.pages) return false;
  let order = 0;
  while (
    order < MAX_PAGE_ORDER &&
    (at & ((2 << order) - 1)) === 0 &&
    at + (2 << order) <= m.pages
  ) {
    order++;
  }
  pushFree(m, at, order);
  m.wilderness = at + (1 << order);
  return true;
}

/**
 * A block of 2^order frames, aligned to its size, or 0 when there is none. The frames' rows are
 * all zero. The caller makes a folio of it.
 */
export function allocPages(m: Machine, order: Order): Pfn {
  for (;;) {
    for (let o = order; o <= MAX_PAGE_ORDER; o++) {
      const pfn = m.freeHead[o]!;
      if (pfn === 0) continue;
      unlinkFree(m, pfn, o);
      while (o > order) {
        o--;
        pushFree(m, pfn + (1 << o), o);
      }
      m.vmstat[NR_FREE_PAGES]! -= 1 << order;
      return pfn;
    }
    if (!tame(m)) return 0;
  }
}

/** Gives a block back. Its rows must be clean (`counts`, `mapping`, `index`, `flags` zero). */
export function freePages(m: Machine, first: Pfn, blockOrder: Order): void {
  const { flags } = m.page;
  let pfn = first;
  let order = blockOrder;
  m.vmstat[NR_FREE_PAGES]! += 1 << order;
  while (order < MAX_PAGE_ORDER) {
    const buddy = pfn ^ (1 << order);
    const f = flags[buddy]!;
    if ((f & PG_BUDDY) === 0 || (f & ORDER_MASK) !== order || buddy >= m.wilderness) break;
    unlinkFree(m, buddy, order);
    pfn &= ~(1 << order);
    order++;
  }
  pushFree(m, pfn, order);
}

export function freePageCount(m: Machine): number {
  return m.vmstat[NR_FREE_PAGES]!;
}
