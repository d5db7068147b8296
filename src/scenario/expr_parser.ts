/**
 * Expressions in C notation, by recursive descent over a range of the source.
 *
 *   expr    := unary (OP unary)*        OP by C's precedence: * | + - | << >> | & | '|'
 *   unary   := '-' unary | '~' unary | '&' unary | primary
 *   primary := INTEGER ['<' path '>'] | "string"['...'] | CONSTANT | NAME | NAME '(' items ')'
 *            | '(' expr ')' | '{' [field '='] expr ',' ... '}' | '[' expr ',' ... ']'
 *
 * Strict (a scenario): the first thing that cannot be understood is reported and ends the parse.
 * Lenient (a log): an item that cannot be understood is kept as `unknown` with its spelling; nothing
 * is reported. The depth of the result is bounded, so nobody who walks it can run out of stack.
 */
import { type U64, word } from '../base/index.ts';
import { type CallInfo, isArgumentName } from './calls.ts';
import { allConstantNames, findConstant } from './constants.ts';
import { parseInteger } from './numbers.ts';
import type { Arg, Expr, Place } from './program.ts';
import type { Report, ScenarioCode } from './report.ts';
import {
  isDigit,
  isSpace,
  isWord,
  isWordStart,
  scanItem,
  skipComment,
  skipString,
  skipWord,
} from './scan.ts';
import { decodeString, readDecoration } from './strings.ts';
import { clip, didYouMean } from './suggest.ts';

const DEPTH_MAX = 100;

type BinaryOp = Extract<Expr, { kind: 'binary' }>['op'];

/** Names that an expression may use; undefined in a log, where no name is bound. */
export interface Scope {
  has(name: string): boolean;
  names(): Iterable<string>;
}

export class ExprParser {
  text = '';
  pos = 0;
  end = 0;
  line = 0;
  /** Index of the character that is column 1. */
  lineStart = 0;
  columnMax = Number.MAX_SAFE_INTEGER;
  /** False where `<` compares (in `expect`), true where it may decorate a descriptor. */
  decorations = true;
  readonly #report: Report | undefined;
  readonly #scope: Scope | undefined;

  /** Without a report the parser is lenient. */
  constructor(report?: Report, scope?: Scope) {
    this.#report = report;
    this.#scope = scope;
  }

