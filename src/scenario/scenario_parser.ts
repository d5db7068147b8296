/**
 * Scenario text, one step a line:
 *
 *   line  := [prefix] step ['#' comment]            a '#' begins a comment at the line's start or
 *                                                   behind a space, outside strings
 *   prefix := TASK ':' | PID | '[pid PID]'          strace's time stamps may follow a PID
 *   step  := 'kernel' NAME | 'memory' SIZE          before every other step
 *          | 'echo' VALUE '>' PATH | 'cat' PATH
 *          | ('read' | 'write' | 'exec') ADDR [LEN] ['=' VALUE]
 *          | 'expect' expectation                   expect_parser.ts
 *          | [NAME '='] CALL '(' args ')' ['=' RESULT]
 *          | an event of strace                     log_reader.ts
 *
 * Expressions are those of expr_parser.ts. A name must be bound, and a task created, by an earlier
 * step; the first task named is the initial one. Every error is reported with its place; the caller
 * runs nothing when there is one.
 */
import { word } from '../base/index.ts';
import { allCallNames, type CallInfo, createsTask, findCall } from './calls.ts';
import { constantValue } from './evaluate.ts';
import { parseExpectation, RESERVED } from './expect_parser.ts';
import { ExprParser } from './expr_parser.ts';
import { formatExpr } from './format_expr.ts';
import { LogReader } from './log_reader.ts';
import { Names } from './names.ts';
import type { AccessKind, Arg, Expected, Expr, Op, Program, Step } from './program.ts';
import type { Report } from './report.ts';
import { parseResult } from './result_parser.ts';
import { isSpace, isWordStart, skipSpaces, skipString, skipWord, trimEnd } from './scan.ts';
import { parseCat, parseEcho } from './shell_parser.ts';
import { clip, didYouMean } from './suggest.ts';

const STATEMENTS = ['kernel', 'memory', 'echo', 'cat', 'expect', 'read', 'write', 'exec'];

export class ScenarioParser {
  readonly steps: Step[] = [];
  kernel: string | undefined;
  memory: number | undefined;
  readonly #names: Names;
  readonly #expr: ExprParser;
  readonly #log: LogReader;
  #task = '';
  #time: number | undefined;

  constructor(report: Report) {
    this.#names = new Names(report);
    this.#expr = new ExprParser(report, this.#names);
    this.#log = new LogReader(this.steps, report, 'error');
  }

  /** Reads the line `text[start, lineEnd)`. */
  line(text: string, start: number, lineEnd: number, line: number): void {
    const end = trimEnd(text, start, commentStart(text, start, lineEnd));
    const prefix = this.#log.prefix;
    prefix.read(text, start, end);
    let pos = prefix.pos;
    if (pos >= end && !prefix.any) return;
    const p = this.#expr;
    p.text = text;
    p.end = end;
    p.line = line;
    p.lineStart = start;
    p.decorations = true;
    this.#names.line = line;
    this.#names.lineStart = start;
    if (this.#isLog(text, pos, end)) {
      this.#log.line(text, start, end, line);
      return;
    }
    this.#task = prefix.pid;
    this.#time = prefix.time;
    if (!prefix.any) {
      const after = skipWord(text, pos, end);
      if (after > pos && after < end && text.charCodeAt(after) === 58) {
        const name = text.slice(pos, after);
        if (RESERVED.includes(name) || STATEMENTS.includes(name)) {
          this.#names.mayBind(name, pos, [...RESERVED, ...STATEMENTS]);
          return;
        }
        this.#names.useTask(name, pos);
        this.#task = name;
        pos = skipSpaces(text, after + 1, end);
      }
    }
    p.pos = pos;
    this.#statement(text, pos, end);
  }

  finish(): void {
    this.#log.finish();
  }

