/**
 * madvise(2): which advice is valid where, in the kernel's order, and the
 * advice that changes flags. Pages are madvise_pages.ts's, guard regions madvise_guard.ts's,
 * other processes' memory process_madvise.ts's.
 * Source: mm/madvise.c, 6.18.
 */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type MmRow,
  PAGE_SIZE,
  type Row,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { cacheGet, cacheReadFolio, filePages } from './filemap.ts';
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, FMODE_WRITE, FS_DISK, FS_SHMEM } from './fs_types.ts';
import { populateRange } from './gup.ts';
import { madviseCollapse } from './khugepaged.ts';
import { madviseGuardInstall, madviseGuardRemove } from './madvise_guard.ts';
import { canDoFilePageout, madviseColdOrPageout, madviseFree } from './madvise_pages.ts';
import { zapPageRangeSingle } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import {
  isPageAligned,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  pagesAligned,
  wrapAdd,
} from './mman.ts';
import { ksmCompatible } from './mmap_region.ts';
import { punchDiskHole, punchHole } from './truncate.ts';
import { UFFD_FEATURE_EVENT_REMOVE, uffdEventWaits } from './uffd_events.ts';
import {
  OPS_SHMEM_ANON,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_HUGEPAGE,
  VM_HUGETLB,
  VM_IO,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_SPECIAL,
  VM_WIPEONFORK,
  VM_WRITE,
  VM2_DROPPABLE,
} from './vm_flags.ts';
import { vmaIsAnonymous, vmaIsSealed } from './vma.ts';
import { rangeOf, vmaModify, vmaModifyFlags } from './vma_merge.ts';
import { findVma } from './vma_tree.ts';

const VALID = new Set([
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_REMOVE,
  MADV_DONTFORK,
  MADV_DOFORK,
  MADV_MERGEABLE,
  MADV_UNMERGEABLE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_DONTDUMP,
  MADV_DODUMP,
  MADV_WIPEONFORK,
  MADV_KEEPONFORK,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_DONTNEED_LOCKED,
  MADV_COLLAPSE,
]);

/**
 * madvise_behavior_valid(). The modelled kernels have no CONFIG_MEMORY_FAILURE, so that
 * MADV_HWPOISON and MADV_SOFT_OFFLINE are unknown to them.
 */
function behaviorValid(m: Machine, advice: number): boolean {
  if (advice === MADV_GUARD_INSTALL || advice === MADV_GUARD_REMOVE) {
    return m.release.guardRegions !== 'none';
  }
  return VALID.has(advice);
}

/** Throws away what is mapped, now or in a child (is_discard). */
const DISCARDS = new Set([
  MADV_FREE,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_REMOVE,
  MADV_DONTFORK,
  MADV_WIPEONFORK,
  MADV_GUARD_INSTALL,
]);

/** is_madv_discard(); 6.10 asked whether the number has a bit of any of these numbers, which are all five. */
function discards(m: Machine, advice: number): boolean {
  return m.release.sealDiscardsByBits ? (advice & 31) !== 0 : DISCARDS.has(advice);
}

/** A sealed anonymous VMA that cannot be written keeps its contents (can_madvise_modify). */
function mayModify(m: Machine, v: VmaRow, advice: number): boolean {
  if (!vmaIsSealed(m, v) || !discards(m, advice)) return true;
  return !vmaIsAnonymous(m, v) || (m.vma.flags[v]! & VM_WRITE) !== 0;
}

/** can_modify_mm_madv(), 6.10 and 6.11. */
function mayModifyAll(m: Machine, mm: MmRow, start: Vpn, end: Vpn, advice: number): boolean {
  let v = findVma(m, mm, start);
  for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
    if (!mayModify(m, v, advice)) return false;
  }
  return true;
}

/** madvise_willneed(): reads a file's pages ahead; there is nothing to read of anything else. */
function willNeed(m: Machine, v: VmaRow, start: Vpn, end: Vpn): void {
  const file = m.vma.file[v]!;
  if (file === 0) return;
  const inode = m.file.inode[file]!;
  if (m.inode.kind[inode] !== FS_DISK) return;
  const first = m.vma.pgoff[v]! + (start - m.vma.start[v]!);
  // force_page_cache_ra(): at most one request of the disk or one readahead window.
  const { readAheadPages, diskRequestPages } = m.settings;
  const pages = Math.min(end - start, Math.max(diskRequestPages, readAheadPages));
  const last = Math.min(first + pages, filePages(m, inode));
  for (let index = first; index < last; index++) {
    if (cacheGet(m, inode, index) === 0 && cacheReadFolio(m, inode, index, 0) === 0) return;
  }
}

