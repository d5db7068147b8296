/** `faultline trace info T` */
import { statSync } from 'node:fs';
import { scanTrace } from '../store/index.ts';
import { Summariser } from '../trace/index.ts';
import { traceInfoView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export async function traceInfoCommand(path: string, options: OutputOptions): Promise<number> {
  const out = new Output(options);
  const summariser = new Summariser();
  const { meta, diagnostics } = await scanTrace(path, (events, names) =>
    summariser.add(events, names),
  );
  out.diagnostics(diagnostics);
  if (meta === undefined) {
    if (options.json === true) {
      await writeJson({ trace: path, bytes: 0, meta: null, summary: null, diagnostics });
    }
    return EXIT_INPUT;
  }
  const summary = summariser.finish(meta.lost);
  const bytes = statSync(path).size;
  if (options.json === true) {
    await writeJson({ trace: path, bytes, meta, summary, diagnostics });
  } else if (options.quiet !== true) {
    await out.lines(traceInfoView(path, bytes, meta, summary, out.width));
  }
  return EXIT_OK;
}
