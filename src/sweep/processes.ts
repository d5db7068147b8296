/**
 * A sweep on several processors: processes, each with the trace in memory of its own.
 *
 * Threads of one process would share the trace; but a replay touches much memory for the first time,
 * and page faults in one address space get in each other's way. A process of its own can be asked,
 * too, to have its memory in huge pages: glibc's malloc then advises them for what it maps, where
 * the kernel has them on `madvise`. What it costs is the trace once for each process: for one that
 * is large, threads are what is wanted (fitsProcesses()).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { freemem } from 'node:os';
import type { HeatMap } from '../advise/index.ts';
import { type Diagnostic, FaultlineBug } from '../base/index.ts';
import { EVENT_BYTES, type TraceMeta } from '../trace/index.ts';
import type { Answer, Job } from './job.ts';
import { distFile, type Runner } from './pool.ts';

/** What a process is asked. */
export type Asked =
  | { readonly kind: 'open'; readonly path: string; readonly kernel: string }
  | { readonly kind: 'heat' }
  | { readonly kind: 'job'; readonly job: Job };

/** A trace without its events. */
export interface TraceHead {
  readonly meta: TraceMeta;
  readonly rows: number;
}

/** What it answers, one answer to each question. */
export type Told =
  | {
      readonly kind: 'opened';
      /** Undefined: the trace cannot be read. */
      readonly head: TraceHead | undefined;
      readonly diagnostics: readonly Diagnostic[];
    }
  | { readonly kind: 'heat'; readonly heat: HeatMap }
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string };

const HUGE = 'glibc.malloc.hugetlb';

/** The environment of a process whose memory lies in huge pages, unless the user decided otherwise. */
export function hugeEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const set = env['GLIBC_TUNABLES'] ?? '';
  if (set.includes(HUGE)) return env;
  return { ...env, GLIBC_TUNABLES: `${set === '' ? '' : `${set}:`}${HUGE}=1` };
}

/** There is room for the events of a trace in each of `jobs` processes, and as much to work with. */
export function fitsProcesses(rows: number, jobs: number): boolean {
  return rows * EVENT_BYTES * jobs * 2 < freemem();
}

/** One process; it is asked one thing at a time. */
class Helper {
  readonly #child: ChildProcess;
  #settle: { resolve: (told: Told) => void; reject: (error: Error) => void } | undefined;
  #dead: string | undefined;

  constructor() {
    this.#child = fork(distFile('sweep_process.js'), [], {
      env: hugeEnvironment(process.env),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (told: Told) => {
      const settle = this.#settle;
      this.#settle = undefined;
      if (told.kind !== 'bug') return settle?.resolve(told);
      const error = new FaultlineBug(told.message);
      error.stack = told.stack;
      settle?.reject(error);
    });
    this.#child.on('error', (error) => this.#died(error.message));
    this.#child.on('exit', (code, signal) =>
      this.#died(`it ended with ${signal ?? `code ${code}`}`),
    );
  }

  #died(how: string): void {
    this.#dead ??= how;
    this.#settle?.reject(this.#bug());
    this.#settle = undefined;
  }

  #bug(): FaultlineBug {
    return new FaultlineBug(`a process of the sweep died: ${this.#dead}`);
  }

  ask(asked: Asked): Promise<Told> {
    if (this.#dead !== undefined) return Promise.reject(this.#bug());
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      // One that cannot be told has ended, and `exit` says how.
      this.#child.send(asked, () => {});
    });
  }

  end(): void {
    this.#child.removeAllListeners();
    this.#child.kill();
  }
}

/** Processes with a trace that is open. */
export interface Team {
  readonly head: TraceHead | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly runner: Runner;
  heat(): Promise<HeatMap>;
  close(): void;
}

/** Starts `jobs` processes; the first that has read the trace says what it is. */
export async function startTeam(path: string, kernel: string, jobs: number): Promise<Team> {
  const helpers = Array.from({ length: jobs }, () => new Helper());
  const close = (): void => {
    for (const helper of helpers) helper.end();
  };
  const waiting: { asked: Asked; resolve: (told: Told) => void; reject: (e: Error) => void }[] = [];
  const idle: Helper[] = [];
  const next = (helper: Helper): void => {
    const one = waiting.shift();
    if (one === undefined) {
      idle.push(helper);
      return;
    }
    helper
      .ask(one.asked)
      .then(one.resolve, one.reject)
      .finally(() => next(helper));
  };
  const ask = (asked: Asked): Promise<Told> =>
    new Promise((resolve, reject) => {
      waiting.push({ asked, resolve, reject });
      const helper = idle.pop();
      if (helper !== undefined) next(helper);
    });
  const opening = helpers.map(async (helper) => {
    const told = await helper.ask({ kind: 'open', path, kernel });
    next(helper);
    return told;
  });
  let opened: Told;
  try {
    opened = await Promise.race(opening);
  } catch (error) {
    close();
    throw error;
  }
  // One that could not open it fails whatever it is asked.
  for (const one of opening) one.catch(() => {});
  if (opened.kind !== 'opened') throw new FaultlineBug('a process answered another question');
  return {
    head: opened.head,
    diagnostics: opened.diagnostics,
    runner: {
      width: jobs,
      run: async (job) => {
        const told = await ask({ kind: 'job', job });
        if (told.kind !== 'answer') throw new FaultlineBug('a process answered another question');
        return told.answer;
      },
      close: async () => close(),
    },
    heat: async () => {
      const told = await ask({ kind: 'heat' });
      if (told.kind !== 'heat') throw new FaultlineBug('a process answered another question');
      return told.heat;
    },
    close,
  };
}