  get #lenient(): boolean {
    return this.#report === undefined;
  }

  at(pos: number): Place {
    return { line: this.line, column: Math.min(pos - this.lineStart + 1, this.columnMax) };
  }

  /** Reports an error at `pos`; always undefined, so that a caller can return it. */
  fail(code: ScenarioCode, pos: number, message: string, hint?: () => string | undefined) {
    const report = this.#report;
    if (report !== undefined) {
      const { line, column } = this.at(pos);
      report.add('error', code, line, column, message, report.open ? hint?.() : undefined);
    }
    return undefined;
  }

  skip(): void {
    while (this.pos < this.end) {
      const c = this.text.charCodeAt(this.pos);
      if (isSpace(c)) {
        this.pos++;
      } else if (c === 47 && this.text.charCodeAt(this.pos + 1) === 42) {
        const after = skipComment(this.text, this.pos, this.end);
        if (after < 0) return;
        this.pos = after;
      } else {
        return;
      }
    }
  }

  /** Char code at the cursor, -1 at the end. */
  peek(): number {
    return this.pos < this.end ? this.text.charCodeAt(this.pos) : -1;
  }

  /** What stands at `pos`, for a message. */
  found(pos: number): string {
    if (pos >= this.end) return 'the end of the line';
    const c = this.text.charCodeAt(pos);
    const after = isWord(c) ? skipWord(this.text, pos, this.end) : pos + 1;
    const low = c >= 0xd800 && c < 0xdc00 ? after + 1 : after;
    return `'${clip(this.text.slice(pos, low))}'`;
  }

  expr(): Expr | undefined {
    return this.#binary(1, 0);
  }

  /** Arguments up to the `)` that closes the call, which is consumed; `[` and `{` lists likewise. */
  args(call: CallInfo | undefined): Arg[] | undefined {
    const args: Arg[] = [];
    this.skip();
    if (this.peek() === 41) {
      this.pos++;
      return args;
    }
    while (true) {
      const arg = this.#arg(call);
      if (arg === undefined) return undefined;
      args.push(arg);
      this.skip();
      const c = this.peek();
      if (c === 44) {
        this.pos++;
        continue;
      }
      if (c === 41) {
        this.pos++;
        return args;
      }
      // A log's call that never ended stops here.
      if (this.#lenient) return args;
      const what = this.found(this.pos);
      return this.fail('SCN009', this.pos, `expected ',' or ')' in the arguments, found ${what}`);
    }
  }

  #arg(call: CallInfo | undefined): Arg | undefined {
    this.skip();
    const start = this.pos;
    const name = this.#fieldName();
    if (name !== '' && call !== undefined && !this.#lenient && !isArgumentName(call, name)) {
      return this.fail('SCN005', start, `${call.name}() has no argument '${clip(name)}'`, () =>
        didYouMean(name, call.params),
      );
    }
    const value = this.#item(0);
    if (value === undefined) return undefined;
    return name === '' ? { value } : { name, value };
  }

  /** Consumes `name=` (but not `name==`) and returns the name, or ''. */
  #fieldName(): string {
    if (!isWordStart(this.peek())) return '';
    const start = this.pos;
    const after = skipWord(this.text, start, this.end);
    if (this.text.charCodeAt(after) !== 61 || after >= this.end) return '';
    const next = this.text.charCodeAt(after + 1);
    if (next === 61 || next === 62) return '';
    this.pos = after + 1;
    return this.text.slice(start, after);
  }

  /** One item of a list: an expression, strace's `before => after` (the first is kept). */
  #item(depth: number): Expr | undefined {
    this.skip();
    const start = this.pos;
    // `[{WIFEXITED(s) && ...}]` of a pasted wait4 is a remark, not an expression.
    const isStatus = depth > 0 && this.text.startsWith('WIF', start);
    const value = isStatus ? undefined : this.#binary(1, depth);
    if (!this.#lenient && !isStatus) return value;
    if (value !== undefined) {
      this.skip();
      const c = this.peek();
      if (c === -1 || c === 44 || c === 41 || c === 93 || c === 125) return value;
      if (this.text.startsWith('=>', this.pos) || (c === 91 && value.kind !== 'name')) {
        // `=> after`, or the security context that --secontext puts behind a file.
        const stop = scanItem(this.text, this.pos + 2, this.end, true);
        this.pos = stop < 0 ? this.end : stop;
        return value;
      }
    }
    const stop = scanItem(this.text, start, this.end, true);
    this.pos = stop < 0 ? this.end : stop;
    let last = this.pos;
    while (last > start && isSpace(this.text.charCodeAt(last - 1))) last--;
    return { kind: 'unknown', text: this.text.slice(start, last), at: this.at(start) };
  }

  /** The operator at the cursor and its precedence, 0 if there is none. */
  #operator(): { op: BinaryOp; precedence: number; length: number } | undefined {
    const c = this.peek();
    const next = this.text.charCodeAt(this.pos + 1);
    if (c === 124 && next !== 124) return { op: '|', precedence: 1, length: 1 };
    if (c === 38 && next !== 38) return { op: '&', precedence: 2, length: 1 };
    if (c === 60 && next === 60) return { op: '<<', precedence: 3, length: 2 };
    if (c === 62 && next === 62) return { op: '>>', precedence: 3, length: 2 };
    if (c === 43) return { op: '+', precedence: 4, length: 1 };
    if (c === 45) return { op: '-', precedence: 4, length: 1 };
    if (c === 42) return { op: '*', precedence: 5, length: 1 };
    return undefined;
  }

  #binary(lowest: number, depth: number): Expr | undefined {
    let left = this.#unary(depth + 1);
    let links = 0;
    while (left !== undefined) {
      this.skip();
      const operator = this.#operator();
      if (operator === undefined || operator.precedence < lowest) return left;
      // Each link of a chain deepens the tree by one, on the left.
      links++;
      if (depth + links > DEPTH_MAX) return this.#tooDeep();
      this.pos += operator.length;
      const right = this.#binary(operator.precedence + 1, depth + links);
      if (right === undefined) return undefined;
      left = { kind: 'binary', op: operator.op, left, right, at: left.at };
    }
    return undefined;
  }

  #tooDeep(): undefined {
    return this.fail('SCN015', this.pos, `more than ${DEPTH_MAX} operators or brackets deep`);
  }

  #unary(depth: number): Expr | undefined {
    if (depth > DEPTH_MAX) return this.#tooDeep();
    this.skip();
    const start = this.pos;
    const c = this.peek();
    if (c === 45 && isDigit(this.text.charCodeAt(start + 1)) && start + 1 < this.end) {
      this.pos++;
      return this.#integer(start, true);
    }
    if (c === 45 || c === 126) {
      this.pos++;
      const operand = this.#unary(depth + 1);
      if (operand === undefined) return undefined;
      return { kind: 'unary', op: c === 45 ? '-' : '~', operand, at: this.at(start) };
    }
    if (c === 38) {
      this.pos++;
      const value = this.#unary(depth + 1);
      if (value === undefined) return undefined;
      return { kind: 'nested', name: '&', args: [value], at: this.at(start) };
    }
    return this.#primary(depth);
  }

  #primary(depth: number): Expr | undefined {
    const c = this.peek();
    if (isDigit(c)) return this.#integer(this.pos, false);
    if (isWordStart(c)) return this.#word(depth);
    if (c === 34) return this.#string();
    if (c === 40) {
      this.pos++;
      const inside = this.#binary(1, depth + 1);
      if (inside === undefined) return undefined;
      this.skip();
      if (this.peek() !== 41) {
        return this.fail('SCN009', this.pos, `expected ')', found ${this.found(this.pos)}`);
      }
      this.pos++;
      return inside;
    }
    if (c === 123) return this.#struct(depth);
    if (c === 91) return this.#array(depth);
    return this.fail('SCN009', this.pos, `expected a value, found ${this.found(this.pos)}`);
  }

  #integer(start: number, negative: boolean): Expr | undefined {
    const { text } = this;
    const digits = this.pos;
    this.pos = skipWord(text, digits, this.end);
    const literal = text.slice(digits, this.pos);
    let value: U64 | undefined = parseInteger(literal);
    if (value === undefined) {
      const message = `'${clip(literal)}' is no number that fits 64 bits`;
      return this.fail('SCN010', digits, message, () => {
        const upper = literal.toUpperCase().replace(/(?:I?B)$/, '');
        return upper !== literal && parseInteger(upper) !== undefined
          ? `did you mean '${upper}'?`
          : 'write decimal, 0x hexadecimal, 0 octal, or K, M, G, T behind a number';
      });
    }
    if (negative) value = word.neg(value);
    const path = this.#decoration();
    const at = this.at(start);
    if (path !== undefined) return { kind: 'fd', fd: word.toInt32(value), path, at };
    return { kind: 'int', value, text: text.slice(start, this.pos), at };
  }

  /** strace -y's `<path>` behind a descriptor: the path, or undefined if there is none. */
  #decoration(): string | undefined {
    const { text, pos } = this;
    if (!this.decorations || pos >= this.end || text.charCodeAt(pos) !== 60) return undefined;
    if (text.charCodeAt(pos + 1) === 60) return undefined;
    const found = readDecoration(text, pos, this.end);
    if (found !== undefined) this.pos = found.after;
    return found?.path;
  }

  #word(depth: number): Expr | undefined {
    const { text } = this;
    const start = this.pos;
    this.pos = skipWord(text, start, this.end);
    const name = text.slice(start, this.pos);
    if (this.peek() === 40) return this.#nested(name, start, depth);
    const at = this.at(start);
    const value = findConstant(name);
    if (value !== undefined) {
      const path = this.#decoration();
      if (path !== undefined) return { kind: 'fd', fd: word.toInt32(value), path, at };
      return { kind: 'const', name, value, at };
    }
    if (this.#scope?.has(name) === true) return { kind: 'name', name, at };
    if (this.#lenient) return { kind: 'unknown', text: name, at };
    if (/^_*[A-Z][A-Z0-9_]*$/.test(name)) {
      return this.fail('SCN006', start, `'${clip(name)}' is no constant that is known here`, () =>
        didYouMean(name, this.#known()),
      );
    }
    return this.fail('SCN007', start, `'${clip(name)}' is not bound by an earlier step`, () =>
      didYouMean(name, this.#known()),
    );
  }

  *#known(): Iterable<string> {
    if (this.#scope !== undefined) yield* this.#scope.names();
    yield* allConstantNames();
  }

  #nested(name: string, start: number, depth: number): Expr | undefined {
    this.pos++;
    const args: Expr[] = [];
    this.skip();
    while (this.peek() !== 41) {
      const value = this.#item(depth + 1);
      if (value === undefined) return undefined;
      args.push(value);
      this.skip();
      if (this.peek() === 44) this.pos++;
      else if (this.peek() !== 41) {
        return this.fail('SCN009', this.pos, `expected ')', found ${this.found(this.pos)}`);
      }
    }
    this.pos++;
    return { kind: 'nested', name, args, at: this.at(start) };
  }

  #string(): Expr | undefined {
    const start = this.pos;
    const after = skipString(this.text, start, this.end);
    if (after < 0) return this.fail('SCN009', start, 'this string is not closed');
    const value = decodeString(this.text, start + 1, after - 1);
    const truncated = this.text.startsWith('...', after) && after + 3 <= this.end;
    this.pos = truncated ? after + 3 : after;
    return { kind: 'string', value, truncated, at: this.at(start) };
  }

  /** Consumes `...` inside a list. */
  #ellipsis(): boolean {
    this.skip();
    if (!this.text.startsWith('...', this.pos)) return false;
    this.pos += 3;
    this.skip();
    return true;
  }

  #struct(depth: number): Expr | undefined {
    const start = this.pos;
    const fields: { name: string; value: Expr }[] = [];
    const truncated = this.#list(125, () => {
      const name = this.#fieldName();
      const value = this.#item(depth + 1);
      if (value !== undefined) fields.push({ name, value });
      return value !== undefined;
    });
    if (truncated === undefined) return undefined;
    return { kind: 'struct', fields, truncated, at: this.at(start) };
  }

  #array(depth: number): Expr | undefined {
    const start = this.pos;
    const items: Expr[] = [];
    const truncated = this.#list(93, () => {
      const value = this.#item(depth + 1);
      if (value !== undefined) items.push(value);
      return value !== undefined;
    });
    if (truncated === undefined) return undefined;
    return { kind: 'array', items, truncated, at: this.at(start) };
  }

  /** A list from its opening to its closing bracket; says whether it ended in `...`. */
  #list(close: number, item: () => boolean): boolean | undefined {
    this.pos++;
    let truncated = false;
    this.skip();
    while (this.peek() !== close) {
      if (this.#ellipsis()) truncated = true;
      else if (!item()) return undefined;
      this.skip();
      if (this.peek() === 44) {
        this.pos++;
        this.skip();
      } else if (this.peek() !== close) {
        const bracket = String.fromCharCode(close);
        const what = this.found(this.pos);
        return this.fail('SCN009', this.pos, `expected ',' or '${bracket}', found ${what}`);
      }
    }
    this.pos++;
    return truncated;
  }
}
