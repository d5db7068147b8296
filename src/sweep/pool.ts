/** Many settings on one trace, in threads of this process. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Candidate, Outcome, Recorded } from '../advise/index.ts';
import { defaultCandidates, REFERENCE } from '../advise/index.ts';
import { type Answer, answer, type Job, makeTrial, type SweepData } from './job.ts';
import { shareTrace } from './shared_trace.ts';
import type { ThreadJob } from './worker.ts';

export interface SweepRequest {
  /** Undefined: those that suit the trace. */
  readonly candidates: readonly Candidate[] | undefined;
  readonly onOutcome?: (outcome: Outcome, done: number, total: number) => void;
}

export interface Swept {
  readonly recorded: Recorded;
  /** 4 kB pages only. */
  readonly reference: Outcome;
  /** In the order of the candidates; the reference is among them where they name it. */
  readonly outcomes: readonly Outcome[];
}

/** Whoever does the jobs: threads, or other machines. */
export interface Runner {
  run(job: Job): Promise<Answer>;
  close(): Promise<void>;
}

/** The worker is a file of its own beside the program, in a checkout as in the bundle. */
function workerFile(): string {
  const places = ['./sweep_worker.js', '../sweep_worker.js', '../../dist/sweep_worker.js'];
  const found = places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('the sweep worker is not built');
  return found;
}

/** One job after the other, in this thread. */
function alone(data: SweepData): Runner {
  const trial = makeTrial(data);
  return {
    run: async (job) => answer(trial, job),
    close: async () => {},
  };
}

let sweeps = 0;

/** Threads that are there already, and wait for a trace. */
export interface Threads {
  runner(data: SweepData): Runner;
  close(): Promise<void>;
}

/** `jobs` threads, this one none of them: they start while the trace is read. */
export async function startThreads(jobs: number): Promise<Threads> {
  const { Tinypool } = await import('tinypool');
  const pool = new Tinypool({
    filename: workerFile(),
    minThreads: jobs,
    maxThreads: jobs,
    isolateWorkers: false,
  });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= pool.destroy();
    return closed;
  };
  return {
    close,
    runner: (data) => {
      const shared = { ...data, trace: shareTrace(data.trace) };
      const sweepNumber = sweeps++;
      return {
        run: (job) => {
          const asked: ThreadJob = { sweep: sweepNumber, data: shared, job };
          return pool.run(asked) as Promise<Answer>;
        },
        close,
      };
    },
  };
}

/** One thread: this one. */
export function ownThread(): Threads {
  return { runner: alone, close: async () => {} };
}

export async function sweep(request: SweepRequest, runner: Runner): Promise<Swept> {
  const { candidates, onOutcome } = request;
  let done = 0;
  let total = candidates?.length ?? 0;
  const one = async (candidate: Candidate, least: number): Promise<Outcome> => {
    const got = await runner.run({ candidate, least });
    if (!('outcome' in got)) throw new Error('a worker answered another question');
    done++;
    onOutcome?.(got.outcome, done, total);
    return got.outcome;
  };
  const recording = runner.run({ candidate: undefined });
  const reference = one(REFERENCE, 0);
  // A rejection is seen where it is awaited below.
  reference.catch(() => {});
  const seen = await recording;
  if (!('recorded' in seen)) throw new Error('a worker answered another question');
  const wanted = candidates ?? defaultCandidates(seen.recorded.traits);
  const others = wanted.filter((candidate) => candidate.name !== REFERENCE.name);
  total = others.length + 1;
  const least = seen.recorded.base.memory;
  const outcomes = await Promise.all([
    reference,
    ...others.map((candidate) => one(candidate, least)),
  ]);
  return { recorded: seen.recorded, reference: outcomes[0]!, outcomes };
}
