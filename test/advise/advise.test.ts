/** Settings, costs, the front and the lines that set a machine: rules that can be checked by hand. */
import { expect, test } from 'vitest';
import {
  candidateOf,
  commandsFor,
  costOf,
  DEFAULT_COSTS,
  defaultCandidates,
  heatMap,
  interpolate,
  type Judged,
  judge,
  parseSettings,
  recommend,
  referenceOf,
  Trial,
} from '../../src/advise/index.ts';
import { KERNELS } from '../../src/mm/release.ts';
import { releaseNamed, THP_ROOT } from '../../src/replay/index.ts';
import { emptyMeta } from '../../src/trace/index.ts';
import { Tape } from '../replay/world.ts';

const A = 0x7ff000000;
const MIB = 2 ** 20;
const ONE_SMALL = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const none = { shmem: false, advises: false, files: false };

/** Every fourth page is touched: larger folios trade memory for faults. */
function tried(pages = 512, memory = 0): Judged[] {
  const tape = new Tape().exec();
  // No mapping larger than the machine: that would be refused.
  for (let page = 0; page < pages; page += 8192) tape.mmap(A + page, Math.min(8192, pages - page));
  for (let page = 0; page < pages; page += 4) tape.write(A + page);
  const { machine } = emptyMeta('tracepoints', '');
  const trial = new Trial(tape.trace({ machine: { ...machine, memory } }), releaseNamed());
  const recorded = trial.recorded();
  const outcomes = defaultCandidates(none).map((candidate) => trial.run(candidate));
  const how = { costs: DEFAULT_COSTS, passes: 0, measured: null, recorded };
  return judge(outcomes, outcomes[0]!, how);
}

test('sixteen settings of different names, the reference first; more where the trace has more', () => {
  const plain = defaultCandidates(none);
  expect(plain).toHaveLength(16);
  expect(plain[0]).toEqual(referenceOf());
  const all = defaultCandidates({ shmem: true, advises: true, files: true });
  expect(new Set(all.map((one) => one.name)).size).toBe(all.length);
  expect(all.length).toBeGreaterThan(30);
});

test.each(KERNELS.map(({ name }) => name))('%s refuses none of its settings', (name) => {
  const release = releaseNamed(name);
  const tape = new Tape()
    .exec()
    .mmap(A, 1024)
    .write(A, 1)
    .shared(A + 2048, 1024);
  const trial = new Trial(tape.write(A + 2048, 1).trace(), release);
  const traits = { shmem: true, advises: true, files: true };
  const list = defaultCandidates(traits, release);
  expect(list[0]).toEqual(referenceOf(release));
  expect(new Set(list.map((one) => one.name)).size).toBe(list.length);
  const outcomes = list.map((one) => trial.run(one));
  expect(outcomes.flatMap(({ refused }) => refused)).toEqual([]);
  // The largest folio of each kind that some setting gives.
  const most = (kind: string) =>
    Math.max(...outcomes.map(({ faults }) => faults.byOrder[kind]!.findLastIndex((n) => n > 0)));
  expect([most('anon'), most('shmem')]).toEqual([9, 9]);
  expect(outcomes[0]!.faults.byOrder).toMatchObject({ anon: ONE_SMALL, shmem: ONE_SMALL });
});

test('a kernel that has no sizes has one file for 2 MiB', () => {
  const names = (kernel: string, shmem: boolean) =>
    defaultCandidates({ ...none, shmem }, releaseNamed(kernel)).map((one) => one.name);
  expect(names('6.1', true)).toEqual([
    ...['4K only', '2M', 'shmem 2M', '2M, shmem 2M', '2M, shmem 2M within size'],
  ]);
  expect(names('6.10', false)).toEqual(names('6.18', false));
  expect(names('6.10', true)).toContain('64K+2M, shmem 2M');
  expect(referenceOf(releaseNamed('6.1')).settings).toEqual([
    { path: `${THP_ROOT}enabled`, value: 'never' },
    { path: `${THP_ROOT}shmem_enabled`, value: 'never' },
  ]);
});

test('sparse touches: bloat is what a folio holds beyond what was touched', () => {
  const list = tried();
  const of = (name: string) => list.find((one) => one.name === name)!;
  expect(of('4K only').peak.memory).toBe(128 * 4096);
  expect(of('16K').bloat).toBe(3);
  expect(of('16K').faults.total).toBe(128);
  expect(of('2M').faults.total).toBe(1);
  expect(of('2M').census.waste).toBe(384 * 4096);
});

test('the recommendation keeps to the limit, and is on the front', () => {
  const list = tried();
  expect(recommend(list, 0.1)!.name).toBe('4K only');
  const free = recommend(list, 10)!;
  expect(free.name).toBe('2M');
  for (const one of list) {
    const beaten = list.some(
      (o) => o.cost.total < one.cost.total && o.peak.memory < one.peak.memory,
    );
    if (one.front) expect(beaten).toBe(false);
  }
  expect(list.some((one) => one.front)).toBe(true);
});

