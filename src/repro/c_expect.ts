/** `expect …` as a check in C, with the scenario's words as the text of the test point. */
import type { Expectation, Expr, Operand } from '../scenario/index.ts';
import { cExpr, cString, NotInC } from './c_expr.ts';
import type { Scope } from './scope.ts';

export interface ExpectScope {
  readonly scope: Scope;
  /** The C name of a task; '' is the first. */
  task(name: string): string;
  /** A machine-wide counter: the text that reads it, since the test began. */
  counter(text: string): string;
}

/** Settings and fields that are what they are; all else of the machine counts since its start. */
const STEADY = /enabled|defrag|\/proc\/sys\/|fault_around_bytes|khugepaged|use_zero_page/;

function taskOfPath(path: string, self: string, names: ExpectScope): [string, string] | undefined {
  const match = /^\/proc\/([^/]+)\/(\w+)$/.exec(path);
  if (match === null) return undefined;
  const [, owner, file] = match as unknown as [string, string, string];
  if (owner === 'self' || owner === 'thread-self') return [names.task(self), file];
  return names.scope.tasks.has(owner) ? [names.task(owner), file] : undefined;
}

function isText(operand: Operand): boolean {
  return operand.kind === 'word' && operand.text !== 'none';
}

function unbracket(text: string): string {
  return /\[([^\]]+)\]/.exec(text)?.[1] ?? text;
}

/** One side, as a number or as text. */
function operandText(o: Operand, asText: boolean, self: string, names: ExpectScope): string {
  const { scope } = names;
  const at = (task: string, address: Expr): string =>
    `${names.task(task)}, ${cExpr(address, scope)}`;
  switch (o.kind) {
    case 'expr':
      return cExpr(o.expr, scope);
    case 'faults':
      return `${o.which}(${names.task(o.task)})`;
    case 'signal':
      return `signal_of(${names.task(o.task)})`;
    case 'result':
      return `result(${names.task(o.task)})`;
    case 'vmas':
      return `vmas(${names.task(o.task)})`;
    case 'page':
      return `page(${at(o.task, o.address)})`;
    case 'order':
      return `order(${at(o.task, o.address)})`;
    case 'index':
      return `page_index(${at(o.task, o.address)})`;
    case 'value':
      return `value(${at(o.task, o.address)})`;
    case 'mapcount':
      return `mapcount(${at(o.task, o.address)})`;
    case 'word':
      return o.text === 'none' && !asText ? 'NONE' : cString(unbracket(o.text));
    case 'smaps': {
      const owner = taskOfPath(o.path, self, names);
      if (owner === undefined) throw new NotInC(`${o.path} is no task's`);
      const what = asText ? 'smaps_text' : 'smaps';
      return `${what}(${owner[0]}, ${cExpr(o.address, scope)}, ${cString(o.field)})`;
    }
    case 'field': {
      const owner = taskOfPath(o.path, self, names);
      if (owner?.[1] === 'status') return `status(${owner[0]}, ${cString(o.field)})`;
      if (owner !== undefined || o.path.startsWith('/proc/self/')) {
        throw new NotInC(`${o.path} ${o.field} counts this program's own memory too`);
      }
      const what = asText ? 'field_text' : 'field';
      const text = `${what}(${cString(o.path)}, ${cString(o.field)})`;
      return asText || STEADY.test(o.path) ? text : names.counter(text);
    }
  }
}

/** The statement of an expectation. `self` is the task of the line. */
export function expectText(
  text: string,
  expectation: Expectation,
  self: string,
  names: ExpectScope,
): string {
  const words = cString(text);
  const { scope } = names;
  if (expectation.kind === 'mapped') {
    const task = names.task(expectation.task);
    const address = cExpr(expectation.address, scope);
    const length = expectation.length === undefined ? '1' : cExpr(expectation.length, scope);
    const due = expectation.mapped ? `pages_of(${address}, ${length})` : '0';
    return `expect(${words}, mapped(${task}, ${address}, ${length}), "==", ${due});`;
  }
  const { left, op, right } = expectation;
  const asText = isText(left) || isText(right) || left.kind === 'signal';
  const sides = [left, right].map((side) => operandText(side, asText, self, names));
  return `${asText ? 'expect_text' : 'expect'}(${words}, ${sides[0]}, "${op}", ${sides[1]});`;
}
