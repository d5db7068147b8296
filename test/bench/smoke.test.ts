/** Every benchmark runs, on tiny inputs; nothing is timed here. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

interface Row {
  readonly name: string;
  readonly value: number;
  readonly agree?: boolean;
}

test('npm run bench -- --tiny', () => {
  const out = execFileSync(process.execPath, [main, '--tiny', '--json'], { encoding: 'utf8' });
  const { rows, checksum } = JSON.parse(out) as { rows: Row[]; checksum: number };
  expect(rows.map((row) => row.name)).toContain('anon-4k');
  expect(rows.length).toBeGreaterThanOrEqual(13);
  expect(rows.every((row) => Number.isFinite(row.value) && row.value > 0)).toBe(true);
  // The random operations gave the same results on this machine's own kernel, if cc was there.
  expect(rows.filter((row) => row.agree === false)).toEqual([]);
  expect(checksum).not.toBe(0);
  // A process a row: on a busy machine that takes a while.
}, 180_000);
