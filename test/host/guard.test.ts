/** Settings are put back whatever happens, and nothing hangs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ask, codes, openHost, results } from './support.ts';

const FILE = '/sys/kernel/mm/transparent_hugepage/hugepages-16kB/shmem_enabled';
const LOCK = '/tmp/faultline-host.lock';

const probe = await openHost();
const reason = 'unavailable' in probe ? probe.unavailable : '';
if (!('unavailable' in probe)) await probe.close();

async function open() {
  const host = await openHost({ stepLimitMs: 1500 });
  if ('unavailable' in host) throw new Error(host.unavailable);
  return host;
}

async function isBack(value: string): Promise<boolean> {
  for (let i = 0; i < 200; i++) {
    if (readFileSync(FILE, 'utf8') === value) return true;
    await sleep(20);
  }
  return false;
}

/** Writes a setting, then keeps its only task busy for as long as a step may take. */
const HELD = `echo always > ${FILE}
  p: a = mmap(NULL, 16G, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
  p: write a 8G`;

function children(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return readFileSync(path, 'utf8').trim().split(/\s+/).map(Number);
}

describe.skipIf(reason !== '')(
  `guard${reason && ` (the kernel cannot be asked: ${reason})`}`,
  () => {
    it('puts settings back when the executor is killed', async () => {
      const before = readFileSync(FILE, 'utf8');
      const host = await open();
      const running = ask(host, HELD);
      await sleep(300);
      expect(readFileSync(FILE, 'utf8')).toContain('[always]');
      process.kill(host.info().pid, 'SIGKILL');
      expect(codes(await running)).toEqual(['HOST015']);
      expect(await isBack(before)).toBe(true);
      expect(codes(await ask(host, 'p: getpid()'))).toEqual(['HOST015']);
      await host.close();
    });

    it('puts settings back when an inspector is killed', async () => {
      const before = readFileSync(FILE, 'utf8');
      const host = await open();
      const running = ask(host, HELD);
      await sleep(300);
      for (const pid of children(host.info().pid)) {
        if (readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[5] === String(pid)) continue;
        process.kill(pid, 'SIGKILL');
      }
      expect(codes(await running)).toEqual(['HOST015']);
      expect(await isBack(before)).toBe(true);
      await host.close();
    });

    it('puts back what a run left that was killed with its guard', async () => {
      const before = readFileSync(FILE, 'utf8');
      const host = await open();
      const running = ask(host, HELD);
      await sleep(300);
      const { pid } = host.info();
      const all = [...children(pid), pid];
      for (const each of all) process.kill(each, 'SIGSTOP');
      for (const each of all) process.kill(each, 'SIGKILL');
      expect(codes(await running)).toEqual(['HOST015']);
      await host.close();
      expect(readFileSync(FILE, 'utf8')).toContain('[always]');
      const next = await open();
      expect(readFileSync(FILE, 'utf8')).toBe(before);
      await next.close();
    });

    it('ends a step that takes too long, and goes on with the next program', async () => {
      const host = await open();
      const before = readFileSync(FILE, 'utf8');
      const slow = await ask(host, HELD);
      expect(codes(slow)).toEqual(['HOST007']);
      expect(slow.notes[0]?.line).toBe(3);
      expect(readFileSync(FILE, 'utf8')).toBe(before);
      expect(results(await ask(host, 'p: getpid()'))).toEqual(['0x64']);
      await host.close();
    });

    it('lets one run at a time in', async () => {
      const host = await open();
      const second = await openHost({ lockWaitMs: 50 });
      expect(second).toEqual({ unavailable: `another run holds ${LOCK}` });
      await host.close();
    });

    it('notices a setting that someone else changes', async () => {
      const host = await open();
      const before = readFileSync(FILE, 'utf8');
      const running = ask(host, HELD.replace(/^echo.*\n/, '').replace('8G', '1G'));
      await sleep(100);
      writeFileSync(FILE, 'advise');
      try {
        expect(codes(await running)).toContain('HOST014');
      } finally {
        writeFileSync(FILE, /\[(\w+)\]/.exec(before)![1]!);
      }
      await host.close();
    });
  },
);
