/** `replay` and `advise` as a user runs them, on a small trace that the test writes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TraceWriter } from '../../src/store/index.ts';
import { Tape, TOP } from '../replay/world.ts';
import { faultline } from './faultline.ts';

const A = 0x7ff000000;
let folder = '';
let trace = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'faultline-advise-'));
  trace = join(folder, 'app.parquet');
  const tape = new Tape()
    .exec('/usr/bin/app <b>&')
    .map(TOP - 8, 8, '[vdso]', 5)
    .mmap(A, 1024)
    .write(A, 600)
    .shared(TOP - 300, 64)
    .write(TOP - 300, 64);
  const measured = { minflt: 700, majflt: 0, maxrss: 4e6, seconds: 1, exitCode: 0 };
  const made = tape.trace({ measured, command: ['app', '<script>alert(1)</script>'] });
  const writer = new TraceWriter(trace, made.meta);
  writer.append(made.events, 0, made.events.rows, made.names);
  writer.close(made.names, made.meta);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('replay: faults, memory, folios', () => {
  const ran = faultline(['replay', trace, '--set', 'hugepages-64kB/enabled=always', '--json']);
  expect(ran.code).toBe(0);
  const report = JSON.parse(ran.stdout);
  expect(report.faults.byOrder.anon[4]).toBe(38);
  expect(report.predicted.minflt).toBe(700 - 664 + 38 + 64);
  const text = faultline(['replay', trace, '--width', '80']).stdout;
  expect(text).toContain('memory at its peak');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('replay: a setting that does not exist, a value that is refused', () => {
  for (const set of ['hugepages-3kB/enabled=always', 'hugepages-64kB/enabled=maybe']) {
    const ran = faultline(['replay', trace, '--set', set]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('is refused');
    expect(ran.stdout).toBe('');
  }
});

test('advise: a kernel with fewer sizes has fewer settings, and commands that fit it', () => {
  const ran = faultline(['advise', trace, '--json', '--kernel', '6.1']);
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  const { settings, commands } = JSON.parse(ran.stdout);
  expect(settings.map((one: { name: string }) => one.name)).toEqual([
    ...['4K only', '2M', 'shmem 2M', '2M, shmem 2M', '2M, shmem 2M within size'],
  ]);
  const paths = [...commands.apply, ...commands.undo].map((line: string) => line.split(' > ')[1]);
  for (const path of paths) {
    expect(path).toMatch(/^\/sys\/kernel\/mm\/transparent_hugepage\/(shmem_)?enabled$/);
  }
});

test('advise: what a kernel refuses is told once', () => {
  const file = join(folder, 'two.txt');
  writeFileSync(file, 'a: hugepages-16kB/enabled=always\nb: hugepages-16kB/enabled=always\n');
  const ran = faultline(['advise', trace, '--settings', file, '--kernel', '6.1']);
  expect([ran.code, ran.stdout]).toEqual([2, '']);
  expect(ran.stderr).toMatch(
    /^[^\n]*two\.txt: error: a and 1 more: [^\n]*hugepages-16kB\/enabled: 'always' is refused by 6\.1;[^\n]*\n$/,
  );
});

test('advise: one document, the same with one thread and with two', () => {
  const one = faultline(['advise', trace, '--json', '--jobs', '1']);
  const two = faultline(['advise', trace, '--json', '--jobs', '2']);
  expect([one.code, two.code, one.stderr, two.stderr]).toEqual([0, 0, '', '']);
  const report = JSON.parse(one.stdout);
  // What this machine is set to now may change under the test.
  const { commands: _, ...other } = JSON.parse(two.stdout);
  expect(report).toMatchObject(other);
  expect(report.settings[0].name).toBe('4K only');
  expect(report.settings[0].faults.total).toBe(664);
  expect(report.settings[0].predicted.minflt).toBe(700);
  const best = report.settings.find((s: { name: string }) => s.name === report.recommendation);
  expect(best.bloat).toBeLessThanOrEqual(0.1);
  expect(report.front.length).toBeGreaterThan(1);
  // All that the page shows.
  const touches = report.heat.cells.map(([, , count]: number[]) => count);
  expect(touches.reduce((sum: number, count: number) => sum + count, 0)).toBeGreaterThan(600);
});

test('advise: the page holds its charts, no script, and no markup of the trace', () => {
  const page = join(folder, 'report.html');
  expect(faultline(['advise', trace, '-o', page, '--quiet']).code).toBe(0);
  const html = readFileSync(page, 'utf8');
  expect(html.match(/<svg/g)).toHaveLength(8);
  expect(html).not.toContain('<script');
  expect(html).toContain('&lt;script&gt;alert(1)');
  expect(html).not.toMatch(/(src|href)="(?!#)/);
  const ran = faultline(['advise', trace, '-o', join(folder, 'none', 'r.html')]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('cannot write the page');
});

test('advise: settings of one’s own, as CSV', () => {
  const mine = join(folder, 'mine.txt');
  writeFileSync(mine, 'mid: hugepages-64kB/enabled=always\n');
  const ran = faultline(['advise', trace, '--settings', mine, '--csv', '--jobs', '1']);
  expect(ran.code).toBe(0);
  const lines = ran.stdout.trim().split('\n');
  expect(lines.map((line) => line.split(',')[0])).toEqual(['name', '4K only', 'mid']);
});

test('advise: what is wrong is said with its place', () => {
  const mine = join(folder, 'bad.txt');
  writeFileSync(mine, 'mid hugepages-64kB\n');
  const shape = faultline(['advise', trace, '--settings', mine]);
  expect([shape.code, shape.stderr.includes(`${mine}:1:1: error`)]).toEqual([2, true]);
  writeFileSync(mine, 'mid: hugepages-7kB/enabled=always\n');
  const refused = faultline(['advise', trace, '--settings', mine, '--jobs', '1']);
  expect([refused.code, refused.stderr.includes('is refused')]).toEqual([2, true]);
  for (const bloat of ['-1', 'lots', '']) {
    expect(faultline(['advise', trace, '--max-bloat', bloat]).code).toBe(2);
  }
  expect(faultline(['advise', join(folder, 'nothing')]).code).toBe(2);
  expect(faultline(['advise', mine]).code).toBe(2);
});

test('advise: a trace without events is bad input', () => {
  const empty = join(folder, 'empty.parquet');
  const made = new Tape().trace();
  const writer = new TraceWriter(empty, made.meta);
  writer.close(made.names, made.meta);
  const ran = faultline(['advise', empty, '--jobs', '1']);
  expect(ran.code, ran.stderr).toBe(2);
  expect(ran.stderr).not.toContain('internal error');
});