/** madvise_remove(): a hole in the file; checks of vfs_fallocate() and shmem_fallocate(). */
function remove(m: Machine, v: VmaRow, start: Vpn, end: Vpn): Errno {
  const flags = m.vma.flags[v]!;
  if ((flags & VM_LOCKED) !== 0) return -EINVAL;
  const file = m.vma.file[v]!;
  if (file === 0) return -EINVAL;
  if ((flags & (VM_SHARED | VM_MAYWRITE)) !== (VM_SHARED | VM_MAYWRITE)) return -EACCES;
  if (uffdEventWaits(m, v, UFFD_FEATURE_EVENT_REMOVE)) return 0;
  const inode = m.file.inode[file]!;
  if ((m.file.mode[file]! & FMODE_WRITE) === 0) return -EBADF;
  const kind = m.inode.kind[inode]!;
  if (kind !== FS_SHMEM && kind !== FS_DISK) {
    m.unmodelled = 'MADV_REMOVE of an object that is neither tmpfs nor a disk file';
    return 0;
  }
  const sealed = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
  if (kind === FS_SHMEM && (m.inode.seals[inode]! & sealed) !== 0) return -EPERM;
  const first = m.vma.pgoff[v]! + (start - m.vma.start[v]!);
  const punch = kind === FS_DISK ? punchDiskHole : punchHole;
  punch(m, inode, first * PAGE_SIZE, (first + (end - start)) * PAGE_SIZE);
  return 0;
}

/** madvise_dontneed_free(): DONTNEED, DONTNEED_LOCKED and FREE. */
function dontneedFree(m: Machine, v: VmaRow, start: Vpn, end: Vpn, advice: number): Errno {
  const flags = m.vma.flags[v]!;
  if ((flags & VM_HUGETLB) !== 0) {
    return advice === MADV_FREE || start % 512 !== 0 ? -EINVAL : 0;
  }
  const forbidden = VM_PFNMAP | (advice === MADV_DONTNEED_LOCKED ? 0 : VM_LOCKED);
  if ((flags & forbidden) !== 0) return -EINVAL;
  if (uffdEventWaits(m, v, UFFD_FEATURE_EVENT_REMOVE)) return 0;
  if (advice !== MADV_FREE) {
    zapPageRangeSingle(m, v, start, end);
    return 0;
  }
  if (!vmaIsAnonymous(m, v)) return -EINVAL;
  madviseFree(m, v, start, end);
  return 0;
}

/** madvise_cold() and madvise_pageout(). */
function coldOrPageout(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  pageout: boolean,
): Errno {
  const flags = m.vma.flags[v]!;
  if ((flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB)) !== 0) return -EINVAL;
  if (pageout && !vmaIsAnonymous(m, v)) {
    if (!canDoFilePageout(m, task, v) && (flags & VM_MAYSHARE) !== 0) return 0;
  }
  madviseColdOrPageout(m, task, v, start, end, pageout);
  return 0;
}

/** What advice that only changes flags makes of a VMA's flags, or why it may not. */
interface Flags {
  flags: number;
  error: Errno;
}

