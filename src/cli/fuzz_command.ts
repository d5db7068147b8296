/** `faultline fuzz`: random programs, model against the real kernel. */
import type { Diagnostic } from '../base/index.ts';
import { type FileCoverage, REACHED_BY, type ReachedBy, worldsBeside } from '../lab/index.ts';
import { type Program, parseProgram } from '../scenario/index.ts';
import { type Line, line } from '../view/index.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { Coverage, runUnbundled, unbundledMain } from './fuzz_coverage.ts';
import { FuzzRun } from './fuzz_run.ts';
import { DIVERGES_AGAIN, type FuzzState, newState, StateDirectory } from './fuzz_state.ts';
import { exitOf, HOST_FILE, isSession, openSession } from './host_session.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { LivePlace } from './place.ts';
import { divergenceLines } from './verify_command.ts';

export interface FuzzCommandOptions extends OutputOptions {
  readonly on: LivePlace;
  readonly kernel?: string;
  readonly programs?: number;
  readonly minutes?: number;
  readonly seed: number;
  readonly steps: number;
  readonly jobs: number;
  readonly state: string;
  readonly coverage?: boolean;
}

const EXIT_INTERRUPTED = 130;
const PROGRESS_MS = 200;

/** Says on stderr how far it is; only on a terminal. */
class FuzzProgress {
  readonly #active: boolean;
  readonly #begin = performance.now();
  readonly #before: number;
  #last = 0;

  constructor(wanted: boolean, before: number) {
    this.#active = wanted && process.stderr.isTTY === true;
    this.#before = before;
  }

