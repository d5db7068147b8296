/** The program without its verbs, and the options that verbs share. */
import { Command } from 'commander';
import { parseMemory, parseWidth } from './arguments.ts';
import { collectSetting } from './settings.ts';
import { version } from './version.ts';

export function newProgram(): Command {
  return new Command('faultline')
    .description("Linux's page faults and large folios, as an executable model")
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [verb]', 'show help of a verb')
    .showHelpAfterError('(--help shows the usage)')
    .exitOverride()
    .enablePositionalOptions()
    .addHelpText('after', '\n`faultline VERB --help` has examples. A file named `-` is stdin.');
}

/** Options that every verb has. */
export function common(command: Command, all: boolean): Command {
  command
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print only what is wrong')
    .option('--width <columns>', 'width of the output (default: the terminal)', parseWidth)
    .option('--color', 'use colours also where stdout is no terminal')
    .option('--no-color', 'use no colours; NO_COLOR in the environment says the same');
  return all ? command.option('--all', 'show everything, however long') : command;
}

export function settings(command: Command): Command {
  return command
    .option('--set <path=value>', 'write a setting before the first step', collectSetting)
    .option(
      '--memory <size>',
      "RAM of the modelled machine, as in 4G (default: the file's)",
      parseMemory,
    );
}
