/**
 * The parallel search against the one on one thread: the same tree, node for node. Threads are played
 * by Expanders that take turns in an order of chance, each turn one chunk: any order must do.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/index.ts';
import {
  asModel,
  BreadthFirst,
  CHUNK,
  Expander,
  type LevelSearch,
  type Model,
  type PackedModel,
  ParallelSearch,
  ROUND_NEXT,
  type SearchOptions,
} from '../../src/check/index.ts';
import { boundedQueue, petersonLock, philosophers, puzzle } from '../../src/check/toys.ts';

const ALL: SearchOptions = { depth: 1000, memory: 2 ** 30, aftermath: 2 };
const BUDGET = 1 << 12;

function alone(model: Model, options: SearchOptions): BreadthFirst {
  const search = new BreadthFirst(model, options);
  while (search.run(BUDGET) === 'running');
  return search;
}

/** Runs one round; turns are dealt by chance. */
function playRound(search: ParallelSearch, threads: readonly Expander[], random: Random): boolean {
  const round = search.round(BUDGET);
  if (round === undefined) return false;
  const working = [...threads];
  while (working.length > 0) {
    const at = random.below(working.length);
    if (!working[at]!.chunk(round)) working.splice(at, 1);
  }
  search.join(
    round,
    threads.map((thread) => thread.share()),
  );
  return true;
}

function together(make: () => Model, jobs: number, seed: number, options = ALL): ParallelSearch {
  const search = new ParallelSearch(make(), options, jobs);
  const threads = Array.from({ length: jobs }, () => new Expander(make()));
  const random = new Random(seed);
  while (playRound(search, threads, random));
  return search;
}

/** Runs one round as if threads were delayed: what one of them has taken may be expanded last. */
function playDelayed(
  search: ParallelSearch,
  threads: readonly Expander[],
  random: Random,
): boolean {
  const round = search.round(Number.MAX_SAFE_INTEGER);
  if (round === undefined) return false;
  const next = new Int32Array(round.shared);
  const taken: number[][] = threads.map(() => []);
  for (let at = round.from; at < round.to; at += CHUNK) taken[random.below(taken.length)]!.push(at);
  const order = threads.map((_, thread) => thread).sort(() => random.below(3) - 1);
  for (const thread of order) {
    for (const at of taken[thread]!) {
      next[ROUND_NEXT] = at;
      expect(threads[thread]!.chunk(round)).toBe(true);
    }
  }
  next[ROUND_NEXT] = round.to;
  search.join(
    round,
    threads.map((thread) => thread.share()),
  );
  return true;
}

function delayed(make: () => Model, jobs: number, seed: number, options = ALL): ParallelSearch {
  const search = new ParallelSearch(make(), options, jobs);
  const threads = Array.from({ length: jobs }, () => new Expander(make()));
  const random = new Random(seed);
  while (playDelayed(search, threads, random));
  return search;
}

function outcome(search: LevelSearch): unknown {
  const { end, states, transitions, cut, deadlocks, levels, depth, findings, tree } = search;
  const saved = createHash('sha1').update(tree.saved()).digest('hex');
  return { end, states, transitions, cut, deadlocks, levels, depth, findings, saved };
}

/** A lattice with a property broken on a diagonal: many ways to each state, all of a length. */
function lattice(size: number): PackedModel {
  return {
    words: 2,
    fanOut: 2,
    initial: (into) => into.fill(0, 0, 2),
    successors(states, from, into) {
      let n = 0;
      for (let way = 0; way < 2; way++) {
        if (states[from + way]! === size) continue;
        into[2 * n] = states[from]! + (way === 0 ? 1 : 0);
        into[2 * n + 1] = states[from + 1]! + way;
        n++;
      }
      return n;
    },
    isBad: (states, from) => states[from] === states[from + 1]! + 7,
  };
}

/** The same where an action breaks a law on some ways to a state and not on others; all are broken. */
function unruly(size: number): Model {
  const model = asModel(lattice(size));
  const print = new Int32Array(2);
  let last = 0;
  return {
    ...model,
    properties: ['bad', 'step'],
    act(action) {
      last = action;
      return model.act(action);
    },
    brokenByAction() {
      model.fingerprint(print);
      return last === 0 && (print[0]! & 7) === 0 ? 2 : 0;
    },
    brokenInState: () => 1,
    kindOf: (property, action) => `${property} by ${action}`,
  };
}

describe('parallel search', () => {
  it('tells of an action what it broke, whoever meets its state first', () => {
    const options = { ...ALL, aftermath: 1000 };
    const due = alone(unruly(60), options);
    expect(due.findings.map(({ kind }) => kind)).toEqual(['0 by -1', '1 by 0']);
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      expect(outcome(delayed(() => unruly(60), 3, seed, options))).toEqual(outcome(due));
    }
  });

  const toys: Readonly<Record<string, () => PackedModel>> = {
    'the sliding puzzle': puzzle,
    'a queue': () => boundedQueue(5, 3),
    'nine philosophers': () => philosophers(9),
    "Peterson's lock, broken": () => petersonLock(true),
    'a lattice with bad states': () => lattice(60),
  };
  for (const [name, toy] of Object.entries(toys)) {
    it(`builds the tree of one thread: ${name}`, () => {
      const due = outcome(alone(asModel(toy()), ALL));
      for (const [jobs, seed] of [
        [1, 1],
        [2, 2],
        [2, 3],
        [5, 4],
      ] as const) {
        expect(outcome(together(() => asModel(toy()), jobs, seed))).toEqual(due);
      }
      // The puzzle's levels are larger than one round.
      if (toy !== puzzle) expect(outcome(delayed(() => asModel(toy()), 3, 5))).toEqual(due);
    });
  }

  it('stops at the same depth', () => {
    const options = { ...ALL, depth: 14 };
    const due = outcome(alone(asModel(puzzle()), options));
    expect(outcome(together(() => asModel(puzzle()), 3, 9, options))).toEqual(due);
  });

  it('goes on from a checkpoint of either search, with any number of threads', () => {
    const due = outcome(alone(asModel(philosophers(8)), ALL));
    const model = (): Model => asModel(philosophers(8));
    let search = new ParallelSearch(model(), ALL, 2);
    let threads = [new Expander(model()), new Expander(model())];
    const random = new Random(5);
    for (let round = 0; round < 6; round++) expect(playRound(search, threads, random)).toBe(true);
    // One thread takes over, then three.
    const one = BreadthFirst.resume(model(), ALL, search.checkpoint());
    one.run(1000);
    search = new ParallelSearch(model(), ALL, 3, one.checkpoint());
    threads = [1, 2, 3].map(() => new Expander(model()));
    while (playRound(search, threads, random));
    expect(outcome(search)).toEqual(due);
  });

  it('ends at the memory limit, and what it covered is a beginning of the tree', () => {
    const options = { ...ALL, memory: 1 << 20 };
    const search = together(() => asModel(puzzle()), 2, 6, options);
    expect(search.end).toBe('memory');
    expect(search.bytes).toBeLessThan(2 ** 21);
    const { done, of } = search.expanded;
    expect(done).toBeLessThan(of);
    const whole = alone(asModel(puzzle()), ALL).tree.saved();
    const part = search.tree.saved();
    expect(part.length).toBeGreaterThan(3000);
    expect(Buffer.from(part.buffer).equals(Buffer.from(whole.buffer, 0, part.byteLength))).toBe(
      true,
    );
  });
});
