/**
 * The VMAs of one address space by address: a treap over the VMA table, with the largest free gap
 * of each subtree, and the list `prev`/`next`. It answers what the kernel asks of its maple tree
 * (mm/mmap.c find_vma, mm/vma.c unmapped_area*): which VMA holds or follows an address, and where
 * the highest or lowest hole of a size is, in O(log n).
 *
 * The gap of a VMA is what is free between it and its predecessor. Priorities are a hash of the row,
 * so that the shape, like everything, is reproducible.
 */
import { assert, type MmRow, type Pages, type VmaRow, type Vpn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { VM_GROWSDOWN } from './vm_flags.ts';

/** Pages kept free below a VM_GROWSDOWN mapping (stack_guard_gap). */
export const STACK_GUARD_PAGES = 256;

function priority(v: VmaRow): number {
  return Math.imul(v ^ (v >>> 7), 0x9e3779b1) >>> 0;
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

let splitLow = 0;
let splitHigh = 0;

/** Splits a subtree by address into splitLow (starts below `key`) and splitHigh. */
function split(m: Machine, root: VmaRow, key: Vpn): void {
  if (root === 0) {
    splitLow = 0;
    splitHigh = 0;
    return;
  }
  const { left, right, start } = m.vma;
  if (start[root]! < key) {
    split(m, right[root]!, key);
    right[root] = splitLow;
    splitLow = root;
  } else {
    split(m, left[root]!, key);
    left[root] = splitHigh;
    splitHigh = root;
  }
  update(m, root);
}

function join(m: Machine, low: VmaRow, high: VmaRow): VmaRow {
  if (low === 0) return high;
  if (high === 0) return low;
  const { left, right } = m.vma;
  if (priority(low) > priority(high)) {
    right[low] = join(m, right[low]!, high);
    update(m, low);
    return low;
  }
  left[high] = join(m, low, left[high]!);
  update(m, high);
  return high;
}

/**
 * The way from the root to a VMA, whose gaps may have to be recomputed from its end. A treap of
 * 65,530 VMAs is some 40 deep; its depth has no bound, so that the array grows when it has to.
 */
let path = new Int32Array(256);
let depth = 0;

/** Follows `key` from the root down to `v`, or to none; `v` itself is not part of the path. */
function pathTo(m: Machine, mm: MmRow, v: VmaRow, key: Vpn): void {
  const { left, right, start } = m.vma;
  depth = 0;
  for (let at = m.mm.treeRoot[mm]!; at !== v && at !== 0; ) {
    if (depth === path.length) {
      const longer = new Int32Array(depth * 2);
      longer.set(path);
      path = longer;
    }
    path[depth++] = at;
    at = key < start[at]! ? left[at]! : right[at]!;
  }
}

/** Recomputes the gaps along the path, upwards, as long as they change. */
function updatePath(m: Machine): void {
  const { gap } = m.vma;
  while (depth > 0) {
    const at = path[--depth]!;
    const before = gap[at]!;
    update(m, at);
    if (gap[at] === before) return;
  }
}

/** Hangs `subtree` where the path ends. */
function hang(m: Machine, mm: MmRow, subtree: VmaRow, key: Vpn): void {
  if (depth === 0) {
    m.mm.treeRoot[mm] = subtree;
    return;
  }
  const parent = path[depth - 1]!;
  if (key < m.vma.start[parent]!) m.vma.left[parent] = subtree;
  else m.vma.right[parent] = subtree;
}

function insert(m: Machine, mm: MmRow, v: VmaRow): void {
  const { left, right, start } = m.vma;
  const key = start[v]!;
  const own = priority(v);
  let at = m.mm.treeRoot[mm]!;
  while (at !== 0 && own <= priority(at)) at = key < start[at]! ? left[at]! : right[at]!;
  pathTo(m, mm, at, key);
  split(m, at, key);
  left[v] = splitLow;
  right[v] = splitHigh;
  update(m, v);
  hang(m, mm, v, key);
  updatePath(m);
}

function erase(m: Machine, mm: MmRow, v: VmaRow): void {
  const { left, right, start } = m.vma;
  const key = start[v]!;
  pathTo(m, mm, v, key);
  hang(m, mm, join(m, left[v]!, right[v]!), key);
  updatePath(m);
}

/** What is free below `v` changed: so may the gaps of the subtrees that it is in. */
function refresh(m: Machine, mm: MmRow, v: VmaRow): void {
  const before = m.vma.gap[v]!;
  update(m, v);
  if (m.vma.gap[v] === before) return;
  pathTo(m, mm, v, m.vma.start[v]!);
  updatePath(m);
}

/** To be called when the bounds of `v` changed without changing the order of VMAs. */
export function vmaBoundsChanged(m: Machine, v: VmaRow): void {
  const mm = m.vma.mm[v]!;
  refresh(m, mm, v);
  const next = m.vma.next[v]!;
  if (next !== 0) refresh(m, mm, next);
}

/** Puts a VMA (mm, start and end set) into its mm's tree and list; counts it. */
export function vmaTreeInsert(m: Machine, v: VmaRow): void {
  const { prev, next, start } = m.vma;
  const mm = m.vma.mm[v]!;
  const after = findVma(m, mm, start[v]!);
  const before = after !== 0 ? prev[after]! : lastVma(m, mm);
  assert(start[v]! < m.vma.end[v]!, 'a VMA is not empty');
  assert(before === 0 || m.vma.end[before]! <= start[v]!, 'VMAs do not overlap below');
  assert(after === 0 || m.vma.end[v]! <= start[after]!, 'VMAs do not overlap above');
  prev[v] = before;
  next[v] = after;
  if (before !== 0) next[before] = v;
  else m.mm.firstVma[mm] = v;
  if (after !== 0) prev[after] = v;
  insert(m, mm, v);
  if (after !== 0) refresh(m, mm, after);
  m.mm.mapCount[mm]!++;
}

/** Takes a VMA out of its mm's tree and list. Its row stays the caller's. */
export function vmaTreeErase(m: Machine, v: VmaRow): void {
  const { prev, next, left, right } = m.vma;
  const mm = m.vma.mm[v]!;
  const before = prev[v]!;
  const after = next[v]!;
  erase(m, mm, v);
  if (before !== 0) next[before] = after;
  else m.mm.firstVma[mm] = after;
  if (after !== 0) {
    prev[after] = before;
    refresh(m, mm, after);
  }
  left[v] = 0;
  right[v] = 0;
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
