/** Where a program is executed: `--on model`, `--on host`, `--on vm:IMAGE`, `--on RECORDING.json`. */
import { InvalidArgumentError } from 'commander';

export type Place =
  | { readonly kind: 'model' }
  /** The kernel of this machine. */
  | { readonly kind: 'host' }
  /** A kernel image, booted in a virtual machine. */
  | { readonly kind: 'vm'; readonly image: string }
  /** What a kernel answered once, from a file. */
  | { readonly kind: 'recording'; readonly path: string };

/** Where programs are executed now. */
export type LivePlace = Exclude<Place, { kind: 'recording' }>;

export const MODEL: LivePlace = { kind: 'model' };
export const HOST: LivePlace = { kind: 'host' };

function parseLive(text: string): LivePlace | undefined {
  if (text.startsWith('vm:') && text !== 'vm:') return { kind: 'vm', image: text.slice(3) };
  return text === 'host' ? HOST : undefined;
}

function parseRecording(text: string): Place | undefined {
  return text.endsWith('.json') ? { kind: 'recording', path: text } : undefined;
}

const VM = 'vm:IMAGE, as in vm:arch/x86/boot/bzImage';
const RECORDING = 'a recording (FILE.json)';

export function parsePlace(text: string): Place {
  const found = text === 'model' ? MODEL : (parseLive(text) ?? parseRecording(text));
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`expected model, host, ${RECORDING} or ${VM}`);
}

/** For verbs that hold the model against what a kernel answers. */
export function parseRealPlace(text: string): Place {
  const found = parseLive(text) ?? parseRecording(text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`expected host, ${RECORDING} or ${VM}`);
}

/** For verbs that ask what has not been asked before. */
export function parseLivePlace(text: string): LivePlace {
  const found = parseLive(text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`expected host or ${VM}`);
}
