/** Statistics: what each step adds to them, on model and kernel. */
import { describe, expect, it } from 'vitest';
import { mayBeOthers, verifyProgram } from '../../src/lab/index.ts';
import { DEFAULT_LAYOUT } from '../../src/lab/layout.ts';
import { ModelKernel } from '../../src/lab/model_kernel.ts';
import { DEFAULT_MEMORY, statsOf } from '../../src/lab/run.ts';
import { findKernel } from '../../src/mm/release.ts';
import { parseProgram } from '../../src/scenario/index.ts';
import type { StepOutcome } from '../../src/scenario/transcript.ts';

const THP = '/sys/kernel/mm/transparent_hugepage';
const { program } = parseProgram(
  `echo always > ${THP}/hugepages-64kB/enabled
echo always > ${THP}/hugepages-64kB/shmem_enabled
a = mmap(1M, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
s = mmap(2M, 64K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
write a
write s
munmap(a, 4K)
`,
  'test.fl',
);
const release = findKernel('6.18')!;

const NAMES = [
  ...['thp_split_pmd', 'thp_fault_alloc', 'pgfault'],
  ...[
    'shmem_alloc',
    'split_deferred',
    'anon_fault_alloc',
    'nr_anon',
    'nr_anon_partially_mapped',
  ].map(of),
];

/** What the model says, as another kernel's transcript; counters begin anywhere. */
function transcript(offset: number) {
  const kernel = new ModelKernel({ release, memory: DEFAULT_MEMORY }, '');
  const outcomes: StepOutcome[] = [];
  const stats: Map<string, number>[] = [];
  program.steps.forEach((step, i) => {
    outcomes.push(kernel.execute(step, i));
    // A kernel tells those that are 0 too.
    const mine = statsOf(kernel.m);
    stats.push(new Map(NAMES.map((name) => [name, (mine[name] ?? 0) + offset])));
  });
  const observations = program.steps.map(() => undefined);
  return { kernel: 'test', outcomes, observations, stats, layout: DEFAULT_LAYOUT };
}

function of(item: string): string {
  return `hugepages-64kB/stats/${item}`;
}

/** The divergence when from step `i` on a counter is another one. */
function changed(i: number, name: string, by: number, quiet: boolean) {
  const seen = transcript(1000);
  seen.stats.forEach((now, at) => {
    if (at >= i) now.set(name, (now.get(name) ?? 1000) + by);
  });
  return verifyProgram(program, { ...seen, quiet }, { release }).divergence;
}

describe('statistics', () => {
  it('agree wherever the counters began', () => {
    for (const offset of [0, 7, 1e6]) {
      const found = verifyProgram(program, { ...transcript(offset), quiet: true }, { release });
      expect(found.divergence).toBeUndefined();
    }
    const without = { ...transcript(0), stats: [] };
    const some = verifyProgram(program, transcript(0), { release }).compared;
    expect(some).toBeGreaterThan(verifyProgram(program, without, { release }).compared);
  });

  it('differ at the step that adds another amount', () => {
    expect(changed(5, of('shmem_alloc'), 1, false)).toMatchObject({
      line: 6,
      text: 'write s',
      observable: `statistic ${of('shmem_alloc')}, added by the step`,
      model: '1',
      kernel: '2',
    });
    expect(changed(6, of('split_deferred'), -1, true)).toMatchObject({ model: '1', kernel: '0' });
    expect(changed(3, 'thp_split_pmd', 1, false)).toMatchObject({ line: 4, kernel: '1' });
  });

  it('of private memory are compared where nobody else faults', () => {
    for (const item of ['anon_fault_alloc', 'nr_anon', 'split_deferred']) {
      expect(changed(4, of(item), 1, false)).toBeUndefined();
      expect(changed(4, of(item), 1, true)?.observable).toContain(item);
    }
  });

  it('that are not about large folios are not compared', () => {
    expect(changed(4, 'pgfault', 5, true)).toBeUndefined();
  });

  it('may have been moved by others, and nothing else may', () => {
    expect(mayBeOthers(changed(3, 'thp_split_pmd', 1, false))).toBe(true);
    const seen = transcript(0);
    const outcomes = seen.outcomes.map((o) => ({ ...o, minflt: o.minflt + 1 }));
    const found = verifyProgram(program, { ...seen, outcomes }, { release }).divergence;
    expect(found?.observable).toBe('minflt');
    expect(mayBeOthers(found)).toBe(false);
    expect(mayBeOthers(undefined)).toBe(false);
  });
});
