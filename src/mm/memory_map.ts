/**
 * Installing entries for page-cache folios and private copies: set_pte_range(), do_set_pmd() and
 * the re-check under the page-table lock (mm/memory.c, 6.18). All finish_fault() variants and
 * fault-around end here.
 */
import { type Pages, type Pfn, PMD_ORDER, type Vpn } from '../base/index.ts';
import { diskDirty } from './disk.ts';
import { addRss } from './fault_result.ts';
import { filePages, folioMarkDirty } from './filemap.ts';
import { folioIndex, folioOrder, folioPages } from './folio.ts';
import { thpVmaSuitable, vmaThpDisabled, writableBits } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import { PG_DIRTY } from './page_flags.ts';
import { installPageTable } from './pgalloc.ts';
import {
  isMarker,
  MARKER_UFFD_WP,
  makePte,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
} from './pgtable.ts';
import { folioAddFileRmapPtes, folioAddNewAnonRmap, folioAddRmapPmd } from './rmap.ts';
import { OPS_FILE, VM_SHARED } from './vm_flags.ts';
import { pageProt, uffdWp } from './vma_prot.ts';
import { FAULT_FLAG_WRITE, VM_FAULT_FALLBACK, type Vmf } from './vmf.ts';
import { THP_FILE_MAPPED } from './vmstat.ts';

/** True when the fault makes a private copy: a write to a mapping that is not shared. */
export function isCow(m: Machine, vmf: Vmf): boolean {
  return (vmf.flags & FAULT_FLAG_WRITE) !== 0 && (m.vma.flags[vmf.vma]! & VM_SHARED) === 0;
}

/** vmf_pte_changed(): the entry is no longer what the fault saw without the lock. */
export function vmfPteChanged(m: Machine, vmf: Vmf, slot: number): boolean {
  return m.pt[slot] !== vmf.origPte;
}

/** The fault found a uffd-wp marker: what it installs must be write-protected again. */
export function origPteUffdWp(m: Machine, vmf: Vmf): boolean {
  return uffdWp(m, vmf.vma) && isMarker(vmf.origPte) && (vmf.origPte & MARKER_UFFD_WP) !== 0;
}

/**
 * Maps pages [page, page+n) of a folio at `vpn`, whose PTEs start at `slot`. RSS and references
 * are the caller's. Source: mm/memory.c set_pte_range(), 6.18.
 */
export function setPteRange(
  m: Machine,
  vmf: Vmf,
  head: Pfn,
  page: Pfn,
  n: Pages,
  vpn: Vpn,
  slot: number,
): void {
  const v = vmf.vma;
  const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0;
  let bits = pageProt(m, v) | PTE_A;
  if (write) bits |= writableBits(m, v);
  else if (
    (bits & (PTE_P | PTE_W)) === (PTE_P | PTE_W) &&
    m.release.readPteDirty &&
    (m.page.flags[head]! & PG_DIRTY) !== 0
  ) {
    bits |= PTE_D;
  }
  if (origPteUffdWp(m, vmf)) bits = (bits & ~PTE_W) | PTE_UFFD_WP;
  if (write && (m.vma.flags[v]! & VM_SHARED) === 0) folioAddNewAnonRmap(m, head, v, vpn);
  else folioAddFileRmapPtes(m, head, page, n, v);
  const { pt } = m;
  for (let i = 0; i < n; i++) pt[slot + i] = makePte(page + i, bits);
}

/**
 * Maps a 2 MiB page-cache folio by one PMD, if the VMA lets it. 0 when it is mapped; the caller's
 * reference is then the mapping's. VM_FAULT_FALLBACK otherwise.
 * Source: mm/memory.c do_set_pmd(), 6.18.
 */
export function doSetPmd(m: Machine, vmf: Vmf, head: Pfn): number {
  const v = vmf.vma;
  if (m.release.setPmdHonoursNohuge && vmaThpDisabled(m, v, true)) {
    if (m.why !== null) m.why.note('pmd-nohugepage', PMD_ORDER, 0, 0);
    return VM_FAULT_FALLBACK;
  }
  if (!thpVmaSuitable(m, v, vmf.vpn, PMD_ORDER)) {
    if (m.why !== null) m.why.note('pmd-not-congruent', PMD_ORDER, vmf.vpn, 0);
    return VM_FAULT_FALLBACK;
  }
  if (folioOrder(m, head) !== PMD_ORDER) return VM_FAULT_FALLBACK;
  if (m.pt[vmf.pmdSlot] !== 0) return VM_FAULT_FALLBACK;
  let bits = pageProt(m, v) | PTE_A;
  if ((vmf.flags & FAULT_FLAG_WRITE) !== 0) bits |= writableBits(m, v);
  const mm = m.vma.mm[v]!;
  addRss(m, mm, head, 512);
  folioAddRmapPmd(m, head, v);
  m.pt[vmf.pmdSlot] = makePte(head, bits);
  m.vmstat[THP_FILE_MAPPED]! += 1;
  if (m.why !== null) m.why.note('finish-pmd', PMD_ORDER, 0, 0);
  return 0;
}

/** pmd_install(): a page table where the PMD is none; true when a table is there. */
export function ensurePageTable(m: Machine, vmf: Vmf): boolean {
  if (m.pt[vmf.pmdSlot] === 0) installPageTable(m, vmf.mm, vmf.pmdSlot);
  return (m.pt[vmf.pmdSlot]! & 3) === 0;
}

/**
 * A shared mapping is about to be written: the folio is dirty, and a disk has blocks for as much of
 * it as lies in the file. Source: fs/ext4/inode.c ext4_page_mkwrite(), fs/buffer.c
 * block_page_mkwrite(), 6.18.
 */
export function pageMkwrite(m: Machine, vmf: Vmf, head: Pfn): void {
  if (m.vma.ops[vmf.vma] === OPS_FILE) {
    const inode = m.page.mapping[head]!;
    const inFile = filePages(m, inode) - folioIndex(m, head);
    const pages = Math.min(folioPages(m, head), inFile);
    diskDirty(m, head, pages);
  }
  folioMarkDirty(m, head);
}
