/**
 * Transcripts of a real kernel in a file, so that the model can be held against it on any machine.
 *
 * A step's observations are stored where they changed: for each task 0 (as after the step before)
 * or what is seen. Pages are runs: vpn, pages, bits, folio, index, order, mapcount, kind; inside a
 * run vpn counts up, and with it index, or (kind 1) the folio's number.
 */
import { word } from '../base/index.ts';
import type {
  PagesObservation,
  SignalInfo,
  StepOutcome,
  TaskObservation,
  VmaObservation,
} from '../scenario/transcript.ts';
import type { ProgramLayout } from './layout.ts';
import type { OtherTranscript } from './verify.ts';

export const RECORDING_VERSION = 1;

type Outcome = readonly [
  value: string | number | null,
  signal: readonly [name: string, code: string, address: string] | null,
  minflt: number,
  majflt: number,
  faulted: readonly number[] | null,
];

interface Vma {
  /** startVpn endVpn perms pgoff name */
  readonly at: string;
  readonly flags?: string;
  readonly smaps?: Readonly<Record<string, number>>;
}

interface Task {
  readonly vmas: readonly Vma[];
  readonly runs: readonly (readonly number[])[];
  /** anon, file, shmem, swap, vmPte, vmSize, vmLck; absent where status was not read. */
  readonly sizes?: readonly number[];
}

export interface RecordedProgram {
  readonly name: string;
  readonly text: string;
  readonly outcomes: readonly (Outcome | 0)[];
  readonly tasks: readonly (Readonly<Record<string, Task | 0>> | 0)[];
}

export interface Recording {
  readonly version: typeof RECORDING_VERSION;
  /** uname -r. */
  readonly release: string;
  readonly date: string;
  readonly layout: ProgramLayout;
  readonly readAheadKb: number;
  readonly memoryBytes: number;
  readonly capabilities: readonly number[];
  /** Reads of anonymous memory allocated (Settings.anonReadsAllocate); absent = they did not. */
  readonly anonReadsAllocate?: boolean;
  /** Settings of the machine before each program. */
  readonly settings: Readonly<Record<string, string>>;
  readonly programs: readonly RecordedProgram[];
}

function runsOf(values: readonly number[]): number[] {
  const runs: number[] = [];
  for (let i = 0; i < values.length; ) {
    let end = i + 1;
    while (end < values.length && values[end] === values[i]! + end - i) end++;
    runs.push(values[i]!, end - i);
    i = end;
  }
  return runs;
}

function fromRuns(runs: readonly number[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    for (let k = 0; k < runs[i + 1]!; k++) values.push(runs[i]! + k);
  }
  return values;
}

function encodeOutcome(o: StepOutcome): Outcome {
  const value =
    o.errno !== undefined ? o.errno : o.value === undefined ? null : word.toHex(o.value);
  const s = o.signal;
  return [
    value,
    s === undefined ? null : [s.name, s.code, word.toHex(s.address)],
    o.minflt,
    o.majflt,
    o.faultedVpns === undefined ? null : runsOf(o.faultedVpns),
  ];
}

function decodeOutcome([value, signal, minflt, majflt, runs]: Outcome): StepOutcome {
  const found: SignalInfo | undefined =
    signal === null ? undefined : { name: signal[0], code: signal[1], address: hexWord(signal[2]) };
  return {
    ...(typeof value === 'number' ? { errno: value } : {}),
    ...(typeof value === 'string' ? { value: hexWord(value) } : {}),
    ...(found === undefined ? {} : { signal: found }),
    minflt,
    majflt,
    ...(runs === null ? {} : { faultedVpns: fromRuns(runs) }),
  };
}

function hexWord(text: string) {
  const digits = text.slice(2).padStart(16, '0');
  return word.u64(Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16));
}

/** Whether the pages of a run are one folio's, or each the first of the next folio. */
const SAME_FOLIO = 0;
const NEXT_FOLIO = 1;

