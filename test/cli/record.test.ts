/** record as a user runs it: on this machine's kernel where root and perf are there. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { areAllNever, parseLaunchReport } from '../../src/record/index.ts';
import { faultline, PROGRAM, ROOT, withFolder, withFolderWhile } from './faultline.ts';

const isRoot = process.geteuid?.() === 0;
const has = (command: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
const why = !isRoot
  ? 'needs root'
  : spawnSync('perf', ['--version']).status !== 0
    ? 'perf is not installed'
    : !has('cc')
      ? 'no cc'
      : '';
const whyNoUser =
  why !== '' ? why : !has('strace') ? 'no strace' : !has('setpriv') ? 'no setpriv' : '';

/** Grows by 4 kB at a time, 5 ms apart, for `rounds`; tells its number and how far it is. */
const GROW = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int rounds = atoi(argv[1]), step = atoi(argv[2]);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  char *memory = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(memory, 1, 4 << 20);
  printf("%d\\n", getpid());
  fflush(stdout);
  for (int i = 0; i < rounds; i++) {
    memset(memory + (4 << 20) + i % 60000 * 4096, 2, 4096);
    usleep(step);
  }
  return 5;
}
`;

function compiled(folder: string): string {
  const source = join(folder, 'grow.c');
  const program = join(folder, 'grow');
  writeFileSync(source, GROW);
  expect(spawnSync('cc', ['-O1', '-o', program, source]).status).toBe(0);
  return program;
}

/** The program in the background, its first line of output, and its end. */
/** With the first of the lines that it prints, when it has printed `lines` of them. */
async function begun(
  command: readonly string[],
  lines = 1,
): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr?.resume();
  let said = '';
  await new Promise<void>((resolve) => {
    child.stdout!.on('data', (piece) => {
      said += piece;
      if (said.split('\n').length > lines) resolve();
    });
  });
  return { child, line: said.slice(0, said.indexOf('\n')) };
}

async function endOf(child: ChildProcess): Promise<number | string | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const [code, signal] = await once(child, 'exit');
  return code ?? signal;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function documentOf(text: string) {
  return JSON.parse(text);
}

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
      expect(readdirSync(folder)).toEqual(['true']);
    });
  });

  it('reads what the launcher wrote', () => {
    const report = parseLaunchReport('pid 5\nchild 6\nexit -1 9 10 2 300 1500000\n');
    expect(report).toMatchObject({ launcher: 5, child: 6, signal: 9, minflt: 10, majflt: 2 });
    expect(report).toMatchObject({ maxrss: 307200, seconds: 1.5, thpDisabled: true, ended: true });
    expect(parseLaunchReport('').ended).toBe(false);
  });

  it('knows settings under which nothing is large', () => {
    const off = { enabled: 'madvise', 'hugepages-64kB/enabled': 'never', shmem_enabled: 'deny' };
    expect(areAllNever({ ...off, enabled: 'never' })).toBe(true);
    expect(areAllNever({ enabled: 'never', 'hugepages-2048kB/enabled': 'inherit' })).toBe(true);
    expect(areAllNever({ ...off, 'hugepages-2048kB/enabled': 'inherit' })).toBe(false);
    expect(areAllNever({ enabled: 'never', 'hugepages-64kB/shmem_enabled': 'advise' })).toBe(false);
  });
});

describe.skipIf(why !== '')(`record, with perf ${why}`, () => {
  it('passes the exit code and the output on and misses no fault', () => {
    withFolder((folder) => {
      const out = join(folder, 't.parquet');
      const command = ['sh', '-c', 'seq 20000 | sort | tail -1; exit 3'];
      const ran = faultline(['record', '-o', out, '--json', '--', ...command]);
      expect(ran.code).toBe(3);
      const { summary, meta, exitCode } = documentOf(ran.stdout);
      expect(exitCode).toBe(3);
      expect(meta.lost).toBe(0);
      expect(meta.thpDisabled).toBe(true);
      // The kernel fills the pages of each exec's arguments without a fault.
      const counted = meta.measured.minflt + meta.measured.majflt;
      expect(counted - summary.touches.faults).toBeGreaterThanOrEqual(0);
      expect(counted - summary.touches.faults).toBeLessThanOrEqual(3 * summary.execs);
      expect(ran.stderr).toContain('9999');
      expect(readdirSync(folder)).toEqual(['t.parquet']);
    });
  });

  it('watches a running process: its pages first, then what it touches', async () => {
    await withFolderWhile(async (folder) => {
      const out = join(folder, 't.parquet');
      const { child, line } = await begun([compiled(folder), '100000', '500']);
      try {
        const ran = faultline(['record', '--pid', line, '--seconds', '1', '-o', out, '--json']);
        expect(ran.code).toBe(0);
        const { summary, meta } = documentOf(ran.stdout);
        expect(meta).toMatchObject({ mode: 'attached', thpDisabled: true, lost: 0 });
        expect(summary.byOp).toMatchObject({
          map: expect.any(Number),
          present: expect.any(Number),
        });
        expect(summary.touches.faults).toBeGreaterThan(200);
        expect(summary.byProcess[0].image).toContain('/grow');
        const replayed = documentOf(faultline(['replay', out, '--json']).stdout);
        // The 4 MB before, and each page since: no fault but those that the kernel counted.
        expect(replayed.peak.memory).toBeGreaterThan(4 << 20);
        const { minflt } = meta.measured;
        expect(Math.abs(replayed.faults.total - minflt)).toBeLessThanOrEqual(minflt * 0.05);
        expect(replayed.faults.total).toBe(summary.touches.faults);
        const off = Math.abs(replayed.predicted.maxrss - meta.measured.maxrss);
        expect(off).toBe(0);
      } finally {
        child.kill('SIGKILL');
      }
    });
  });

  it('watches the descendants that a running process has already', async () => {
    await withFolderWhile(async (folder) => {
      const out = join(folder, 't.parquet');
      const grow = `${compiled(folder)} 100000 500`;
      // Its child is a shell, whose children grow. Each of these says when it has its 4 MB.
      const script = `echo $$; sh -c '${grow} & ${grow} & wait'; :`;
      const { child, line } = await begun(['setsid', 'sh', '-c', script], 3);
      try {
        const ran = faultline(['record', '--pid', line, '--seconds', '1', '-o', out, '--json']);
        expect(ran.code).toBe(0);
        const { summary, meta } = documentOf(ran.stdout);
        expect(meta).toMatchObject({ mode: 'attached', lost: 0 });
        expect(summary.processes).toBe(4);
        const [one, two] = summary.byProcess;
        for (const each of [one, two]) {
          expect(each.image).toContain('/grow');
          expect(each.faults ?? each.touches).toBeGreaterThan(200);
        }
        expect(one.pid).not.toBe(two.pid);
        const replayed = documentOf(faultline(['replay', out, '--json']).stdout);
        // What each of them had before.
        expect(replayed.peak.memory).toBeGreaterThan(8 << 20);
        const { minflt } = meta.measured;
        expect(Math.abs(replayed.faults.total - minflt)).toBeLessThanOrEqual(minflt * 0.05);
      } finally {
        process.kill(-child.pid!, 'SIGKILL');
      }
    });
  });

  it('attaches to a process whose children come and go while perf is starting', async () => {
    await withFolderWhile(async (folder) => {
      const out = join(folder, 't.parquet');
      const script = 'echo $$; while :; do sleep 0.01; done';
      const { child, line } = await begun(['setsid', 'sh', '-c', script]);
      try {
        const ran = faultline(['record', '--pid', line, '--seconds', '1', '-o', out, '--json']);
        expect(ran.code).toBe(0);
        const { summary, meta } = documentOf(ran.stdout);
        expect(meta).toMatchObject({ mode: 'attached', lost: 0 });
        expect(summary.byOp.fork).toBeGreaterThan(5);
        const images = summary.byProcess.map((each: { image: string }) => each.image);
        expect(images.some((image: string) => /sleep|coreutils|busybox/.test(image))).toBe(true);
      } finally {
        process.kill(-child.pid!, 'SIGKILL');
      }
    });
  });

  it('ends with Ctrl-C, says so, and the trace is good', async () => {
    await withFolderWhile(async (folder) => {
      const out = join(folder, 't.parquet');
      const grow = compiled(folder);
      const args = [PROGRAM, 'record', '-o', out, '--', grow, '100000', '1000'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stderr.on('data', (piece) => {
        said += piece;
      });
      // The command has the stdout that it would have without us.
      expect(String(await once(child.stdout, 'data'))).toMatch(/^\d+\n$/);
      await pause(400);
      child.kill('SIGINT');
      expect(await endOf(child)).toBe(130);
      expect(said).toMatch(/interrupted after \d/);
      const info = documentOf(faultline(['trace', 'info', out, '--json']).stdout);
      expect(info.diagnostics).toEqual([]);
      expect(info.summary.touches.faults).toBeGreaterThan(1100);
      expect(info.meta.notes.map((note: { code: string }) => note.code)).toContain('interrupted');
      expect(readdirSync(folder).sort()).toEqual(['grow', 'grow.c', 't.parquet']);
    });
  });

  it('killed at once leaves all that the trace is made of', async () => {
    await withFolderWhile(async (folder) => {
      const out = join(folder, 't.parquet');
      const left = `${out}.recording`;
      const args = [PROGRAM, 'record', '-o', out, '--', compiled(folder), '600', '1000'];
      const { child, line } = await begun([process.execPath, ...args]);
      child.kill('SIGKILL');
      await endOf(child);
      // perf and the command go on; the command's end is perf's.
      while (existsSync(`/proc/${line}`)) await pause(50);
      while (!readFileSync(join(left, 'report'), 'utf8').includes('exit')) await pause(50);
      await pause(1500);
      const again = faultline(['record', '-o', out, '--', 'true']);
      expect(again.code).toBe(2);
      expect(again.stderr).toContain('was not finished');
      expect(existsSync(out)).toBe(false);
      const made = documentOf(faultline(['import', left, '--json']).stdout);
      expect(made.trace).toBe(out);
      expect(made.meta).toMatchObject({ mode: 'tracepoints', thpDisabled: true });
      expect(made.meta.measured).toMatchObject({ exitCode: 5 });
      expect(made.summary.touches.faults).toBeGreaterThan(1600);
    });
  });

  it('on a full disk keeps what there is', () => {
    withFolder((folder) => {
      const small = join(folder, 'small');
      mkdirSync(small);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', small]);
      expect(mounted.status).toBe(0);
      try {
        const out = join(small, 't.parquet');
        const ran = faultline(['record', '-o', out, '--', compiled(folder), '8000', '0']);
        // The command's own.
        expect(ran.code).toBe(5);
        expect(ran.stderr).toContain('the disk is full: perf could not write all');
        expect(ran.stderr).toContain(`faultline import ${out}.recording -o FILE`);
        const saved = join(folder, 'saved.parquet');
        const made = faultline(['import', `${out}.recording`, '-o', saved, '--json']);
        expect(made.code).toBe(0);
        expect(documentOf(made.stdout).summary.touches.faults).toBeGreaterThan(1000);
      } finally {
        spawnSync('umount', [small]);
      }
    });
  });
});

describe.skipIf(whyNoUser !== '')(`record, as a user without rights ${whyNoUser}`, () => {
  /** Runs faultline as nobody, who has no home. */
  function asNobody(args: readonly string[]) {
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups', 'env', 'HOME=/nonexistent'];
    const ran = spawnSync('setpriv', [...user, process.execPath, PROGRAM, ...args], {
      encoding: 'utf8',
    });
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
  }
  const paranoid = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));

  it('takes faults from perf and calls from strace, or says that it may not', () => {
    withFolder((folder) => {
      chmodSync(folder, 0o777);
      const out = join(folder, 't.parquet');
      const command = ['sh', '-c', 'seq 20000 | sort | tail -1; exit 3'];
      const ran = asNobody(['record', '-o', out, '--json', '--', ...command]);
      if (paranoid > 2) {
        expect(ran.code).toBe(2);
        expect(ran.stderr).toContain('perf_event_paranoid');
        return;
      }
      expect(ran.code).toBe(3);
      const { summary, meta } = documentOf(ran.stdout);
      expect(meta).toMatchObject({ mode: 'unprivileged', thpDisabled: true });
      expect(summary).toMatchObject({ processes: 4, execs: 4 });
      expect(summary.byOp.mmap).toBeGreaterThan(30);
      expect(summary.touches.faults).toBeGreaterThan(300);
      const replayed = documentOf(faultline(['replay', out, '--json']).stdout);
      const { faults } = summary.touches;
      expect(Math.abs(replayed.faults.total - faults)).toBeLessThan(faults * 0.06);
      expect(readdirSync(folder)).toEqual(['t.parquet']);
    });
  });

  it.each([
    [['--pid', '1'], 'a running process cannot be recorded'],
    [['--precise', '--', 'true'], '--precise cannot set huge pages'],
    [['-o', '/proc/t', '--', 'true'], 'the trace cannot be written'],
  ])('%j is refused', (args, words) => {
    withFolder((folder) => {
      chmodSync(folder, 0o777);
      const ran = asNobody(['record', '-o', join(folder, 't'), ...args]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain(paranoid > 2 ? 'perf_event_paranoid' : words);
      expect(readdirSync(folder)).toEqual([]);
    });
  });
});

describe('the guard of the settings', () => {
  it('puts them back, also when the recording is killed', async () => {
    await withFolderWhile(async (folder) => {
      const file = join(folder, 'enabled');
      writeFileSync(file, 'always [madvise] never\n');
      const module = join(ROOT, 'dist/record/thp_guard.js');
      const script = `
        const { ThpGuard } = await import(${JSON.stringify(module)});
        const guard = new ThpGuard([${JSON.stringify(file)}]);
        guard.set({ ${JSON.stringify(file)}: 'never' });
        console.log('set');
        setInterval(() => {}, 1000);`;
      const { child } = await begun([process.execPath, '--input-type=module', '-e', script]);
      expect(readFileSync(file, 'utf8')).toBe('never');
      child.kill('SIGKILL');
      await endOf(child);
      for (let i = 0; i < 100 && readFileSync(file, 'utf8') !== 'madvise\n'; i++) await pause(20);
      expect(readFileSync(file, 'utf8')).toBe('madvise\n');
    });
  });
});
