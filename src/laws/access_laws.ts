/**
 * Laws of one access: no-overwrite, residency, uffd, progress. They compare the page table of the
 * touched 2 MiB before and after it. A fault changes no other table; if one did, the laws of the
 * state would tell.
 *
 * An access that the entry at hand allows changes nothing and costs one look.
 */
import type { TaskRow, VmaRow, Vpn } from '../base/index.ts';
import { folioPages, headOf } from '../mm/folio.ts';
import { ACCESS_STUCK, ACCESS_WRITE, leafEntry } from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { isHugePmd, pmdSlot } from '../mm/pgalloc.ts';
import { isTable, makePte, PTE_MAPPED, PTE_P, PTE_W, ptePfn, tableRow } from '../mm/pgtable.ts';
import {
  OPS_FILE,
  OPS_NONE,
  OPS_SHM,
  OPS_SHMEM,
  OPS_SHMEM_ANON,
  VM_SHARED,
  VM_UFFD_WP,
  VM2_UFFD_MINOR,
} from '../mm/vm_flags.ts';
import { uffdArmed } from '../mm/vma_prot.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { PGFAULT } from '../mm/vmstat.ts';
import { FaultLaws } from './fault_laws.ts';
import type { Report } from './law.ts';
import { addressWords, dueWords, folioWords, pageWords } from './words.ts';

export class AccessLaws {
  private readonly m: Machine;
  private readonly before = new Int32Array(512);
  private readonly after = new Int32Array(512);
  private beforeHuge = false;
  private afterHuge = false;
  /** vmstat pgfault before the access; -1: the entry allowed it, nothing to compare. */
  private faults = -1;

  private readonly laws: FaultLaws;

  constructor(m: Machine) {
    this.m = m;
    this.laws = new FaultLaws(m);
  }

  /** To be called before access(). */
  begin(task: TaskRow, vpn: Vpn, kind: number): void {
    const { m } = this;
    const mm = m.task.mm[task]!;
    const entry = leafEntry(m, mm, vpn);
    const needed = kind === ACCESS_WRITE ? PTE_P | PTE_W : PTE_P;
    if ((entry & needed) === needed) {
      this.faults = -1;
      return;
    }
    this.faults = m.vmstat[PGFAULT]!;
    this.beforeHuge = this.copyTable(mm, vpn, this.before);
    this.laws.begin(task, vpn, this.before[vpn % 512]!, this.beforeHuge);
  }

  /** The 512 entries around `vpn`; those of a huge PMD as if it were split. True if it is huge. */
  private copyTable(mm: number, vpn: Vpn, into: Int32Array): boolean {
    const { m } = this;
    const slot = pmdSlot(m, mm, vpn);
    const entry = slot === 0 ? 0 : m.pt[slot]!;
    if (isTable(entry)) {
      const base = tableRow(entry) * 512;
      into.set(m.pt.subarray(base, base + 512));
      return false;
    }
    if (!isHugePmd(entry)) {
      into.fill(0);
      return false;
    }
    const head = ptePfn(entry);
    const zero = head === m.hugeZeroPfn;
    for (let i = 0; i < 512; i++)
      into[i] = zero ? makePte(m.zeroPfn, 1) : makePte(head + i, entry & 31);
    return true;
  }

  /** To be called after access(), with what it returned. */
  end(report: Report, task: TaskRow, vpn: Vpn, kind: number, result: number): void {
    const { m } = this;
    if (this.faults < 0) return;
    const faults = m.vmstat[PGFAULT]! - this.faults;
    this.faults = -1;
    if (faults === 0) return;
    report.met('progress', 1);
    if (result === ACCESS_STUCK) this.stuck(report, task, vpn, faults);
    const mm = m.task.mm[task]!;
    const v = vmaLookup(m, mm, vpn);
    if (v === 0) return;
    this.afterHuge = this.copyTable(mm, vpn, this.after);
    this.compare(report, task, v, vpn, kind);
    const { before, after, beforeHuge, afterHuge } = this;
    const entries = { before, after, beforeHuge, afterHuge };
    this.laws.end(report, task, v, vpn, kind, result, entries);
  }

  private stuck(report: Report, task: TaskRow, vpn: Vpn, faults: number): void {
    const entry = leafEntry(this.m, this.m.task.mm[task]!, vpn);
    const mapped = (entry & PTE_MAPPED) !== 0;
    const state = mapped ? pageWords(this.m, ptePfn(entry)) : 'still no page';
    report.add(
      'progress',
      task,
      vpn,
      `${state} after ${faults} faults, each the same as the one before`,
      'an access that ends',
    );
  }

