/**
 * x86-64 with 4 KiB pages and four page-table levels: the only architecture that is modelled. What
 * depends on it stands here; sizes and positions of page-table entries stand in mm/pgtable.ts.
 *
 * Source: arch/x86/include/asm/page_64_types.h, processor.h, arch/x86/mm/mmap.c, 6.18.
 */
import { type Bytes, PAGE_SIZE, type Pages, type Vpn } from '../base/index.ts';

/** TASK_SIZE in pages: 2^47 bytes less one page. */
export const TASK_PAGES: Pages = 34359738367;

/** Where a bottom-up search for an address begins, without randomisation. */
export const TASK_UNMAPPED_BASE: Vpn = Math.ceil(TASK_PAGES / 3);

/** Bits of a page number by which mmap_base is moved at random (CONFIG_ARCH_MMAP_RND_BITS). */
export const MMAP_RND_BITS = 28;

/** Pages that an entry of a table of each level covers, from the PTE (level 0) up to the PGD. */
export const LEVEL_PAGES: readonly Pages[] = [1, 512, 262144, 134217728, 68719476736];

const SIZE_128M = 0x8000000;
/** stack_guard_gap, 256 pages, which is kept beside the stack's own room. */
const STACK_GUARD_BYTES: Bytes = 256 * PAGE_SIZE;

/**
 * mmap_base() without randomisation, for a stack of at most `stackLimit` bytes: below a gap of that
 * size and its guard, at least 128 MiB and at most 5/6 of the address space.
 */
export function mmapBase(stackLimit: Bytes): Vpn {
  const task = TASK_PAGES * PAGE_SIZE;
  const most = Math.floor(task / 6) * 5;
  const gap = Math.min(most, Math.max(SIZE_128M, stackLimit + STACK_GUARD_BYTES));
  return Math.ceil((task - gap) / PAGE_SIZE);
}

/** True for an address that a bottom-up layout may have begun with, randomisation included. */
export function maybeLegacyBase(vpn: Vpn): boolean {
  return vpn >= TASK_UNMAPPED_BASE && vpn <= TASK_UNMAPPED_BASE + 2 ** MMAP_RND_BITS;
}
