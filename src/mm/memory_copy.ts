/**
 * Copying page tables at fork (mm/memory.c copy_page_range(), 6.18). Only what a fault could not
 * bring back is copied: anonymous pages, and all pages of a file VMA that has an anon_vma.
 */
import { ENOMEM, type VmaRow } from '../base/index.ts';
import { addRss } from './fault_result.ts';
import { folioRefAdd, headOf } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from './page_flags.ts';
import {
  isHugePmd,
  pmdSlotAlloc,
  pmdTable,
  pteSlotAlloc,
  pudSlot,
  pudSlotAlloc,
} from './pgalloc.ts';
import {
  isMarker,
  isSwapEntry,
  isTable,
  MARKER_GUARD,
  MARKER_POISONED,
  MARKER_UFFD_WP,
  makeMarker,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  pmdAddrEnd,
  pmdSlotIn,
  pteMapped,
  ptePfn,
  pteSlotIn,
  REGION_PAGES,
  regionOf,
  SWAP_EXCLUSIVE,
  swapOffset,
} from './pgtable.ts';
import { folioAddFileRmapPtes, folioAddRmapPmd } from './rmap.ts';
import { swapDuplicate } from './swap.ts';
import {
  OPS_NONE,
  VM_MAYBE_GUARD,
  VM_MAYWRITE,
  VM_MIXEDMAP,
  VM_PFNMAP,
  VM_SHARED,
} from './vm_flags.ts';
import { uffdWp } from './vma_prot.ts';
import { NR_PAGETABLE } from './vmstat.ts';

/** vma_needs_copy(). */
function needsCopy(m: Machine, dst: VmaRow, src: VmaRow): boolean {
  if (uffdWp(m, dst)) return true;
  if ((m.vma.flags[src]! & (VM_PFNMAP | VM_MIXEDMAP | VM_MAYBE_GUARD)) !== 0) return true;
  return m.vma.anonVma[src] !== 0;
}

/** 0, or -ENOMEM. Both VMAs cover the same addresses. */
export function copyPageRange(m: Machine, dst: VmaRow, src: VmaRow): number {
  if (!needsCopy(m, dst, src)) return 0;
  const { start, end } = m.vma;
  const from = m.vma.mm[src]!;
  const last = end[src]!;
  for (let at = start[src]!; at < last; ) {
    const region = regionOf(at);
    const row = pmdTable(m, from, region);
    // The child gets a table of every upper level that the parent has: copy_pud_range() takes it
    // before it looks for the level below, which mremap may have left out.
    if (row === 0) {
      if (pudSlot(m, from, at) !== 0) pudSlotAlloc(m, m.vma.mm[dst]!, at);
      at = (region + 1) * REGION_PAGES;
      continue;
    }
    pmdSlotAlloc(m, m.vma.mm[dst]!, at);
    const blockEnd = pmdAddrEnd(at, last);
    const slot = pmdSlotIn(row, at);
    const entry = m.pt[slot]!;
    if (isHugePmd(entry)) {
      if (m.vma.ops[dst] === OPS_NONE) copyHugePmd(m, dst, slot, at);
    } else if (isTable(entry)) {
      const base = pteSlotIn(entry, at);
      // copy_pte_range() takes the child's table before it looks at the entries.
      if (pteSlotAlloc(m, m.vma.mm[dst]!, at) === 0) return -ENOMEM;
      const error = copyPteRange(m, dst, src, base, blockEnd - at, at);
      if (error !== 0) return error;
    }
    at = blockEnd;
  }
  return 0;
}

function isCowMapping(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags[v]! & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}

/** copy_huge_pmd(): the THP is shared read-only; its table deposit is paid in the child too. */
function copyHugePmd(m: Machine, dst: VmaRow, slot: number, vpn: number): void {
  const to = m.vma.mm[dst]!;
  const entry = m.pt[slot]!;
  const head = ptePfn(entry);
  if (head !== m.hugeZeroPfn) {
    folioRefAdd(m, head, 1);
    m.page.flags[head] = m.page.flags[head]! & ~PG_ANON_EXCLUSIVE;
    folioAddRmapPmd(m, head, dst);
    m.mm.rssAnon[to]! += 512;
  }
  m.mm.tables[to]!++;
  m.vmstat[NR_PAGETABLE]! += 1;
  const target = pmdSlotAlloc(m, to, vpn);
  let bits = entry;
  if ((bits & PTE_P) !== 0) {
    bits &= ~PTE_W;
    m.pt[slot] = bits;
  }
  bits &= ~PTE_A;
  if (!uffdWp(m, dst)) bits &= ~PTE_UFFD_WP;
  m.pt[target] = bits;
}

function copyPteRange(
  m: Machine,
  dst: VmaRow,
  src: VmaRow,
  slot: number,
  n: number,
  vpn: number,
): number {
  const to = m.vma.mm[dst]!;
  const cow = isCowMapping(m, src);
  const shared = (m.vma.flags[src]! & VM_SHARED) !== 0;
  const keepWp = uffdWp(m, dst);
  let target = 0;
  for (let i = 0; i < n; i++) {
    const pte = m.pt[slot + i]!;
    if (pte === 0) continue;
    if (target === 0) target = pteSlotAlloc(m, to, vpn + i) - i;
    if (target + i === 0) return -ENOMEM;
    if (!pteMapped(pte)) {
      copyNonPresent(m, dst, slot + i, target + i, keepWp);
      continue;
    }
    const pfn = ptePfn(pte);
    let entry = pte;
    const head = headOf(m, pfn);
    if (pfn !== m.zeroPfn && head !== m.hugeZeroPfn) {
      folioRefAdd(m, head, 1);
      folioAddFileRmapPtes(m, head, pfn, 1, dst);
      if ((m.page.flags[head]! & PG_ANON) !== 0) {
        m.page.flags[pfn] = m.page.flags[pfn]! & ~PG_ANON_EXCLUSIVE;
      }
      addRss(m, to, head, 1);
    }
    if (cow && (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W)) {
      entry &= ~PTE_W;
      m.pt[slot + i] = entry;
    }
    if (shared) entry &= ~PTE_D;
    entry &= ~PTE_A;
    if (!keepWp) entry &= ~PTE_UFFD_WP;
    m.pt[target + i] = entry;
  }
  return 0;
}

/** Swap entries are shared; guard and poison markers are copied, uffd-wp only where it still holds. */
function copyNonPresent(
  m: Machine,
  dst: VmaRow,
  slot: number,
  target: number,
  keepWp: boolean,
): void {
  const pte = m.pt[slot]!;
  if (isSwapEntry(pte)) {
    swapDuplicate(m, swapOffset(pte));
    m.pt[slot] = pte & ~SWAP_EXCLUSIVE;
    m.mm.swapEntries[m.vma.mm[dst]!]!++;
    m.pt[target] = pte & ~(SWAP_EXCLUSIVE | (keepWp ? 0 : PTE_UFFD_WP));
    return;
  }
  if (!isMarker(pte)) return;
  const kept = pte & (MARKER_GUARD | MARKER_POISONED | (keepWp ? MARKER_UFFD_WP : 0));
  if (kept !== 0) m.pt[target] = makeMarker(kept);
}
