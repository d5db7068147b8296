/** Random programs of several processes: no kernel that was released breaks a law of the state. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/base/index.ts';
import { LAWS } from '../../src/laws/index.ts';
import { HUGE_ALWAYS, HUGE_NEVER } from '../../src/mm/settings.ts';
import { World } from './world.ts';

const BASE = 0x10000;
const WINDOW = 2048;
const ADVICE = [4, 8, 9, 10, 11, 14, 15, 18, 19, 20, 22, 23, 24, 25, 102, 103];

function soak(kernel: string, seed: number, steps: number): World {
  const w = new World(kernel);
  const r = new Random(seed);
  const s = w.m.settings;
  s.anonAlways = [0, 1 << 2, (1 << 2) | (1 << 4), 0x3fc][seed % 4]!;
  s.shmemAlways = [1 << 2, 0, 0x3fe, (1 << 4) | (1 << 9)][seed % 4]!;
  s.shmemMountHuge = seed % 4 === 3 ? HUGE_ALWAYS : HUGE_NEVER;
  s.faultAroundPages = [16, 1, 64, 16][seed % 4]!;
  const tasks = [w.parent];
  let value = 0;
  w.map(w.parent, BASE, WINDOW / 2, true);
  w.map(w.parent, BASE + WINDOW / 2, WINDOW / 2, false);
  for (let step = 0; step < steps; step++) {
    const task = r.pick(tasks);
    const long = r.chance(10);
    const pages = 1 + r.below(long ? 1100 : 24);
    const from = r.pick([0, 0, 0, 1000, 1000, 1500]);
    const at = BASE + r.below(WINDOW - Math.min(pages, WINDOW - 1));
    const near = BASE + from + r.below(40);
    const act = r.below(100);
    if (act < 35) w.store(task, near, ++value);
    else if (act < 60) w.load(task, near);
    else if (act < 72) w.map(task, at, pages, r.chance(50), r.pick([0, 1, 3, 3, 3]));
    else if (act < 76) w.unmap(task, at, pages);
    else if (act < 83) w.mremap(task, at, BASE + r.below(WINDOW), Math.min(pages, 64));
    else if (act < 89) w.protect(task, at, pages, r.pick([0, 1, 3, 3]));
    else if (act < 97) w.advise(task, at, pages, r.pick(ADVICE));
    else if (act < 99 && tasks.length < 4) tasks.push(w.fork(task, `task${step}`));
    else if (tasks.length > 1) {
      const gone = tasks.splice(1 + r.below(tasks.length - 1), 1)[0]!;
      w.exit(gone);
    }
    const broken = w.book.check();
    if (broken.length !== 0 || w.seen.length !== 0) {
      const [first] = [...broken, ...w.seen];
      throw new Error(`seed ${seed} step ${step}: ${first!.message}`);
    }
  }
  return w;
}

describe('random programs keep every law', () => {
  test.each(['6.10', '6.18'])('%s', (kernel) => {
    const met = new Set<string>();
    for (let seed = 1; seed <= 4; seed++) {
      for (const law of soak(kernel, seed, 250).book.exercised.keys()) met.add(law);
    }
    const silent = LAWS.map((law) => law.name).filter((name) => !met.has(name) && name !== 'uffd');
    expect(silent).toEqual([]);
  });
});
