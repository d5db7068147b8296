/** The tree of VMAs against a plain sorted list: random insertions, removals, changes of bounds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freeRow, newRow } from '../../src/base/index.ts';
import { bootMachine } from '../../src/mm/boot.ts';
import type { Machine } from '../../src/mm/mm_types.ts';
import { findKernel } from '../../src/mm/release.ts';
import {
  findVma,
  holeBottomUp,
  holeTopDown,
  vmaBoundsChanged,
  vmaTreeErase,
  vmaTreeInsert,
} from '../../src/mm/vma_tree.ts';

const MM = 1;
/** Pages of the address space, in slots of four: a VMA lies inside its slot. */
const SLOTS = 40;
const PAGES = SLOTS * 4;

const step = fc.record({
  slot: fc.nat(SLOTS - 1),
  first: fc.nat(2),
  pages: fc.integer({ min: 1, max: 2 }),
  kind: fc.constantFrom('toggle', 'toggle', 'resize', 'swallow'),
});

/** Largest gap of a subtree, computed anew; checks order, links and the stored gaps on the way. */
function audit(m: Machine, v: number, parent: number): number {
  const { start, end, prev, left, right, up, gap } = m.vma;
  if (v === 0) return 0;
  expect(up[v]).toBe(parent);
  const own = start[v]! - end[prev[v]!]!;
  const due = Math.max(own, audit(m, left[v]!, v), audit(m, right[v]!, v));
  expect(gap[v]).toBe(due);
  if (left[v] !== 0) expect(start[left[v]!]).toBeLessThan(start[v]!);
  if (right[v] !== 0) expect(start[right[v]!]).toBeGreaterThan(start[v]!);
  return due;
}

/** Addresses of the free pages below PAGES, by a plain list. */
function freeRuns(held: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const runs: (readonly [number, number])[] = [];
  let from = 0;
  for (const [start, end] of held) {
    if (start > from) runs.push([from, start]);
    from = end;
  }
  if (from < PAGES) runs.push([from, PAGES]);
  return runs;
}

function check(m: Machine, slots: readonly number[]): void {
  const rows = slots.filter((v) => v !== 0);
  audit(m, m.mm.treeRoot[MM]!, 0);
  expect(m.mm.mapCount[MM]).toBe(rows.length);
  const listed: number[] = [];
  for (let v = m.mm.firstVma[MM]!; v !== 0; v = m.vma.next[v]!) listed.push(v);
  expect(listed).toEqual(rows);
  const { start, end } = m.vma;
  for (let vpn = 0; vpn < PAGES; vpn++) {
    expect(findVma(m, MM, vpn)).toBe(rows.find((v) => end[v]! > vpn) ?? 0);
  }
  const runs = freeRuns(rows.map((v) => [start[v]!, end[v]!] as const));
  for (const pages of [1, 3, 6, 11]) {
    const fits = runs.filter(([from, to]) => to - from >= pages);
    expect(holeTopDown(m, MM, pages, 0, PAGES)).toBe(fits.at(-1)?.[1] ?? -1);
    expect(holeBottomUp(m, MM, pages, 0, PAGES)).toBe(fits[0]?.[0] ?? -1);
  }
}

test('order, links, gaps and holes are those of a plain list', () => {
  const run = fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
    const m = bootMachine({ release: findKernel('6.18')!, pages: 64, contents: false });
    expect(newRow(m.mm)).toBe(MM);
    const slots: number[] = new Array(SLOTS).fill(0);
    for (const { slot, first, pages, kind } of steps) {
      const at = slot * 4 + first;
      let v = slots[slot]!;
      if (v === 0) {
        v = newRow(m.vma);
        m.vma.mm[v] = MM;
        m.vma.start[v] = at;
        m.vma.end[v] = at + pages;
        vmaTreeInsert(m, v);
        slots[slot] = v;
      } else if (kind === 'resize') {
        m.vma.start[v] = at;
        m.vma.end[v] = at + pages;
        vmaBoundsChanged(m, v);
      } else if (kind === 'swallow' && m.vma.next[v] !== 0) {
        // As a merge does it: the neighbour's pages are its own before the neighbour goes.
        const next = m.vma.next[v]!;
        const end = m.vma.end[v]!;
        m.vma.end[v] = m.vma.end[next]!;
        vmaTreeErase(m, next);
        audit(m, m.mm.treeRoot[MM]!, 0);
        freeRow(m.vma, next);
        slots[slots.indexOf(next)] = 0;
        m.vma.end[v] = end;
        vmaBoundsChanged(m, v);
      } else {
        vmaTreeErase(m, v);
        freeRow(m.vma, v);
        slots[slot] = 0;
      }
    }
    check(m, slots);
  });
  // The erased VMA's gap, and nothing of what took its place, was what its parent knew.
  const toggle = (slot: number) => ({ slot, first: 0, pages: 1, kind: 'toggle' as const });
  const swallowed = [2, 28, 29, 15].map(toggle);
  const seen = [...swallowed, { slot: 15, first: 0, pages: 1, kind: 'swallow' as const }];
  fc.assert(run, { numRuns: 150, seed: 20, examples: [[seen]] });
});
