/** `faultline why FILE --at TASK:ADDR` */
import type { Diagnostic } from '../base/index.ts';
import { type WhyReport, whyProgram } from '../lab/index.ts';
import { whyView } from '../view/index.ts';
import type { PageAt } from './arguments.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { type Setting, withSettings } from './settings.ts';

export interface WhyCommandOptions extends OutputOptions {
  readonly at: PageAt;
  readonly kernel?: string;
  readonly set?: readonly Setting[];
  readonly memory?: number;
}

function isReport(answer: WhyReport | readonly Diagnostic[]): answer is WhyReport {
  return !Array.isArray(answer);
}

export async function whyCommand(path: string, options: WhyCommandOptions): Promise<number> {
  const out = new Output(options);
  const loaded = loadProgram(path);
  const fail = async (diagnostics: readonly Diagnostic[]): Promise<number> => {
    out.diagnostics(diagnostics);
    const { file } = loaded;
    if (options.json === true) await writeJson({ file, ...options.at, faults: [], diagnostics });
    return EXIT_INPUT;
  };
  if (loaded.program === undefined) return fail(loaded.diagnostics);
  const answer = whyProgram(withSettings(loaded.program, options.set ?? []), {
    ...options.at,
    ...(options.kernel === undefined ? {} : { kernel: options.kernel }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  });
  if (!isReport(answer)) return fail([...loaded.diagnostics, ...answer]);
  const diagnostics = [...loaded.diagnostics, ...answer.diagnostics];
  out.diagnostics(diagnostics);
  const view = whyView(answer, { width: out.width, all: options.all === true });
  if (options.json === true) await writeJson({ ...answer, diagnostics });
  else await out.lines(options.quiet === true ? view.slice(0, 2) : view);
  return diagnostics.some((d) => d.severity === 'error') ? EXIT_INPUT : EXIT_OK;
}
