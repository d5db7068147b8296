/**
 * The frame table: one row a physical 4 KiB page, indexed by PFN. Five int32 words a page.
 *
 *   flags    bit 0-3   order of the folio (head page of any folio; also every page of a folio
 *                      below PMD order, so that a tail finds its head by masking)
 *            bit 4-7   bits 32-35 of the folio's index (head page)
 *            bit 8-    PG_* below
 *   counts   bit 0-15  page mapcount: PTEs that map this page
 *            bit 16-31 order-0 folio: refcount; first tail of a large folio: number of its pages
 *                      that some PTE maps (nr_pages_mapped)
 *   mapping  head: 0 = none, > 0 row of the inode whose page cache holds it, < 0 minus the row of
 *            its anon_vma;             tails: see TAIL below; free page: next in its free list
 *   index    head: low 32 bits of its page offset in the mapping;   free page: previous
 *   content  what a load of the page's first byte sees (only where contents are kept)
 *
 * TAIL: a large folio keeps its own counters in the mapping/index words of its tails, as the
 * kernel does in struct folio:
 *   page 1  mapping = large_mapcount         index = refcount
 *   page 2  mapping = entire_mapcount        index = PTE and PMD maps by mm slot 1
 *   page 3  mapping = mm slot 0 | slot 1<<16 index = PTE and PMD maps by mm slot 0
 * An order-1 folio has no page 2: it is never PMD-mapped and its sharing is judged by mapcount.
 *
 * Source: include/linux/mm_types.h (struct folio), page-flags.h, 6.18.
 */
export const ORDER_MASK = 0xf;
export const INDEX_HI_SHIFT = 4;
export const INDEX_HI_MASK = 0xf0;

/** In the buddy allocator's free lists (on the first page of a free block). */
export const PG_BUDDY = 1 << 8;
/** Head page of an allocated folio of order > 0. */
export const PG_HEAD = 1 << 9;
export const PG_ANON = 1 << 10;
/** Page-level: this anonymous page belongs to one process alone. Head page for a PMD map. */
export const PG_ANON_EXCLUSIVE = 1 << 11;
/** Page-level: not all zeroes (a store hit it since the kernel cleared it, or it came from disk). */
export const PG_WRITTEN = 1 << 12;
export const PG_SWAPBACKED = 1 << 13;
export const PG_DIRTY = 1 << 14;
export const PG_UPTODATE = 1 << 15;
export const PG_LOCKED = 1 << 16;
export const PG_MLOCKED = 1 << 17;
export const PG_UNEVICTABLE = 1 << 18;
/** On the deferred split list. */
export const PG_DEFERRED = 1 << 19;
export const PG_PARTIALLY_MAPPED = 1 << 20;
/** FOLIO_MM_IDS_SHARED: more than one mm maps, or mapped, this large folio. */
export const PG_MM_SHARED = 1 << 21;
export const PG_READAHEAD = 1 << 22;
export const PG_SWAPCACHE = 1 << 23;
export const PG_REFERENCED = 1 << 24;
/** Page-level, page cache of a disk file: a dirty buffer that has no block (see disk.ts). */
export const PG_BUFFER_STALE = 1 << 25;
/** Never to be freed or counted: frame 0 and the zero page. */
export const PG_RESERVED = 1 << 26;
/** On an LRU list. The kernel's per-CPU batches are not modelled: it is set at once. */
export const PG_LRU = 1 << 27;
export const PG_HWPOISON = 1 << 28;
/** Lost its last reference while it was mapped or cached: a bug of the modelled kernel. */
export const PG_PREMATURE = 1 << 29;

/** Page-level, page cache of a disk file: the disk has a block for this page (see disk.ts). */
export const PG_MAPPEDTODISK = 1 << 30;
/** Page-level, page cache of a disk file: the buffer of its block is dirty (BH_Dirty). */
export const PG_BUFFER_DIRTY = 1 << 31;

/** Flags that live on each page rather than on the folio. */
export const PAGE_LEVEL_FLAGS =
  PG_ANON_EXCLUSIVE |
  PG_WRITTEN |
  PG_BUFFER_STALE |
  PG_HWPOISON |
  PG_MAPPEDTODISK |
  PG_BUFFER_DIRTY;

export const MAPCOUNT_MASK = 0xffff;
/** One more mapping of an order-0 folio takes one reference: both halves in one add. */
export const MAP_AND_REF = 0x10001;
export const REF_ONE = 0x10000;

/** kpageflags bit numbers (include/uapi/linux/kernel-page-flags.h, internal ones included). */
export const KPF = {
  LOCKED: 0,
  ERROR: 1,
  REFERENCED: 2,
  UPTODATE: 3,
  DIRTY: 4,
  LRU: 5,
  ACTIVE: 6,
  SLAB: 7,
  WRITEBACK: 8,
  RECLAIM: 9,
  BUDDY: 10,
  MMAP: 11,
  ANON: 12,
  SWAPCACHE: 13,
  SWAPBACKED: 14,
  COMPOUND_HEAD: 15,
  COMPOUND_TAIL: 16,
  HUGE: 17,
  UNEVICTABLE: 18,
  HWPOISON: 19,
  NOPAGE: 20,
  KSM: 21,
  THP: 22,
  OFFLINE: 23,
  ZERO_PAGE: 24,
  IDLE: 25,
  PGTABLE: 26,
  RESERVED: 32,
  MLOCKED: 33,
  OWNER_2: 34,
  PRIVATE: 35,
  PRIVATE_2: 36,
  OWNER_PRIVATE: 37,
} as const;
