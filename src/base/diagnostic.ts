/**
 * "The input is bad": a diagnostic says where, what was found and what was expected. Diagnostics
 * are collected beside a best-effort result; the one that is thrown is InputChanged.
 */
export type Severity = 'error' | 'warning' | 'note';

export interface Diagnostic {
  readonly severity: Severity;
  /** Stable identifier, from the closed list of the room that reports it. */
  readonly code: string;
  readonly file: string;
  /** 1-based; 0 when the whole file is meant. */
  readonly line: number;
  /** 1-based column of the first character meant; 0 when the whole line is meant. */
  readonly column: number;
  readonly message: string;
  /** A suggestion: "did you mean 'mremap'?". */
  readonly hint?: string;
  /** Text that someone else printed and that belongs to it, shown in lines of their own. */
  readonly context?: readonly string[];
}

/** `file:line:column: error: message (hint)`, the form that editors parse. */
export function formatDiagnostic(d: Diagnostic): string {
  const at = d.line === 0 ? d.file : `${d.file}:${d.line}${d.column > 0 ? `:${d.column}` : ''}`;
  return `${at}: ${d.severity}: ${d.message}${d.hint ? `; ${d.hint}` : ''} [${d.code}]`;
}

/** What was read and found good has become something else under our hands: nothing can be answered. */
export class InputChanged extends Error {
  override readonly name = 'InputChanged';
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Diagnostic) {
    super(diagnostic.message);
    this.diagnostic = diagnostic;
  }
}
