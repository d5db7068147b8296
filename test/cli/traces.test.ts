/** record, import and trace info as a user runs them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseLaunchReport } from '../../src/record/index.ts';
import { faultline, ROOT, withFolder } from './faultline.ts';

const SAMPLES = join(ROOT, 'test/data/import');
const root = process.geteuid?.() === 0;
const hasPerf = spawnSync('perf', ['--version']).status === 0;
const hasNoCompiler = spawnSync('sh', ['-c', 'command -v cc']).status !== 0;
const why = !root
  ? 'needs root'
  : !hasPerf
    ? 'perf is not installed'
    : hasNoCompiler
      ? 'no cc'
      : '';

describe('import', () => {
  it.each([
    ['perf_ns.txt', 'perf script'],
    ['strace.txt', 'strace'],
    ['lackey.txt', 'Valgrind lackey'],
  ])('makes a trace of %s, from a file, a pipe and gzip alike', (name, kind) => {
    withFolder((folder) => {
      const log = join(SAMPLES, name);
      const out = join(folder, 't.parquet');
      const plain = faultline(['import', log, '-o', out, '--json']);
      expect(plain.code).toBe(0);
      const document = JSON.parse(plain.stdout);
      expect(document.kind).toBe(kind);
      const piped = faultline(['import', '-', '-o', out, '--json'], { input: readFileSync(log) });
      expect(JSON.parse(piped.stdout).summary).toEqual(document.summary);
      writeFileSync(join(folder, 'log.gz'), gzipSync(readFileSync(log)));
      const packed = faultline(['import', join(folder, 'log.gz'), '-o', out, '--json']);
      expect(JSON.parse(packed.stdout).summary).toEqual(document.summary);
      const info = faultline(['trace', 'info', out, '--json']);
      expect(JSON.parse(info.stdout).summary).toEqual(document.summary);
    });
  });

  it('of a file that is no log leaves an existing trace alone', () => {
    withFolder((folder) => {
      const out = join(folder, 't.parquet');
      writeFileSync(out, 'precious');
      const log = join(folder, 'letter');
      writeFileSync(log, 'Dear Sir,\n');
      const ran = faultline(['import', log, '-o', out]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain('no log of a known kind');
      expect(readFileSync(out, 'utf8')).toBe('precious');
    });
  });

  it('says what is wrong with a place that cannot be read or written', () => {
    expect(faultline(['import', '/nowhere', '-o', '/tmp/x']).stderr).toContain('no such file');
    const ran = faultline(['import', join(SAMPLES, 'lackey.txt'), '-o', '/nowhere/t']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('the trace cannot be written');
    expect(ran.stderr).not.toContain('internal error');
  });
});

describe('trace info', () => {
  it('shows a bundled recording at 80 columns', () => {
    const ran = faultline(['trace', 'info', 'recordings/traces/redis.parquet', '--width', '80']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('recorded with tracepoints');
    for (const line of ran.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('of a torn trace uses the good part or says that there is none', () => {
    withFolder((folder) => {
      const path = join(folder, 't.parquet');
      writeFileSync(path, readFileSync(join(ROOT, 'recordings/traces/sort.parquet')));
      truncateSync(path, 5000);
      const ran = faultline(['trace', 'info', path]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain('torn');
    });
  });
});

describe('record', () => {
  it.each([
    [['record', '--', 'no-such-command'], "there is no command 'no-such-command'"],
    [['record', '--', '/etc/passwd'], 'permission denied'],
    [['record'], 'expected either a command'],
    [['record', '--pid', '4194304'], 'there is no process 4194304'],
    [['record', '--seconds', '-1', '--', 'true'], 'expected seconds'],
  ])('%j is refused', (args, words) => {
    const ran = faultline(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(words);
  });

  it('without perf tells how to install it', () => {
    withFolder((folder) => {
      spawnSync('ln', ['-s', '/bin/true', join(folder, 'true')]);
      const ran = faultline(['record', '-o', join(folder, 't'), '--', 'true'], {
        env: { PATH: folder },
      });
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain('apt install linux-perf');
      expect(existsSync(join(folder, 't'))).toBe(false);
    });
  });

  it('reads what the launcher wrote', () => {
    const report = parseLaunchReport('pid 5\nchild 6\nexit -1 9 10 2 300 1500000\n');
    expect(report).toMatchObject({ launcher: 5, child: 6, signal: 9, minflt: 10, majflt: 2 });
    expect(report).toMatchObject({ maxrss: 307200, seconds: 1.5, thpDisabled: true, ended: true });
    expect(parseLaunchReport('').ended).toBe(false);
  });

  it.skipIf(why !== '')(`passes the exit code on and misses no fault ${why}`, () => {
    withFolder((folder) => {
      const out = join(folder, 't.parquet');
      const command = ['sh', '-c', 'seq 20000 | sort | tail -1; exit 3'];
      const ran = faultline(['record', '-o', out, '--json', '--', ...command]);
      expect(ran.code).toBe(3);
      const { summary, meta, exitCode } = JSON.parse(ran.stdout);
      expect(exitCode).toBe(3);
      expect(meta.lost).toBe(0);
      expect(meta.thpDisabled).toBe(true);
      // The kernel fills the pages of each exec's arguments without a fault.
      const counted = meta.measured.minflt + meta.measured.majflt;
      expect(counted - summary.touches.faults).toBeGreaterThanOrEqual(0);
      expect(counted - summary.touches.faults).toBeLessThanOrEqual(3 * summary.execs);
      expect(existsSync(`${out}.perf.data`)).toBe(false);
      expect(ran.stderr).toContain('9999');
    });
  });
});
