/** The real kernel for tests: opened once a file, or the reason why these tests are skipped. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { join } from 'node:path';
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
  const isTold = (n: HostTranscript['notes'][number]) =>
    n.severity !== 'note' || n.code === 'HOST010';
  return transcript.notes.filter(isTold).map((n) => n.code);
}

function imagesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => join(directory, name));
}

/** A kernel image to boot: the one that is named, a fetched one, or one of this machine's. */
export function findImage(): string | undefined {
  const given = process.env['FAULTLINE_TEST_KERNEL'];
  if (given !== undefined && given !== '') return given;
  const kept = join(
    process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'),
    'faultline/kernels',
  );
  const packages = existsSync(kept) ? readdirSync(kept) : [];
  return [
    ...packages.flatMap((name) => imagesIn(join(kept, name, 'boot'))),
    ...imagesIn('/boot'),
  ][0];
}
