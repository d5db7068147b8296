/**
 * npm run bench -- [--json] [--tiny] [--full] [ROW...]
 *
 * What an event costs in the model, beside this machine's own kernel where it can do the same: the
 * same touches and the same operations, in C, in the same run. Numbers are medians of processor
 * time, with the least round beside (a busy sibling of the processor doubles the median); nothing
 * fails when a goal is missed, because a busy machine misses any. `--tiny` only proves that all rows run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '../scripts/compile.js';
import { longLog } from './log.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const flag = (name) => args.includes(`--${name}`);
const wanted = args.filter((arg) => !arg.startsWith('--'));
const tiny = flag('tiny');
const work = mkdtempSync(join(tmpdir(), 'faultline-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** The rows, bundled as the program is; the C twin, where a compiler is. */
async function prepare() {
  const { code } = await compile({ entryPoints: [join(here, 'rows.js')], format: 'esm' });
  writeFileSync(join(work, 'rows.mjs'), code);
  const cc = spawnSync('cc', ['-O2', '-o', join(work, 'twin'), join(here, 'twin.c')]);
  return cc.status === 0;
}

function model(row, size, nodeArgs = []) {
  const command = [...nodeArgs, join(work, 'rows.mjs'), row, JSON.stringify(size)];
  return JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' }));
}

function kernel(...command) {
  const run = spawnSync(join(work, 'twin'), command.map(String), { encoding: 'utf8' });
  return run.status === 0 ? JSON.parse(run.stdout) : null;
}

const PAGES = tiny ? 2048 : 100_000;
const ROUNDS = tiny ? 1 : 9;
/** Rounds enough for all code to be compiled in the untimed ones before (rows.js). */
const SIZE = { pages: PAGES, rounds: tiny ? 1 : 25 };
/** Fewer events in as many pages: more rounds. */
const FOLIOS = { pages: tiny ? 2048 : 1 << 18, rounds: tiny ? 1 : 25 };
const PMDS = { pages: tiny ? 2048 : 1 << 18, rounds: tiny ? 1 : 301 };

/** A row in nanoseconds: goal, and the kernel's own number with the factor to reach, if any. */
function faultRow(name, what, goal, twin, factor) {
  return {
    name,
    run: (hasTwin) => {
      const size = name.endsWith('2m') ? PMDS : name.endsWith('64k') ? FOLIOS : SIZE;
      const got = model(name, size);
      const real = twin === undefined || !hasTwin ? null : kernel(twin, PAGES, Math.min(ROUNDS, 9));
      return {
        what,
        unit: 'ns',
        value: got.ns,
        least: got.least,
        goal,
        kernel: real?.ns,
        factor,
        checksum: got.checksum,
      };
    },
  };
}

function randomOps(hasTwin) {
  const count = tiny ? 2000 : 200_000;
  const file = join(work, 'ops');
  const got = model('random-ops', { count, rounds: ROUNDS, file });
  const real = hasTwin ? kernel('ops', file, '0x7e0000000000', Math.min(ROUNDS, 5)) : null;
  const agree = real === null ? undefined : real.hash === got.checksum;
  return {
    what: 'random memory operation, one process',
    unit: 'ns',
    value: got.ns,
    least: got.least,
    kernel: real?.ns,
    factor: 10,
    checksum: got.checksum,
    note:
      agree === undefined
        ? ''
        : agree
          ? 'results equal the kernel'
          : 'RESULTS DIFFER FROM THE KERNEL',
    agree,
  };
}

/** Warm cost of an anonymous fault from 10^5 pages on; the growth is the row's value. */
function growth() {
  const sizes = tiny ? [1024, 4096] : [1e5, 1e6, 1e7, ...(flag('full') ? [1e8] : [])];
  const costs = sizes.map((pages) => model('anon-4k', { pages, rounds: pages > 1e6 ? 1 : 3 }));
  const ns = costs.map((cost) => cost.ns);
  const points = sizes.map((pages, i) => `${pages.toExponential(0)}: ${ns[i].toFixed(0)} ns`);
  return {
    what: 'growth of an anonymous fault with pages',
    unit: 'x',
    value: ns[ns.length - 1] / ns[0],
    goal: 1.5,
    note: points.join(', '),
    checksum: costs.at(-1).checksum,
  };
}

