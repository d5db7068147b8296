/**
 * Unmapping: gathers the VMAs of a range (splitting at its ends), then takes them away with their
 * pages and page tables. mmap over an existing range uses the two halves by themselves, because
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
import { removeVma, splitVmaUnchecked, vmaIsSealed, vmaUnlinkFile } from './vma.ts';
import { findVmaIntersection, vmaTreeErase } from './vma_tree.ts';

/** What an unmap will take away (struct vma_munmap_struct). */
export interface Unmap {
  readonly mm: MmRow;
  /** By address. */
  readonly vmas: VmaRow[];
  /** Neighbours that stay, 0 = none. */
  prev: VmaRow;
  next: VmaRow;
  pages: Pages;
  accounted: Pages;
  /** The pages are gone, the VMAs still there (vms_clean_up_area). */
  cleared: boolean;
}

export function newUnmap(mm: MmRow): Unmap {
  return { mm, vmas: [], prev: 0, next: 0, pages: 0, accounted: 0, cleared: false };
}

/**
 * Finds and isolates the VMAs of [start, end); `first` is the first that overlaps it. After an
 * error nothing is unmapped, though a VMA may remain split.
 * Source: mm/vma.c vms_gather_munmap_vmas(), 6.18.
 */
export function gatherUnmap(m: Machine, u: Unmap, first: VmaRow, start: Vpn, end: Vpn): Errno {
  if (start > m.vma.start[first]!) {
    if (end < m.vma.end[first]! && m.mm.mapCount[u.mm]! >= m.settings.maxMapCount) return -ENOMEM;
    if (vmaIsSealed(m, first)) return -EPERM;
    const below = splitVmaUnchecked(m, first, start, true);
    if (below < 0) return below;
  }
  u.prev = m.vma.prev[first]!;
  let v = first;
  while (v !== 0 && m.vma.start[v]! < end) {
    if (vmaIsSealed(m, v)) return -EPERM;
    if (m.vma.end[v]! > end) {
      const above = splitVmaUnchecked(m, v, end, false);
      if (above < 0) return above;
    }
    if (uffdEventWaits(m, v, UFFD_FEATURE_EVENT_UNMAP)) return 0;
    const pages = m.vma.end[v]! - m.vma.start[v]!;
    u.vmas.push(v);
    u.pages += pages;
    if ((m.vma.flags[v]! & VM_ACCOUNT) !== 0) u.accounted += pages;
    v = m.vma.next[v]!;
  }
  u.next = v;
  return 0;
}

/**
 * Removes the pages of VMAs, then their page tables as far as no neighbour uses them (unmap_vmas,
 * free_pgtables: which also takes the VMAs from the reverse mapping).
 */
function clearPtes(m: Machine, u: Unmap): void {
  const { vmas, mm } = u;
  for (const v of vmas) zapPageRange(m, v, m.vma.start[v]!, m.vma.end[v]!);
  const floor = u.prev === 0 ? 0 : m.vma.end[u.prev]!;
  const top = u.next === 0 ? Infinity : m.vma.start[u.next]!;
  for (let i = 0; i < vmas.length; i++) {
    const v = vmas[i]!;
    const above = vmas[i + 1];
    unlinkAnonVmas(m, v);
    vmaUnlinkFile(m, v);
    const ceiling = above === undefined ? top : m.vma.start[above]!;
    freePgtables(m, mm, m.vma.start[v]!, m.vma.end[v]!, floor, ceiling);
  }
  u.cleared = true;
}

/** mmap's first half of replacing a range: the pages go, the VMAs follow in completeUnmap(). */
export function cleanUpArea(m: Machine, u: Unmap): void {
  if (u.vmas.length !== 0) clearPtes(m, u);
}

/** The point of no return (vms_complete_munmap_vmas). */
export function completeUnmap(m: Machine, u: Unmap): void {
  const { mm, vmas } = u;
  if (vmas.length === 0) return;
  for (const v of vmas) vmaTreeErase(m, v);
  if (!u.cleared) clearPtes(m, u);
  updateHiwaterVm(m, mm);
  for (const v of vmas) {
    const flags = m.vma.flags[v]!;
    const pages = m.vma.end[v]! - m.vma.start[v]!;
    if ((flags & VM_LOCKED) !== 0) m.mm.lockedVm[mm]! -= pages;
    vmStatAccount(m, mm, flags, -pages);
    removeVma(m, v);
  }
  vmUnacctMemory(m, u.accounted);
}

/** do_vmi_align_munmap(): [start, end) with `first` its first VMA. */
export function unmapRange(m: Machine, mm: MmRow, first: VmaRow, start: Vpn, end: Vpn): Errno {
  const u = newUnmap(mm);
  const error = gatherUnmap(m, u, first, start, end);
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
  const u = newUnmap(mm);
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
    u.vmas.push(v);
    u.pages += m.vma.end[v]! - m.vma.start[v]!;
    if ((m.vma.flags[v]! & VM_ACCOUNT) !== 0) u.accounted += m.vma.end[v]! - m.vma.start[v]!;
  }
  completeUnmap(m, u);
  freePgd(m, mm);
}
