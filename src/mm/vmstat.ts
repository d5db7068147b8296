/**
 * Counters of the whole machine: /proc/vmstat items that the model keeps (mm/vmstat.c) and the
 * per-size statistics below hugepages-<size>kB/stats (include/linux/huge_mm.h, mthp_stat_item).
 */
import type { Order } from '../base/index.ts';
import type { Machine } from './mm_types.ts';

export const NR_ANON_MAPPED = 0;
export const NR_FILE_MAPPED = 1;
export const NR_FILE_PAGES = 2;
export const NR_FILE_DIRTY = 3;
export const NR_SHMEM = 4;
export const NR_SHMEM_THPS = 5;
export const NR_SHMEM_PMDMAPPED = 6;
export const NR_FILE_THPS = 7;
export const NR_FILE_PMDMAPPED = 8;
export const NR_ANON_THPS = 9;
export const NR_PAGETABLE = 10;
export const NR_FREE_PAGES = 11;
export const NR_MLOCK = 12;
export const PGFAULT = 13;
export const PGMAJFAULT = 14;
export const PGREUSE = 15;
export const THP_FAULT_ALLOC = 16;
export const THP_FAULT_FALLBACK = 17;
export const THP_COLLAPSE_ALLOC = 18;
export const THP_COLLAPSE_ALLOC_FAILED = 19;
export const THP_FILE_ALLOC = 20;
export const THP_FILE_FALLBACK = 21;
export const THP_FILE_MAPPED = 22;
export const THP_SPLIT_PAGE = 23;
export const THP_SPLIT_PAGE_FAILED = 24;
export const THP_DEFERRED_SPLIT_PAGE = 25;
export const THP_SPLIT_PMD = 26;
export const THP_ZERO_PAGE_ALLOC = 27;
export const NR_SECRETMEM = 28;
export const PSWPIN = 29;
export const PSWPOUT = 30;

/** Names in /proc/vmstat, by the indexes above. */
export const VMSTAT_NAMES: readonly string[] = [
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_shmem',
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
  'nr_page_table_pages',
  'nr_free_pages',
  'nr_mlock',
  'pgfault',
  'pgmajfault',
  'pgreuse',
  'thp_fault_alloc',
  'thp_fault_fallback',
  'thp_collapse_alloc',
  'thp_collapse_alloc_failed',
  'thp_file_alloc',
  'thp_file_fallback',
  'thp_file_mapped',
  'thp_split_page',
  'thp_split_page_failed',
  'thp_deferred_split_page',
  'thp_split_pmd',
  'thp_zero_page_alloc',
  'nr_secretmem',
  'pswpin',
  'pswpout',
];

export const MTHP_ANON_FAULT_ALLOC = 0;
export const MTHP_ANON_FAULT_FALLBACK = 1;
export const MTHP_ANON_FAULT_FALLBACK_CHARGE = 2;
export const MTHP_NR_ANON = 3;
export const MTHP_NR_ANON_PARTIALLY_MAPPED = 4;
export const MTHP_SHMEM_ALLOC = 5;
export const MTHP_SHMEM_FALLBACK = 6;
export const MTHP_SHMEM_FALLBACK_CHARGE = 7;
export const MTHP_SPLIT = 8;
export const MTHP_SPLIT_DEFERRED = 9;
export const MTHP_SPLIT_FAILED = 10;
export const MTHP_SWPIN = 11;
export const MTHP_SWPIN_FALLBACK = 12;
export const MTHP_SWPIN_FALLBACK_CHARGE = 13;
export const MTHP_SWPOUT = 14;
export const MTHP_SWPOUT_FALLBACK = 15;
export const MTHP_ZSWPOUT = 16;
/** Stride of Machine.mthp. */
export const MTHP_ITEMS = 32;

export const MTHP_NAMES: readonly string[] = [
  'anon_fault_alloc',
  'anon_fault_fallback',
  'anon_fault_fallback_charge',
  'nr_anon',
  'nr_anon_partially_mapped',
  'shmem_alloc',
  'shmem_fallback',
  'shmem_fallback_charge',
  'split',
  'split_deferred',
  'split_failed',
  'swpin',
  'swpin_fallback',
  'swpin_fallback_charge',
  'swpout',
  'swpout_fallback',
  'zswpout',
];

/** count_mthp_stat() and mod_mthp_stat(): sizes from 8 KiB to 2 MiB only. */
export function countMthp(m: Machine, order: Order, item: number, by = 1): void {
  if (order <= 0 || order > 9) return;
  m.mthp[order * MTHP_ITEMS + item]! += by;
}
