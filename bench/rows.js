/**
 * The rows that run in the model. Each is run in a process of its own (`node rows.js NAME SIZE`),
 * so that no row runs on code that another has shaped, and prints one JSON object.
 *
 * Goals: the cost of an event in the model, all books kept. Non-goals: the cost of reading files,
 * of printing, of the laws.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { checker, explorer } from './check_rows.js';
import {
  ACCESS_READ,
  ACCESS_WRITE,
  access,
  LogImport,
  prepareFor,
  Random,
  readTrace,
  releaseNamed,
  runReplay,
  startReplay,
  THP_ROOT,
  TraceWriter,
} from './machine.js';
import { makeOps, opsWorld, runOps } from './ops.js';
import { makeTrace } from './trace.js';
import { makeWorld, map, touch, unmap } from './world.js';

const AT = 0x7f0000000;
const ORDER_64K = 1 << 4;
const ORDER_2M = 1 << 9;

/** Processor time of this process in nanoseconds: a busy machine disturbs it less than the clock. */
function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** Nanoseconds of an event: the median round, and the smallest, which a busy machine disturbs least. */
function result(times, checksum) {
  return { ns: median(times), least: Math.min(...times), checksum };
}

/** Milliseconds of rounds before those that count: V8 compiles hot code in its own time. */
const WARM_UP = 1500;

/** Whether the round that begins counts: none does until V8 has compiled, then `rounds` do. */
function* countedRounds(rounds) {
  const until = performance.now() + (rounds > 1 ? WARM_UP : 0);
  while (performance.now() < until) yield false;
  for (let round = 0; round < rounds; round++) yield true;
}

/** Maps `pages`, touches every `step`-th, unmaps; times the touches, as in a replay of millions. */
function faults({ pages, rounds }, { shared = false, step = 1, set = () => {} }) {
  prepareFor(Infinity);
  const world = makeWorld(pages + 4096);
  set(world.m.settings);
  const n = pages - (pages % step);
  const { minflt } = world.m.task;
  const times = [];
  let taken = 0;
  for (const counts of countedRounds(rounds)) {
    map(world, AT, n, shared);
    const before = minflt[world.task];
    const start = cpuNs();
    const failed = touch(world, AT, n, step, ACCESS_WRITE);
    const ns = (cpuNs() - start) / (n / step);
    if (failed !== 0) throw new Error('a touch failed');
    if (counts) times.push(ns);
    taken = minflt[world.task] - before;
    unmap(world, AT, n);
  }
  return result(times, taken);
}

