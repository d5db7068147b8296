// Real programs under strace, predicted: every call's result, and /proc/PID/maps of every process at
// its end, line by line. Prints a table; exits with 1 when anything differs.
//   node scripts/self_check.js [--keep DIRECTORY] [NAME...]
// "unmerged": the kernel keeps two neighbours apart where the log gives no reason to (see joined()).
// Lines of what execve made (the image, its loader, the stack, the vdso) are in no log, and left out.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAMS } from './self_check_programs.js';
import { traced } from './traced.js';

const MAIN = fileURLToPath(new URL('../bin/faultline.js', import.meta.url));
const LIMIT_MS = 180000;

function installed(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

function predict(log) {
  const ran = spawnSync(process.execPath, [MAIN, 'run', '--json', log], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  if (ran.status !== 0 && ran.status !== 1) throw new Error(`run ${log}: ${ran.stderr}`);
  return JSON.parse(ran.stdout);
}

const hex = (n) => n.toString(16);
const lineOf = (v) => `${hex(v.start)}-${hex(v.end)} ${v.perms} ${hex(v.offset)} ${v.name}`.trim();

/** What execve did not make. */
function madeByCalls(maps, image) {
  const isImage = (v) => image.some((i) => v.start < i.end && i.start < v.end);
  return maps.filter((v) => v.name !== '[vsyscall]' && v.name !== '[stack]' && !isImage(v));
}

/**
 * Neighbours that are alike, as one. Whether the kernel merges two anonymous mappings hangs on which
 * of them were touched (anon_vma), and a log does not tell what a program touches.
 */
function joined(maps) {
  const found = [];
  for (const v of maps) {
    const last = found.at(-1);
    const alike =
      last?.end === v.start && last.perms === v.perms && last.name === '' && v.name === '';
    if (alike) last.end = v.end;
    else found.push({ ...v });
  }
  return found;
}

/** The model's mappings of a process as the log leaves them just before its exit. */
function modelAt(log, end, scratch) {
  const lines = readFileSync(log, 'utf8').split('\n');
  const exits = [end.tid, end.pid].map((id) => new RegExp(`^${id} +exit_group\\(`));
  const at = lines.findIndex((line) => exits.some((exit) => exit.test(line)));
  if (at < 0) return undefined;
  const cut = join(scratch, 'cut.log');
  writeFileSync(cut, `${lines.slice(0, at).join('\n')}\n`);
  const { tasks } = predict(cut);
  const task =
    tasks.find((t) => t.name === end.pid) ?? tasks.find((t) => String(t.pid) === end.pid);
  return task?.vmas.map((v) => ({
    start: Number(v.start),
    end: Number(v.end),
    perms: v.prot,
    offset: Number(v.offset),
    name: v.file ?? '',
  }));
}

function compareMaps(log, end, scratch) {
  const model = modelAt(log, end, scratch);
  if (model === undefined)
    return { same: 0, apart: 0, image: 0, differ: [`${end.pid}: not in the log`] };
  const seen = madeByCalls(end.maps, end.image);
  const made = madeByCalls(model, end.image);
  let real = seen.map(lineOf);
  let mine = made.map(lineOf);
  const image = end.maps.length - real.length;
  const exact = real.filter((line) => mine.includes(line)).length;
  if (exact !== real.length || exact !== mine.length) {
    real = joined(seen).map(lineOf);
    mine = joined(made).map(lineOf);
  }
  const differ = [
    ...real
      .filter((line) => !mine.includes(line))
      .map((line) => `${end.pid}: kernel only: ${line}`),
    ...mine
      .filter((line) => !real.includes(line))
      .map((line) => `${end.pid}: model only:  ${line}`),
  ];
  const same = real.filter((line) => mine.includes(line)).length;
  const apart = differ.length === 0 ? seen.length - exact : 0;
  return { same, apart, image, differ };
}

export async function checkProgram([name, program, command], keep) {
  if (!installed(program)) return { name, skipped: `${program} is not installed` };
  const scratch = mkdtempSync(join(tmpdir(), `self-check-${name}-`));
  const log = join(keep ?? scratch, `${name}.log`);
  try {
    const { status, ends } = await traced(['env', 'sh', '-c', command], {
      cwd: scratch,
      log,
      limitMs: LIMIT_MS,
    });
    if (status !== 0) return { name, failed: `the program ended with ${status}` };
    const { summary, steps } = predict(log);
    const wrong = steps.filter((s) => s.verdict === 'mismatched');
    const result = {
      name,
      processes: ends.length,
      ...summary,
      same: 0,
      apart: 0,
      image: 0,
      differ: [],
    };
    for (const step of wrong)
      result.differ.push(`line ${step.line}: ${step.text}: model ${step.result}`);
    for (const end of ends) {
      const maps = compareMaps(log, end, scratch);
      result.same += maps.same;
      result.apart += maps.apart;
      result.image += maps.image;
      result.differ.push(...maps.differ);
    }
    return result;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const HEAD = [
  'program',
  'processes',
  'calls',
  'matched',
  'mismatched',
  'assumed',
  'map lines',
  'differ',
  'unmerged',
  'of images',
];

function row(cells) {
  return cells
    .map((cell, i) => (i === 0 ? String(cell).padEnd(13) : String(cell).padStart(11)))
    .join('');
}

async function main() {
  const words = process.argv.slice(2);
  const at = words.indexOf('--keep');
  const [, keep] = at < 0 ? [] : words.splice(at, 2);
  if (!installed('strace')) {
    console.error('self_check: strace is not installed');
    return 2;
  }
  console.log(row(HEAD));
  let worst = 0;
  for (const program of PROGRAMS) {
    if (words.length > 0 && !words.includes(program[0])) continue;
    const r = await checkProgram(program, keep);
    if (r.skipped !== undefined || r.failed !== undefined) {
      console.log(
        `${r.name.padEnd(13)}  ${r.skipped === undefined ? r.failed : `skipped: ${r.skipped}`}`,
      );
      if (r.failed !== undefined) worst = 1;
      continue;
    }
    const lines = r.differ.filter((line) => /only:/.test(line)).length;
    console.log(
      row([
        r.name,
        r.processes,
        r.steps,
        r.matched,
        r.mismatched,
        r.assumed,
        r.same,
        lines,
        r.apart,
        r.image,
      ]),
    );
    for (const line of r.differ.slice(0, 20)) console.log(`  ${line}`);
    if (r.differ.length > 20) console.log(`  … and ${r.differ.length - 20} more`);
    if (r.differ.length > 0) worst = 1;
  }
  return worst;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
