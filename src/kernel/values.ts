/**
 * What goes into a system call and what comes out: arguments as C sees them after evaluation, and
 * the outcome with the reasons for which there may be none.
 */
import { type U64, word } from '../base/index.ts';

/** An evaluated argument: a number or address, text, a struct or an array. */
export type Value = U64 | string | readonly Value[] | StructValue;

/** `{field=value, ...}`; fields without a name are "0", "1", ... */
export interface StructValue {
  readonly [field: string]: Value | undefined;
}

export type CallResult =
  | { readonly value: U64 }
  /** Positive errno. */
  | { readonly errno: number }
  /** The rule or call that the model does not have. */
  | { readonly unmodelled: string }
  /** The call does not return to this task. */
  | { readonly none: true }
  /** The outcome is decided outside of memory management (bytes from a pipe, a tty, the time). */
  | { readonly ignored: string };

/** What a handler gives: a value (exact, not negative), a negative errno, or a CallResult. */
export type Outcome = number | CallResult;

export function toResult(outcome: Outcome): CallResult {
  if (typeof outcome !== 'number') return outcome;
  return outcome < 0 ? { errno: -outcome } : { value: word.fromNumber(outcome) };
}

export function isInt(value: Value | undefined): value is U64 {
  return typeof value === 'object' && typeof (value as U64).hi === 'number';
}

export function isStruct(value: Value | undefined): value is StructValue {
  return typeof value === 'object' && !Array.isArray(value) && !isInt(value);
}

/** The arguments of one call; missing and misplaced ones read as zero (see `checkArgs`). */
export class Args {
  readonly values: readonly Value[];

  constructor(values: readonly Value[]) {
    this.values = values;
  }

  has(i: number): boolean {
    return i < this.values.length;
  }

  u64(i: number): U64 {
    const value = this.values[i];
    return isInt(value) ? value : word.ZERO;
  }

  /** As a C int: file descriptors, modes, most flags. */
  int(i: number): number {
    return word.toInt32(this.u64(i));
  }

  /** As an unsigned number; exact below 2^53. */
  num(i: number): number {
    return word.toNumber(this.u64(i));
  }

  /** As a signed number (off_t); exact while |x| < 2^53. */
  signed(i: number): number {
    return word.toSigned(this.u64(i));
  }

  isZero(i: number): boolean {
    const value = this.values[i];
    return value === undefined || (isInt(value) && value.hi === 0 && value.lo === 0);
  }

  text(i: number): string | undefined {
    const value = this.values[i];
    return typeof value === 'string' ? value : undefined;
  }

  /** A struct argument; `[{...}]` and `&{...}` are taken for their first element. */
  struct(i: number): StructValue | undefined {
    const given = this.values[i];
    const value = Array.isArray(given) ? (given[0] as Value | undefined) : given;
    return isStruct(value) ? value : undefined;
  }
}

/** A field of a struct as a number; undefined when it is not there or no number. */
export function field(
  struct: StructValue | undefined,
  ...names: readonly string[]
): U64 | undefined {
  if (struct === undefined) return undefined;
  for (const name of names) {
    const value = struct[name];
    if (isInt(value)) return value;
  }
  return undefined;
}

/**
 * Checks arguments against a signature: `u` a number, `s` text or an address, `a` anything, and
 * after `|` those that may be absent. Returns what is wrong, or ''.
 */
export function checkArgs(name: string, signature: string, values: readonly Value[]): string {
  const [needed = '', optional = ''] = signature.split('|');
  const kinds = needed + optional;
  if (values.length < needed.length) {
    return `${name} takes ${needed.length} arguments, here are ${values.length}`;
  }
  for (let i = 0; i < values.length && i < kinds.length; i++) {
    const kind = kinds[i];
    const value = values[i];
    if (kind === 'u' && !isInt(value)) return `argument ${i + 1} of ${name} is not a number`;
    if (kind === 's' && !isInt(value) && typeof value !== 'string') {
      return `argument ${i + 1} of ${name} is neither text nor an address`;
    }
  }
  return '';
}
