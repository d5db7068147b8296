// Predicted against measured: records real programs with huge pages off, predicts their page faults
// and peak memory under other settings by replay, then runs them on the real kernel under these
// settings. Root, perf, a C compiler and about 40 minutes.
//
//   node scripts/prove.js [--only NAME,…] [--settings 16,64,2048,16+64+2048] [--runs 3]
//                         [--keep FOLDER] [--stage record|measure|predict] [--json FILE]
//
// A stage that was done in FOLDER is not done again. Settings of the machine are put back however
// this ends, also by kill -9.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { workloads } from './prove_workloads.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { buildLauncher, parseLaunchReport, sizeFiles, ThpGuard } = await import(
  '../dist/record/index.js'
);
const { readTrace } = await import('../dist/store/index.js');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    settings: { type: 'string', default: 'off,16,64,2048,16+64+2048' },
    runs: { type: 'string', default: '3' },
    keep: { type: 'string', default: '/var/tmp/faultline-proof' },
    stage: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});
const folder = values.keep;
const runs = Number(values.runs);
const settings = values.settings.split(',');
const THP = '/sys/kernel/mm/transparent_hugepage';

/** The sysfs files of a setting: the named sizes `always`, for anonymous and shared memory alike. */
function filesOf(setting) {
  const sizes = setting === 'off' ? [] : setting.split('+');
  const found = {};
  for (const path of sizeFiles()) {
    const size = /hugepages-(\d+)kB/.exec(path)?.[1];
    if (size !== undefined) found[path] = sizes.includes(size) ? 'always' : 'never';
    else found[path] = 'never';
  }
  return found;
}

const launcher = await buildLauncher();
if ('unavailable' in launcher) {
  process.stderr.write(`prove: ${launcher.unavailable}\n`);
  process.exit(2);
}

function fail(text) {
  process.stderr.write(`prove: ${text}\n`);
  process.exitCode = 1;
}

mkdirSync(folder, { recursive: true });
const resultsPath = join(folder, 'measured.json');
const results = existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, 'utf8')) : {};
const save = () => writeFileSync(resultsPath, JSON.stringify(results, null, 1));

/**
 * One layout for the recording and all runs: where a mapping begins within 64 kB decides how many
 * large folios fit into it. setarch itself still has a random one, so it is no part of the run.
 */
