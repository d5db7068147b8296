/**
 * Page tables: rows of 512 int32 entries in one pool, four levels, 4 KiB geometry.
 *
 * Leaf entry (a PTE, or a PMD that maps 2 MiB):
 *   bit 0 P   present: the processor may use it
 *   bit 1 W   writable; with P clear it means PROT_NONE: a frame is mapped, no access is allowed
 *   bit 2 A   accessed      bit 3 D  dirty      bit 4 UFFD_WP
 *   bit 5-31  PFN
 * Entry with P = W = 0:
 *   0         none
 *   PTE level bits 2-3 kind (SWAP, MARKER), bit 4 UFFD_WP, payload from bit 5
 *   above     child table's row << 2
 *
 * A slot is an index into the pool: row * 512 + entry. An address is a double; its region, and its
 * place in a table, are taken from it in int32, where the processor is fast.
 */
import type { Pfn, TableRow, Vpn } from '../base/index.ts';

export const PTE_P = 1 << 0;
export const PTE_W = 1 << 1;
export const PTE_A = 1 << 2;
export const PTE_D = 1 << 3;
export const PTE_UFFD_WP = 1 << 4;
export const PTE_PFN_SHIFT = 5;
export const PTE_FLAGS = 0x1f;
/** Either bit set: a frame is mapped (pte_present, PROT_NONE included). */
export const PTE_MAPPED = PTE_P | PTE_W;

const KIND_MASK = 0xc;
const KIND_SWAP = 0x4;
const KIND_MARKER = 0x8;
/** Marker payloads (pte markers, include/linux/swapops.h). */
export const MARKER_UFFD_WP = 1 << 5;
export const MARKER_POISONED = 1 << 6;
export const MARKER_GUARD = 1 << 7;
/** Swap entry: was exclusive when it was swapped out. */
export const SWAP_EXCLUSIVE = 1 << 5;
export const SWAP_OFFSET_SHIFT = 6;

export const REGION_PAGES = 262144;

export function pteMapped(pte: number): boolean {
  return (pte & PTE_MAPPED) !== 0;
}
export function ptePfn(pte: number): Pfn {
  return pte >>> PTE_PFN_SHIFT;
}
export function makePte(pfn: Pfn, flags: number): number {
  return (pfn << PTE_PFN_SHIFT) | flags;
}
export function isSwapEntry(pte: number): boolean {
  return (pte & PTE_MAPPED) === 0 && (pte & KIND_MASK) === KIND_SWAP;
}
export function isMarker(pte: number): boolean {
  return (pte & PTE_MAPPED) === 0 && (pte & KIND_MASK) === KIND_MARKER;
}
export function makeMarker(payload: number): number {
  return KIND_MARKER | payload;
}
export function isGuardMarker(pte: number): boolean {
  return isMarker(pte) && (pte & MARKER_GUARD) !== 0;
}
export function makeSwapEntry(offset: number, exclusive: boolean): number {
  return KIND_SWAP | (exclusive ? SWAP_EXCLUSIVE : 0) | (offset << SWAP_OFFSET_SHIFT);
}
export function swapOffset(pte: number): number {
  return pte >>> SWAP_OFFSET_SHIFT;
}

/** Non-leaf entries. */
export function isTable(entry: number): boolean {
  return entry !== 0 && (entry & PTE_MAPPED) === 0;
}
export function tableRow(entry: number): TableRow {
  return entry >>> 2;
}
export function makeTableEntry(row: TableRow): number {
  return row << 2;
}

/** Which 1 GiB a page lies in: PGD and PUD index together. User addresses have 35 bits. */
export function regionOf(vpn: Vpn): number {
  return (vpn / REGION_PAGES) | 0;
}

/** Where the 2 MiB block of `vpn` ends, or the range before it (pmd_addr_end). */
export function pmdAddrEnd(vpn: Vpn, end: Vpn): Vpn {
  const next = vpn - (vpn & 511) + 512;
  return next < end ? next : end;
}

/** Slot of the PMD entry of `vpn` in a PMD table. */
export function pmdSlotIn(row: TableRow, vpn: Vpn): number {
  return (row << 9) | ((vpn >>> 9) & 511);
}

/** Slot of the PTE of `vpn` in the table that a PMD entry points at. */
export function pteSlotIn(entry: number, vpn: Vpn): number {
  return (entry << 7) | (vpn & 511);
}
