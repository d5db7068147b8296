/** Commands as a shell finds them. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

function candidates(command: string): string[] {
  if (command.includes('/')) return [command];
  return (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder || '.', command));
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function findCommand(command: string): string | undefined {
  return candidates(command).find((path) => isFile(path) && isExecutable(path));
}

/** Undefined when a shell would find the command; else what is wrong with it. */
export function commandFault(command: string): string | undefined {
  if (findCommand(command) !== undefined) return undefined;
  return candidates(command).some(isFile)
    ? `'${command}' cannot be executed: permission denied`
    : `there is no command '${command}'`;
}
