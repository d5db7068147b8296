/** Whatever the text holds: no throw, every diagnostic has a valid place, and time is linear. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatProgram, parseProgram, SCENARIO_CODES } from '../../src/scenario/index.ts';
import { argsOf } from './helpers.ts';

const DIR = new URL('../data/strace-options/', import.meta.url);
const LOGS = readdirSync(DIR).map((name) => readFileSync(new URL(name, DIR), 'latin1'));
const SCENARIO = `# head
kernel 6.18
memory 4G
echo always > /sys/kernel/mm/transparent_hugepage/hugepages-16kB/shmem_enabled
parent: a = mmap(64K, 16K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = 64K
parent: child = fork()
child: b = mremap(a, 16K, 16K, MREMAP_MAYMOVE|MREMAP_FIXED, 68K) = -1 ENOMEM (x)
child: u = ioctl(3</a>, UFFDIO_API, {api=0xaa, features=[1, 2, ...]})
write a+4K 16K = 99 # comment
expect child: minflt == 1
expect /proc/child/smaps a Rss == 16 kB
expect child: page b+4K is not parent: page a+4K
expect child: signal == SIGSEGV/MAPERR
expect child: b 4K mapped
17060 wait4(-1,  <unfinished ...>
17060 <... wait4 resumed>NULL, 0, NULL) = 17061
cat "/proc/child/maps"
`;

function check(text: string): void {
  const { program, diagnostics } = parseProgram(text, 'f');
  const lines = text.split('\n');
  for (const d of diagnostics) {
    expect(Object.keys(SCENARIO_CODES)).toContain(d.code);
    expect(d.line).toBeGreaterThanOrEqual(0);
    expect(d.line).toBeLessThanOrEqual(lines.length);
    expect(d.column).toBeGreaterThanOrEqual(0);
    // One behind the last character is where something is missing.
    const length = d.line === 0 ? 0 : lines[d.line - 1]!.length;
    expect(d.column, JSON.stringify([d, lines[d.line - 1]])).toBeLessThanOrEqual(length + 1);
    expect(d.message).not.toMatch(/undefined|\n/);
    expect(d.message.length).toBeLessThan(300);
  }
  expect(diagnostics.length).toBeLessThanOrEqual(60);
  if (program.steps.length === 0)
    expect(diagnostics.some((d) => d.severity === 'error')).toBe(true);
  for (const step of program.steps) {
    expect(step.at.line).toBeGreaterThan(0);
    expect(step.at.line).toBeLessThanOrEqual(lines.length);
    if (step.op.kind === 'call') argsOf(step);
  }
  formatProgram(program);
}

/** Cuts, doubles, swaps and overwrites pieces of a text. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(60),
  what: fc.constantFrom('cut', 'double', 'insert', 'newline', 'replace'),
  text: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom('"', '(', ')', '<', '>', '{', '[', '=', '/*', '<unfinished ...>', '\0', '#'),
    fc.constantFrom('strace: Process 9 attached', '\r', '% time ', 'expect ', ' = ', '-1 E', '...'),
  ),
});

function mutate(
  source: string,
  mutations: readonly (typeof mutation extends fc.Arbitrary<infer T> ? T : never)[],
): string {
  let text = source;
  for (const m of mutations) {
    const at = Math.floor(m.at * text.length);
    const end = at + m.length;
    const piece = text.slice(at, end);
    if (m.what === 'cut') text = text.slice(0, at) + text.slice(end);
    else if (m.what === 'double') text = text.slice(0, end) + piece + text.slice(end);
    else if (m.what === 'insert') text = text.slice(0, at) + m.text + text.slice(at);
    else if (m.what === 'replace') text = text.slice(0, at) + m.text + text.slice(end);
    else text = `${text.slice(0, at)}\n${text.slice(at)}`;
  }
  return text;
}

describe('arbitrary input', () => {
  test('bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) =>
        check(Buffer.from(bytes).toString('utf8')),
      ),
      { numRuns: 500 },
    );
  });
  test('text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), check), { numRuns: 500 });
  });
  test('words of the language in any order', () => {
    const token = fc.constantFrom(
      ...'a b child: parent: = == ( ) , { } [ ] | + - ~ & << >> " # \n \n \n mmap( fork( write read'.split(
        ' ',
      ),
      ...'expect minflt page is not mapped kB /proc/child/smaps 4K 0x10 -1 ENOMEM SIGSEGV/MAPERR'.split(
        ' ',
      ),
      ...'1 12 [pid +++ --- exited SIG <unfinished ...> <... resumed> echo cat > kernel memory ?'.split(
        ' ',
      ),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 60 }), (tokens) => check(tokens.join(' '))),
      { numRuns: 1500 },
    );
  });
  test('mutated scenarios', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (m) =>
        check(mutate(SCENARIO, m)),
      ),
      { numRuns: 1000 },
    );
  });
  test('mutated logs', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...LOGS),
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
        (log, m) => check(mutate(log, m)),
      ),
      { numRuns: 250 },
    );
  });
  test('a log cut anywhere keeps its complete lines', () => {
    const log = LOGS[readdirSync(DIR).indexOf('f.log')]!;
    const whole = parseProgram(log, 'f').program.steps.length;
    fc.assert(
      fc.property(fc.nat(log.length - 1), (length) => {
        const { program, diagnostics } = parseProgram(log.slice(0, length), 'f');
        expect(program.steps.length).toBeLessThanOrEqual(whole);
        expect(program.torn).toBeLessThanOrEqual(1);
        const lines = log.slice(0, length).split('\n').length;
        if (lines > 3) expect(diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
      }),
      { numRuns: 300, examples: [[log.indexOf('28548 read') + 10]] },
    );
  });
});

describe('time is linear', () => {
  const N = 400_000;
  const log = (line: string) => `${'1 brk(NULL) = 0x1000\n'.repeat(40)}${line}\n`;
  const scenario = (line: string) => `${'read 0\n'.repeat(40)}${line}\n`;
  const nasty = [
    '(',
    ')',
    '[',
    '{',
    '"',
    '\\',
    '<',
    '1<',
    '1</',
    '>',
    '/*',
    ',',
    '|',
    '1|',
    '-',
    '~',
    '=',
    ' ',
    '#',
    'a',
    '0',
    '...',
    '<... ',
    '12 ',
    '[pid ',
    '\ud800',
  ];
  test.each(nasty)('a line of %j', (piece) => {
    const long = piece.repeat(N);
    const start = performance.now();
    for (const text of [
      log(`1 mmap(${long}`),
      log(`1 mmap(${long}) = 0`),
      log(`1 brk(0) = ${long}`),
      log(long),
      log(`1 read(3, "${long}`),
      scenario(`brk(${long}`),
      scenario(`write ${long}`),
      scenario(`expect ${long}`),
      scenario(`echo ${long}`),
      scenario(long),
      long,
    ]) {
      const { program } = parseProgram(text, 'f');
      const last = program.steps.at(-1);
      if (last?.op.kind === 'call' && last.op.name !== 'brk') argsOf(last);
    }
    // Quadratic would be minutes.
    expect(performance.now() - start).toBeLessThan(8000);
  });

  test('many lines', () => {
    const body = LOGS[readdirSync(DIR).indexOf('f-y.log')]!;
    const text = body.repeat(300);
    parseProgram(body.repeat(20), 'f');
    const start = performance.now();
    const { program } = parseProgram(text, 'f');
    const seconds = (performance.now() - start) / 1000;
    expect(program.steps.length).toBeGreaterThan(30_000);
    // A tenth of what a quiet machine does.
    expect(program.steps.length / seconds).toBeGreaterThan(25_000);
  });
});
