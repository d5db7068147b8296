/** The real kernel for a verb: opened, or a diagnostic that says why not; what is modelled of it. */
import { cpus } from 'node:os';
import type { Diagnostic } from '../base/index.ts';
import { HostKernel, type HostOptions, openHostKernel, type Unavailable } from '../host/index.ts';
import { type HostRelease, hostRelease, kernelNamed } from '../lab/index.ts';
import { EXIT_DISAGREES, EXIT_INPUT } from './exit.ts';
import type { LivePlace } from './place.ts';

export const HOST_FILE = 'host';

export interface SessionOptions {
  readonly jobs: number;
  readonly place: LivePlace;
  /** A modelled kernel to compare with, whatever the release. */
  readonly kernel?: string | undefined;
}

export interface HostSession {
  readonly host: HostKernel;
  readonly modelled: HostRelease;
}

function refusal(
  code: 'CLI006' | 'CLI007' | 'CLI010',
  file: string,
  message: string,
  hint?: string,
  context?: readonly string[],
): Diagnostic {
  return {
    ...{ severity: 'error', code, file, line: 0, column: 0, message },
    ...(hint === undefined ? {} : { hint }),
    ...(context === undefined || context.length === 0 ? {} : { context }),
  };
}

/** CPUs for `jobs` executors: the last ones of the machine. */
export function lastCpus(jobs: number): number[] {
  const count = cpus().length;
  return Array.from({ length: Math.min(jobs, count) }, (_, i) => count - 1 - i);
}

const LOCK_WAIT_MS = 60000;

function optionsOf({ jobs, place }: SessionOptions): HostOptions {
  const options = { cpus: lastCpus(jobs), lockWaitMs: LOCK_WAIT_MS };
  return place.kind === 'vm' ? { ...options, image: place.image } : options;
}

function unavailable(found: Unavailable, place: LivePlace): Diagnostic {
  if (place.kind !== 'vm') {
    const hint = '`faultline host-info` tells what it needs';
    return refusal(
      'CLI006',
      HOST_FILE,
      `the real kernel cannot be asked: ${found.unavailable}`,
      hint,
    );
  }
  const { hint, console } = found;
  return found.kernelFailed === true
    ? refusal('CLI010', place.image, `this kernel failed: ${found.unavailable}`, hint, console)
    : refusal('CLI006', place.image, `cannot be asked: ${found.unavailable}`, hint, console);
}

export async function openHost(options: SessionOptions): Promise<HostKernel | Diagnostic> {
  const host = await openHostKernel(optionsOf(options));
  return 'unavailable' in host ? unavailable(host, options.place) : host;
}

/** For verbs that compare: the host's release must be one that a modelled kernel stands for. */
export async function openSession(options: SessionOptions): Promise<HostSession | Diagnostic> {
  const host = await openHost(options);
  if (!(host instanceof HostKernel)) return host;
  const { release } = host.info();
  const modelled = modelledAs(release, options.kernel);
  if (modelled !== undefined) {
    await host.quiet();
    return { host, modelled };
  }
  await host.close();
  const whose = options.place.kind === 'vm' ? options.place.image : HOST_FILE;
  const hint = '`--kernel 6.1` compares it with the oldest that is modelled';
  return refusal('CLI007', whose, `no modelled kernel stands for ${release}`, hint);
}

export function modelledAs(release: string, kernel: string | undefined): HostRelease | undefined {
  if (kernel === undefined) return hostRelease(release);
  const found = kernelNamed(kernel);
  return found === undefined ? undefined : { release: found, exact: true };
}

export function isSession(found: HostSession | Diagnostic): found is HostSession {
  return 'host' in found;
}

/** A kernel that failed disagrees; everything else that cannot be asked is a matter of the input. */
export function exitOf(refused: Diagnostic): number {
  return refused.code === 'CLI010' ? EXIT_DISAGREES : EXIT_INPUT;
}
