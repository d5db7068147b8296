/** What a real kernel answered, as the report that `run` gives of the model. */
import { type U64, word } from '../base/index.ts';
import { cannotAsk } from '../scenario/cannot.ts';
import type { ExpectResult } from '../scenario/expectations.ts';
import { type Expected, evaluateExpr, type Program, type Step } from '../scenario/index.ts';
import {
  PAGE_ANON,
  PAGE_ANON_EXCLUSIVE,
  PAGE_DIRTY,
  PAGE_GUARD,
  PAGE_HUGE,
  PAGE_PRESENT,
  PAGE_ZERO,
  type PagesObservation,
  type StepOutcome,
  type TaskObservation,
  type Transcript,
} from '../scenario/transcript.ts';
import { operandText, outcomeText } from './expect.ts';
import { expectedText } from './log_run.ts';
import { hexPage } from './observe.ts';
import type { PageReport, RunReport, StepReport, TaskReport, Verdict } from './report.ts';
import { summaryOf } from './run.ts';

export interface AnsweredTranscript extends Transcript {
  readonly expectations: readonly (ExpectResult | undefined)[];
}

type Names = ReadonlyMap<string, U64>;

function dueOf(expected: Expected, names: Names): U64 | undefined {
  if (expected.kind === 'value') return expected.value;
  return expected.kind === 'expr'
    ? evaluateExpr(expected.value, (name) => names.get(name))
    : undefined;
}

function verdictOf(step: Step, outcome: StepOutcome, names: Names): Verdict {
  const { expected } = step;
  if (expected === undefined) return 'unchecked';
  if (expected.kind === 'none') return outcome.value === undefined ? 'matched' : 'mismatched';
  if (expected.kind === 'errno') {
    return outcome.errno === expected.errno ? 'matched' : 'mismatched';
  }
  const due = dueOf(expected, names);
  const matches =
    outcome.value !== undefined && due !== undefined && word.equal(outcome.value, due);
  return matches ? 'matched' : 'mismatched';
}

function stepReport(step: Step, first: string, outcome: StepOutcome, names: Names): StepReport {
  const { signal, errno } = outcome;
  const due = step.expected === undefined ? undefined : dueOf(step.expected, names);
  const expected =
    step.expected === undefined
      ? undefined
      : due === undefined
        ? expectedText(step.expected)
        : word.toHex(due);
  return {
    line: step.at.line,
    task: step.task === '' ? first : step.task,
    text: step.text,
    result: outcomeText(outcome),
    ...(errno === undefined ? {} : { errno: outcomeText(outcome).slice(3) }),
    ...(signal === undefined ? {} : { signal: { ...signal, address: word.toHex(signal.address) } }),
    minflt: outcome.minflt,
    majflt: outcome.majflt,
    ...(expected === undefined ? {} : { expected }),
    verdict: verdictOf(step, outcome, names),
  };
}

function expectReport(step: Step, result: ExpectResult | undefined): StepReport {
  const op = step.op.kind === 'expect' && step.op.expectation.kind === 'compare';
  return {
    line: step.at.line,
    task: step.task,
    text: step.text,
    result: result === undefined ? '' : operandText(result.left),
    minflt: 0,
    majflt: 0,
    ...(op && result !== undefined ? { expected: operandText(result.right) } : {}),
    verdict: result === undefined ? 'unchecked' : result.holds ? 'matched' : 'mismatched',
  };
}

function pageReports(task: TaskObservation): PageReport[] {
  const { vpn, bits, folio, index, order, mapcount }: PagesObservation = task.pages;
  return vpn.map((page, i) => {
    const b = bits[i]!;
    const vma = task.vmas.find((v) => v.startVpn <= page && page < v.endVpn);
    return {
      address: hexPage(page),
      present: (b & PAGE_PRESENT) !== 0,
      // Frame numbers of a real machine say nothing; the folio's number stands for them.
      frame: folio[i]! === 0 ? 0 : folio[i]! * 512 + index[i]!,
      folio: folio[i]!,
      index: index[i]!,
      order: order[i]!,
      anon: (b & PAGE_ANON) !== 0,
      // Of the mapping: whether an entry is write-protected cannot be seen from outside.
      writable: vma?.perms[1] === 'w',
      dirty: (b & PAGE_DIRTY) !== 0,
      mapcount: mapcount[i]!,
      ...((b & PAGE_ZERO) !== 0 ? { zero: true } : {}),
      ...((b & PAGE_HUGE) !== 0 ? { huge: true } : {}),
      ...((b & PAGE_GUARD) !== 0 ? { guard: true } : {}),
      ...((b & PAGE_ANON_EXCLUSIVE) !== 0 ? { exclusive: true } : {}),
    };
  });
}

