/** The explorer on toys whose counts are known. */
import { describe, expect, it } from 'vitest';
import {
  asModel,
  BreadthFirst,
  DepthFirst,
  type PackedModel,
  PackedSearch,
  RandomWalk,
  Seen,
} from '../../src/check/index.ts';
import { boundedQueue, petersonLock, philosophers, puzzle } from '../../src/check/toys.ts';

const ALL = { depth: 1000, memory: 2 ** 30, aftermath: 0 };

function breadthFirst(packed: PackedModel, options = ALL): BreadthFirst {
  const search = new BreadthFirst(asModel(packed), options);
  while (search.run(10_000) === 'running');
  return search;
}

/** Words of at most `capacity` letters of an alphabet: 1 + v + v^2 + …. */
function wordCount(capacity: number, values: number): number {
  let sum = 0;
  for (let length = 0; length <= capacity; length++) sum += values ** length;
  return sum;
}

describe('packed search', () => {
  it('meets half of all positions of the sliding puzzle, the farthest in 31 moves', () => {
    // 9!/2 positions; 31 is the known diameter from the solved position.
    expect(new PackedSearch(puzzle()).run()).toMatchObject({
      states: 181440,
      // A corner has two neighbours, an edge three, the centre four: 24 moves over nine blanks.
      transitions: (181440 / 9) * 24,
      depth: 31,
      deadlocks: 0,
    });
  });

  it('meets each content of a bounded queue once', () => {
    for (const [capacity, values] of [
      [1, 1],
      [3, 2],
      [5, 4],
    ] as const) {
      expect(new PackedSearch(boundedQueue(capacity, values)).run().states).toBe(
        wordCount(capacity, values),
      );
    }
  });

  it('finds the one deadlock of the philosophers', () => {
    for (const n of [3, 6, 9]) {
      const result = new PackedSearch(philosophers(n)).run();
      expect(result.deadlocks).toBe(1);
      // Everybody takes the left fork: n steps.
      expect(result.depth).toBeGreaterThanOrEqual(n);
    }
  });

  it("proves Peterson's lock and breaks it where nobody gives way", () => {
    expect(new PackedSearch(petersonLock()).run().bad).toEqual([]);
    const { bad } = new PackedSearch(petersonLock(true)).run();
    expect(bad.at(-1)![0]! & 15).toBe(15);
    expect(bad.length).toBe(7);
  });
});

describe('breadth-first search', () => {
  it('counts as the packed search does', () => {
    for (const toy of [puzzle(), boundedQueue(4, 3), philosophers(6), petersonLock()]) {
      const { states, transitions, depth, deadlocks } = new PackedSearch(toy).run();
      const search = breadthFirst(toy);
      expect([search.states, search.transitions, search.depth, search.deadlocks]).toEqual([
        states,
        transitions,
        depth,
        deadlocks,
      ]);
      expect(search.end).toBe('exhausted');
    }
  });

  it('finds a shortest counterexample', () => {
    const { findings } = breadthFirst(petersonLock(true));
    expect(findings.map((found) => found.actions.length)).toEqual([6]);
  });

  it('stops at its depth', () => {
    const search = breadthFirst(boundedQueue(5, 2), { ...ALL, depth: 3 });
    expect(search.states).toBe(wordCount(3, 2));
    expect(search.end).toBe('exhausted');
  });

  it('ends at the memory limit and says how far it came', () => {
    const search = breadthFirst(puzzle(), { ...ALL, memory: 1 << 20 });
    expect(search.end).toBe('memory');
    expect(search.bytes).toBeLessThan(2 ** 21);
    const { done, of } = search.expanded;
    expect(done).toBeLessThan(of);
    expect(search.states).toBeLessThan(181440);
  });

  it('goes on from a checkpoint as if nothing had happened', () => {
    const whole = breadthFirst(philosophers(8));
    let search = new BreadthFirst(asModel(philosophers(8)), ALL);
    let resumed = 0;
    while (search.run(500) === 'running') {
      search = BreadthFirst.resume(asModel(philosophers(8)), ALL, search.checkpoint());
      resumed++;
    }
    expect(resumed).toBeGreaterThan(5);
    expect([search.states, search.transitions, search.deadlocks, search.depth]).toEqual([
      whole.states,
      whole.transitions,
      whole.deadlocks,
      whole.depth,
    ]);
  });
});

describe('depth-first search', () => {
  function depthFirst(packed: PackedModel, depth: number, memory = 2 ** 30): DepthFirst {
    const search = new DepthFirst(asModel(packed), { ...ALL, depth, memory });
    while (search.run(10_000) === 'running');
    return search;
  }

  it('meets the states of the breadth-first search, whatever the bound', () => {
    for (const depth of [1, 5, 9, 14]) {
      for (const toy of [puzzle(), boundedQueue(4, 3), philosophers(5), petersonLock()]) {
        const search = depthFirst(toy, depth);
        const due = breadthFirst(toy, { ...ALL, depth });
        expect(search.end).toBe('exhausted');
        expect(search.states).toBe(due.states);
        expect(search.transitions).toBeGreaterThanOrEqual(due.transitions);
      }
    }
  });

  it('finds what is wrong within its bound, and nothing beyond it', () => {
    const [found] = depthFirst(petersonLock(true), 9).findings;
    expect(found!.actions.length).toBeGreaterThanOrEqual(6);
    expect(found!.actions.length).toBeLessThanOrEqual(9);
    expect(depthFirst(petersonLock(true), 5).findings).toEqual([]);
  });

  it('ends at the memory limit', () => {
    const search = depthFirst(puzzle(), 40, 1 << 20);
    expect(search.end).toBe('memory');
    expect(search.bytes).toBeLessThanOrEqual(1 << 20);
  });
});

describe('random walks', () => {
  it('find what is wrong, the same for the same seed', () => {
    const walk = (seed: number): string => {
      const found = new RandomWalk(asModel(petersonLock(true)), { seed, walks: 200, depth: 30 });
      while (found.run(100));
      return JSON.stringify(found.findings);
    };
    expect(walk(1)).toContain('"property":0');
    expect(walk(1)).toBe(walk(1));
  });
});

describe('the set of fingerprints', () => {
  it('keeps what was added while it grows', () => {
    const seen = new Seen(16);
    for (let i = 1; i <= 5000; i++) expect(seen.add(i, -i)).toBe(true);
    for (let i = 1; i <= 5000; i++) expect(seen.add(i, -i)).toBe(false);
    expect(seen.has(1, 1)).toBe(false);
    expect(seen.size).toBe(5000);
    expect(Seen.from(seen.words()).has(4711, -4711)).toBe(true);
  });
});
