/**
 * Expressions on the host. What is constant is folded here; names are known only when the program
 * runs, so an expression with names becomes code for the executor's stack machine: one word an
 * operator, IMM followed by the value's low and high word, VAR and TASK by a number.
 */
import { type U64, word } from '../base/index.ts';
import { constantValue, type Expr } from '../scenario/index.ts';
import type { HostReport } from './report.ts';
import type { Words } from './words.ts';

export const OP_IMM = 0;
export const OP_VAR = 1;
export const OP_TASK = 2;
export const OP_ADD = 5;
/** Address of the bytes of the argument in which the expression stands. */
export const OP_HERE = 12;
const UNARY = { '-': 3, '~': 4 } as const;
const BINARY = { '+': OP_ADD, '-': 6, '*': 7, '|': 8, '&': 9, '<<': 10, '>>': 11 } as const;

/** What names mean where an expression stands. */
export interface Scope {
  /** Number of the variable that holds a name's value. */
  variable(name: string): number | undefined;
  /** Number of the task that a name stands for; its value is the process number. */
  task(name: string): number | undefined;
}

function putCode(out: Words, expr: Expr, scope: Scope, report: HostReport): void {
  const value = constantValue(expr);
  if (value !== undefined) {
    out.put(OP_IMM);
    out.put64(value);
    return;
  }
  switch (expr.kind) {
    case 'name': {
      const variable = scope.variable(expr.name);
      const task = scope.task(expr.name);
      if (variable === undefined && task === undefined) {
        report.add('error', 'HOST001', expr.at, `no earlier step binds '${expr.name}'`);
      }
      out.put(variable === undefined ? OP_TASK : OP_VAR);
      out.put(variable ?? task ?? 0);
      return;
    }
    case 'unary':
      putCode(out, expr.operand, scope, report);
      out.put(UNARY[expr.op]);
      return;
    case 'binary':
      putCode(out, expr.left, scope, report);
      putCode(out, expr.right, scope, report);
      out.put(BINARY[expr.op]);
      return;
    default: {
      const what = expr.kind === 'unknown' ? `'${expr.text}'` : `a ${expr.kind}`;
      report.add('error', 'HOST003', expr.at, `${what} is not a number that the host knows`);
      out.put(OP_IMM);
      out.put64(word.ZERO);
    }
  }
}

/** Appends the code of an expression, its length before it. */
export function putExpr(out: Words, expr: Expr, scope: Scope, report: HostReport): void {
  const hole = out.hole();
  putCode(out, expr, scope, report);
  out.fill(hole);
}

export function putConstant(out: Words, value: U64): void {
  out.put(3);
  out.put(OP_IMM);
  out.put64(value);
}

/** The byte that a `write` without a value stores: another one for each of 255 steps in a row. */
export function freshByte(step: number): number {
  return (step % 255) + 1;
}
