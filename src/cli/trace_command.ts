/** `faultline trace info T` */
import { statSync } from 'node:fs';
import { readTrace } from '../store/index.ts';
import { summarise } from '../trace/index.ts';
import { traceInfoView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export async function traceInfoCommand(path: string, options: OutputOptions): Promise<number> {
  const out = new Output(options);
  const { trace, diagnostics } = await readTrace(path);
  out.diagnostics(diagnostics);
  if (trace === undefined) {
    if (options.json === true) {
      await writeJson({ trace: path, bytes: 0, meta: null, summary: null, diagnostics });
    }
    return EXIT_INPUT;
  }
  const summary = summarise(trace);
  const bytes = statSync(path).size;
  if (options.json === true) {
    await writeJson({ trace: path, bytes, meta: trace.meta, summary, diagnostics });
  } else if (options.quiet !== true) {
    await out.lines(traceInfoView(path, bytes, trace.meta, summary, out.width));
  }
  return EXIT_OK;
}
