/**
 * A check on several threads and on one: the same report, to the last count. Threads are played by
 * CheckParts that do their part of a round one after the other, or in the opposite order.
 */
import { describe, expect, it } from 'vitest';
import {
  type CheckOptions,
  CheckPart,
  type CheckReport,
  checkKernel,
  KernelCheck,
  PRESETS,
} from '../../src/explore/index.ts';
import { findKernel } from '../../src/mm/release.ts';

function inParts(kernel: string, options: CheckOptions, jobs: number, lastFirst: boolean) {
  const release = findKernel(kernel)!;
  const { bounds = PRESETS.default, laws } = options;
  const check = new KernelCheck(release, { ...options, jobs });
  const others = Array.from({ length: jobs - 1 }, () => new CheckPart(release, bounds, laws));
  // Small rounds: more of them, in which several threads have something to do.
  for (let round = check.round(300); round !== undefined; round = check.round(300)) {
    if (!lastFirst) check.work({ ...round, transitions: 100 });
    const work = round;
    const done = others.map((part) => part.work({ ...work, transitions: 200 }));
    if (lastFirst) check.work(round);
    check.join(round, done);
  }
  return check.report();
}

/** All but the size of tables. */
function said({ bytes: _, ...rest }: CheckReport): unknown {
  return rest;
}

describe('a check on several threads says what one on one thread says', () => {
  const small = { ...PRESETS.shared, steps: 4, kinds: ['memfd'] as const };
  for (const kernel of ['6.18', '6.11', 'shmem-mthp-v1', 'shmem-mthp-v1-guarded']) {
    it(`of ${kernel}`, () => {
      const due = said(checkKernel(findKernel(kernel)!, { bounds: small }));
      expect(said(inParts(kernel, { bounds: small }, 2, false))).toEqual(due);
      expect(said(inParts(kernel, { bounds: small }, 3, true))).toEqual(due);
    });
  }

  it('of races', () => {
    const bounds = { ...PRESETS.races, steps: 4 };
    const due = said(checkKernel(findKernel('6.18')!, { bounds }));
    expect(said(inParts('6.18', { bounds }, 2, true))).toEqual(due);
  });
});
