/** `inspect` looks at a real process whose folios are known. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultline } from '../cli/faultline.ts';
import { describeHost } from './support.ts';

/** Four huge pages; one is moved to an odd address, one loses a page, two stay. */
const PROGRAM = `
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#define M2 (2 << 20)
int main(void)
{
	char *a = mmap((void *)0x40000000, 4 * M2, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(a, 4 * M2, MADV_HUGEPAGE);
	memset(a, 1, 4 * M2);
	mremap(a, M2, M2, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x50001000);
	munmap(a + M2 + 4096, 4096);
	puts("ready");
	fflush(stdout);
	pause();
}
`;

async function withProgram(test: (pid: number) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-inspect-'));
  let child: ChildProcess | undefined;
  try {
    writeFileSync(join(folder, 'p.c'), PROGRAM);
    const built = spawnSync('cc', ['-o', join(folder, 'p'), join(folder, 'p.c')]);
    expect(built.status, built.stderr.toString()).toBe(0);
    const started = spawn(join(folder, 'p'), { stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    await new Promise((resolve) => started.stdout.once('data', resolve));
    test(started.pid!);
  } finally {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

// The host is held while a process is looked at, so that nobody changes the settings meanwhile.
await describeHost('inspect', () => {
  it('tells whole, moved and torn huge pages apart', async () => {
    await withProgram((pid) => {
      const ran = faultline(['inspect', String(pid), '--json']);
      expect(ran.code).toBe(0);
      const [found] = JSON.parse(ran.stdout).processes;
      const at = (start: string) =>
        found.mappings.find((m: { start: string }) => m.start === start);
      const M2 = 2 ** 21;
      expect(at('0x50001000')).toMatchObject({ resident: M2, unaligned: M2, aligned: 0, cont: 0 });
      expect(at('0x40200000')).toMatchObject({ resident: 4096, partial: 4096 });
      expect(at('0x40202000')).toMatchObject({
        resident: 3 * M2 - 8192,
        aligned: 2 * M2,
        partial: M2 - 8192,
        pmd: 2 * M2,
      });
      const text = faultline(['inspect', String(pid), '--width', '80']);
      expect(text.stdout).toMatch(/0x50001000 +2,048 +·\/100\/· +· +· +2M 2,048/);
    });
  });

  it('counts what smaps_rollup counts', async () => {
    await withProgram((pid) => {
      const ran = JSON.parse(faultline(['inspect', String(pid), '--json']).stdout);
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      const kb = (key: string) => Number(new RegExp(`^${key}: +(\\d+) kB`, 'm').exec(rollup)?.[1]);
      const { total } = ran.processes[0];
      expect(total.anon).toBe(kb('Anonymous') * 1024);
      // The vDSO's pages are mapped, but counted for nobody.
      const uncounted = total.resident - kb('Rss') * 1024;
      expect(uncounted).toBeGreaterThanOrEqual(0);
      expect(uncounted).toBeLessThanOrEqual(32768);
    });
  });

  it('says what it cannot look at, and shows the others', () => {
    const ran = faultline(['inspect', '2', String(process.pid), '4194303', '--json']);
    expect(ran.code).toBe(2);
    const { processes, diagnostics } = JSON.parse(ran.stdout);
    expect(processes.map((p: { pid: number }) => p.pid)).toEqual([process.pid]);
    expect(diagnostics.map((d: { message: string }) => d.message)).toEqual([
      expect.stringMatching(/process 2 \(\w+\) has no memory of its own: a kernel thread/),
      'no process 4194303',
    ]);
  });
});

describe('inspect on the command line', () => {
  it.each([
    [['inspect'], /missing required argument 'pid'/],
    [['inspect', 'one'], /expected a process number/],
    [['inspect', '1', '--cont', '3K'], /expected a power of two from 8K to 2M/],
  ])('%j is bad usage', (args, message) => {
    const ran = faultline(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(message);
  });
});
