/** Small programs whose faults under other settings can be counted by hand. */
import { expect, test } from 'vitest';
import { ACCESS_WRITE } from '../../src/mm/memory.ts';
import {
  censusAtPeak,
  findHidden,
  type Hidden,
  KIND_ANON,
  KIND_COW,
  KIND_FILE,
  KIND_SHMEM,
  NOTHING_HIDDEN,
  ORDERS,
  releaseNamed,
  replayReport,
  runReplay,
  startReplay,
} from '../../src/replay/index.ts';
import {
  emptyMeta,
  FAULT_KERNEL,
  FAULT_TAKEN,
  MADV_EVERY_TOUCH,
  type Trace,
} from '../../src/trace/index.ts';
import { ANON_2M, ANON_64K, run, SHMEM_64K, setting, Tape, TOP } from './world.ts';

const A = 0x7ff000000;

function faults(replay: ReturnType<typeof run>, kind: number, order: number): number {
  return replay.tally.faults[kind * ORDERS + order]!;
}

test('first touches of anonymous memory: one fault a folio', () => {
  const trace = new Tape().exec().mmap(A, 64).write(A, 64).trace();
  expect(run(trace).tally.total()).toBe(64);
  const r = run(trace, ANON_64K);
  expect(r.tally.total()).toBe(4);
  expect(faults(r, KIND_ANON, 4)).toBe(4);
  expect(r.tally.saved).toBe(60);
});

test('a page that the kernel tried twice is one fault, and no large folio saved the second', () => {
  const byKernel = FAULT_TAKEN | FAULT_KERNEL;
  const tape = new Tape().exec().shared(A, 16).write(A, 2).fork(7).as(7);
  // write(2) of memory that this process has not touched: 6.18 copies first, with faults disabled.
  const trace = tape
    .read(A, 1, byKernel)
    .read(A, 1, byKernel)
    .read(A + 1, 1, byKernel)
    .trace();
  const r = run(trace);
  expect(r.tally).toMatchObject({ recorded: 5, repeated: 1 });
  expect(r.tally.total() + r.tally.saved).toBe(4);
});

test('memory of which every touch was recorded hides none: it is mapped page by page, and only there', () => {
  const refused = (tape: Tape): Tape => {
    tape.builder.events.result[tape.builder.rows - 1] = -22;
    return tape;
  };
  const parent = new Tape().exec().shared(A, 64).madvise(A, 64, MADV_EVERY_TOUCH);
  const child = refused(parent).write(A, 64).fork(7).as(7).madvise(A, 64, MADV_EVERY_TOUCH);
  const trace = refused(child).read(A, 32).write(A, 16).trace();
  const options = { release: releaseNamed(), settings: [], thpDisabled: true };
  const { hidden, ran } = findHidden(trace, options);
  expect(hidden).toBe(NOTHING_HIDDEN);
  // The first writes behind reads fault too.
  expect(ran.tally.total()).toBe(64 + 32 + 16);
  expect(run(trace).tally.total()).toBe(64 + 2);
  expect(run(trace, SHMEM_64K).tally.total()).toBe(4 + 2);
});

test('faults of shared memory that only map what another process made are told apart', () => {
  const tape = new Tape().exec().shared(A, 64).write(A, 48).fork(7).as(7).write(A, 64);
  const { tally } = run(tape.trace(), SHMEM_64K);
  expect(faults(run(tape.trace(), SHMEM_64K), KIND_SHMEM, 4)).toBe(3 + 4);
  expect(Array.from(tally.mapped)).toEqual([0, 0, 0, 0, 3, 0, 0, 0, 0, 0]);
  expect(Array.from(run(tape.trace()).tally.mapped)).toEqual([48, ...new Array(9).fill(0)]);
});

