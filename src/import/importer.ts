/**
 * A log becomes a trace line by line. No line is fatal: one that cannot be understood is
 * a diagnostic with its number, and everything else is kept.
 */
import type { Diagnostic, Severity } from '../base/index.ts';
import type { TraceBuilder, TraceFile, TraceMode, TraceNote } from '../trace/index.ts';

export const IMPORT_CODES = {
  IMP001: 'a log of no known kind',
  IMP002: 'a line that cannot be understood',
  IMP003: 'a log without a single event of memory',
  IMP004: 'an end of a call whose beginning the log does not have',
  IMP005: 'a line that is too long',
  IMP006: 'more diagnostics than are shown',
  IMP007: 'the last line is cut',
} as const;

export type ImportCode = keyof typeof IMPORT_CODES;

/** What an importer says at the end, beside the events in its builder. */
export interface ImportFacts {
  readonly mode: TraceMode;
  readonly lost: number;
  readonly command: readonly string[];
  readonly files: readonly TraceFile[];
  readonly notes: readonly TraceNote[];
  /** Faults that were left out because they were the recorder's own. */
  readonly own?: number;
}

export interface Importer {
  /** "perf script", "strace", "Valgrind lackey". */
  readonly kind: string;
  /** Its rows may be taken away between two lines. */
  readonly builder: TraceBuilder;
  line(text: string, number: number): void;
  /** After the last line. */
  finish(): ImportFacts;
}

const KEPT_MOST = 20;

/** Keeps the first diagnostics and counts the rest. */
export class ImportReport {
  readonly file: string;
  readonly kept: Diagnostic[] = [];
  #more = 0;
  #moreLine = 0;

  constructor(file: string) {
    this.file = file;
  }

  get count(): number {
    return this.kept.length + this.#more;
  }

  add(severity: Severity, code: ImportCode, line: number, message: string, hint?: string): void {
    if (this.kept.length >= KEPT_MOST) {
      this.#more++;
      this.#moreLine = line;
      return;
    }
    const found = { severity, code, file: this.file, line, column: 0, message };
    this.kept.push(hint === undefined ? found : { ...found, hint });
  }

  /** A line that was left out. */
  bad(line: number, text: string, expected: string): void {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    this.add('warning', 'IMP002', line, `this line is left out: '${shown}'; expected ${expected}`);
  }

  all(): readonly Diagnostic[] {
    if (this.#more === 0) return this.kept;
    const message = `${this.#more} more like these, the last one here`;
    const last: Diagnostic = {
      severity: 'warning',
      code: 'IMP006',
      file: this.file,
      line: this.#moreLine,
      column: 0,
      message,
    };
    return [...this.kept, last];
  }
}
