/**
 * What one access may do beyond the entries that it fills: whom it must ask (userfaultfd, guard
 * regions), which folio it may make, what it must not copy, how often it is counted.
 */
import type { Order, Pfn, TaskRow, VmaRow, Vpn } from '../base/index.ts';
import { cacheGet } from '../mm/filemap.ts';
import { folioMapcount, folioOrder, folioRefcount, headOf } from '../mm/folio.ts';
import { ACCESS_OK, ACCESS_WRITE } from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE, PG_MM_SHARED, PG_SWAPBACKED } from '../mm/page_flags.ts';
import {
  isGuardMarker,
  isMarker,
  isSwapEntry,
  MARKER_UFFD_WP,
  PTE_MAPPED,
  PTE_UFFD_WP,
  ptePfn,
} from '../mm/pgtable.ts';
import { VM_MAYSHARE } from '../mm/vm_flags.ts';
import { uffdArmed, uffdMinor, uffdMissing, uffdWp } from '../mm/vma_prot.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { PGFAULT } from '../mm/vmstat.ts';
import { AllocationCount } from './allocation_count.ts';
import { judgeSize } from './folio_size.ts';
import type { Report } from './law.ts';
import { folioWords, pageWords } from './words.ts';

/** The entries around an access, before and after it. */
export interface Entries {
  readonly before: Int32Array;
  readonly after: Int32Array;
  readonly beforeHuge: boolean;
  readonly afterHuge: boolean;
}

/** UFFD_FEATURE_WP_ASYNC: write protection resolves itself. */
const WP_ASYNC = 1 << 15;

export class FaultLaws {
  private readonly m: Machine;
  private readonly allocations: AllocationCount;
  private counted = 0;
  private faults = 0;
  /** The touched page's frame in the page cache; 0 = none there, or no file. */
  private cached: Pfn = 0;
  /** The mapped anonymous page belongs to this process alone, so that a store keeps it. */
  private own = false;
  private exclusive = false;

  constructor(m: Machine) {
    this.m = m;
    this.allocations = new AllocationCount(m);
  }

  private faultsOf(task: TaskRow): number {
    return this.m.task.minflt[task]! + this.m.task.majflt[task]!;
  }

  /** `entry`: what maps the page now; `huge`: it is a PMD. */
  begin(task: TaskRow, vpn: Vpn, entry: number, huge: boolean): void {
    const { m } = this;
    this.counted = this.faultsOf(task);
    this.faults = m.vmstat[PGFAULT]!;
    this.allocations.begin();
    const v = vmaLookup(m, m.task.mm[task]!, vpn);
    const file = v === 0 ? 0 : m.vma.file[v]!;
    const index = v === 0 ? 0 : m.vma.pgoff[v]! + (vpn - m.vma.start[v]!);
    this.cached = file === 0 ? 0 : cacheGet(m, m.file.inode[file]!, index);
    this.own = false;
    this.exclusive = false;
    if ((entry & PTE_MAPPED) === 0 || ptePfn(entry) === m.zeroPfn) return;
    const pfn = ptePfn(entry);
    const head = headOf(m, pfn);
    if ((m.page.flags[head]! & PG_ANON) === 0) return;
    this.exclusive = (m.page.flags[huge ? head : pfn]! & PG_ANON_EXCLUSIVE) !== 0;
    this.own = this.exclusive || this.mapsAlone(head);
  }

  /**
   * One process alone has the folio, as far as the books can tell. A large folio of which one page
   * is left is copied all the same, so that the rest can be freed; before 6.15 any was.
   * Source: mm/memory.c wp_can_reuse_anon_folio(), 6.18.
   */
  private mapsAlone(head: Pfn): boolean {
    const { m } = this;
    const maps = folioMapcount(m, head);
    if (maps !== folioRefcount(m, head)) return false;
    if (folioOrder(m, head) === 0) return maps === 1;
    const marked = (m.page.flags[head]! & PG_MM_SHARED) !== 0;
    return m.release.wpReuseLarge && maps > 1 && !marked;
  }

  end(
    report: Report,
    task: TaskRow,
    v: VmaRow,
    vpn: Vpn,
    kind: number,
    result: number,
    entries: Entries,
  ): void {
    const own = vpn % 512;
    const was = entries.before[own]!;
    const is = entries.after[own]!;
    this.counts(report, task, v, vpn, result);
    this.asked(report, task, v, vpn, kind, result, was, is);
    if (kind === ACCESS_WRITE && result === ACCESS_OK) {
      this.kept(report, task, v, vpn, was, is, entries.afterHuge);
    }
    if ((was & PTE_MAPPED) === 0 && (is & PTE_MAPPED) !== 0) {
      judgeSize(this.m, report, task, v, vpn, ptePfn(is), this.cached);
    }
    this.allocations.end(report, task, vpn, this.freshOrder(v, vpn), entries);
  }

