/** The real kernel for tests: opened once a file, or the reason why these tests are skipped. */
import { release } from 'node:os';
import { afterAll, describe } from 'vitest';
import { errnoName, formatDiagnostic, type U64, word } from '../../src/base/index.ts';
import {
  type ExecuteOptions,
  type HostKernel,
  type HostOptions,
  type HostTranscript,
  openHostKernel,
} from '../../src/host/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const VALIDATED = '6.18.';
/** Test files run beside each other; each waits for its turn on the machine. */
const LOCK_WAIT_MS = 50000;

export async function openHost(
  options: HostOptions = {},
): Promise<HostKernel | { unavailable: string }> {
  if (!release().startsWith(VALIDATED)) {
    return { unavailable: `expected answers are those of ${VALIDATED}x, this is ${release()}` };
  }
  return await openHostKernel({ lockWaitMs: LOCK_WAIT_MS, ...options });
}

/** A suite that asks the kernel; skipped, with the reason in its name, where it cannot be asked. */
export async function describeHost(
  name: string,
  tests: (host: HostKernel) => void,
  options: HostOptions = {},
): Promise<void> {
  const host = await openHost(options);
  if ('unavailable' in host) {
    describe.skip(`${name} (the kernel cannot be asked: ${host.unavailable})`, () => {
      tests(undefined as never);
    });
    return;
  }
  describe(name, () => {
    afterAll(() => host.close());
    tests(host);
  });
}

export async function ask(
  host: HostKernel,
  text: string,
  options: ExecuteOptions = { observe: 'pages' },
): Promise<HostTranscript> {
  const { program, diagnostics } = parseProgram(text, 'test.fl');
  if (diagnostics.length > 0) throw new Error(diagnostics.map(formatDiagnostic).join('\n'));
  return await host.execute(program, options);
}

/** "0x10000", "ENOMEM", "SIGSEGV/MAPERR", "-": one word a step. */
export function results(transcript: HostTranscript): string[] {
  return transcript.outcomes.map((o) => {
    if (o.signal !== undefined) return `${o.signal.name}/${o.signal.code}`;
    if (o.errno !== undefined) return errnoName(o.errno);
    return o.value === undefined ? '-' : word.toHex(o.value as U64);
  });
}

export function faults(transcript: HostTranscript): number[] {
  return transcript.outcomes.map((o) => o.minflt + o.majflt);
}

export function codes(transcript: HostTranscript): string[] {
  return transcript.notes.filter((n) => n.severity !== 'note').map((n) => n.code);
}
