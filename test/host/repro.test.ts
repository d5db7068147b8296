/** Every scenario as a C program, compiled without a warning and run on the real kernel. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkKernel } from '../../src/explore/check_kernel.ts';
import { PRESETS } from '../../src/explore/index.ts';
import { findKernel } from '../../src/mm/release.ts';
import { reproProgram } from '../../src/repro/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const SCENARIOS = new URL('../../scenarios/', import.meta.url);
const LIMIT_MS = 900000;
/** The executor's lock: both write settings. */
const LOCK = '/tmp/faultline-host.lock';
const WAIT_S = '120';
/** All of them take minutes: FAULTLINE_REPRO=all. Else every sixth, and the thread's. */
const ALL = process.env['FAULTLINE_REPRO'] === 'all';
const CHOSEN = /^thread-(fork|missing|uffd|private)/;
/** As users compile; the others without optimisation, which is a third of the time. */
const OPTIMISED = ['thread-fork-mremap.fl', 'exec-nonexec.fl', 'uffd-wp-prot-none.fl'];

/** Few programs, which break what the posted patch breaks. */
const SMALL = { ...PRESETS.shared, tasks: 1, steps: 5 };

function run(command: string, args: readonly string[], cwd: string) {
  return new Promise<{ code: number; text: string }>((resolve) => {
    execFile(command, args, { cwd, timeout: LIMIT_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, text: stdout + stderr });
    });
  });
}

async function missing(): Promise<string | undefined> {
  if (!release().startsWith('6.18.')) return `expected answers are those of 6.18, not ${release()}`;
  if (process.getuid?.() !== 0) return 'not root';
  if ((await run('cc', ['--version'], '.')).code !== 0) return 'no C compiler';
  return (await run('flock', ['--version'], '.')).code === 0 ? undefined : 'no flock';
}

const why = await missing();
const scratch = mkdtempSync(join(tmpdir(), 'faultline-repro-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes and compiles; what the compiler says. */
async function build(name: string, kernel: string | undefined, as: string): Promise<string> {
  return await buildText(readFileSync(new URL(name, SCENARIOS), 'utf8'), name, kernel, as);
}

async function buildText(
  text: string,
  name: string,
  kernel: string | undefined,
  as: string,
): Promise<string> {
  const { program } = parseProgram(text, name);
  const chosen = findKernel(kernel ?? program.kernel ?? '6.18')!;
  // What depends on the machine's size needs the real one's; the others boot faster on a small one.
  const size = name === 'overcommit.fl' ? {} : { memory: 1 << 29 };
  const made = reproProgram(program, { release: chosen, isChosen: kernel !== undefined, ...size });
  writeFileSync(join(scratch, `${as}.c`), made.text);
  const level = OPTIMISED.includes(name) ? '-O2' : '-O0';
  const flags = [level, '-Wall', '-Wextra', '-o', as, `${as}.c`];
  return (await run('cc', flags, scratch)).text;
}

const test = async (as: string) => {
  const args = ['-w', WAIT_S, LOCK, `./${as}`];
  return await run('flock', args, scratch);
};

describe.skipIf(why !== undefined)(
  `reproducers on the kernel${why ? ` (skipped: ${why})` : ''}`,
  () => {
    it('pass for every scenario, or say what they need', { timeout: LIMIT_MS }, async () => {
      const names = readdirSync(SCENARIOS)
        .filter((file) => file.endsWith('.fl'))
        .sort()
        .filter((file, i) => ALL || CHOSEN.test(file) || i % 6 === 1);
      const wrong: string[] = [];
      let passed = 0;
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < names.length) {
          const name = names[next++]!;
          const as = name.replace('.fl', '');
          const said = await build(name, undefined, as);
          if (said !== '') wrong.push(`${name}: ${said}`);
          let { code, text } = await test(as);
          // Another process or a kernel thread may have come between; that is not there twice.
          if (code === 1) ({ code, text } = await test(as));
          if (code === 0) passed++;
          else if (code !== 4) wrong.push(`${name}: exit ${code}\n${text}`);
          else if (
            !/# SKIP .*(scenario is for|No such file|not permitted|denied|ext4)/.test(text)
          ) {
            wrong.push(`${name}: skipped\n${text}`);
          }
        }
      };
      await Promise.all([work(), work()]);
      expect(wrong).toEqual([]);
      expect(passed).toBeGreaterThan(names.length / 2);
    });

    it('pass for counterexamples of the checker', { timeout: LIMIT_MS }, async () => {
      const report = checkKernel(findKernel('shmem-mthp-v1')!, { bounds: SMALL });
      const laws = report.violations.map((v) => v.law);
      let whole = 0;
      expect(laws).toEqual(expect.arrayContaining(['refcount', 'translation', 'progress']));
      for (const [i, { law, program }] of report.violations.entries()) {
        const as = `found-${i}-${law}`;
        expect(await buildText(program, `${as}.fl`, '6.18', as), program).toBe('');
        const { code, text } = await test(as);
        // A machine may have no such file: that part is skipped, and said so.
        const skips = text.includes('# SKIP /sys/kernel/debug/fault_around_bytes');
        expect(code, text).toBe(skips ? 4 : 0);
        whole += skips ? 0 : 1;
      }
      expect(whole).toBeGreaterThan(2);
    });

    it("fails where another kernel's answers are asserted", { timeout: LIMIT_MS }, async () => {
      expect(await build('thread-fork-mremap.fl', 'shmem-mthp-v1', 'v1')).toBe('');
      const { code, text } = await test('v1');
      expect(code).toBe(1);
      const bad = text.split('\n').filter((line) => line.startsWith('not ok'));
      expect(bad).toEqual(['not ok 7 - line 16: child: write b']);
      expect(text).toContain('child: 0x21000 is page 0 of a folio, expected 2/16K:1-3');
    });
  },
);
