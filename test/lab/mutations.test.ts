/**
 * The mutation harness does not rot: every mistake can still be made and is a program, a sample of
 * them is noticed by a law, and a dropped re-check by the checker.
 */
import { expect, test } from 'vitest';
import { judge, mutated, parses, sample } from '../../scripts/mutate/harness.js';
import { MUTATIONS } from '../../scripts/mutate/list.js';

interface Mutation {
  readonly file: string;
  readonly find: string;
  readonly put: string;
  readonly due: string;
  readonly races: boolean;
}

const all = MUTATIONS as readonly Mutation[];
/** One scenario is enough for these, and is read in no time. */
const OPTIONS = { programs: 0, transitions: 0, scenarios: 'thread-' };
const SAMPLE = 12;
const SEED = 3;

test('every mistake of the list can be made exactly once', () => {
  expect(all.length).toBeGreaterThanOrEqual(60);
  for (const mutation of all) {
    expect(mutated(mutation)).toContain(mutation.put);
    expect(mutation.find).not.toBe(mutation.put);
  }
});

test('a file with a mistake is still a program', async () => {
  await Promise.all(all.map((mutation) => parses(mutation)));
});

test('a text that is not there is an error of ours', () => {
  const gone = { file: 'src/mm/fork.ts', find: 'no such text', put: '', due: '' };
  expect(() => mutated(gone)).toThrow('0 times, not once');
});

test.each([
  ['m.mm.rssAnon[vmf.mm]! += n - 1;', 'counters'],
  ['if (cow && m.pt.length === 0) {', 'permission'],
  ['const vpn = vmf.vpn;', 'translation'],
])('%s is noticed by the law %s', async (put, law) => {
  const mutation = all.find((m) => m.put === put && m.due.startsWith(law));
  const found = await judge(mutation, OPTIONS);
  expect(found.law?.by).toBe('law');
  expect(found.law?.what).toBe(law);
});

const rest = all.filter((m) => !m.races);
test.concurrent.each(sample(rest, SAMPLE, SEED) as Mutation[])(
  'the corpus notices: $file: $due',
  async (mutation) => {
    const found = await judge(mutation, { programs: 0, transitions: 0, limitMs: 20000 });
    expect(found.law, JSON.stringify(found)).toBeDefined();
  },
);

test('the checker notices a folio that is split while a fault holds it', async () => {
  const held = all.find((m) => m.file.endsWith('folio_split.ts') && m.races);
  const found = await judge(held, { programs: 0, transitions: 40000, scenarios: 'none' });
  expect(found.law).toMatchObject({ by: 'check', what: 'refcount' });
});
