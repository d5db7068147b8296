/**
 * Programs as text. A scenario is printed from its operations, so that a program made by a machine
 * needs no text of its own; a log is printed from its lines, which is what it is.
 */
import type { Bytes } from '../base/index.ts';
import { word } from '../base/index.ts';
import { escapePath, formatArg, formatExpr } from './format_expr.ts';
import type { Expectation, Expected, Op, Operand, Program, Step } from './program.ts';
import { encodeString } from './strings.ts';

const NO_NAMES: ReadonlySet<string> = new Set();

export function formatProgram(program: Program): string {
  const lines: string[] = [];
  if (program.about !== '') {
    for (const line of program.about.split('\n')) lines.push(line === '' ? '#' : `# ${line}`);
    lines.push('');
  }
  if (program.kernel !== undefined) lines.push(`kernel ${program.kernel}`);
  if (program.memory !== undefined) lines.push(`memory ${formatSize(program.memory)}`);
  const isLog = program.dialect === 'strace';
  const bound = new Set(program.steps.flatMap(({ bind }) => bind ?? []));
  for (const step of program.steps) {
    lines.push(isLog ? formatLogStep(step) : formatStep(step, bound));
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** `4G`, `64K`: the largest suffix that divides the size. */
export function formatSize(bytes: Bytes): string {
  let shown = bytes;
  let suffix = '';
  for (const next of ['K', 'M', 'G', 'T']) {
    if (shown === 0 || shown % 1024 !== 0) break;
    shown /= 1024;
    suffix = next;
  }
  return shown + suffix;
}

function formatTime(step: Step): string {
  return step.time === undefined ? '' : `${step.time.toFixed(6)} `;
}

function formatLogStep(step: Step): string {
  const pid = step.task === '' ? '' : `${step.task} `;
  return pid + formatTime(step) + step.text;
}

/** One step of a scenario, with its task, without a newline. */
export function formatStep(step: Step, bound: ReadonlySet<string> = NO_NAMES): string {
  if (/^\d+$/.test(step.task)) {
    const isEvent = step.op.kind === 'signal' || step.op.kind === 'exited' || step.unfinished;
    return `${step.task} ${formatTime(step)}${isEvent ? step.text : formatOp(step, bound)}`;
  }
  if (step.op.kind === 'signal' || step.op.kind === 'exited' || step.unfinished) return step.text;
  return (step.task === '' ? formatTime(step) : `${step.task}: `) + formatOp(step, bound);
}

function formatOp(step: Step, bound: ReadonlySet<string>): string {
  const { op } = step;
  switch (op.kind) {
    case 'call': {
      const bind = step.bind === undefined ? '' : `${step.bind} = `;
      const call = `${bind}${op.name}(${op.args.map(formatArg).join(', ')})`;
      return step.expected === undefined ? call : `${call} = ${formatExpected(step.expected)}`;
    }
    case 'access':
      return formatAccess(op, step.expected);
    case 'echo':
      return `echo ${shellWord(op.value, /^[^\s"#>](?:[^"#>\n\r\t]*[^\s"#>])?$/)} > ${shellPath(op.path)}`;
    case 'cat':
      return `cat ${shellPath(op.path)}`;
    case 'expect':
      return `expect ${formatExpectation(op.expectation, bound)}`;
    case 'signal':
    case 'exited':
      return step.text;
  }
}

function shellWord(text: string, plain: RegExp): string {
  return plain.test(text) && !hasControls(text) ? text : encodeString(text);
}

function shellPath(path: string): string {
  return shellWord(path, /^[^\s"#]+$/);
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32) return true;
  return false;
}

/** A number that would continue the expression before it stands in parentheses. */
function apart(text: string): string {
  return /^[-+*&|(<>]/.test(text) ? `(${text})` : text;
}

function formatAccess(op: Extract<Op, { kind: 'access' }>, expected: Expected | undefined): string {
  let text = `${op.access} ${formatExpr(op.address)}`;
  if (op.length !== undefined) text += ` ${apart(formatExpr(op.length))}`;
  if (op.value !== undefined) text += ` = ${formatExpr(op.value)}`;
  else if (expected !== undefined) text += ` = ${formatExpected(expected)}`;
  return text;
}

export function formatExpected(expected: Expected): string {
  switch (expected.kind) {
    case 'value': {
      const text = expected.text !== '' ? expected.text : word.toHex(expected.value);
      return expected.path === undefined ? text : `${text}<${escapePath(expected.path)}>`;
    }
    case 'expr':
      return formatExpr(expected.value);
    case 'errno':
      return `-1 ${expected.name}`;
    case 'none':
      return '?';
  }
}

/** `bound`: names of the program, which a word of a file must not be taken for. */
export function formatExpectation(
  expectation: Expectation,
  bound: ReadonlySet<string> = NO_NAMES,
): string {
  if (expectation.kind === 'mapped') {
    const { task, address, length, mapped } = expectation;
    const range = length === undefined ? '' : ` ${apart(formatExpr(length))}`;
    return `${prefixOf(task)}${formatExpr(address)}${range} ${mapped ? '' : 'un'}mapped`;
  }
  const { left, right, unit } = expectation;
  const pages = left.kind === 'page' && right.kind === 'page';
  const op = pages ? { '==': 'is', '!=': 'is not' }[expectation.op as '=='] : undefined;
  const isName = right.kind === 'word' && bound.has(right.text);
  const due = isName ? encodeString(right.text) : formatOperand(right);
  const text = `${formatOperand(left)} ${op ?? expectation.op} ${due}`;
  return unit === '' ? text : `${text} ${unit}`;
}

function prefixOf(task: string): string {
  return task === '' ? '' : `${task}: `;
}

export function formatOperand(operand: Operand): string {
  switch (operand.kind) {
    case 'expr':
      return formatExpr(operand.expr);
    case 'faults':
      return prefixOf(operand.task) + operand.which;
    case 'signal':
    case 'result':
    case 'vmas':
      return prefixOf(operand.task) + operand.kind;
    case 'field':
      return operand.field === '' ? operand.path : `${operand.path} ${operand.field}`;
    case 'smaps':
      return `${operand.path} ${formatExpr(operand.address)} ${operand.field}`;
    case 'word':
      return /^(\[[^\]"#\s]*\]|[A-Za-z_]\w*|SIG[A-Z0-9]+(\/[A-Z_]+)?)$/.test(operand.text)
        ? operand.text
        : encodeString(operand.text);
    default:
      return `${prefixOf(operand.task)}${operand.kind} ${formatExpr(operand.address)}`;
  }
}