test('accesses that find no memory count as recorded, and the report names the size', () => {
  const { machine } = emptyMeta('tracepoints', '');
  const trace = new Tape()
    .exec()
    .mmap(A, 10000)
    .mmap(A + 10000, 10000)
    .write(A, 17000)
    .trace({ machine: { ...machine, memory: 2 ** 26 } });
  const { report } = replayReport(trace, { release: releaseNamed(), settings: [], samples: 0 });
  // 16384 frames, of which tables take some.
  expect(report.faults.noMemory).toBeGreaterThan(17000 - 16384);
  expect(report.faults.noMemory).toBeLessThan(17000 - 16384 + 100);
  expect(report.faults).toMatchObject({ total: 17000, carried: report.faults.noMemory });
  const text = report.warnings.find(({ code }) => code === 'memory-full')?.text;
  expect(text).toMatch(/^The machine's 64 MiB are used up: 6\d\d accesses found no memory/);
  expect(report.warnings.some(({ code }) => code === 'outside')).toBe(false);
});

test('a mapping that is not aligned: small pages at its ends', () => {
  const trace = new Tape()
    .exec()
    .mmap(A + 3, 32)
    .write(A + 3, 32)
    .trace();
  const r = run(trace, ANON_64K);
  expect([faults(r, KIND_ANON, 0), faults(r, KIND_ANON, 4)]).toEqual([16, 1]);
});

test('the peak counts each frame once, and what no access needed is waste', () => {
  const trace = new Tape().exec().mmap(A, 512).write(A, 10).trace();
  const options = { release: releaseNamed(), settings: [setting(ANON_2M)] };
  const r = run(trace, ANON_2M);
  expect(r.peaks.memory).toBe(512);
  const census = censusAtPeak(trace, options, r);
  expect(census.waste).toBe(502 * 4096);
  expect(census.thpShare).toBe(1);
  expect(census.anonByOrder[9]).toBe(512 * 4096);
});

test('the peak is seen although everything is unmapped behind it', () => {
  const trace = new Tape()
    .exec()
    .mmap(A, 40)
    .write(A, 40)
    .munmap(A, 40)
    .mmap(A, 8)
    .write(A, 8)
    .trace();
  const r = run(trace);
  expect(r.peaks.memory).toBe(40);
  expect(r.tally.total()).toBe(48);
});

test('contpte: an aligned run of sixteen pages of one folio, and no other', () => {
  const trace = new Tape().exec().mmap(A, 32).write(A, 16).trace();
  const settings = [setting(ANON_64K)];
  const census = censusAtPeak(trace, { release: releaseNamed(), settings }, run(trace, ANON_64K));
  expect(census.contpteShare).toBe(1);
  const small = censusAtPeak(trace, { release: releaseNamed(), settings: [] }, run(trace));
  expect(small.contpteShare).toBe(0);
});

test('fork: the child copies what it writes; the parent takes over what is left', () => {
  const trace = new Tape()
    .exec()
    .mmap(A, 4)
    .write(A, 4)
    .fork(101)
    .as(101)
    .write(A, 2)
    .exit()
    .as(100)
    .write(A, 4)
    .trace();
  const r = run(trace);
  expect(r.tally.total()).toBe(10);
  expect(r.tally.ofKind(KIND_COW)).toBe(6);
  expect(r.peaks.memory).toBe(6);
});

test('vfork: the child lives in its parent until it executes a program', () => {
  const trace = new Tape()
    .exec()
    .mmap(A, 4)
    .fork(101, 0x100)
    .as(101)
    .write(A, 1)
    .exec('/usr/bin/other')
    .mmap(A + 64, 4)
    .write(A + 64, 4)
    .exit()
    .as(100)
    .write(A + 1, 3)
    .trace();
  const r = run(trace);
  expect(r.tally.total()).toBe(8);
  expect(r.tally.refused).toBe(0);
  expect(r.peaks.memory).toBe(5);
});

test('shared memory is aligned to the largest size: what the trace names moves along', () => {
  const at = TOP - 40;
  const trace = new Tape()
    .exec()
    .map(TOP - 8, 8, '[vdso]', 5)
    .shared(at, 32)
    .write(at, 32)
    .fork(101)
    .as(101)
    .read(at, 32)
    .trace();
  const plain = run(trace);
  expect(plain.tally.moved).toBe(0);
  expect(plain.tally.ofKind(KIND_SHMEM)).toBe(32 + 3);
  const r = run(trace, SHMEM_64K);
  expect(r.tally.moved).toBe(1);
  expect(faults(r, KIND_SHMEM, 4)).toBe(2 + 2);
});

/** 16 pages of shared memory, made by a child; the parent writes the first three and reads the fourth. */
function readInTheMiddle(fault: number = FAULT_TAKEN, times = 1): Trace {
  const at = TOP - 40 - ((TOP - 40) % 16);
  const tape = new Tape()
    .exec()
    .shared(at, 16)
    .fork(101)
    .as(101)
    .write(at, 16)
    .as(100)
    .write(at, 3);
  for (let i = 0; i < times; i++) tape.read(at + 3, 1, fault);
  return tape.trace();
}

test('pages that a recorded read mapped around it count as used, in the way of the window', () => {
  const trace = readInTheMiddle();
  const options = { release: releaseNamed(), settings: [], thpDisabled: true };
  const { hidden, ran } = findHidden(trace, options);
  const rows = trace.events.rows;
  expect(hidden.row).toEqual([...Array(12).fill(rows - 1), Number.POSITIVE_INFINITY]);
  expect(hidden.kind).toEqual(Array(12).fill(ACCESS_WRITE));
  expect(ran.tally.total()).toBe(16 + 3 + 1);
  // In folios of 16 kB the read finds its page mapped and maps nothing around it.
  const settings = ['enabled', 'shmem_enabled'].map((file) =>
    setting(`hugepages-16kB/${file}=always`),
  );
  const faultsWith = (known: Hidden): number => {
    const { replay } = startReplay(trace, {
      ...options,
      thpDisabled: false,
      settings,
      hidden: known,
    });
    runReplay(replay, options);
    return replay.tally.ofKind(KIND_SHMEM);
  };
  expect(faultsWith(NOTHING_HIDDEN)).toBe(4 + 1);
  expect(faultsWith(hidden)).toBe(4 + 4);
});

test('under the settings of the recording nothing that was hidden takes a fault', () => {
  const trace = readInTheMiddle();
  const options = { release: releaseNamed(), settings: [], thpDisabled: true };
  const { hidden, ran } = findHidden(trace, options);
  const { replay } = startReplay(trace, { ...options, hidden });
  runReplay(replay, options);
  expect(replay.hiddenNext).toBe(12);
  expect(replay.tally).toEqual(ran.tally);
});

test('a fault that the kernel tried twice is one, also where pages are hidden', () => {
  const trace = readInTheMiddle(FAULT_TAKEN | FAULT_KERNEL, 2);
  const options = { release: releaseNamed(), settings: [], thpDisabled: true };
  const { hidden, ran } = findHidden(trace, options);
  expect(ran.tally.repeated).toBe(1);
  const { replay } = startReplay(trace, { ...options, hidden });
  runReplay(replay, options);
  expect(replay.tally).toEqual(ran.tally);
});

test('without shared memory nothing is looked for', () => {
  const trace = new Tape().exec().mmap(0x1000, 4).write(0x1000, 4).trace();
  const options = { release: releaseNamed(), settings: [] };
  const { hidden, ran } = findHidden(trace, options);
  expect(hidden).toBe(NOTHING_HIDDEN);
  expect(ran.tally.touches).toBe(0);
});

test('mremap and munmap of a mapping that has moved', () => {
  const at = TOP - 40;
  const trace = new Tape()
    .exec()
    .map(TOP - 8, 8, '[vdso]', 5)
    .shared(at, 32)
    .write(at, 32)
    .mremap(at, 32, at - 64, 32, 3)
    .write(at - 64, 32)
    .munmap(at - 64, 32)
    .trace();
  const r = run(trace, SHMEM_64K);
  expect(r.tally.refusedCalls).toBe(0);
  expect(r.tally.refused).toBe(0);
  expect(r.m.mm.rssShmem[r.m.task.mm[r.processes.get(100)!.task]!]).toBe(0);
});

test('brk: the heap begins where the first call says', () => {
  const trace = new Tape().exec().brk(0x1000).brk(0x1020).write(0x1000, 32).brk(0x1008).trace();
  const r = run(trace, ANON_64K);
  expect(r.tally.total()).toBe(2);
  expect(r.m.mm.rssAnon[r.m.task.mm[r.processes.get(100)!.task]!]).toBe(8);
});

test('faults of files are carried over: large folios do not change them', () => {
  const trace = new Tape()
    .exec()
    .mmap(A, 64, 2, '/usr/lib/libc.so.6')
    .read(A)
    .read(A + 1)
    .read(A + 32)
    .trace();
  for (const r of [run(trace), run(trace, ANON_64K)]) {
    expect(r.tally.ofKind(KIND_FILE)).toBe(3);
    expect(r.tally.carried).toBe(1);
  }
  const wide = run(trace, '/sys/kernel/debug/fault_around_bytes=262144');
  expect(wide.tally.ofKind(KIND_FILE)).toBe(1);
});

test('MADV_DONTNEED gives memory back, and its pages fault again', () => {
  const trace = new Tape().exec().mmap(A, 32).write(A, 32).madvise(A, 32, 4).write(A, 32).trace();
  expect(run(trace).tally.total()).toBe(64);
  const r = run(trace, ANON_64K);
  expect(r.tally.total()).toBe(4);
  expect(r.peaks.memory).toBe(32);
});

test('accesses to memory that the trace does not tell of count as recorded', () => {
  const r = run(new Tape().exec().write(A, 3).trace());
  expect(r.tally.total()).toBe(3);
  expect(r.tally.refused).toBe(3);
});

test('the report: a prediction is what was measured and the difference of the model', () => {
  const measured = { minflt: 100, majflt: 0, maxrss: 1048576, seconds: 1, exitCode: 0 };
  const trace = new Tape().exec().mmap(A, 64).write(A, 60).trace({ measured });
  const options = { release: releaseNamed(), settings: [setting(ANON_64K)], samples: 4 };
  const { report } = replayReport(trace, options);
  expect(report.predicted).toEqual({ minflt: 100 - 60 + 4, maxrss: 1048576 + 4 * 4096 });
  expect(report.series.anon).toHaveLength(4);
  expect(report.series.anon.at(-1)).toBe(64 * 4096);
  expect(report.stats['hugepages-64kB/stats/anon_fault_alloc']).toBe(4);
  expect(report.processes[0]).toMatchObject({ pid: 100, program: '/usr/bin/app', faults: 4 });
});

test('a setting that the kernel refuses is said, and nothing is run', () => {
  const trace = new Tape().exec().mmap(A, 4).write(A, 4).trace();
  const settings = [setting('hugepages-64kB/enabled=perhaps')];
  const { refused, report } = replayReport(trace, {
    release: releaseNamed(),
    settings,
    samples: 0,
  });
  expect(refused).toEqual(settings);
  expect(report.faults.total).toBe(0);
});

test('an empty trace is a report with nothing in it', () => {
  const options = { release: releaseNamed(), settings: [], samples: 10 };
  const { report } = replayReport(new Tape().trace(), options);
  expect(report.faults.total).toBe(0);
  expect(report.warnings.map((note) => note.code)).toContain('no-touches');
});
