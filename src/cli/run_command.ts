/** `faultline run FILE…` */
import type { Diagnostic } from '../base/index.ts';
import { type RunReport, runProgram } from '../lab/index.ts';
import type { Line } from '../view/index.ts';
import { BLANK, quietRunView, runParts } from '../view/index.ts';
import { bugMessage, EXIT_BUG, EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { type Loaded, loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { Place } from './place.ts';
import { Progress } from './progress.ts';
import { refusedSettings, type Setting, withSettings } from './settings.ts';

export interface RunCommandOptions extends OutputOptions {
  readonly kernel?: string;
  readonly set?: readonly Setting[];
  readonly memory?: number;
  readonly laws?: boolean;
  readonly on: Place;
}

/** The document of a file that could not be run: the same form, with nothing in it. */
export function emptyReport(
  loaded: Loaded,
  options: RunCommandOptions,
  found: readonly Diagnostic[],
): RunReport {
  return {
    kernel: options.kernel ?? '',
    file: loaded.file,
    dialect: 'scenario',
    about: '',
    steps: [],
    summary: { steps: 0, matched: 0, mismatched: 0, assumed: 0, unchecked: 0, ignored: 0 },
    tasks: [],
    stats: {},
    laws: [],
    diagnostics: found,
    partial: false,
  };
}

export interface Ran {
  readonly report: RunReport;
  readonly code: number;
}

function runLoaded(loaded: Loaded, options: RunCommandOptions): Ran {
  if (loaded.program === undefined) {
    return { report: emptyReport(loaded, options, loaded.diagnostics), code: EXIT_INPUT };
  }
  const progress = new Progress(loaded.file, options.quiet !== true);
  try {
    const program = withSettings(loaded.program, options.set ?? []);
    const ran = runProgram(program, {
      laws: options.laws === true,
      onProgress: progress.report,
      ...(options.kernel === undefined ? {} : { kernel: options.kernel }),
      ...(options.memory === undefined ? {} : { memory: options.memory }),
    });
    const diagnostics = [...loaded.diagnostics, ...refusedSettings(ran), ...ran.diagnostics];
    const report = { ...ran, diagnostics };
    return { report, code: exitCode(report) };
  } finally {
    progress.end();
  }
}

/** A diagnostic that is an error outweighs a verdict: the verdict may rest on what was not done. */
export function exitCode(report: RunReport): number {
  if (report.diagnostics.some((d) => d.severity === 'error')) return EXIT_INPUT;
  const broken = report.laws.some((law) => law.broken.length > 0);
  return broken || report.summary.mismatched > 0 ? EXIT_DISAGREES : EXIT_OK;
}

/** Prints one report; true when there was anything to print. */
async function show(out: Output, report: RunReport, isNext: boolean): Promise<boolean> {
  const { options } = out;
  const view = { width: out.width, all: options.all === true };
  const parts: Iterable<Line[]> =
    options.quiet === true ? [quietRunView(report, view)] : runParts(report, view);
  let printed = false;
  for (const lines of parts) {
    if (lines.length === 0) continue;
    if (isNext && !printed) await out.lines([BLANK]);
    await out.lines(lines);
    printed = true;
  }
  return printed;
}

/** Runs files somewhere else than in the model; returns the exit code. */
export type RunElsewhere = (
  files: readonly string[],
  options: RunCommandOptions,
) => Promise<number>;

export async function runCommand(
  files: readonly string[],
  options: RunCommandOptions,
  elsewhere: RunElsewhere,
): Promise<number> {
  if (options.on.kind !== 'model') return await elsewhere(files, options);
  return await runFiles(files, options, (one) => runLoaded(one, options));
}

/** Runs and shows one file after the other; returns the exit code. */
export async function runFiles(
  files: readonly string[],
  options: RunCommandOptions,
  run: (loaded: Loaded) => Ran | Promise<Ran>,
): Promise<number> {
  const out = new Output(options);
  const reports: RunReport[] = [];
  let worst: number = EXIT_OK;
  let hasPrinted = false;
  for (const path of files) {
    let loaded: Loaded = { file: path, program: undefined, diagnostics: [] };
    try {
      loaded = loadProgram(path);
      const { report, code } = await run(loaded);
      worst = Math.max(worst, code);
      out.diagnostics(report.diagnostics);
      if (options.json === true) reports.push(report);
      else if (report.steps.length > 0 || code !== EXIT_INPUT) {
        hasPrinted = (await show(out, report, hasPrinted)) || hasPrinted;
      }
    } catch (error) {
      // A defect of ours in one file must not hide the answers for the others.
      process.stderr.write(bugMessage(error));
      worst = EXIT_BUG;
      reports.push(emptyReport(loaded, options, loaded.diagnostics));
    }
  }
  if (options.json === true) {
    await writeJson(files.length === 1 ? reports[0] : { files: reports });
  }
  return worst;
}