test('what does not fit into the machine is neither advised nor on the front', () => {
  const memory = 64 * MIB;
  // 40 MiB of small pages, 160 MiB of any others.
  const list = tried((160 * MIB) / 4096, memory);
  expect(list[0]!.faults).toMatchObject({ total: 10240, noMemory: 0 });
  for (const one of list.slice(1)) {
    expect(one.faults.noMemory).toBeGreaterThan(0);
    expect(one.peak.memory).toBeLessThanOrEqual(memory);
  }
  expect(list.filter((one) => one.front)).toEqual([list[0]]);
  expect(recommend(list, 10)).toBe(list[0]);
  // 80 MiB of small pages.
  const none = tried((320 * MIB) / 4096, memory);
  expect(none.some((one) => one.front || one.faults.noMemory === 0)).toBe(false);
  expect(recommend(none, 10)).toBe(undefined);
});

test('costs lie on lines between those that were measured', () => {
  const costs = interpolate([
    [0, 1000],
    [2, 4000],
    [9, 257000],
  ]);
  expect(costs[0]).toBe(1000);
  expect(costs[1]).toBe(2000);
  expect(costs[2]).toBe(4000);
  expect(costs[9]).toBe(257000);
  for (let order = 1; order < 10; order++) expect(costs[order]).toBeGreaterThan(costs[order - 1]!);
  expect(interpolate([[0, 5]])).toHaveLength(10);
});

test('a fault costs by its kind and order; clearing is a part of it', () => {
  const byOrder = { anon: [2, 0, 0, 0, 0, 0, 0, 0, 0, 1], file: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
  const shared = { mapped: new Array(10).fill(0), noMemory: 0 };
  const counts = { total: 6, kernel: 0, carried: 0, saved: 0, repeated: 0, byKind: {}, byOrder };
  const faults = { ...counts, ...shared };
  const peak = { memory: 2097152, anon: 0, shmem: 0, time: 0, rss: 0 };
  const census = {
    anonByOrder: [],
    shmemByOrder: [],
    waste: 0,
    mapped: 0,
    thpShare: 1,
    contpteShare: 1,
  };
  const { anon, file, zeroByte, tlbMiss } = DEFAULT_COSTS;
  const cost = costOf(DEFAULT_COSTS, faults, peak, census, 2);
  expect(cost.tlb).toBe(2 * tlbMiss);
  expect(cost.zeroing).toBeCloseTo((2 * 4096 + 2097152) * zeroByte);
  expect(cost.total).toBeCloseTo(2 * anon[0]! + anon[9]! + 3 * file + 2 * tlbMiss);
  // Three faults on one 64K folio: one made it.
  const shmem = [0, 0, 0, 0, 3, 0, 0, 0, 0, 0];
  const mapped = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0];
  const three = costOf(DEFAULT_COSTS, { ...faults, byOrder: { shmem }, mapped }, peak, census, 0);
  const { shmem: made, shmemMapped: found } = DEFAULT_COSTS;
  expect(three.total).toBeCloseTo(made[4]! + 2 * found[4]!);
  expect(three.zeroing).toBeCloseTo(65536 * zeroByte);
});

test('lines to apply and to undo: only what changes, the last first when undone', () => {
  const now: Record<string, string> = {
    '/a/hugepages-16kB/enabled': 'always inherit madvise [never]',
    '/a/hugepages-64kB/enabled': '[always] inherit madvise never',
  };
  const settings = [
    { path: '/a/hugepages-16kB/enabled', value: 'always' },
    { path: '/a/hugepages-64kB/enabled', value: 'always' },
    { path: '/sys/kernel/debug/fault_around_bytes', value: '4096' },
  ];
  expect(commandsFor(settings, (path) => now[path])).toEqual({
    apply: [
      'echo always > /a/hugepages-16kB/enabled',
      'echo 4096 > /sys/kernel/debug/fault_around_bytes',
    ],
    undo: [
      'echo 65536 > /sys/kernel/debug/fault_around_bytes',
      'echo never > /a/hugepages-16kB/enabled',
    ],
  });
});

test('a setting says every size, so that what a machine has does not matter', () => {
  const { settings } = candidateOf({ anon: [4], shmem: [9], faultAround: 4096 });
  expect(settings).toHaveLength(8 + 9 + 1);
  expect(settings.filter(({ value }) => value === 'always')).toHaveLength(2);
});

test('settings of one’s own: names, comments, and what is wrong with its place', () => {
  const path = (name: string): string => `/x/${name}`;
  const good = parseSettings('# mine\nsmall: a=b\n\nboth: a=b c=d # two\n', 'f', path);
  expect(good.diagnostics).toEqual([]);
  expect(good.candidates.map((one) => one.settings.length)).toEqual([1, 2]);
  const bad = parseSettings('small a=b\nsmall: a=\nx: a=b\nx: c=d', 'f', path).diagnostics;
  expect(bad.map(({ line, column }) => [line, column])).toEqual([
    [1, 1],
    [2, 8],
    [4, 1],
  ]);
  expect(parseSettings('# nothing', 'f', path).diagnostics).toHaveLength(1);
});

test('the map of first touches: bands of touched memory, every touch in one cell', () => {
  const tape = new Tape()
    .exec()
    .mmap(A, 64)
    .write(A, 64)
    .mmap(A + 1e6, 64)
    .write(A + 1e6, 10);
  const map = heatMap(tape.trace());
  expect(map.bands.map(({ start, pages }) => [start, pages])).toEqual([
    [A, 64],
    [A + 1e6, 10],
  ]);
  expect(map.cells.reduce((sum, [, , touches]) => sum + touches, 0)).toBe(74);
  expect(heatMap(new Tape().trace()).cells).toEqual([]);
});
