/** The command line: all verbs. */
import type { Command } from 'commander';
import { addCheckCommand } from './check_verb.ts';
import { addHostCommands } from './host_commands.ts';
import { addModelVerbs } from './model_verbs.ts';
import { addReplayCommands } from './replay_commands.ts';
import { addReproCommand } from './repro_command.ts';
import { runElsewhere } from './run_elsewhere.ts';
import { addTraceCommands } from './trace_commands.ts';
import { common, newProgram, settings } from './verb_options.ts';

/** `done` receives the exit code. */
export function buildCommands(done: (code: number) => void): Command {
  const program = newProgram();
  addModelVerbs(program, done, runElsewhere);
  addReproCommand(program, (command) => common(settings(command), false), done);
  addHostCommands(program, common, done);
  addCheckCommand(program, common, done);
  addTraceCommands(program, common, done);
  addReplayCommands(program, common, done);
  return program;
}