function oneLayout(command) {
  return spawnSync('setarch', ['-R', ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** A run on the real kernel as it is set now. */
function runOnce(workload) {
  workload.reset?.();
  const report = join(folder, 'report');
  rmSync(report, { force: true });
  const { status } = oneLayout([launcher.path, report, '-', ...workload.command]);
  const found = parseLaunchReport(readFileSync(report, 'utf8'));
  if (status !== 0 || !found.ended) throw new Error(`${workload.name} ended with ${status}`);
  return { faults: found.minflt + found.majflt, maxrss: found.maxrss, seconds: found.seconds };
}

async function recordTrace(workload, path) {
  workload.reset?.();
  const command = [
    process.execPath,
    join(root, 'bin/faultline.js'),
    'record',
    '-q',
    ...(workload.precise === true ? ['--precise'] : []),
    '-o',
    path,
    '--',
    ...workload.command,
  ];
  const { status } = oneLayout(command);
  if (status !== 0) throw new Error(`recording ${workload.name} ended with ${status}`);
}

async function measure(workload) {
  // khugepaged sleeps: what it collapses in a run of seconds is chance.
  const sleep = join(THP, 'khugepaged/scan_sleep_millisecs');
  const guard = new ThpGuard([...sizeFiles(), sleep]);
  const wanted = Math.max(runs, workload.runs ?? 0);
  try {
    guard.set({ [sleep]: '3600000' });
    for (const setting of settings) {
      const key = `${workload.name}/${setting}`;
      if (results[key]?.length >= wanted) continue;
      guard.set(filesOf(setting));
      results[key] = [];
      for (let i = 0; i < wanted; i++) results[key].push(runOnce(workload));
      save();
      process.stderr.write(`${key}: ${results[key].map((run) => run.faults).join(' ')}\n`);
    }
  } finally {
    await guard.release();
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** What the replay says of a setting: faults of all processes, and the largest process's peak. */
function predict(path, setting) {
  const sets = Object.entries(filesOf(setting)).map(
    ([file, value]) => `${file.slice(THP.length + 1)}=${value}`,
  );
  const args = [
    join(root, 'bin/faultline.js'),
    'replay',
    path,
    '--json',
    ...sets.flatMap((set) => ['--set', set]),
  ];
  const text = execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return JSON.parse(text);
}

const share = (value, base) => `${value >= 0 ? '+' : ''}${((value / base) * 100).toFixed(2)} %`;
const kilobytes = (bytes) => Math.round(bytes / 1024);

/** Several of a program that never does the same twice: their median is the prediction. */
function recordingsOf(workload) {
  return Array.from({ length: workload.recordings ?? 1 }, (_, i) =>
    join(folder, i === 0 ? `${workload.name}.parquet` : `${workload.name}.${i}.parquet`),
  );
}

async function table(workload) {
  const traces = [];
  for (const path of recordingsOf(workload)) {
    if (existsSync(path)) traces.push({ path, meta: (await readTrace(path)).trace.meta });
  }
  const rows = [];
  for (const setting of settings) {
    const real = results[`${workload.name}/${setting}`];
    if (real === undefined) continue;
    // `predicted` has what the trace does not: faults inside execve, before the program's own.
    const all = traces.map(({ path, meta }) => {
      const { predicted } = predict(path, setting);
      return { faults: predicted.minflt + meta.measured.majflt, rss: predicted.maxrss };
    });
    const faults = median(all.map((one) => one.faults));
    const rss = median(all.map((one) => one.rss));
    const list = real.map((run) => run.faults);
    const memory = real.map((run) => run.maxrss);
    rows.push({
      workload: workload.name,
      setting,
      measured: list,
      predicted: faults,
      predictions: all,
      error: (faults - median(list)) / median(list),
      inside: faults >= Math.min(...list) && faults <= Math.max(...list),
      rssMeasured: memory,
      rssPredicted: rss,
      rssError: (rss - median(memory)) / median(memory),
      rssInside: rss >= Math.min(...memory) && rss <= Math.max(...memory),
    });
  }
  return rows;
}

const only = values.only === '' ? undefined : values.only.split(',');
const chosen = workloads(folder).filter(
  (workload) => only === undefined || only.includes(workload.name),
);
const rows = [];
for (const workload of chosen) {
  if (workload.missing !== '') {
    fail(`${workload.name} is left out: install ${workload.missing}`);
    continue;
  }
  const prepared = join(folder, `${workload.name}.prepared`);
  if (!existsSync(prepared)) {
    workload.prepare?.();
    writeFileSync(prepared, '');
  }
  const missing = recordingsOf(workload).filter((path) => !existsSync(path));
  const records = values.stage === '' || values.stage === 'record';
  // Once unrecorded, so that the page cache is for the recording what it is for all later runs.
  if (records && missing.length > 0) runOnce(workload);
  for (const path of records ? missing : []) {
    await recordTrace(workload, path);
    process.stderr.write(`${path}: recorded, ${statSync(path).size} bytes\n`);
  }
  if (values.stage === '' || values.stage === 'measure') await measure(workload);
  if (values.stage === '' || values.stage === 'predict') rows.push(...(await table(workload)));
}

if (rows.length > 0) {
  const say = (text) => process.stdout.write(`${text}\n`);
  say(
    '| workload | sizes kB | faults measured | predicted | error | peak RSS measured, kB | predicted | error |',
  );
  say('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const row of rows) {
    const range = (list) => `${Math.min(...list)}..${Math.max(...list)}`;
    const mark = (error, inside) => `${share(error, 1)}${inside ? ' (inside)' : ''}`;
    say(
      `| ${row.workload} | ${row.setting} | ${range(row.measured)} | ${row.predicted} | ${mark(row.error, row.inside)} | ` +
        `${range(row.rssMeasured.map(kilobytes))} | ${kilobytes(row.rssPredicted)} | ${mark(row.rssError, row.rssInside)} |`,
    );
  }
  const good = rows.filter((row) => Math.abs(row.error) <= 0.01 || row.inside).length;
  const goodRss = rows.filter((row) => Math.abs(row.rssError) <= 0.01 || row.rssInside).length;
  say(
    `\nwithin 1 % or inside the spread: faults ${good} of ${rows.length}, peak RSS ${goodRss} of ${rows.length}`,
  );
  if (values.json !== '') writeFileSync(values.json, JSON.stringify(rows, null, 1));
}
