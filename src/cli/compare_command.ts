/** `faultline compare FILE --kernels …` */
import { compareProgram, kernelList } from '../lab/index.ts';
import { compareView, verdict } from '../view/index.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { refusedSettings, type Setting, withSettings } from './settings.ts';

export interface CompareCommandOptions extends OutputOptions {
  readonly kernels?: readonly string[];
  readonly set?: readonly Setting[];
  readonly memory?: number;
}

export async function compareCommand(
  path: string,
  options: CompareCommandOptions,
): Promise<number> {
  const out = new Output(options);
  const view = { width: out.width, all: options.all === true };
  const kernels = options.kernels ?? kernelList().map((kernel) => kernel.name);
  const loaded = loadProgram(path);
  out.diagnostics(loaded.diagnostics);
  if (loaded.program === undefined) {
    if (options.json === true) {
      const { file, diagnostics } = loaded;
      await writeJson({ file, kernels, runs: [], differences: [], broken: [], diagnostics });
    }
    return EXIT_INPUT;
  }
  const program = withSettings(loaded.program, options.set ?? []);
  const { memory } = options;
  const report = compareProgram(program, kernels, memory === undefined ? {} : { memory });
  // The same step is refused or not modelled on several kernels: one line is enough.
  const found = new Map<string, (typeof loaded.diagnostics)[number]>();
  for (const run of report.runs) {
    for (const d of [...refusedSettings(run), ...run.diagnostics]) found.set(JSON.stringify(d), d);
  }
  const diagnostics = [...found.values()];
  out.diagnostics(diagnostics);
  if (options.json === true) {
    await writeJson({ ...report, diagnostics: [...loaded.diagnostics, ...diagnostics] });
  } else if (options.quiet === true) await out.lines(verdict(report, view));
  else await out.lines(compareView(report, view));
  if (diagnostics.some((d) => d.severity === 'error')) return EXIT_INPUT;
  const wrong = report.runs.some((run) => run.summary.mismatched > 0);
  return wrong || report.broken.length > 0 ? EXIT_DISAGREES : EXIT_OK;
}
