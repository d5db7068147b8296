/**
 * Expectations.
 *
 *   expect LEFT OP RIGHT [UNIT]        OP: == != < <= > >=
 *   expect PAGE is [not] PAGE          the same as == and !=
 *   expect [TASK:] ADDR [LEN] mapped | unmapped
 *
 *   operand := [TASK:] minflt | majflt | signal | result | vmas
 *            | [TASK:] page | order | index | value | mapcount  ADDR
 *            | /path/smaps ADDR FIELD | /path [FIELD] | expr
 *   RIGHT may also be a word: SIGSEGV/MAPERR, none, [madvise], madvise, "any text"
 */
import { findConstant } from './constants.ts';
import type { ExprParser, Scope } from './expr_parser.ts';
import type { CompareOp, Expectation, Expr, Operand } from './program.ts';
import { isDigit, isSpace, isWord, isWordStart, skipWord } from './scan.ts';
import { clip, didYouMean } from './suggest.ts';

const FAULTS = ['minflt', 'majflt'] as const;
const BARE = ['minflt', 'majflt', 'signal', 'result', 'vmas'];
const ADDRESSED = ['page', 'order', 'index', 'value', 'mapcount'] as const;
/** Words that no step may bind, because they would be ambiguous here. */
export const RESERVED: readonly string[] = [
  ...BARE,
  ...ADDRESSED,
  ...['mapped', 'unmapped', 'is', 'not', 'none', 'self'],
];
const UNITS = ['kB', 'MB', 'GB', 'B', 'pages'];
const SIGNAL_CODES = [
  ...['MAPERR', 'ACCERR', 'BNDERR', 'PKUERR', 'CPERR'],
  ...['ADRALN', 'ADRERR', 'OBJERR', 'MCEERR_AR', 'MCEERR_AO'],
];

export interface TaskScope extends Scope {
  /** Notes that a task is used; false after reporting that it does not exist. */
  useTask(name: string, pos: number): boolean;
  /** Checks a path's /proc/TASK part. */
  usePath(path: string, pos: number): boolean;
}

/** Reads the expectation at `p.pos`; undefined after reporting what is wrong. */
export function parseExpectation(
  p: ExprParser,
  scope: TaskScope,
  defaultTask: string,
): Expectation | undefined {
  const expectation = new ExpectParser(p, scope, defaultTask).expectation();
  if (expectation === undefined) return undefined;
  p.skip();
  if (p.pos < p.end) {
    return p.fail('SCN018', p.pos, `unexpected ${p.found(p.pos)} behind the expectation`);
  }
  return expectation;
}

class ExpectParser {
  readonly #p: ExprParser;
  readonly #scope: TaskScope;
  readonly #defaultTask: string;

  constructor(p: ExprParser, scope: TaskScope, defaultTask: string) {
    this.#p = p;
    this.#scope = scope;
    this.#defaultTask = defaultTask;
  }

