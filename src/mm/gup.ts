/**
 * The kernel touches user pages for the caller: MAP_POPULATE, mlock, MADV_POPULATE. A page that is
 * mapped well enough costs no fault. Source: mm/gup.c __get_user_pages(), follow_page_pte(),
 * populate_vma_page_range(), __mm_populate(), faultin_page_range(), 6.18.
 */
import {
  EFAULT,
  EHWPOISON,
  EINVAL,
  ENOMEM,
  type Errno,
  type MmRow,
  type Pages,
  PMD_PAGES,
  type TaskRow,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { headOf } from './folio.ts';
import { handleMmFault } from './memory.ts';
import type { Machine } from './mm_types.ts';
import { PG_DIRTY } from './page_flags.ts';
import { isHugePmd, pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { PTE_A, PTE_D, PTE_P, PTE_W, ptePfn } from './pgtable.ts';
import { lruAddDrain } from './rmap.ts';
import {
  OPS_SECRET,
  VM_IO,
  VM_LOCKONFAULT,
  VM_MAYREAD,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from './vm_flags.ts';
import { vmaIsAccessible } from './vma.ts';
import { findVmaIntersection, vmaLookup } from './vma_tree.ts';
import {
  FAULT_FLAG_ANEW,
  FAULT_FLAG_KEEPS_LOCK,
  FAULT_FLAG_WRITE,
  VM_FAULT_HWPOISON,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
  VM_FAULT_UFFD_WAIT,
} from './vmf.ts';

export const FOLL_WRITE = 1 << 0;
export const FOLL_FORCE = 1 << 3;
export const FOLL_HWPOISON = 1 << 6;
/** VMA errors are told as MADV_POPULATE wants them: no VMA ENOMEM, no permission EINVAL. */
export const FOLL_MADV_POPULATE = 1 << 24;
/**
 * The caller keeps the mmap lock (`locked` is NULL, as of mprotect): a fault that has to read waits in
 * place and counts as major, where others drop the lock, come again and count as minor. One that only
 * meets the mark of readahead drops nothing, and is minor.
 */
export const FOLL_KEEPS_LOCK = 1 << 25;

/** A page needs at most a fault for its table, one to read it in and one to make it writable. */
const FAULTS_MAX = 8;

/** check_vma_flags(). */
function checkVmaFlags(m: Machine, v: VmaRow, foll: number): Errno {
  const flags = m.vma.flags[v]!;
  if ((flags & (VM_IO | VM_PFNMAP)) !== 0 || m.vma.ops[v] === OPS_SECRET) return -EFAULT;
  if ((foll & FOLL_WRITE) !== 0) return (flags & VM_WRITE) !== 0 ? 0 : -EFAULT;
  if ((flags & VM_READ) !== 0) return 0;
  return (foll & FOLL_FORCE) !== 0 && (flags & VM_MAYREAD) !== 0 ? 0 : -EFAULT;
}

/**
 * Pages from `vpn` to the end of what one entry maps, when that entry allows the access; 0 when a
 * fault is due. Touching leaves its marks: a dirty folio, or young and dirty bits of a PMD.
 */
function followPage(m: Machine, mm: MmRow, vpn: Vpn, foll: number): Pages {
  const write = (foll & FOLL_WRITE) !== 0;
  const pmd = pmdSlot(m, mm, vpn);
  if (pmd === 0) return 0;
  const slot = isHugePmd(m.pt[pmd]!) ? pmd : pteSlotUnder(m, pmd, vpn);
  if (slot === 0) return 0;
  const entry = m.pt[slot]!;
  if ((entry & PTE_P) === 0 || (write && (entry & PTE_W) === 0)) return 0;
  if (slot === pmd) {
    m.pt[slot] = entry | PTE_A | (write ? PTE_D : 0);
    return PMD_PAGES - (vpn % PMD_PAGES);
  }
  if (write && (entry & PTE_D) === 0) {
    const head = headOf(m, ptePfn(entry));
    m.page.flags[head] = m.page.flags[head]! | PG_DIRTY;
  }
  return 1;
}

/** vm_fault_to_errno(). */
function faultErrno(m: Machine, result: number, foll: number): Errno {
  if ((result & VM_FAULT_UFFD_WAIT) !== 0) {
    m.unmodelled = 'a call that waits for a userfaultfd handler';
    return -EFAULT;
  }
  if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
  if ((result & VM_FAULT_HWPOISON) !== 0) {
    return (foll & FOLL_HWPOISON) !== 0 ? -EHWPOISON : -EFAULT;
  }
  return (result & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)) !== 0 ? -EFAULT : 0;
}

/** What becomes of a fault that would drop the lock to read. */
function retryFlag(m: Machine, foll: number): number {
  if ((foll & FOLL_KEEPS_LOCK) !== 0) return FAULT_FLAG_KEEPS_LOCK;
  const triesAgain = (foll & FOLL_MADV_POPULATE) !== 0 && m.release.populateTriesAgain;
  return triesAgain ? 0 : FAULT_FLAG_ANEW;
}

/**
 * Touches pages from `start` on and returns how many it reached: all `pages`, or those before the
 * first error; the error itself when that is the first page. Source: mm/gup.c __get_user_pages().
 */
export function getUserPages(
  m: Machine,
  task: TaskRow,
  mm: MmRow,
  start: Vpn,
  pages: Pages,
  foll: number,
): Pages | Errno {
  let v = 0;
  let vpn = start;
  const end = start + pages;
  let error = 0;
  let faults = 0;
  while (vpn < end) {
    if (v === 0 || vpn >= m.vma.end[v]!) {
      v = vmaLookup(m, mm, vpn);
      if (v === 0) {
        error = (foll & FOLL_MADV_POPULATE) !== 0 ? -ENOMEM : -EFAULT;
        break;
      }
      error = checkVmaFlags(m, v, foll);
      if (error !== 0) {
        if ((foll & FOLL_MADV_POPULATE) !== 0) error = -EINVAL;
        break;
      }
    }
    const reached = followPage(m, mm, vpn, foll);
    if (reached !== 0) {
      vpn += reached;
      faults = 0;
      continue;
    }
    faults++;
    if (faults > FAULTS_MAX) {
      m.unmodelled = 'a call that waits for a fault that never ends';
      return -EFAULT;
    }
    const how = retryFlag(m, foll);
    const flags = how | ((foll & FOLL_WRITE) !== 0 ? FAULT_FLAG_WRITE : 0);
    error = faultErrno(m, handleMmFault(m, task, v, vpn, flags), foll);
    if (error !== 0) break;
  }
  return vpn > start ? Math.min(vpn, end) - start : error;
}

/**
 * Faults a range of one VMA in as mlock does: writable private memory by writing, all else by
 * reading. `more`: FOLL_KEEPS_LOCK or 0. Returns pages reached or -errno.
 * Source: mm/gup.c populate_vma_page_range(), 6.18.
 */
export function populateVmaPageRange(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  more = 0,
): Pages | Errno {
  const flags = m.vma.flags[v]!;
  if ((flags & VM_LOCKONFAULT) !== 0) return end - start;
  if (!vmaIsAccessible(m, v)) return -EFAULT;
  const foll = (flags & (VM_WRITE | VM_SHARED)) === VM_WRITE ? FOLL_WRITE : FOLL_FORCE;
  const reached = getUserPages(m, task, m.vma.mm[v]!, start, end - start, foll | more);
  lruAddDrain(m);
  return reached;
}

/** __mm_populate(): all VMAs of a range; errors end it, or are passed over VMA by VMA. */
export function mmPopulate(
  m: Machine,
  task: TaskRow,
  start: Vpn,
  end: Vpn,
  ignoreErrors: boolean,
): Errno {
  const mm = m.task.mm[task]!;
  let at = start;
  while (at < end) {
    const v = findVmaIntersection(m, mm, at, end);
    if (v === 0) return 0;
    const stop = Math.min(end, m.vma.end[v]!);
    if ((m.vma.flags[v]! & (VM_IO | VM_PFNMAP)) !== 0) {
      at = stop;
      continue;
    }
    const from = Math.max(at, m.vma.start[v]!);
    const reached = populateVmaPageRange(m, task, v, from, stop);
    if (reached < 0) {
      if (!ignoreErrors) return reached;
      at = stop;
    } else {
      at = from + reached;
    }
    if (m.unmodelled !== '') return 0;
  }
  return 0;
}

/** faultin_page_range() until the range is done: MADV_POPULATE_READ and _WRITE. */
export function populateRange(
  m: Machine,
  task: TaskRow,
  mm: MmRow,
  start: Vpn,
  end: Vpn,
  write: boolean,
): Errno {
  const foll = FOLL_MADV_POPULATE | FOLL_HWPOISON | (write ? FOLL_WRITE : 0);
  for (let at = start; at < end; ) {
    const reached = getUserPages(m, task, mm, at, end - at, foll);
    lruAddDrain(m);
    if (reached < 0) return reached;
    at += reached;
  }
  return 0;
}
