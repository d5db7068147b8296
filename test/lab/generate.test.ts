/** What random programs are made of: each family of steps, each call, settings, and repeatably. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/index.ts';
import { oddStep } from '../../src/lab/generate_odd.ts';
import { FAMILIES } from '../../src/lab/generate_rare.ts';
import { GenState } from '../../src/lab/generate_state.ts';
import { hostRelease, playIn, programText, worldsBeside } from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

/** A state with mappings, files and a task, as the middle of a program has it. */
function middle(seed: number): GenState {
  const s = new GenState(new Random(seed));
  s.put('t0: m1 = mmap(0x40000000, 64K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED)');
  s.put('t0: f1 = open("/tmp/f1", O_RDWR|O_CREAT, 0600)');
  s.areas.push({ start: 0, base: '', pages: 16, kind: 'shared', fd: '', task: 't0' });
  s.fds.push({ name: 'f1', kind: 'disk', pages: 4, path: '/tmp/f1' });
  return s;
}

function errorsOf(lines: readonly string[]): string[] {
  const { diagnostics } = parseProgram(`${lines.join('\n')}\n`, 'fuzz.fl');
  return diagnostics.filter((d) => d.severity === 'error').map((d) => d.message);
}

/** Names of the calls that programs of a seed make. */
function callsOf(seed: number, programs: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < programs; i++) {
    for (const line of programText(seed, i, 20).split('\n')) {
      const name = /^t\d+: (?:\w+ = )?(\w+)\(/.exec(line)?.[1];
      if (name !== undefined) found.set(name, (found.get(name) ?? 0) + 1);
    }
  }
  return found;
}

const CALLS = [
  ...['mmap', 'munmap', 'mremap', 'mprotect', 'madvise', 'brk', 'mlock', 'mlock2', 'munlock'],
  ...['mlockall', 'munlockall', 'msync', 'mincore', 'mseal', 'remap_file_pages', 'pkey_mprotect'],
  ...['pkey_alloc', 'process_madvise', 'userfaultfd', 'ioctl', 'shmget', 'shmat', 'shmdt'],
  ...[
    'shmctl',
    'fork',
    'vfork',
    'clone',
    'clone3',
    'exit',
    'wait4',
    'waitid',
    'kill',
    'pidfd_open',
  ],
  ...[
    'prctl',
    'setrlimit',
    'prlimit64',
    'setresuid',
    'setuid',
    'setreuid',
    'capset',
    'personality',
  ],
  ...[
    'open',
    'creat',
    'close',
    'dup',
    'dup2',
    'dup3',
    'fcntl',
    'lseek',
    'read',
    'write',
    'pread64',
  ],
  ...['pwrite64', 'readv', 'writev', 'preadv', 'pwritev', 'fsync', 'ftruncate', 'truncate'],
  ...['fallocate', 'memfd_create', 'memfd_secret', 'unlink', 'rename', 'link', 'mount', 'umount2'],
];

describe('random programs', () => {
  it('make every call that the generator knows', () => {
    const found = callsOf(3, 3000);
    expect(CALLS.filter((name) => !found.has(name))).toEqual([]);
  });

  it('are mostly about memory', () => {
    const found = callsOf(4, 500);
    const sum = (names: readonly string[]): number =>
      names.reduce((n, name) => n + (found.get(name) ?? 0), 0);
    const common = sum(['mmap', 'munmap', 'mremap', 'mprotect', 'madvise', 'fork']);
    expect(common).toBeGreaterThan(sum([...found.keys()]) / 2);
  });

  it('write settings in the middle, and words that settings refuse', () => {
    const texts = Array.from({ length: 1500 }, (_, i) => programText(5, i, 20));
    const behind = texts.filter((text) => /\nt\d+: [^\n]*\n(?:[^e][^\n]*\n)*echo /.test(text));
    expect(behind.length).toBeGreaterThan(3);
  });
});

describe('families of rare steps', () => {
  it.each(Object.entries(FAMILIES))('%s: makes steps that can be understood', (_name, family) => {
    let steps = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const s = middle(seed);
      const before = s.lines.length;
      for (let i = 0; i < 4; i++) family(s);
      steps += s.lines.length - before;
      expect(errorsOf(s.lines)).toEqual([]);
    }
    expect(steps).toBeGreaterThan(20);
  });

  it('wrong arguments can be understood, too', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const s = middle(seed);
      oddStep(s);
      expect(errorsOf(s.lines)).toEqual([]);
    }
  });
});

describe('other worlds', () => {
  it('play any program to its end, or to what is not modelled', () => {
    const release = hostRelease('6.18.0')!.release;
    const worlds = worldsBeside(release, true);
    expect(new Set(worlds.map((world) => world.by))).toEqual(
      new Set(['release', 'settings', 'why', 'files']),
    );
    for (let i = 0; i < 6; i++) {
      const { program } = parseProgram(programText(9, i, 20), 'fuzz.fl');
      for (const world of worlds) playIn(world, program);
    }
  });
});
