/** `faultline calibrate` */
import { DEFAULT_COSTS } from '../advise/index.ts';
import { reasonOf } from '../store/index.ts';
import { calibrate, costsPath, writeCosts } from '../sweep/index.ts';
import { costsView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export async function calibrateCommand(options: OutputOptions): Promise<number> {
  const out = new Output(options);
  const path = costsPath();
  const measured = calibrate();
  const fail = async (message: string, hint?: string): Promise<number> => {
    const found = cliError('CLI001', path, message, hint);
    out.diagnostics([found]);
    if (options.json === true) await writeJson({ path, costs: null, diagnostics: [found] });
    return EXIT_INPUT;
  };
  if ('unavailable' in measured) return await fail(measured.unavailable, measured.hint);
  try {
    writeCosts(measured.costs, path);
  } catch (error) {
    return await fail(`cannot write the costs: ${reasonOf(error)}`);
  }
  if (options.json === true) await writeJson({ path, costs: measured.costs, diagnostics: [] });
  else if (options.quiet !== true) {
    await out.lines(costsView(measured.costs, DEFAULT_COSTS, path, out.width));
  }
  return EXIT_OK;
}
