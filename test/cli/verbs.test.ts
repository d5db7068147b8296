/** The verbs as a script sees them: exit codes, JSON, quiet, colours, widths. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BAD, faultline, fileIn, GOOD, ROOT, withFolder } from './faultline.ts';

const THREAD = 'scenarios/thread-fork-mremap.fl';
const FIVE = '6.10,shmem-mthp-v1,shmem-mthp-v1-guarded,6.11,6.18';
const ESCAPE = '\u001b';

function maxWidth(text: string): number {
  return Math.max(...text.split('\n').map((line) => [...line].length));
}

describe('run', () => {
  it('exits 0 when everything holds and 1 when an expectation does not', () => {
    const good = faultline(['run', '-'], { input: GOOD });
    expect(good.stdout).toMatch(/^<stdin> on 6\.18\nA page is written\.\n/);
    expect(good.code).toBe(0);
    const bad = faultline(['run', '-'], { input: BAD });
    expect(bad.stdout).toMatch(/expected == 7; found 1/);
    expect(bad.code).toBe(1);
  });

  it('settles the sequence of the thread', () => {
    const ran = faultline(['run', '--json', THREAD]);
    expect(ran.code).toBe(0);
    const report = JSON.parse(ran.stdout);
    expect(report.kernel).toBe('6.18');
    expect(report.summary.mismatched).toBe(0);
    const [parent, child] = report.tasks;
    expect(parent.rss.shmem).toBe(16384);
    expect(child.rss.shmem).toBe(16384);
    const frames = (task: typeof parent) =>
      task.pages.filter((p: { anon: boolean }) => !p.anon).map((p: { frame: number }) => p.frame);
    expect(frames(child)).toEqual(frames(parent));
    expect(frames(child)).toHaveLength(4);
  });

  it('prints one document: the report for one file, {files} for several', () => {
    withFolder((folder) => {
      const one = fileIn(folder, 'one.fl', GOOD);
      const two = fileIn(folder, 'two.fl', BAD);
      const alone = JSON.parse(faultline(['run', '--json', one]).stdout);
      expect(Object.keys(alone)).toEqual([
        'kernel',
        'file',
        'dialect',
        'about',
        'steps',
        'summary',
        'tasks',
        'stats',
        'laws',
        'diagnostics',
        'partial',
      ]);
      const ran = faultline(['run', '--json', one, two, 'nix.fl']);
      expect(ran.code).toBe(2);
      const { files } = JSON.parse(ran.stdout);
      expect(files.map((f: { file: string }) => f.file)).toEqual([one, two, 'nix.fl']);
      expect(files[2].diagnostics[0].code).toBe('CLI001');
      expect(files[0]).toEqual(alone);
    });
  });

  it('checks the laws when asked to', () => {
    const count = (args: string[]): number =>
      JSON.parse(faultline(['run', '--json', ...args, THREAD]).stdout).laws.length;
    expect(count([])).toBe(0);
    expect(count(['--no-laws'])).toBe(0);
    expect(count(['--laws'])).toBeGreaterThan(10);
    const broken = faultline(['run', '--laws', '-k', 'shmem-mthp-v1', THREAD]);
    expect(broken.code).toBe(1);
    expect(broken.stdout).toMatch(/law broken: translation/);
  });

  it('is quiet when all is well, and tells what is not', () => {
    const good = faultline(['run', '--quiet', '-'], { input: GOOD });
    expect(good).toEqual({ code: 0, stdout: '', stderr: '' });
    const bad = faultline(['run', '-q', '-'], { input: BAD });
    expect(bad.stdout).toMatch(/1 step disagrees/);
    expect(bad.stdout).not.toMatch(/mmap/);
  });

  it('writes settings before the first step', () => {
    const input = `${GOOD}expect order a == 4\n`;
    expect(faultline(['run', '-'], { input }).code).toBe(1);
    const set = ['--set', 'hugepages-64kB/enabled=always'];
    const ran = faultline(['run', ...set, '-'], { input });
    expect(ran.stdout).toMatch(/--set .*echo always > …\/hugepages-64kB\/enabled/);
    expect(ran.code).toBe(0);
    const path = '/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled';
    expect(faultline(['run', '--set', `${path}=always`, '-'], { input }).code).toBe(0);
    const bytes = `${GOOD}expect /sys/kernel/debug/fault_around_bytes == 4096\n`;
    const bare = ['--set', 'fault_around_bytes=4096', '--set', 'vm.max_map_count=99'];
    expect(faultline(['run', ...bare, '-'], { input: bytes }).code).toBe(0);
  });

  it('predicts a real log', () => {
    const ran = faultline(['run', '--json', 'scenarios/logs/python.log']);
    expect(ran.code).toBe(0);
    const { summary, steps } = JSON.parse(ran.stdout);
    expect(summary.mismatched).toBe(0);
    expect(summary.steps).toBe(steps.length);
  });
});

describe('colours and widths', () => {
  it('uses no colours in a pipe, with NO_COLOR or --no-color, and says the same without', () => {
    const plain = faultline(['run', THREAD]).stdout;
    expect(plain).not.toContain(ESCAPE);
    expect(faultline(['run', '--no-color', THREAD]).stdout).toBe(plain);
    const painted = faultline(['run', '--color', THREAD]).stdout;
    expect(painted).toContain(ESCAPE);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
    expect(painted.replace(/\u001b\[[0-9;]*m/g, '').replace(/ +$/gm, '')).toBe(plain);
    expect(faultline(['run', THREAD], { env: { NO_COLOR: '1' } }).stdout).toBe(plain);
  });

  it.each([80, 120, 200])('fits into %i columns', (width) => {
    for (const verb of [
      ['run', '--laws', THREAD],
      ['compare', THREAD],
      ['why', THREAD, '--at', 'child:b'],
      ['kernels'],
      ...(width === 80 ? [['run', 'scenarios/logs/python.log']] : []),
    ]) {
      const { stdout } = faultline([...verb, '--width', String(width)]);
      expect(stdout.length).toBeGreaterThan(200);
      expect(maxWidth(stdout), verb.join(' ')).toBeLessThanOrEqual(width);
    }
  });
});

describe('compare', () => {
  it('names the kernels that map the wrong page', () => {
    const ran = faultline(['compare', THREAD, '--kernels', FIVE]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(
      /shmem-mthp-v1 and shmem-mthp-v1-guarded map the wrong page: child 0x21000/,
    );
    const json = JSON.parse(faultline(['compare', THREAD, '--kernels', FIVE, '--json']).stdout);
    const guilty = json.broken.filter((b: { laws: string[] }) => b.laws.includes('translation'));
    expect(guilty.map((b: { kernel: string }) => b.kernel)).toEqual([
      'shmem-mthp-v1',
      'shmem-mthp-v1-guarded',
    ]);
    expect(json.runs).toHaveLength(5);
  });

  it('exits 0 when all agree, and takes all kernels by default', () => {
    const ran = faultline(['compare', '-', '--json'], { input: GOOD });
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout).kernels.length).toBeGreaterThanOrEqual(5);
    const quiet = faultline(['compare', '-', '-q'], { input: GOOD });
    expect(quiet.stdout).toMatch(/^✓ All kernels keep every law/);
  });
});

describe('why', () => {
  it('tells which rule refused each size', () => {
    const ran = faultline(['why', THREAD, '--at', 'child:b']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/64 kB {2}✗ refused {2}hugepages-64kB.* "never"/);
    expect(ran.stdout).toMatch(/mm\/memory\.c finish_fault\(\)/);
    const json = JSON.parse(faultline(['why', THREAD, '--at', 'child:0x21000', '--json']).stdout);
    expect(json.faults.length).toBeGreaterThan(1);
    expect(json.diagnostics).toEqual([]);
  });
});

describe('kernels', () => {
  it('lists names, and names only when quiet', () => {
    const names = faultline(['kernels', '-q']).stdout.trim().split('\n');
    expect(names).toEqual(expect.arrayContaining(FIVE.split(',')));
    const { kernels } = JSON.parse(faultline(['kernels', '--json']).stdout);
    expect(kernels.map((k: { name: string }) => k.name)).toEqual(names);
  });
});

describe('help', () => {
  it.each(['run', 'compare', 'why', 'kernels'])('%s --help has examples', (verb) => {
    const ran = faultline([verb, '--help']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/Examples:\n {2}faultline /);
    expect(ran.stderr).toBe('');
  });

  it('lists verbs and the version', () => {
    expect(faultline(['--help']).stdout).toMatch(/compare .*\n.*why/);
    expect(faultline(['--version']).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a reader that goes away', () => {
  it('ends the run without a word', async () => {
    const child = spawn(
      process.execPath,
      ['bin/faultline.js', 'run', '--json', 'scenarios/logs/python.log'],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });
});

describe.runIf(existsSync('/dev/full'))('a full disk', () => {
  it('is told in a line', () => {
    const full = openSync('/dev/full', 'w');
    const ran = spawnSync(process.execPath, ['bin/faultline.js', 'kernels'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(ran.stderr).toBe('faultline: cannot write: ENOSPC\n');
    expect(ran.status).toBe(2);
  });
});

describe('a bug of ours', () => {
  /** Makes the first use of a task's name as a key, once the program runs, an exception. */
  const preload = `data:text/javascript,${encodeURIComponent(`
    const set = Map.prototype.set;
    Map.prototype.set = function (key, value) {
      if (key === 'planted' && /\\.execute|#execute/.test(new Error().stack)) throw new Error('oh');
      return set.call(this, key, value);
    };`)}`;

  it('is told as one: exit 70, the step, what to report, and a stack only when asked for', () => {
    withFolder((folder) => {
      const bad = fileIn(folder, 'bad.fl', 'main: planted = fork()\n');
      const good = fileIn(folder, 'good.fl', GOOD);
      const env = { NODE_OPTIONS: `--import ${preload}` };
      const ran = faultline(['run', bad, good], { env });
      expect(ran.code).toBe(70);
      expect(ran.stderr).toMatch(
        /internal error: Error: oh\n {2}while executing .*bad\.fl:1: planted/,
      );
      expect(ran.stderr).toMatch(/faultline \d+\.\d+\.\d+, Node v/);
      expect(ran.stderr).not.toMatch(/\n\s+at /);
      expect(ran.stdout).toMatch(/good\.fl on/);
      const told = faultline(['run', bad], { env: { ...env, FAULTLINE_DEBUG: '1' } });
      expect(told.code).toBe(70);
      expect(told.stderr).toMatch(/\n\s+at /);
    });
  });
});
