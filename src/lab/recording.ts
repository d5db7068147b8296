/**
 * Transcripts of a real kernel in a file, so that the model can be held against it on any machine.
 *
 * A step's observations are stored where they changed: for each task 0 (as after the step before)
 * or what is seen. Mappings and runs of pages are written once for a program, and a task has their
 * numbers: two for a row of them, the first and how many. A run of pages is vpn, pages, bits, folio,
 * index, order, mapcount, kind; inside it vpn counts up, and with it index, or (kind 1) the folio's
 * number.
 */
import {
  STATUS_FIELDS,
  type StepOutcome,
  type TaskObservation,
  type Unseen,
} from '../scenario/transcript.ts';
import type { AnsweredTranscript } from './host_report.ts';
import type { ProgramLayout } from './layout.ts';
import { encodeExpect, type RecordedExpect } from './recorded_expect.ts';
import {
  decodeOutcome,
  decodeVma,
  encodeOutcome,
  encodeVma,
  fromRuns,
  type Outcome,
  pageRuns,
  pagesOf,
  runsOf,
  type Vma,
} from './recording_forms.ts';
import type { OtherTranscript } from './verify.ts';

export const RECORDING_VERSION = 2;

interface Task {
  readonly vmas: readonly number[];
  readonly runs: readonly number[];
  /**
   * anon, file, shmem, swap, vmPte, vmSize, vmLck, then those of STATUS_FIELDS that the kernel has,
   * null for others; absent where status was not read.
   */
  readonly sizes?: readonly (number | null)[];
}

export interface RecordedProgram {
  readonly name: string;
  readonly text: string;
  readonly outcomes: readonly (Outcome | 0)[];
  /** What the numbers of a task stand for. */
  readonly vmas: readonly Vma[];
  readonly runs: readonly (readonly number[])[];
  readonly tasks: readonly (Readonly<Record<string, Task | 0>> | 0)[];
  /** Both sides of each `expect`, by step. */
  readonly expects: Readonly<Record<number, RecordedExpect>>;
}

export interface Recording {
  readonly version: typeof RECORDING_VERSION;
  /** uname -r. */
  readonly release: string;
  readonly date: string;
  readonly layout: ProgramLayout;
  readonly readAheadKb: number;
  /** Absent = what is usual in the release. */
  readonly diskRequestKb?: number;
  readonly memoryBytes: number;
  readonly capabilities: readonly number[];
  /** Reads of anonymous memory allocated (Settings.anonReadsAllocate); absent = they did not. */
  readonly anonReadsAllocate?: boolean;
  readonly lowestHint?: number;
  readonly guardMarks?: boolean;
  /** What could not be seen; absent = nothing. */
  readonly unseen?: readonly Unseen[];
  /** Settings of the machine before each program. */
  readonly settings: Readonly<Record<string, string>>;
  readonly programs: readonly RecordedProgram[];
}

/** What was met of a program, each thing once. */
class Book<T> {
  readonly list: T[] = [];
  readonly #numbers = new Map<string, number>();

  number(one: T): number {
    const key = JSON.stringify(one);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.list.length);
    return this.list.push(one) - 1;
  }
}

interface Books {
  readonly vmas: Book<Vma>;
  readonly runs: Book<readonly number[]>;
}

function encodeTask(t: TaskObservation, { vmas, runs }: Books): Task {
  const { anon, file, shmem, swap } = t.rss;
  const { status = {} } = t;
  const more = STATUS_FIELDS.map((key) => status[key] ?? null);
  const sizes = [anon, file, shmem, swap, t.vmPte, t.vmSize, t.vmLck, ...more];
  return {
    vmas: runsOf(t.vmas.map((vma) => vmas.number(encodeVma(vma)))),
    runs: runsOf(pageRuns(t.pages).map((run) => runs.number(run))),
    ...(t.vmPte < 0 ? {} : { sizes }),
  };
}

function decodeTask(name: string, t: Task, p: RecordedProgram): TaskObservation {
  const [anon, file, shmem, swap, vmPte, vmSize, vmLck, ...more] = t.sizes ?? UNREAD;
  const told = STATUS_FIELDS.map((key, i) => [key, more[i]] as const);
  const status = Object.fromEntries(told.filter(([, value]) => typeof value === 'number'));
  return {
    task: name,
    vmas: fromRuns(t.vmas).map((number) => decodeVma(p.vmas[number]!)),
    pages: pagesOf(fromRuns(t.runs).map((number) => p.runs[number]!)),
    rss: { anon: anon!, file: file!, shmem: shmem!, swap: swap! },
    vmPte: vmPte!,
    vmSize: vmSize!,
    vmLck: vmLck!,
    ...(t.sizes === undefined ? {} : { status: status as Record<string, number> }),
  };
}

const UNREAD = [-1, -1, -1, -1, -1, -1, -1];

export function encodeProgramRecord(
  name: string,
  text: string,
  seen: AnsweredTranscript & OtherTranscript,
): RecordedProgram {
  const last = new Map<string, string>();
  const books: Books = { vmas: new Book(), runs: new Book() };
  const outcomes: (Outcome | 0)[] = [];
  const tasks: (Record<string, Task | 0> | 0)[] = [];
  const count = Math.max(seen.outcomes.length, seen.observations.length);
  for (let i = 0; i < count; i++) {
    const outcome = seen.outcomes[i];
    outcomes.push(outcome === undefined ? 0 : encodeOutcome(outcome));
    const now = seen.observations[i];
    if (now === undefined) {
      tasks.push(0);
      continue;
    }
    const step: Record<string, Task | 0> = {};
    for (const task of now) {
      const encoded = encodeTask(task, books);
      const key = JSON.stringify(encoded);
      step[task.task] = last.get(task.task) === key ? 0 : encoded;
      last.set(task.task, key);
    }
    tasks.push(step);
  }
  const expects: Record<number, RecordedExpect> = {};
  seen.expectations.forEach((result, i) => {
    if (result !== undefined) expects[i] = encodeExpect(result);
  });
  return { name, text, outcomes, vmas: books.vmas.list, runs: books.runs.list, tasks, expects };
}

/** What the kernel of the recording answered. */
export function decodeProgramRecord(recording: Recording, p: RecordedProgram): OtherTranscript {
  const last = new Map<string, TaskObservation>();
  const observations = p.tasks.map((step) => {
    if (step === 0) return undefined;
    return Object.entries(step).map(([name, task]) => {
      const seen = task === 0 ? last.get(name)! : decodeTask(name, task, p);
      last.set(name, seen);
      return seen;
    });
  });
  const nothing: StepOutcome = { minflt: 0, majflt: 0 };
  return {
    kernel: `recording of ${recording.release}`,
    outcomes: p.outcomes.map((o) => (o === 0 ? nothing : decodeOutcome(o))),
    observations,
    layout: recording.layout,
    readAheadKb: recording.readAheadKb,
    diskRequestKb: recording.diskRequestKb,
    capabilities: recording.capabilities,
    anonReadsAllocate: recording.anonReadsAllocate === true,
    lowestHint: recording.lowestHint,
    guardMarks: recording.guardMarks,
    unseen: recording.unseen ?? [],
    settingsBefore: new Map(Object.entries(recording.settings)),
  };
}
