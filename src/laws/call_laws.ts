/**
 * What calls promise of the entries in their range when they return: userfaultfd's write protection
 * covers all of it, and what MADV_FREE was told of can be dropped.
 */
import type { MmRow, Pages, VmaRow, Vpn } from '../base/index.ts';
import { folioMapcount, folioOrder, headOf } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_SWAPBACKED } from '../mm/page_flags.ts';
import { PTE_A, PTE_D, PTE_MAPPED, PTE_P, PTE_UFFD_WP, PTE_W, ptePfn } from '../mm/pgtable.ts';
import { OPS_NONE } from '../mm/vm_flags.ts';
import { Census, type LeafVisitor } from './census.ts';
import type { LawName, Report } from './law.ts';
import { pageWords } from './words.ts';

export interface Range {
  readonly mm: MmRow;
  readonly start: Vpn;
  readonly pages: Pages;
}

type Judge = (v: VmaRow, entry: number) => string;

/** Calls `judge` for each mapped entry of the range, and reports what it finds missing. */
function judgeRange(m: Machine, report: Report, law: LawName, range: Range, judge: Judge): void {
  const end = range.start + range.pages;
  let met = 0;
  const leaves: LeafVisitor = {
    leaf: (mm, v, vpn, entry, pages) => {
      if (mm !== range.mm || vpn + pages <= range.start || vpn >= end) return;
      if ((entry & PTE_MAPPED) === 0) return;
      met++;
      const due = judge(v, entry);
      if (due === '' || !report.break(law)) return;
      const task = m.task.mm.indexOf(mm);
      report.add(law, task, vpn, `an entry of ${pageWords(m, ptePfn(entry))}`, due);
    },
    strayTable: () => {},
  };
  new Census(m).take(leaves, { slot: () => {} });
  report.met(law, met);
}

/**
 * UFFDIO_WRITEPROTECT: every page of the range is marked and cannot be written, or, when it is
 * resolved, none is marked. Source: mm/userfaultfd.c uffd_wp_range(), 6.18.
 */
export function judgeProtected(m: Machine, report: Report, range: Range, on: boolean): void {
  judgeRange(m, report, 'uffd', range, (_v, entry) => {
    if (!on) return (entry & PTE_UFFD_WP) === 0 ? '' : 'one without protection: it was resolved';
    const writable = (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W);
    return (entry & PTE_UFFD_WP) !== 0 && !writable ? '' : 'one that is write-protected';
  });
}

/**
 * MADV_FREE: a page that may be dropped without being written out is clean and old, or reclaim
 * would keep it. Pages that others map may be passed over, large folios in part.
 * Source: mm/madvise.c madvise_free_pte_range(), 6.18.
 */
export function judgeFreed(m: Machine, report: Report, range: Range): void {
  judgeRange(m, report, 'lifetime', range, (v, entry) => {
    const head = headOf(m, ptePfn(entry));
    const f = m.page.flags[head]!;
    if (v === 0 || m.vma.ops[v] !== OPS_NONE || (f & (PG_ANON | PG_SWAPBACKED)) !== PG_ANON) {
      return '';
    }
    if (folioOrder(m, head) !== 0 || folioMapcount(m, head) !== 1) return '';
    return (entry & (PTE_A | PTE_D)) === 0 ? '' : 'a clean and old one: the page is free to go';
  });
}
