/** The mutation harness does not rot: every mistake can still be made, and a handful are noticed. */
import { expect, test } from 'vitest';
import { judge, mutated } from '../../scripts/mutate/harness.js';
import { MUTATIONS } from '../../scripts/mutate/list.js';

interface Mutation {
  readonly file: string;
  readonly find: string;
  readonly put: string;
  readonly due: string;
}

const all = MUTATIONS as readonly Mutation[];
/** One scenario is enough for these, and is read in no time. */
const OPTIONS = { programs: 0, transitions: 0, scenarios: 'thread-' };

test('every mistake of the list can be made exactly once', () => {
  expect(all.length).toBeGreaterThanOrEqual(60);
  for (const mutation of all) {
    expect(mutated(mutation)).toContain(mutation.put);
    expect(mutation.find).not.toBe(mutation.put);
  }
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