  private compare(report: Report, task: TaskRow, v: VmaRow, vpn: Vpn, kind: number): void {
    const { m, before, after } = this;
    const base = vpn - (vpn % 512);
    const own = vpn % 512;
    let pages = 0;
    let kept = 0;
    for (let i = 0; i < 512; i++) {
      const was = before[i]!;
      const is = after[i]!;
      if ((was & PTE_MAPPED) !== 0) kept++;
      if (was === is) continue;
      const isMapped = (is & PTE_MAPPED) !== 0;
      if ((was & PTE_MAPPED) === 0) {
        if (isMapped) pages++;
        if (was !== 0 && i !== own && report.break('no-overwrite')) {
          const found = isMapped ? pageWords(m, ptePfn(is)) : 'nothing';
          report.add(
            'no-overwrite',
            task,
            base + i,
            found,
            'the marker or swap entry that was there',
          );
        }
      } else if (!isMapped || ptePfn(was) !== ptePfn(is)) {
        this.replaced(report, task, v, base + i, i === own, kind, was, is);
      }
    }
    const entries = this.afterHuge ? (this.beforeHuge ? 0 : 1) : pages;
    if (pages !== 0) report.met('no-overwrite', kept);
    if (pages > 1) {
      report.met('residency', 1);
      if (!this.afterHuge) this.residency(report, task, v, vpn, kind);
    }
    if (entries !== 0 && uffdArmed(m, v)) {
      report.met('uffd', 1);
      this.uffd(report, task, v, vpn, kind, entries);
    }
  }

  /** A mapped entry changed its frame, or lost it. */
  private replaced(
    report: Report,
    task: TaskRow,
    v: VmaRow,
    vpn: Vpn,
    own: boolean,
    kind: number,
    was: number,
    is: number,
  ): void {
    const { m } = this;
    const isPrivate = (m.vma.flags[v]! & VM_SHARED) === 0;
    // A private copy takes the touched page's place.
    if (own && isPrivate && kind === ACCESS_WRITE && (is & PTE_MAPPED) !== 0) return;
    // A THP takes the place of the huge zero page; a file's PMD is dropped to be refaulted.
    if (this.beforeHuge && this.afterHuge && ptePfn(was) === m.zeroPfn) return;
    if (this.beforeHuge && m.vma.ops[v] !== OPS_NONE && (is & PTE_MAPPED) === 0) return;
    if (!report.break('no-overwrite')) return;
    const found = (is & PTE_MAPPED) === 0 ? 'no page' : pageWords(m, ptePfn(is));
    report.add(
      'no-overwrite',
      task,
      vpn,
      found,
      `${dueWords(m, ptePfn(was), ptePfn(is))}, as before`,
    );
  }

  /** Each page that came along belongs to the touched page's folio or to the window of a read. */
  private residency(report: Report, task: TaskRow, v: VmaRow, vpn: Vpn, kind: number): void {
    const { m, before, after } = this;
    const own = vpn % 512;
    const entry = after[own]!;
    const ownHead = (entry & PTE_MAPPED) === 0 ? 0 : headOf(m, ptePfn(entry));
    const window = this.window(v, vpn, kind);
    const base = vpn - own;
    for (let i = 0; i < 512; i++) {
      if (i === own || (before[i]! & PTE_MAPPED) !== 0 || (after[i]! & PTE_MAPPED) === 0) continue;
      const pfn = ptePfn(after[i]!);
      const head = headOf(m, pfn);
      if (head === ownHead) continue;
      let first = i;
      let last = i;
      if (m.release.faultAroundWhole) {
        first = i - (pfn - head);
        last = first + folioPages(m, head) - 1;
      }
      if (last >= window.first && first <= window.last) continue;
      if (!report.break('residency')) return;
      const granted =
        window.last < window.first
          ? 'the folio of the touched page alone'
          : `the folio of the touched page and the window ${addressWords(base + window.first)}-${addressWords(base + window.last + 1)}`;
      report.add('residency', task, base + i, pageWords(m, pfn), granted);
    }
  }

  /**
   * The fault-around window as indexes of the page table; empty where a fault has none.
   * Source: mm/memory.c do_fault_around(), 6.18.
   */
  private window(v: VmaRow, vpn: Vpn, kind: number): { first: number; last: number } {
    const { m } = this;
    const ops = m.vma.ops[v]!;
    const pages = m.settings.faultAroundPages;
    const file = ops === OPS_FILE || ops === OPS_SHMEM || ops === OPS_SHMEM_ANON || ops === OPS_SHM;
    if (kind === ACCESS_WRITE || !file || pages <= 1 || this.noFaultAround(v)) {
      return { first: 0, last: -1 };
    }
    const own = vpn % 512;
    const first = Math.max(own - (own % pages), own - (vpn - m.vma.start[v]!));
    const last = Math.min(first + pages, 512, own + (m.vma.end[v]! - vpn)) - 1;
    return { first, last };
  }

  /** userfaultfd in write-protect or minor mode wants to see every page's first fault. */
  private noFaultAround(v: VmaRow): boolean {
    const { flags, flags2 } = this.m.vma;
    return (flags[v]! & VM_UFFD_WP) !== 0 || (flags2[v]! & VM2_UFFD_MINOR) !== 0;
  }

  private uffd(
    report: Report,
    task: TaskRow,
    v: VmaRow,
    vpn: Vpn,
    kind: number,
    entries: number,
  ): void {
    // Fault-around maps what the page cache has; for missing mode nothing is missing there.
    if (kind !== ACCESS_WRITE && !this.noFaultAround(v)) return;
    if (entries <= 1 || !report.break('uffd')) return;
    const entry = this.after[vpn % 512]!;
    const what =
      (entry & PTE_MAPPED) === 0 ? '' : ` of ${folioWords(this.m, headOf(this.m, ptePfn(entry)))}`;
    report.add('uffd', task, vpn, `${entries} entries installed${what}`, 'one, the VMA is armed');
  }
}
