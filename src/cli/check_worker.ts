/**
 * The threads in which a check runs. The first leads: it reports how far it is, and ends with the
 * report, or with what is wrong with the variant. Others do their part of each round of a parallel
 * search. What a thread is doing is written where the main one can read it, for the case that it
 * never comes back.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { bugContext } from '../base/index.ts';
import { ParallelSearch, type Round } from '../check/index.ts';
import {
  type CheckOptions,
  CheckPart,
  type CheckShare,
  KernelCheck,
  PRESETS,
  VariantError,
  variantRelease,
} from '../explore/index.ts';
import * as api from '../explore/variant_api.ts';
import { DEFAULT_KERNEL, findKernel } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';
import { CheckpointError, identityOf, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { API_KEY, type CompiledVariant } from './variant.ts';

export interface CheckTask {
  readonly kernel: string;
  readonly variant?: CompiledVariant;
  readonly options: CheckOptions;
  /** File that the state is kept in. */
  readonly checkpoint?: string;
  /**
   * A section a thread: length and actions of the program at work, 0 where the thread waits. The
   * last word of the first section asks the check to end.
   */
  readonly trace: SharedArrayBuffer;
}

/** What each thread gets: the first has a port to every other one, those one to the first. */
interface ThreadTask extends CheckTask {
  readonly number: number;
  readonly ports: readonly MessagePort[];
}

/** Words of a section of the trace. */
export const TRACE_WORDS = 1024;

export type CheckMessage =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'report'; readonly report: unknown }
  | { readonly kind: 'variant'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly message: string }
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string };

/** Transitions between two looks at what else there is to do; in a round, of a thread. */
const PORTION = 1 << 12;
const ROUND_PORTION = 1 << 15;
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

function traceOf(task: ThreadTask): Int32Array {
  return new Int32Array(task.trace, 4 * TRACE_WORDS * task.number, TRACE_WORDS);
}

/** The share of another thread in a round, when it is done. */
function ask(port: MessagePort, round: Round): Promise<CheckShare> {
  return new Promise((resolve) => {
    port.once('message', resolve);
    port.postMessage(round);
  });
}

/** Goes on for a portion; false when the check has ended. */
async function portion(check: KernelCheck, ports: readonly MessagePort[]): Promise<boolean> {
  if (ports.length === 0) return check.run(PORTION);
  const round = check.round(ROUND_PORTION * (ports.length + 1));
  if (round === undefined) return false;
  const asked = ParallelSearch.isSmall(round) ? [] : ports.map((port) => ask(port, round));
  check.work(round);
  if (check.model.trace !== null) check.model.trace[0] = 0;
  check.join(round, await Promise.all(asked));
  return true;
}

async function lead(task: ThreadTask, send: (message: CheckMessage) => void): Promise<void> {
  const release = await releaseOf(task);
  const { checkpoint: file, variant } = task;
  const identity = identityOf(release.name, variant?.code ?? '', task.options);
  const from = file === undefined ? undefined : loadCheckpoint(file, identity);
  const options = { ...task.options, jobs: task.ports.length + 1 };
  const check = new KernelCheck(release, options, from);
  const trace = traceOf(task);
  check.model.trace = trace;
  const save = (): void => {
    const state = file === undefined ? undefined : check.state();
    if (file !== undefined && state !== undefined) saveCheckpoint(file, identity, state);
  };
  const begin = performance.now();
  let saved = begin;
  while (await portion(check, task.ports)) {
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
}

/** Does its part of each round that the first thread asks for. */
async function follow(task: ThreadTask, send: (message: CheckMessage) => void): Promise<void> {
  const { bounds = PRESETS.default, laws } = task.options;
  const part = new CheckPart(await releaseOf(task), bounds, laws);
  const trace = traceOf(task);
  part.model.trace = trace;
  const [port] = task.ports;
  port?.on('message', (round: Round) => {
    try {
      const done = part.work(round);
      trace[0] = 0;
      const { arrivals, news } = done.share;
      port.postMessage(done, [arrivals.buffer, news.buffer]);
    } catch (error) {
      send(failureOf(error));
    }
  });
}

/** What is wrong, and with what. */
function failureOf(error: unknown): CheckMessage {
  if (error instanceof VariantError) return { kind: 'variant', message: error.message };
  if (error instanceof CheckpointError || isIoError(error)) {
    return { kind: 'checkpoint', message: (error as Error).message };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return { kind: 'bug', message: `${message} ${bugContext.step}`.trim(), stack };
}

/** The checkpoint's file cannot be read or written. */
function isIoError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

if (parentPort !== null) {
  const port = parentPort;
  const task = workerData as ThreadTask;
  const send = (message: CheckMessage): void => port.postMessage(message);
  const part = task.number === 0 ? lead : follow;
  part(task, send).catch((error: unknown) => send(failureOf(error)));
  // A thread stays until it is ended from outside: one that ends by itself has died.
  port.on('message', () => undefined);
}
