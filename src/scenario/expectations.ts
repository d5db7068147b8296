/** `expect` on the host: the values of both sides, from what was seen, and whether they agree. */

import { errnoName, type U64, word } from '../base/index.ts';
import { cannotRead } from './cannot.ts';
import { fieldText, smapsBlock } from './proc_text.ts';
import type { CompareOp, Expectation, Operand } from './program.ts';
import type { StepOutcome, TaskObservation } from './transcript.ts';
import { PAGE_PRESENT, PAGE_SWAP } from './transcript.ts';

/** What one side of an expectation is; `none` where there is nothing (no page, no such field). */
export type OperandValue =
  | { readonly kind: 'number'; readonly value: U64 }
  | { readonly kind: 'text'; readonly text: string }
  /** A frame: folio of this step's observation, and the page's index in it. */
  | { readonly kind: 'page'; readonly folio: number; readonly index: number }
  | { readonly kind: 'none' };

export interface ExpectResult {
  readonly holds: boolean;
  /** Why it says nothing of the kernel that it does not hold: a side could not be read there. */
  readonly cannot?: string;
  readonly left: OperandValue;
  readonly right: OperandValue;
}

/** What the executor answered for one side. */
export interface Answer {
  readonly outcome: StepOutcome | undefined;
  readonly output: string | undefined;
}

export interface Seen {
  readonly tasks: readonly TaskObservation[];
  /** Outcome of a task's last access or call before the expectation. */
  lastOf(task: string): StepOutcome | undefined;
}

const NOTHING: OperandValue = { kind: 'none' };

function number(value: number): OperandValue {
  return { kind: 'number', value: word.fromNumber(value) };
}

function taskOf(seen: Seen, name: string): TaskObservation | undefined {
  return name === '' ? seen.tasks[0] : seen.tasks.find((task) => task.task === name);
}

function rowOf(task: TaskObservation | undefined, vpn: number): number {
  const at = task?.pages.vpn.indexOf(vpn) ?? -1;
  return at >= 0 && ((task?.pages.bits[at] ?? 0) & PAGE_PRESENT) !== 0 ? at : -1;
}

/** "16 kB" and "16" are numbers; "[madvise] never" stays text. */
function fieldValue(text: string | undefined): OperandValue {
  if (text === undefined) return NOTHING;
  const match = /^(-?\d+)( kB)?$/.exec(text.trim());
  return match === null ? { kind: 'text', text: text.trim() } : number(Number(match[1]));
}

export function operandValue(operand: Operand, answer: Answer, seen: Seen): OperandValue {
  switch (operand.kind) {
    case 'expr':
      if (operand.expr.kind === 'string') return { kind: 'text', text: operand.expr.value };
      return answer.outcome?.value ? { kind: 'number', value: answer.outcome.value } : NOTHING;
    case 'value':
      return answer.outcome?.value ? { kind: 'number', value: answer.outcome.value } : NOTHING;
    case 'word':
      return { kind: 'text', text: operand.text };
    case 'faults': {
      const last = seen.lastOf(operand.task);
      return last === undefined ? NOTHING : number(last[operand.which]);
    }
    case 'signal': {
      const signal = seen.lastOf(operand.task)?.signal;
      return { kind: 'text', text: signal ? `${signal.name}/${signal.code}` : 'none' };
    }
    case 'result': {
      const last = seen.lastOf(operand.task);
      if (last?.errno !== undefined) return { kind: 'text', text: errnoName(last.errno) };
      return last?.value ? { kind: 'number', value: last.value } : NOTHING;
    }
    case 'vmas': {
      const task = taskOf(seen, operand.task);
      return task === undefined ? NOTHING : number(task.vmas.length);
    }
    case 'field': {
      const text = answer.output;
      if (text === undefined) return NOTHING;
      return fieldValue(operand.field === '' ? text : fieldText(text, operand.field));
    }
    case 'smaps': {
      const address = answer.outcome?.value;
      if (address === undefined || answer.output === undefined) return NOTHING;
      const block = smapsBlock(answer.output, word.pageOf(address));
      return block === undefined ? NOTHING : fieldValue(fieldText(block, operand.field));
    }
    default:
      return pageValue(operand, answer, seen);
  }
}

