/** The verbs that execute traces of real programs. */
import type { Command } from 'commander';
import { adviseCommand } from './advise_command.ts';
import { parseCount, parseKernel, parsePercent, parseQueue } from './arguments.ts';
import { calibrateCommand } from './calibrate_command.ts';
import { replayCommand } from './replay_command.ts';
import { collectSetting } from './settings.ts';
import { workerCommand } from './worker_command.ts';

const REPLAY_HELP = `
Without --set the settings are the recording's, with large folios allowed again. Settings of --set
stand below /sys/kernel/mm/transparent_hugepage/; fault_around_bytes is known by its bare name.

Examples:
  faultline replay app.parquet
  faultline replay app.parquet --set hugepages-64kB/enabled=always
  faultline replay app.parquet --set hugepages-2048kB/shmem_enabled=always --json | jq .peak

Exit code: 0 fine, 2 bad input or usage, 70 a bug of ours.
`;

const ADVISE_HELP = `
Without --settings it tries 16 settings of sizes and mixes of them, and more where the trace has
shared memory, madvise() or many faults of files. A file of settings has lines such as

  small: hugepages-16kB/enabled=always
  both:  hugepages-16kB/enabled=always hugepages-2048kB/enabled=always

Examples:
  faultline advise app.parquet
  faultline advise app.parquet --max-bloat 5 -o report.html
  faultline advise app.parquet --settings mine.txt --json | jq .recommendation
  faultline advise app.parquet --quiet | sudo sh

Exit code: 0 fine, 2 bad input or usage, 70 a bug of ours. docs/advise.md tells how to read it.
`;

const WORKER_HELP = `
It prints a line for each job that it has done, and ends at Ctrl-C when those under way are done.
A worker that is killed loses nothing: another does its jobs again.

Examples:
  redis-server --port 6379 &
  faultline worker --queue redis://localhost:6379 &
  faultline advise app.parquet --queue redis://localhost:6379

Exit code: 0 stopped, 2 the queue cannot be reached.
`;

const CALIBRATE_HELP = `
It compiles a small C program and runs it for some seconds; a quiet machine gives better numbers.
Large folios are asked for with madvise(): sizes that this machine does not give are not measured.
The result is kept in $XDG_CACHE_HOME/faultline/costs.json (~/.cache).

Examples:
  faultline calibrate
  faultline calibrate --json | jq .costs
`;

export function addReplayCommands(
  program: Command,
  common: (command: Command, all: boolean) => Command,
  done: (code: number) => void,
): void {
  const replay = program
    .command('replay')
    .summary('execute a trace of a real program under other settings')
    .description('Executes a trace: faults, resident memory over time, folios, statistics.')
    .argument('<trace>', 'a trace')
    .option('-k, --kernel <name>', 'kernel to run on (default: the newest)', parseKernel)
    .option('--set <path=value>', 'write a setting before the first event', collectSetting)
    .addHelpText('after', REPLAY_HELP)
    .action(async (path, options) => done(await replayCommand(path, options)));
  common(replay, true);

  const advise = program
    .command('advise')
    .summary('try many settings on a trace and recommend one')
    .description('Tries many settings on a trace: faults, time, memory, and one recommendation.')
    .argument('<trace>', 'a trace')
    .option('-k, --kernel <name>', 'kernel to run on (default: the newest)', parseKernel)
    .option('--max-bloat <percent>', 'most memory beyond that of 4K pages', parsePercent, 10)
    .option('-o, --output <file>', 'write a page with charts: report.html')
    .option('--csv', 'print one line of comma-separated values a setting')
    .option('--jobs <n>', 'threads (default: one a processor)', parseCount(1, 256))
    .option('--settings <file>', 'the settings to try; - for stdin')
    .option('--queue <url>', 'let workers of a queue do it: redis://host:6379', parseQueue)
    .option('--passes <n>', 'passes over the memory, for the TLB', parseCount(0, 1e9), 1)
    .addHelpText('after', ADVISE_HELP)
    .action(async (path, options) => done(await adviseCommand(path, options)));
  common(advise, false);

  const costs = program
    .command('calibrate')
    .summary('measure what faults cost on this machine, for advise')
    .description('Measures faults, clearing and TLB misses here; changes no setting.')
    .addHelpText('after', CALIBRATE_HELP)
    .action(async (options) => done(await calibrateCommand(options)));
  common(costs, false);

  const worker = program
    .command('worker')
    .summary('do the jobs of `advise --queue`')
    .description('Takes jobs of a queue in Redis or Valkey and does them, until it is stopped.')
    .requiredOption('--queue <url>', 'the queue: redis://host:6379', parseQueue)
    .option('--jobs <n>', 'threads (default: one a processor)', parseCount(1, 256))
    .addHelpText('after', WORKER_HELP)
    .action(async (options) => done(await workerCommand(options)));
  common(worker, false);
}
