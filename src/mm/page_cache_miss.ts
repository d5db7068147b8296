/**
 * Where a run of cached pages ends, as the kernel finds it. It walks the slots of the xarray, 64 to a
 * node, and counts its index along. A large folio that is entered in its middle is read at its first
 * slot while the index stays: from there to the end of the node the two are apart, and the answer is
 * too near, or too far, by as much. What readahead does hangs on it, so the walk is kept.
 *
 * Source: mm/filemap.c page_cache_prev_miss(), page_cache_next_miss(), lib/xarray.c __xas_prev(),
 * __xas_next(), 6.18.
 */
import { type InodeRow, modPow2, type Pages } from '../base/index.ts';
import { cacheGet, cacheHead, cacheNext } from './filemap.ts';
import { folioIndex, folioOrder } from './folio.ts';
import type { Machine } from './mm_types.ts';

/** XA_CHUNK_SHIFT. */
const NODE_BITS = 6;
const SLOTS = 1 << NODE_BITS;
/** Above the root of any page cache: 36 bits of page offsets. */
const TOP_SHIFT = 36;

const NOTHING = 0;
const ENTRY = 1;
const NODE = 2;

/** A place in the tree: the node at `shift` that begins at page `base`, a slot of it, and the index. */
interface Cursor {
  index: number;
  shift: number;
  base: number;
  slot: number;
}

function slotOf(index: number, shift: number): number {
  return modPow2(Math.floor(index / 2 ** shift), SLOTS);
}

function look(m: Machine, inode: InodeRow, c: Cursor): number {
  const page = c.base + c.slot * 2 ** c.shift;
  if (c.shift === 0) return cacheGet(m, inode, page) !== 0 ? ENTRY : NOTHING;
  const head = cacheHead(m, inode, page);
  if (head !== 0 && folioOrder(m, head) >= c.shift) return ENTRY;
  return cacheNext(m, inode, page, page + 2 ** c.shift) < 0 ? NOTHING : NODE;
}

/** xas_load(): the slot of the folio at `index`, its first. */
function enter(m: Machine, inode: InodeRow, index: number): Cursor | undefined {
  const head = cacheHead(m, inode, index);
  if (head === 0) return undefined;
  const order = folioOrder(m, head);
  const shift = order - (order % NODE_BITS);
  const span = 2 ** (shift + NODE_BITS);
  const slot = slotOf(folioIndex(m, head), shift);
  return { index, shift, base: index - modPow2(index, span), slot };
}

/** One slot on (`step` 1) or back (-1); false where nothing is cached. */
function move(m: Machine, inode: InodeRow, c: Cursor, step: 1 | -1): boolean {
  const end = step > 0 ? SLOTS - 1 : 0;
  c.index += step;
  if (c.shift === 0 && c.slot !== end) {
    c.slot += step;
    return look(m, inode, c) !== NOTHING;
  }
  if (c.slot !== slotOf(c.index, c.shift)) c.slot += step;
  while (c.slot < 0 || c.slot >= SLOTS) {
    c.shift += NODE_BITS;
    if (c.shift > TOP_SHIFT) return false;
    c.slot = slotOf(c.base, c.shift) + step;
    c.base -= modPow2(c.base, 2 ** (c.shift + NODE_BITS));
  }
  let found = look(m, inode, c);
  while (found === NODE) {
    c.base += c.slot * 2 ** c.shift;
    c.shift -= NODE_BITS;
    c.slot = slotOf(c.index, c.shift);
    found = look(m, inode, c);
  }
  return found !== NOTHING;
}

/** The first page before `index` + 1 that is not cached, looking at `scan` pages; -1 = none. */
export function pageCachePrevMiss(m: Machine, inode: InodeRow, index: number, scan: Pages): number {
  const c = enter(m, inode, index);
  if (c === undefined) return index;
  for (let left = scan - 1; left > 0; left--) {
    if (!move(m, inode, c, -1) || c.index < 0) break;
  }
  return c.index;
}

/** The first page from `index` on that is not cached; `index` + `scan` if there is none so near. */
export function pageCacheNextMiss(m: Machine, inode: InodeRow, index: number, scan: Pages): number {
  const c = enter(m, inode, index);
  if (c === undefined) return index;
  for (let left = scan - 1; left > 0; left--) if (!move(m, inode, c, 1)) return c.index;
  return index + scan;
}
