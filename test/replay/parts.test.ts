/** A trace that comes in parts, wherever they are cut, is replayed as one that is held whole. */
import { appendFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { candidateOf, heatMap, referenceOf, Trial } from '../../src/advise/index.ts';
import { InputChanged } from '../../src/base/index.ts';
import { releaseNamed, replayReport } from '../../src/replay/index.ts';
import { openForReplay, readTrace, TraceWriter } from '../../src/store/index.ts';
import { receiveTrace, shareTrace } from '../../src/sweep/shared_trace.ts';
import { eventCount, type Trace } from '../../src/trace/index.ts';
import { ANON_64K, SHMEM_64K, setting, Tape, TOP } from './world.ts';

const folder = mkdtempSync(join(tmpdir(), 'faultline-parts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const A = 0x10000;

/** Two images, memory of both kinds, reads that map around them, a child. */
function program(): Trace {
  const shared = TOP - 40 - ((TOP - 40) % 16);
  const image = (tape: Tape): Tape =>
    tape
      .exec()
      .map(0x400, 4, '/usr/bin/app', 5)
      .map(0x408, 2, '/usr/bin/app', 3, 2, 4)
      .map(0x500, 8, '[heap]')
      .map(TOP - 8, 4, '[stack]', 3, 0x102);
  const tape = image(new Tape()).mmap(A, 64).write(A, 40).shared(shared, 16).fork(101).as(101);
  tape
    .write(shared, 16)
    .as(100)
    .write(shared, 3)
    .read(shared + 3);
  image(tape.as(101)).read(0x400, 3).write(0x500, 8).exit();
  return tape
    .as(100)
    .munmap(A, 32)
    .madvise(A + 32, 32, 14)
    .write(A + 40, 24)
    .exit()
    .trace();
}

/** A file of which every row group has `rows` rows. */
function write(trace: Trace, rows: number): string {
  const path = join(folder, `${rows}.parquet`);
  const writer = new TraceWriter(path, trace.meta);
  for (let at = 0; at < trace.events.rows; at += rows) {
    writer.append(trace.events, at, Math.min(at + rows, trace.events.rows), trace.names);
    writer.flush(trace.names);
  }
  writer.close(trace.names, trace.meta);
  return path;
}

const report = (trace: Trace, settings: readonly string[], samples: number) =>
  replayReport(trace, { release: releaseNamed(), settings: settings.map(setting), samples }).report;

test.each([1, 2, 3, 5, 16, 1000])('parts of %i rows', async (rows) => {
  const trace = program();
  const path = write(trace, rows);
  const whole = (await readTrace(path)).trace!;
  const parted = (await openForReplay(path, false, 0)).trace!;
  expect(parted.parts?.starts.length).toBe(Math.ceil(trace.events.rows / rows));
  expect([eventCount(parted), parted.events.rows]).toEqual([trace.events.rows, 0]);
  for (const settings of [[], [ANON_64K, SHMEM_64K]]) {
    for (const samples of [0, 7, 500]) {
      expect(report(parted, settings, samples)).toEqual(report(whole, settings, samples));
    }
  }
  expect(report(parted, [], 0).faults.total).toBe(40 + 16 + 4 + 3 + 8 + 24);
  expect(heatMap(parted)).toEqual(heatMap(whole));
});

test('a thread gets what it needs to open the parts by itself', async () => {
  const path = write(program(), 10);
  const parted = (await openForReplay(path, true, 0)).trace!;
  const received = receiveTrace(structuredClone(shareTrace(parted)));
  const outcomes = [parted, received].map((trace) => {
    const trial = new Trial(trace, releaseNamed());
    return [
      trial.recorded(),
      trial.run(referenceOf()),
      trial.run(candidateOf({ anon: [4], shmem: [4] })),
    ];
  });
  expect(outcomes[1]).toEqual(outcomes[0]);
});

test('a trace of few events is held whole', async () => {
  const { trace } = await openForReplay(write(program(), 10));
  expect(trace!.parts).toBe(undefined);
  expect(trace!.events.rows).toBe(eventCount(trace!));
});

test('a trace that was changed or replaced meanwhile is no input any more', async () => {
  const path = write(program(), 10);
  const parted = (await openForReplay(path, true, 0)).trace!;
  const shared = structuredClone(shareTrace(parted));
  // Another of the same rows and names: what was open is still the first.
  renameSync(write(program(), 9), path);
  expect(report(parted, [], 0).faults.total).toBeGreaterThan(0);
  expect(() => receiveTrace(shared)).toThrow(InputChanged);
  rmSync(path);
  expect(() => receiveTrace(shared)).toThrow('the trace was changed while it was replayed');

  const longer = (await openForReplay(write(program(), 10), true, 0)).trace!;
  appendFileSync(path, 'x');
  expect(() => report(longer, [], 0)).toThrow(InputChanged);
});
