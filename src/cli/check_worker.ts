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
import { CheckpointError, identityOf, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { API_KEY, type CompiledVariant } from './variant.ts';

export interface CheckTask {
  readonly kernel: string;
  readonly variant?: CompiledVariant;
  readonly options: CheckOptions;
  /** File that the state is kept in. */
  readonly checkpoint?: string;
  /** Length and actions of the program at work; the last word asks the check to end. */
  readonly trace: SharedArrayBuffer;
}

/** Words of the trace. */
export const TRACE_WORDS = 1024;

export type CheckMessage =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'report'; readonly report: unknown }
  | { readonly kind: 'variant'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly message: string }
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string };

const PORTION = 1 << 12;
/** Between two checkpoints. */
const SAVE_MS = 30_000;

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
    const { checkpoint: file, variant } = task;
    const identity = identityOf(release.name, variant?.code ?? '', task.options);
    const from = file === undefined ? undefined : loadCheckpoint(file, identity);
    const check = new KernelCheck(release, task.options, from);
    const trace = new Int32Array(task.trace);
    check.model.trace = trace;
    const save = (): void => {
      const state = file === undefined ? undefined : check.state();
      if (file !== undefined && state !== undefined) saveCheckpoint(file, identity, state);
    };
    const begin = performance.now();
    let saved = begin;
    while (check.run(PORTION)) {
      const now = performance.now();
      send({ kind: 'progress', text: check.progress((now - begin) / 1000) });
      if (now - saved > SAVE_MS) {
        save();
        saved = now;
      }
      if (trace[TRACE_WORDS - 1] !== 0) check.stop();
    }
    save();
    send({ kind: 'report', report: check.report() });
  } catch (error) {
    if (error instanceof VariantError) send({ kind: 'variant', message: error.message });
    else if (error instanceof CheckpointError || isIoError(error)) {
      send({ kind: 'checkpoint', message: (error as Error).message });
    } else {
      const message = error instanceof Error ? error.message : String(error);
      const stack = error instanceof Error ? (error.stack ?? '') : '';
      send({ kind: 'bug', message: `${message} ${bugContext.step}`.trim(), stack });
    }
  }
}

/** The checkpoint's file cannot be read or written. */
function isIoError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

if (parentPort !== null) {
  const port = parentPort;
  void main(workerData as CheckTask, (message) => port.postMessage(message));
}