function memory(name, what) {
  const got = model(name, { pages: tiny ? 65536 : 4_000_000 }, ['--expose-gc']);
  return { what, unit: 'B', value: got.bytes, goal: 24, checksum: got.checksum };
}

const program = join(root, 'bin', 'faultline.js');

function timed(command) {
  const start = performance.now();
  const run = spawnSync(process.execPath, [program, ...command], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { ms: performance.now() - start, out: run.stdout };
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function startUp() {
  const file = join(root, 'scenarios', 'thread-fork-mremap.fl');
  if (!existsSync(program) || !existsSync(file)) return null;
  const times = [];
  for (let i = 0; i < (tiny ? 1 : 9); i++) times.push(timed(['run', '--quiet', file]).ms);
  return { what: 'faultline run of a small scenario', unit: 'ms', value: median(times), goal: 150 };
}

function straceSteps() {
  if (!existsSync(program)) return null;
  const steps = tiny ? 200 : 40_000;
  const long = join(work, 'long.log');
  const short = join(work, 'short.log');
  writeFileSync(long, longLog(steps));
  writeFileSync(short, longLog(10));
  const idle = median([1, 2, 3].map(() => timed(['run', '--json', short]).ms));
  const run = timed(['run', '--json', long]);
  const { summary } = JSON.parse(run.out);
  return {
    what: 'steps of an strace log, run --json',
    unit: 'steps/s',
    value: (summary.steps / Math.max(run.ms - idle, 1)) * 1000,
    atLeast: 20_000,
    note: `${summary.steps} steps, ${summary.mismatched} mismatched`,
    checksum: summary.matched,
  };
}

/** Spin's own search of the same toy: states a second, and its counts. Null where it cannot run. */
function spin(promela) {
  const folder = join(work, 'spin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'toy.pml'), promela);
  const options = { cwd: folder, encoding: 'utf8' };
  const flags = ['-O2', '-DSAFETY', '-DNOREDUCE', '-DNOFAIR', '-o', 'pan', 'pan.c'];
  if (spawnSync('spin', ['-a', 'toy.pml'], options).status !== 0) return null;
  if (spawnSync('cc', flags, options).status !== 0) return null;
  const times = [];
  let out = '';
  for (let round = 0; round < (tiny ? 1 : 3); round++) {
    const run = spawnSync(
      'sh',
      ['-c', 'ulimit -s unlimited; ./pan -E -n -m10000000 -w24; times'],
      options,
    );
    out = run.stdout;
    // `times` prints the shell's, then its children's processor time: user and system.
    const [user, system] = [
      ...out
        .trim()
        .split('\n')
        .at(-1)
        .matchAll(/(\d+)m([\d.]+)s/g),
    ].map(([, m, s]) => Number(m) * 60 + Number(s));
    times.push(user + system);
  }
  const number = (what) => Number(what.exec(out)?.[1]);
  const states = number(/(\d+) states, stored/);
  return { states, transitions: number(/(\d+) transitions/) - 1, rate: states / median(times) };
}

function explorer() {
  const got = model('explorer', { philosophers: tiny ? 8 : 15, rounds: tiny ? 1 : 5 });
  const other = spin(got.promela);
  const agree =
    other === null
      ? undefined
      : other.states === got.states && other.transitions === got.transitions;
  const times = other === null ? undefined : got.rate / other.rate;
  return {
    what: 'explorer on a packed toy, beside Spin',
    unit: 'states/s',
    value: got.rate,
    ...(other === null || tiny ? {} : { atLeast: Math.round(5 * other.rate) }),
    note:
      other === null
        ? `${got.states} states; no spin or cc here`
        : `${got.states} states, ${got.transitions} transitions${agree ? ', as Spin counts' : ', SPIN COUNTS OTHERWISE'}; ${times.toFixed(1)}x Spin's ${Math.round(other.rate).toLocaleString('en-US')}/s`,
    agree,
    checksum: got.transitions,
  };
}

function checker() {
  const got = model('checker', { steps: tiny ? 3 : 5, rounds: tiny ? 1 : 3 });
  return {
    what: 'check of the memory model, one core',
    unit: 'transitions/s',
    value: got.rate,
    atLeast: 250_000,
    note: `${got.states} states, ${got.transitions} transitions; best round ${Math.round(got.best).toLocaleString('en-US')}/s`,
    checksum: got.transitions,
  };
}

/** The same search, the whole command, on two threads and on one, by turns; all must count alike. */
function checkThreads() {
  if (!existsSync(program)) return null;
  const bounds = ['--focus', 'shared', '--steps', tiny ? '3' : '6'];
  const run = (jobs) => {
    const { ms, out } = timed(['check', '--json', ...bounds, '--jobs', String(jobs)]);
    const { states, transitions } = JSON.parse(out);
    return { ms, states, transitions };
  };
  const pairs = Array.from({ length: tiny ? 1 : 5 }, () => [run(1), run(2)]);
  const counts = pairs.flat().map(({ states, transitions }) => `${states} ${transitions}`);
  const { states, transitions } = pairs[0][0];
  const times = (which) => pairs.map((pair) => pair[which].ms);
  return {
    what: 'check of the memory model, two cores against one',
    unit: 'x',
    value: median(pairs.map(([one, two]) => one.ms / two.ms)),
    note: `${states} states, ${transitions} transitions; median ${Math.round(median(times(0)))} ms on one, ${Math.round(median(times(1)))} ms on two; best ${Math.round(Math.min(...times(0)))} and ${Math.round(Math.min(...times(1)))}`,
    agree: new Set(counts).size === 1,
    checksum: transitions,
  };
}

/** Events a second of a replay, from the median cost of one. */
function replayRow(name, what) {
  return {
    name,
    run: () => {
      const got = model(name, { events: tiny ? 20_000 : 4_000_000, rounds: tiny ? 1 : 5 });
      return {
        what,
        unit: 'M/s',
        value: 1000 / got.ns,
        atLeast: 10,
        note: `best round ${(1000 / got.least).toFixed(1)} M/s`,
        checksum: got.checksum,
      };
    },
  };
}

function importRow() {
  const log = join(root, 'test', 'data', 'import', 'perf_ns.txt');
  if (!existsSync(log)) return null;
  const got = model('import', { log, megabytes: tiny ? 1 : 32, rounds: tiny ? 1 : 5 });
  return {
    what: 'import of the text of perf script',
    unit: 'MB/s',
    value: 1000 / got.ns,
    note: `${((got.events / got.ns) * 1000).toFixed(2)} million events/s`,
    checksum: got.checksum,
  };
}

function readRow() {
  const path = join(work, 'read.parquet');
  const got = model('read-trace', {
    events: tiny ? 20_000 : 1_000_000,
    path,
    rounds: tiny ? 1 : 5,
  });
  return {
    what: 'an event of a trace file into columns',
    unit: 'ns',
    value: got.ns,
    least: got.least,
    checksum: got.checksum,
  };
}

/** Sixteen settings of a trace of a million events, the whole command; two threads beside one. */
function sweepRow() {
  if (!existsSync(program)) return null;
  const trace = join(work, 'sweep.parquet');
  const events = tiny ? 20_000 : 1_000_000;
  const made = join(work, 'rows.mjs');
  execFileSync(process.execPath, [made, 'write-trace', JSON.stringify({ events, path: trace })]);
  const run = (jobs) => timed(['advise', trace, '--json', '--jobs', String(jobs)]).ms;
  const rounds = tiny ? 1 : 3;
  const pairs = Array.from({ length: rounds }, () => [run(1), run(2)]);
  const two = median(pairs.map((pair) => pair[1]));
  const factor = median(pairs.map((pair) => pair[0] / pair[1]));
  return {
    what: 'advise: 16 settings of a million events',
    unit: 'ms',
    value: two,
    goal: 3000,
    note: `two threads are ${factor.toFixed(2)}x one`,
  };
}

const ROWS = [
  faultRow('anon-4k', 'anonymous 4K fault, first touch', 60, 'anon', 40),
  faultRow('shmem-4k', 'shmem 4K fault, first touch', 100, 'shmem'),
  faultRow('anon-64k', 'anonymous 64K folio fault', 300),
  faultRow('shmem-64k', 'shmem 64K folio fault', 300),
  faultRow('anon-2m', 'anonymous PMD fault', 150),
  faultRow('shmem-2m', 'shmem PMD fault', 150),
  faultRow('mapped-seq', 'access to a mapped page, in order', 12),
  faultRow('mapped-random', 'access to a mapped page, at random', 12),
  faultRow('read-around', 'shmem read fault, 16 pages by fault-around', undefined, 'read'),
  { name: 'random-ops', run: randomOps },
  { name: 'growth', run: growth },
  { name: 'memory-anon', run: () => memory('memory-anon', 'host memory, anonymous page') },
  { name: 'memory-shmem', run: () => memory('memory-shmem', 'host memory, shmem page') },
  { name: 'explorer', run: explorer },
  { name: 'checker', run: checker },
  { name: 'check-threads', run: checkThreads },
  { name: 'import', run: importRow },
  { name: 'read-trace', run: readRow },
  replayRow('replay-4k', 'replay of a trace, 4K pages'),
  replayRow('replay-64k', 'replay of a trace, 64K folios'),
  { name: 'sweep', run: sweepRow },
  { name: 'strace-steps', run: straceSteps },
  { name: 'start-up', run: startUp },
];

/** True, false, or undefined where a row has no goal. */
function reached(row) {
  const checks = [];
  if (row.goal !== undefined) checks.push(Number(row.value.toFixed(1)) <= row.goal);
  if (row.atLeast !== undefined) checks.push(row.value >= row.atLeast);
  if (row.factor !== undefined && row.kernel != null) {
    checks.push(row.kernel / row.value >= row.factor);
  }
  if (row.agree !== undefined) checks.push(row.agree);
  return checks.length === 0 ? undefined : checks.every(Boolean);
}

function number(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
}

function goalText(row) {
  const parts = [];
  if (row.goal !== undefined) parts.push(`<= ${row.goal}`);
  if (row.atLeast !== undefined) parts.push(`>= ${row.atLeast.toLocaleString('en-US')}`);
  if (row.factor !== undefined) parts.push(`>= ${row.factor}x kernel`);
  return parts.join(', ');
}

function line(row) {
  const real =
    row.kernel == null ? '' : `${number(row.kernel)} ns = ${number(row.kernel / row.value)}x`;
  const verdict = { true: 'ok', false: 'MISSED', undefined: '' }[String(reached(row))];
  const value = `${number(row.value)} ${row.unit}`;
  return [
    row.what.padEnd(44),
    value.padStart(16),
    (row.least === undefined ? '' : `least ${number(row.least)}`).padEnd(12),
    `  ${goalText(row).padEnd(22)}`,
    verdict.padEnd(7),
    real.padEnd(18),
    row.note ?? '',
  ]
    .join(' ')
    .trimEnd();
}

const hasTwin = await prepare();
const rows = [];
if (!flag('json')) {
  console.log(
    `node ${process.version}, Linux ${release()}${hasTwin ? '' : ', no C compiler: no kernel beside'}`,
  );
}
for (const { name, run } of ROWS) {
  if (wanted.length !== 0 && !wanted.includes(name)) continue;
  const row = run(hasTwin);
  if (row === null) continue;
  rows.push({ name, ...row, ok: reached(row) });
  if (!flag('json')) console.log(line(row));
}
const checksum = rows.reduce((sum, row) => (Math.imul(sum, 31) + (row.checksum ?? 0)) | 0, 0) >>> 0;
if (flag('json')) {
  console.log(
    JSON.stringify({ node: process.version, kernel: release(), rows, checksum }, null, 2),
  );
} else {
  console.log(`checksum ${checksum.toString(16)}`);
}
