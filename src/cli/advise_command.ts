/** `faultline advise T` */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import {
  type AdviceReport,
  type Candidate,
  commandsFor,
  type HeatMap,
  heatMap,
  type Judged,
  judge,
  type Outcome,
  parseSettings,
  type Recorded,
  recommend,
} from '../advise/index.ts';
import { type Diagnostic, InputChanged } from '../base/index.ts';
import { releaseNamed, type SettingWrite } from '../replay/index.ts';
import { openForReplay, type ReadTrace, reasonOf } from '../store/index.ts';
import {
  ownThread,
  prepareFor,
  type Runner,
  readCosts,
  type Swept,
  startThreads,
  sweep,
  type Threads,
} from '../sweep/index.ts';
import { eventCount, type Trace } from '../trace/index.ts';
import { adviseView, outcomeLine } from '../view/index.ts';
import { adviceCsv } from './advise_csv.ts';
import { writePage } from './advise_page.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { pathOf } from './settings.ts';

export interface AdviseOptions extends OutputOptions {
  readonly kernel?: string;
  /** Per cent. */
  readonly maxBloat: number;
  readonly output?: string;
  readonly csv?: boolean;
  readonly jobs?: number;
  readonly settings?: string;
  readonly passes: number;
  readonly queue?: string;
}

interface Wanted {
  readonly candidates: readonly Candidate[] | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The settings of --settings; undefined for those that suit the trace. */
function wantedSettings(file: string | undefined): Wanted {
  if (file === undefined) return { candidates: undefined, diagnostics: [] };
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    return { candidates: undefined, diagnostics: [cliError('CLI001', file, reasonOf(error))] };
  }
  return parseSettings(text, file, pathOf);
}

