/** What a worker is asked, and what it answers. */
import { type Candidate, type Outcome, type Recorded, Trial } from '../advise/index.ts';
import { releaseNamed } from '../replay/index.ts';
import type { Trace } from '../trace/index.ts';

export interface SweepData {
  readonly trace: Trace;
  readonly kernel: string;
}

/** Without a candidate: the recording itself. */
export interface Job {
  readonly candidate: Candidate | undefined;
  /** Bytes in use at the recording's own peak, where it is known: see Trial. */
  readonly least?: number;
  /** Bytes in use at the peak, as far as what was tried before tells. */
  readonly expected?: number;
}

export type Answer = { readonly outcome: Outcome } | { readonly recorded: Recorded };

export function makeTrial({ trace, kernel }: SweepData): Trial {
  return new Trial(trace, releaseNamed(kernel));
}

export function answer(trial: Trial, job: Job): Answer {
  return job.candidate === undefined
    ? { recorded: trial.recorded() }
    : { outcome: trial.run(job.candidate, job.least, job.expected) };
}
