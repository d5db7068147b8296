/** A real kernel's answers as a report: what is judged, and what could not be asked. */
import { describe, expect, it } from 'vitest';
import { EACCES, ENOENT, ENOSYS, EPERM, EROFS, word } from '../../src/base/index.ts';
import { hostReport, runProgram } from '../../src/lab/index.ts';
import { cannotAsk, cannotRead } from '../../src/scenario/cannot.ts';
import type { ExpectResult } from '../../src/scenario/expectations.ts';
import { parseProgram } from '../../src/scenario/index.ts';
import type { StepOutcome } from '../../src/scenario/transcript.ts';
import { runView } from '../../src/view/index.ts';

const OK: StepOutcome = { value: word.ZERO, minflt: 0, majflt: 0 };
const failed = (errno: number): StepOutcome => ({ errno, minflt: 0, majflt: 0 });
const one = { kind: 'number', value: word.fromNumber(1) } as const;
const HOLDS: ExpectResult = { holds: true, left: one, right: one };
const FAILS: ExpectResult = { holds: false, left: { kind: 'none' }, right: one };

function report(text: string, outcomes: StepOutcome[], expectations: (ExpectResult | undefined)[]) {
  const { program } = parseProgram(text, 'test.fl');
  const observations = program.steps.map(() => undefined);
  return hostReport(program, { kernel: 'host 6.18.1', outcomes, observations, expectations });
}

function verdicts(found: ReturnType<typeof report>): string[] {
  return found.steps.map((step) => step.verdict);
}

const PROGRAM = `expect 1 == 1
echo 4096 > /sys/kernel/debug/fault_around_bytes
getpid()
expect 1 == 1
expect 2 == 1
`;

describe('a step that cannot be asked', () => {
  it('ends the judging of the file, and is told', () => {
    const expectations = [HOLDS, undefined, undefined, HOLDS, FAILS];
    const found = report(PROGRAM, [OK, failed(ENOENT), OK, OK, OK], expectations);
    expect(verdicts(found)).toEqual(['matched', ...Array(4).fill('unchecked')]);
    const why = 'there is no /sys/kernel/debug/fault_around_bytes';
    expect(found.cannot).toEqual({ line: 2, why });
    expect(found.steps.map((step) => step.note)).toEqual([
      undefined,
      `cannot be asked: ${why}`,
      ...Array(3).fill(undefined),
    ]);
    const lines = runView(found, { width: 100, all: false });
    const text = lines.map((line) => line.map((span) => span.text).join('')).join('\n');
    expect(text).toContain('~ 5 steps: 1 matched, 0 mismatched, 4 unchecked, from line 2 on');
    expect(text).toContain(why);
  });

  it('takes back nothing that was judged before', () => {
    const expectations = [FAILS, undefined, undefined, HOLDS, FAILS];
    const found = report(PROGRAM, [OK, failed(EPERM), OK, OK, OK], expectations);
    expect(found.summary).toMatchObject({ mismatched: 1, matched: 0 });
  });

  it('is none where the setting is written', () => {
    const found = report(
      PROGRAM,
      [OK, OK, OK, OK, OK],
      [HOLDS, undefined, undefined, HOLDS, FAILS],
    );
    expect(found.cannot).toBeUndefined();
    expect(verdicts(found)).toEqual(['matched', 'unchecked', 'unchecked', 'matched', 'mismatched']);
  });

  it('is none where the file expects the very answer', () => {
    const text = `mseal(1M, 4K, 0) = -1 ENOSYS\nexpect 2 == 1\n`;
    expect(verdicts(report(text, [failed(ENOSYS), OK], [undefined, FAILS]))).toEqual([
      'matched',
      'mismatched',
    ]);
    const other = report(text.replace('ENOSYS', 'EPERM'), [failed(ENOSYS), OK], [undefined, FAILS]);
    expect(verdicts(other)).toEqual(['unchecked', 'unchecked']);
    expect(other.cannot).toEqual({ line: 1, why: 'the kernel has no mseal()' });
  });

  it('may be an expectation that reads what is not there', () => {
    const cannot = 'there is no /sys/kernel/mm/x';
    const found = report('expect 2 == 1\nexpect 2 == 1\n', [OK, OK], [{ ...FAILS, cannot }, FAILS]);
    expect(verdicts(found)).toEqual(['unchecked', 'unchecked']);
    expect(found.cannot?.why).toBe(cannot);
  });

  it('is all of a program that wants another memory', () => {
    const found = report('memory 4G\nexpect 2 == 1\n', [OK], [FAILS]);
    expect(verdicts(found)).toEqual(['unchecked']);
    expect(found.cannot).toEqual({ line: 2, why: 'its machine has another memory' });
  });

  it('does not exist on the model', () => {
    const { program } = parseProgram('echo 1 > /sys/none\nexpect 2 == 1\n', 'test.fl');
    const found = runProgram(program);
    expect(found.cannot).toBeUndefined();
    expect(found.summary.mismatched).toBe(1);
  });
});

describe('what counts as such', () => {
  const stepOf = (text: string) => parseProgram(`${text}\n`, 'test.fl').program.steps[0]!;

  it.each([
    ['echo 1 > /sys/x', ENOENT, 'there is no /sys/x'],
    ['echo 1 > /sys/x', EROFS, '/sys/x may not be written'],
    ['echo 1 > /sys/x', EACCES, '/sys/x may not be written'],
    ['mseal(1M, 4K, 0)', ENOSYS, 'the kernel has no mseal()'],
    ['mseal(1M, 4K, 0)', EPERM, undefined],
    ['open("/tmp/x", O_RDONLY)', ENOENT, undefined],
    ['cat /sys/x', ENOENT, undefined],
  ])('%s with errno %i', (text, errno, why) => {
    expect(cannotAsk(stepOf(text), failed(errno))).toBe(why);
    expect(cannotAsk(stepOf(text), OK)).toBeUndefined();
  });

  it.each([
    ['/sys/x', ENOENT, 'there is no /sys/x'],
    ['/proc/sys/vm/x', ENOENT, 'there is no /proc/sys/vm/x'],
    ['/sys/x', EPERM, '/sys/x may not be read'],
    ['/proc/child/status', ENOENT, undefined],
    ['/sys/x', undefined, undefined],
  ])('an expectation of %s with errno %s', (path, errno, why) => {
    const { op } = stepOf(`expect ${path} == 1`);
    if (op.kind !== 'expect' || op.expectation.kind !== 'compare') throw new Error('no comparison');
    expect(cannotRead(op.expectation.left, errno)).toBe(why);
    expect(cannotRead(op.expectation.right, errno)).toBeUndefined();
  });
});