/** Accesses of pages that are mapped, in address order or at random. */
function mapped({ pages, rounds }, random) {
  const world = makeWorld(pages + 4096);
  map(world, AT, pages, false);
  touch(world, AT, pages, 1, ACCESS_WRITE);
  const order = new Float64Array(pages).map((_, i) => AT + i);
  if (random) {
    const chance = new Random(1);
    for (let i = pages - 1; i > 0; i--) {
      const j = chance.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
  }
  const { m, task } = world;
  const times = [];
  for (const counts of countedRounds(rounds)) {
    const start = cpuNs();
    let sum = 0;
    for (let i = 0; i < pages; i++) sum += access(m, task, order[i], ACCESS_WRITE);
    const ns = (cpuNs() - start) / pages;
    if (sum !== 0) throw new Error('an access failed');
    if (counts) times.push(ns);
  }
  return result(times, m.task.minflt[task]);
}

/** Read faults of cached tmpfs pages: each maps 16 by fault-around. */
function readAround({ pages, rounds }) {
  prepareFor(Infinity);
  const world = makeWorld(pages + 4096);
  const { m, task } = world;
  map(world, AT, pages, true);
  touch(world, AT, pages, 1, ACCESS_WRITE);
  const times = [];
  let taken = 0;
  for (const counts of countedRounds(rounds)) {
    world.drop(AT, pages);
    const before = m.task.minflt[task];
    const start = cpuNs();
    touch(world, AT, pages, 1, ACCESS_READ);
    const time = cpuNs() - start;
    taken = m.task.minflt[task] - before;
    if (counts) times.push(time / taken);
  }
  return result(times, taken);
}

function randomOps({ count, rounds, file }) {
  const list = makeOps(count, 42);
  if (file !== undefined) writeFileSync(file, list);
  const times = [];
  let got;
  for (const counts of countedRounds(rounds)) {
    const world = opsWorld();
    const start = cpuNs();
    got = runOps(world, list);
    if (counts) times.push((cpuNs() - start) / count);
  }
  return { ...result(times, got.hash), faults: got.faults };
}

/** Collects garbage; large arrays are given back by another thread, a little later. */
function collect() {
  global.gc?.();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  global.gc?.();
  return process.memoryUsage().rss;
}

/**
 * Resident bytes for each mapped page: page tables, frames, page cache. Of the second half of the
 * pages: what the code and its compiler take has grown by then.
 */
function memory({ pages }, shared) {
  const world = makeWorld(2 * pages + 4096);
  map(world, AT, 2 * pages, shared);
  touch(world, AT, pages, 1, ACCESS_WRITE);
  const before = collect();
  touch(world, AT + pages, pages, 1, ACCESS_WRITE);
  const after = collect();
  return { bytes: (after - before) / pages, checksum: world.m.mm.totalVm[world.mm] };
}

/** Events a second from a loaded trace; `enabled`: of 64 kB folios. */
function replay({ events, rounds }, enabled) {
  prepareFor(events);
  const trace = makeTrace(events);
  const settings = [{ path: `${THP_ROOT}hugepages-64kB/enabled`, value: enabled }];
  const options = { release: releaseNamed(), settings };
  const times = [];
  let faults = 0;
  let reuse;
  for (let round = -2; round < rounds; round++) {
    const started = startReplay(trace, reuse === undefined ? options : { ...options, reuse });
    const start = cpuNs();
    runReplay(started.replay, options);
    if (round >= 0) times.push((cpuNs() - start) / trace.events.rows);
    reuse = started.replay.m;
    faults = started.replay.tally.total();
  }
  return result(times, faults);
}

/** Writes the trace of the replay rows to a file. */
function writeTrace({ events, path }) {
  const trace = makeTrace(events);
  const writer = new TraceWriter(path, trace.meta);
  writer.append(trace.events, 0, trace.events.rows, trace.names);
  writer.close(trace.names, trace.meta);
  return { checksum: trace.events.rows };
}

/** A real text of perf script, again and again, in pieces of 1 MB: nanoseconds for a byte. */
function importText({ log, megabytes, rounds }) {
  const text = readFileSync(log, 'utf8');
  const piece = text.repeat(Math.ceil(2 ** 20 / text.length));
  const times = [];
  let events = 0;
  for (let round = -1; round < rounds; round++) {
    const importer = new LogImport('log');
    events = 0;
    const start = cpuNs();
    for (let i = 0; i < megabytes; i++) {
      importer.push(piece);
      events += importer.builder.rows;
      importer.builder.clear();
    }
    if (round >= 0) times.push((cpuNs() - start) / (piece.length * megabytes));
  }
  return { ...result(times, events), events: events / megabytes / piece.length };
}

/** A trace file into columns: nanoseconds an event, the first time as a command does it. */
async function readFile({ events, path, rounds }) {
  writeTrace({ events, path });
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = cpuNs();
    const { trace } = await readTrace(path);
    times.push((cpuNs() - start) / trace.events.rows);
  }
  return result(times, events);
}

const ROWS = {
  'anon-4k': (size) => faults(size, {}),
  'shmem-4k': (size) => faults(size, { shared: true }),
  'anon-64k': (size) =>
    faults(size, { step: 16, set: (s) => Object.assign(s, { anonAlways: ORDER_64K }) }),
  'shmem-64k': (size) =>
    faults(size, {
      shared: true,
      step: 16,
      set: (s) => Object.assign(s, { shmemAlways: ORDER_64K }),
    }),
  'anon-2m': (size) =>
    faults(size, { step: 512, set: (s) => Object.assign(s, { anonAlways: ORDER_2M }) }),
  'shmem-2m': (size) =>
    faults(size, {
      shared: true,
      step: 512,
      set: (s) => Object.assign(s, { shmemAlways: ORDER_2M }),
    }),
  'mapped-seq': (size) => mapped(size, false),
  'mapped-random': (size) => mapped(size, true),
  'read-around': readAround,
  'random-ops': randomOps,
  explorer,
  checker,
  'write-trace': writeTrace,
  import: importText,
  'read-trace': readFile,
  'replay-4k': (size) => replay(size, 'never'),
  'replay-64k': (size) => replay(size, 'always'),
  'memory-anon': (size) => memory(size, false),
  'memory-shmem': (size) => memory(size, true),
};

const [name, size] = process.argv.slice(2);
const row = ROWS[name];
if (row === undefined) throw new Error(`no row '${name}'`);
process.stdout.write(`${JSON.stringify(await row(JSON.parse(size)))}\n`);
