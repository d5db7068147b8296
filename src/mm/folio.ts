/**
 * Folios: runs of 2^order frames that live and die together. A folio is named by the PFN of its
 * head. This file makes and frees them and keeps their references; who maps them is rmap.ts's.
 *
 * References (include/linux/page_ref.h): one for each mapping (PTE or PMD), one for each page that
 * the page cache holds, one for the swap cache a page. The transient references of the kernel's
 * LRU batches are not modelled.
 */
import { assert, fillColumn, type Order, type Pages, type Pfn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { allocPages, freePages } from './page_alloc.ts';
import {
  INDEX_HI_MASK,
  INDEX_HI_SHIFT,
  MAPCOUNT_MASK,
  ORDER_MASK,
  PG_ANON,
  PG_HEAD,
  PG_LRU,
  PG_MLOCKED,
  PG_PARTIALLY_MAPPED,
  PG_PREMATURE,
  PG_RESERVED,
  REF_ONE,
} from './page_flags.ts';
import {
  countMthp,
  MTHP_NR_ANON,
  MTHP_NR_ANON_PARTIALLY_MAPPED,
  NR_ANON_THPS,
  NR_MLOCK,
} from './vmstat.ts';

/**
 * Head of the folio that a frame belongs to. Pages of a folio below PMD order carry the order, so
 * that masking suffices; those of a PMD-order folio are blank and ask the head of their 2 MiB.
 */
export function headOf(m: Machine, pfn: Pfn): Pfn {
  const { flags } = m.page;
  const order = flags[pfn]! & ORDER_MASK;
  if (order !== 0) return pfn & -(1 << order);
  const block = pfn & ~511;
  return (flags[block]! & (ORDER_MASK | PG_HEAD)) === (PG_HEAD | 9) ? block : pfn;
}

export function folioOrder(m: Machine, head: Pfn): Order {
  return m.page.flags[head]! & ORDER_MASK;
}

export function folioPages(m: Machine, head: Pfn): Pages {
  return 1 << (m.page.flags[head]! & ORDER_MASK);
}

export function isLarge(m: Machine, head: Pfn): boolean {
  return (m.page.flags[head]! & PG_HEAD) !== 0;
}

/** Page offset of the folio's first page in its file, or in its anonymous mapping. */
export function folioIndex(m: Machine, head: Pfn): number {
  const hi = (m.page.flags[head]! & INDEX_HI_MASK) >>> INDEX_HI_SHIFT;
  return hi * 2 ** 32 + (m.page.index[head]! >>> 0);
}

/**
 * Keeps 36 bits of the offset: enough for every address, and for the page cache, which asserts it.
 * A private mapping of /dev/zero may begin at a larger offset; its folios' indexes are then taken
 * modulo 2^36, and so are the distances that a reverse-map walk computes from them.
 */
export function setFolioIndex(m: Machine, head: Pfn, index: number): void {
  // The column keeps the low 32 bits.
  m.page.index[head] = index;
  m.page.flags[head] = (m.page.flags[head]! & ~INDEX_HI_MASK) | indexHighBits(index);
}

/** Bits 32-35 of a page offset, where the flags of a head page keep them. */
export function indexHighBits(index: number): number {
  return ((index / 2 ** 32) & 15) << INDEX_HI_SHIFT;
}

export function folioRefcount(m: Machine, head: Pfn): number {
  if ((m.page.flags[head]! & PG_HEAD) === 0) return m.page.counts[head]! >>> 16;
  return m.page.index[head + 1]!;
}

/** PTEs that map this page (page._mapcount + 1), PMD mappings not included. */
export function pagePteMapcount(m: Machine, pfn: Pfn): number {
  return m.page.counts[pfn]! & MAPCOUNT_MASK;
}

export function entireMapcount(m: Machine, head: Pfn): number {
  const f = m.page.flags[head]!;
  return (f & PG_HEAD) !== 0 && (f & ORDER_MASK) > 1 ? m.page.mapping[head + 2]! : 0;
}

/** What /proc/kpagecount shows: PTE and PMD mappings of this page. */
export function pageMapcount(m: Machine, pfn: Pfn): number {
  return pagePteMapcount(m, pfn) + entireMapcount(m, headOf(m, pfn));
}

/** All mappings of a folio: a PTE counts one, a PMD counts one. */
export function folioMapcount(m: Machine, head: Pfn): number {
  if ((m.page.flags[head]! & PG_HEAD) === 0) return pagePteMapcount(m, head);
  return m.page.mapping[head + 1]!;
}

export function folioMapped(m: Machine, head: Pfn): boolean {
  return folioMapcount(m, head) > 0;
}

export function folioRefAdd(m: Machine, head: Pfn, n: number): void {
  if ((m.page.flags[head]! & PG_HEAD) === 0) m.page.counts[head]! += n * REF_ONE;
  else m.page.index[head + 1]! += n;
}

/**
 * Drops n references; the last one frees the folio. A reference too many is a bug of the modelled
 * kernel (some finish_fault() variants have it): the frames then stay out of the allocator, with
 * PG_PREMATURE, so that the law `lifetime` can point at who still uses them.
 */
export function folioPut(m: Machine, head: Pfn, n: number): void {
  const { flags, counts, index } = m.page;
  const f = flags[head]!;
  if ((f & PG_RESERVED) !== 0) return;
  let left: number;
  if ((f & PG_HEAD) === 0) {
    counts[head]! -= n * REF_ONE;
    left = counts[head]! >>> 16;
  } else {
    left = index[head + 1]! - n;
    index[head + 1] = left;
  }
  if (left > 0) return;
  if (left < 0 || folioMapped(m, head) || (m.page.mapping[head]! > 0 && !isDetached(f))) {
    flags[head] = flags[head]! | PG_PREMATURE;
    return;
  }
  freeFolio(m, head);
}

/** A page-cache folio that was taken out of the cache has mapping 0; an anonymous one is never in. */
function isDetached(flags: number): boolean {
  return (flags & PG_ANON) !== 0;
}

/**
 * A folio with one reference, mapping nothing, contents zero; 0 when no block is free.
 * Compound pages are prepared as prep_compound_page() does.
 */
export function allocFolio(m: Machine, order: Order): Pfn {
  const head = allocPages(m, order);
  if (head === 0) return 0;
  const { flags, counts, index } = m.page;
  if (order === 0) {
    flags[head] = PG_LRU;
    counts[head] = REF_ONE;
    if (m.content.length !== 0) m.content[head] = 0;
    return head;
  }
  if (order < 9) fillColumn(flags, order, head + 1, head + (1 << order));
  flags[head] = PG_LRU | PG_HEAD | order;
  index[head + 1] = 1;
  if (m.content.length !== 0) m.content.fill(0, head, head + (1 << order));
  return head;
}

/** Gives the frames back. The folio must be unmapped and out of the page cache. */
export function freeFolio(m: Machine, head: Pfn): void {
  const { flags, counts, mapping, index } = m.page;
  const f = flags[head]!;
  // The frame may be another folio's before the batch is carried out.
  if (m.mlockBatch.length !== 0) m.mlockBatch = m.mlockBatch.map((old) => (old === head ? 0 : old));
  if ((f & PG_MLOCKED) !== 0) {
    m.vmstat[NR_MLOCK]! -= folioPages(m, head);
    m.page.mlocks[head] = 0;
  }
  if ((f & PG_HEAD) === 0) {
    assert((counts[head]! & MAPCOUNT_MASK) === 0, 'a folio is freed unmapped');
    flags[head] = 0;
    counts[head] = 0;
    mapping[head] = 0;
    index[head] = 0;
    freePages(m, head, 0);
    return;
  }
  const order = f & ORDER_MASK;
  assert(mapping[head + 1] === 0, 'a large folio is freed unmapped');
  if ((f & PG_ANON) !== 0) {
    countMthp(m, order, MTHP_NR_ANON, -1);
    if ((f & PG_PARTIALLY_MAPPED) !== 0) countMthp(m, order, MTHP_NR_ANON_PARTIALLY_MAPPED, -1);
  }
  const end = head + (1 << order);
  fillColumn(flags, 0, head, end);
  fillColumn(counts, 0, head, end);
  fillColumn(mapping, 0, head, head + Math.min(4, 1 << order));
  fillColumn(index, 0, head, head + Math.min(4, 1 << order));
  freePages(m, head, order);
}

/** Anonymous folios mapped by PMD count in nr_anon_transparent_hugepages. */
export function countAnonThp(m: Machine, by: number): void {
  m.vmstat[NR_ANON_THPS]! += by;
}
