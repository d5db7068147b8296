/** What people see, as text files to be reviewed: every view at three widths. */
import { describe, expect, it } from 'vitest';
import type { CompareReport } from '../../src/lab/index.ts';
import {
  compareView,
  kernelsView,
  type Line,
  lineWidth,
  plainText,
  quietRunView,
  runView,
  whyView,
} from '../../src/view/index.ts';
import { expectGolden } from '../support/golden.ts';
import { everything, law, Pages, run, step, whyFixture } from './fixtures.ts';

const WIDTHS = [80, 120, 200];

function textOf(lines: readonly Line[]): string {
  return `${lines.map((l) => plainText(l).trimEnd()).join('\n')}\n`;
}

function expectFits(lines: readonly Line[], width: number): void {
  for (const l of lines) expect(lineWidth(l), plainText(l)).toBeLessThanOrEqual(width);
}

/** A kernel that maps the wrong page of a shared folio, and one that maps the right one. */
function compared(): CompareReport {
  const folios = { A: { order: 2, anon: false } };
  const make = (kernel: string, child: string, wrong: boolean) => {
    const p = new Pages(folios);
    return run({
      kernel,
      about: 'Shared memory moved by the child. More words.',
      steps: [
        step(3, 'parent', 'write a', { minflt: 1 }),
        step(4, 'child', 'write b', { minflt: wrong ? 2 : 1 }),
        step(5, 'child', 'expect child: minflt == 1', {
          result: wrong ? '2' : '1',
          expected: '== 1',
          verdict: wrong ? 'mismatched' : 'matched',
        }),
      ],
      tasks: [
        p.task('parent', [{ start: '0x10000', pages: 'A0 A1 A2 A3', prot: 'rw-s' }], { minflt: 1 }),
        p.task('child', [{ start: '0x11000', pages: child, prot: 'rw-s' }], { pid: 1001 }),
      ],
      laws: [
        law(
          'translation',
          8,
          wrong
            ? [
                {
                  line: 4,
                  task: '1001',
                  address: '0x11000',
                  found: 'page 1 of A',
                  due: 'page 0 of A',
                },
              ]
            : [],
        ),
        law('uffd', 0),
      ],
    });
  };
  const kernels = ['6.10', 'shmem-mthp-v1', '6.11', '6.18'];
  return {
    file: 'test.fl',
    kernels,
    runs: kernels.map((kernel) =>
      kernel === 'shmem-mthp-v1'
        ? make(kernel, 'A1 A2 A3 .', true)
        : make(kernel, 'A0 A1 A2 A3', false),
    ),
    differences: [
      { line: 4, task: 'child', what: 'faults', values: ['1', '2', '1', '1'] },
      { line: 5, task: 'child', what: 'result', values: ['1', '2', '1', '1'] },
      {
        line: 5,
        task: 'child',
        what: 'verdict',
        values: ['matched', 'mismatched', 'matched', 'matched'],
      },
      { line: 5, task: 'child', what: 'page 0x11000', values: ['a', 'b', 'a', 'a'] },
      { line: 5, task: 'child', what: 'rss.shmem', values: ['16 kB', '12 kB', '16 kB', '16 kB'] },
    ],
    broken: [{ kernel: 'shmem-mthp-v1', laws: ['translation'] }],
  };
}

describe.each(WIDTHS)('at %i columns', (width) => {
  const options = { width, all: false };

  it('run', () => {
    const lines = runView(everything(), options);
    expectFits(lines, width);
    expectGolden(`view/run-${width}.txt`, textOf(lines));
  });

  it('compare', () => {
    const lines = compareView(compared(), options);
    expectFits(lines, width);
    expectGolden(`view/compare-${width}.txt`, textOf(lines));
  });

  it('why', () => {
    const lines = whyView(whyFixture(), options);
    expectFits(lines, width);
    expectGolden(`view/why-${width}.txt`, textOf(lines));
  });

  it('kernels', () => {
    const rules = ['finish_fault()', 'mremap moves one VMA'];
    const base = { source: 'Linux', differs: [], default: false };
    const lines = kernelsView(
      [
        { ...base, name: '6.10', title: 'before the series', differs: rules },
        {
          ...base,
          name: 'shmem-mthp-v1-guarded',
          title: 'with the guard',
          differs: rules.slice(0, 1),
        },
        { ...base, name: '6.18', title: 'the newest', default: true },
      ],
      width,
    );
    expectFits(lines, width);
    expectGolden(`view/kernels-${width}.txt`, textOf(lines));
  });
});

describe('an strace log', () => {
  const log = run({
    file: 'x.log',
    dialect: 'strace',
    steps: [
      step(1, '7', 'execve("/bin/x", ["x"], 0x1 /* 3 vars */) = 0', { verdict: 'matched' }),
      step(2, '7', 'brk(NULL)                         = 0x5000', {
        result: '0x5000',
        verdict: 'assumed',
      }),
      step(3, '7', 'mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000', {
        result: '0x7f0000001000',
        expected: '0x7f0000000000',
        verdict: 'mismatched',
      }),
      step(4, '7', 'getpid() = 7', { verdict: 'ignored' }),
      step(5, '7', '--- SIGCHLD {si_signo=SIGCHLD} ---', { verdict: 'ignored' }),
      step(6, '7', '+++ exited with 0 +++', { verdict: 'ignored' }),
    ],
  });

  it('is counted by call, and every disagreement told', () => {
    expectGolden('view/log.txt', textOf(runView(log, { width: 100, all: false })));
  });

  it('is shown step by step with --all', () => {
    expectGolden('view/log-all.txt', textOf(runView(log, { width: 100, all: true })));
  });

  it('tells only what is wrong when quiet', () => {
    expectGolden('view/log-quiet.txt', textOf(quietRunView(log, { width: 100, all: false })));
    expect(quietRunView(run({ steps: [step(1, '', 'x()')] }), { width: 80, all: false })).toEqual(
      [],
    );
  });
});
