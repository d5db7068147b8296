/**
 * The highest hole, as the kernel searches for it: by size first, then by its look at the guard gap
 * of the stack above. Source: mm/vma.c unmapped_area_topdown(), 6.18.
 */
import type { MmRow, Pages, VmaRow, Vpn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { lastVma, vmStartGap } from './vma_tree.ts';

/** The hole found last: the VMA above it, 0 = none. */
let above: VmaRow = 0;

/** End of the highest hole below `high`, of those right below the VMAs of a subtree; or -1. */
function highest(m: Machine, root: VmaRow, pages: Pages, low: Vpn, high: Vpn): Vpn {
  const { gap, left, right, start, end, prev } = m.vma;
  for (let v = root; v !== 0 && gap[v]! >= pages; v = left[v]!) {
    if (end[v]! < high) {
      const found = highest(m, right[v]!, pages, low, high);
      if (found >= 0) return found;
    }
    const floor = end[prev[v]!]!;
    const to = Math.min(start[v]!, high);
    if (to - Math.max(floor, low) >= pages) {
      above = v;
      return to;
    }
    if (floor <= low) return -1;
  }
  return -1;
}

/**
 * End of the highest hole of at least `pages` within [low, high), or -1. When the hole lies below a
 * stack and reaches into its guard gap, the search begins again below the gap: a hole that lies
 * inside the gap under some other VMA is passed over as well.
 */
export function unmappedAreaTopdown(m: Machine, mm: MmRow, pages: Pages, low: Vpn, high: Vpn): Vpn {
  const last = lastVma(m, mm);
  const top = last === 0 ? 0 : m.vma.end[last]!;
  for (let limit = high; ; ) {
    if (limit - Math.max(top, low) >= pages) return limit;
    const found = highest(m, m.mm.treeRoot[mm]!, pages, low, limit);
    if (found < 0) return -1;
    const gap = vmStartGap(m, above);
    if (gap >= found) return found;
    limit = gap;
  }
}
