/** `faultline repro FILE [-o F.c] [--initramfs F.cpio.gz]` */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Diagnostic } from '../base/index.ts';
import { buildInit } from '../host/index.ts';
import { releaseOf } from '../lab/index.ts';
import { type Repro, type ReproOptions, reproProgram } from '../repro/index.ts';
import type { Program } from '../scenario/index.ts';
import { span } from '../view/index.ts';
import { parseKernel } from './arguments.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError, loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { type Setting, withSettings } from './settings.ts';
import { version } from './version.ts';

const REPRO_HELP = `
The C file needs nothing but a C library. Run as root, it prints TAP as the kernel's selftests do
and exits with 0 (pass), 1 (fail) or 4 (skipped); settings are put back. Without -o it is printed.

Examples:
  faultline repro scenarios/thread-fork-mremap.fl -o t.c
  cc -O2 -Wall -Wextra -o t t.c && sudo ./t
  faultline repro --kernel 6.11 program.fl -o t.c
  faultline repro program.fl --initramfs t.cpio.gz
  qemu-system-x86_64 -m 512M -display none -no-reboot -serial stdio -kernel bzImage \\
      -initrd t.cpio.gz -append console=ttyS0

Exit code: 0 written, 2 bad input, or nothing of the scenario can be done in C.
`;

export interface ReproCommandOptions extends OutputOptions {
  readonly kernel?: string;
  readonly set?: readonly Setting[];
  readonly memory?: number;
  readonly output?: string;
  readonly initramfs?: string;
}

export function addReproCommand(
  program: Command,
  common: (command: Command) => Command,
  done: (code: number) => void,
): void {
  const repro = program
    .command('repro')
    .summary('write a scenario as one stand-alone C program')
    .description('Writes a scenario as a C file that asserts what the model says, step by step.')
    .argument('<file>', 'a scenario; - for stdin')
    .option('-o, --output <file>', 'the C file; without it the text is printed')
    .option('--initramfs <file>', 'an initramfs whose /init is the compiled program')
    .option('-k, --kernel <name>', "whose answers are asserted (default: the file's)", parseKernel)
    .addHelpText('after', REPRO_HELP)
    .action(async (file, options) => done(await reproCommand(file, options)));
  common(repro);
}

function store(path: string, content: string | Uint8Array): Diagnostic | undefined {
  try {
    writeFileSync(path, content);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return cliError('CLI008', path, `cannot be written: ${code ?? String(error)}`);
  }
}

function make(program: Program, options: ReproCommandOptions, isInit: boolean): Repro | undefined {
  const chosen = options.kernel === undefined ? {} : { kernel: options.kernel };
  const release = releaseOf(program, chosen);
  if (release === undefined) return undefined;
  const more: ReproOptions = {
    release,
    isInit,
    isChosen: options.kernel !== undefined,
    version: version(),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  };
  return reproProgram(program, more);
}

/** Writes the files that were asked for; what went wrong. */
async function writeFiles(
  program: Program,
  repro: Repro,
  options: ReproCommandOptions,
): Promise<Diagnostic[]> {
  const found: (Diagnostic | undefined)[] = [];
  if (options.output !== undefined) found.push(store(options.output, repro.text));
  if (options.initramfs !== undefined) {
    const init = make(program, options, true);
    const built = await buildInit(init?.text ?? '');
    if ('unavailable' in built)
      found.push(cliError('CLI011', options.initramfs, built.unavailable));
    else found.push(store(options.initramfs, built));
  }
  return found.filter((d) => d !== undefined);
}

export async function reproCommand(path: string, options: ReproCommandOptions): Promise<number> {
  const out = new Output(options);
  const loaded = loadProgram(path);
  const fail = async (diagnostics: readonly Diagnostic[]): Promise<number> => {
    out.diagnostics(diagnostics);
    if (options.json === true) await writeJson({ file: loaded.file, points: 0, diagnostics });
    return EXIT_INPUT;
  };
  if (loaded.program === undefined) return await fail(loaded.diagnostics);
  const program = withSettings(loaded.program, options.set ?? []);
  const repro = make(program, options, false);
  if (repro === undefined) {
    const message = `no kernel '${program.kernel ?? ''}' is modelled`;
    return await fail([...loaded.diagnostics, cliError('CLI004', loaded.file, message)]);
  }
  const before = [...loaded.diagnostics, ...repro.diagnostics];
  if (before.some((d) => d.severity === 'error')) return await fail(before);
  const diagnostics = [...before, ...(await writeFiles(program, repro, options))];
  if (diagnostics.some((d) => d.severity === 'error')) return await fail(diagnostics);
  out.diagnostics(diagnostics);
  await report(out, loaded.file, repro, diagnostics);
  return EXIT_OK;
}

async function report(
  out: Output,
  file: string,
  repro: Repro,
  diagnostics: readonly Diagnostic[],
): Promise<void> {
  const { json, quiet, output, initramfs } = out.options as ReproCommandOptions;
  const { points, skipped, kernel } = repro;
  const isPrinted = output === undefined && initramfs === undefined;
  if (json === true) {
    const text = isPrinted ? { text: repro.text } : {};
    const files = { ...(output ? { output } : {}), ...(initramfs ? { initramfs } : {}) };
    await writeJson({ file, kernel, points, skipped, ...files, ...text, diagnostics });
    return;
  }
  if (isPrinted) {
    process.stdout.write(repro.text);
    return;
  }
  if (quiet === true) return;
  const left = skipped === 0 ? '' : `, ${skipped} of them skipped`;
  const words = `${points} test points${left}, expectations of ${kernel}`;
  const written = [output, initramfs].filter((name) => name !== undefined);
  await out.lines(written.map((name) => [span(`${name}  `, 'strong'), span(words)]));
}
