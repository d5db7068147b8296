/**
 * A sweep over machines: jobs in BullMQ on Redis or Valkey, done by whoever runs `faultline
 * worker`. A trace is kept in Redis under the hash of its file, and a job's number is the hash of
 * all that its result depends on: who asks again finds the result, and a job that was begun twice,
 * because its worker was killed, counts once.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import type { Answer, Job } from './job.ts';
import type { Runner } from './pool.ts';

export const QUEUE_NAME = 'faultline-sweep';
/** Rises when the same job would give another answer. */
const ANSWER_VERSION = 2;
/** Traces and results stay this long, seconds. */
const KEPT = 24 * 3600;
const CONNECT_MS = 4000;
/** A worker that says nothing for this long has lost its job. */
export const LOCK_MS = 6000;
export const STALLED_MS = 2000;
/** So often a job may lose its worker before it is given up. */
export const STALLED_MOST = 10;

export interface QueuedJob {
  readonly trace: string;
  readonly kernel: string;
  readonly job: Job;
}

export class QueueError extends Error {
  override readonly name = 'QueueError';
}

export function traceKey(hash: string): string {
  return `faultline:trace:${hash}`;
}

/** A connection that is known to work, or a QueueError that says why not. */
export async function connect(url: string): Promise<Redis> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // BullMQ waits for as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (connected ? Math.min(times * 200, 2000) : null),
  });
  let connected = false;
  let reason = '';
  redis.on('error', (error: NodeJS.ErrnoException) => {
    reason ||= error.code ?? error.message;
  });
  try {
    await redis.connect();
    await redis.ping();
    connected = true;
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new QueueError(reason || (error as Error).message);
  }
}

function jobNumber(asked: QueuedJob): string {
  const { trace, kernel, job } = asked;
  const text = JSON.stringify([
    ANSWER_VERSION,
    trace,
    kernel,
    job.candidate ?? null,
    job.least ?? 0,
  ]);
  return createHash('sha256').update(text).digest('hex');
}

/** Asks the queue; the workers answer. */
export async function queueRunner(url: string, path: string, kernel: string): Promise<Runner> {
  const redis = await connect(url);
  const bytes = readFileSync(path);
  const trace = createHash('sha256').update(bytes).digest('hex');
  await redis.set(traceKey(trace), bytes, 'EX', KEPT);
  const queue = new Queue<QueuedJob, Answer>(QUEUE_NAME, { connection: redis });
  const eventsLine = redis.duplicate();
  const events = new QueueEvents(QUEUE_NAME, { connection: eventsLine });
  // Each job that is waited for listens.
  queue.setMaxListeners(0);
  events.setMaxListeners(0);
  await events.waitUntilReady();
  let gone: (error: QueueError) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    gone = reject;
  });
  lost.catch(() => {});
  redis.on('close', () => gone(new QueueError('the connection to the queue was lost')));
  const ask = async (job: Job): Promise<Answer> => {
    const asked: QueuedJob = { trace, kernel, job };
    const jobId = jobNumber(asked);
    const before = await queue.getJob(jobId);
    // What failed for want of a worker or of memory is tried anew.
    if (before !== undefined && (await before.isFailed())) await before.remove();
    const added = await queue.add('trial', asked, {
      jobId,
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
    });
    try {
      return await added.waitUntilFinished(events);
    } catch (error) {
      throw new QueueError((error as Error).message);
    }
  };
  return {
    width: Number.POSITIVE_INFINITY,
    run: (job) => Promise.race([ask(job), lost]),
    close: async () => {
      redis.removeAllListeners('close');
      await events.close();
      await queue.close();
      eventsLine.disconnect();
      redis.disconnect();
    },
  };
}

/** Workers that are connected now: who asks should know that nobody answers. */
export async function workersOf(url: string): Promise<number> {
  const redis = await connect(url);
  try {
    const queue = new Queue(QUEUE_NAME, { connection: redis });
    const count = await queue.getWorkersCount();
    await queue.close();
    return count;
  } finally {
    redis.disconnect();
  }
}