  /** Order of the page-cache folio of shared memory that the fault made; 0 = none, or a page. */
  private freshOrder(v: VmaRow, vpn: Vpn): Order {
    const { m } = this;
    if (m.vma.file[v] === 0 || this.cached !== 0) return 0;
    const index = m.vma.pgoff[v]! + (vpn - m.vma.start[v]!);
    const pfn = cacheGet(m, m.file.inode[m.vma.file[v]!]!, index);
    if (pfn === 0) return 0;
    const head = headOf(m, pfn);
    return (m.page.flags[head]! & PG_SWAPBACKED) === 0 ? 0 : folioOrder(m, head);
  }

  /**
   * Each completed fault is counted once for its task, retries included; an access that nothing
   * hinders takes one. Source: mm/memory.c mm_account_fault(), 6.18.
   */
  private counts(report: Report, task: TaskRow, v: VmaRow, vpn: Vpn, result: number): void {
    const counted = this.faultsOf(task) - this.counted;
    const taken = this.m.vmstat[PGFAULT]! - this.faults;
    report.met('counters', 1);
    const least = result === ACCESS_OK ? 1 : 0;
    if ((counted > taken || counted < least) && report.break('counters')) {
      const due = counted > taken ? `at most ${taken}, those taken` : 'the one taken';
      report.add('counters', task, vpn, `${counted} faults counted`, due);
    }
    if (result !== ACCESS_OK || counted <= 1 || uffdArmed(this.m, v)) return;
    if (!report.break('progress')) return;
    report.add('progress', task, vpn, `${counted} faults for one access`, 'one: nobody else runs');
  }

  /** Guard regions refuse; userfaultfd's handler is waited for. */
  private asked(
    report: Report,
    task: TaskRow,
    v: VmaRow,
    vpn: Vpn,
    kind: number,
    result: number,
    was: number,
    is: number,
  ): void {
    const mapped = (is & PTE_MAPPED) !== 0;
    if (isGuardMarker(was) && (result === ACCESS_OK || is !== was)) {
      if (!report.break('permission')) return;
      const found = mapped ? pageWords(this.m, ptePfn(is)) : 'an access that succeeds';
      report.add('permission', task, vpn, found, 'SIGSEGV: a guard region');
      return;
    }
    const lost = isMarker(was) && (was & MARKER_UFFD_WP) !== 0 && mapped && uffdWp(this.m, v);
    if (lost && (is & PTE_UFFD_WP) === 0 && report.break('uffd')) {
      const due = 'a write-protected page: its marker said so';
      report.add('uffd', task, vpn, pageWords(this.m, ptePfn(is)), due);
      return;
    }
    const reason = this.waitsFor(v, kind, was);
    if (reason === '') return;
    report.met('uffd', 1);
    const still = (was & PTE_MAPPED) !== 0 ? (is & PTE_UFFD_WP) !== 0 : !mapped;
    if (result !== ACCESS_OK && still) return;
    if (!report.break('uffd')) return;
    const found = mapped ? pageWords(this.m, ptePfn(is)) : 'an access that succeeds';
    report.add('uffd', task, vpn, found, `a wait for the handler: ${reason}`);
  }

  /** What userfaultfd's handler has to do before the access goes on; '' = nothing. */
  private waitsFor(v: VmaRow, kind: number, was: number): string {
    const { m } = this;
    if (!uffdArmed(m, v)) return '';
    if ((was & PTE_MAPPED) !== 0) {
      const async = (m.uffd.features[m.vma.uffd[v]!]! & WP_ASYNC) !== 0;
      const protects = uffdWp(m, v) && (was & PTE_UFFD_WP) !== 0 && !async;
      return protects && kind === ACCESS_WRITE ? 'the page is write-protected' : '';
    }
    if (isGuardMarker(was) || isSwapEntry(was)) return '';
    if (uffdMissing(m, v) && this.cached === 0) return 'the page is missing';
    return uffdMinor(m, v) && this.cached !== 0 ? 'the page is not mapped yet' : '';
  }

  /**
   * A store to a page that nobody else has keeps it; a small page that it takes over belongs to
   * the VMA's own anon_vma from then on, so that a walk does not look at others for it.
   */
  private kept(
    report: Report,
    task: TaskRow,
    v: VmaRow,
    vpn: Vpn,
    was: number,
    is: number,
    huge: boolean,
  ): void {
    const { m } = this;
    if ((was & PTE_MAPPED) === 0 || (m.vma.flags[v]! & VM_MAYSHARE) !== 0) return;
    const pfn = ptePfn(is);
    if (pfn !== ptePfn(was)) {
      if (!this.own || !report.break('exclusivity')) return;
      report.add('exclusivity', task, vpn, 'a copy', 'the page itself: nobody else has it');
      return;
    }
    const head = headOf(m, pfn);
    const single = huge || folioOrder(m, head) === 0;
    if (this.exclusive || !single || (m.page.flags[head]! & PG_ANON) === 0) return;
    report.met('reverse-map', 1);
    const due = m.vma.anonVma[v]!;
    if (m.page.mapping[head] === -due || !report.break('reverse-map')) return;
    const found = `${folioWords(m, head)} of anon_vma ${-m.page.mapping[head]!}`;
    report.add('reverse-map', task, vpn, found, `anon_vma ${due}, that of the one who has it`);
  }
}
