/** Programs as frames for the executor, and its answers as data: no kernel is asked here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { buildExecutor } from '../../src/host/build.ts';
import { decodeFrame } from '../../src/host/decode.ts';
import { encodeProgram } from '../../src/host/encode.ts';
import { Words } from '../../src/host/words.ts';
import { parseProgram } from '../../src/scenario/index.ts';

function encode(text: string, file = 'test.fl') {
  const { program } = parseProgram(text, file);
  return encodeProgram(program, 7, { level: 'pages', limitMs: 100, flags: 0 });
}

function codes(text: string, file = 'test.fl'): string[] {
  return encode(text, file).report.found.map((d) => `${d.line} ${d.severity} ${d.code}`);
}

describe('encode', () => {
  it('writes a frame whose first word is the bytes that follow', () => {
    const { frame, wire, tasks } = encode('p: a = mmap(0, 4K, 3, 0x22, -1, 0)\np: read a');
    const words = new Uint32Array(frame.bytes().slice().buffer);
    expect(words[0]).toBe((words.length - 1) * 4);
    expect([...words.slice(1, 6)]).toEqual([1, 7, 100, 0, 2]);
    expect(wire).toEqual([
      { step: 0, role: 'main' },
      { step: 1, role: 'main' },
    ]);
    expect(tasks).toEqual(['p']);
  });

  it('gives an expectation a wire step for each side that must be asked', () => {
    const { wire } = encode('p: read 0\nexpect p: page 4K is p: page 8K\nexpect p: minflt == 1');
    expect(wire.map((w) => w.role)).toEqual(['main', 'left', 'right', 'main', 'right', 'main']);
  });

  it('names tasks by the text: the first is the initial one, forks bind the others', () => {
    expect(encode('a: b = fork()\nb: fork()\nb: read 0').tasks).toEqual(['a', 'b', 'task2']);
    expect(encode('read 0\nx: read 0').tasks).toEqual(['x']);
  });

  it('reports what the host does not do, with line and code', () => {
    expect(codes('p: swapon("/dev/zram0")')).toEqual(['1 error HOST002']);
    expect(codes('p: getcwd(0, 0)')).toEqual(['1 note HOST002']);
    expect(codes('p: execve("/bin/true", [])')).toEqual(['1 note HOST016']);
    const forks = Array.from({ length: 23 }, (_, i) => `p: c${i} = fork()`).join('\n');
    expect(codes(forks)).toEqual(['23 error HOST005']);
  });

  it('does not execute a log', () => {
    const log = 'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7ffe000\n';
    expect(codes(log, 'test.log')).toEqual(['0 error HOST004']);
  });

  it('knows which settings of the machine a program writes', () => {
    const ksm = '/sys/kernel/mm/ksm/run';
    const overcommit = '/proc/sys/vm/overcommit_memory';
    expect(encode(`echo 1 > ${ksm}`).written).toEqual([[ksm, '1']]);
    expect(encode(`echo 2 > ${overcommit}`).written).toEqual([[overcommit, '2']]);
    expect(encode('p: read 0\necho 1 > /proc/p/clear_refs').written).toEqual([]);
  });
});

describe('decode', () => {
  const step = (out: Words, index: number, flags: number, value: number) => {
    for (const word of [2, 64, index, flags, value, 0, 0, 0, 0, 0, 0, 1, 0]) out.put(word);
    for (const word of [0x5000, 0, 2, 1]) out.put(word);
    out.putBytes(new Uint8Array([2]));
  };

  it('reads outcomes, pages that faulted, and a blocked step that ended later', () => {
    const out = new Words();
    step(out, 0, 8, 0);
    step(out, 0, 1 | 32, 9);
    const words = new Uint32Array(out.bytes().slice().buffer);
    const { outcomes } = decodeFrame(words);
    expect(outcomes[0]?.blocked).toBe(true);
    expect(outcomes[0]?.outcome).toMatchObject({ value: { hi: 0, lo: 9 }, minflt: 1 });
    expect(outcomes[0]?.outcome.faultedVpns).toEqual([6]);
  });

  it('takes a cut record for a defect, not for data', () => {
    expect(() => decodeFrame(new Uint32Array([2, 64, 0]))).toThrow(/cut/);
  });
});

describe('build', () => {
  it('says that there is no compiler, or that it fails', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'faultline-cache-'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
    try {
      vi.stubEnv('CC', '/nonexistent/cc');
      const missing = { unavailable: "there is no C compiler ('/nonexistent/cc')" };
      expect(await buildExecutor()).toEqual(missing);
      vi.stubEnv('CC', '/bin/false');
      expect(await buildExecutor()).toMatchObject({
        unavailable: expect.stringContaining('the executor cannot be compiled'),
      });
      vi.stubEnv('XDG_CACHE_HOME', '/dev/null/cache');
      expect(await buildExecutor()).toHaveProperty('unavailable');
    } finally {
      vi.unstubAllEnvs();
      rmSync(cache, { recursive: true });
    }
  });
});