function taskReport(task: TaskObservation, pid: number, faults: StepOutcome): TaskReport {
  const bytes = (kb: number): number => Math.max(0, kb) * 1024;
  const { anon, file, shmem, swap } = task.rss;
  return {
    name: task.task,
    pid,
    vmas: task.vmas.map((vma) => ({
      start: hexPage(vma.startVpn),
      end: hexPage(vma.endVpn),
      prot: vma.perms,
      flags: (vma.vmFlags ?? []).join(' '),
      offset: vma.pgoff === 0 ? '0x0' : hexPage(vma.pgoff),
      ...(vma.name === '' ? {} : { file: vma.name }),
    })),
    pages: pageReports(task),
    rss: { anon: bytes(anon), file: bytes(file), shmem: bytes(shmem), swap: bytes(swap) },
    minflt: faults.minflt,
    majflt: faults.majflt,
    exited: false,
  };
}

const FIRST_PID = 100;
/** Why a program that says how much memory its machine has cannot be asked of a real one. */
export const OTHER_MEMORY = 'its machine has another memory';

/** A step from the first on that could not be asked: told, not judged. */
function unjudged(step: StepReport, why: string | undefined): StepReport {
  return {
    ...step,
    verdict: 'unchecked',
    ...(why === undefined ? {} : { note: `cannot be asked: ${why}` }),
  };
}

/** `seen` observes in full after every step. */
export function hostReport(program: Program, seen: AnsweredTranscript): RunReport {
  const named = program.steps.find((step) => step.task !== '');
  const first = program.steps[0]?.task || named?.task || 'main';
  const names = new Map<string, U64>([[first, word.fromNumber(FIRST_PID)]]);
  const faults = new Map<string, { minflt: number; majflt: number }>();
  const steps: StepReport[] = [];
  let last: readonly TaskObservation[] = [];
  // A real machine has the memory that it has.
  const line = program.steps[0]?.at.line ?? 0;
  let cannot: RunReport['cannot'] =
    program.memory === undefined ? undefined : { line, why: OTHER_MEMORY };
  const push = (step: Step, report: StepReport, why: string | undefined): void => {
    const isFirst = cannot === undefined && why !== undefined && report.verdict !== 'matched';
    if (isFirst) cannot = { line: step.at.line, why };
    if (cannot === undefined) steps.push(report);
    else steps.push(unjudged(report, isFirst ? why : undefined));
  };
  program.steps.forEach((step, i) => {
    last = seen.observations[i] ?? last;
    const outcome = seen.outcomes[i];
    if (step.op.kind === 'expect') {
      const result = seen.expectations[i];
      push(step, expectReport(step, result), result?.cannot);
      return;
    }
    if (outcome === undefined) return;
    push(step, stepReport(step, first, outcome, names), cannotAsk(step, outcome));
    if (step.bind !== undefined) {
      names.set(step.bind, outcome.value ?? word.fromNumber(-1));
    }
    const task = step.task === '' ? first : step.task;
    const sum = faults.get(task) ?? { minflt: 0, majflt: 0 };
    sum.minflt += outcome.minflt;
    sum.majflt += outcome.majflt;
    faults.set(task, sum);
  });
  const tasks = last.map((task) => {
    const name = task.task === '' ? first : task.task;
    const pid = names.get(name);
    const sum = faults.get(name) ?? { minflt: 0, majflt: 0 };
    return taskReport({ ...task, task: name }, pid === undefined ? 0 : word.toNumber(pid), sum);
  });
  return {
    kernel: seen.kernel,
    file: program.file,
    dialect: program.dialect,
    about: program.about,
    steps,
    summary: summaryOf(steps),
    tasks,
    stats: {},
    laws: [],
    diagnostics: [],
    partial: program.torn > 0,
    ...(cannot === undefined ? {} : { cannot }),
  };
}