/** What a file of this machine holds now. */
function present(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** A program without shared memory says nothing of the files that rule it: they stay as they are. */
function worthSetting(best: Judged, recorded: Recorded): readonly SettingWrite[] {
  if (recorded.traits.shmem) return best.settings;
  return best.settings.filter(({ path }) => !path.endsWith('/shmem_enabled'));
}

function makeReport(
  path: string,
  trace: Trace,
  swept: Swept,
  kernel: string,
  options: AdviseOptions,
): AdviceReport {
  const found = readCosts();
  const { measured } = trace.meta;
  const { recorded, reference, outcomes } = swept;
  const how = { costs: found.costs, passes: options.passes, measured, recorded };
  const settings = judge(outcomes, reference, how);
  const maxBloat = options.maxBloat / 100;
  const best = recommend(settings, maxBloat);
  const onFront = settings.filter((one) => one.front);
  onFront.sort((a, b) => a.peak.memory - b.peak.memory);
  return {
    trace: path,
    command: trace.meta.command,
    machine: trace.meta.machine,
    kernel,
    events: eventCount(trace),
    recorded: recorded.recorded,
    measured,
    costs: found.costs,
    costsFrom: found.path,
    passes: options.passes,
    maxBloat,
    settings,
    front: onFront.map((one) => one.name),
    recommendation: best?.name ?? '',
    commands: commandsFor(best === undefined ? [] : worthSetting(best, recorded), present),
    warnings: recorded.warnings,
  };
}

/** Settings that the modelled kernel refuses: bad input, named with the reason. */
function refusals(outcomes: readonly Outcome[], file: string, kernel: string): Diagnostic[] {
  const by = new Map<string, string[]>();
  for (const { name, refused } of outcomes) {
    for (const { path, value } of refused) {
      const write = `${path}: '${value}' is refused by ${kernel}`;
      by.set(write, [...(by.get(write) ?? []), name]);
    }
  }
  const hint = 'paths are those below /sys/kernel/mm/transparent_hugepage/';
  return [...by].map(([write, [first, ...others]]) => {
    const more = others.length > 0 ? ` and ${others.length} more` : '';
    return cliError('CLI005', file, `${first}${more}: ${write}`, hint);
  });
}

async function fail(
  out: Output,
  path: string,
  found: readonly Diagnostic[],
  options: AdviseOptions,
): Promise<number> {
  out.diagnostics(found);
  if (options.json === true) await writeJson({ trace: path, settings: [], diagnostics: found });
  return EXIT_INPUT;
}

/** Threads of this process, or the queue that --queue names. */
async function runnerFor(
  path: string,
  data: { trace: Trace; kernel: string },
  pool: Threads,
  options: AdviseOptions,
): Promise<Runner> {
  if (options.queue === undefined) return pool.runner(data);
  const { queueRunner, workersOf } = await import('../sweep/queue.ts');
  const runner = await queueRunner(options.queue, path, data.kernel);
  if (options.quiet !== true && (await workersOf(options.queue)) === 0) {
    process.stderr.write(
      `faultline: no worker is connected; start some: faultline worker --queue ${options.queue}\n`,
    );
  }
  return runner;
}

/**
 * What the queue could not do, and a trace that another has replaced, are bad input; anything else
 * is a bug, and goes on its way.
 */
function troubleOf(options: AdviseOptions, error: unknown): Diagnostic {
  if (error instanceof InputChanged) return error.diagnostic;
  if (options.queue === undefined || (error as Error).name !== 'QueueError') throw error;
  const hint = 'is a Redis or Valkey server running there?';
  return cliError('CLI001', options.queue, `the queue: ${(error as Error).message}`, hint);
}

export async function adviseCommand(path: string, options: AdviseOptions): Promise<number> {
  const jobs = options.jobs ?? cpus().length;
  const isAlone = options.queue !== undefined || jobs === 1;
  const pool = isAlone ? ownThread() : await startThreads(jobs);
  try {
    return await adviseWith(path, pool, await openForReplay(path, !isAlone), options);
  } finally {
    await pool.close();
  }
}

async function adviseWith(
  path: string,
  pool: Threads,
  { trace, diagnostics }: ReadTrace,
  options: AdviseOptions,
): Promise<number> {
  const out = new Output(options);
  // Of a recording without events nothing can be advised; its warning says so.
  if (trace === undefined || eventCount(trace) === 0) {
    return await fail(out, path, diagnostics, options);
  }
  out.diagnostics(diagnostics);
  const wanted = wantedSettings(options.settings);
  if (wanted.diagnostics.length > 0) return await fail(out, path, wanted.diagnostics, options);
  prepareFor(eventCount(trace));
  const kernel = releaseNamed(options.kernel).name;
  const data = { trace, kernel };
  const isLive = options.quiet !== true && process.stderr.isTTY === true;
  let runner: Runner;
  try {
    runner = await runnerFor(path, data, pool, options);
  } catch (error) {
    return await fail(out, path, [troubleOf(options, error)], options);
  }
  let swept: Swept;
  let heat: HeatMap | undefined;
  try {
    const sweeping = sweep(
      {
        kernel,
        candidates: wanted.candidates,
        onOutcome: (outcome, done, total) => {
          if (!isLive) return;
          const { name, faults, peak } = outcome;
          const text = outcomeLine(name, faults.total, peak.memory, done, total);
          process.stderr.write(`\r${text.slice(0, out.width - 1)}\x1b[K`);
        },
      },
      runner,
    );
    // A rejection is seen where it is awaited below.
    sweeping.catch(() => {});
    // Threads do the sweep: this one has nothing else to do.
    if (options.json === true || options.output !== undefined) heat = heatMap(trace);
    swept = await sweeping;
  } catch (error) {
    return await fail(out, path, [troubleOf(options, error)], options);
  } finally {
    if (isLive) process.stderr.write('\r\x1b[K');
    await runner.close();
  }
  const refused = refusals(swept.outcomes, options.settings ?? 'faultline', kernel);
  if (refused.length > 0) return await fail(out, path, refused, options);
  const report = makeReport(path, trace, swept, kernel, options);
  if (options.output !== undefined && heat !== undefined) {
    const failed = await writePage(options.output, report, heat);
    if (failed !== undefined) return await fail(out, path, [failed], options);
  }
  if (options.json === true) await writeJson({ ...report, heat, diagnostics });
  else if (options.csv === true) process.stdout.write(adviceCsv(report));
  else if (options.quiet === true) process.stdout.write(`${report.commands.apply.join('\n')}\n`);
  else await out.lines(adviseView(report, out.width));
  return EXIT_OK;
}
