/** The verbs that need the model and nothing else: bin/load.js starts them from a bundle of their own. */
import type { Command } from 'commander';
import { parseAt, parseKernel, parseKernels } from './arguments.ts';
import { compareCommand } from './compare_command.ts';
import { kernelsCommand } from './kernels_command.ts';
import { MODEL, parsePlace } from './place.ts';
import { type RunElsewhere, runCommand } from './run_command.ts';
import { common, settings } from './verb_options.ts';
import { whyCommand } from './why_command.ts';

const SETTINGS_HELP = `
Settings of --set stand below /sys/kernel/mm/transparent_hugepage/, and are written before the
first step; fault_around_bytes and vm.NAME are known by their bare names.
`;

const RUN_HELP = `
Examples:
  faultline run scenarios/thread-fork-mremap.fl
  faultline run --laws --kernel 6.11 scenarios/*.fl
  faultline run --set hugepages-64kB/enabled=always program.fl
  strace -f -o /tmp/ls.log ls && faultline run /tmp/ls.log
  faultline run --json program.fl | jq .summary
  faultline run --on host program.fl
  faultline run --on vm:arch/x86/boot/bzImage program.fl
  faultline run --on recordings/corpus.json scenarios/thread-fork-mremap.fl
${SETTINGS_HELP}
With --on a step may be one that the kernel cannot be asked (a setting that is missing or may not be
written there, a call that is ENOSYS): that is said, and nothing from there on is judged.

Exit code: 0 fine, 1 a law or an expectation disagrees, 2 bad input or usage, 70 a bug of ours.
`;

const COMPARE_HELP = `
Examples:
  faultline compare scenarios/thread-fork-mremap.fl --kernels 6.10,shmem-mthp-v1,6.11,6.18
  faultline compare scenarios/thread-fork-mremap-read.fl --set fault_around_bytes=4096
${SETTINGS_HELP}
Exit code: 1 if any of the kernels breaks a law or an expectation, else 0; 2 bad input or usage.
`;

const WHY_HELP = `
ADDR is a number or a name that the scenario binds, with an offset if need be.

Examples:
  faultline why scenarios/thread-fork-mremap.fl --at child:0x11000
  faultline why scenarios/thread-fork-mremap.fl --at parent:a+8K --kernel 6.10
`;

const KERNELS_HELP = `
Examples:
  faultline kernels
  faultline kernels --json
`;

const KERNEL_TEXT = "kernel to run on (default: the file's, else the newest); `kernels` lists them";

/** `done` receives the exit code; `elsewhere` runs what `--on` does not leave to the model. */
export function addModelVerbs(
  program: Command,
  done: (code: number) => void,
  elsewhere: RunElsewhere,
): void {
  const run = program
    .command('run')
    .summary('execute scenarios or strace logs and check what they expect')
    .description('Executes scenarios or strace logs, prints the steps and the final maps.')
    .argument('<file...>', 'scenarios or strace logs; - for stdin')
    .option('-k, --kernel <name>', KERNEL_TEXT, parseKernel)
    .option(
      '--on <who>',
      'who executes: model, host (this kernel), vm:IMAGE, RECORDING.json',
      parsePlace,
      MODEL,
    )
    .option('--laws', 'check the laws after every step')
    .option('--no-laws', 'do not check the laws (the default)')
    .addHelpText('after', RUN_HELP)
    .action(async (files, options) => done(await runCommand(files, options, elsewhere)));
  common(settings(run), true);

  const compare = program
    .command('compare')
    .summary('execute the same program on several kernels')
    .description('Executes one program on several kernels: differences, final maps, broken laws.')
    .argument('<file>', 'a scenario or strace log; - for stdin')
    .option('-k, --kernels <names>', 'kernels, separated by commas (default: all)', parseKernels)
    .addHelpText('after', COMPARE_HELP)
    .action(async (file, options) => done(await compareCommand(file, options)));
  common(settings(compare), true);

  const why = program
    .command('why')
    .summary('tell how one page came to be what it is')
    .description('For one page: the faults that made it, and every rule that refused an order.')
    .argument('<file>', 'a scenario or strace log; - for stdin')
    .requiredOption('--at <task:addr>', 'the page: a task and an address', parseAt)
    .option('-k, --kernel <name>', KERNEL_TEXT, parseKernel)
    .addHelpText('after', WHY_HELP)
    .action(async (file, options) => done(await whyCommand(file, options)));
  common(settings(why), false);

  const kernels = program
    .command('kernels')
    .summary('list the kernels that are modelled')
    .description('Lists the kernels that are modelled, what differs, and where that is written.')
    .addHelpText('after', KERNELS_HELP)
    .action(async (options) => done(await kernelsCommand(options)));
  common(kernels, false);
}