function adviceFlags(m: Machine, v: VmaRow, advice: number): Flags {
  const old = m.vma.flags[v]!;
  const droppable = (m.vma.flags2[v]! & VM2_DROPPABLE) !== 0;
  let flags = old;
  let error = 0;
  switch (advice) {
    case MADV_NORMAL:
      flags &= ~(VM_RAND_READ | VM_SEQ_READ);
      break;
    case MADV_SEQUENTIAL:
      flags = (flags & ~VM_RAND_READ) | VM_SEQ_READ;
      break;
    case MADV_RANDOM:
      flags = (flags & ~VM_SEQ_READ) | VM_RAND_READ;
      break;
    case MADV_DONTFORK:
      flags |= VM_DONTCOPY;
      break;
    case MADV_DOFORK:
      if ((old & VM_IO) !== 0) error = -EINVAL;
      flags &= ~VM_DONTCOPY;
      break;
    case MADV_WIPEONFORK:
      if (m.vma.file[v] !== 0 || (old & VM_SHARED) !== 0) error = -EINVAL;
      flags |= VM_WIPEONFORK;
      break;
    case MADV_KEEPONFORK:
      if (droppable) error = -EINVAL;
      flags &= ~VM_WIPEONFORK;
      break;
    case MADV_DONTDUMP:
      flags |= VM_DONTDUMP;
      break;
    case MADV_DODUMP:
      if (((old & VM_HUGETLB) === 0 && (old & VM_SPECIAL) !== 0) || droppable) error = -EINVAL;
      flags &= ~VM_DONTDUMP;
      break;
    case MADV_MERGEABLE:
      if (ksmCompatible(old, m.vma.flags2[v]!)) flags |= VM_MERGEABLE;
      break;
    case MADV_UNMERGEABLE:
      flags &= ~VM_MERGEABLE;
      break;
    case MADV_HUGEPAGE:
      flags = (flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
      break;
    case MADV_NOHUGEPAGE:
      flags = (flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
      break;
  }
  return { flags, error };
}

/** madvise_update_vma(): a split that fails for want of mappings is EAGAIN. */
function updateFlags(m: Machine, v: VmaRow, start: Vpn, end: Vpn, flags: number): VmaRow | Errno {
  if (flags === m.vma.flags[v]) return v;
  const held = vmaModifyFlags(m, v, start, end, flags, m.vma.flags2[v]!);
  return held === -ENOMEM ? -EAGAIN : held;
}

/** madvise_vma_behavior(): the VMA that holds the range afterwards, or -errno. */
function vmaBehavior(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  advice: number,
): VmaRow | Errno {
  if (!mayModify(m, v, advice)) return -EPERM;
  let error = 0;
  switch (advice) {
    case MADV_REMOVE:
      error = remove(m, v, start, end);
      break;
    case MADV_WILLNEED:
      willNeed(m, v, start, end);
      break;
    case MADV_COLD:
    case MADV_PAGEOUT:
      error = coldOrPageout(m, task, v, start, end, advice === MADV_PAGEOUT);
      break;
    case MADV_FREE:
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
      error = dontneedFree(m, v, start, end, advice);
      break;
    case MADV_COLLAPSE:
      error = madviseCollapse(m, v, start, end);
      break;
    case MADV_GUARD_INSTALL:
      error = madviseGuardInstall(m, v, start, end);
      break;
    case MADV_GUARD_REMOVE:
      error = madviseGuardRemove(m, v, start, end);
      break;
    default: {
      const wanted = adviceFlags(m, v, advice);
      if (wanted.error !== 0) return wanted.error;
      return updateFlags(m, v, start, end, wanted.flags);
    }
  }
  return error !== 0 ? error : v;
}

/**
 * madvise_walk_vmas(): every VMA of the range in turn. An error of one ends the walk; holes are
 * passed over and make it -ENOMEM in the end.
 */
function walkVmas(
  m: Machine,
  mm: MmRow,
  start: Vpn,
  end: Vpn,
  each: (v: VmaRow, from: Vpn, to: Vpn) => VmaRow | Errno,
): Errno {
  let hole = 0;
  let from = start;
  let v = findVma(m, mm, start);
  for (;;) {
    if (v === 0) return -ENOMEM;
    if (from < m.vma.start[v]!) {
      hole = -ENOMEM;
      from = m.vma.start[v]!;
      if (from >= end) return hole;
    }
    const to = Math.min(m.vma.end[v]!, end);
    const held = each(v, from, to);
    if (held < 0) return held;
    from = Math.max(to, m.vma.end[held]!);
    if (from >= end) return hole;
    v = findVma(m, mm, from);
  }
}

/** Arguments that are no error but ask for nothing give 0, bad ones -EINVAL, else 1. */
function checkArguments(m: Machine, addr: U64, len: U64, advice: number): Errno | 1 {
  if (!behaviorValid(m, advice) || !isPageAligned(addr)) return -EINVAL;
  const pages = pagesAligned(len);
  const empty = len.hi === 0 && len.lo === 0;
  if (pages === 0) return empty ? 0 : -EINVAL;
  const start = word.pageOf(addr);
  return wrapAdd(start, pages) < start ? -EINVAL : 1;
}

/** do_madvise(): advice of `task` about an address space, its own or another. */
export function doMadvise(
  m: Machine,
  task: TaskRow,
  mm: MmRow,
  addr: U64,
  len: U64,
  advice: number,
): Errno {
  const go = checkArguments(m, addr, len, advice);
  if (go !== 1) return go;
  const start = word.pageOf(addr);
  const end = start + pagesAligned(len);
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) {
    const write = advice === MADV_POPULATE_WRITE;
    if (m.release.populateTriesAgain) return populateRange(m, task, mm, start, end, write);
    return walkVmas(m, mm, start, end, (v, from, to) => {
      const error = populateRange(m, task, mm, from, to, write);
      return error !== 0 ? error : v;
    });
  }
  if (m.release.sealsCheckedFirst && !mayModifyAll(m, mm, start, end, advice)) return -EPERM;
  return walkVmas(m, mm, start, end, (v, from, to) => vmaBehavior(m, task, v, from, to, advice));
}

/** madvise(2). */
export function sysMadvise(m: Machine, task: TaskRow, addr: U64, len: U64, advice: number): Errno {
  return doMadvise(m, task, m.task.mm[task]!, addr, len, advice);
}

/**
 * prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME): names anonymous memory; `name` 0 takes the name away.
 * For kernels with CONFIG_ANON_VMA_NAME. Source: mm/madvise.c madvise_set_anon_name(), 6.18.
 */
export function setAnonVmaName(m: Machine, task: TaskRow, addr: U64, len: U64, name: Row): Errno {
  if (!isPageAligned(addr)) return -EINVAL;
  const pages = pagesAligned(len);
  if (pages === 0) return len.hi === 0 && len.lo === 0 ? 0 : -EINVAL;
  const start = word.pageOf(addr);
  const end = wrapAdd(start, pages);
  if (end < start) return -EINVAL;
  return walkVmas(m, m.task.mm[task]!, start, end, (v, from, to) => {
    if (m.vma.file[v] !== 0 && m.vma.ops[v] !== OPS_SHMEM_ANON) return -EBADF;
    if (m.vma.name[v] === name) return v;
    const range = rangeOf(m, v, from, to);
    range.name = name;
    const held = vmaModify(m, range);
    if (held > 0) m.vma.name[held] = name;
    return held === -ENOMEM ? -EAGAIN : held;
  });
}
