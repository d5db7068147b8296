/**
 * Real strace logs on the model: every result of a memory call is predicted. The samples were given
 * to the project; the other logs are of the kinds that the model once had wrong.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type RunReport, runProgram } from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const DATA = new URL('../data/strace/', import.meta.url);
const FILES = ['samples', 'logs'].flatMap((dir) =>
  readdirSync(new URL(`${dir}/`, DATA)).map((name) => `${dir}/${name}`),
);

function textOf(file: string): string {
  return readFileSync(new URL(file, DATA), 'latin1');
}

function predict(text: string): RunReport {
  return runProgram(parseProgram(text, 'test.log').program, { laws: false });
}

function verdicts(text: string): string[] {
  return predict(text).steps.map((step) => step.verdict);
}

function executions(text: string): number {
  const { steps } = parseProgram(text, 'test.log').program;
  return steps.filter((step) => /^execve/.test(step.text) && step.expected?.kind === 'value')
    .length;
}

const HEAD = `execve("/usr/bin/x", ["x"], 0x7ffd00000000 /* 9 vars */) = 0
brk(NULL) = 0x555555600000
mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fb0000
`;

describe('predictions of real logs', () => {
  test.each(FILES)('%s', (file) => {
    const text = textOf(file);
    const { steps, summary } = predict(text);
    const wrong = steps.filter((step) => step.verdict === 'mismatched');
    expect(wrong.map((step) => `${step.line}: ${step.text} => ${step.result}`)).toEqual([]);
    expect(summary.assumed).toBeLessThanOrEqual(6 * Math.max(1, executions(text)));
    expect(summary.matched).toBeGreaterThan(0);
  });
});

describe('a wrong result is told', () => {
  test('an address that no rule gives', () => {
    const text = `${HEAD}mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fae000\n`;
    expect(verdicts(text).at(-1)).toBe('mismatched');
  });

  test('an error that no rule gives', () => {
    const refused = 'mprotect(0x7ffff7fb0000, 4096, PROT_READ) = -1 EACCES (Permission denied)';
    expect(verdicts(`${HEAD}${refused}\n`).at(-1)).toBe('mismatched');
  });

  test('success where the kernel refuses', () => {
    const unaligned = 'munmap(0x7ffff7fb0001, 4096) = 0';
    expect(verdicts(`${HEAD}${unaligned}\n`).at(-1)).toBe('mismatched');
  });

  test('what one wrong answer leaves behind is the state of the log', () => {
    const off = 'mmap(NULL, 4096, PROT_READ, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fae000';
    const below = 'mmap(NULL, 4096, PROT_READ, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7ffff7faf000';
    expect(verdicts(`${HEAD}${off}\n${below}\n`).slice(-2)).toEqual(['mismatched', 'matched']);
  });
});

describe('what a log does not tell is learned once, and then predicts', () => {
  const big = (pages: number, result: string): string =>
    `mmap(NULL, ${pages * 4096}, PROT_READ, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = ${result}\n`;

  test('a limit of the address space', () => {
    const text =
      HEAD +
      big(20000, '-1 ENOMEM (Cannot allocate memory)') +
      big(30000, '-1 ENOMEM (Cannot allocate memory)') +
      big(16, '0x7ffff7fa0000');
    expect(verdicts(text).slice(-3)).toEqual(['assumed', 'matched', 'matched']);
  });

  test('a limit that the log tells to be none explains nothing', () => {
    const told =
      'prlimit64(0, RLIMIT_AS, NULL, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}) = 0\n' +
      'prlimit64(0, RLIMIT_DATA, NULL, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}) = 0\n';
    const small = big(16, '0x7ffff7fa0000');
    const text = HEAD + told + small + big(8, '-1 ENOMEM (Cannot allocate memory)');
    expect(verdicts(text).at(-1)).toBe('mismatched');
  });

  test('a descriptor of a call that was not traced', () => {
    const refused = 'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 7, 0) = -1 ENODEV (No such device)\n';
    const executed =
      'mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE, 7, 0) = -1 EPERM (Operation not permitted)\n';
    expect(verdicts(HEAD + refused + executed).slice(-2)).toEqual(['assumed', 'matched']);
  });

  test('who the caller is', () => {
    const shared = 'shmget(IPC_PRIVATE, 4096, IPC_CREAT|0600) = 5\n';
    const refused = 'shmat(5, NULL, SHM_EXEC) = -1 EACCES (Permission denied)\n';
    expect(verdicts(HEAD + shared + refused + refused).slice(-2)).toEqual(['assumed', 'matched']);
  });

  test('registrations with userfaultfd', () => {
    const text = `${HEAD}userfaultfd(O_NONBLOCK) = 4
mmap(NULL, 40960, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fa6000
munmap(0x7ffff7fa7000, 4096) = 0
mremap(0x7ffff7fa6000, 40960, 40960, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7ffff7f00000) = -1 EFAULT (Bad address)
mremap(0x7ffff7fa6000, 40960, 40960, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7ffff7f00000) = -1 EFAULT (Bad address)
mremap(0x7ffff7fa6000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7ffff7f00000) = 0x7ffff7f00000
`;
    expect(verdicts(text).slice(-3)).toEqual(['assumed', 'matched', 'matched']);
  });
});

describe('touches that a log does not show decide which neighbours are one mapping', () => {
  function mappings(text: string, task: string, name: string): string[] {
    const { tasks } = predict(text);
    const vmas = tasks.find((one) => one.name === task)?.vmas ?? [];
    return vmas
      .filter((v) => (v.file ?? '') === name && v.prot === 'rw-p')
      .map((v) => `${Number(v.start).toString(16)}-${Number(v.end).toString(16)}`);
  }

  /** As brk-of-a-forked-child.fl, which the kernel has answered. */
  test('the heap of a forked child grows beside what it inherited', () => {
    const text = `10 ${HEAD.trim().replace(/\n/g, '\n10 ')}
10 brk(0x555555621000) = 0x555555621000
10 clone(child_stack=NULL, flags=SIGCHLD) = 11
11 brk(0x555555642000) = 0x555555642000
10 brk(0x555555642000) = 0x555555642000
`;
    expect(mappings(text, '10', '[heap]')).toEqual(['555555600000-555555642000']);
    expect(mappings(text, '11', '[heap]')).toEqual([
      '555555600000-555555621000',
      '555555621000-555555642000',
    ]);
  });

  /** The two are from /proc/PID/maps of that perl's child, when it was about to end. */
  test('what mremap moved does not join a neighbour that was touched as well', () => {
    const text = textOf('logs/perl_posix.log');
    const end = text.search(/^24899 exit_group/m);
    const found = mappings(text.slice(0, end), '24899', '');
    expect(found).toContain('7fddb8d51000-7fddb8da1000');
    expect(found).toContain('7fddb8da1000-7fddb8e3f000');
  });
});

describe('what is drawn anew for each call', () => {
  const low = (result: string): string =>
    `mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT, -1, 0) = ${result}\n`;

  test('MAP_32BIT: an address that can be drawn is right', () => {
    const text = HEAD + low('0x41fc6000') + low('0x407cf000');
    expect(verdicts(text).slice(-2)).toEqual(['matched', 'matched']);
  });

  test('MAP_32BIT: one that cannot is wrong', () => {
    expect(verdicts(HEAD + low('0x43000000')).at(-1)).toBe('mismatched');
  });

  test('a result that strace injected is none of the kernel', () => {
    const text = `${HEAD}munmap(0x7ffff7fb0000, 8192) = -1 ENOMEM (Cannot allocate memory) (INJECTED)\n`;
    expect(verdicts(text).at(-1)).toBe('ignored');
  });
});

test('calls that overlap are taken in the order that explains their addresses', () => {
  const clone =
    'clone(child_stack=0x7ffff7fa0000, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) = 11';
  const map = 'mmap(NULL, 4096, PROT_READ, MAP_SHARED|MAP_ANONYMOUS, -1, 0';
  const text = `${HEAD.replace(/^/gm, '10 ').replace(/10 $/, '')}10 ${clone}
10 ${map} <unfinished ...>
11 ${map} <unfinished ...>
10 <... mmap resumed>) = 0x7ffff7fae000
11 <... mmap resumed>) = 0x7ffff7faf000
`;
  const { summary } = predict(text);
  expect(summary.mismatched).toBe(0);
  expect(summary.matched).toBeGreaterThanOrEqual(2);
});

/** A machine that boots fast. */
const SMALL = 1 << 28;

describe('torn logs', () => {
  test.each(FILES.filter((file) => textOf(file).length < 60_000))('%s in pieces', (file) => {
    const text = textOf(file);
    for (let part = 1; part < 4; part++) {
      const at = Math.floor((text.length * part) / 4) + part;
      for (const piece of [text.slice(0, at), text.slice(at), text + text.slice(at)]) {
        const { program } = parseProgram(piece, file);
        if (program.dialect === 'strace') runProgram(program, { laws: false, memory: SMALL });
      }
    }
    predict(text.replace(/^(\[pid +)?\d+\]? +/gm, ''));
  });
});
