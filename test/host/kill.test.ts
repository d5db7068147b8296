/**
 * What befalls a run of `fuzz` from outside: it is interrupted, killed, the disk is full, the compiler
 * or the rights or the settings are missing. Each says so, settings are put back, nothing is lost.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openHost } from './support.ts';

const BIN = fileURLToPath(new URL('../../bin/faultline.js', import.meta.url));
const THP = '/sys/kernel/mm/transparent_hugepage';
const LIMIT_MS = 120000;
const folder = mkdtempSync(join(tmpdir(), 'faultline-kill-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const probe = await openHost();
const reason = 'unavailable' in probe ? probe.unavailable : '';
if (!('unavailable' in probe)) await probe.close();

function settings(): string {
  const names = ['enabled', 'shmem_enabled', 'khugepaged/scan_sleep_millisecs'];
  for (const kb of [16, 64, 512]) {
    names.push(`hugepages-${kb}kB/enabled`, `hugepages-${kb}kB/shmem_enabled`);
  }
  return names.map((name) => readFileSync(`${THP}/${name}`, 'utf8')).join('');
}

async function until(isTrue: () => boolean): Promise<boolean> {
  for (let i = 0; i < 1500; i++) {
    if (isTrue()) return true;
    await sleep(20);
  }
  return false;
}

interface State {
  readonly next: number;
  readonly programs: number;
}

function stateOf(path: string): State | undefined {
  try {
    return JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as State;
  } catch {
    return undefined;
  }
}

function fuzz(state: string, programs: number): ChildProcess {
  const args = [BIN, 'fuzz', '--programs', String(programs), '--seed', '3', '--state', state];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
}

function ended(child: ChildProcess): Promise<End> {
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, out }));
  });
}

/** Runs a shell line in a mount namespace of its own. */
function inNamespace(line: string) {
  const ran = spawnSync('unshare', ['-m', 'sh', '-c', line], { encoding: 'utf8' });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

const canUnshare = inNamespace('true').code === 0;
const namespaces = canUnshare ? '' : ' (no mount namespaces here)';

describe.skipIf(reason !== '')(
  `a run that is disturbed${reason && ` (the kernel cannot be asked: ${reason})`}`,
  { timeout: LIMIT_MS },
  () => {
    it('is interrupted: the state is kept, and the same command goes on', async () => {
      const before = settings();
      const state = join(folder, 'interrupted');
      const child = fuzz(state, 100000);
      const end = ended(child);
      expect(await until(() => (stateOf(state)?.programs ?? 0) > 0)).toBe(true);
      child.kill('SIGINT');
      const { code, out } = await end;
      expect(code).toBe(130);
      expect(out).toContain(`the same command goes on from ${state}`);
      expect(settings()).toBe(before);
      const { next } = stateOf(state)!;
      const resumed = await ended(fuzz(state, next + 10));
      expect(resumed.code).toBe(0);
      expect(stateOf(state)?.next).toBeGreaterThanOrEqual(next + 10);
      expect(resumed.out).toContain('no divergence');
    });

    it('is killed: the settings are put back, and what was saved is whole', async () => {
      const before = settings();
      const state = join(folder, 'killed');
      const child = fuzz(state, 100000);
      const end = ended(child);
      expect(await until(() => (stateOf(state)?.programs ?? 0) > 0)).toBe(true);
      child.kill('SIGKILL');
      expect((await end).signal).toBe('SIGKILL');
      expect(await until(() => settings() === before)).toBe(true);
      const { next } = stateOf(state)!;
      expect((await ended(fuzz(state, next + 10))).code).toBe(0);
    });

    it.skipIf(!canUnshare)(`meets a full disk: it says so, and ends${namespaces}`, () => {
      const before = settings();
      const state = join(folder, 'full');
      const mount = `mkdir ${state} && mount -t tmpfs -o size=8k none ${state}`;
      const command = `${process.execPath} ${BIN} fuzz --programs 200 --seed 3 --state ${state}/s`;
      const fill = `mkdir -p ${state}/s && head -c 8192 /dev/zero > ${state}/rest`;
      const { code, err, out } = inNamespace(`${mount}; ${fill}; ${command}`);
      expect(err).toContain('ENOSPC');
      expect(err).toContain('[CLI008]');
      expect(out).toMatch(/programs \(seed 3\).*no divergence/);
      expect(code).toBe(2);
      expect(settings()).toBe(before);
    });

    it.skipIf(!canUnshare)(`finds no settings of folio sizes${namespaces}`, () => {
      const hide = 'mount -t tmpfs none /sys/kernel/mm';
      const state = join(folder, 'bare');
      const command = `${process.execPath} ${BIN} fuzz --programs 10 --state ${state}`;
      const fuzzed = inNamespace(`${hide} && ${command}`);
      expect(fuzzed.err).toContain('nothing could be compared: there is no /sys/kernel/mm/');
      expect(fuzzed.code).toBe(2);
      const file = fileURLToPath(new URL('../../scenarios/anon-order-by-vma.fl', import.meta.url));
      const verified = inNamespace(`${hide} && ${process.execPath} ${BIN} verify ${file}`);
      expect(verified.out).toContain('cannot be asked: there is no /sys/kernel/mm/');
      expect(verified.code).toBe(0);
    });

    it('has no C compiler: exit 2', () => {
      const env = { ...process.env, CC: '/nonexistent/cc', XDG_CACHE_HOME: join(folder, 'cache') };
      const args = [BIN, 'fuzz', '--programs', '1', '--state', join(folder, 'cc')];
      const ran = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
      expect(ran.stderr).toContain("there is no C compiler ('/nonexistent/cc')");
      expect(ran.status).toBe(2);
    });

    const isReadable = (() => {
      const args = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath];
      const ran = spawnSync('setpriv', [...args, BIN, '--version'], { encoding: 'utf8' });
      accessSync(BIN, constants.R_OK);
      return ran.status === 0;
    })();
    const why = isReadable ? '' : ' (another user cannot run this copy)';
    it.skipIf(!isReadable)(`is not root: exit 2${why}`, () => {
      const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
      const command = [process.execPath, BIN, 'verify', '-'];
      const ran = spawnSync('setpriv', [...user, ...command], { encoding: 'utf8', input: '' });
      expect(ran.stderr).toContain('page frames can be seen by root only');
      expect(ran.status).toBe(2);
    });
  },
);

