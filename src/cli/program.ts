/** The process: command line in, exit code out; the one place where exceptions end. */
import { type Command, CommanderError } from 'commander';
import { InputChanged } from '../base/index.ts';
import { bugMessage, EXIT_BUG, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { guardStreams, Output } from './output.ts';

export type BuildCommands = (done: (code: number) => void) => Command;

export async function runCommandLine(buildCommands: BuildCommands): Promise<void> {
  guardStreams();
  const commands = buildCommands((code) => {
    process.exitCode = code;
  });
  try {
    if (process.argv.length <= 2) {
      commands.outputHelp({ error: true });
      process.exitCode = EXIT_INPUT;
      return;
    }
    await commands.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version that were asked for are no error; everything else is bad usage.
      process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_INPUT;
      return;
    }
    if (error instanceof InputChanged) {
      new Output({}).diagnostics([error.diagnostic]);
      process.exitCode = EXIT_INPUT;
      return;
    }
    process.stderr.write(bugMessage(error));
    process.exitCode = EXIT_BUG;
  }
}
