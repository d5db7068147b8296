/**
 * `repro --initramfs` in a virtual machine: the reproducer is the machine's init, prints TAP to its
 * console and powers off. Needs QEMU and a kernel image (scripts/test-kernel.sh fetches one).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { reproCommand } from '../../src/cli/repro_command.ts';
import { findImage } from './support.ts';

const BOOT_MS = 240000;
/** What kernels of ten years do alike: no large folios. */
const SCENARIO = `# Private memory, its copy after fork, and a move.
parent: a = mmap(1M, 16K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
parent: write a 16K = 5
parent: child = fork()
child:  write a = 6
expect  child: minflt == 1
child:  b = mremap(a, 16K, 16K, MREMAP_MAYMOVE|MREMAP_FIXED, 4M)
child:  read b = 6
parent: read a = 5
parent: munmap(a, 8K) = 0
parent: read a
expect  parent: signal == SIGSEGV/MAPERR
`;

const image = findImage();
const hasQemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0;
const hasCc = spawnSync('cc', ['--version']).status === 0;
const missing = !hasQemu
  ? 'no qemu-system-x86_64'
  : image === undefined
    ? 'no kernel image'
    : hasCc
      ? ''
      : 'no C compiler';

const scratch = mkdtempSync(join(tmpdir(), 'faultline-repro-vm-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(missing !== '')(
  `a reproducer as init of a virtual machine${missing && ` (skipped: ${missing})`}`,
  () => {
    it('boots, passes and powers off', { timeout: BOOT_MS }, async () => {
      const file = join(scratch, 'program.fl');
      const initramfs = join(scratch, 'init.cpio.gz');
      writeFileSync(file, SCENARIO);
      expect(await reproCommand(file, { initramfs, quiet: true })).toBe(0);
      const machine = ['-nodefaults', '-accel', 'tcg', '-m', '512M', '-display', 'none'];
      const boot = ['-kernel', image!, '-initrd', initramfs, '-append', 'console=ttyS0 panic=-1'];
      const args = [...machine, '-no-reboot', '-serial', 'stdio', ...boot];
      const run = spawnSync('qemu-system-x86_64', args, {
        encoding: 'utf8',
        timeout: BOOT_MS,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const lines = run.stdout.split(/\r?\n/).filter((line) => /^(not )?ok |^# |^1\.\./.test(line));
      expect(lines).toEqual([
        '1..11',
        ...SCENARIO.split('\n')
          .slice(1, -1)
          .map((line, i) => `ok ${i + 1} - line ${i + 2}: ${line.replace(/ {2,}/g, ' ')}`),
        '# 11 passed, 0 failed, 0 skipped',
        '# exit code 0',
      ]);
      expect(run.status).toBe(0);
    });
  },
);
