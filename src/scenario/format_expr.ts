/** Expressions as text that parses back to the same expression. */
import { word } from '../base/index.ts';
import type { Arg, Expr } from './program.ts';
import { encodeString } from './strings.ts';

const PRECEDENCE = { '|': 1, '&': 2, '<<': 3, '>>': 3, '+': 4, '-': 4, '*': 5 } as const;
const UNARY = 6;

export function formatExpr(expr: Expr): string {
  return format(expr, 0);
}

/** `outer`: the precedence below which the text must be put in parentheses. */
function format(expr: Expr, outer: number): string {
  switch (expr.kind) {
    case 'int':
      return expr.text !== '' ? expr.text : word.toHex(expr.value);
    case 'const':
    case 'name':
      return expr.name;
    case 'string':
      return encodeString(expr.value) + (expr.truncated ? '...' : '');
    case 'unknown':
      return expr.text;
    case 'unary': {
      const { operand } = expr;
      // `-5` is a number; the negation of the number 5 keeps its parentheses.
      const inner = operand.kind === 'int' ? `(${format(operand, 0)})` : format(operand, UNARY);
      return expr.op + inner;
    }
    case 'binary': {
      const level = PRECEDENCE[expr.op];
      const text = format(expr.left, level) + expr.op + format(expr.right, level + 1);
      return level < outer ? `(${text})` : text;
    }
    case 'struct': {
      const fields = expr.fields.map(
        ({ name, value }) => (name === '' ? '' : `${name}=`) + formatExpr(value),
      );
      return `{${list(fields, expr.truncated)}}`;
    }
    case 'array':
      return `[${list(expr.items.map(formatExpr), expr.truncated)}]`;
    case 'nested': {
      const first = expr.args[0];
      if (expr.name === '&' && first !== undefined) return `&${format(first, UNARY)}`;
      return `${expr.name}(${expr.args.map(formatExpr).join(', ')})`;
    }
    case 'fd':
      return `${expr.fd === -100 ? 'AT_FDCWD' : expr.fd}<${escapePath(expr.path)}>`;
  }
}

function list(items: readonly string[], truncated: boolean): string {
  return [...items, ...(truncated ? ['...'] : [])].join(', ');
}

/** A descriptor's path between `<` and `>`, whose own brackets strace writes in octal. */
export function escapePath(path: string): string {
  const inner = encodeString(path).slice(1, -1);
  return path.startsWith('/') ? inner.replace(/</g, '\\74').replace(/>/g, '\\76') : inner;
}

export function formatArg(arg: Arg): string {
  return (arg.name === undefined ? '' : `${arg.name}=`) + formatExpr(arg.value);
}
