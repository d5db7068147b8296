/**
 * /proc/meminfo and /proc/vmstat (fs/proc/meminfo.c, mm/vmstat.c, 6.18): the lines whose quantities
 * the model keeps, in the kernel's order and form. Lines about memory that a user program cannot
 * move (slab, stacks of the kernel, vmalloc) are left out rather than invented.
 */
import { PMD_PAGES } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { vmCommitLimit } from './util.ts';
import {
  NR_ANON_MAPPED,
  NR_ANON_THPS,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_FILE_PMDMAPPED,
  NR_FILE_THPS,
  NR_FREE_PAGES,
  NR_MLOCK,
  NR_PAGETABLE,
  NR_SHMEM,
  NR_SHMEM_PMDMAPPED,
  NR_SHMEM_THPS,
  VMSTAT_NAMES,
} from './vmstat.ts';

/** show_val_kb(). */
function line(label: string, pages: number): string {
  return `${(label + ':').padEnd(16)}${String(pages * 4).padStart(8)} kB\n`;
}

/** /proc/meminfo. */
export function meminfoText(m: Machine): string {
  const v = m.vmstat;
  const s = m.settings;
  const free = v[NR_FREE_PAGES]!;
  const cache = v[NR_FILE_PAGES]!;
  const swapUsed = m.swap.live;
  return (
    line('MemTotal', s.totalRam) +
    line('MemFree', free) +
    line('MemAvailable', free + Math.max(0, cache - v[NR_SHMEM]!)) +
    line('Cached', cache) +
    line('Mlocked', v[NR_MLOCK]!) +
    line('SwapTotal', s.totalSwap) +
    line('SwapFree', s.totalSwap - swapUsed) +
    line('Dirty', v[NR_FILE_DIRTY]!) +
    line('AnonPages', v[NR_ANON_MAPPED]!) +
    line('Mapped', v[NR_FILE_MAPPED]!) +
    line('Shmem', v[NR_SHMEM]!) +
    line('PageTables', v[NR_PAGETABLE]!) +
    line('CommitLimit', vmCommitLimit(m)) +
    line('Committed_AS', m.committed) +
    line('AnonHugePages', v[NR_ANON_THPS]! * PMD_PAGES) +
    line('ShmemHugePages', v[NR_SHMEM_THPS]! * PMD_PAGES) +
    line('ShmemPmdMapped', v[NR_SHMEM_PMDMAPPED]! * PMD_PAGES) +
    line('FileHugePages', v[NR_FILE_THPS]! * PMD_PAGES) +
    line('FilePmdMapped', v[NR_FILE_PMDMAPPED]! * PMD_PAGES) +
    'HugePages_Total:       0\nHugePages_Free:        0\n' +
    'HugePages_Rsvd:        0\nHugePages_Surp:        0\n' +
    'Hugepagesize:       2048 kB\nHugetlb:               0 kB\n'
  );
}

/** The kernel's order of the items that the model keeps. */
const VMSTAT_ORDER = [
  ...['nr_free_pages', 'nr_mlock', 'nr_anon_pages', 'nr_mapped', 'nr_file_pages', 'nr_dirty'],
  ...['nr_shmem', 'nr_shmem_hugepages', 'nr_shmem_pmdmapped', 'nr_file_hugepages'],
  ...['nr_file_pmdmapped', 'nr_anon_transparent_hugepages', 'nr_page_table_pages'],
  ...['pswpin', 'pswpout', 'pgfault', 'pgmajfault', 'pgreuse', 'thp_fault_alloc'],
  ...['thp_fault_fallback', 'thp_collapse_alloc', 'thp_collapse_alloc_failed', 'thp_file_alloc'],
  ...['thp_file_fallback', 'thp_file_mapped', 'thp_split_page', 'thp_split_page_failed'],
  ...['thp_deferred_split_page', 'thp_split_pmd', 'thp_zero_page_alloc'],
];

/** /proc/vmstat. */
export function vmstatText(m: Machine): string {
  return VMSTAT_ORDER.map((name) => `${name} ${m.vmstat[VMSTAT_NAMES.indexOf(name)]}\n`).join('');
}