  /** The word at the cursor, '' if there is none; does not move. */
  #word(): string {
    const p = this.#p;
    p.skip();
    if (!isWordStart(p.peek())) return '';
    return p.text.slice(p.pos, skipWord(p.text, p.pos, p.end));
  }

  #take(word: string): boolean {
    if (this.#word() !== word) return false;
    this.#p.pos += word.length;
    return true;
  }

  expectation(): Expectation | undefined {
    const p = this.#p;
    p.skip();
    const start = p.pos;
    const task = this.#task();
    if (task === undefined) return undefined;
    const left = this.#operand(task);
    if (left === undefined) return undefined;
    const word = this.#word();
    if (left.kind === 'expr' && !this.#atOperator()) return this.#mapped(task, left.expr, start);
    if (word === 'is') return this.#identity(left);
    const op = this.#operator();
    if (op === undefined) return undefined;
    const right = this.#right(left);
    if (right === undefined) return undefined;
    const unit = this.#unit(right);
    if (unit === undefined) return undefined;
    return { kind: 'compare', left, op, right, unit };
  }

  #mapped(task: string, address: Expr, start: number): Expectation | undefined {
    const p = this.#p;
    let length: Expr | undefined;
    const first = this.#word();
    if (p.pos < p.end && first !== 'mapped' && first !== 'unmapped' && first !== 'is') {
      if (first !== '' && !this.#scope.has(first) && findConstant(first) === undefined) {
        return p.fail('SCN012', p.pos, `expected a comparison, found '${clip(first)}'`, () =>
          didYouMean(first, ['mapped', 'unmapped', 'is']),
        );
      }
      length = p.expr();
      if (length === undefined) return undefined;
    }
    const word = this.#word();
    if (word !== 'mapped' && word !== 'unmapped') {
      const message = "expected a comparison, 'mapped' or 'unmapped'";
      const at = p.pos < p.end ? p.pos : start;
      return p.fail('SCN012', at, `${message}, found ${p.found(p.pos)}`);
    }
    p.pos += word.length;
    const mapped = word === 'mapped';
    const base = { kind: 'mapped', task, address, mapped } as const;
    return length === undefined ? base : { ...base, length };
  }

  #identity(left: Operand): Expectation | undefined {
    const p = this.#p;
    const at = p.pos;
    this.#take('is');
    const op = this.#take('not') ? '!=' : '==';
    if (left.kind !== 'page') {
      const hint = () => "compare other things with '==' and '!='";
      return p.fail('SCN012', at, "'is' compares pages: page ADDR is page ADDR", hint);
    }
    p.skip();
    const from = p.pos;
    const right = this.#right(left);
    if (right === undefined) return undefined;
    if (right.kind !== 'page') {
      return p.fail('SCN012', from, "expected a page behind 'is': [TASK:] page ADDR");
    }
    return { kind: 'compare', left, op, right, unit: '' };
  }

  /** Reads `TASK:` if it is there; the default task otherwise, undefined after an error. */
  #task(): string | undefined {
    const p = this.#p;
    p.skip();
    const c = p.peek();
    if (!isWordStart(c) && !isDigit(c)) return this.#defaultTask;
    const after = skipWord(p.text, p.pos, p.end);
    if (after >= p.end || p.text.charCodeAt(after) !== 58) return this.#defaultTask;
    const name = p.text.slice(p.pos, after);
    if (!this.#scope.useTask(name, p.pos)) return undefined;
    p.pos = after + 1;
    return name;
  }

  #atOperator(): boolean {
    const p = this.#p;
    p.skip();
    const c = p.peek();
    return c === 60 || c === 62 || c === 61 || c === 33;
  }

  #operator(): CompareOp | undefined {
    const p = this.#p;
    p.skip();
    for (const op of ['==', '!=', '<=', '>=', '<', '>'] as const) {
      if (!p.text.startsWith(op, p.pos)) continue;
      p.pos += op.length;
      return op;
    }
    const hint = () => (p.peek() === 61 ? "did you mean '=='?" : 'use == != < <= > >=');
    return p.fail('SCN012', p.pos, `expected a comparison, found ${p.found(p.pos)}`, hint);
  }

  #operand(task: string): Operand | undefined {
    const p = this.#p;
    p.skip();
    if (p.peek() === 47) return this.#file();
    const word = this.#word();
    const which = FAULTS.find((name) => name === word);
    if (which !== undefined) {
      p.pos += word.length;
      return { kind: 'faults', task, which };
    }
    if (word === 'signal' || word === 'result' || word === 'vmas') {
      p.pos += word.length;
      return { kind: word, task };
    }
    const addressed = ADDRESSED.find((name) => name === word);
    if (addressed !== undefined) {
      p.pos += word.length;
      const address = p.expr();
      return address === undefined ? undefined : { kind: addressed, task, address };
    }
    if (word !== '' && !this.#scope.has(word) && findConstant(word) === undefined) {
      const message = `'${clip(word)}' is nothing that can be expected, and no step binds it`;
      return p.fail('SCN012', p.pos, message, () =>
        didYouMean(word, [...BARE, ...ADDRESSED, ...this.#scope.names()]),
      );
    }
    const expr = p.expr();
    return expr === undefined ? undefined : { kind: 'expr', expr };
  }

  /** A path up to a space, or quoted. */
  #file(): Operand | undefined {
    const p = this.#p;
    const start = p.pos;
    while (p.pos < p.end && !isSpace(p.text.charCodeAt(p.pos))) p.pos++;
    const path = p.text.slice(start, p.pos);
    if (!this.#scope.usePath(path, start)) return undefined;
    p.skip();
    if (path.endsWith('/smaps')) {
      const address = p.expr();
      if (address === undefined) return undefined;
      const at = p.pos;
      const field = this.#field();
      if (field === '') return p.fail('SCN012', at, 'expected a field of smaps, such as Rss');
      return { kind: 'smaps', path, address, field };
    }
    return { kind: 'field', path, field: this.#field() };
  }

  /** `RssShmem`, `Active(anon)`; '' where a comparison follows at once. */
  #field(): string {
    const p = this.#p;
    p.skip();
    const start = p.pos;
    while (p.pos < p.end) {
      const c = p.text.charCodeAt(p.pos);
      if (!isWord(c) && c !== 40 && c !== 41 && c !== 45 && c !== 46) break;
      p.pos++;
    }
    const field = p.text.slice(start, p.pos);
    // Two pages of a file are never compared, so `is` is no field.
    if (field === 'is') p.pos = start;
    else if (p.peek() === 58 && field !== '') p.pos++;
    return field === 'is' ? '' : field;
  }

  #right(left: Operand): Operand | undefined {
    const p = this.#p;
    p.skip();
    const start = p.pos;
    const c = p.peek();
    if (c === 91) {
      let close = start;
      while (close < p.end && p.text.charCodeAt(close) !== 93) close++;
      if (close >= p.end) return p.fail('SCN012', start, "expected ']' behind the selected word");
      p.pos = close + 1;
      return { kind: 'word', text: p.text.slice(start, p.pos) };
    }
    if (c === 34) {
      const literal = p.expr();
      if (literal?.kind !== 'string') return undefined;
      return { kind: 'word', text: literal.value };
    }
    const word = this.#word();
    if (word === 'none') {
      p.pos += word.length;
      return { kind: 'word', text: word };
    }
    const isTask = word !== '' && p.text.charCodeAt(start + word.length) === 58;
    if (left.kind === 'signal' && !isTask && word !== 'signal') return this.#signal(word);
    const task = this.#task();
    if (task === undefined) return undefined;
    const ofFile = left.kind === 'field' || left.kind === 'smaps';
    if (ofFile && task === this.#defaultTask && this.#isPlainWord(word)) {
      p.pos += word.length;
      return { kind: 'word', text: word };
    }
    return this.#operand(task);
  }

  /** In a comparison with a file, a word that means nothing else is what the file says. */
  #isPlainWord(word: string): boolean {
    if (word === '' || this.#scope.has(word)) return false;
    return !RESERVED.includes(word) && findConstant(word) === undefined;
  }

  #signal(name: string): Operand | undefined {
    const p = this.#p;
    const start = p.pos;
    const isSignal = name.startsWith('SIG') && findConstant(name) !== undefined;
    if (!isSignal) {
      const what = p.found(start);
      return p.fail('SCN017', start, `expected a signal or 'none', found ${what}`, () =>
        didYouMean(name, ['SIGSEGV', 'SIGBUS', 'SIGKILL', 'SIGTERM', 'none']),
      );
    }
    p.pos += name.length;
    if (p.peek() !== 47) return { kind: 'word', text: name };
    const codeAt = p.pos + 1;
    p.pos = skipWord(p.text, codeAt, p.end);
    const code = p.text.slice(codeAt, p.pos).replace(/^(SEGV|BUS)_/, '');
    if (!SIGNAL_CODES.includes(code)) {
      return p.fail('SCN017', codeAt, `'${clip(code)}' is no si_code of a fault`, () =>
        didYouMean(code, SIGNAL_CODES),
      );
    }
    return { kind: 'word', text: `${name}/${code}` };
  }

  #unit(right: Operand): string | undefined {
    const p = this.#p;
    const word = this.#word();
    if (word === '' || right.kind !== 'expr') return '';
    if (!UNITS.includes(word)) {
      return p.fail('SCN012', p.pos, `'${clip(word)}' is no unit`, () => didYouMean(word, UNITS));
    }
    p.pos += word.length;
    return word;
  }
}
