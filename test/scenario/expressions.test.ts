import { describe, expect, test } from 'vitest';
import { word } from '../../src/base/index.ts';
import { constantValue, formatExpr } from '../../src/scenario/index.ts';
import { argsOf, complaints, stepsOf } from './helpers.ts';

/** The single argument of a call in a scenario that binds `a` and `b`. */
function parsed(text: string) {
  const steps = stepsOf(`a = brk(0)\nb = brk(0)\nbrk(${text})`);
  const op = steps[2]?.op;
  if (op?.kind !== 'call') throw new Error('no call');
  return { lisp: argsOf(steps[2])[0], expr: op.args[0]!.value };
}

describe('expressions of a scenario', () => {
  test.each([
    ['0', '0', '0x0'],
    ['4096', '4096', '0x1000'],
    ['0x7f8464379000', '0x7f8464379000', '0x7f8464379000'],
    ['0600', '0600', '0x180'],
    ['64K', '64K', '0x10000'],
    ['2M', '2M', '0x200000'],
    ['4G', '4G', '0x100000000'],
    ['1T', '1T', '0x10000000000'],
    ['0x10K', '0x10K', '0x4000'],
    ['-1', '-1', '0xffffffffffffffff'],
    ['18446744073709551615', '18446744073709551615', '0xffffffffffffffff'],
    ['2<<30', '(<< 2 30)', '0x80000000'],
    ['21<<MAP_HUGE_SHIFT', '(<< 21 MAP_HUGE_SHIFT)', '0x54000000'],
    ['1+2*3', '(+ 1 (* 2 3))', '0x7'],
    ['(1+2)*3', '(* (+ 1 2) 3)', '0x9'],
    ['1-2-3', '(- (- 1 2) 3)', '0xfffffffffffffffc'],
    ['1|2&3', '(| 1 (& 2 3))', '0x3'],
    ['1<<2+3', '(<< 1 (+ 2 3))', '0x20'],
    ['0x100>>4', '(>> 0x100 4)', '0x10'],
    ['~0', '(~ 0)', '0xffffffffffffffff'],
    ['~(PAGE_SIZE-1)', '(~ (- PAGE_SIZE 1))', '0xfffffffffffff000'],
    ['-ENOMEM', '(- ENOMEM)', '0xfffffffffffffff4'],
    ['PROT_READ | PROT_WRITE', '(| PROT_READ PROT_WRITE)', '0x3'],
    ['NULL', 'NULL', '0x0'],
    ['a - 1', '(- $a 1)', undefined],
    ['a+4K', '(+ $a 4K)', undefined],
    ['&a', '(& $a)', undefined],
    ['"x\\n\\"\\101\\x42\\303\\251\\377"', '"x\\n\\"AB\u00e9\u00ff"', undefined],
    ['"abc"...', '"abc"...', undefined],
    ['{x=1, y={2, 3}, ...}', '{x=1 y={2 3} ...}', undefined],
    ['[1, a, ...]', '[1 $a ...]', undefined],
    ['[]', '[]', undefined],
    ['3</lib/libc.so>', '3</lib/libc.so>', '0x3'],
    ['3</memfd:x>(deleted)', '3</memfd:x (deleted)>', '0x3'],
    ['AT_FDCWD</tmp>', '-100</tmp>', '0xffffffffffffff9c'],
    ['makedev(0x1, 0x5)', '(makedev 0x1 0x5)', undefined],
    ['1 /* one */ + /* two */ 2', '(+ 1 2)', '0x3'],
  ])('%s', (text, lisp, value) => {
    const found = parsed(text);
    expect(found.lisp).toBe(lisp);
    const number = constantValue(found.expr);
    expect(number === undefined ? undefined : word.toHex(number)).toBe(value);
    expect(parsed(formatExpr(found.expr)).lisp).toBe(lisp);
  });

  test.each([
    ['brk(12ab)', "1:5: error: '12ab' is no number that fits 64 bits"],
    ['brk(08)', "1:5: error: '08' is no number"],
    ['brk(4k)', "did you mean '4K'?"],
    ['brk(64KiB)', "did you mean '64K'?"],
    ['brk(0x10000000000000000)', "1:5: error: '0x10000000000000000' is no number that fits 64"],
    ['brk(16777216T)', "1:5: error: '16777216T' is no number that fits 64"],
    ['brk(1 +)', "1:8: error: expected a value, found ')'"],
    ['brk(1', "1:6: error: expected ',' or ')' in the arguments, found the end of the line"],
    ['brk(1 2)', "1:7: error: expected ',' or ')' in the arguments, found '2'"],
    ['brk((1)', '1:8: error: expected'],
    ['brk("abc)', '1:5: error: this string is not closed'],
    ['brk([1, 2)', "1:10: error: expected ',' or ']', found ')'"],
    ['brk({1 2})', "1:8: error: expected ',' or '}', found '2'"],
    [
      'brk(PROT_RAED)',
      "1:5: error: 'PROT_RAED' is no constant that is known here; did you mean 'PROT_READ'?",
    ],
    ['brk(addr)', "1:5: error: 'addr' is not bound by an earlier step"],
    [
      'abc = brk(0)\nbrk(abd)',
      "2:5: error: 'abd' is not bound by an earlier step; did you mean 'abc'?",
    ],
    [`brk(${'('.repeat(500)}1${')'.repeat(500)})`, 'SCN015'],
    [`brk(${'~'.repeat(500)}1)`, 'SCN015'],
    [`brk(${Array(500).fill('1').join('+')})`, 'SCN015'],
    [`${'read 0\n'.repeat(30)}brk(\u0001)`, "31:5: error: expected a value, found '\\x01'"],
  ])('bad: %s', (text, complaint) => {
    const found = complaints(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(complaint);
  });
});
