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
import { PG_BUDDY, PG_RESERVED } from './page_flags.ts';
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

/** Order of the largest aligned block at the wilderness, which moves on; -1 = memory is used up. */
function tame(m: Machine): Order | -1 {
  const at = m.wilderness;
  if (at >= m.pages) return -1;
  let order = 0;
  while (
    order < MAX_PAGE_ORDER &&
    (at & ((2 << order) - 1)) === 0 &&
    at + (2 << order) <= m.pages
  ) {
    order++;
  }
  m.wilderness = at + (1 << order);
  return order;
}

/** Takes a block of at least `order` out of the lists: its order (it begins at `taken`), or -1. */
function takeBlock(m: Machine, order: Order): Order | -1 {
  const { freeHead } = m;
  for (let o = order; o <= MAX_PAGE_ORDER; o++) {
    const pfn = freeHead[o]!;
    if (pfn === 0) continue;
    unlinkFree(m, pfn, o);
    taken = pfn;
    return o;
  }
  return -1;
}

let taken: Pfn = 0;

/** What is left of the block that single frames are carved from goes back into the lists. */
function uncarve(m: Machine): boolean {
  if (m.carveNext === m.carveEnd) return false;
  while (m.carveNext !== m.carveEnd) {
    let order = 0;
    while ((m.carveNext & ((2 << order) - 1)) === 0 && m.carveNext + (2 << order) <= m.carveEnd) {
      order++;
    }
    const pfn = m.carveNext;
    m.carveNext += 1 << order;
    mergeFree(m, pfn, order);
  }
  return true;
}

/** The next block to carve single frames from, whole. Small blocks first: large ones stay whole. */
function carveAnew(m: Machine): boolean {
  let order = takeBlock(m, 0);
  if (order < 0) {
    taken = m.wilderness;
    order = tame(m);
    if (order < 0) return false;
  }
  m.carveNext = taken;
  m.carveEnd = taken + (1 << order);
  return true;
}

/**
 * A block of 2^order frames, aligned to its size, or 0 when there is none. The frames' rows are
 * all zero. The caller makes a folio of it.
 *
 * Single frames are carved one after the other from a block that was taken out of the lists, as the
 * kernel takes them from its per-CPU lists; a larger block that is missed gets the rest back.
 */
export function allocPages(m: Machine, order: Order): Pfn {
  if (order === 0) {
    if (m.carveNext === m.carveEnd && !carveAnew(m)) return 0;
    m.vmstat[NR_FREE_PAGES]! -= 1;
    return m.carveNext++;
  }
  for (;;) {
    let o = takeBlock(m, order);
    let pfn = taken;
    if (o < 0) {
      pfn = m.wilderness;
      o = tame(m);
      if (o >= 0 && o < order) {
        pushFree(m, pfn, o);
        continue;
      }
    }
    if (o >= order) {
      while (o > order) {
        o--;
        pushFree(m, pfn + (1 << o), o);
      }
      m.vmstat[NR_FREE_PAGES]! -= 1 << order;
      return pfn;
    }
    if (!uncarve(m)) return 0;
  }
}

/** Gives a block back. Its rows must be clean (`counts`, `mapping`, `index`, `flags` zero). */
export function freePages(m: Machine, first: Pfn, order: Order): void {
  m.vmstat[NR_FREE_PAGES]! += 1 << order;
  mergeFree(m, first, order);
}

/** Joins a block with its free buddies and lists what comes of it. */
function mergeFree(m: Machine, first: Pfn, blockOrder: Order): void {
  const { flags } = m.page;
  let pfn = first;
  let order = blockOrder;
  while (order < MAX_PAGE_ORDER) {
    const buddy = pfn ^ (1 << order);
    if (flags[buddy] !== (PG_BUDDY | order) || buddy >= m.wilderness) break;
    unlinkFree(m, buddy, order);
    pfn &= ~(1 << order);
    order++;
  }
  pushFree(m, pfn, order);
}

export function freePageCount(m: Machine): number {
  return m.vmstat[NR_FREE_PAGES]!;
}