function pageRuns(p: PagesObservation): number[][] {
  const runs: number[][] = [];
  /** Equals no page: the first begins a run. */
  let last = [-1, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < p.vpn.length; i++) {
    const row = [p.vpn[i]!, 1, p.bits[i]!, p.folio[i]!, p.index[i]!, p.order[i]!, p.mapcount[i]!];
    const n = last[1]!;
    const alike =
      row[0] === last[0]! + n && [2, 5, 6].every((k) => row[k] === last[k]) && runs.length > 0;
    const sameFolio = row[3] === last[3] && row[4] === last[4]! + (row[3] === 0 ? 0 : n);
    const nextFolio = row[3] === last[3]! + n && row[4] === last[4];
    const kind = last[7];
    if (alike && sameFolio && kind !== NEXT_FOLIO) {
      last[1] = n + 1;
      last[7] = SAME_FOLIO;
    } else if (alike && nextFolio && kind !== SAME_FOLIO) {
      last[1] = n + 1;
      last[7] = NEXT_FOLIO;
    } else {
      runs.push(row);
      last = row;
    }
  }
  return runs;
}

function pagesOf(runs: readonly (readonly number[])[]): PagesObservation {
  const p: PagesObservation = { vpn: [], bits: [], folio: [], index: [], order: [], mapcount: [] };
  for (const [vpn, n, bits, folio, index, order, mapcount, kind] of runs) {
    for (let i = 0; i < n!; i++) {
      const next = kind === NEXT_FOLIO;
      p.vpn.push(vpn! + i);
      p.bits.push(bits!);
      p.folio.push(next ? folio! + i : folio!);
      p.index.push(folio === 0 || next ? index! : index! + i);
      p.order.push(order!);
      p.mapcount.push(mapcount!);
    }
  }
  return p;
}

function encodeVma(vma: VmaObservation): Vma {
  const at = `${vma.startVpn.toString(16)} ${vma.endVpn.toString(16)} ${vma.perms} ${vma.pgoff} ${vma.name}`;
  const { smaps, vmFlags } = vma;
  const kept = Object.entries(smaps ?? {}).filter(([, kb]) => kb !== 0);
  return {
    at,
    ...(vmFlags === undefined ? {} : { flags: vmFlags.join(' ') }),
    ...(smaps === undefined ? {} : { smaps: Object.fromEntries(kept) }),
  };
}

function decodeVma({ at, flags, smaps }: Vma): VmaObservation {
  const [start, end, perms, pgoff, ...name] = at.split(' ');
  return {
    startVpn: Number.parseInt(start!, 16),
    endVpn: Number.parseInt(end!, 16),
    perms: perms!,
    pgoff: Number(pgoff),
    name: name.join(' '),
    ...(flags === undefined ? {} : { vmFlags: flags.split(' ') }),
    ...(smaps === undefined ? {} : { smaps }),
  };
}

function encodeTask(t: TaskObservation): Task {
  const { anon, file, shmem, swap } = t.rss;
  return {
    vmas: t.vmas.map(encodeVma),
    runs: pageRuns(t.pages),
    ...(t.vmPte < 0 ? {} : { sizes: [anon, file, shmem, swap, t.vmPte, t.vmSize, t.vmLck] }),
  };
}

function decodeTask(name: string, t: Task): TaskObservation {
  const [anon, file, shmem, swap, vmPte, vmSize, vmLck] = t.sizes ?? [-1, -1, -1, -1, -1, -1, -1];
  return {
    task: name,
    vmas: t.vmas.map(decodeVma),
    pages: pagesOf(t.runs),
    rss: { anon: anon!, file: file!, shmem: shmem!, swap: swap! },
    vmPte: vmPte!,
    vmSize: vmSize!,
    vmLck: vmLck!,
  };
}

export function encodeProgramRecord(
  name: string,
  text: string,
  seen: OtherTranscript,
): RecordedProgram {
  const last = new Map<string, string>();
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
      const encoded = encodeTask(task);
      const key = JSON.stringify(encoded);
      step[task.task] = last.get(task.task) === key ? 0 : encoded;
      last.set(task.task, key);
    }
    tasks.push(step);
  }
  return { name, text, outcomes, tasks };
}

/** What the kernel of the recording answered. */
export function decodeProgramRecord(recording: Recording, p: RecordedProgram): OtherTranscript {
  const last = new Map<string, TaskObservation>();
  const observations = p.tasks.map((step) => {
    if (step === 0) return undefined;
    return Object.entries(step).map(([name, task]) => {
      const seen = task === 0 ? last.get(name)! : decodeTask(name, task);
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
    capabilities: recording.capabilities,
    anonReadsAllocate: recording.anonReadsAllocate === true,
  };
}
