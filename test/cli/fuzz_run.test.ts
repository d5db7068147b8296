/** What becomes of a divergence: asked three more times, kept as a finding or as unstable. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { word } from '../../src/base/index.ts';
import { FuzzRun } from '../../src/cli/fuzz_run.ts';
import {
  AGREES,
  DIVERGES_AGAIN,
  type FuzzState,
  newState,
  StateDirectory,
} from '../../src/cli/fuzz_state.ts';
import type { HostSession } from '../../src/cli/host_session.ts';
import type { HostKernel } from '../../src/host/index.ts';
import { hostRelease } from '../../src/lab/index.ts';
import { DEFAULT_LAYOUT } from '../../src/lab/layout.ts';
import { ModelKernel } from '../../src/lab/model_kernel.ts';
import { DEFAULT_MEMORY, statsOf } from '../../src/lab/run.ts';
import { findKernel } from '../../src/mm/release.ts';
import type { Program } from '../../src/scenario/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'faultline-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A kernel whose calls all give what `answer` says for the n-th time that a program is asked. */
function fakeSession(answer: (asked: number) => number): HostSession & { asked: () => number } {
  let asked = 0;
  const execute = async (program: Program, { hold = false }: { hold?: boolean }) => {
    const value = word.fromNumber(hold ? 0 : answer(asked++));
    const outcomes = program.steps.map(({ op }) => {
      return op.kind === 'echo' ? { minflt: 0, majflt: 0 } : { value, minflt: 0, majflt: 0 };
    });
    return { kernel: 'fake', outcomes, observations: [], layout: DEFAULT_LAYOUT, notes: [] };
  };
  const info = () => ({ settings: new Map(), where: 'host', release: '6.18.1' });
  const host = { execute, info, close: async () => {} } as unknown as HostKernel;
  return { host, modelled: hostRelease('6.18.1')!, asked: () => asked };
}

async function fuzzOne(name: string, session: HostSession): Promise<FuzzState> {
  const directory = new StateDirectory(join(folder, name));
  const state = newState(5, 6, '6.18.1');
  const asked = { jobs: 1, place: { kind: 'host' as const } };
  const hooks = { progress: () => {}, isOver: (now: FuzzState) => now.next >= 1 };
  await new FuzzRun(session, state, directory, asked, hooks).run();
  return directory.load(5, 6, '6.18.1')!;
}

describe('a divergence', () => {
  it('that shows each time is a finding, made small', async () => {
    const session = fakeSession(() => 0x77777);
    const state = await fuzzOne('stable', session);
    expect(session.asked()).toBeGreaterThan(4);
    expect(state.unstable).toEqual([]);
    expect(state.findings).toHaveLength(1);
    expect(state.findings[0]).toMatchObject({ program: 0, shrunk: true });
    expect(readFileSync(state.findings[0]!.file, 'utf8')).toContain('the kernel says 0x77777');
  });

  it('that is another one later is unstable: counted, and kept with its program', async () => {
    const session = fakeSession((asked) => (asked < 2 ? 0x77777 : 0x88888));
    const state = await fuzzOne('unstable', session);
    expect(session.asked()).toBe(4);
    expect(state.findings).toEqual([]);
    const [found] = state.unstable;
    expect(found?.later[0]).toBe(DIVERGES_AGAIN);
    expect(found?.later.slice(1).every((one) => one.includes('0x88888'))).toBe(true);
    expect(found?.file).toContain(join('unstable', 'seed-5-program-0.fl'));
    expect(readFileSync(found!.file, 'utf8')).toContain('the kernel says 0x77777');
  });
});

/** A kernel that is the model, but for `others`: what other processes add to a statistic, ask by ask. */
function statisticsSession(others: (asked: number) => number) {
  const asked: { readonly stats: boolean }[] = [];
  const model = (program: Program, extra: number) => {
    const kernel = new ModelKernel({ release: findKernel('6.18')!, memory: DEFAULT_MEMORY }, 't0');
    const stats: Map<string, number>[] = [];
    const outcomes = program.steps.map((step, i) => {
      const outcome = kernel.execute(step, i);
      const of = statsOf(kernel.m);
      const splits = (of.thp_split_pmd ?? 0) + (i > 0 ? extra : 0);
      stats.push(new Map([['thp_split_pmd', splits]]));
      return outcome;
    });
    return { kernel: 'fake', outcomes, observations: [], stats, layout: DEFAULT_LAYOUT, notes: [] };
  };
  const execute = async (program: Program, how: { hold?: boolean; stats?: boolean }) => {
    const stats = how.stats === true;
    const made = model(program, stats ? others(asked.length) : 0);
    if (how.hold !== true) asked.push({ stats });
    return stats ? made : { ...made, stats: [] };
  };
  const info = () => ({ settings: new Map(), where: 'host', release: '6.18.1' });
  const host = { execute, info, close: async () => {} } as unknown as HostKernel;
  return { host, modelled: hostRelease('6.18.1')!, asked };
}

describe('statistics', () => {
  it('are asked of one program in ten, and differ when they do each time', async () => {
    const session = statisticsSession(() => 1);
    const state = await fuzzOne('statistics', session);
    expect(session.asked.every(({ stats }) => stats)).toBe(true);
    expect(state.findings[0]?.divergence.observable).toContain('statistic thp_split_pmd');
  });

  it('that another process moved once are asked again, and that is all', async () => {
    const session = statisticsSession((asked) => (asked === 0 ? 1 : 0));
    const state = await fuzzOne('others', session);
    expect(session.asked).toHaveLength(2);
    expect(state).toMatchObject({ findings: [], unstable: [], programs: 1 });
    expect(state.values).toBeGreaterThan(0);
  });
});

it('a state of version 1 is taken over', () => {
  const path = join(folder, 'old');
  mkdirSync(path);
  const { unstable: _, ...rest } = newState(5, 6, '6.18.1');
  const old = { ...rest, version: 1, next: 70, fleeting: [12] };
  writeFileSync(join(path, 'state.json'), JSON.stringify(old));
  const state = new StateDirectory(path).load(5, 6, '6.18.1');
  expect(state).toMatchObject({ version: 2, next: 70 });
  expect(state?.unstable).toMatchObject([{ program: 12, later: [AGREES] }]);
});
