/**
 * The steps of mremap that its older and newer forms share: growing in place, copying a VMA, moving
 * it. Source: mm/mremap.c move_vma(), expand_vma_in_place(), mm/vma.c copy_vma(), 6.18.
 */
import {
  ENOMEM,
  type Errno,
  type Pages,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { anonVmaClone, unlinkAnonVmas } from './anon_vma.ts';
import { fileGet } from './file.ts';
import { getUnmappedArea } from './get_unmapped_area.ts';
import type { Machine } from './mm_types.ts';
import { MAP_FIXED, MAP_SHARED, MREMAP_DONTUNMAP, MREMAP_FIXED } from './mman.ts';
import { movePageTables } from './mremap_move.ts';
import { doMunmap } from './munmap.ts';
import { UFFD_FEATURE_EVENT_REMAP, uffdEventWaits, uffdResetCtx } from './uffd_events.ts';
import { vmAcctMemory, vmEnoughMemory, vmStatAccount, vmUnacctMemory } from './util.ts';
import { VM_ACCOUNT, VM_LOCKED, VM_MAYSHARE } from './vm_flags.ts';
import { insertVmaBetween, maySplit, VM_LOCKED_MASK, vmAreaDup, vmaIsAnonymous } from './vma.ts';
import { rangeOf, vmaMergeExtend, vmaMergeNewRange } from './vma_merge.ts';
import { findVma, findVmaIntersection, lastVma, vmaLookup } from './vma_tree.ts';

export interface MremapArgs {
  readonly addr: U64;
  readonly oldLen: U64;
  readonly newLen: U64;
  readonly flags: U64;
  readonly newAddr: U64;
}

/** One move or resize (struct vma_remap_struct); lengths and addresses in pages. */
export interface Remap {
  readonly flags: number;
  addr: Vpn;
  oldPages: Pages;
  newPages: Pages;
  newAddr: Vpn;
  vma: VmaRow;
  /** |old - new| as asked for, also after a shrink has been done. */
  delta: Pages;
  /** The grown part has to be populated. */
  populate: boolean;
}

/** Source VMA and destination VMA after copying; the source may have merged into the other. */
interface Copied {
  readonly source: VmaRow;
  readonly target: VmaRow;
}

/**
 * The VMA at the destination: a neighbour grown, or a copy. An anonymous VMA that was never
 * faulted takes the page offset of its new place, so that it can merge there.
 */
function copyVma(m: Machine, v: VmaRow, addr: Vpn, pages: Pages, linear: number): Copied {
  const start = m.vma.start[v]!;
  const mm = m.vma.mm[v]!;
  const unfaulted = vmaIsAnonymous(m, v) && m.vma.anonVma[v] === 0;
  const pgoff = unfaulted ? addr : linear;
  const next = findVma(m, mm, addr);
  const prev = next !== 0 ? m.vma.prev[next]! : lastVma(m, mm);
  const range = rangeOf(m, v, addr, addr + pages);
  range.pgoff = pgoff;
  range.middle = 0;
  range.copiedFrom = v;
  const merged = vmaMergeNewRange(m, range, prev, next);
  if (merged !== 0) {
    const holdsSource = start >= m.vma.start[merged]! && start < m.vma.end[merged]!;
    return { source: holdsSource ? merged : v, target: merged };
  }
  const row = vmAreaDup(m, v);
  m.vma.start[row] = addr;
  m.vma.end[row] = addr + pages;
  m.vma.pgoff[row] = pgoff;
  anonVmaClone(m, row, v);
  if (m.vma.file[row] !== 0) fileGet(m, m.vma.file[row]!);
  insertVmaBetween(m, row, prev, next);
  return { source: v, target: row };
}

/**
 * Unmaps the source after a move. Its commit charge went to the copy, so the flag that would give
 * it back is taken off first and put on again what remains beside the range.
 */
function unmapSourceVma(m: Machine, r: Remap): void {
  const { addr, oldPages, vma } = r;
  const mm = m.vma.mm[vma]!;
  const { start, end, flags } = m.vma;
  const accountable = (flags[vma]! & VM_ACCOUNT) !== 0 && (r.flags & MREMAP_DONTUNMAP) === 0;
  const first = start[vma]!;
  const last = end[vma]!;
  if (accountable) flags[vma] = flags[vma]! & ~VM_ACCOUNT;
  const error = doMunmap(m, mm, addr, oldPages);
  if (error !== 0) {
    vmAcctMemory(m, oldPages);
    return;
  }
  if (!accountable) return;
  if (first < addr) {
    const below = vmaLookup(m, mm, addr - 1);
    m.vma.flags[below] = m.vma.flags[below]! | VM_ACCOUNT;
  }
  if (last > addr + oldPages) {
    const above = vmaLookup(m, mm, addr + oldPages);
    m.vma.flags[above] = m.vma.flags[above]! | VM_ACCOUNT;
  }
}

function prepMoveVma(m: Machine, r: Remap): Errno {
  const v = r.vma;
  if (m.mm.mapCount[m.vma.mm[v]!]! >= m.settings.maxMapCount - 3) return -ENOMEM;
  if (m.vma.start[v] !== r.addr) {
    const error = maySplit(m, v, r.addr);
    if (error !== 0) return error;
  }
  if (m.vma.end[v] !== r.addr + r.oldPages) return maySplit(m, v, r.addr + r.oldPages);
  return 0;
}

/**
 * vrm_calc_charge(): pages to commit for the operation. `delta` is what was asked for at first, so
 * that since 6.15 a MREMAP_FIXED that shrinks leaves committed memory behind for good: seen on
 * 6.18.44 (Committed_AS). The older form computes it after the shrink.
 */
function charge(m: Machine, task: TaskRow, r: Remap): Errno {
  if ((m.vma.flags[r.vma]! & VM_ACCOUNT) === 0) return 0;
  const pages = (r.flags & MREMAP_DONTUNMAP) !== 0 ? r.newPages : r.delta;
  return vmEnoughMemory(m, task, m.vma.mm[r.vma]!, pages);
}

/** vrm_stat_account(). */
function statAccount(m: Machine, v: VmaRow, pages: Pages): void {
  const mm = m.vma.mm[v]!;
  const flags = m.vma.flags[v]!;
  vmStatAccount(m, mm, flags, pages);
  if ((flags & VM_LOCKED) !== 0) m.mm.lockedVm[mm]! += pages;
}

/**
 * Moves `r.vma`'s range to `r.newAddr`. Returns the new address or -errno. `dontunmapLocks`: the
 * pages that DONTUNMAP leaves behind in locked_vm count twice, as they do since the operation was
 * rewritten (6.15).
 */
export function moveVma(m: Machine, task: TaskRow, r: Remap, dontunmapLocks: boolean): Vpn | Errno {
  const refused = prepMoveVma(m, r);
  if (refused !== 0) return refused;
  if (charge(m, task, r) !== 0) return -ENOMEM;
  const pgoff = m.vma.pgoff[r.vma]! + (r.addr - m.vma.start[r.vma]!);
  const { source, target } = copyVma(m, r.vma, r.newAddr, r.newPages, pgoff);
  r.vma = source;
  movePageTables(m, source, target, r.addr, r.newAddr, r.oldPages);
  if (m.vma.uffd[target] !== 0 && !uffdEventWaits(m, target, UFFD_FEATURE_EVENT_REMAP)) {
    uffdResetCtx(m, target);
  }
  const mm = m.vma.mm[source]!;
  const peak = m.mm.vmPeak[mm]!;
  const dontunmap = (r.flags & MREMAP_DONTUNMAP) !== 0;
  const locked = m.mm.lockedVm[mm]!;
  statAccount(m, source, r.newPages);
  if (dontunmap) {
    if (!dontunmapLocks) m.mm.lockedVm[mm] = locked;
    m.vma.flags[source] = m.vma.flags[source]! & ~VM_LOCKED_MASK;
    const whole = m.vma.start[source] === r.addr && m.vma.end[source] === r.addr + r.oldPages;
    if (target !== source && whole) unlinkAnonVmas(m, source);
  } else {
    unmapSourceVma(m, r);
  }
  m.mm.vmPeak[mm] = peak;
  return r.newAddr;
}

/** vrm_set_new_addr(): as mmap would choose, with MAP_FIXED, a hint, or nothing. */
export function setNewAddr(m: Machine, task: TaskRow, r: Remap): Errno {
  const v = r.vma;
  const pgoff = m.vma.pgoff[v]! + (r.addr - m.vma.start[v]!);
  const implied = (r.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  const fixed = (r.flags & MREMAP_FIXED) !== 0 ? MAP_FIXED : 0;
  const shared = (m.vma.flags[v]! & VM_MAYSHARE) !== 0 ? MAP_SHARED : 0;
  const hint = implied ? r.newAddr : 0;
  const at = getUnmappedArea(m, task, m.vma.file[v]!, hint, r.newPages, pgoff, fixed | shared);
  if (at < 0) return at;
  r.newAddr = at;
  return 0;
}

/** The range ends where the VMA ends, and what follows is free and allowed. */
export function canExpandInPlace(m: Machine, task: TaskRow, r: Remap): boolean {
  const v = r.vma;
  const start = m.vma.start[v]!;
  const end = m.vma.end[v]!;
  if (end - r.addr !== r.oldPages) return false;
  const grown = end + r.delta;
  if (findVmaIntersection(m, m.vma.mm[v]!, end, grown) !== 0) return false;
  return getUnmappedArea(m, task, 0, start, grown - start, 0, MAP_FIXED) >= 0;
}

/** Grows the VMA by `r.delta` where it is. */
export function expandInPlace(m: Machine, task: TaskRow, r: Remap): Errno {
  if (charge(m, task, r) !== 0) return -ENOMEM;
  const accounted = (m.vma.flags[r.vma]! & VM_ACCOUNT) !== 0;
  const merged = vmaMergeExtend(m, r.vma, r.delta);
  if (merged === 0) {
    if (accounted) vmUnacctMemory(m, r.delta);
    return -ENOMEM;
  }
  r.vma = merged;
  statAccount(m, merged, r.delta);
  return 0;
}
