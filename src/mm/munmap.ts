/**
 * Unmapping: gathers the VMAs of a range, then takes them away, or what of them lies in the range,
 * with their pages and page tables. mmap over an existing range uses the two halves by themselves, because
 * what it replaces counts towards its limits. Source: mm/vma.c vms_*(), mm/mmap.c exit_mmap(), 6.18.
 */
import {
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type MmRow,
  type Pages,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { unlinkAnonVmas } from './anon_vma.ts';
import { freePgd, freePgtables, zapPageRange } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import { isPageAligned, pagesCeil, TASK_PAGES } from './mman.ts';
import { UFFD_FEATURE_EVENT_UNMAP, uffdEventWaits } from './uffd_events.ts';
import { updateHiwaterVm, vmStatAccount, vmUnacctMemory } from './util.ts';
import { VM_ACCOUNT, VM_LOCKED } from './vm_flags.ts';
import {
  maySplit,
  removeVma,
  sealRefusesRange,
  splitHugePmdIfNeeded,
  splitVmaUnchecked,
  vmaIsSealed,
  vmaUnlinkFile,
} from './vma.ts';
import { findVmaIntersection, vmaBoundsChanged, vmaTreeErase } from './vma_tree.ts';

/**
 * What an unmap will take away (struct vma_munmap_struct): the pages of [start, end) and the VMAs
 * from `first` to `last`. The kernel splits off what stays of the first and the last one; here
 * they are shortened in the end, which comes to the same and needs no VMA more.
 */
export class Unmap {
  mm: MmRow = 0;
  start: Vpn = 0;
  end: Vpn = 0;
  /** By address, both included; 0 = nothing is mapped there. */
  first: VmaRow = 0;
  last: VmaRow = 0;
  /** `first` begins below the range, `last` ends above it. */
  keepsHead = false;
  keepsTail = false;
  /** Neighbours afterwards, 0 = none. */
  prev: VmaRow = 0;
  next: VmaRow = 0;
  pages: Pages = 0;
  accounted: Pages = 0;
  /** The pages are gone, the VMAs still there (vms_clean_up_area). */
  cleared = false;
}

/** An unmap begins no other one, so that all share this object. */
const shared = new Unmap();

export function newUnmap(mm: MmRow, start: Vpn, end: Vpn): Unmap {
  const u = shared;
  u.mm = mm;
  u.start = start;
  u.end = end;
  u.first = 0;
  u.last = 0;
  u.keepsHead = false;
  u.keepsTail = false;
  u.prev = 0;
  u.next = 0;
  u.pages = 0;
  u.accounted = 0;
  u.cleared = false;
  return u;
}

/** The part of a VMA that goes begins and ends here. */
function startIn(m: Machine, u: Unmap, v: VmaRow): Vpn {
  return v === u.first && u.keepsHead ? u.start : m.vma.start[v]!;
}

function endIn(m: Machine, u: Unmap, v: VmaRow): Vpn {
  return v === u.last && u.keepsTail ? u.end : m.vma.end[v]!;
}

/** The first VMA stays up to `start`, unless it may not be split there. */
function keepHead(m: Machine, u: Unmap, first: VmaRow): Errno {
  const full = m.mm.mapCount[u.mm]! >= m.settings.maxMapCount;
  if (full && u.end < m.vma.end[first]!) return -ENOMEM;
  if (vmaIsSealed(m, first)) return -EPERM;
  const refused = maySplit(m, first, u.start);
  if (refused !== 0) return refused;
  splitHugePmdIfNeeded(m, first, u.start);
  u.keepsHead = true;
  u.prev = first;
  return 0;
}

/** A VMA stays from `end` on; one that stays on both sides becomes two. */
function keepTail(m: Machine, u: Unmap, v: VmaRow): Errno {
  if (v === u.first && u.keepsHead) {
    const above = splitVmaUnchecked(m, v, u.end, false);
    return above < 0 ? above : 0;
  }
  const refused = maySplit(m, v, u.end);
  if (refused !== 0) return refused;
  splitHugePmdIfNeeded(m, v, u.end);
  u.keepsTail = true;
  return 0;
}

/**
 * Finds the VMAs of the range; `first` is the first that overlaps it. After an error nothing is
 * unmapped, though a VMA may remain split (abandonUnmap).
 * Source: mm/vma.c vms_gather_munmap_vmas(), 6.18.
 */
export function gatherUnmap(m: Machine, u: Unmap, first: VmaRow): Errno {
  if (sealRefusesRange(m, u.mm, u.start, u.end)) return -EPERM;
  u.first = first;
  u.prev = m.vma.prev[first]!;
  if (u.start > m.vma.start[first]!) {
    const error = keepHead(m, u, first);
    if (error !== 0) return error;
  }
  let v = first;
  for (; v !== 0 && m.vma.start[v]! < u.end; v = m.vma.next[v]!) {
    let error = vmaIsSealed(m, v) ? -EPERM : 0;
    if (error === 0 && m.vma.end[v]! > u.end) error = keepTail(m, u, v);
    if (error !== 0) {
      abandonUnmap(m, u);
      return error;
    }
    // Whoever waits for the reader is unmodelled, and the program ends here.
    uffdEventWaits(m, v, UFFD_FEATURE_EVENT_UNMAP);
    u.last = v;
    const pages = endIn(m, u, v) - startIn(m, u, v);
    u.pages += pages;
    if ((m.vma.flags[v]! & VM_ACCOUNT) !== 0) u.accounted += pages;
  }
  u.next = u.keepsTail ? u.last : v;
  return 0;
}

/** An unmap that fails after all leaves the VMAs at the ends of its range split. */
export function abandonUnmap(m: Machine, u: Unmap): void {
  if (u.keepsHead) splitVmaUnchecked(m, u.first, u.start, true);
  if (u.keepsTail) splitVmaUnchecked(m, u.last, u.end, false);
}

/** The VMA after `v` of those that an unmap takes, 0 = `v` is the last. */
function nextIn(m: Machine, u: Unmap, v: VmaRow): VmaRow {
  return v === u.last ? 0 : m.vma.next[v]!;
}

/** A VMA goes as a whole. */
function goes(u: Unmap, v: VmaRow): boolean {
  return !(v === u.first && u.keepsHead) && !(v === u.last && u.keepsTail);
}

/**
 * Removes the pages of the range, then the page tables as far as no neighbour uses them
 * (unmap_vmas, free_pgtables: which also takes the VMAs from the reverse mapping).
 */
function clearPtes(m: Machine, u: Unmap): void {
  for (let v = u.first; v !== 0; v = nextIn(m, u, v)) {
    zapPageRange(m, v, startIn(m, u, v), endIn(m, u, v));
  }
  const floor = u.keepsHead ? u.start : u.prev === 0 ? 0 : m.vma.end[u.prev]!;
  const top = u.keepsTail ? u.end : u.next === 0 ? Infinity : m.vma.start[u.next]!;
  for (let v = u.first; v !== 0; ) {
    const above = nextIn(m, u, v);
    const ceiling = above === 0 ? top : m.vma.start[above]!;
    freePgtables(m, u.mm, startIn(m, u, v), endIn(m, u, v), floor, ceiling);
    if (goes(u, v)) {
      unlinkAnonVmas(m, v);
      vmaUnlinkFile(m, v);
    }
    v = above;
  }
  u.cleared = true;
}

/** mmap's first half of replacing a range: the pages go, the VMAs follow in completeUnmap(). */
export function cleanUpArea(m: Machine, u: Unmap): void {
  if (u.last !== 0) clearPtes(m, u);
}

/** Takes a VMA's part of the range from the books. */
function unaccount(m: Machine, mm: MmRow, flags: number, pages: Pages): void {
  if ((flags & VM_LOCKED) !== 0) m.mm.lockedVm[mm]! -= pages;
  vmStatAccount(m, mm, flags, -pages);
}

/** Shortens a VMA that stays at one side of the range; the other side is no neighbour's yet. */
function trim(m: Machine, u: Unmap, v: VmaRow): void {
  const { start, end, pgoff } = m.vma;
  if (v === u.first && u.keepsHead) {
    end[v] = u.start;
  } else {
    pgoff[v]! += u.end - start[v]!;
    start[v] = u.end;
  }
  vmaBoundsChanged(m, v);
}

/** The point of no return (vms_complete_munmap_vmas). */
export function completeUnmap(m: Machine, u: Unmap): void {
  if (u.last === 0) return;
  if (!u.cleared) clearPtes(m, u);
  updateHiwaterVm(m, u.mm);
  for (let v = u.first; v !== 0; ) {
    const above = nextIn(m, u, v);
    unaccount(m, u.mm, m.vma.flags[v]!, endIn(m, u, v) - startIn(m, u, v));
    if (goes(u, v)) {
      vmaTreeErase(m, v);
      removeVma(m, v);
    } else {
      trim(m, u, v);
    }
    v = above;
  }
  vmUnacctMemory(m, u.accounted);
}

/** do_vmi_align_munmap(): [start, end) with `first` its first VMA. */
export function unmapRange(m: Machine, mm: MmRow, first: VmaRow, start: Vpn, end: Vpn): Errno {
  const u = newUnmap(mm, start, end);
  const error = gatherUnmap(m, u, first);
  if (error !== 0) return error;
  completeUnmap(m, u);
  return 0;
}

/** do_vmi_munmap() for a range that is page aligned. */
export function doMunmap(m: Machine, mm: MmRow, start: Vpn, pages: Pages): Errno {
  if (start > TASK_PAGES || pages > TASK_PAGES - start || pages === 0) return -EINVAL;
  const first = findVmaIntersection(m, mm, start, start + pages);
  return first === 0 ? 0 : unmapRange(m, mm, first, start, start + pages);
}

/** munmap(2). */
export function sysMunmap(m: Machine, task: TaskRow, addr: U64, len: U64): Errno {
  if (!isPageAligned(addr)) return -EINVAL;
  return doMunmap(m, m.task.mm[task]!, word.pageOf(addr), pagesCeil(len));
}

/** The last user of an address space has gone: everything in it goes (exit_mmap). */
export function exitMmap(m: Machine, mm: MmRow): void {
  const u = newUnmap(mm, 0, Infinity);
  u.first = m.mm.firstVma[mm]!;
  for (let v = u.first; v !== 0; v = m.vma.next[v]!) {
    u.last = v;
    u.pages += m.vma.end[v]! - m.vma.start[v]!;
    if ((m.vma.flags[v]! & VM_ACCOUNT) !== 0) u.accounted += m.vma.end[v]! - m.vma.start[v]!;
  }
  completeUnmap(m, u);
  freePgd(m, mm);
}
