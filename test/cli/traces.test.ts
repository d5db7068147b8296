/** import and trace info as a user runs them. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { faultline, ROOT, withFolder } from './faultline.ts';

const SAMPLES = join(ROOT, 'test/data/import');
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
