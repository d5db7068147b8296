import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDiagnostic } from '../../src/base/index.ts';
import { formatProgram, formatSize, parseProgram } from '../../src/scenario/index.ts';
import { arbitraryProgram } from './arbitrary.ts';
import { plain } from './helpers.ts';

test('a program is printed as text that parses to the same program', () => {
  fc.assert(
    fc.property(arbitraryProgram, (program) => {
      const text = formatProgram(program);
      const again = parseProgram(text, 'x.fl');
      expect(again.diagnostics.map(formatDiagnostic), text).toEqual([]);
      expect(plain(again.program, 'text'), text).toEqual(plain(program, 'text'));
      expect(formatProgram(again.program)).toBe(text);
    }),
    { numRuns: 1500 },
  );
});

test('a word of a file that is also a name stays a word', () => {
  const text = `a = brk(0)
expect /proc/child/status Name == "a"
`;
  expect(formatProgram(parseProgram(text, 'x.fl').program)).toBe(text);
});

test('a mixed file keeps its lines of strace', () => {
  const text = `a = brk(0)
17060 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_WONDER, 3, 0) = 0x7f0000000000
17060 12.500000 write a
17060 +++ exited with 0 +++
expect 17060: minflt == 1
`;
  expect(formatProgram(parseProgram(text, 'x.fl').program)).toBe(text);
});

test('sizes', () => {
  expect([0, 1, 1024, 1536, 2 ** 30, 3 * 2 ** 40].map(formatSize)).toEqual([
    '0',
    '1',
    '1K',
    '1536',
    '1G',
    '3T',
  ]);
});
