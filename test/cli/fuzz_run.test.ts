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
