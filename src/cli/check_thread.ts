/**
 * Runs a check in threads and watches them: a variant that loops for ever is ended, and named. A
 * thread that dies ends the check without a verdict.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
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

/** Lengths and actions of the programs at work, a section a thread: those of one that is not idle. */
function atWork(trace: Int32Array): number[] {
  for (let at = 0; at < trace.length; at += TRACE_WORDS) {
    const length = trace[at]!;
    if (length > 0) return [...trace.subarray(at + 1, at + 1 + length)];
  }
  return [];
}

/** Starts `jobs` threads: the first leads and reports, each other talks to it through a port. */
function startThreads(task: CheckTask, jobs: number, file: URL): Worker[] {
  const channels = Array.from({ length: jobs - 1 }, () => new MessageChannel());
  const ports = channels.map(({ port1 }) => port1);
  const start = (number: number, own: MessagePort[]): Worker =>
    new Worker(file, { workerData: { ...task, number, ports: own }, transferList: own });
  return [start(0, ports), ...channels.map(({ port2 }, i) => start(i + 1, [port2]))];
}

export function runInThreads(
  task: Omit<CheckTask, 'trace'>,
  jobs: number,
  timeoutSeconds: number,
  onProgress: (text: string) => void,
  file: URL = workerFile(),
): Promise<CheckOutcome> {
  const trace = new SharedArrayBuffer(4 * TRACE_WORDS * jobs);
  const workers = startThreads({ ...task, trace }, jobs, file);
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    // Ctrl-C: the leading thread writes its checkpoint and reports what it has.
    const interrupt = (): void => {
      new Int32Array(trace)[TRACE_WORDS - 1] = 1;
    };
    process.once('SIGINT', interrupt);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt);
      for (const worker of workers) {
        worker.removeAllListeners();
        void worker.terminate();
      }
      settle();
    };
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const silent = atWork(new Int32Array(trace));
        end(() => resolve({ silent }));
      }, timeoutSeconds * 1000);
    };
    const died = (number: number, how: string): void => {
      const message = `thread ${number + 1} of ${jobs} died: ${how}; the check has no verdict`;
      end(() => reject(new FaultlineBug(message)));
    };
    watch();
    workers.forEach((worker, number) => {
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
      worker.on('error', (error) => died(number, error.message));
      worker.on('exit', (code) => died(number, `it ended with code ${code}`));
    });
  });
}
