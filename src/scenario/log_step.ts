/**
 * Steps of a log. They are many, so they are small: an ignored call shares its operation with all
 * calls of its name, and an executed call keeps its arguments as text until somebody reads them.
 */
import { callClass } from './calls.ts';
import { ExprParser } from './expr_parser.ts';
import type { Arg, Expected, Op, Place, Step } from './program.ts';

const parser = new ExprParser();
/** The arguments read last: an executor reads `args` several times in one step. */
let memoOf: LogCall | undefined;
let memoArgs: readonly Arg[] = [];

export class LogCall {
  readonly kind = 'call';
  readonly name: string;
  readonly #text: string;
  readonly #at: Place;

  /** `text` begins with the call's name. */
  constructor(name: string, text: string, at: Place) {
    this.name = name;
    this.#text = text;
    this.#at = at;
  }

  get args(): readonly Arg[] {
    if (memoOf === this) return memoArgs;
    parser.text = this.#text;
    parser.pos = this.name.length + 1;
    parser.end = this.#text.length;
    if (this.#text.endsWith('<unfinished ...>')) parser.end -= '<unfinished ...>'.length;
    parser.line = this.#at.line;
    parser.lineStart = 1 - this.#at.column;
    memoArgs = withoutTail(parser.args(undefined) ?? []);
    memoOf = this;
    return memoArgs;
  }

  toJSON(): object {
    return { kind: this.kind, name: this.name, args: this.args };
  }
}

/** An unfinished call leaves an empty item behind its last comma. */
function withoutTail(args: readonly Arg[]): readonly Arg[] {
  const last = args.at(-1)?.value;
  return last?.kind === 'unknown' && last.text === '' ? args.slice(0, -1) : args;
}

const ignored = new Map<string, Op>();

export function logCall(name: string, text: string, at: Place): Op {
  if (callClass(name) !== 'ignored') return new LogCall(name, text, at);
  let op = ignored.get(name);
  if (op === undefined) {
    op = { kind: 'call', name, args: [] };
    if (ignored.size < 2000) ignored.set(name, op);
  }
  return op;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
/** A step while its call has not ended yet. */
export type OpenStep = Writable<Step>;

export function logStep(
  at: Place,
  text: string,
  task: string,
  time: number | undefined,
  op: Op,
  expected: Expected | undefined,
): OpenStep {
  const step: OpenStep = { at, text, task, op };
  if (expected !== undefined) step.expected = expected;
  if (time !== undefined) step.time = time;
  return step;
}
