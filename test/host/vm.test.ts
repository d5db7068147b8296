/**
 * Kernels in virtual machines: Debian's 6.1, which has less than the model's oldest kernel, so that
 * what is missing must be said. Needs QEMU and an image (scripts/test-kernel.sh fetches one).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { abilitiesOf } from '../../src/host/abilities.ts';
import { buildExecutor } from '../../src/host/build.ts';
import { type HostKernel, openHostKernel } from '../../src/host/index.ts';
import { readKernelImage } from '../../src/host/vm/kernel_image.ts';
import { VirtualMachine } from '../../src/host/vm/machine.ts';
import { hostRelease, kernelNamed, verifyProgram } from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';
import { ask, codes, faults, findImage, results } from './support.ts';

const THP = '/sys/kernel/mm/transparent_hugepage';
const BOOT_MS = 240000;

async function executorPath(): Promise<string> {
  const built = await buildExecutor();
  if ('unavailable' in built) throw new Error(built.unavailable);
  return built.path;
}

const image = findImage();
const hasQemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0;
const missing = !hasQemu ? 'no qemu-system-x86_64' : image === undefined ? 'no kernel image' : '';

const host = missing === '' ? await openHostKernel({ image: image! }) : undefined;
const vm = host as HostKernel;

describe.skipIf(missing !== '')(
  `a kernel in a virtual machine${missing && ` (${missing})`}`,
  () => {
    afterAll(async () => {
      if (host !== undefined && !('unavailable' in host)) await host.close();
    });

    it('comes up, and tells what it is', async () => {
      expect(host).not.toHaveProperty('unavailable');
      const info = vm.info();
      expect(info.release).toBe(((await readKernelImage(image!)) as { release: string }).release);
      expect(info.where).toBe('vm');
      expect(info.memoryBytes).toBeGreaterThan(800 * 2 ** 20);
      expect(info.memoryBytes).toBeLessThan(2 ** 30);
      expect(info.settings.get(`${THP}/enabled`)).toBe('madvise');
      expect(info.anonReadsAllocate).toBe(false);
    });

    it('executes many programs in one boot', async () => {
      for (let i = 0; i < 20; i++) {
        const t = await ask(
          vm,
          `p: a = mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
         p: write a 16K
         p: c = fork()
         c: write a
         c: munmap(a, 3)
         c: munmap(a+1, 4K)
         c: read a`,
        );
        expect(codes(t)).toEqual([]);
        expect(t.kernel).toMatch(/^vm \d/);
        expect(results(t).slice(4)).toEqual(['0x0', 'EINVAL', 'SIGSEGV/MAPERR']);
        expect(faults(t)).toEqual([0, 4, expect.any(Number), 1, 0, 0, 0]);
      }
    });

    it('lets settings be written that this machine may not allow', async () => {
      const t = await ask(
        vm,
        `echo 4096 > /sys/kernel/debug/fault_around_bytes
       p: f = memfd_create("f", 0)
       p: ftruncate(f, 64K)
       p: a = mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, f, 0)
       p: pwrite64(f, "x", 1, 0)
       p: pwrite64(f, "x", 1, 4K)
       p: read a
       expect p: a+4K unmapped`,
      );
      expect(codes(t)).toEqual([]);
      expect(t.expectations.at(-1)?.holds).toBe(true);
      const after = await ask(vm, 'cat /sys/kernel/debug/fault_around_bytes');
      expect(after.outcomes[0]?.output).toBe('65536\n');
    });

    it('agrees with a model where that has no newer rule', async () => {
      const { program } = parseProgram(
        `p: a = mmap(64K, 64K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: c = fork()
       c: b = mremap(a, 64K, 64K, MREMAP_MAYMOVE|MREMAP_FIXED, 1M+4K)
       p: write a 20K
       c: read b
       c: write b+16K
       c: mprotect(b, 8K, PROT_READ)
       c: write b`,
        'test.fl',
      );
      const seen = await vm.execute(program, { observe: 'full' });
      const found = verifyProgram(program, seen, {
        release: hostRelease(vm.info().release)!.release,
        memory: seen.memoryBytes,
      });
      expect(found.divergence).toBeUndefined();
      expect(found.compared).toBeGreaterThan(200);
    });

    it('tells little of the tails of a large folio before 6.10, as its model says', async (context) => {
      const { release } = vm.info();
      if (!release.startsWith('6.1.')) return context.skip(`this is ${release}, not 6.1`);
      const { program } = parseProgram(
        `p: a = mmap(1G, 2M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: madvise(a, 2M, MADV_HUGEPAGE)
       p: write a
       p: mlock(a, 2M)`,
        'test.fl',
      );
      const seen = await vm.execute(program, { observe: 'full' });
      const compare = (name: string) =>
        verifyProgram(program, seen, { release: kernelNamed(name)!, memory: seen.memoryBytes });
      expect(compare('6.1').divergence).toBeUndefined();
      expect(compare('6.1').compared).toBeGreaterThan(6000);
      expect(compare('6.10').divergence).toMatchObject({
        observable: 'page bits',
        address: '0x40001000',
        kernel: 'present exclusive anon thp',
      });
      return undefined;
    });

    it('says what it lacks, and that is no divergence', async (context) => {
      const { release } = vm.info();
      if (!release.startsWith('6.1.')) return context.skip(`this is ${release}, not 6.1`);
      const lacks = abilitiesOf(vm.info()).filter((ability) => !ability.has);
      expect(lacks.map(({ what, needs }) => `${what}: ${needs}`)).toEqual([
        'folio sizes of anonymous memory: Linux 6.8',
        'folio sizes of shared memory: Linux 6.11',
        'mseal(): Linux 6.10',
        'guard regions: Linux 6.13',
        'PMD mappings of pages seen (PAGEMAP_SCAN): Linux 6.7',
        'resident memory by kind seen exactly: Linux 6.17',
      ]);
      const { program } = parseProgram(
        `echo always > ${THP}/hugepages-64kB/enabled
       p: mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`,
        'test.fl',
      );
      const seen = await vm.execute(program, { observe: 'pages' });
      expect(codes(seen)).toEqual(['HOST010']);
      const found = verifyProgram(program, seen, { release: kernelNamed('6.18')! });
      expect(found.divergence).toBeUndefined();
      expect(found.cannot).toBe(`there is no ${THP}/hugepages-64kB/enabled`);
      return undefined;
    });

    it(
      'that panics is told with its last lines',
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'faultline-test-'));
        const source = `#include <unistd.h>
      int main(int c, char **v) { return getpid() == 1 ? 3 : execvp(v[2], v + 2); }`;
        writeFileSync(join(folder, 'init.c'), source);
        execFileSync('cc', ['-static', '-o', join(folder, 'init'), join(folder, 'init.c')]);
        const kernel = await readKernelImage(image!);
        if ('reason' in kernel) throw new Error(kernel.reason);
        const found = await VirtualMachine.boot(kernel, {
          jobs: 1,
          executor: join(folder, 'init'),
        });
        rmSync(folder, { recursive: true });
        if (!('failed' in found)) throw new Error('it came up');
        expect(found.failed.kind).toBe('kernel');
        expect(found.failed.reason).toMatch(
          /^it panicked: Attempted to kill init! exitcode=0x00000300/,
        );
        expect(found.failed.console.join('\n')).toMatch(
          /Call Trace|end Kernel panic|Kernel Offset/,
        );
      },
      BOOT_MS,
    );

    it('that does not come up in time is ended', async () => {
      const kernel = await readKernelImage(image!);
      if ('reason' in kernel) throw new Error(kernel.reason);
      const options = { jobs: 1, executor: await executorPath(), bootLimitMs: 300 };
      const found = await VirtualMachine.boot(kernel, options);
      if (!('failed' in found)) throw new Error('it came up');
      expect(found.failed.kind).toBe('kernel');
      expect(found.failed.reason).toMatch(/did not (come up|answer) in \d s/);
    });
  },
);
