/** The real kernel for a verb: opened, or a diagnostic that says why not; what is modelled of it. */
import { cpus } from 'node:os';
import type { Diagnostic } from '../base/index.ts';
import { HostKernel } from '../host/index.ts';
import { type HostRelease, hostRelease } from '../lab/index.ts';

export const HOST_FILE = 'host';

function refusal(code: 'CLI006' | 'CLI007', message: string, hint?: string): Diagnostic {
  const found = { severity: 'error' as const, code, file: HOST_FILE, line: 0, column: 0, message };
  return hint === undefined ? found : { ...found, hint };
}

export interface HostSession {
  readonly host: HostKernel;
  readonly modelled: HostRelease;
}

/** CPUs for `jobs` executors: the last ones of the machine. */
export function lastCpus(jobs: number): number[] {
  const count = cpus().length;
  return Array.from({ length: Math.min(jobs, count) }, (_, i) => count - 1 - i);
}

const LOCK_WAIT_MS = 60000;

export async function openHost(jobs: number): Promise<HostKernel | Diagnostic> {
  const host = await HostKernel.open({ cpus: lastCpus(jobs), lockWaitMs: LOCK_WAIT_MS });
  if (!('unavailable' in host)) return host;
  return refusal(
    'CLI006',
    `the real kernel cannot be asked: ${host.unavailable}`,
    '`faultline host-info` tells what it needs',
  );
}

/** For verbs that compare: the host's release must be one that a modelled kernel stands for. */
export async function openSession(jobs: number): Promise<HostSession | Diagnostic> {
  const host = await openHost(jobs);
  if (!(host instanceof HostKernel)) return host;
  const modelled = hostRelease(host.info().release);
  if (modelled !== undefined) {
    await host.quiet();
    return { host, modelled };
  }
  await host.close();
  const { release } = host.info();
  return refusal('CLI007', `no modelled kernel stands for this machine's ${release}`);
}

export function isSession(found: HostSession | Diagnostic): found is HostSession {
  return 'host' in found;
}
