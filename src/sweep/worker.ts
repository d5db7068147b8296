/** A thread of the pool: it keeps its machine from job to job. */
import type { Trial } from '../advise/index.ts';
import { type Diagnostic, InputChanged } from '../base/index.ts';
import { type Answer, answer, type Job, makeTrial } from './job.ts';
import { receiveTrace, type SharedTrace } from './shared_trace.ts';

export interface ThreadJob {
  /** Equal for all jobs of one trace and kernel. */
  readonly sweep: number;
  /** The columns are shared memory: they arrive as they are, however large. */
  readonly data: { readonly trace: SharedTrace; readonly kernel: string };
  readonly job: Job;
}

/** A class does not survive the way between threads. */
export type ThreadAnswer = Answer | { readonly changed: Diagnostic };

let sweep = -1;
let trial: Trial | undefined;

export default function run(asked: ThreadJob): ThreadAnswer {
  try {
    if (trial === undefined || sweep !== asked.sweep) {
      const { trace, kernel } = asked.data;
      trial = makeTrial({ trace: receiveTrace(trace), kernel });
      sweep = asked.sweep;
    }
    return answer(trial, asked.job);
  } catch (error) {
    if (error instanceof InputChanged) return { changed: error.diagnostic };
    throw error;
  }
}
