/** Arguments of a step as the modelled kernel takes them: numbers, text, structs, arrays. */
import { type U64, word } from '../base/index.ts';
import type { Value } from '../kernel/index.ts';
import { type Expr, evaluateExpr } from '../scenario/index.ts';

export type Resolve = (name: string) => U64 | undefined;

/**
 * The value of an argument; undefined where it has none (an unknown constant, an unbound name).
 * A call that is nested for its arguments (`makedev(1, 5)`, `&x`) stands for its first argument.
 */
export function argumentValue(expr: Expr, resolve: Resolve): Value | undefined {
  switch (expr.kind) {
    case 'string':
      return expr.value;
    case 'array': {
      const items: Value[] = [];
      for (const item of expr.items) {
        const value = argumentValue(item, resolve);
        if (value === undefined) return undefined;
        items.push(value);
      }
      return items;
    }
    case 'struct': {
      const fields: Record<string, Value> = {};
      expr.fields.forEach((field, i) => {
        const value = argumentValue(field.value, resolve);
        if (value !== undefined) fields[field.name === '' ? String(i) : field.name] = value;
      });
      return fields;
    }
    case 'nested': {
      const first = expr.args[0];
      return first === undefined ? word.ZERO : argumentValue(first, resolve);
    }
    default:
      return evaluateExpr(expr, resolve);
  }
}
