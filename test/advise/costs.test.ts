/** Costs from what was measured, and the file that keeps them. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_COSTS } from '../../src/advise/index.ts';
import { costsFrom, readCosts, writeCosts } from '../../src/sweep/index.ts';
import { faultline } from '../cli/faultline.ts';

const each = { ns: 2000, pages: 1 };
const answer = {
  anon: each,
  anonHuge: { ns: 200_000, pages: 512 },
  shmem: { ns: 3000, pages: 1 },
  shmemHuge: { ns: 3000, pages: 1 },
  shmemMapped: { ns: 1000, pages: 1 },
  shmemMappedHuge: { ns: 1000, pages: 1 },
  file: { ns: 8000, pages: 64 },
  cow: { ns: 2500, pages: 1 },
  zeroByte: 0.1,
  load4k: 90,
  load2m: 70,
};

test('sizes that madvise() is given are measured, the others lie between', () => {
  const costs = costsFrom(answer, 'here', 'now');
  expect(costs.measured).toEqual([0, 9]);
  expect([costs.anon[0], costs.anon[9]]).toEqual([2000, 200_000]);
  expect(costs.shmem[9]).toBe(3000 + 198_000);
  expect(costs.file).toBe(2000);
  // Mapping what is there clears nothing.
  const [small, , , , medium] = costs.shmemMapped;
  expect([small, medium]).toEqual([expect.closeTo(1000), expect.closeTo(2200)]);
  const huge = { ns: 5000, pages: 512 };
  const measured = costsFrom({ ...answer, shmemMappedHuge: huge }, 'here', 'now').shmemMapped;
  expect(measured).toEqual([...costs.shmemMapped.slice(0, 9), 5000]);
  expect(costs.tlbMiss).toBe(20);
});

test('without large folios, a larger fault costs what clearing it adds', () => {
  const costs = costsFrom({ ...answer, anonHuge: each, load4k: 60 }, 'here', 'now');
  expect(costs.measured).toEqual([0]);
  expect(costs.anon[9]).toBeCloseTo(2000 + 511 * 4096 * 0.1);
  expect(costs.tlbMiss).toBe(0);
});

test('costs are kept and found; a file that is none of ours is passed over', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-costs-'));
  try {
    const path = join(folder, 'deep', 'costs.json');
    expect(readCosts(path)).toMatchObject({ costs: DEFAULT_COSTS, path: '', unreadable: false });
    const costs = costsFrom(answer, 'here', 'now');
    writeCosts(costs, path);
    expect(readCosts(path)).toEqual({ costs, path, unreadable: false });
    const { shmemMapped: _, ...older } = costs;
    writeFileSync(path, JSON.stringify(older));
    expect(readCosts(path).costs.shmemMapped[0]).toBe(1500);
    for (const text of ['{', '{"version":99}', '[]', JSON.stringify({ ...costs, anon: [1] })]) {
      writeFileSync(path, text);
      expect(readCosts(path)).toMatchObject({ costs: DEFAULT_COSTS, unreadable: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const hasCc = spawnSync('cc', ['--version']).status === 0;
if (!hasCc) console.log('skipped: cc is not installed');

test.skipIf(!hasCc)('calibrate measures this machine', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-costs-'));
  try {
    const ran = faultline(['calibrate', '--json'], { env: { XDG_CACHE_HOME: folder } });
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    const { path, costs } = JSON.parse(ran.stdout);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(costs);
    for (const ns of [...costs.anon, ...costs.shmem, costs.file, costs.cow]) {
      expect(ns).toBeGreaterThan(0);
    }
    const none = faultline(['calibrate'], { env: { XDG_CACHE_HOME: folder, PATH: '/nowhere' } });
    expect([none.code, none.stderr.includes('a C compiler')]).toEqual([2, true]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
