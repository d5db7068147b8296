/**
 * Units. Aliases only: they cost nothing and say at each signature which unit a number has.
 *
 * A byte address is never a number here: 57-bit addresses do not fit a double. A 4 KiB page number
 * of any 64-bit address has at most 52 bits and always fits exactly. Inside the model everything
 * is int32 except page numbers, page offsets into files and byte sizes, which are exact doubles.
 */

/** Virtual page number: address / 4096. Exact double below 2^52. */
export type Vpn = number;
/** Page frame number, which is also the row of the frame in the frame table. Int32 below 2^27. */
export type Pfn = number;
/** A count of 4 KiB pages. */
export type Pages = number;
/** A size in bytes, an exact double below 2^53. */
export type Bytes = number;
/** log2 of a folio's size in pages: 0 = 4 KiB, 4 = 64 KiB, 9 = 2 MiB. */
export type Order = number;
/** A set of orders: bit o stands for order o. */
export type OrderMask = number;
/** Row in a table of the machine; 0 means none. */
export type Row = number;
export type MmRow = Row;
export type VmaRow = Row;
export type FileRow = Row;
export type InodeRow = Row;
export type AnonVmaRow = Row;
export type TaskRow = Row;
/** Row of a 512-entry table (page table or page-cache node). */
export type TableRow = Row;
/** 0, or a negative errno as the kernel returns it. */
export type Errno = number;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PTRS_PER_TABLE = 512;
/** Pages in a 2 MiB block: what one PTE table or one PMD entry covers. */
export const PMD_PAGES = 512;
export const PMD_ORDER = 9;
export const MAX_PAGE_ORDER = 10;

/** Rounds `x` down to a multiple of `n`; exact for doubles, `n` any positive integer. */
export function alignDown(x: number, n: number): number {
  return x - (x % n);
}
/** Rounds `x` up to a multiple of `n`. */
export function alignUp(x: number, n: number): number {
  const rest = x % n;
  return rest === 0 ? x : x + (n - rest);
}
/** x mod n, always in [0, n). */
export function mod(x: number, n: number): number {
  const rest = x % n;
  return rest < 0 ? rest + n : rest;
}
/**
 * x mod n for n a power of two up to 2^31, in [0, n), for any integer x that a double holds exactly:
 * ToInt32 keeps its low 32 bits. `%` on doubles calls fmod(), twenty times as slow.
 */
export function modPow2(x: number, n: number): number {
  return x & (n - 1);
}
/** Bytes rounded up to whole pages. */
export function pagesUp(bytes: Bytes): Pages {
  return Math.ceil(bytes / PAGE_SIZE);
}
/** Highest order in a non-empty mask. */
export function highestOrder(mask: OrderMask): Order {
  return 31 - Math.clz32(mask);
}
/** Lowest order in a non-empty mask. */
export function lowestOrder(mask: OrderMask): Order {
  return 31 - Math.clz32(mask & -mask);
}
/** "64kB": how sysfs names the size of an order. */
export function orderKb(order: Order): number {
  return 4 << order;
}
