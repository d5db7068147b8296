/**
 * Joining VMAs: when a range is mapped, changed or moved beside others like it (mm/vma.c, 6.18).
 *
 * Two ranges become one VMA when they touch and agree in flags, file, file offset, userfaultfd
 * context and name, and when their anon_vmas do not stand against it: see anonVmaAllows().
 */
import {
  type AnonVmaRow,
  type Errno,
  type FileRow,
  freeRow,
  type MmRow,
  type Row,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { anonVmaClone, unlinkAnonVmas } from './anon_vma.ts';
import { filePut } from './file.ts';
import type { Machine } from './mm_types.ts';
import { VM_MAYBE_GUARD, VM_SOFTDIRTY, VM_SPECIAL } from './vm_flags.ts';
import { splitHugePmdIfNeeded, splitVma, vmaHasClose, vmaUnlinkFile } from './vma.ts';
import { vmaBoundsChanged, vmaTreeErase } from './vma_tree.ts';

/** Flags in which VMAs that merge may differ; what one of them has, the merged VMA has. */
const VM_STICKY = VM_SOFTDIRTY | VM_MAYBE_GUARD;

/** A range that is to be, with the properties that it will have (struct vma_merge_struct). */
export class MergeRange {
  mm: MmRow = 0;
  start: Vpn = 0;
  end: Vpn = 0;
  pgoff = 0;
  flags = 0;
  flags2 = 0;
  file: FileRow = 0;
  anonVma: AnonVmaRow = 0;
  uffd: Row = 0;
  name: Row = 0;
  /** VMA whose range this is now; 0 for a new or moved range. */
  middle: VmaRow = 0;
  /** mremap: the VMA whose pages will move in; else 0. */
  copiedFrom: VmaRow = 0;
}

/** A merge begins no other one, so that all share this range. */
const shared = new MergeRange();

/** The range [start, end) of an existing VMA as it is; the caller sets what changes. */
export function rangeOf(m: Machine, v: VmaRow, start: Vpn, end: Vpn): MergeRange {
  const c = m.vma;
  const r = shared;
  r.mm = c.mm[v]!;
  r.start = start;
  r.end = end;
  r.pgoff = c.pgoff[v]! + (start - c.start[v]!);
  r.flags = c.flags[v]!;
  r.flags2 = c.flags2[v]!;
  r.file = c.file[v]!;
  r.anonVma = c.anonVma[v]!;
  r.uffd = c.uffd[v]!;
  r.name = c.name[v]!;
  r.middle = v;
  r.copiedFrom = 0;
  return r;
}

/** A new range without history (mmap, brk). */
export function newRange(
  mm: MmRow,
  start: Vpn,
  end: Vpn,
  pgoff: number,
  flags: number,
  flags2: number,
  file: FileRow,
): MergeRange {
  const r = shared;
  r.mm = mm;
  r.start = start;
  r.end = end;
  r.pgoff = pgoff;
  r.flags = flags;
  r.flags2 = flags2;
  r.file = file;
  r.anonVma = 0;
  r.uffd = 0;
  r.name = 0;
  r.middle = 0;
  r.copiedFrom = 0;
  return r;
}

/** vma_is_fork_child(): its chain holds the anon_vma of a forebear. */
function isForkChild(m: Machine, v: VmaRow): boolean {
  return v !== 0 && m.vma.anonVma[v] !== 0 && m.vma.chainLength[v] !== 1;
}

/**
 * Equal anon_vmas agree, and so do one and none, unless the one is a fork child's: sharing it would
 * lengthen the walks under its root's lock. Source: mm/vma.c is_mergeable_anon_vma(), 6.18.
 */
function anonVmaAllows(m: Machine, r: MergeRange, target: VmaRow): boolean {
  const theirs = m.vma.anonVma[target]!;
  if (theirs === 0 && r.anonVma !== 0) {
    if (!m.release.mergeIntoUnfaulted) return false;
    return !isForkChild(m, r.middle) && !isForkChild(m, r.copiedFrom);
  }
  if (theirs !== 0 && r.anonVma === 0) return !isForkChild(m, target);
  return theirs === r.anonVma;
}

function agrees(m: Machine, r: MergeRange, v: VmaRow): boolean {
  const c = m.vma;
  return (
    ((c.flags[v]! ^ r.flags) & ~VM_STICKY) === 0 &&
    c.flags2[v] === r.flags2 &&
    c.file[v] === r.file &&
    c.uffd[v] === r.uffd &&
    c.name[v] === r.name &&
    anonVmaAllows(m, r, v)
  );
}

function canMergeLeft(m: Machine, r: MergeRange, prev: VmaRow): boolean {
  const { start, end, pgoff } = m.vma;
  return (
    prev !== 0 &&
    end[prev] === r.start &&
    agrees(m, r, prev) &&
    pgoff[prev]! + (end[prev]! - start[prev]!) === r.pgoff
  );
}

function canMergeRight(
  m: Machine,
  r: MergeRange,
  prev: VmaRow,
  next: VmaRow,
  left: boolean,
): boolean {
  const { start, pgoff, anonVma } = m.vma;
  if (next === 0 || start[next] !== r.end || !agrees(m, r, next)) return false;
  if (pgoff[next] !== r.pgoff + (r.end - r.start)) return false;
  if (!left) return true;
  return anonVma[prev] === 0 || anonVma[next] === 0 || anonVma[prev] === anonVma[next];
}

/** dup_anon_vma(): a target that was never faulted takes over what the source may map. */
function dupAnonVma(m: Machine, target: VmaRow, source: VmaRow): void {
  if (m.vma.anonVma[source] === 0 || m.vma.anonVma[target] !== 0) return;
  m.vma.anonVma[target] = m.vma.anonVma[source]!;
  anonVmaClone(m, target, source);
}

/** What a VMA that merges into `target` has of the sticky flags, `target` has then. */
function stick(m: Machine, target: VmaRow, flags: number): void {
  m.vma.flags[target] = m.vma.flags[target]! | (flags & VM_STICKY);
}

/** Takes a VMA away whose range another one has taken over. */
function absorb(m: Machine, v: VmaRow): void {
  vmaTreeErase(m, v);
  vmaUnlinkFile(m, v);
  const file = m.vma.file[v]!;
  unlinkAnonVmas(m, v);
  freeRow(m.vma, v);
  if (file !== 0) filePut(m, file);
}

/**
 * A new range [start, end) in a hole between `prev` and `next`: grows a neighbour over it, and
 * joins both where that is possible. Returns the VMA that now holds the range, or 0.
 * Source: mm/vma.c vma_merge_new_range(), vma_expand(), 6.18.
 */
export function vmaMergeNewRange(m: Machine, r: MergeRange, prev: VmaRow, next: VmaRow): VmaRow {
  if ((r.flags & VM_SPECIAL) !== 0) return 0;
  let left = canMergeLeft(m, r, prev);
  let right = canMergeRight(m, r, prev, next, left);
  if (m.release.mmapMergesNextFirst && r.copiedFrom === 0) {
    right = canMergeRight(m, r, prev, next, false) && !vmaHasClose(m, next);
    if (right) left = canMergeLeft(m, { ...r, anonVma: m.vma.anonVma[next]! }, prev);
  }
  if (left && right && vmaHasClose(m, next)) right = false;
  if (left) {
    if (right) dupAnonVma(m, prev, next);
    if (r.copiedFrom !== 0) dupAnonVma(m, prev, r.copiedFrom);
    stick(m, prev, r.flags);
    m.vma.end[prev] = right ? m.vma.end[next]! : r.end;
    if (right) {
      stick(m, prev, m.vma.flags[next]!);
      absorb(m, next);
    } else {
      vmaBoundsChanged(m, prev);
    }
    return prev;
  }
  if (!right) return 0;
  if (r.copiedFrom !== 0) dupAnonVma(m, next, r.copiedFrom);
  stick(m, next, r.flags);
  m.vma.start[next] = r.start;
  m.vma.pgoff[next] = r.pgoff;
  vmaBoundsChanged(m, next);
  return next;
}

/**
 * A range at one end, or the whole, of `middle` is to get other properties: gives it to the
 * neighbours that have them already. Returns the VMA that now holds the range, or 0.
 * Source: mm/vma.c vma_merge_existing_range(), commit_merge(), 6.18.
 */
export function vmaMergeExistingRange(m: Machine, r: MergeRange): VmaRow {
  const { middle } = r;
  const c = m.vma;
  const leftSide = r.start === c.start[middle];
  const rightSide = r.end === c.end[middle];
  if ((r.flags & VM_SPECIAL) !== 0 || (!leftSide && !rightSide)) return 0;
  const prev = c.prev[middle]!;
  const next = c.next[middle]!;
  const left = leftSide && canMergeLeft(m, r, prev);
  let right = rightSide && canMergeRight(m, r, prev, next, left);
  if (!left && !right) return 0;
  const removesMiddle = leftSide && rightSide;
  if (removesMiddle && vmaHasClose(m, middle)) return 0;
  if (left && right && vmaHasClose(m, next)) right = false;

  stick(m, left ? prev : next, r.flags);
  if (left && right) {
    stick(m, prev, c.flags[next]!);
    dupAnonVma(m, prev, c.anonVma[next] !== 0 ? next : middle);
    c.end[prev] = c.end[next]!;
    absorb(m, middle);
    absorb(m, next);
    return prev;
  }
  if (left) {
    dupAnonVma(m, prev, middle);
    c.end[prev] = r.end;
    if (removesMiddle) {
      absorb(m, middle);
    } else {
      splitHugePmdIfNeeded(m, middle, r.end);
      c.pgoff[middle]! += r.end - c.start[middle]!;
      c.start[middle] = r.end;
    }
    return prev;
  }
  dupAnonVma(m, next, middle);
  c.pgoff[next]! -= c.start[next]! - r.start;
  c.start[next] = r.start;
  if (removesMiddle) {
    absorb(m, middle);
  } else {
    splitHugePmdIfNeeded(m, middle, r.start);
    c.end[middle] = r.start;
  }
  return next;
}

/**
 * Makes room for other properties of the range: joins it to neighbours that have them, or else
 * splits it off. Returns the VMA that is exactly the range or holds it among its like, or -errno.
 * The caller then sets the properties. Source: mm/vma.c vma_modify(), 6.18.
 */
export function vmaModify(m: Machine, r: MergeRange): VmaRow | Errno {
  const merged = vmaMergeExistingRange(m, r);
  if (merged !== 0) return merged;
  const v = r.middle;
  if (m.vma.start[v]! < r.start) {
    const below = splitVma(m, v, r.start, true);
    if (below < 0) return below;
  }
  if (m.vma.end[v]! > r.end) {
    const above = splitVma(m, v, r.end, false);
    if (above < 0) return above;
  }
  return v;
}

/** vma_modify_flags(), and sets the flags; a merged VMA keeps its sticky ones. */
export function vmaModifyFlags(
  m: Machine,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  flags: number,
  flags2: number,
): VmaRow | Errno {
  const range = rangeOf(m, v, start, end);
  range.flags = flags;
  range.flags2 = flags2;
  const held = vmaModify(m, range);
  if (held > 0) {
    m.vma.flags[held] = flags | (m.vma.flags[held]! & VM_STICKY);
    m.vma.flags2[held] = flags2;
  }
  return held;
}

/**
 * [v.end, v.end + pages) becomes part of `v`, and of the next VMA where that fits then.
 * Source: mm/vma.c vma_merge_extend(), 6.18.
 */
export function vmaMergeExtend(m: Machine, v: VmaRow, pages: number): VmaRow {
  const end = m.vma.end[v]!;
  const range = rangeOf(m, v, end, end + pages);
  range.middle = 0;
  return vmaMergeNewRange(m, range, v, m.vma.next[v]!);
}
