/**
 * Statistics of large folios: what each step adds to them. They count for the whole machine, so those
 * that other processes move all the time are compared only where there are none.
 */
import type { Machine } from '../mm/mm_types.ts';
import { statsOf } from './run.ts';
import type { Comparison } from './verify_compare.ts';

type Stats = ReadonlyMap<string, number>;

/** Items of /proc/vmstat. */
const VMSTAT = new Set([
  ...['nr_shmem_hugepages', 'nr_shmem_pmdmapped', 'nr_file_hugepages', 'nr_file_pmdmapped'],
  ...['nr_anon_transparent_hugepages', 'thp_fault_alloc', 'thp_fault_fallback'],
  ...['thp_collapse_alloc', 'thp_collapse_alloc_failed', 'thp_file_alloc', 'thp_file_fallback'],
  ...['thp_file_mapped', 'thp_split_page', 'thp_split_page_failed', 'thp_deferred_split_page'],
  'thp_split_pmd',
]);

/** Files below hugepages-<size>kB/stats/; of memory that any process has, only on a quiet machine. */
const SIZES = new Set([
  ...['shmem_alloc', 'shmem_fallback', 'shmem_fallback_charge', 'split', 'split_failed'],
  ...['swpout', 'swpout_fallback'],
]);
const SIZES_IF_QUIET = new Set([
  ...['anon_fault_alloc', 'anon_fault_fallback', 'anon_fault_fallback_charge', 'nr_anon'],
  ...['nr_anon_partially_mapped', 'split_deferred'],
]);

/** How a divergence of this kind is called. */
export const STATISTIC = 'statistic';

function isCompared(name: string, quiet: boolean): boolean {
  const slash = name.lastIndexOf('/');
  if (slash < 0) return VMSTAT.has(name);
  const item = name.slice(slash + 1);
  return SIZES.has(item) || (quiet && SIZES_IF_QUIET.has(item));
}

/** Model and kernel, one step after the other; what was before the first step is not known. */
export class StatsMatcher {
  readonly #quiet: boolean;
  #other: Stats | undefined;
  #mine: Readonly<Record<string, number>> = {};

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  step(c: Comparison, m: Machine, other: Stats | undefined): void {
    if (other === undefined) return;
    const mine = statsOf(m);
    const [mineBefore, before] = [this.#mine, this.#other];
    this.#mine = mine;
    this.#other = other;
    if (before === undefined) return;
    for (const [name, value] of other) {
      if (!isCompared(name, this.#quiet)) continue;
      const model = (mine[name] ?? 0) - (mineBefore[name] ?? 0);
      c.same(
        '',
        -1,
        `${STATISTIC} ${name}, added by the step`,
        model,
        value - (before.get(name) ?? 0),
      );
    }
  }
}
