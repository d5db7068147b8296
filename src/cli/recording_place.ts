/** A recording in the place of a kernel: what a real kernel once answered, `--on recordings/corpus.json`. */
import { basename } from 'node:path';
import type { Diagnostic } from '../base/index.ts';
import {
  decodeProgramRecord,
  type OtherTranscript,
  RECORDING_VERSION,
  type RecordedProgram,
  type Recording,
} from '../lab/index.ts';
import { cliError, readInput } from './input.ts';

function isRecording(found: unknown): found is Recording {
  const { release, date, layout, programs } = (found ?? {}) as Partial<Recording>;
  return (
    typeof release === 'string' &&
    typeof date === 'string' &&
    typeof layout === 'object' &&
    Array.isArray(programs)
  );
}

export function readRecording(path: string): Recording | Diagnostic {
  const text = readInput(path);
  if (typeof text !== 'string') return text;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return cliError('CLI013', path, 'is no recording: it is not JSON');
  }
  if (!isRecording(found)) return cliError('CLI013', path, 'is no recording of a kernel');
  if (found.version === RECORDING_VERSION) return found;
  const { version } = found as { version: unknown };
  const message = `is a recording of version ${version}; ${RECORDING_VERSION} is understood`;
  return cliError('CLI013', path, message, '`node scripts/record.js` makes recordings anew');
}

const ANEW = '`node scripts/record.js` asks the kernel anew';

/** What the recorded kernel answered to this file; it must hold the very text. */
export function recordedAnswer(
  recording: Recording,
  path: string,
  file: string,
): { readonly seen: OtherTranscript; readonly recorded: RecordedProgram } | Diagnostic {
  const name = basename(file);
  const program = recording.programs.find((one) => one.name === name);
  if (program === undefined) {
    const message = `the recording ${path} does not hold ${name}`;
    const { length } = recording.programs;
    return cliError('CLI013', file, message, `it holds ${length} programs; ${ANEW}`);
  }
  if (readInput(file) === program.text) {
    return { seen: decodeProgramRecord(recording, program), recorded: program };
  }
  const message = `its text is not the one that was recorded in ${path} on ${recording.date}`;
  return cliError('CLI013', file, message, ANEW);
}

/** "6.18.44, recorded on 2026-11-23". */
export function recordingTitle(recording: Recording): string {
  return `${recording.release}, recorded on ${recording.date}`;
}
