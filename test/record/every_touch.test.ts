/** What `record --precise` preloads: shared memory whose every first touch faults. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildPreload, PRELOAD_PAGES, removePreload } from '../../src/record/every_touch.ts';

const why =
  spawnSync('sh', ['-c', 'command -v cc']).status !== 0
    ? 'no cc'
    : spawnSync('sh', ['-c', 'test "$(uname -m)" = x86_64']).status !== 0
      ? 'not x86-64'
      : '';

/** A child reads, then writes, 64 pages that its parent wrote; prints faults and where they lie. */
const PROGRAM = `
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
static long faults(void) { struct rusage u; getrusage(RUSAGE_SELF, &u); return u.ru_minflt; }
int main(void) {
  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 64; i++) p[i * 4096] = 1;
  if (fork() == 0) {
    volatile char x; long a = faults();
    for (int i = 0; i < 64; i++) x = p[i * 4096];
    long b = faults();
    for (int i = 0; i < 64; i++) p[i * 4096] = 2;
    printf("%ld %ld %lu\\n", b - a, faults() - b, (unsigned long)p % 16384);
    return 0;
  }
  wait(NULL);
  return munmap((void *)p, 64 * 4096);
}
`;

describe.skipIf(why !== '')(`every touch ${why}`, () => {
  it('of shared memory faults, in forked children too, and the mapping is aligned', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'every-touch-'));
    const built = await buildPreload(folder);
    if ('unavailable' in built) throw new Error(built.unavailable);
    try {
      const source = join(folder, 'p.c');
      const program = join(folder, 'p');
      writeFileSync(source, PROGRAM);
      expect(spawnSync('cc', ['-O1', '-o', program, source]).status).toBe(0);
      const ran = (env: Record<string, string>) => {
        const { stdout, status } = spawnSync(program, { encoding: 'utf8', env });
        expect(status).toBe(0);
        return stdout.trim().split(' ').map(Number);
      };
      const [reads, writes] = ran({});
      // 16 pages are mapped around a read, and a write to them takes no fault.
      expect([reads! < 10, writes]).toEqual([true, 0]);
      expect(ran({ LD_PRELOAD: built.path })).toEqual([64, 64, 0]);
    } finally {
      removePreload(built.path);
      rmSync(folder, { recursive: true });
    }
    expect(existsSync(dirname(built.path))).toBe(false);
  });

  it('may be read by every user, and lies where no mapping of a program goes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'every-touch-'));
    const built = await buildPreload(folder);
    if ('unavailable' in built) throw new Error(built.unavailable);
    try {
      expect(statSync(built.path).mode & 0o555).toBe(0o555);
      expect(statSync(dirname(built.path)).mode & 0o555).toBe(0o555);
      const { stdout } = spawnSync('cat', ['/proc/self/maps'], {
        encoding: 'utf8',
        env: { LD_PRELOAD: built.path },
      });
      const own = stdout.split('\n').filter((line) => line.includes('every_touch.so'));
      expect(own.length).toBeGreaterThan(0);
      for (const line of own) {
        const [start, end] = line.split(/[- ]/).map((hex) => Number.parseInt(hex, 16) / 4096);
        expect(start).toBeGreaterThanOrEqual(PRELOAD_PAGES.start);
        expect(end).toBeLessThanOrEqual(PRELOAD_PAGES.end);
      }
    } finally {
      removePreload(built.path);
      rmSync(folder, { recursive: true });
    }
  });
});
