/** The verbs that make and show traces of real programs. */
import type { Command } from 'commander';
import { parseCount, parseSeconds } from './arguments.ts';
import { importCommand } from './import_command.ts';
import { recordCommand } from './record_command.ts';
import { traceInfoCommand } from './trace_command.ts';

const IMPORT_HELP = `
A recording that was not finished (app.parquet.recording, beside the trace) becomes its trace.
The kind of log is found by its content: the text of \`perf script\`, perf.data itself, strace's
output, or that of \`valgrind --tool=lackey --trace-mem=yes\`; each may be compressed with gzip.
A line that cannot be understood is reported and left out, the rest is kept.

Examples:
  faultline import perf.txt -o app.parquet
  valgrind --tool=lackey --trace-mem=yes --log-fd=1 ls 2>&1 >/dev/null | faultline import -
  strace -f -y -ttt -o app.log app && faultline import app.log

Exit code: 0 fine (also with lines left out), 2 nothing could be imported.
`;

const RECORD_HELP = `
Records with perf (Debian: linux-perf). Huge pages are switched off for the command and its
descendants alone, so that each first touch of a page shows; no setting of the machine is changed
unless --precise asks for it. Ctrl-C ends the recording, and the trace is good.
For programs that share memory between processes (databases), --precise records what fault-around
hides; it slows them down a little.
Without the rights for tracepoints it records user-mode faults with perf, and calls with strace.

Examples:
  faultline record -- python3 -c 'x = list(range(10**7))'
  faultline record -o make.parquet -- make -j2
  faultline record --pid "$(pidof redis-server)" --seconds 30 -o redis.parquet

Exit code: the command's own; 2 where nothing could be recorded.
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
  const record = program
    .command('record')
    .summary('record the page faults and memory calls of a real program')
    .description('Runs a command, or watches a process, and records what it does to its memory.')
    .argument('[command...]', 'the command, behind --')
    .option('-o, --output <trace>', 'the trace to write (default: trace.parquet)')
    .option(
      '-p, --pid <pid>',
      'record this running process and its descendants',
      parseCount(1, 2 ** 22),
    )
    .option('--seconds <n>', 'end the recording, and a command, after this time', parseSeconds)
    .option('--precise', 'each touch of shared memory; huge pages off for the whole machine')
    .option('--unprivileged', 'record as a user without rights would')
    .passThroughOptions()
    .addHelpText('after', RECORD_HELP)
    .action(async (command, options) => done(await recordCommand(command, options)));
  common(record, false);

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
