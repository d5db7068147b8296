/**
 * The laws of one access, on the arena's entries alone: what AccessLaws (room `laws`) says of the
 * 512 entries of the touched page table, in a tenth of the time. The test compares the two.
 */
import { folioPages, headOf } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { pmdSlot, pteSlotUnder } from '../mm/pgalloc.ts';
import { PTE_MAPPED, ptePfn } from '../mm/pgtable.ts';
import {
  OPS_FILE,
  OPS_SHM,
  OPS_SHMEM,
  OPS_SHMEM_ANON,
  VM_SHARED,
  VM_UFFD_WP,
  VM2_UFFD_MINOR,
} from '../mm/vm_flags.ts';
import { uffdArmed } from '../mm/vma_prot.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { LAW_NO_OVERWRITE, LAW_RESIDENCY, LAW_UFFD, type LawCounts } from './law_bits.ts';

export class AccessWatch {
  private readonly m: Machine;
  private readonly start: number;
  private readonly pages: number;
  private readonly counts: LawCounts;
  private readonly was: Int32Array;
  private readonly is: Int32Array;

  constructor(m: Machine, start: number, pages: number, counts: LawCounts) {
    this.m = m;
    this.start = start;
    this.pages = pages;
    this.counts = counts;
    this.was = new Int32Array(pages);
    this.is = new Int32Array(pages);
  }

  before(mm: number, vpn: number): void {
    this.copy(mm, vpn, this.was);
  }

  /** Entries of the arena in the page table that serves `vpn`; those of others count as none. */
  private copy(mm: number, vpn: number, into: Int32Array): void {
    const { m, start, pages } = this;
    const slot = pmdSlot(m, mm, vpn);
    const base = vpn - (vpn % 512);
    const table = slot === 0 ? 0 : pteSlotUnder(m, slot, base);
    for (let i = 0; i < pages; i++) {
      const at = start + i - base;
      into[i] = table === 0 || at < 0 || at >= 512 ? 0 : m.pt[table + at]!;
    }
  }

  /** Bits of the laws that the access broke. */
  after(mm: number, vpn: number, write: boolean): number {
    const { m, was, is, counts } = this;
    const v = vmaLookup(m, mm, vpn);
    if (v === 0) return 0;
    this.copy(mm, vpn, is);
    const own = vpn - this.start;
    const isPrivate = (m.vma.flags[v]! & VM_SHARED) === 0;
    let broken = 0;
    let fresh = 0;
    let kept = 0;
    for (let i = 0; i < was.length; i++) {
      const a = was[i]!;
      const b = is[i]!;
      if ((a & PTE_MAPPED) !== 0) kept++;
      if (a === b) continue;
      const mapped = (b & PTE_MAPPED) !== 0;
      if ((a & PTE_MAPPED) === 0) {
        if (mapped) fresh++;
        if (a !== 0 && i !== own) broken |= 1 << LAW_NO_OVERWRITE;
      } else if (!mapped || ptePfn(a) !== ptePfn(b)) {
        if (!(i === own && isPrivate && write && mapped)) broken |= 1 << LAW_NO_OVERWRITE;
      }
    }
    if (fresh !== 0) counts.met(LAW_NO_OVERWRITE, kept);
    if (fresh > 1) {
      counts.met(LAW_RESIDENCY, 1);
      if (!this.resident(v, vpn, write)) broken |= 1 << LAW_RESIDENCY;
    }
    if (fresh !== 0 && uffdArmed(m, v)) {
      counts.met(LAW_UFFD, 1);
      if (fresh > 1 && (write || this.noFaultAround(v))) broken |= 1 << LAW_UFFD;
    }
    return broken;
  }

  private noFaultAround(v: number): boolean {
    const { flags, flags2 } = this.m.vma;
    return (flags[v]! & VM_UFFD_WP) !== 0 || (flags2[v]! & VM2_UFFD_MINOR) !== 0;
  }

  /** Every page that came along is of the touched page's folio or of a read's window. */
  private resident(v: number, vpn: number, write: boolean): boolean {
    const { m, was, is, start } = this;
    const entry = is[vpn - start]!;
    const ownHead = (entry & PTE_MAPPED) === 0 ? 0 : headOf(m, ptePfn(entry));
    const ops = m.vma.ops[v]!;
    const window = m.settings.faultAroundPages;
    const file = ops === OPS_FILE || ops === OPS_SHMEM || ops === OPS_SHMEM_ANON || ops === OPS_SHM;
    let first = 0;
    let last = -1;
    if (!write && file && window > 1 && !this.noFaultAround(v)) {
      first = Math.max(vpn - (vpn % window), m.vma.start[v]!);
      const tableEnd = vpn - (vpn % 512) + 512;
      last = Math.min(first + window, tableEnd, m.vma.end[v]!) - 1;
    }
    for (let i = 0; i < is.length; i++) {
      if ((was[i]! & PTE_MAPPED) !== 0 || (is[i]! & PTE_MAPPED) === 0) continue;
      const pfn = ptePfn(is[i]!);
      const head = headOf(m, pfn);
      if (head === ownHead) continue;
      let from = start + i;
      let to = from;
      if (m.release.faultAroundWhole) {
        from -= pfn - head;
        to = from + folioPages(m, head) - 1;
      }
      if (to < first || from > last) return false;
    }
    return true;
  }
}
