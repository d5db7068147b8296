/** `check` as a user and a script see it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultline, fileIn, withFolder } from './faultline.ts';

const SHORT = ['--steps', '4'];

describe('check', () => {
  it('exits 1 where a law is broken; its counterexamples are scenarios that run confirms', () => {
    withFolder((folder) => {
      const found = join(folder, 'found');
      const args = ['check', '--kernel', 'shmem-mthp-v1', ...SHORT, '--json', '-o', found];
      const ran = faultline(args);
      expect(ran.stderr).toBe('');
      expect(ran.code).toBe(1);
      const report = JSON.parse(ran.stdout);
      const files = readdirSync(found).sort();
      expect(files.length).toBe(report.violations.length);
      const name = files.find((file) => file.includes('translation'))!;
      const text = readFileSync(join(found, name), 'utf8');
      const violation = report.violations.find((v: { law: string }) => v.law === 'translation');
      expect(violation.program).toBe(text);
      expect(violation.after.length).toBeGreaterThan(0);
      const again = faultline(['run', '--laws', '--json', fileIn(folder, 'x.fl', text)]);
      const laws = JSON.parse(again.stdout).laws as { name: string; broken: unknown[] }[];
      expect(laws.find((law) => law.name === 'translation')!.broken).not.toEqual([]);
    });
  });

  it('exits 0 where none is, says what was covered and which law was never exercised', () => {
    const ran = faultline(['check', ...SHORT]);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/exhaustive: every program within the bounds/);
    expect(ran.stdout).toMatch(/\? uffd: never exercised, nothing is proved/);
    expect(ran.stdout).toMatch(/6\.18 breaks no law within the bounds/);
  });

  it('says that a sample is a sample, and that the memory limit cut the search', () => {
    const walked = faultline(['check', '--walks', '20', '--steps', '9', '--seed', '3', '--json']);
    expect(JSON.parse(walked.stdout)).toMatchObject({ end: 'walked', method: 'random walks' });
    const cut = faultline(['check', '--steps', '8', '--memory-limit', '2M']);
    expect(cut.stdout).toMatch(/not exhaustive, the memory limit was reached: every program of up/);
  });

  it('says the same with one thread and with three', () => {
    const on = (jobs: string): unknown => {
      const args = ['check', '--kernel', 'shmem-mthp-v1', ...SHORT, '--jobs', jobs, '--json'];
      const { bytes: _, ...rest } = JSON.parse(faultline(args).stdout);
      return rest;
    };
    expect(on('3')).toEqual(on('1'));
  });

  it('prints nothing under --quiet where all is well', () => {
    expect(faultline(['check', '--quiet', '--steps', '2'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('refuses what it does not know', () => {
    for (const [option, value, hint] of [
      ['--laws', 'translations', /did you mean|known are/],
      ['--focus', 'share', /did you mean|known are/],
      ['--pages', '3', /expected 1, 2, 4 or 8/],
      ['--steps', '0', /whole number from 1/],
      ['--memory-limit', '5', /expected a size/],
      ['--kernel', '6.99', /no kernel/],
    ] as const) {
      const ran = faultline(['check', option, value]);
      expect(ran.code, option).toBe(2);
      expect(ran.stderr).toMatch(hint);
      expect(ran.stdout).toBe('');
    }
  });

  it('refuses a place that it cannot write', () => {
    const ran = faultline(['check', '--steps', '2', '-o', '/proc/nowhere']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/\/proc\/nowhere: error: cannot write/);
  });

  it('goes on from its checkpoint, and from no other', () => {
    withFolder((folder) => {
      const file = join(folder, 'state');
      const bounds = [
        '--mappings',
        'shared',
        '--calls',
        'fork,mremap,munmap,dontneed',
        '--steps',
        '6',
      ];
      const args = ['check', '--checkpoint', file, ...bounds, '--json'];
      const counts = (ran: { stdout: string }): unknown[] => {
        const { end, states, transitions, laws, branches } = JSON.parse(ran.stdout);
        return [end, states, transitions, laws, branches];
      };
      const whole = faultline(['check', ...bounds, '--json']);
      const cut = faultline([...args, '--jobs', '1', '--memory-limit', '1M']);
      expect(JSON.parse(cut.stdout).end).toBe('memory');
      const resumed = faultline([...args, '--jobs', '2']);
      expect(counts(resumed)).toEqual(counts(whole));
      const other = faultline([...args, '--steps', '3']);
      expect(other.code).toBe(2);
      expect(other.stderr).toMatch(/state: error: this checkpoint is of another kernel/);
      const none = faultline(['check', '--checkpoint', fileIn(folder, 'x', 'no checkpoint\n')]);
      expect(none.code).toBe(2);
      expect(none.stderr).toMatch(/no checkpoint of/);
    });
  });
});
