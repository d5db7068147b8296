/**
 * A sweep on a queue, with a real Redis server, two workers, and one of them killed in the middle of
 * its work. Skipped, with the reason printed, where no redis-server is installed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TraceWriter } from '../../src/store/index.ts';
import { Tape } from '../replay/world.ts';
import { faultline, ROOT } from './faultline.ts';

const BIN = join(ROOT, 'bin/faultline.js');
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.log('skipped: redis-server is not installed (apt-get install redis-server)');

let folder = '';
let trace = '';
let url = '';
const children: ChildProcess[] = [];

function start(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

/** Resolves when a line of the child's output has `text`. */
function says(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    child.stdout!.on('data', (chunk) => {
      seen += chunk;
      if (seen.includes(text)) resolve(seen);
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function worker(): ChildProcess {
  return start(process.execPath, [BIN, 'worker', '--queue', url, '--jobs', '1']);
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
}

function advise(...args: string[]): Promise<Ended> {
  const child = start(process.execPath, [BIN, 'advise', trace, '--json', ...args]);
  let stdout = '';
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout }));
  });
}

beforeAll(async () => {
  if (!hasRedis) return;
  folder = mkdtempSync(join(tmpdir(), 'faultline-queue-'));
  trace = join(folder, 'app.parquet');
  const tape = new Tape().exec();
  for (let i = 0; i < 40; i++)
    tape.mmap(0x7f0000000 - i * 4096, 4096).write(0x7f0000000 - i * 4096, 1500);
  const made = tape.trace();
  const writer = new TraceWriter(trace, made.meta);
  writer.append(made.events, 0, made.events.rows, made.names);
  writer.close(made.names, made.meta);
  const port = await freePort();
  url = `redis://127.0.0.1:${port}`;
  const server = start('redis-server', [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
  ]);
  await says(server, 'Ready to accept connections');
}, 30_000);

afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
});

test.skipIf(!hasRedis)(
  'two workers, one killed: nothing is lost, nothing counts twice, the answer is that of one process',
  async () => {
    const first = worker();
    const second = worker();
    const ready = Promise.all([says(first, 'waiting'), says(second, 'waiting')]);
    await ready;
    const asked = advise('--queue', url);
    // Its first job is done, so that it is in the middle of the next.
    await says(first, ' ms\n');
    first.kill('SIGKILL');
    const { code, stdout } = await asked;
    expect(code).toBe(0);
    const { commands: _, ...report } = JSON.parse(stdout);
    const alone = JSON.parse(faultline(['advise', trace, '--json', '--jobs', '1']).stdout);
    expect(alone).toMatchObject(report);
    expect(report.settings).toHaveLength(16);

    // Asked again, the results are there: even without workers.
    second.kill('SIGTERM');
    await new Promise((resolve) => second.on('close', resolve));
    const again = await advise('--queue', url);
    expect(JSON.parse(again.stdout).settings).toEqual(report.settings);
  },
  90_000,
);

test('a queue that nobody serves, and a URL that is none', () => {
  const refused = faultline(['worker', '--queue', 'redis://127.0.0.1:1']);
  expect([refused.code, refused.stderr.includes('cannot be reached')]).toEqual([2, true]);
  const none = faultline(['worker', '--queue', 'http://localhost']);
  expect([none.code, none.stderr.includes('redis://HOST:PORT')]).toEqual([2, true]);
});

test.skipIf(!hasRedis)('advise at a queue that nobody serves', () => {
  const ran = faultline(['advise', trace, '--queue', 'redis://127.0.0.1:1', '--json']);
  expect(ran.code).toBe(2);
  expect(JSON.parse(ran.stdout).diagnostics[0].message).toContain('ECONNREFUSED');
});
