/**
 * The packed laws and the laws of room `laws` on the same states: thousands of them, reached by
 * random programs on kernels that are right and on kernels that are wrong.
 */
import { describe, expect, it } from 'vitest';
import { FaultlineBug, Random } from '../../src/base/index.ts';
import { ACT_DONE } from '../../src/check/index.ts';
import { FOCUSES, PRESETS } from '../../src/explore/index.ts';
import { LAW_NAMES } from '../../src/explore/law_bits.ts';
import { MemoryModel } from '../../src/explore/memory_model.ts';
import { LawBook } from '../../src/laws/index.ts';
import { findKernel } from '../../src/mm/release.ts';

/** Names of the laws in a word of bits, those of accesses left out. */
function namesOf(bits: number): string[] {
  return LAW_NAMES.filter((_, i) => (bits & (1 << i)) !== 0).sort();
}

function compare(kernel: string, focus: (typeof FOCUSES)[number], walks: number): number {
  const model = new MemoryModel(findKernel(kernel)!, PRESETS[focus], -1);
  const { m } = model.world;
  const random = new Random(walks);
  const offered = new Int32Array(model.actionsMax);
  let compared = 0;
  let brokenStates = 0;
  for (let walk = 0; walk < walks; walk++) {
    model.reset();
    for (let step = 0; step < 12; step++) {
      if (!stepAtRandom(model, random, offered)) break;
      const book = new LawBook(m).check([...LAW_NAMES], model.faults);
      const slow = [...new Set(book.map((v) => v.law))].sort();
      const fast = namesOf(model.laws.check(model.faults));
      expect(fast, `${kernel} ${focus} walk ${walk} step ${step}: ${book[0]?.message}`).toEqual(
        slow,
      );
      compared++;
      if (slow.length > 0) brokenStates++;
    }
  }
  expect(compared).toBeGreaterThan(walks * 2);
  return brokenStates;
}

/** Performs an action that is possible; false when none was found, or the model's books failed. */
function stepAtRandom(model: MemoryModel, random: Random, offered: Int32Array): boolean {
  const n = model.actions(offered);
  for (let tries = 0; n > 0 && tries < 50; tries++) {
    if (model.act(offered[random.below(n)]!) === ACT_DONE) return model.failure === '';
  }
  return false;
}

describe('packed laws say what the laws say', () => {
  for (const focus of FOCUSES) {
    it(`on 6.18, ${focus}`, () => expect(compare('6.18', focus, 60)).toBe(0));
  }
  for (const kernel of ['shmem-mthp-v1', 'shmem-mthp-v1-guarded']) {
    it(`on ${kernel}, where laws are broken`, () => {
      expect(compare(kernel, 'shared', 100)).toBeGreaterThan(100);
    });
  }

  it('on a machine whose books were changed by hand', () => {
    const model = new MemoryModel(findKernel('6.18')!, PRESETS.default, -1);
    const { m } = model.world;
    const random = new Random(5);
    const offered = new Int32Array(model.actionsMax);
    let broken = 0;
    for (let round = 0; round < 200; round++) {
      model.reset();
      for (let step = 0; step < 8; step++) stepAtRandom(model, random, offered);
      corrupt(m, random);
      let slow: string[];
      try {
        slow = [...new Set(new LawBook(m).check().map((v) => v.law))].sort();
      } catch (error) {
        if (error instanceof FaultlineBug) continue;
        throw error;
      }
      expect(namesOf(model.laws.check([])), `round ${round}`).toEqual(slow);
      if (slow.length > 0) broken++;
    }
    expect(broken).toBeGreaterThan(100);
  });
});

/** One number of the books becomes another. */
function corrupt(m: MemoryModel['world']['m'], random: Random): void {
  const pfn = 2 + random.below(m.wilderness - 2);
  const mm = 1;
  switch (random.below(7)) {
    case 0:
      m.page.counts[pfn]! += 1;
      return;
    case 1:
      m.page.index[pfn]! += 1;
      return;
    case 2:
      m.page.flags[pfn]! ^= 1 << (10 + random.below(2));
      return;
    case 3:
      m.mm.rssAnon[mm]! += 1;
      return;
    case 4:
      m.mm.tables[mm]! -= 1;
      return;
    case 5:
      m.vmstat[random.below(13)]! += 1;
      return;
    default: {
      const v = m.mm.firstVma[mm]!;
      if (v !== 0) m.vma.pgoff[v]! += 1;
    }
  }
}
