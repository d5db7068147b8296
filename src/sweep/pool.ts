/** Many settings on one trace, in threads of this process. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Candidate, Outcome, Recorded } from '../advise/index.ts';
import { defaultCandidates, referenceOf } from '../advise/index.ts';
import { InputChanged } from '../base/index.ts';
import { releaseNamed } from '../replay/index.ts';
import { type Answer, answer, type Job, makeTrial, type SweepData } from './job.ts';
import { shareTrace } from './shared_trace.ts';
import type { ThreadAnswer, ThreadJob } from './worker.ts';

export interface SweepRequest {
  /** Name of the modelled kernel, as the runner has it. */
  readonly kernel: string;
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
  /** Jobs that are worth being given at once. */
  readonly width: number;
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
    width: 1,
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
        // One more waits, so that no thread does while this one is busy.
        width: jobs + 1,
        run: async (job) => {
          const asked: ThreadJob = { sweep: sweepNumber, data: shared, job };
          const got = (await pool.run(asked)) as ThreadAnswer;
          if ('changed' in got) throw new InputChanged(got.changed);
          return got;
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

/** Every size that `tried` has on, `candidate` has on too: it will hardly use less memory. */
function isWithin(tried: Candidate, candidate: Candidate): boolean {
  return tried.settings.every(
    ({ path, value }) =>
      value === 'never' ||
      candidate.settings.some((other) => other.path === path && other.value === value),
  );
}

export async function sweep(request: SweepRequest, runner: Runner): Promise<Swept> {
  const { candidates, onOutcome } = request;
  const release = releaseNamed(request.kernel);
  const smallest = referenceOf(release);
  const tried: Outcome[] = [];
  let total = candidates?.length ?? 0;
  const one = async (candidate: Candidate, least: number): Promise<Outcome> => {
    const peaks = tried.filter((t) => isWithin(t, candidate)).map(({ peak }) => peak.memory);
    const expected = Math.max(least, ...peaks);
    const got = await runner.run({ candidate, least, expected });
    if (!('outcome' in got)) throw new Error('a worker answered another question');
    tried.push(got.outcome);
    onOutcome?.(got.outcome, tried.length, total);
    return got.outcome;
  };
  const recording = runner.run({ candidate: undefined });
  const reference = one(smallest, 0);
  // A rejection is seen where it is awaited below.
  reference.catch(() => {});
  const seen = await recording;
  if (!('recorded' in seen)) throw new Error('a worker answered another question');
  const wanted = candidates ?? defaultCandidates(seen.recorded.traits, release);
  const others = wanted.filter((candidate) => candidate.name !== smallest.name);
  total = others.length + 1;
  const least = seen.recorded.base.memory;
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < others.length; i = next++) {
      outcomes[i] = await one(others[i]!, least);
    }
  };
  const lanes = Math.min(runner.width, others.length);
  const [first] = await Promise.all([reference, ...Array.from({ length: lanes }, lane)]);
  return { recorded: seen.recorded, reference: first, outcomes: [first, ...outcomes] };
}
