/**
 * The VMAs of one address space by address: a treap over the VMA table, with the largest free gap
 * of each subtree, and the list `prev`/`next`. It answers what the kernel asks of its maple tree
 * (mm/mmap.c find_vma, mm/vma.c unmapped_area*): which VMA holds or follows an address, and where
 * the highest or lowest hole of a size is, in O(log n).
 *
 * The gap of a VMA is what is free between it and its predecessor. Priorities are a hash of the row,
 * so that the shape, like everything, is reproducible. Of two neighbours in address order one is
 * always an ancestor of the other: a VMA is hung beside its neighbour and rotated up, two steps on
 * average, and never searched for.
 */
import { assert, type MmRow, type Pages, type VmaRow, type Vpn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { VM_GROWSDOWN } from './vm_flags.ts';

/** Pages kept free below a VM_GROWSDOWN mapping (stack_guard_gap). */
export const STACK_GUARD_PAGES = 256;

/** No two rows have the same. */
function priority(v: VmaRow): number {
  return Math.imul(v ^ (v >>> 7), 0x9e3779b1);
}

/**
 * Recomputes the gaps of `from` and its ancestors, until one keeps its gap: from `through` on, or
 * from anywhere when that is 0.
 */
function updateUpwards(m: Machine, from: VmaRow, through: VmaRow): void {
  const { gap, left, right, up, start, end, prev } = m.vma;
  let passed = through === 0;
  for (let v = from; v !== 0; v = up[v]!) {
    let g = start[v]! - end[prev[v]!]!;
    const l = left[v]!;
    if (l !== 0 && gap[l]! > g) g = gap[l]!;
    const r = right[v]!;
    if (r !== 0 && gap[r]! > g) g = gap[r]!;
    if (v === through) passed = true;
    if (gap[v] === g && passed) return;
    gap[v] = g;
  }
}

/** Recomputes the gap of the subtree at `v` from its children. */
function update(m: Machine, v: VmaRow): void {
  const { gap, left, right, start, end, prev } = m.vma;
  let g = start[v]! - end[prev[v]!]!;
  const l = left[v]!;
  if (l !== 0 && gap[l]! > g) g = gap[l]!;
  const r = right[v]!;
  if (r !== 0 && gap[r]! > g) g = gap[r]!;
  gap[v] = g;
}

/** `subtree` takes the place of `v` below v's parent. */
function replace(m: Machine, mm: MmRow, v: VmaRow, subtree: VmaRow): void {
  const { left, right, up } = m.vma;
  const parent = up[v]!;
  if (parent === 0) m.mm.treeRoot[mm] = subtree;
  else if (left[parent] === v) left[parent] = subtree;
  else right[parent] = subtree;
  if (subtree !== 0) up[subtree] = parent;
}

/** Turns `v` and its parent round; the gap of the whole stays. */
function rotateUp(m: Machine, mm: MmRow, v: VmaRow, parent: VmaRow): void {
  const { gap, left, right, up } = m.vma;
  replace(m, mm, parent, v);
  let inner: VmaRow;
  if (left[parent] === v) {
    inner = right[v]!;
    left[parent] = inner;
    right[v] = parent;
  } else {
    inner = left[v]!;
    right[parent] = inner;
    left[v] = parent;
  }
  if (inner !== 0) up[inner] = parent;
  up[parent] = v;
  gap[v] = gap[parent]!;
  update(m, parent);
}

/** Hangs `v` between its neighbours, which are ancestor and descendant, and lets it rise. */
function insert(m: Machine, mm: MmRow, v: VmaRow, before: VmaRow, after: VmaRow): void {
  const { left, right, up } = m.vma;
  let parent = before;
  if (before !== 0 && right[before] === 0) {
    right[before] = v;
  } else {
    parent = after;
    if (after !== 0) left[after] = v;
    else m.mm.treeRoot[mm] = v;
  }
  up[v] = parent;
  update(m, v);
  updateUpwards(m, parent, after);
  const own = priority(v);
  for (; parent !== 0 && own > priority(parent); parent = up[v]!) rotateUp(m, mm, v, parent);
}

/** One tree of two, all of `low` lying below `high`. Gaps along the seam are the caller's. */
function join(m: Machine, low: VmaRow, high: VmaRow): VmaRow {
  if (low === 0) return high;
  if (high === 0) return low;
  const { left, right, up } = m.vma;
  if (priority(low) > priority(high)) {
    const below = join(m, right[low]!, high);
    right[low] = below;
    up[below] = low;
    return low;
  }
  const below = join(m, low, left[high]!);
  left[high] = below;
  up[below] = high;
  return high;
}

/**
 * The gap of `after` changes as well. It lies at the end of the seam, or it is an ancestor: so all
 * that changed is on its way up, or on the way up to it. The parent knew v's gap, not that of what
 * takes v's place: it is looked at in any case.
 */
function erase(m: Machine, mm: MmRow, v: VmaRow, after: VmaRow): void {
  const { left, right, up } = m.vma;
  const parent = up[v]!;
  const high = right[v]!;
  const subtree = join(m, left[v]!, high);
  replace(m, mm, v, subtree);
  if (high !== 0) updateUpwards(m, after, parent === 0 ? subtree : parent);
  else updateUpwards(m, parent, after);
}

/** What is free below `v` changed: so may the gaps of the subtrees that it is in. */
function refresh(m: Machine, v: VmaRow): void {
  updateUpwards(m, v, 0);
}

/** To be called when the bounds of `v` changed without changing the order of VMAs. */
export function vmaBoundsChanged(m: Machine, v: VmaRow): void {
  refresh(m, v);
  const next = m.vma.next[v]!;
  if (next !== 0) refresh(m, next);
}

/** Puts a VMA (mm, start and end set) into its mm's tree and list; counts it. */
export function vmaTreeInsert(m: Machine, v: VmaRow): void {
  const mm = m.vma.mm[v]!;
  const after = findVma(m, mm, m.vma.start[v]!);
  vmaTreeInsertBetween(m, v, after !== 0 ? m.vma.prev[after]! : lastVma(m, mm), after);
}

/** The same where the neighbours are known; 0 = none. */
export function vmaTreeInsertBetween(m: Machine, v: VmaRow, before: VmaRow, after: VmaRow): void {
  const { prev, next, start, end } = m.vma;
  const mm = m.vma.mm[v]!;
  assert(start[v]! < end[v]!, 'a VMA is not empty');
  assert(before === 0 || end[before]! <= start[v]!, 'VMAs do not overlap below');
  assert(after === 0 || end[v]! <= start[after]!, 'VMAs do not overlap above');
  prev[v] = before;
  next[v] = after;
  if (before !== 0) next[before] = v;
  else m.mm.firstVma[mm] = v;
  if (after !== 0) prev[after] = v;
  insert(m, mm, v, before, after);
  m.mm.mapCount[mm]!++;
}

/** Takes a VMA out of its mm's tree and list. Its row stays the caller's. */
export function vmaTreeErase(m: Machine, v: VmaRow): void {
  const { prev, next, left, right, up } = m.vma;
  const mm = m.vma.mm[v]!;
  const before = prev[v]!;
  const after = next[v]!;
  if (before !== 0) next[before] = after;
  else m.mm.firstVma[mm] = after;
  if (after !== 0) prev[after] = before;
  erase(m, mm, v, after);
  left[v] = 0;
  right[v] = 0;
  up[v] = 0;
  prev[v] = 0;
  next[v] = 0;
  if (m.mm.lastVma[mm] === v) m.mm.lastVma[mm] = 0;
  m.mm.mapCount[mm]!--;
}

/** The first VMA that ends above `vpn` (find_vma): it holds the page or is the next one; or 0. */
export function findVma(m: Machine, mm: MmRow, vpn: Vpn): VmaRow {
  const v = m.mm.lastVma[mm]!;
  if (v !== 0 && m.vma.start[v]! <= vpn && vpn < m.vma.end[v]!) return v;
  return searchVma(m, mm, vpn);
}

function searchVma(m: Machine, mm: MmRow, vpn: Vpn): VmaRow {
  const { start, end, left, right } = m.vma;
  let v = m.mm.treeRoot[mm]!;
  let best = 0;
  while (v !== 0) {
    if (end[v]! > vpn) {
      best = v;
      if (start[v]! <= vpn) {
        m.mm.lastVma[mm] = v;
        break;
      }
      v = left[v]!;
    } else {
      v = right[v]!;
    }
  }
  return best;
}

/** The VMA that holds `vpn`, or 0 (vma_lookup). */
export function vmaLookup(m: Machine, mm: MmRow, vpn: Vpn): VmaRow {
  const v = findVma(m, mm, vpn);
  return v !== 0 && m.vma.start[v]! <= vpn ? v : 0;
}

/** The first VMA that overlaps [start, end), or 0 (find_vma_intersection). */
export function findVmaIntersection(m: Machine, mm: MmRow, start: Vpn, end: Vpn): VmaRow {
  const v = findVma(m, mm, start);
  return v !== 0 && m.vma.start[v]! < end ? v : 0;
}

/** The VMA that ends highest, or 0. */
export function lastVma(m: Machine, mm: MmRow): VmaRow {
  const { right } = m.vma;
  let v = m.mm.treeRoot[mm]!;
  if (v === 0) return 0;
  while (right[v] !== 0) v = right[v]!;
  return v;
}

/** First page that must stay free below a VMA: its start, less the guard gap of a stack. */
export function vmStartGap(m: Machine, v: VmaRow): Vpn {
  const start = m.vma.start[v]!;
  if ((m.vma.flags[v]! & VM_GROWSDOWN) === 0) return start;
  return Math.max(0, start - STACK_GUARD_PAGES);
}

let wanted = 0;
let lowLimit = 0;
let highLimit = 0;

function highestHole(m: Machine, root: VmaRow): number {
  const { gap, left, right, end, prev } = m.vma;
  let v = root;
  while (v !== 0 && gap[v]! >= wanted) {
    if (end[v]! < highLimit) {
      const above = highestHole(m, right[v]!);
      if (above >= 0) return above;
    }
    const from = Math.max(end[prev[v]!]!, lowLimit);
    const to = Math.min(vmStartGap(m, v), highLimit);
    if (to - from >= wanted) return to;
    if (end[prev[v]!]! <= lowLimit) return -1;
    v = left[v]!;
  }
  return -1;
}

/**
 * End of the highest hole of at least `pages` within [low, high), or -1. The stack guard gap
 * belongs to no hole (unmapped_area_topdown).
 */
export function holeTopDown(m: Machine, mm: MmRow, pages: Pages, low: Vpn, high: Vpn): number {
  const last = lastVma(m, mm);
  const from = Math.max(last === 0 ? 0 : m.vma.end[last]!, low);
  if (high - from >= pages) return high;
  wanted = pages;
  lowLimit = low;
  highLimit = high;
  return highestHole(m, m.mm.treeRoot[mm]!);
}

function lowestHole(m: Machine, root: VmaRow): number {
  const { gap, left, right, start, end, prev } = m.vma;
  let v = root;
  while (v !== 0 && gap[v]! >= wanted) {
    if (start[v]! > lowLimit) {
      const below = lowestHole(m, left[v]!);
      if (below >= 0) return below;
      const from = Math.max(end[prev[v]!]!, lowLimit);
      const to = Math.min(vmStartGap(m, v), highLimit);
      if (to - from >= wanted) return from;
    }
    if (start[v]! >= highLimit) return -1;
    v = right[v]!;
  }
  return -1;
}

/** Start of the lowest hole of at least `pages` within [low, high), or -1 (unmapped_area). */
export function holeBottomUp(m: Machine, mm: MmRow, pages: Pages, low: Vpn, high: Vpn): number {
  wanted = pages;
  lowLimit = low;
  highLimit = high;
  const hole = lowestHole(m, m.mm.treeRoot[mm]!);
  if (hole >= 0) return hole;
  const last = lastVma(m, mm);
  const from = Math.max(last === 0 ? 0 : m.vma.end[last]!, low);
  return high - from >= pages ? from : -1;
}