describe.skipIf(reason !== '')(
  `verify whose executor is killed${reason && ` (the kernel cannot be asked: ${reason})`}`,
  { timeout: LIMIT_MS },
  () => {
    it('says so of that file, and asks a new one about the next', async () => {
      const before = settings();
      const slow = join(folder, 'slow.fl');
      const next = join(folder, 'next.fl');
      const flags = 'MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE';
      writeFileSync(
        slow,
        `echo always > ${THP}/hugepages-16kB/shmem_enabled
a = mmap(NULL, 16G, PROT_READ|PROT_WRITE, ${flags}, -1, 0)
write a 8G
`,
      );
      writeFileSync(next, 'getpid() = 100\n');
      const child = spawn(process.execPath, [BIN, 'verify', slow, next], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const end = ended(child);
      expect(await until(() => settings() !== before && childOf(child.pid!) > 0)).toBe(true);
      process.kill(childOf(child.pid!), 'SIGKILL');
      const { code, out } = await end;
      expect(out).toContain(`${slow}: could not be compared`);
      expect(out).toContain(`${next}: agrees`);
      expect(code).toBe(2);
      expect(await until(() => settings() === before)).toBe(true);
    });
  },
);

/** The executor that a run of ours has started; 0 when there is none. */
function childOf(pid: number): number {
  const found = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/);
  return Number(found[0] ?? 0);
}
