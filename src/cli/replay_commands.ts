/** The verbs that execute traces of real programs. */
import type { Command } from 'commander';
import { parseKernel } from './arguments.ts';
import { replayCommand } from './replay_command.ts';
import { collectSetting } from './settings.ts';

const REPLAY_HELP = `
Without --set the settings are the recording's, with large folios allowed again. Settings of --set
stand below /sys/kernel/mm/transparent_hugepage/; fault_around_bytes is known by its bare name.

Examples:
  faultline replay app.parquet
  faultline replay app.parquet --set hugepages-64kB/enabled=always
  faultline replay app.parquet --set hugepages-2048kB/shmem_enabled=always --json | jq .peak

Exit code: 0 fine, 2 bad input or usage, 70 a bug of ours.
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
}
