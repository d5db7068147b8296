/**
 * Which orders a mapping may have, and PMD-sized anonymous memory (mm/huge_memory.c, 6.18).
 */
import {
  highestOrder,
  modPow2,
  type Order,
  type OrderMask,
  type Pfn,
  PMD_ORDER,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { folioMarkDirty } from './filemap.ts';
import { allocFolio, folioPut, folioRefAdd } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE, PG_DIRTY, PG_RESERVED, PG_SWAPBACKED } from './page_flags.ts';
import { freePageTable, newPageTable } from './pgalloc.ts';
import {
  makePte,
  makeTableEntry,
  PTE_A,
  PTE_D,
  PTE_FLAGS,
  PTE_UFFD_WP,
  PTE_W,
  ptePfn,
} from './pgtable.ts';
import {
  deferredSplitFolio,
  folioAddAnonRmapPtes,
  folioAddNewAnonRmap,
  folioRemoveRmapPmd,
} from './rmap.ts';
import { ANON_ORDERS, THP_ALWAYS, THP_NEVER } from './settings.ts';
import { OPS_NONE, VM_HUGEPAGE, VM_NOHUGEPAGE } from './vm_flags.ts';
import { pageProt, uffdMissing } from './vma_prot.ts';
import {
  FAULT_FLAG_WRITE,
  VM_FAULT_FALLBACK,
  VM_FAULT_OOM,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from './vmf.ts';
import {
  countMthp,
  MTHP_ANON_FAULT_ALLOC,
  MTHP_ANON_FAULT_FALLBACK,
  NR_PAGETABLE,
  THP_FAULT_ALLOC,
  THP_FAULT_FALLBACK,
  THP_SPLIT_PMD,
  THP_ZERO_PAGE_ALLOC,
} from './vmstat.ts';

/** prctl(PR_SET_THP_DISABLE) state of an mm. */
export const THP_DISABLE_NONE = 0;
export const THP_DISABLE_COMPLETELY = 1;
export const THP_DISABLE_EXCEPT_ADVISED = 2;

/** vma_thp_disabled(): NOHUGEPAGE and the prctl. */
export function vmaThpDisabled(m: Machine, v: VmaRow, forcedCollapse: boolean): boolean {
  const flags = m.vma.flags[v]!;
  if ((flags & VM_NOHUGEPAGE) !== 0) return true;
  const disable = m.mm.thpDisable[m.vma.mm[v]!]!;
  if (disable === THP_DISABLE_NONE) return false;
  if (disable === THP_DISABLE_COMPLETELY) return true;
  return (flags & VM_HUGEPAGE) === 0 && !forcedCollapse;
}

/** Orders that sysfs allows for anonymous memory with these VMA flags. */
export function anonSysfsOrders(m: Machine, vmFlags: number): OrderMask {
  const s = m.settings;
  const advised = (vmFlags & VM_HUGEPAGE) !== 0;
  let mask = s.anonAlways;
  if (advised) mask |= s.anonMadvise;
  if (s.thpEnabled === THP_ALWAYS || (advised && s.thpEnabled !== THP_NEVER)) mask |= s.anonInherit;
  return mask;
}

/**
 * Orders, of those asked for, that a fault in an anonymous VMA may use (sysfs, madvise, prctl);
 * whether a block fits the VMA is thpVmaSuitable()'s.
 * Source: include/linux/huge_mm.h thp_vma_allowable_orders(TVA_PAGEFAULT), 6.18.
 */
export function anonFaultOrders(m: Machine, v: VmaRow, wanted: OrderMask): OrderMask {
  const orders = wanted & anonSysfsOrders(m, m.vma.flags[v]!) & ANON_ORDERS;
  if (orders === 0 || vmaThpDisabled(m, v, false)) return 0;
  return orders;
}

/**
 * True when the aligned block of `order` around `vpn` lies in the VMA and, for a file, the VMA's
 * linear offset keeps it aligned in the file too. An address before 0, which a VMA has whose end
 * lies below the order's size, wraps around in the kernel: it lies behind the VMA's start, and its
 * block ends at 0. Source: thp_vma_suitable_order(), 6.18.
 */
export function thpVmaSuitable(m: Machine, v: VmaRow, vpn: Vpn, order: Order): boolean {
  const { start, end, pgoff, ops } = m.vma;
  const n = 1 << order;
  if (ops[v] !== OPS_NONE && modPow2(start[v]! - pgoff[v]!, n) !== 0) return false;
  if (vpn < 0) return true;
  const block = vpn - modPow2(vpn, n);
  return block >= start[v]! && block + n <= end[v]!;
}

/**
 * Drops orders from the top until one fits; the lower ones are kept as they come, because a block
 * that fits contains the smaller ones. Source: thp_vma_suitable_orders(), 6.18.
 */
export function thpVmaSuitableOrders(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  wanted: OrderMask,
): OrderMask {
  let orders = wanted;
  while (orders !== 0) {
    const order = highestOrder(orders);
    if (thpVmaSuitable(m, v, vpn, order)) break;
    orders &= ~(1 << order);
  }
  return orders;
}

/** The huge zero folio, allocated at its first use and kept. 0 when memory is out. */
function hugeZeroFolio(m: Machine): Pfn {
  if (m.hugeZeroPfn !== 0) return m.hugeZeroPfn;
  const head = allocFolio(m, PMD_ORDER);
  if (head === 0) return 0;
  m.page.flags[head] = m.page.flags[head]! | PG_RESERVED;
  m.hugeZeroPfn = head;
  m.vmstat[THP_ZERO_PAGE_ALLOC]! += 1;
  return head;
}

/** A table that a huge PMD deposits for its splitting; it counts in VmPTE. */
function deposit(m: Machine, v: VmaRow): void {
  const mm = m.vma.mm[v]!;
  m.mm.tables[mm]!++;
  m.vmstat[NR_PAGETABLE]! += 1;
}

function allocAnonPmdFolio(m: Machine): Pfn {
  const head = allocFolio(m, PMD_ORDER);
  if (head === 0) {
    m.vmstat[THP_FAULT_FALLBACK]! += 1;
    countMthp(m, PMD_ORDER, MTHP_ANON_FAULT_FALLBACK);
  }
  return head;
}

function mapAnonFolioPmd(m: Machine, head: Pfn, slot: number, v: VmaRow, vpn: Vpn): void {
  folioAddNewAnonRmap(m, head, v, vpn - modPow2(vpn, 512));
  m.pt[slot] = makePte(head, pageProt(m, v) | PTE_A | writableBits(m, v));
  m.mm.rssAnon[m.vma.mm[v]!]! += 512;
  m.vmstat[THP_FAULT_ALLOC]! += 1;
  countMthp(m, PMD_ORDER, MTHP_ANON_FAULT_ALLOC);
  deferredSplitFolio(m, head, false);
}

/** maybe_mkwrite(mkdirty()): dirty always, writable where the VMA is. */
export function writableBits(m: Machine, v: VmaRow): number {
  return PTE_D | ((m.vma.flags[v]! & 2) !== 0 ? PTE_W : 0);
}

/**
 * First fault in an empty 2 MiB slot of an anonymous VMA that may have a THP: the huge zero page
 * for a read, a fresh folio for a write. VM_FAULT_FALLBACK: try smaller orders.
 * Source: mm/huge_memory.c do_huge_pmd_anonymous_page(), 6.18.
 */
export function doHugePmdAnonymousPage(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  if (!thpVmaSuitable(m, v, vmf.vpn, PMD_ORDER)) return VM_FAULT_FALLBACK;
  if (anonVmaPrepare(m, v) !== 0) return VM_FAULT_OOM;
  const { useZeroPage, anonReadsAllocate } = m.settings;
  const isRead = (vmf.flags & FAULT_FLAG_WRITE) === 0;
  if (isRead && useZeroPage !== 0 && anonReadsAllocate === 0) {
    const zero = hugeZeroFolio(m);
    if (zero === 0) {
      m.vmstat[THP_FAULT_FALLBACK]! += 1;
      return VM_FAULT_FALLBACK;
    }
    if (uffdMissing(m, v)) return VM_FAULT_UFFD_WAIT;
    deposit(m, v);
    m.pt[vmf.pmdSlot] = makePte(zero, (pageProt(m, v) & ~PTE_W) | PTE_A);
    if (m.why !== null) m.why.note('anon-huge-zero', PMD_ORDER, 0, 0);
    return 0;
  }
  const head = allocAnonPmdFolio(m);
  if (head === 0) {
    if (m.why !== null) m.why.note('alloc-failed', PMD_ORDER, 0, 0);
    return VM_FAULT_FALLBACK;
  }
  if (uffdMissing(m, v)) {
    folioPut(m, head, 1);
    return VM_FAULT_UFFD_WAIT;
  }
  deposit(m, v);
  mapAnonFolioPmd(m, head, vmf.pmdSlot, v, vmf.vpn);
  if (m.why !== null) m.why.note('anon-pmd-taken', PMD_ORDER, 0, 0);
  return 0;
}

/**
 * Write to a PMD that is mapped read-only in an anonymous VMA: reuse, a new THP in place of the
 * huge zero page, or split and let the PTE path copy 4 KiB.
 * Source: mm/huge_memory.c do_huge_pmd_wp_page(), 6.18.
 */
export function doHugePmdWpPage(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const slot = vmf.pmdSlot;
  const entry = m.pt[slot]!;
  const head = ptePfn(entry);
  if (head === m.hugeZeroPfn) {
    const folio = m.release.hugeZeroWriteAllocates ? allocAnonPmdFolio(m) : 0;
    if (folio !== 0) {
      mapAnonFolioPmd(m, folio, slot, v, vmf.vpn);
      return 0;
    }
    splitHugePmd(m, v, slot);
    return VM_FAULT_FALLBACK;
  }
  const { flags } = m.page;
  const reusable = (flags[head]! & PG_ANON_EXCLUSIVE) !== 0 || m.page.index[head + 1] === 1;
  if (reusable) {
    m.page.mapping[head] = -m.vma.anonVma[v]!;
    flags[head] = flags[head]! | PG_ANON_EXCLUSIVE;
    m.pt[slot] = entry | PTE_A | writableBits(m, v);
    if (m.why !== null) m.why.note('wp-reuse', PMD_ORDER, 0, 0);
    return 0;
  }
  splitHugePmd(m, v, slot);
  return VM_FAULT_FALLBACK;
}

/**
 * Replaces a PMD mapping: of anonymous memory by 512 PTEs that inherit its bits, of the huge zero
 * page by zero PTEs, of page cache by nothing (it refaults).
 * Source: mm/huge_memory.c __split_huge_pmd_locked(), 6.18.
 */
export function splitHugePmd(m: Machine, v: VmaRow, slot: number): void {
  const mm = m.vma.mm[v]!;
  const entry = m.pt[slot]!;
  const head = ptePfn(entry);
  m.vmstat[THP_SPLIT_PMD]! += 1;
  if (m.vma.ops[v] !== OPS_NONE) {
    m.pt[slot] = 0;
    if ((entry & PTE_D) !== 0) folioMarkDirty(m, head);
    const isShmem = (m.page.flags[head]! & PG_SWAPBACKED) !== 0;
    folioRemoveRmapPmd(m, head, v);
    folioPut(m, head, 1);
    if (isShmem) m.mm.rssShmem[mm]! -= 512;
    else m.mm.rssFile[mm]! -= 512;
    return;
  }
  withdraw(m, mm);
  const row = newPageTable(m, mm);
  const base = row * 512;
  const { pt } = m;
  if (head === m.hugeZeroPfn) {
    const zero = makePte(m.zeroPfn, (entry & PTE_FLAGS & (PTE_UFFD_WP | 1)) | PTE_A);
    pt.fill((entry & 1) !== 0 ? zero : zero | PTE_W, base, base + 512);
    pt[slot] = makeTableEntry(row);
    return;
  }
  const { flags } = m.page;
  const exclusive = (flags[head]! & PG_ANON_EXCLUSIVE) !== 0;
  if ((entry & PTE_D) !== 0) flags[head] = flags[head]! | PG_DIRTY;
  folioRefAdd(m, head, 511);
  folioAddAnonRmapPtes(m, head, head, 512, v, exclusive);
  const bits = entry & PTE_FLAGS;
  for (let i = 0; i < 512; i++) pt[base + i] = makePte(head + i, bits);
  folioRemoveRmapPmd(m, head, v);
  pt[slot] = makeTableEntry(row);
}

/** Takes back the deposited table of a huge PMD. */
export function withdraw(m: Machine, mm: number): void {
  m.mm.tables[mm]!--;
  m.vmstat[NR_PAGETABLE]! -= 1;
}

/** True when the huge PMD of this VMA has a table deposited: anonymous memory only, on x86. */
export function hasDeposit(m: Machine, v: VmaRow): boolean {
  return m.vma.ops[v] === OPS_NONE;
}

/**
 * Removes a PMD mapping as a whole (zap_huge_pmd): counters, references, deposited table.
 * Source: mm/huge_memory.c zap_huge_pmd(), 6.18.
 */
export function zapHugePmd(m: Machine, v: VmaRow, slot: number): void {
  const mm = m.vma.mm[v]!;
  const entry = m.pt[slot]!;
  const head = ptePfn(entry);
  m.pt[slot] = 0;
  if (head === m.hugeZeroPfn) {
    withdraw(m, mm);
    return;
  }
  const f = m.page.flags[head]!;
  if ((f & PG_ANON) !== 0) {
    withdraw(m, mm);
    m.mm.rssAnon[mm]! -= 512;
  } else {
    if ((entry & PTE_D) !== 0) folioMarkDirty(m, head);
    if ((f & PG_SWAPBACKED) !== 0) m.mm.rssShmem[mm]! -= 512;
    else m.mm.rssFile[mm]! -= 512;
  }
  folioRemoveRmapPmd(m, head, v);
  folioPut(m, head, 1);
}

/** Drops an empty page table below a PMD slot, so that the slot is none again. */
export function dropPageTable(m: Machine, mm: number, slot: number): void {
  const row = m.pt[slot]! >>> 2;
  m.pt[slot] = 0;
  freePageTable(m, mm, row);
}
