/**
 * Diagnostics of this room: a closed list of codes, and a collector that keeps the first ones and
 * counts the rest, so that a file of a million bad lines does not make a million messages.
 */
import type { Diagnostic, Severity } from '../base/index.ts';

export const SCENARIO_CODES = {
  SCN001: 'the file has no steps',
  SCN002: 'the file is binary',
  SCN003: 'the file is neither a scenario nor an strace log',
  SCN004: 'a call that x86-64 Linux does not have',
  SCN005: 'a call with too few or too many arguments, or with an unknown argument name',
  SCN006: 'an unknown constant',
  SCN007: 'a name that no earlier step binds',
  SCN008: 'a task that no earlier step creates',
  SCN009: 'an expression that cannot be understood',
  SCN010: 'a number that is malformed or does not fit 64 bits',
  SCN011: 'a line that is no step, directive or comment',
  SCN012: 'an expectation that cannot be understood',
  SCN013: 'a path that is missing or not absolute',
  SCN014: 'kernel or memory given twice, too late or wrongly',
  SCN015: 'an expression that is nested too deeply',
  SCN016: 'a reserved word or constant used as a name',
  SCN017: 'an unknown error number or signal',
  SCN018: 'text after the end of a step',
  SCN019: 'more diagnostics than are shown',
  LOG001: 'a line of a log that is torn or foreign',
  LOG002: 'the last line of a log is cut',
  LOG003: 'the end of a call whose beginning the log does not have',
  LOG004: 'lines that are not part of the trace were left out',
  LOG005: 'a process that is not 64-bit',
} as const;

export type ScenarioCode = keyof typeof SCENARIO_CODES;

const KEPT_MAX = 50;
const RANK: Record<Severity, number> = { note: 0, warning: 1, error: 2 };

export class Report {
  readonly file: string;
  readonly #kept: Diagnostic[] = [];
  #dropped = 0;
  #droppedWorst: Severity = 'note';
  errors = 0;

  constructor(file: string) {
    this.file = file;
  }

  /** True while another diagnostic would be kept: costly hints are made only then. */
  get open(): boolean {
    return this.#kept.length < KEPT_MAX;
  }

  add(
    severity: Severity,
    code: ScenarioCode,
    line: number,
    column: number,
    message: string,
    hint?: string,
  ): void {
    if (severity === 'error') this.errors++;
    if (!this.open) {
      this.#dropped++;
      if (RANK[severity] > RANK[this.#droppedWorst]) this.#droppedWorst = severity;
      return;
    }
    const { file } = this;
    const found = { severity, code, file, line, column, message };
    this.#kept.push(hint === undefined ? found : { ...found, hint });
  }

  finish(): Diagnostic[] {
    if (this.#dropped === 0) return this.#kept;
    const message = `${this.#dropped} more like these are not shown`;
    const last = {
      severity: this.#droppedWorst,
      code: 'SCN019',
      file: this.file,
      line: 0,
      column: 0,
    };
    return [...this.#kept, { ...last, message }];
  }
}
