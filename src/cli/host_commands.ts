/** The verbs that ask the real kernel. */
import { cpus } from 'node:os';
import { type Command, Option } from 'commander';
import { parseCount, parseKernel, parseMinutes } from './arguments.ts';
import { fuzzCommand } from './fuzz_command.ts';
import { hostInfoCommand } from './host_info_command.ts';
import { inspectCommand, parseCont, parsePid } from './inspect_command.ts';
import { HOST, parseLivePlace, parseRealPlace } from './place.ts';
import { verifyCommand } from './verify_command.ts';

const VERIFY_HELP = `
Needs root, a C compiler and an x86-64 Linux that is modelled; \`faultline host-info\` tells.
Settings that a scenario writes are put back, also after a crash. With --on vm:IMAGE the kernel
image is booted under QEMU, once for all files: no root is needed, and this machine is not touched.

Examples:
  faultline verify scenarios/*.fl
  faultline verify --json program.fl | jq .files[0].divergence
  faultline verify --on vm:arch/x86/boot/bzImage scenarios/*.fl
  faultline verify --on vm:bzImage --kernel shmem-mthp-v1 scenarios/thread-*.fl
  faultline verify --on recordings/corpus.json scenarios/thread-*.fl

A step that needs what the kernel does not have or its machine does not allow (a setting that is
missing or may not be written, a call that is ENOSYS) ends a file's comparison: the file "cannot be
asked", is counted so, and is no divergence; nor does it count if the model lacks the same.

Exit code: 0 no file differs, 1 one does or the kernel fails, 2 bad input, or the kernel as a whole
cannot be asked.
`;

const FUZZ_HELP = `
The same seed gives the same programs. A divergence is shrunk and written as a scenario whose
expectations are the kernel's answers. The state is kept in a directory: the same command goes on
where it was interrupted.

Examples:
  faultline fuzz --programs 20000 --seed 1
  faultline fuzz --minutes 60 --seed 7 --state /var/tmp/fuzz-7
  faultline fuzz --programs 2000 --coverage --all
  faultline fuzz --programs 500 --on vm:arch/x86/boot/bzImage

Exit code: 0 no divergence, 1 at least one, 2 the kernel cannot be asked, 130 interrupted.
`;

const HOST_INFO_HELP = `
Examples:
  faultline host-info
  faultline host-info --on vm:/boot/vmlinuz
  faultline host-info --json | jq .settings
`;

const ON_TEXT = "the kernel that is asked: host (this machine's), vm:IMAGE";
const VERIFY_ON_TEXT = `${ON_TEXT}, or a recording of its answers, FILE.json`;
const KERNEL_TEXT = "modelled kernel to compare with (default: by the kernel's release)";
const INSPECT_HELP = `
Reads /proc only: no process is stopped, nothing is written. Needs root for the frames.

Examples:
  faultline inspect $(pidof postgres)
  faultline inspect 1234 --all
  faultline inspect 1234 --cont 16K --json | jq .processes[0].total

Exit code: 0 fine, 2 a process is not there, or cannot be looked at.
`;

const COUNT_MAX = 2 ** 31 - 1;
const JOBS_MAX = 14;

/** --on, whose default is told by name. */
function onOption(text: string, parse: (value: string) => unknown): Option {
  return new Option('--on <kernel>', text).argParser(parse).default(HOST, 'host');
}

export function addHostCommands(
  program: Command,
  common: (command: Command, all: boolean) => Command,
  done: (code: number) => void,
): void {
  const verify = program
    .command('verify')
    .summary('hold the model against the real kernel, step by step')
    .description('Executes scenarios on the model and on this kernel; prints what differs first.')
    .argument('<file...>', 'scenarios; - for stdin')
    .option('--pages', 'compare mappings and pages only, no smaps, status, statistics (faster)')
    .addOption(new Option('--full', 'what is done without --pages').hideHelp())
    .addOption(onOption(VERIFY_ON_TEXT, parseRealPlace))
    .option('-k, --kernel <name>', KERNEL_TEXT, parseKernel)
    .addHelpText('after', VERIFY_HELP)
    .action(async (files, options) => done(await verifyCommand(files, options)));
  common(verify, false);

  const jobs = Math.min(2, cpus().length);
  const fuzz = program
    .command('fuzz')
    .summary('random programs: model against the real kernel')
    .description('Makes random programs and compares the model with this kernel after each step.')
    .option('--programs <n>', 'stop after n programs (default: 1000)', parseCount(1, COUNT_MAX))
    .option('--minutes <m>', 'stop after m minutes', parseMinutes)
    .option('--seed <s>', 'which programs', parseCount(0, COUNT_MAX), 1)
    .option('--steps <n>', 'steps of a program', parseCount(1, 1000), 20)
    .addOption(onOption(ON_TEXT, parseLivePlace))
    .option('-k, --kernel <name>', KERNEL_TEXT, parseKernel)
    .option('--jobs <n>', 'CPUs to use', parseCount(1, JOBS_MAX), jobs)
    .option('--state <dir>', 'where state and findings are kept', '.faultline-fuzz')
    .option('--coverage', 'tell which parts of the model no program has reached (slower)')
    .addHelpText('after', FUZZ_HELP)
    .action(async (options) => done(await fuzzCommand(options)));
  common(fuzz, true);

  const inspect = program
    .command('inspect')
    .summary('look at the folios of a live process')
    .description('For each mapping of a live process: folios by size, alignment, PMD and contpte.')
    .argument('<pid...>', 'process numbers', parsePid)
    .option('--cont <size>', 'blocks that a contiguous bit would join', parseCont, 16)
    .addHelpText('after', INSPECT_HELP)
    .action(async (pids, options) => done(await inspectCommand(pids, options)));
  common(inspect, true);

  const info = program
    .command('host-info')
    .summary('tell what can be asked of the real kernel here')
    .description('Tells the kernel, its settings, and what can and cannot be observed here.')
    .addOption(onOption(ON_TEXT, parseLivePlace))
    .option('-k, --kernel <name>', KERNEL_TEXT, parseKernel)
    .addHelpText('after', HOST_INFO_HELP)
    .action(async (options) => done(await hostInfoCommand(options)));
  common(info, false);
}
