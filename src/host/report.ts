/**
 * Diagnostics of this room: what the host cannot do for a program, and what went wrong while it
 * was executed. A closed list of codes, each with its sentence.
 */
import type { Diagnostic, Severity } from '../base/index.ts';
import type { Place } from '../scenario/index.ts';

export const HOST_CODES = {
  HOST001: 'a name that no earlier step binds',
  HOST002: 'a call that the executor does not do',
  HOST003: 'an argument that the executor cannot build',
  HOST004: 'a step of an strace log that is no program',
  HOST005: 'more tasks than the executor has room for',
  HOST006: 'a task died although the program did not tell it to',
  HOST007: 'a step that did not end in its time',
  HOST008: 'a step for a task that is still blocked in an earlier call',
  HOST009: 'a step for a task that does not exist',
  HOST010: 'a setting that cannot be read or written here: the step cannot be asked',
  HOST011: 'an argument or observation beyond a limit of the executor',
  HOST012: 'more threads in one process than the executor has room for',
  HOST013: 'something of the program could not be cleaned up',
  HOST014: 'settings of the machine changed while the program ran',
  HOST015: 'the executor ended',
  HOST016: 'a call that stands for another one on the host',
  HOST017: "a step that aims at the executor's own memory",
  HOST018: 'the kernel printed a complaint about itself',
} as const;

export type HostCode = keyof typeof HOST_CODES;

/** Codes of the executor's notes, by their number (NOTE_* in executor/inspector.h). */
const NOTE_CODES: readonly (readonly [HostCode, Severity])[] = [
  ['HOST015', 'error'],
  ['HOST006', 'error'],
  ['HOST007', 'error'],
  ['HOST008', 'error'],
  ['HOST009', 'error'],
  ['HOST010', 'note'],
  ['HOST011', 'error'],
  ['HOST012', 'error'],
  ['HOST013', 'warning'],
  ['HOST017', 'error'],
];

export class HostReport {
  readonly file: string;
  readonly found: Diagnostic[] = [];
  errors = 0;

  constructor(file: string) {
    this.file = file;
  }

  add(
    severity: Severity,
    code: HostCode,
    at: Place | undefined,
    message: string,
    context: readonly string[] = [],
  ): void {
    if (severity === 'error') this.errors++;
    const { line, column } = at ?? { line: 0, column: 0 };
    const found = { severity, code, file: this.file, line, column, message };
    this.found.push(context.length === 0 ? found : { ...found, context });
  }

  addNote(number: number, at: Place | undefined, message: string): void {
    const [code, severity] = NOTE_CODES[number] ?? NOTE_CODES[0]!;
    this.add(severity, code, at, message);
  }
}
