/** What record says, by code. */
import type { Diagnostic, Severity } from '../base/index.ts';

export const RECORD_CODES = {
  REC001: 'a command or process that cannot be recorded',
  REC002: 'perf is missing or may not record here',
  REC003: 'a recording that failed',
  REC004: 'a recording with less in it than was asked for',
  REC005: 'something that the recording has changed',
  REC006: 'a recording that was interrupted',
} as const;

export type RecordCode = keyof typeof RECORD_CODES;

const SEVERITIES: Readonly<Record<RecordCode, Severity>> = {
  REC001: 'error',
  REC002: 'error',
  REC003: 'error',
  REC004: 'warning',
  REC005: 'note',
  REC006: 'note',
};

export function recordDiagnostic(code: RecordCode, message: string, hint?: string): Diagnostic {
  const severity = SEVERITIES[code];
  const base = { severity, code, file: 'record', line: 0, column: 0, message };
  return hint === undefined ? base : { ...base, hint };
}
