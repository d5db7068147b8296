/** `expect` on the model: what both sides are, judged by the language's own rules. */
import { errnoName, type TaskRow, word } from '../base/index.ts';
import { ACCESS_OK, ACCESS_READ, access, loadContent } from '../mm/memory.ts';
import {
  type Answer,
  type ExpectResult,
  judge,
  type OperandValue,
} from '../scenario/expectations.ts';
import type { Expectation, Operand } from '../scenario/index.ts';
import type { StepOutcome, TaskObservation } from '../scenario/transcript.ts';
import type { ModelKernel } from './model_kernel.ts';
import { taskObservation } from './observation.ts';
import { FolioNumbers } from './observe.ts';

const NOTHING: Answer = { outcome: undefined, output: undefined };

function valueAnswer(value: StepOutcome['value']): Answer {
  if (value === undefined) return NOTHING;
  return { outcome: { value, minflt: 0, majflt: 0 }, output: undefined };
}

/** `self` is the task that /proc/self means: the expectation's own, or the initial one. */
function answerOf(kernel: ModelKernel, operand: Operand, self: TaskRow): Answer {
  switch (operand.kind) {
    case 'expr':
      return valueAnswer(kernel.valueOf(operand.expr));
    case 'page':
    case 'order':
    case 'index':
    case 'mapcount':
      return valueAnswer(kernel.valueOf(operand.address));
    case 'value': {
      const task = kernel.taskOf(operand.task);
      const address = kernel.valueOf(operand.address);
      if (task === undefined || address === undefined) return NOTHING;
      const vpn = word.pageOf(address);
      if (access(kernel.m, task, vpn, ACCESS_READ) !== ACCESS_OK) return NOTHING;
      return valueAnswer(word.fromNumber(loadContent(kernel.m, task, vpn)));
    }
    case 'field': {
      const file = kernel.kernel.readFile(kernel.pathOf(operand.path), self);
      return { outcome: undefined, output: 'text' in file ? file.text : undefined };
    }
    case 'smaps': {
      const file = kernel.kernel.readFile(kernel.pathOf(operand.path), self);
      const address = valueAnswer(kernel.valueOf(operand.address));
      return { ...address, output: 'text' in file ? file.text : undefined };
    }
    default:
      return NOTHING;
  }
}

/** All tasks as they are now; `last` gives the outcome of a task's last access or call. */
export function judgeOnModel(
  kernel: ModelKernel,
  expectation: Expectation,
  last: ReadonlyMap<string, StepOutcome>,
  self: TaskRow,
): ExpectResult {
  let left = NOTHING;
  let right = NOTHING;
  if (expectation.kind === 'mapped') {
    left = valueAnswer(kernel.valueOf(expectation.address));
    if (expectation.length !== undefined) right = valueAnswer(kernel.valueOf(expectation.length));
  } else {
    left = answerOf(kernel, expectation.left, self);
    right = answerOf(kernel, expectation.right, self);
  }
  const first = kernel.tasks.keys().next().value ?? '';
  return judge(expectation, left, right, {
    tasks: observeAll(kernel).map((task) => ({
      ...task,
      vmas: task.vmas.filter((vma) => vma.startVpn !== kernel.image.startVpn),
    })),
    lastOf: (task) => last.get(task === '' ? first : task),
  });
}

/** Observations of every task that lives, folios numbered in order of first appearance. */
export function observeAll(kernel: ModelKernel): TaskObservation[] {
  const numbers = new FolioNumbers();
  const seen: TaskObservation[] = [];
  for (const [name, task] of kernel.tasks) {
    if (kernel.m.task.alive[task] === 0) continue;
    seen.push(taskObservation(kernel.m, task, name, numbers));
  }
  return seen;
}

/** One side of an expectation, for people. */
export function operandText(value: OperandValue): string {
  switch (value.kind) {
    case 'number':
      return word.isExact(value.value) || value.value.hi < 0x80000000
        ? numberText(value.value)
        : `-${word.toDecimal(word.neg(value.value))}`;
    case 'text':
      return value.text.trim();
    case 'page':
      return `page ${value.index} of folio ${value.folio}`;
    case 'none':
      return 'none';
  }
}

function numberText(value: { hi: number; lo: number }): string {
  return value.hi > 0 || value.lo >= 0x10000 ? word.toHex(value) : word.toDecimal(value);
}

/** "0x7f…", "3", "-1 ENOMEM", "SIGSEGV/MAPERR", "?": what came back, in a few characters. */
export function outcomeText(outcome: StepOutcome & { readonly none?: boolean }): string {
  if (outcome.signal !== undefined) return `${outcome.signal.name}/${outcome.signal.code}`;
  if (outcome.errno !== undefined) return `-1 ${errnoName(outcome.errno)}`;
  if (outcome.none === true) return '?';
  if (outcome.output !== undefined) return outcome.output.trimEnd();
  if (outcome.value !== undefined) return numberText(outcome.value);
  return '';
}
