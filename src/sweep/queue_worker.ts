/** `faultline worker`: takes jobs of a queue and does them, in threads, until it is stopped. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'bullmq';
import { openForReplay } from '../store/index.ts';
import { eventCount } from '../trace/index.ts';
import type { Answer } from './job.ts';
import { prepareFor } from './long_run.ts';
import { type Runner, startThreads } from './pool.ts';
import {
  connect,
  LOCK_MS,
  QUEUE_NAME,
  type QueuedJob,
  STALLED_MOST,
  STALLED_MS,
  traceKey,
} from './queue.ts';

/** Traces whose threads are kept ready: a sweep asks for the same one again and again. */
const TRACES_KEPT = 2;

export interface WorkerReport {
  readonly done: (name: string, ms: number) => void;
  readonly trouble: (text: string) => void;
}

export interface QueueWorker {
  stop(): Promise<void>;
}

function nameOf({ job }: QueuedJob): string {
  return job.candidate?.name ?? 'the recording itself';
}

/** Works until stop(): what is under way is finished first. Throws QueueError. */
export async function startWorker(
  url: string,
  jobs: number,
  report: WorkerReport,
): Promise<QueueWorker> {
  const redis = await connect(url);
  const folder = mkdtempSync(join(tmpdir(), 'faultline-worker-'));
  const runners = new Map<string, Promise<Runner>>();
  let files = 0;

  const load = async (hash: string, kernel: string): Promise<Runner> => {
    const bytes = await redis.getBuffer(traceKey(hash));
    if (bytes === null) throw new Error('the trace is no longer in the queue');
    const path = join(folder, `${hash}-${files++}`);
    writeFileSync(path, bytes);
    const [threads, { trace }] = await Promise.all([startThreads(jobs), openForReplay(path, true)]);
    if (trace === undefined) throw new Error('the trace in the queue cannot be read');
    prepareFor(eventCount(trace));
    const runner = threads.runner({ trace, kernel });
    return {
      ...runner,
      close: async () => {
        await runner.close();
        rmSync(path, { force: true });
      },
    };
  };

  const runnerFor = async ({ trace, kernel }: QueuedJob): Promise<Runner> => {
    const key = `${trace} ${kernel}`;
    let runner = runners.get(key);
    if (runner === undefined) {
      runner = load(trace, kernel);
      runners.set(key, runner);
      runner.catch(() => runners.delete(key));
      const [oldest] = runners.keys();
      if (runners.size > TRACES_KEPT && oldest !== undefined) {
        const old = runners.get(oldest);
        runners.delete(oldest);
        // Its threads end when what they do is done.
        void old?.then((one) => one.close()).catch(() => {});
      }
    }
    return await runner;
  };

  const worker = new Worker<QueuedJob, Answer>(
    QUEUE_NAME,
    async ({ data }) => {
      const begin = performance.now();
      const runner = await runnerFor(data);
      // In a thread, so that this one can go on telling the queue that the job is alive.
      const answer = await runner.run(data.job);
      report.done(nameOf(data), performance.now() - begin);
      return answer;
    },
    {
      connection: redis,
      concurrency: jobs,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: STALLED_MOST,
    },
  );
  worker.on('error', (error) => report.trouble(error.message));
  worker.on('failed', (job, error) => {
    report.trouble(`${job === undefined ? 'a job' : nameOf(job.data)}: ${error.message}`);
  });
  await worker.waitUntilReady();
  return {
    stop: async () => {
      await worker.close();
      for (const runner of runners.values()) await (await runner).close();
      rmSync(folder, { recursive: true, force: true });
      redis.disconnect();
    },
  };
}
