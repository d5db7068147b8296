/**
 * One small program, traced by strace 6.1 with each option that changes the form of the output.
 * However it is written, it is the same program.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatProgram, type Program, parseProgram } from '../../src/scenario/index.ts';
import { plain } from './helpers.ts';

const DIR = new URL('../data/strace-options/', import.meta.url);
const FILES = readdirSync(DIR).sort();

function load(name: string) {
  return parseProgram(readFileSync(new URL(name, DIR), 'utf8'), name);
}

/** Names of the memory calls of the first task, with whether each failed. */
function story(program: Program): string[] {
  const first = program.steps[0]?.task;
  const wanted = /^(mmap|munmap|mprotect|mremap|brk|madvise|shmat|shmdt|syscall_.*)$/;
  const out: string[] = [];
  for (const { task, op, expected } of program.steps) {
    if (task !== first || op.kind !== 'call' || !wanted.test(op.name)) continue;
    out.push(`${op.name}/${op.args.length} ${expected?.kind === 'errno' ? expected.name : 'ok'}`);
  }
  return out;
}

/** Options that leave out calls, or change what the program did. */
const DIFFERENT = new Set([
  'c.log',
  'f-status.log',
  'f-erw.log',
  'f-k.log',
  'f-inject.log',
  'f-raw-e.log',
]);

describe.each(FILES)('%s', (name) => {
  const { program, diagnostics } = load(name);

  test('is a log in which nothing is torn', () => {
    expect(program.dialect).toBe('strace');
    // The program's own output stands in the middle of a line here.
    expect(program.torn).toBe(name === 'stderr-mixed.log' ? 2 : 0);
    const severe = diagnostics.filter((d) => d.severity !== 'note');
    expect(severe).toHaveLength(name === 'stderr-mixed.log' ? 2 : name === 'c.log' ? 1 : 0);
  });

  if (!DIFFERENT.has(name)) {
    test('tells the same story', () => {
      expect(story(program)).toEqual(story(load('f.log').program));
    });
  }

  test('has every argument of a memory call in a form that is known', () => {
    for (const step of program.steps) {
      if (step.op.kind !== 'call' || !/^(mmap|mremap|mprotect|munmap|madvise)$/.test(step.op.name))
        continue;
      const text = JSON.stringify(plain(step.op.args));
      expect(text, `${name}:${step.at.line}`).not.toContain('"unknown"');
    }
  });

  test('is printed as a log that parses to the same', () => {
    const again = parseProgram(formatProgram(program), name).program;
    expect(plain(again.steps, 'endLine')).toEqual(plain(program.steps, 'endLine'));
  });
});

test('forms that only some options give', () => {
  const find = (name: string, start: string) => {
    const step = load(name).program.steps.find((s) => s.text.startsWith(start));
    if (step === undefined) throw new Error(`${name} has no ${start}`);
    return step;
  };
  expect(find('f-y.log', 'memfd_create').expected).toMatchObject({
    text: '3',
    path: '/memfd:mem<>fd (deleted)',
  });
  expect(find('f-ttt.log', 'execve').time).toBeGreaterThan(1.5e9);
  expect(find('f-xx.log', 'memfd_create').text).toContain('\\x6d');
  const op = find('f-xx.log', 'memfd_create').op;
  expect(op.kind === 'call' && op.args[0]?.value).toMatchObject({
    kind: 'string',
    value: 'mem<>fd',
  });
  expect(
    load('f.log')
      .program.steps.filter((s) => s.op.kind === 'exited')
      .map((s) => s.op),
  ).toContainEqual({ kind: 'exited', killedBy: 'SIGSEGV' });
});
