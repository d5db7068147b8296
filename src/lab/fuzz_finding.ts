/** A divergence as a scenario: what was found at its head, the kernel's answers as expectations. */
import { errnoName } from '../base/index.ts';
import type { Program, Step } from '../scenario/index.ts';
import type { StepOutcome, TaskObservation, Transcript } from '../scenario/transcript.ts';
import type { Divergence } from './verify_compare.ts';

/** Where a finding comes from. */
export interface Origin {
  readonly seed: number;
  readonly program: number;
  /** "host 6.18.44". */
  readonly kernel: string;
}

function resultSuffix(step: Step, outcome: StepOutcome | undefined): string {
  if (step.op.kind !== 'call' || outcome === undefined || step.expected !== undefined) return '';
  if (outcome.errno !== undefined) return ` = -1 ${errnoName(outcome.errno)}`;
  // Addresses and numbers that a name stands for are left to the name.
  if (step.bind !== undefined || outcome.value === undefined) return '';
  return outcome.value.hi === 0 && outcome.value.lo === 0 ? ' = 0' : '';
}

function outcomeExpectations(step: Step, outcome: StepOutcome): string[] {
  if (step.op.kind !== 'access' && step.op.kind !== 'call') return [];
  const task = step.task === '' ? '' : `${step.task}: `;
  const lines = [`expect ${task}minflt == ${outcome.minflt}`];
  if (outcome.majflt > 0) lines.push(`expect ${task}majflt == ${outcome.majflt}`);
  if (step.op.kind === 'access') {
    const { signal } = outcome;
    const text = signal === undefined ? 'none' : `${signal.name}/${signal.code}`;
    lines.push(`expect ${task}signal == ${text}`);
  }
  return lines;
}

/** What the kernel had at the page that differed. */
function pageExpectations(found: Divergence, tasks: readonly TaskObservation[]): string[] {
  if (found.address === '') return [];
  const task = tasks.find((t) => t.task === found.task);
  if (task === undefined) return [];
  const vpn = Number.parseInt(found.address.slice(0, -3), 16);
  const at = task.pages.vpn.indexOf(vpn);
  const who = found.task === '' ? '' : `${found.task}: `;
  if (at < 0) return [`expect ${who}${found.address} unmapped`];
  const lines = [`expect ${who}${found.address} mapped`];
  if ((task.pages.folio[at] ?? 0) !== 0) {
    lines.push(`expect ${who}order ${found.address} == ${task.pages.order[at]}`);
    lines.push(`expect ${who}mapcount ${found.address} == ${task.pages.mapcount[at]}`);
  }
  return lines;
}

export function findingText(
  program: Program,
  lines: readonly string[],
  transcript: Transcript,
  found: Divergence,
  origin: Origin,
): string {
  const head = [
    `# ${found.text}`,
    `# ${found.observable}${found.address === '' ? '' : ` at ${found.address}`} of ${found.task || 'all tasks'}:`,
    `#   the model says  ${found.model}`,
    `#   the kernel says ${found.kernel}`,
    `# Found by \`faultline fuzz --seed ${origin.seed}\`, program ${origin.program}; the answers below are of ${origin.kernel}.`,
  ];
  const body: string[] = [];
  const steps = new Map(program.steps.map((step, i) => [step.at.line, i]));
  lines.forEach((text, i) => {
    const index = steps.get(i + 1);
    const step = index === undefined ? undefined : program.steps[index];
    if (index === undefined || step === undefined) {
      body.push(text);
      return;
    }
    const outcome = transcript.outcomes[index];
    body.push(`${text}${resultSuffix(step, outcome)}`);
    if (index !== found.step || outcome === undefined) return;
    body.push(...outcomeExpectations(step, outcome));
    body.push(...pageExpectations(found, transcript.observations[index] ?? []));
  });
  return `${[...head, ...body].join('\n')}\n`;
}
