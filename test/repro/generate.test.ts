/** The C text of a scenario: what stands in it, and what is refused. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { initOf } from '../../src/host/index.ts';
import { findKernel } from '../../src/mm/release.ts';
import { type Repro, reproProgram } from '../../src/repro/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

/** A smaller machine boots faster. */
const SMALL = 1 << 29;
const CORPUS = new URL('../../scenarios/', import.meta.url);

function repro(text: string, kernel = '6.18'): Repro {
  const { program, diagnostics } = parseProgram(text, 'test.fl');
  expect(diagnostics).toEqual([]);
  const release = findKernel(kernel);
  if (release === undefined) throw new Error(`no kernel ${kernel}`);
  return reproProgram(program, { release, memory: SMALL });
}

/** The function scenario(), which is what a reader reads. */
function scenarioOf({ text }: Repro): string {
  return text.slice(text.indexOf('static void scenario(void)\n{'), text.indexOf('int main(void)'));
}

describe('the thread', () => {
  const text = readFileSync(new URL('thread-fork-mremap.fl', CORPUS), 'utf8');

  test('each step is done by its task, and checked', () => {
    const body = scenarioOf(repro(text));
    expect(body).toContain('child = spawn(parent, 1, "child", SIGCHLD);');
    expect(body).toContain('b = call(child, SYS_mremap, a, 16 * K, 16 * K,');
    expect(body).toContain('store(child, b, 1, 7, 2);\n\tno_signal();\n\tfaults(1, 0);');
    expect(body).toContain('maps(child, b, 4, "rw-s", "2/16K:0-3", "2 z3");');
    expect(body).toContain('status(child, "RssShmem"), "==", 16);');
  });

  test('another kernel asserts what that kernel would do', () => {
    const body = scenarioOf(repro(text, 'shmem-mthp-v1'));
    expect(body).toContain('maps(child, b, 4, "rw-s", "2/16K:1-3 .1", ');
    expect(body).toContain('/* The model of shmem-mthp-v1 says otherwise. */');
  });
});

test('what differs without a zero page is said for both', () => {
  const body = scenarioOf(
    repro(`a = mmap(1M, 8K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
read a
write a
expect minflt == 1
`),
  );
  expect(body).toContain('if (zero_page) {\n\t\tmaps(main_, a, 2, "rw-p", "z1 .1", "z1 .1");');
  expect(body).toContain('"needs the zero page"');
});

test('addresses that the kernel chooses lie below a top that is found when it runs', () => {
  const body = scenarioOf(repro('mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS)\n'));
  expect(body).toContain('returns(top - 4 * K);');
});

test('names that C or the reproducer has are renamed', () => {
  const body = scenarioOf(
    repro(`int = mmap(1M, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
maps = mmap(2M, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
expect maps == int+1M
`),
  );
  expect(body).toContain('u64 int_, maps_;');
  expect(body).toContain('maps_, "==", int_ + 1 * M);');
});

test('a step that C cannot do ends the test, with its place', () => {
  const made = repro(`a = mmap(1M, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
execve("/bin/true", ["true"], [])
read a
`);
  expect(made.diagnostics.map((d) => [d.severity, d.code, d.line, d.column])).toEqual([
    ['warning', 'REP001', 2, 1],
  ]);
  expect([made.points, made.skipped]).toEqual([3, 2]);
  expect(scenarioOf(made)).toContain('skip_rest("line 2: execve() would replace this program");');
});

test('a scenario of which nothing is left, and an strace log, are refused', () => {
  expect(repro('swapon("/dev/vdb", 0)\n').diagnostics.map((d) => [d.severity, d.code])).toEqual([
    ['error', 'REP003'],
  ]);
  const log = 'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n';
  const { program } = parseProgram(`100 ${log}100 +++ exited with 0 +++\n`, 'x.log');
  const refused = reproProgram(program, { release: findKernel('6.18')! });
  expect(refused.diagnostics.map((d) => d.code)).toEqual(['REP004']);
});

test('every scenario of the corpus is a C file of as many points as it has steps', () => {
  for (const name of readdirSync(CORPUS).filter((file) => file.endsWith('.fl'))) {
    const { program } = parseProgram(readFileSync(new URL(name, CORPUS), 'utf8'), name);
    const release = findKernel(program.kernel ?? '6.18')!;
    const made = reproProgram(program, { release, memory: SMALL });
    expect([name, made.diagnostics]).toEqual([name, []]);
    const steps = program.steps.filter((step) => step.op.kind !== 'cat');
    expect([name, made.points]).toEqual([name, steps.length]);
  }
});

/** The archive read back: names and sizes, by the form's own rules. */
function entriesOf(archive: Buffer): [string, number][] {
  const found: [string, number][] = [];
  for (let at = 0; at < archive.length; ) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const field = (i: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + i * 8, at + 14 + i * 8), 16);
    const name = archive.toString('latin1', at + 110, at + 109 + field(11));
    const content = (at + 110 + field(11) + 3) & ~3;
    if (name === 'TRAILER!!!') return found;
    found.push([name, field(6)]);
    at = (content + field(6) + 3) & ~3;
  }
  throw new Error('no trailer');
}

test('an initramfs has the program as /init, and a console', async () => {
  const archive = gunzipSync(await initOf(new Uint8Array(1001)));
  expect(entriesOf(archive)).toEqual([
    ['dev', 0],
    ['dev/console', 0],
    ['proc', 0],
    ['sys', 0],
    ['init', 1001],
  ]);
});