  /** Lines that only strace writes, and every call that has strace's prefix. */
  #isLog(text: string, pos: number, end: number): boolean {
    if (text.startsWith('<unfinished ...>', end - 16)) return true;
    if (this.#log.prefix.any) {
      const after = skipWord(text, pos, end);
      if (isWordStart(text.charCodeAt(pos))) return after < end && text.charCodeAt(after) === 40;
      return true;
    }
    const c = text.charCodeAt(pos);
    if (c === 60 || c === 91) return true;
    return ['+++ ', '--- ', 'strace: '].some((head) => text.startsWith(head, pos));
  }

  #statement(text: string, pos: number, end: number): void {
    const p = this.#expr;
    if (!isWordStart(text.charCodeAt(pos))) {
      const message = `expected a step, found ${p.found(pos)}`;
      p.fail('SCN011', pos, message, () => 'comments begin with #');
      return;
    }
    const after = skipWord(text, pos, end);
    const first = text.slice(pos, after);
    const next = after < end ? text.charCodeAt(after) : 32;
    if (next === 40) {
      this.#call(text, pos, pos, undefined);
      return;
    }
    const gap = skipSpaces(text, after, end);
    const isBinding = text.charCodeAt(gap) === 61 && gap < end && text[gap + 1] !== '=';
    if (isBinding) {
      this.#binding(text, pos, first, gap, end);
      return;
    }
    if (STATEMENTS.includes(first) && isSpace(next)) {
      p.pos = after;
      this.#directive(first, text, pos, after, end);
      return;
    }
    p.fail('SCN011', pos, `'${clip(first)}' begins no step`, () =>
      next === 58
        ? didYouMean(first, this.#names.names())
        : (didYouMean(first, STATEMENTS) ?? didYouMean(first, allCallNames())),
    );
  }

  #binding(text: string, pos: number, name: string, equals: number, end: number): void {
    const p = this.#expr;
    const call = skipSpaces(text, equals + 1, end);
    const after = skipWord(text, call, end);
    const may = this.#names.mayBind(name, pos, [...RESERVED, ...STATEMENTS]);
    if (!isWordStart(text.charCodeAt(call)) || text.charCodeAt(after) !== 40 || after >= end) {
      const message = `expected a call behind '${clip(name)} =', found ${p.found(call)}`;
      p.fail('SCN011', call, message, () => 'a step is NAME = call(arguments)');
    } else {
      this.#call(text, pos, call, may ? name : undefined);
      // The call decides whether the name is a task; after an error it may be either.
      if (!may || this.#names.has(name)) return;
    }
    if (may) {
      this.#names.bind(name);
      this.#names.bindTask(name);
    }
  }

  #push(pos: number, op: Op, rest: { bind?: string; expected?: Expected } = {}): void {
    const p = this.#expr;
    const text = p.text.slice(pos, p.end);
    const step = { at: p.at(pos), text, task: this.#task, op, ...rest };
    this.steps.push(this.#time === undefined ? step : { ...step, time: this.#time });
  }

  #call(text: string, start: number, pos: number, bind: string | undefined): void {
    const p = this.#expr;
    const after = skipWord(text, pos, p.end);
    const name = text.slice(pos, after);
    const call = findCall(name);
    if (call === undefined && !/^syscall_(0x)?[0-9a-f]+$/.test(name)) {
      p.fail('SCN004', pos, `Linux on x86-64 has no call '${clip(name)}'`, () =>
        didYouMean(name, [...allCallNames(), ...STATEMENTS]),
      );
      return;
    }
    p.pos = after + 1;
    const args = p.args(call);
    if (args === undefined || !this.#checkArity(call, args, pos)) return;
    const expected = parseResult(p);
    if (expected === 'bad') return;
    if (bind !== undefined) {
      if (createsTask(name)) this.#names.bindTask(bind);
      this.#names.bind(bind);
    }
    const op: Op = { kind: 'call', name, args };
    const named = bind === undefined ? {} : { bind };
    this.#push(start, op, expected === undefined ? named : { ...named, expected });
  }

  #checkArity(call: CallInfo | undefined, args: readonly Arg[], pos: number): boolean {
    if (call === undefined || call.class === 'ignored') return true;
    const { min, max, name, params } = call;
    if (args.length >= min && args.length <= max) return true;
    const count = min === max ? String(min) : `${min} to ${max}`;
    const noun = count === '1' ? 'argument' : 'arguments';
    const message = `${name}() takes ${count} ${noun}, not ${args.length}`;
    const p = this.#expr;
    p.fail('SCN005', pos, message, () => `${name}(${params.join(', ')})`);
    return false;
  }

  #directive(first: string, text: string, start: number, pos: number, end: number): void {
    const p = this.#expr;
    switch (first) {
      case 'kernel':
      case 'memory':
        this.#machine(first, text, start, pos, end);
        return;
      case 'echo':
      case 'cat': {
        const op = first === 'echo' ? parseEcho(p) : parseCat(p);
        if (op === undefined) return;
        if ((op.kind === 'cat' || op.kind === 'echo') && this.#pathOk(op.path, text)) {
          this.#push(start, op);
        }
        return;
      }
      case 'expect': {
        p.decorations = false;
        const expectation = parseExpectation(p, this.#names, this.#task);
        if (expectation !== undefined) this.#push(start, { kind: 'expect', expectation });
        return;
      }
      default:
        this.#access(first as AccessKind, start);
    }
  }

  #pathOk(path: string, text: string): boolean {
    const p = this.#expr;
    const at = text.lastIndexOf(path, p.end);
    return this.#names.usePath(path, Math.max(at, p.lineStart));
  }

  #machine(what: 'kernel' | 'memory', text: string, start: number, pos: number, end: number): void {
    const p = this.#expr;
    if (this[what] !== undefined) {
      p.fail('SCN014', start, `'${what}' is given twice`);
    } else if (this.steps.length > 0) {
      p.fail('SCN014', start, `'${what}' must stand before the first step`);
    } else if (what === 'kernel') {
      const name = text.slice(skipSpaces(text, pos, end), end);
      if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) this.kernel = name;
      else p.fail('SCN014', start, "expected a kernel's name, such as 6.18");
    } else {
      this.#memory(start);
    }
  }

  #memory(start: number): void {
    const p = this.#expr;
    const size = p.expr();
    if (size === undefined) return;
    p.skip();
    if (p.pos < p.end) {
      p.fail('SCN018', p.pos, `unexpected ${p.found(p.pos)} behind the size`);
      return;
    }
    const value = constantValue(size);
    if (value === undefined || !word.isExact(value) || word.toNumber(value) === 0) {
      p.fail('SCN014', start, 'expected a size, such as 4G');
      return;
    }
    this.memory = word.toNumber(value);
  }

  #access(access: AccessKind, start: number): void {
    const p = this.#expr;
    const address = p.expr();
    if (address === undefined) return;
    let length: Expr | undefined;
    p.skip();
    if (p.pos < p.end && p.peek() !== 61) {
      length = p.expr();
      if (length === undefined) return;
      p.skip();
    }
    let value: Expr | undefined;
    if (p.peek() === 61) {
      const equals = p.pos;
      p.pos++;
      value = p.expr();
      if (value === undefined) return;
      if (access === 'exec') {
        p.fail('SCN018', equals, 'exec has no value', () => 'only read and write have one');
        return;
      }
      p.skip();
    }
    if (p.pos < p.end) {
      const message = `unexpected ${p.found(p.pos)} behind the ${access}`;
      p.fail('SCN018', p.pos, message, () => `a step is: ${access} ADDRESS [LENGTH] [= VALUE]`);
      return;
    }
    const range = { kind: 'access', access, address } as const;
    const op = length === undefined ? range : { ...range, length };
    if (value === undefined) this.#push(start, op);
    else if (access === 'write') this.#push(start, { ...op, value });
    else this.#push(start, op, { expected: expectedValue(value) });
  }

  program(file: string, about: string): Program {
    const { steps, kernel, memory } = this;
    const torn = this.#log.torn;
    return {
      file,
      dialect: 'scenario',
      about,
      steps,
      torn,
      ...(kernel === undefined ? {} : { kernel }),
      ...(memory === undefined ? {} : { memory }),
    };
  }
}

function expectedValue(value: Expr): Expected {
  if (value.kind === 'int') return { kind: 'value', value: value.value, text: value.text };
  return { kind: 'expr', value, text: formatExpr(value) };
}

/** Where the line's comment begins, or its end. */
function commentStart(text: string, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) {
      const after = skipString(text, i, end);
      if (after < 0) return end;
      i = after - 1;
    } else if (c === 35 && (i === start || isSpace(text.charCodeAt(i - 1)))) {
      return i;
    }
  }
  return end;
}
