/** `faultline replay T` */
import { releaseNamed, replayReport } from '../replay/index.ts';
import { openForReplay } from '../store/index.ts';
import { prepareFor } from '../sweep/index.ts';
import { eventCount } from '../trace/index.ts';
import { replayView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { Setting } from './settings.ts';

export interface ReplayCommandOptions extends OutputOptions {
  readonly kernel?: string;
  readonly set?: readonly Setting[];
}

const SAMPLES = 500;
const THP = '/sys/kernel/mm/transparent_hugepage/';

export async function replayCommand(path: string, options: ReplayCommandOptions): Promise<number> {
  const out = new Output(options);
  const { trace, diagnostics } = await openForReplay(path);
  out.diagnostics(diagnostics);
  if (trace === undefined) {
    if (options.json === true) await writeJson({ trace: path, report: null, diagnostics });
    return EXIT_INPUT;
  }
  prepareFor(eventCount(trace));
  const release = releaseNamed(options.kernel);
  const settings = options.set ?? [];
  const { report, refused } = replayReport(trace, { release, settings, samples: SAMPLES });
  const found = [
    ...diagnostics,
    ...refused.map(({ path: file, value }) =>
      cliError(
        'CLI005',
        'faultline',
        `--set: ${file}: ${value} is refused`,
        `settings are files below ${THP}`,
      ),
    ),
  ];
  out.diagnostics(found.slice(diagnostics.length));
  if (refused.length > 0) {
    if (options.json === true) await writeJson({ trace: path, report: null, diagnostics: found });
    return EXIT_INPUT;
  }
  if (options.json === true) await writeJson({ trace: path, ...report, diagnostics: found });
  else if (options.quiet !== true) {
    await out.lines(replayView(path, report, out.width, options.all === true));
  }
  return EXIT_OK;
}
