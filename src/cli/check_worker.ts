/**
 * The thread in which a check runs: it reports how far it is, and ends with the report, or with what
 * is wrong with the variant. What it is doing is written where the other thread can read it, for the
 * case that it never comes back.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { bugContext } from '../base/index.ts';
import { type CheckOptions, KernelCheck, VariantError, variantRelease } from '../explore/index.ts';
import * as api from '../explore/variant_api.ts';
import type { Release } from '../mm/mm_types.ts';
import { DEFAULT_KERNEL, findKernel } from '../mm/release.ts';
import { API_KEY, type CompiledVariant } from './variant.ts';

export interface CheckTask {
  readonly kernel: string;
  readonly variant?: CompiledVariant;
  readonly options: CheckOptions;
  /** Length and actions of the program at work. */
  readonly trace: SharedArrayBuffer;
}

export type CheckMessage =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'report'; readonly report: unknown }
  | { readonly kind: 'variant'; readonly message: string }
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string };

const PORTION = 1 << 12;

async function releaseOf(task: CheckTask): Promise<Release> {
  if (task.variant === undefined) return findKernel(task.kernel)!;
  Object.assign(globalThis, { [Symbol.for(API_KEY)]: api });
  const url = `data:text/javascript;base64,${Buffer.from(task.variant.code).toString('base64')}`;
  let exported: Record<string, unknown>;
  try {
    exported = await import(url);
  } catch (error) {
    throw new VariantError(
      `it cannot be loaded: ${error instanceof Error ? error.message : error}`,
    );
  }
  return variantRelease(task.variant.name, exported, task.kernel || DEFAULT_KERNEL);
}

async function main(task: CheckTask, send: (message: CheckMessage) => void): Promise<void> {
  try {
    const release = await releaseOf(task);
    const check = new KernelCheck(release, task.options);
    check.model.trace = new Int32Array(task.trace);
    const begin = performance.now();
    while (check.run(PORTION)) {
      send({ kind: 'progress', text: check.progress((performance.now() - begin) / 1000) });
    }
    send({ kind: 'report', report: check.report() });
  } catch (error) {
    if (error instanceof VariantError) send({ kind: 'variant', message: error.message });
    else {
      const message = error instanceof Error ? error.message : String(error);
      const stack = error instanceof Error ? (error.stack ?? '') : '';
      send({ kind: 'bug', message: `${message} ${bugContext.step}`.trim(), stack });
    }
  }
}

if (parentPort !== null) {
  const port = parentPort;
  void main(workerData as CheckTask, (message) => port.postMessage(message));
}
