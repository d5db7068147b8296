/** What can be wrong with a trace file. */
import { type Diagnostic, InputChanged, type Severity } from '../base/index.ts';

export const TRACE_CODES = {
  TRC001: 'a trace that cannot be opened or read',
  TRC002: 'a file that is no trace',
  TRC003: 'a trace of a version that cannot be read',
  TRC004: 'a torn trace: its end is missing, the part before it is used',
  TRC005: 'a trace without events',
  TRC006: 'a damaged trace: bytes that are not what its footer says',
  TRC007: 'a trace that cannot be written',
  TRC008: 'a trace that was changed while it was replayed',
} as const;

export type TraceCode = keyof typeof TRACE_CODES;

export function traceDiagnostic(
  severity: Severity,
  code: TraceCode,
  file: string,
  message: string,
  hint?: string,
): Diagnostic {
  const found = { severity, code, file, line: 0, column: 0, message };
  return hint === undefined ? found : { ...found, hint };
}

/** A trace is read more than once only where it is too large to be held. */
export function traceChanged(file: string): InputChanged {
  const message = 'the trace was changed while it was replayed';
  return new InputChanged(traceDiagnostic('error', 'TRC008', file, message, 'run it again'));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'this is a directory, not a file',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the limit of this process',
  EROFS: 'the file system is read-only',
  EIO: 'the disk reports an error',
};

export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? message;
}
