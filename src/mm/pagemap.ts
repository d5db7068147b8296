/**
 * /proc/PID/pagemap: one 64-bit word a page (fs/proc/task_mmu.c, 6.18). Words are two uint32 halves
 * in an array, low half first, which on this little-endian machine is the file's byte order.
 */
import type { MmRow, Pages, VmaRow, Vpn } from '../base/index.ts';
import { headOf, pageMapcount } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON } from './page_flags.ts';
import { isHugePmd, pmdSlot } from './pgalloc.ts';
import {
  isGuardMarker,
  isMarker,
  isSwapEntry,
  isTable,
  MARKER_UFFD_WP,
  PTE_UFFD_WP,
  pmdAddrEnd,
  pteMapped,
  ptePfn,
  pteSlotIn,
  swapOffset,
} from './pgtable.ts';
import { isHugeZero } from './task_mmu.ts';
import { findVma } from './vma_tree.ts';

/** Bits of the high word: the kernel's bit less 32. */
export const PM_SOFT_DIRTY = 1 << 23;
export const PM_MMAP_EXCLUSIVE = 1 << 24;
export const PM_UFFD_WP = 1 << 25;
export const PM_GUARD_REGION = 1 << 26;
export const PM_FILE = 1 << 29;
export const PM_SWAP = 1 << 30;
export const PM_PRESENT = 0x80000000;

/** Low bits of a swap entry's payload: its type (MAX_SWAPFILES_SHIFT). */
const SWAP_TYPE_BITS = 32;
/** Type of a PTE marker entry with this kernel's configuration (SWP_PTE_MARKER). */
const SWP_PTE_MARKER = 31;

/** High half of an entry's word; `offset` is the page's in the block of a PMD, else 0. */
export function pagemapHigh(m: Machine, entry: number, offset: number, isHuge: boolean): number {
  let high = 0;
  if (pteMapped(entry)) {
    const first = ptePfn(entry);
    high = PM_PRESENT;
    if ((entry & PTE_UFFD_WP) !== 0) high |= PM_UFFD_WP;
    // vm_normal_page() is NULL for the zero pages.
    const page = m.release.pagemapPmdByFirst ? first : first + offset;
    if (first !== m.zeroPfn) high |= pageBits(m, page);
    if (isHuge && !m.release.pagemapPmdFile) high &= ~PM_FILE;
    if (isHuge && m.release.pagemapHugeZeroFile && first === m.hugeZeroPfn) high |= PM_FILE;
  } else if (isSwapEntry(entry)) {
    high = PM_SWAP | ((entry & PTE_UFFD_WP) !== 0 ? PM_UFFD_WP : 0);
  } else if (isMarker(entry)) {
    high = PM_SWAP;
    if ((entry & (MARKER_UFFD_WP | PTE_UFFD_WP)) !== 0) high |= PM_UFFD_WP;
    if (isGuardMarker(entry)) high |= PM_GUARD_REGION;
  }
  return high >>> 0;
}

function pagemapLow(entry: number, offsetInBlock: number): number {
  if (pteMapped(entry)) return ptePfn(entry) + offsetInBlock;
  if (isSwapEntry(entry)) return swapOffset(entry) * SWAP_TYPE_BITS;
  return isMarker(entry) ? SWP_PTE_MARKER + markerBits(entry) * SWAP_TYPE_BITS : 0;
}

function putEntry(
  m: Machine,
  out: Uint32Array,
  at: number,
  entry: number,
  offsetInBlock: number,
  isHuge: boolean,
  showPfn: boolean,
): void {
  out[at] = showPfn ? pagemapLow(entry, offsetInBlock) : 0;
  out[at + 1] = pagemapHigh(m, entry, offsetInBlock, isHuge);
}

function markerBits(entry: number): number {
  return (entry >>> 5) & 7;
}

function pageBits(m: Machine, pfn: number): number {
  if (isHugeZero(m, pfn)) return PM_FILE;
  const file = (m.page.flags[headOf(m, pfn)]! & PG_ANON) === 0 ? PM_FILE : 0;
  return file | (pageMapcount(m, pfn) === 1 ? PM_MMAP_EXCLUSIVE : 0);
}

/**
 * The words of pages [vpn, vpn + pages). Without CAP_SYS_ADMIN the frame numbers are zero.
 * Source: fs/proc/task_mmu.c pagemap_read(), pagemap_pmd_range(), 6.18.
 */
export function pagemapWords(
  m: Machine,
  mm: MmRow,
  vpn: Vpn,
  pages: Pages,
  showPfn: boolean,
): Uint32Array {
  const out = new Uint32Array(pages * 2);
  const end = vpn + pages;
  let v: VmaRow = findVma(m, mm, vpn);
  while (v !== 0 && m.vma.start[v]! < end) {
    const from = Math.max(vpn, m.vma.start[v]!);
    const to = Math.min(end, m.vma.end[v]!);
    putVma(m, out, mm, from, to, vpn, showPfn);
    v = m.vma.next[v]!;
  }
  return out;
}

function putVma(
  m: Machine,
  out: Uint32Array,
  mm: MmRow,
  from: Vpn,
  to: Vpn,
  base: Vpn,
  showPfn: boolean,
): void {
  for (let p = from; p < to; ) {
    const next = pmdAddrEnd(p, to);
    const slot = pmdSlot(m, mm, p);
    const pmd = slot === 0 ? 0 : m.pt[slot]!;
    if (isHugePmd(pmd)) {
      for (; p < next; p++) putEntry(m, out, (p - base) * 2, pmd, p & 511, true, showPfn);
    } else if (isTable(pmd)) {
      for (; p < next; p++) {
        const pte = m.pt[pteSlotIn(pmd, p)]!;
        if (pte !== 0) putEntry(m, out, (p - base) * 2, pte, 0, false, showPfn);
      }
    }
    p = next;
  }
}
