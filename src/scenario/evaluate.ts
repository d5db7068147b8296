/** The value of an expression in 64-bit two's complement arithmetic. */
import { type U64, word } from '../base/index.ts';
import type { Expr } from './program.ts';

/**
 * Evaluates; `resolve` gives the value of a bound name. Undefined where the expression has none: an
 * unbound name, a string, a struct, an unknown constant.
 */
export function evaluateExpr(
  expr: Expr,
  resolve: (name: string) => U64 | undefined,
): U64 | undefined {
  switch (expr.kind) {
    case 'int':
    case 'const':
      return expr.value;
    case 'fd':
      return word.fromNumber(expr.fd);
    case 'name':
      return resolve(expr.name);
    case 'unary': {
      const value = evaluateExpr(expr.operand, resolve);
      if (value === undefined) return undefined;
      return expr.op === '-' ? word.neg(value) : word.not(value);
    }
    case 'binary': {
      const left = evaluateExpr(expr.left, resolve);
      if (left === undefined) return undefined;
      const right = evaluateExpr(expr.right, resolve);
      return right === undefined ? undefined : operate(expr.op, left, right);
    }
    default:
      return undefined;
  }
}

function operate(op: Extract<Expr, { kind: 'binary' }>['op'], left: U64, right: U64): U64 {
  switch (op) {
    case '+':
      return word.add(left, right);
    case '-':
      return word.sub(left, right);
    case '*':
      return word.mul(left, right);
    case '|':
      return word.or(left, right);
    case '&':
      return word.and(left, right);
    case '<<':
      return word.shl(left, right.hi === 0 ? right.lo : 64);
    case '>>':
      return word.shr(left, right.hi === 0 ? right.lo : 64);
  }
}

/** The value of an expression without names. */
export function constantValue(expr: Expr): U64 | undefined {
  return evaluateExpr(expr, () => undefined);
}
