/** `faultline run FILE…` */
import type { Diagnostic } from '../base/index.ts';
import { type RunReport, runProgram } from '../lab/index.ts';
import type { Line } from '../view/index.ts';
import { BLANK, quietRunView, runView } from '../view/index.ts';
import { bugMessage, EXIT_BUG, EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { type Loaded, loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { Progress } from './progress.ts';
import { refusedSettings, type Setting, withSettings } from './settings.ts';

export interface RunCommandOptions extends OutputOptions {
  readonly kernel?: string;
  readonly set?: readonly Setting[];
  readonly memory?: number;
  readonly laws?: boolean;
}

/** The document of a file that could not be run: the same form, with nothing in it. */
function emptyReport(
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

interface Ran {
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

export async function runCommand(
  files: readonly string[],
  options: RunCommandOptions,
): Promise<number> {
  const out = new Output(options);
  const view = { width: out.width, all: options.all === true };
  const reports: RunReport[] = [];
  let worst: number = EXIT_OK;
  let printed = 0;
  for (const path of files) {
    let loaded: Loaded = { file: path, program: undefined, diagnostics: [] };
    let ran: Ran;
    try {
      loaded = loadProgram(path);
      ran = runLoaded(loaded, options);
    } catch (error) {
      // A defect of ours in one file must not hide the answers for the others.
      process.stderr.write(bugMessage(error));
      ran = { report: emptyReport(loaded, options, loaded.diagnostics), code: EXIT_BUG };
    }
    const { report, code } = ran;
    worst = Math.max(worst, code);
    out.diagnostics(report.diagnostics);
    if (options.json === true) {
      reports.push(report);
      continue;
    }
    const didRun = loaded.program !== undefined && code !== EXIT_BUG;
    if (!didRun) continue;
    const lines: Line[] =
      options.quiet === true ? quietRunView(report, view) : runView(report, view);
    if (lines.length === 0) continue;
    await out.lines(printed > 0 ? [BLANK, ...lines] : lines);
    printed++;
  }
  if (options.json === true) {
    await writeJson(files.length === 1 ? reports[0] : { files: reports });
  }
  return worst;
}
