/**
 * The words of mmap(2) and its family, and addresses as they come in: 64-bit words that are checked
 * here and then become page numbers. Source: include/uapi/asm-generic/mman-common.h,
 * include/uapi/linux/mman.h, arch/x86/include/uapi/asm/mman.h, 6.18.
 */
import { type Pages, type U64, type Vpn, word } from '../base/index.ts';

export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const PROT_EXEC = 0x4;
export const PROT_SEM = 0x8;
export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
export const MAP_DROPPABLE = 0x08;
export const MAP_TYPE = 0x0f;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_32BIT = 0x40;
export const MAP_ABOVE4G = 0x80;
export const MAP_GROWSDOWN = 0x0100;
export const MAP_DENYWRITE = 0x0800;
export const MAP_EXECUTABLE = 0x1000;
export const MAP_LOCKED = 0x2000;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MAP_NONBLOCK = 0x10000;
export const MAP_STACK = 0x20000;
export const MAP_HUGETLB = 0x40000;
export const MAP_SYNC = 0x80000;
export const MAP_FIXED_NOREPLACE = 0x100000;
export const MAP_HUGE_SHIFT = 26;
const MAP_HUGE_2MB = 21 << MAP_HUGE_SHIFT;
const MAP_HUGE_1GB = 30 << MAP_HUGE_SHIFT;

/** What MAP_SHARED silently tolerates; MAP_UNINITIALIZED is 0 with an MMU. */
export const LEGACY_MAP_MASK =
  MAP_SHARED |
  MAP_PRIVATE |
  MAP_FIXED |
  MAP_ANONYMOUS |
  MAP_DENYWRITE |
  MAP_EXECUTABLE |
  MAP_GROWSDOWN |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  MAP_STACK |
  MAP_HUGETLB |
  MAP_32BIT |
  MAP_ABOVE4G |
  MAP_HUGE_2MB |
  MAP_HUGE_1GB;

export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;

export const MLOCK_ONFAULT = 1;
export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;
export const MCL_ONFAULT = 4;

export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC = 4;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_REMOVE = 9;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_MERGEABLE = 12;
export const MADV_UNMERGEABLE = 13;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_DONTDUMP = 16;
export const MADV_DODUMP = 17;
export const MADV_WIPEONFORK = 18;
export const MADV_KEEPONFORK = 19;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;
export const MADV_DONTNEED_LOCKED = 24;
export const MADV_COLLAPSE = 25;
export const MADV_HWPOISON = 100;
export const MADV_SOFT_OFFLINE = 101;
export const MADV_GUARD_INSTALL = 102;
export const MADV_GUARD_REMOVE = 103;

export const OVERCOMMIT_GUESS = 0;
export const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

export { TASK_PAGES } from '../arch/index.ts';
/** Page numbers of 64-bit addresses are below this; sums of page numbers wrap at it. */
export const WRAP_PAGES: Pages = 4503599627370496;

export function isPageAligned(x: U64): boolean {
  return (x.lo & 0xfff) === 0;
}

/** Bytes rounded up to pages, without wrapping: at most WRAP_PAGES. */
export function pagesCeil(len: U64): Pages {
  return word.pageOf(len) + (isPageAligned(len) ? 0 : 1);
}

/** PAGE_ALIGN(len) >> PAGE_SHIFT: 0 when the last, partial page of 2^64 is touched. */
export function pagesAligned(len: U64): Pages {
  const pages = pagesCeil(len);
  return pages === WRAP_PAGES ? 0 : pages;
}

/** start + pages as the kernel's unsigned long would have it, in pages. */
export function wrapAdd(start: Vpn, pages: Pages): Vpn {
  const sum = start + pages;
  return sum >= WRAP_PAGES ? sum - WRAP_PAGES : sum;
}
