/** Puts a transcript together from the program, what was sent, and what came back. */
import type { Diagnostic } from '../base/index.ts';
import { type Answer, type ExpectResult, judge, type Seen } from '../scenario/expectations.ts';
import type { Program } from '../scenario/index.ts';
import { parsePairs } from '../scenario/proc_text.ts';
import type { StepOutcome, TaskObservation, Transcript, Unseen } from '../scenario/transcript.ts';
import { BEFORE_FIRST, type Decoded, type TaskView } from './decode.ts';
import type { Encoded } from './encode.ts';
import type { HostInfo } from './host_kernel.ts';
import { type HostLayout, type OwnImage, observationOf } from './layout.ts';

export interface HostTranscript extends Transcript {
  readonly layout: HostLayout;
  readonly readAheadKb: number;
  readonly diskRequestKb: number | undefined;
  readonly memoryBytes: number;
  readonly capabilities: readonly number[];
  readonly anonReadsAllocate: boolean;
  readonly lowestHint: number | undefined;
  readonly guardMarks: boolean | undefined;
  readonly unseen: readonly Unseen[];
  /** Settings of the machine, path to value, before the program and after it. */
  readonly settingsBefore: ReadonlyMap<string, string>;
  readonly settingsAfter: ReadonlyMap<string, string>;
  /** For each `expect` step: both sides' values, and whether it holds. */
  readonly expectations: readonly (ExpectResult | undefined)[];
  /** Steps whose call had not returned when the next step began. */
  readonly blockedSteps: readonly number[];
  /** Statistics after each step, where they were asked for: "hugepages-64kB/stats/nr_anon". */
  readonly stats: readonly (ReadonlyMap<string, number> | undefined)[];
  /** Nobody else moves them. */
  readonly quiet: boolean;
  /** What the host could not do, and what went wrong; an error makes the transcript incomplete. */
  readonly notes: readonly Diagnostic[];
}

export interface Context {
  readonly kernel: string;
  readonly program: Program;
  readonly encoded: Encoded;
  readonly own: OwnImage;
  readonly info: HostInfo;
  /** The program's settings stay, so they differ after it. */
  readonly hold?: boolean;
  /** What the kernel printed meanwhile that sounds like a defect of its own. */
  readonly complaints?: readonly string[];
}

/** What is known when the executor has ended. */
export interface LastWords {
  readonly errors: string;
  readonly lastLines: readonly string[];
}

const NOT_EXECUTED: StepOutcome = { minflt: 0, majflt: 0 };

/** `decoded` is undefined when the program was not sent or the executor ended. */
export function assemble(
  context: Context,
  decoded: Decoded | undefined,
  { errors, lastLines }: LastWords,
): HostTranscript {
  const { program, encoded, kernel, info } = context;
  const { report } = encoded;
  if (decoded === undefined && report.errors === 0) {
    const why = errors ? `: ${errors}` : '';
    report.add('error', 'HOST015', undefined, `the executor ended${why}`, lastLines);
  }
  const outcomes: StepOutcome[] = [];
  const observations: (readonly TaskObservation[] | undefined)[] = [];
  const expectations: (ExpectResult | undefined)[] = program.steps.map(() => undefined);
  const stats: (ReadonlyMap<string, number> | undefined)[] = [];
  let numbers = changed(new Map(), decoded?.stats.get(BEFORE_FIRST) ?? '');
  const blockedSteps = new Set<number>();
  const sides = new Map<string, Answer>();
  const last = new Map<string, StepOutcome>();
  for (const [wire, { step, role }] of encoded.wire.entries()) {
    const found = decoded?.outcomes[wire];
    const output = decoded?.outputs.get(wire);
    if (role !== 'main') {
      const key = `${step} ${role}`;
      const before = sides.get(key);
      const outcome = output === undefined ? found?.outcome : before?.outcome;
      sides.set(key, { outcome, output: output ?? before?.output });
      continue;
    }
    const source = program.steps[step]!;
    const done = found?.outcome ?? NOT_EXECUTED;
    const outcome = output === undefined ? done : { ...done, output };
    outcomes[step] = outcome;
    if (found?.blocked) blockedSteps.add(step);
    const tasks = decoded?.observations.get(wire);
    const seen = tasks && observationsOf(tasks, context);
    observations[step] = seen;
    const text = decoded?.stats.get(wire);
    if (text !== undefined) {
      numbers = changed(numbers, text);
      stats[step] = numbers;
    }
    if (source.op.kind === 'expect') {
      const nothing = { outcome: undefined, output: undefined };
      const view: Seen = {
        tasks: seen ?? [],
        lastOf: (task) => last.get(task || encoded.tasks[0]!),
      };
      const [left, right] = [sides.get(`${step} left`), sides.get(`${step} right`)];
      const { expectation } = source.op;
      expectations[step] = judge(expectation, left ?? nothing, right ?? nothing, view);
    } else if (source.op.kind === 'call' || source.op.kind === 'access') {
      last.set(source.task || encoded.tasks[0]!, outcome);
    }
  }
  for (const note of decoded?.notes ?? []) {
    const step = encoded.wire[note.step]?.step;
    report.addNote(note.code, step === undefined ? undefined : program.steps[step]?.at, note.text);
  }
  for (const text of context.complaints ?? []) {
    report.add('warning', 'HOST018', undefined, `the kernel says: ${text}`);
  }
  const settingsBefore = parsePairs(decoded?.settingsBefore ?? '');
  const settingsAfter = parsePairs(decoded?.settingsAfter ?? '');
  for (const [path, value] of context.hold ? [] : settingsBefore) {
    const now = settingsAfter.get(path);
    if (now === value) continue;
    report.add(
      'error',
      'HOST014',
      undefined,
      `${path} changed from ${value} to ${now ?? 'nothing'}`,
    );
  }
  return {
    kernel,
    outcomes,
    observations,
    expectations,
    blockedSteps: [...blockedSteps],
    stats,
    quiet: info.where === 'vm',
    layout: info.layout,
    readAheadKb: info.readAheadKb,
    diskRequestKb: info.diskRequestKb,
    memoryBytes: info.memoryBytes,
    capabilities: info.capabilities,
    anonReadsAllocate: info.anonReadsAllocate,
    lowestHint: info.lowestHint,
    guardMarks: info.guardMarks,
    unseen: info.unseen,
    settingsBefore,
    settingsAfter,
    notes: report.found,
  };
}

function observationsOf(
  tasks: ReadonlyMap<number, TaskView>,
  context: Context,
): readonly TaskObservation[] {
  const { encoded, own } = context;
  return [...tasks]
    .sort(([a], [b]) => a - b)
    .map(([task, view]) => observationOf(encoded.tasks[task] ?? '', view, own));
}

/** Lines "name value" over the numbers of the step before; these themselves where nothing changed. */
function changed(before: ReadonlyMap<string, number>, text: string): ReadonlyMap<string, number> {
  if (text === '') return before;
  const numbers = new Map(before);
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) numbers.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return numbers;
}
