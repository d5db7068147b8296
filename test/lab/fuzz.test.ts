/** The parts of `fuzz` that need no kernel: programs, shrinking, findings, coverage. */
import { describe, expect, it } from 'vitest';
import {
  BLOCK_PROGRAMS,
  blockSettings,
  type Divergence,
  divergenceKind,
  type Elsewhere,
  fileCoverage,
  findingText,
  hostRelease,
  programText,
  shrinkLines,
} from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

describe('programs', () => {
  it('are the same for the same seed, and parse', () => {
    const seen = new Set<string>();
    for (let index = 0; index < 500; index++) {
      const text = programText(7, index, 20);
      expect(programText(7, index, 20)).toBe(text);
      const { diagnostics } = parseProgram(text, 'fuzz.fl');
      expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
      seen.add(text);
    }
    expect(seen.size).toBe(500);
  });

  it('of a block begin with the same settings', () => {
    const head = blockSettings(7, 3);
    for (const index of [0, 17, BLOCK_PROGRAMS - 1]) {
      expect(programText(7, index, 5).split('\n').slice(0, head.length)).toEqual(head);
    }
    expect(blockSettings(7, BLOCK_PROGRAMS)).not.toEqual(head);
  });
});

describe('shrinking', () => {
  it('keeps what is needed and nothing else', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}`);
    let asked = 0;
    const small = await shrinkLines(lines, async (some) => {
      asked++;
      return some.includes('line 3') && some.includes('line 29') && some.includes('line 30');
    });
    expect(small).toEqual(['line 3', 'line 29', 'line 30']);
    expect(asked).toBeLessThan(150);
  });
});

const FOUND: Divergence = {
  step: 1,
  line: 2,
  text: 'a: write m',
  task: 'a',
  address: '0x40000000',
  observable: 'order',
  model: '0',
  kernel: '2',
};

describe('findings', () => {
  it('are of one kind by call and observable', () => {
    expect(divergenceKind(FOUND)).toBe('write: order');
    const text = 't0: x = madvise(0x40000000, 4K, MADV_COLD)';
    expect(divergenceKind({ ...FOUND, text })).toBe('madvise MADV_COLD: order');
  });

  it("become scenarios with the kernel's answers", () => {
    const lines = [
      'a: m = mmap(1G, 16K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED)',
      'a: write m',
    ];
    const { program } = parseProgram(`${lines.join('\n')}\n`, 'x.fl');
    const pages = { vpn: [0x40000], bits: [1], folio: [1], index: [0], order: [2], mapcount: [1] };
    const rss = { anon: 16, file: 0, shmem: 0, swap: 0 };
    const task = { task: 'a', vmas: [], pages, rss, vmPte: -1, vmSize: -1, vmLck: -1 };
    const faults = { minflt: 1, majflt: 0 };
    const seen = { kernel: 'host', outcomes: [faults, faults], observations: [[task], [task]] };
    const origin = { seed: 1, program: 2, kernel: 'host 6.18.44' };
    const text = findingText(program, lines, seen, FOUND, origin);
    expect(text).toContain('expect a: minflt == 1\n');
    expect(text).toContain('expect a: order 0x40000000 == 2\n');
    expect(parseProgram(text, 'x.fl').diagnostics).toEqual([]);
  });
});

describe('coverage', () => {
  it('tells functions that never ran and branches that were never taken', () => {
    const source = 'function a() {\n  if (x) {\n    return 1;\n  }\n}\nfunction b() {}\n';
    const range = (startOffset: number, endOffset: number, count: number) => ({
      startOffset,
      endOffset,
      count,
    });
    const seen = {
      functions: [
        { functionName: 'a', ranges: [range(0, 43, 3), range(24, 41, 0)] },
        { functionName: 'b', ranges: [range(44, 59, 0)] },
      ],
    };
    expect(fileCoverage('mm/x', source, seen)).toEqual({
      file: 'mm/x',
      functions: 2,
      branches: 1,
      unreached: ['b'],
      unreachedBy: {},
      untaken: [{ in: 'a', text: 'return 1;' }],
    });
  });

  it('tells what is reached in another world, and what serves logs', () => {
    const source = 'function a() {\n  if (x) {\n    return told;\n  }\n  return 2;\n}\n';
    const [start, inner, end] = [0, source.indexOf('{\n    return'), source.length - 1];
    const ran = (count: number, innerCount: number) => ({
      functions: [
        {
          functionName: 'a',
          ranges: [
            { startOffset: start, endOffset: end, count },
            { startOffset: inner, endOffset: inner + 20, count: innerCount },
          ],
        },
      ],
    });
    const by = (...elsewhere: Elsewhere[]) =>
      fileCoverage('mm/x', source, ran(3, 0), elsewhere).untaken.map((branch) => branch.by);
    expect(by()).toEqual(['logs']);
    expect(by({ by: 'release', seen: ran(5, 0) })).toEqual(['logs']);
    expect(by({ by: 'why', seen: ran(5, 0) }, { by: 'release', seen: ran(5, 1) })).toEqual([
      'release',
    ]);
    const never = fileCoverage('mm/x', source, ran(0, 0), [{ by: 'files', seen: ran(1, 0) }]);
    expect(never.unreachedBy).toEqual({ a: 'files' });
  });
});

describe('the release of a host', () => {
  it('is the modelled one of its number, or the next older', () => {
    expect(hostRelease('6.18.44-fc')).toMatchObject({ release: { name: '6.18' }, exact: true });
    expect(hostRelease('6.12.1')).toMatchObject({ release: { name: '6.12' }, exact: true });
    expect(hostRelease('6.13.1')).toMatchObject({ release: { name: '6.12' }, exact: false });
    expect(hostRelease('7.2.0')).toMatchObject({ release: { name: '6.18' }, exact: false });
    expect(hostRelease('6.1.0-57')).toMatchObject({ release: { name: '6.1' }, exact: true });
    expect(hostRelease('5.15.0')).toBeUndefined();
  });
});
