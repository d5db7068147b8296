/**
 * The law `counters` of hugepages-<size>kB/stats: a fault that made a folio of a size counted it,
 * none else did; a fallback is counted only where no block of the size was free.
 * Source: mm/memory.c alloc_anon_folio(), do_anonymous_page(), mm/shmem.c
 * shmem_alloc_and_add_folio(), 6.18.
 */
import { MAX_PAGE_ORDER, type Order, type TaskRow, type Vpn } from '../base/index.ts';
import { folioOrder, headOf } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON } from '../mm/page_flags.ts';
import { PTE_MAPPED, ptePfn } from '../mm/pgtable.ts';
import {
  MTHP_ANON_FAULT_ALLOC,
  MTHP_ANON_FAULT_FALLBACK,
  MTHP_ITEMS,
  MTHP_SHMEM_ALLOC,
  MTHP_SHMEM_FALLBACK,
} from '../mm/vmstat.ts';
import type { Report } from './law.ts';

const ORDERS = 10;
const ITEMS = [
  ['anon_fault_alloc', MTHP_ANON_FAULT_ALLOC],
  ['shmem_alloc', MTHP_SHMEM_ALLOC],
  ['anon_fault_fallback', MTHP_ANON_FAULT_FALLBACK],
  ['shmem_fallback', MTHP_SHMEM_FALLBACK],
] as const;

interface Entries {
  readonly before: Int32Array;
  readonly after: Int32Array;
}

export class AllocationCount {
  private readonly m: Machine;
  private readonly was = new Float64Array(ORDERS * ITEMS.length);
  /** The largest order of which a block is free. */
  private free = -1;

  constructor(m: Machine) {
    this.m = m;
  }

  begin(): void {
    const { m, was } = this;
    ITEMS.forEach(([, item], i) => {
      for (let o = 1; o < ORDERS; o++) was[i * ORDERS + o] = m.mthp[o * MTHP_ITEMS + item]!;
    });
    this.free = this.largestFree();
  }

  private largestFree(): Order | -1 {
    const { m } = this;
    for (let order = MAX_PAGE_ORDER; order >= 0; order--) {
      const n = 1 << order;
      const aligned = Math.ceil(m.wilderness / n) * n;
      if (m.freeCount[order]! > 0 || aligned + n <= m.pages) return order;
    }
    return -1;
  }

  /** `shmemOrder`: of the page-cache folio of shared memory that the fault made, 0 = none large. */
  end(report: Report, task: TaskRow, vpn: Vpn, shmemOrder: Order, entries: Entries): void {
    const { m, was } = this;
    const fresh = this.freshAnon(entries);
    for (let o = 1; o < ORDERS; o++) {
      const due = [fresh[o]!, shmemOrder === o ? 1 : 0, 0, 0];
      if (o > this.free) {
        due[2] = Number.POSITIVE_INFINITY;
        due[3] = Number.POSITIVE_INFINITY;
      }
      for (const [i, [name, item]] of ITEMS.entries()) {
        const counted = m.mthp[o * MTHP_ITEMS + item]! - was[i * ORDERS + o]!;
        const wrong = i < 2 ? counted !== due[i] : counted > due[i]!;
        if (!wrong || !report.break('counters')) continue;
        const what = `hugepages-${4 << o}kB ${name} ${counted} more`;
        const reason = i < 2 ? `${due[i]!}, the folios made` : '0: a block of this size is free';
        report.add('counters', task, vpn, what, reason);
      }
    }
  }

  /** Large anonymous folios by order, of which a page came to be mapped. */
  private freshAnon({ before, after }: Entries): Int32Array {
    const { m } = this;
    const made = new Int32Array(ORDERS);
    let last = 0;
    for (let i = 0; i < 512; i++) {
      const is = after[i]!;
      if ((is & PTE_MAPPED) === 0 || ptePfn(is) === ptePfn(before[i]!)) continue;
      const head = headOf(m, ptePfn(is));
      if (head === last || head === m.hugeZeroPfn) continue;
      last = head;
      const order = folioOrder(m, head);
      if (order > 0 && (m.page.flags[head]! & PG_ANON) !== 0) made[order]!++;
    }
    return made;
  }
}