function pageValue(
  operand: Extract<Operand, { kind: 'page' | 'order' | 'index' | 'mapcount' }>,
  answer: Answer,
  seen: Seen,
): OperandValue {
  const task = taskOf(seen, operand.task);
  const address = answer.outcome?.value;
  if (task === undefined || address === undefined) return NOTHING;
  const row = rowOf(task, word.pageOf(address));
  if (row < 0) return NOTHING;
  const { pages } = task;
  if (operand.kind === 'page') {
    return { kind: 'page', folio: pages.folio[row]!, index: pages.index[row]! };
  }
  return number(pages[operand.kind][row]!);
}

/** "SIGSEGV" stands for any code; "[madvise]" and "madvise" for the chosen word of a setting. */
function sameText(left: string, right: string): boolean {
  if (left === right) return true;
  const chosen = (text: string) => /\[([^\]]+)\]/.exec(text)?.[1];
  if (chosen(left) !== undefined) return chosen(left) === (chosen(right) ?? right);
  return left.startsWith('SIG') && left.split('/')[0] === right;
}

function order(left: OperandValue, right: OperandValue): number | undefined {
  if (left.kind === 'number' && right.kind === 'number') {
    const bias = word.u64(0x80000000, 0);
    return word.compare(word.add(left.value, bias), word.add(right.value, bias));
  }
  if (left.kind === 'text' && right.kind === 'text') return sameText(left.text, right.text) ? 0 : 1;
  if (left.kind === 'page' && right.kind === 'page') {
    return left.folio === right.folio && left.index === right.index ? 0 : 1;
  }
  const word_ = left.kind === 'text' ? left.text : right.kind === 'text' ? right.text : '';
  if (word_ === 'none' && (left.kind === 'none' || right.kind === 'none')) return 0;
  return undefined;
}

function compare(op: CompareOp, by: number | undefined): boolean {
  if (by === undefined) return op === '!=';
  switch (op) {
    case '==':
      return by === 0;
    case '!=':
      return by !== 0;
    case '<':
      return by < 0;
    case '<=':
      return by <= 0;
    case '>':
      return by > 0;
    case '>=':
      return by >= 0;
  }
}

/** Whether an expectation holds when its sides are these: of `mapped`, pages mapped and asked for. */
export function holdsBetween(
  expectation: Expectation,
  left: OperandValue,
  right: OperandValue,
): boolean {
  const op = expectation.kind === 'mapped' ? '==' : expectation.op;
  return compare(op, order(left, right));
}

export function judge(
  expectation: Expectation,
  left: Answer,
  right: Answer,
  seen: Seen,
): ExpectResult {
  if (expectation.kind === 'mapped') return judgeMapped(expectation, left, right, seen);
  const a = operandValue(expectation.left, left, seen);
  const b = operandValue(expectation.right, right, seen);
  const result = { holds: holdsBetween(expectation, a, b), left: a, right: b };
  if (result.holds) return result;
  const cannot =
    cannotRead(expectation.left, left.outcome?.errno) ??
    cannotRead(expectation.right, right.outcome?.errno);
  return cannot === undefined ? result : { ...result, cannot };
}

/** Mapped: a present page at every page of the range. Unmapped: at none. */
function judgeMapped(
  expectation: Extract<Expectation, { kind: 'mapped' }>,
  left: Answer,
  right: Answer,
  seen: Seen,
): ExpectResult {
  const address = left.outcome?.value ?? word.ZERO;
  const length = Math.max(1, word.toNumber(right.outcome?.value ?? word.ZERO));
  const first = word.pageOf(address);
  const count = Math.ceil((word.offsetOf(address) + length) / 4096);
  const { pages } = taskOf(seen, expectation.task) ?? { pages: undefined };
  let present = 0;
  for (const [row, vpn] of (pages?.vpn ?? []).entries()) {
    const bits = pages?.bits[row] ?? 0;
    if (vpn >= first && vpn < first + count && bits & PAGE_PRESENT && !(bits & PAGE_SWAP))
      present++;
  }
  const [found, due] = [number(present), number(expectation.mapped ? count : 0)];
  return { holds: holdsBetween(expectation, found, due), left: found, right: due };
}
