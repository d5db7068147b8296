/** `faultline record [-o T] -- CMD…`, `faultline record --pid PID` */
import { statSync } from 'node:fs';
import { record } from '../record/index.ts';
import { scanTrace } from '../store/index.ts';
import { Summariser } from '../trace/index.ts';
import { plainText, traceInfoView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { CounterLine } from './progress.ts';
import { version } from './version.ts';

export interface RecordCommandOptions extends OutputOptions {
  readonly output?: string;
  readonly pid?: number;
  readonly seconds?: number;
  readonly precise?: boolean;
  readonly unprivileged?: boolean;
}

const DEFAULT_OUTPUT = 'trace.parquet';

export async function recordCommand(
  command: readonly string[],
  options: RecordCommandOptions,
): Promise<number> {
  const out = new Output(options);
  const path = options.output ?? DEFAULT_OUTPUT;
  if ((command.length === 0) === (options.pid === undefined)) {
    const message = 'expected either a command behind `--`, or --pid PID';
    out.diagnostics([cliError('CLI001', 'record', message)]);
    return EXIT_INPUT;
  }
  const line = new CounterLine(options.quiet !== true);
  const done = await record({
    command,
    ...(options.pid === undefined ? {} : { pid: options.pid }),
    output: path,
    tool: `faultline ${version()}`,
    seconds: options.seconds ?? 0,
    precise: options.precise === true,
    unprivileged: options.unprivileged === true,
    stdoutToStderr: options.json === true,
    onProgress: (text) => line.show(text),
  });
  line.end();
  out.diagnostics(done.diagnostics);
  const { meta, rows, exitCode } = done;
  const summariser = new Summariser();
  if (rows > 0) await scanTrace(path, (events, names) => summariser.add(events, names));
  const summary = rows > 0 && meta !== undefined ? summariser.finish(meta.lost) : null;
  if (options.json === true) {
    const { diagnostics } = done;
    await writeJson({
      trace: path,
      meta: meta ?? null,
      summary,
      exitCode: exitCode ?? null,
      diagnostics,
    });
  } else if (options.quiet !== true && meta !== undefined && summary !== null) {
    // stdout is the command's.
    const lines = traceInfoView(path, statSync(path).size, meta, summary, out.width);
    process.stderr.write(`\n${lines.map(plainText).join('\n')}\n`);
  }
  if (rows === 0) return exitCode === undefined || exitCode === 0 ? EXIT_INPUT : exitCode;
  return exitCode ?? EXIT_OK;
}
