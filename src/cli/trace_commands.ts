/** The verbs that make and show traces of real programs. */
import type { Command } from 'commander';
import { importCommand } from './import_command.ts';
import { traceInfoCommand } from './trace_command.ts';

const IMPORT_HELP = `
The kind of log is found by its content: the text of \`perf script\`, perf.data itself, strace's
output, or that of \`valgrind --tool=lackey --trace-mem=yes\`; each may be compressed with gzip.
A line that cannot be understood is reported and left out, the rest is kept.

Examples:
  faultline import perf.txt -o app.parquet
  valgrind --tool=lackey --trace-mem=yes --log-fd=1 ls 2>&1 >/dev/null | faultline import -
  strace -f -y -ttt -o app.log app && faultline import app.log

Exit code: 0 fine (also with lines left out), 2 nothing could be imported.
`;

const TRACE_HELP = `
A trace is a Parquet file: DuckDB, Polars and pandas read it as it is; docs/traces.md tells how.

Examples:
  faultline trace info app.parquet
  faultline trace info app.parquet --json | jq .summary.touches
`;

export function addTraceCommands(
  program: Command,
  common: (command: Command, all: boolean) => Command,
  done: (code: number) => void,
): void {
  const imported = program
    .command('import')
    .summary('make a trace of a log: perf script, strace, Valgrind lackey')
    .description('Makes a trace of a log that another tool wrote.')
    .argument('<log>', 'the log; - for stdin')
    .option('-o, --output <trace>', "the trace to write (default: the log's name with .parquet)")
    .addHelpText('after', IMPORT_HELP)
    .action(async (file, options) => done(await importCommand(file, options)));
  common(imported, false);

  const trace = program
    .command('trace')
    .summary('show what is in a trace')
    .description('Shows what is in a trace.');
  const info = trace
    .command('info')
    .summary('print a summary of a trace')
    .description('Prints what a trace is about, in numbers, and what it cannot tell.')
    .argument('<trace>', 'a trace')
    .addHelpText('after', TRACE_HELP)
    .action(async (path, options) => done(await traceInfoCommand(path, options)));
  common(info, false);
}