  report(state: FuzzState): void {
    const now = performance.now();
    if (!this.#active || now - this.#last < PROGRESS_MS) return;
    this.#last = now;
    const rate = Math.round(((state.programs - this.#before) * 1000) / (now - this.#begin));
    const values = `${(state.values / 1e6).toFixed(1)} M values`;
    const found =
      state.findings.length === 0 ? 'no divergence' : `${state.findings.length} divergences`;
    const done = state.programs.toLocaleString('en');
    process.stderr.write(`\rfuzz: ${done} programs, ${values}, ${rate}/s, ${found}\x1b[K`);
  }

  end(): void {
    if (this.#last > 0) process.stderr.write('\r\x1b[K');
  }
}

/** Programs ran, and of none anything could be compared: that is no "no divergence". */
function nothingCompared(state: FuzzState): Diagnostic | undefined {
  const [why] = Object.entries(state.refused).sort((a, b) => b[1] - a[1]);
  if (state.values > 0 || why === undefined) return undefined;
  const message = `nothing could be compared: ${why[0]}`;
  return cliError('CLI006', HOST_FILE, message, '`faultline host-info` tells what it needs');
}

function counted(counts: Readonly<Record<string, number>>): Line[] {
  return Object.entries(counts)
    .sort((a, b) => b[1] - a[1])
    .map(([what, n]) => line(`  ${n} × ${what}`));
}

function summaryLines(state: FuzzState, shown: number): Line[] {
  const lines: Line[] = [];
  for (const { file, divergence } of state.findings.slice(0, shown)) {
    lines.push(...divergenceLines(file, divergence), line(''));
  }
  if (state.findings.length > shown) {
    lines.push(line(`… and ${state.findings.length - shown} more divergences (--all shows them)`));
  }
  const kinds = new Set(state.findings.map((f) => f.kind)).size;
  const rate = Math.round(state.programs / Math.max(state.seconds, 0.001));
  const n = (value: number): string => value.toLocaleString('en');
  lines.push(
    line(
      `${n(state.programs)} programs (seed ${state.seed}), ${n(state.values)} values compared, ${rate} programs/s: ` +
        (kinds === 0
          ? 'no divergence'
          : `${state.findings.length} divergences of ${kinds} ${kinds === 1 ? 'kind' : 'kinds'}`),
    ),
  );
  if (Object.keys(state.unmodelled).length > 0) {
    lines.push(line('reached what is not modelled:'), ...counted(state.unmodelled));
  }
  if (Object.keys(state.refused).length > 0) {
    lines.push(line('cannot be asked there:'), ...counted(state.refused));
  }
  const { unstable } = state;
  if (unstable.length > 0) {
    const what = unstable.length === 1 ? 'program was' : 'programs were';
    lines.push(line(`unstable: ${unstable.length} ${what} answered otherwise when asked again:`));
    for (const { program, kind, file, later } of unstable.slice(0, shown)) {
      const again = later.filter((one) => one === DIVERGES_AGAIN).length;
      const kept = file === '' ? '' : `  ${file}`;
      lines.push(line(`  program ${program}: ${kind}, again ${again} of ${later.length}${kept}`));
    }
    if (unstable.length > shown) lines.push(line(`  … and ${unstable.length - shown} more`));
  }
  return lines;
}

/** Of what was not reached: how much is reached elsewhere, and where. */
const ELSEWHERE: Readonly<Record<ReachedBy, string>> = {
  release: 'taken by the same programs on another modelled kernel',
  settings: 'taken with settings or on a machine that this kernel does not offer',
  why: 'taken when decisions are recorded (`faultline why`)',
  files: 'taken when files of /proc are read',
  logs: 'serve strace logs',
  unmodelled: 'end in a refusal: what is not modelled',
};

function coverageLines(files: readonly FileCoverage[], all: boolean): Line[] {
  const sum = (of: (f: FileCoverage) => number): number => files.reduce((n, f) => n + of(f), 0);
  const functions = sum((f) => f.functions);
  const branches = sum((f) => f.branches);
  const n = (value: number): string => value.toLocaleString('en');
  const lines = [
    line(
      `coverage of the model: ${n(functions - sum((f) => f.unreached.length))} of ${n(functions)} functions, ` +
        `${n(branches - sum((f) => f.untaken.length))} of ${n(branches)} branches`,
    ),
    line('  branches that were not taken:'),
  ];
  const count = (by: ReachedBy | undefined): number =>
    sum((f) => f.untaken.filter((branch) => branch.by === by).length);
  for (const by of REACHED_BY) {
    if (count(by) > 0) lines.push(line(`  ${n(count(by)).padStart(7)}  ${ELSEWHERE[by]}`));
  }
  lines.push(line(`  ${n(count(undefined)).padStart(7)}  taken by none of these programs`));
  for (const { file, unreached, unreachedBy } of files) {
    const never = unreached.filter((name) => unreachedBy[name] === undefined);
    if (never.length > 0) lines.push(line(`  ${file}: never called: ${never.join(', ')}`));
  }
  if (!all) {
    lines.push(line('  (--all lists the branches)'));
    return lines;
  }
  for (const { file, untaken } of files) {
    for (const branch of untaken) {
      const by = branch.by === undefined ? '' : `  [${branch.by}]`;
      lines.push(line(`  ${file}: ${branch.in}(): not taken: ${branch.text}${by}`));
    }
  }
  return lines;
}

/** Programs of the run that are played in other worlds: its first ones, in full length. */
const PLAYED_ELSEWHERE = 320;

function playedElsewhere(run: FuzzRun, state: FuzzState): Program[] {
  const programs: Program[] = [];
  for (let i = 0; i < Math.min(state.next, PLAYED_ELSEWHERE); i++) {
    programs.push(parseProgram(run.textOf(i), 'fuzz.fl').program);
  }
  return programs;
}

function openState(options: FuzzCommandOptions): StateDirectory | string {
  try {
    return new StateDirectory(options.state);
  } catch (error) {
    return (error as Error).message;
  }
}

export async function fuzzCommand(options: FuzzCommandOptions): Promise<number> {
  const out = new Output(options);
  const unbundled = options.coverage === true ? unbundledMain() : undefined;
  if (unbundled !== undefined) return runUnbundled(unbundled);
  const directory = openState(options);
  if (typeof directory === 'string') {
    out.diagnostics([cliError('CLI008', options.state, directory)]);
    return EXIT_INPUT;
  }
  const { jobs, on: place, kernel } = options;
  const asked = { jobs, place, kernel };
  const session = await openSession(asked);
  if (!isSession(session)) {
    out.diagnostics([session]);
    if (options.json === true) await writeJson({ diagnostics: [session] });
    return exitOf(session);
  }
  const { release } = session.host.info();
  const { seed, steps } = options;
  const state = directory.load(seed, steps, release) ?? newState(seed, steps, release);
  const until = options.programs ?? (options.minutes === undefined ? 1000 : Infinity);
  const deadline = performance.now() + (options.minutes ?? Infinity) * 60000;
  let interrupted = false;
  const stop = (): void => {
    if (interrupted) process.exit(EXIT_INTERRUPTED);
    interrupted = true;
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const progress = new FuzzProgress(options.quiet !== true, state.programs);
  const coverage = options.coverage === true ? new Coverage() : undefined;
  await coverage?.start();
  const run = new FuzzRun(session, state, directory, asked, {
    progress: (now) => progress.report(now),
    isOver: (now) => interrupted || now.next >= until || performance.now() > deadline,
  });
  let isKept = true;
  try {
    await run.run();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    isKept = false;
    // The disk is full, or the directory went away: what is known is printed below.
    out.diagnostics([cliError('CLI008', options.state, message)]);
  } finally {
    progress.end();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  const failure = run.failure ?? nothingCompared(state);
  if (failure !== undefined) out.diagnostics([failure]);
  const { release: modelled } = session.modelled;
  const worlds = worldsBeside(modelled, session.host.info().anonReadsAllocate);
  const reached = (await coverage?.stop(worlds, playedElsewhere(run, state))) ?? [];
  if (options.json === true) {
    const more = coverage === undefined ? {} : { coverage: reached };
    await writeJson({ ...state, interrupted, directory: directory.path, ...more });
  } else {
    const all = options.all === true;
    await out.lines(summaryLines(state, all ? Infinity : 5));
    if (coverage !== undefined) await out.lines(coverageLines(reached, all));
    if (interrupted)
      await out.lines([line(`interrupted; the same command goes on from ${directory.path}`)]);
  }
  if (failure !== undefined) return exitOf(failure);
  if (state.findings.length > 0) return EXIT_DISAGREES;
  if (!isKept) return EXIT_INPUT;
  return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}
