/** The program with all its verbs. */
import { buildCommands } from './commands.ts';
import { runCommandLine } from './program.ts';

runCommandLine(buildCommands);
