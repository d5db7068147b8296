/** The verb `check`: its options and help. */
import type { Command } from 'commander';
import { parseCount, parseKernel } from './arguments.ts';
import { checkCommand } from './check_command.ts';
import {
  parseBytes,
  parseCalls,
  parseFocus,
  parseLaws,
  parseMappings,
  parsePages,
} from './check_options.ts';

const CHECK_HELP = `
Explores every program within the bounds, breadth first, and judges each state by the laws. Each
kind of violation is printed with one of its shortest programs, a scenario for \`run\` and \`compare\`.

  --focus default   private and shared memory and a memfd, most calls
          shared    shared memory: moves, holes, fault-around
          cow       private memory: fork, mprotect, moves
          files     a memfd and a file on ext4, truncate and holes
          uffd      userfaultfd
          races     faults of several processors, phase by phase

Examples:
  faultline check
  faultline check --kernel shmem-mthp-v1 -o /tmp/found
  faultline check --kernel 6.11 --focus shared --laws progress,translation
  faultline check --steps 7 --jobs 4 --checkpoint /var/tmp/check.state
  faultline check --variant variants/shmem-mthp-v1.ts
  faultline check --steps 12 --walks 20000 --seed 7

Exit code: 0 no law is broken, 1 some law is, 2 bad input or usage, 70 a bug of ours,
130 interrupted.
`;

const STEPS_MAX = 64;
const COUNT_MAX = 2 ** 31 - 1;

export function addCheckCommand(
  program: Command,
  common: (command: Command, all: boolean) => Command,
  done: (code: number) => void,
): void {
  const check = program
    .command('check')
    .summary('explore every short program and judge it by the laws')
    .description('Searches all short programs of a few tasks over a few pages for broken laws.')
    .option('-k, --kernel <name>', 'kernel to check (default: the newest)', parseKernel)
    .option('--variant <file>', 'a proposed change, in TypeScript (docs/check.md)')
    .option('--timeout <s>', 'seconds that a variant may take for a step', parseCount(1, 86400))
    .option('--focus <name>', 'what programs are about', parseFocus)
    .option('--tasks <n>', 'processes of a program', parseCount(1, 4))
    .option('--pages <n>', 'pages of a mapping and of a folio: 1, 2, 4 or 8', parsePages)
    .option('--steps <n>', 'steps of a program', parseCount(1, STEPS_MAX))
    .option('--laws <names>', 'laws to check, separated by commas (default: all)', parseLaws)
    .option('--mappings <kinds>', 'kinds of memory that mmap makes', parseMappings)
    .option('--calls <names>', 'calls that programs make', parseCalls)
    .option(
      '--depth-first',
      'each program to its end: less memory, not the shortest counterexamples',
    )
    .option('--no-symmetry', 'tell states apart that differ only in which task is which')
    .option('--walks <n>', 'random walks instead of a search', parseCount(1, COUNT_MAX))
    .option('--seed <n>', 'seed of the walks (default: 1)', parseCount(0, COUNT_MAX))
    .option(
      '--jobs <n>',
      'threads of a search (default: one a processor, at most 8)',
      parseCount(1, 64),
    )
    .option('--memory-limit <size>', 'memory for states, as in 2G (the default)', parseBytes)
    .option('--checkpoint <file>', 'keep the state in this file, and go on from it')
    .option('-o, --output <dir>', 'write each counterexample into this directory')
    .addHelpText('after', CHECK_HELP)
    .action(async (options) => done(await checkCommand(options)));
  common(check, true);
}
