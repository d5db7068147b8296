/** Runs a check in a thread and watches it: a variant that loops for ever is ended, and named. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { FaultlineBug } from '../base/index.ts';
import type { CheckReport } from '../explore/index.ts';
import { type CheckMessage, type CheckTask, TRACE_WORDS } from './check_worker.ts';

/** The bundle stands beside the program's, or in dist/ where the program runs from its sources. */
function workerFile(): URL {
  const places = ['./check_worker.js', '../check_worker.js', '../../dist/check_worker.js'];
  const urls = places.map((place) => new URL(place, import.meta.url));
  return urls.find((url) => existsSync(fileURLToPath(url))) ?? urls[0]!;
}

export type CheckOutcome =
  | { readonly report: CheckReport }
  /** What is wrong with the variant. */
  | { readonly refused: string }
  /** What is wrong with the checkpoint. */
  | { readonly unusable: string }
  /** It gave no sign for the time allowed; the actions of the program at work. */
  | { readonly silent: readonly number[] };

export function runInThread(
  task: Omit<CheckTask, 'trace'>,
  timeoutSeconds: number,
  onProgress: (text: string) => void,
): Promise<CheckOutcome> {
  const trace = new SharedArrayBuffer(4 * TRACE_WORDS);
  const worker = new Worker(workerFile(), { workerData: { ...task, trace } });
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    // Ctrl-C: the thread writes its checkpoint and reports what it has.
    const interrupt = (): void => {
      new Int32Array(trace)[TRACE_WORDS - 1] = 1;
    };
    process.once('SIGINT', interrupt);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt);
      void worker.terminate();
      settle();
    };
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const words = new Int32Array(trace);
        end(() => resolve({ silent: [...words.subarray(1, 1 + words[0]!)] }));
      }, timeoutSeconds * 1000);
    };
    watch();
    worker.on('message', (message: CheckMessage) => {
      watch();
      if (message.kind === 'progress') onProgress(message.text);
      else if (message.kind === 'report') {
        end(() => resolve({ report: message.report as CheckReport }));
      } else if (message.kind === 'checkpoint') {
        end(() => resolve({ unusable: message.message }));
      } else if (message.kind === 'variant') end(() => resolve({ refused: message.message }));
      else end(() => reject(new FaultlineBug(message.message)));
    });
    worker.on('error', (error) => end(() => reject(error)));
  });
}
