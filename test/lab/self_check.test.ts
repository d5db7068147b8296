/** Two real programs under strace: calls and final mappings as predicted. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const SCRIPT = new URL('../../scripts/self_check.js', import.meta.url).pathname;

function whyNot(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs x86-64 Linux';
  const tried = spawnSync('strace', ['-o', '/dev/null', 'true'], { encoding: 'utf8' });
  if (tried.error !== undefined) return 'strace is not installed';
  return tried.status === 0 ? '' : 'strace may not trace here';
}

const why = whyNot();

it.skipIf(why !== '')(
  `predicts real programs and their mappings${why === '' ? '' : ` (skipped: ${why})`}`,
  () => {
    const ran = spawnSync(process.execPath, [SCRIPT, 'perl-posix', 'xz'], { encoding: 'utf8' });
    const rows = ran.stdout
      .split('\n')
      .slice(1)
      .filter((line) => line !== '');
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      if (row.includes('skipped:')) continue;
      const [, processes, calls, matched, mismatched, , lines, differ] = row.trim().split(/ +/);
      expect(Number(processes)).toBeGreaterThan(1);
      expect(Number(calls)).toBeGreaterThan(100);
      expect(Number(matched)).toBeGreaterThan(50);
      expect([mismatched, differ]).toEqual(['0', '0']);
      expect(Number(lines)).toBeGreaterThan(20);
    }
  },
  120000,
);
