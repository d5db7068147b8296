/** Equal state and transition counts: the explorer and Spin on the same system in Promela. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PackedSearch } from '../../src/check/index.ts';
import { philosophers, philosophersPromela } from '../../src/check/toys.ts';

const present = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;
const missing = ['spin', 'cc'].filter((name) => !present(name));
const title = missing.length === 0 ? '' : ` (skipped: no ${missing.join(', no ')} here)`;

it.skipIf(missing.length > 0)(`counts as Spin does${title}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-spin-'));
  try {
    const n = 9;
    writeFileSync(join(folder, 'toy.pml'), philosophersPromela(n));
    const run = (command: string, ...args: string[]): string =>
      execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
    run('spin', '-a', 'toy.pml');
    run('cc', '-O1', '-DSAFETY', '-DNOREDUCE', '-DNOFAIR', '-o', 'pan', 'pan.c');
    const said = run('./pan', '-E', '-n');
    const number = (what: RegExp): number => Number(what.exec(said)?.[1]);
    const { states, transitions } = new PackedSearch(philosophers(n)).run();
    expect(number(/(\d+) states, stored/)).toBe(states);
    // Spin counts the initial state as one that a transition led to.
    expect(number(/(\d+) transitions/)).toBe(transitions + 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
