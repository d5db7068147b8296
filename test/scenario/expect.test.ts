import { describe, expect, test } from 'vitest';
import { formatExpectation } from '../../src/scenario/index.ts';
import { complaints, plain, stepsOf } from './helpers.ts';

const HEAD = 'parent: a = brk(0)\nparent: b = brk(0)\nparent: child = fork()\n';

function expectation(text: string) {
  const op = stepsOf(HEAD + text).at(-1)!.op;
  if (op.kind !== 'expect') throw new Error('no expectation');
  return op.expectation;
}

describe('expectations', () => {
  test.each([
    ['expect child: minflt == 1', 'child: minflt == 1'],
    ['expect  child:majflt<=1', 'child: majflt <= 1'],
    ['child: expect minflt == 1', 'child: minflt == 1'],
    ['expect minflt == 1', 'minflt == 1'],
    ['expect /proc/child/status RssShmem == 16 kB', '/proc/child/status RssShmem == 16 kB'],
    ['expect /proc/child/status RssShmem: >= 16 kB', '/proc/child/status RssShmem >= 16 kB'],
    ['expect /proc/vmstat pgfault > 0', '/proc/vmstat pgfault > 0'],
    ['expect /proc/meminfo Active(anon) != 0 kB', '/proc/meminfo Active(anon) != 0 kB'],
    ['expect /proc/child/smaps a+4K Rss == 16 kB', '/proc/child/smaps a+4K Rss == 16 kB'],
    ['expect /proc/child/smaps a VmFlags == "rd wr"', '/proc/child/smaps a VmFlags == "rd wr"'],
    ['expect /sys/x/shmem_enabled == [advise]', '/sys/x/shmem_enabled == [advise]'],
    ['expect /sys/x/shmem_enabled == advise', '/sys/x/shmem_enabled == advise'],
    ['expect /sys/x/shmem_enabled == "[advise]"', '/sys/x/shmem_enabled == [advise]'],
    ['expect /sys/x/stats/anon_fault_alloc == 4', '/sys/x/stats/anon_fault_alloc == 4'],
    [
      'expect /proc/child/status VmPTE == /proc/parent/status VmPTE',
      '/proc/child/status VmPTE == /proc/parent/status VmPTE',
    ],
    ['expect child: page b+4K is parent: page a+4K', 'child: page b+4K is parent: page a+4K'],
    ['expect child: page b is not parent: page a', 'child: page b is not parent: page a'],
    ['expect child: page b == parent: page a', 'child: page b is parent: page a'],
    ['expect child: order b == 2', 'child: order b == 2'],
    ['expect child: order b == none', 'child: order b == none'],
    ['expect child: index b+8K == parent: index a+8K', 'child: index b+8K == parent: index a+8K'],
    ['expect child: value b == 99', 'child: value b == 99'],
    ['expect child: mapcount b == 2', 'child: mapcount b == 2'],
    ['expect child: vmas == 7', 'child: vmas == 7'],
    ['expect child: b mapped', 'child: b mapped'],
    ['expect b unmapped', 'b unmapped'],
    ['expect child: b+4K 3*4K unmapped', 'child: b+4K 3*4K unmapped'],
    ['expect child: b (-1) mapped', 'child: b (-1) mapped'],
    ['expect child: signal == SIGSEGV/MAPERR', 'child: signal == SIGSEGV/MAPERR'],
    ['expect child: signal == SIGBUS/BUS_ADRERR', 'child: signal == SIGBUS/ADRERR'],
    ['expect child: signal != none', 'child: signal != none'],
    ['expect child: signal == parent: signal', 'child: signal == parent: signal'],
    ['expect child: result == -ENOMEM', 'child: result == -ENOMEM'],
    ['expect child: result == a+4K', 'child: result == a+4K'],
    ['expect a == b', 'a == b'],
    ['expect b-a < 2M', 'b-a < 2M'],
    ['expect 1<<3 == 8', '1<<3 == 8'],
    ['expect 17060: minflt == 1', '17060: minflt == 1'],
  ])('%s', (text, printed) => {
    const found = expectation(text);
    expect(formatExpectation(found)).toBe(printed);
    expect(plain(expectation(`expect ${printed}`))).toEqual(plain(found));
  });

  test.each([
    [
      'expect child: page b+4K is parent: page a+4K',
      {
        kind: 'compare',
        op: '==',
        unit: '',
        left: { kind: 'page', task: 'child' },
        right: { kind: 'page', task: 'parent' },
      },
    ],
    [
      'expect /proc/child/status RssShmem == 16 kB',
      {
        left: { kind: 'field', path: '/proc/child/status', field: 'RssShmem' },
        right: { kind: 'expr' },
        unit: 'kB',
      },
    ],
    [
      'expect /sys/x/enabled == madvise',
      { left: { kind: 'field', field: '' }, right: { kind: 'word', text: 'madvise' } },
    ],
    ['expect /proc/child/smaps a Rss == 16 kB', { left: { kind: 'smaps', field: 'Rss' } }],
    [
      'expect child: b 8K mapped',
      { kind: 'mapped', task: 'child', mapped: true, length: { kind: 'int' } },
    ],
    ['expect minflt == 1', { left: { kind: 'faults', task: '', which: 'minflt' } }],
  ])('form of %s', (text, form) => expect(expectation(text)).toMatchObject(form));

  test.each([
    [
      'expect child: minflt = 1',
      "4:22: error: expected a comparison, found '='; did you mean '=='?",
    ],
    [
      'expect child: minfit == 1',
      "4:15: error: 'minfit' is nothing that can be expected, and no step binds it; did you mean 'minflt'?",
    ],
    ['expect child: minflt == 1 x', "4:27: error: 'x' is no unit"],
    ['expect child: minflt == 1 2', "4:27: error: unexpected '2' behind the expectation"],
    ['expect child: minflt 1', "4:22: error: expected a comparison, found '1'"],
    ['expect child: minflt == 1 KB', "did you mean 'kB'?"],
    [
      'expect child: signal == SIGSEVG',
      "4:25: error: expected a signal or 'none', found 'SIGSEVG'; did you mean 'SIGSEGV'?",
    ],
    [
      'expect child: signal == SIGSEGV/MAPER',
      "4:33: error: 'MAPER' is no si_code of a fault; did you mean 'MAPERR'?",
    ],
    ['expect child: order b is 2', "4:23: error: 'is' compares pages"],
    ['expect child: page b is 2', "4:25: error: expected a page behind 'is'"],
    [
      'expect child: b maped',
      "4:17: error: expected a comparison, found 'maped'; did you mean 'mapped'?",
    ],
    ['expect child: b', '4:1'],
    ['expect', 'SCN009'],
    ['expect /proc/child/smaps a == 1', '4:28: error: expected a field of smaps'],
    ['expect /sys/x == [a', "4:18: error: expected ']'"],
  ])('bad: %s', (text, complaint) => {
    const found = complaints(HEAD + text);
    expect(found).toHaveLength(1);
    if (complaint !== '4:1') expect(found[0]).toContain(complaint);
  });
});
