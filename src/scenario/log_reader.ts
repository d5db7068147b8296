/**
 * strace's output, line by line. Nothing in it is an error: a line that cannot be understood is
 * counted as torn and reported as a warning, everything else is kept.
 *
 *   17060 mmap(NULL, 8192, ...) = 0x7f...          a call
 *   17060 wait4(17061,  <unfinished ...>           its beginning, while another task runs
 *   17060 <... wait4 resumed>[...], 0, NULL) = 1   its end
 *   17060 --- SIGSEGV {si_signo=..., ...} ---      a signal
 *   17060 +++ exited with 0 +++                    the end of a task
 */
import type { Severity } from '../base/index.ts';
import { createsTask } from './calls.ts';
import { exitedOp, isStop, signalOp } from './log_events.ts';
import { LogPrefix } from './log_prefix.ts';
import { LogResult, NO_RESULT } from './log_result.ts';
import { logCall, logStep, type OpenStep } from './log_step.ts';
import { LogTasks } from './log_tasks.ts';
import type { Place, Step } from './program.ts';
import type { Report } from './report.ts';
import { isWordStart, scanItem, skipSpaces, skipWord, trimEnd } from './scan.ts';
import { clip } from './suggest.ts';

const UNFINISHED = '<unfinished ...>';
/** How strace ends the execve of a thread that goes on under its leader's number. */
const PID_CHANGED = /<pid changed to \d+ \.\.\.>$/;
const EXPECTATION = /^expect\s.*(?:[=!]=|[<>]|\bis\b|mapped)/;
/** Calls whose result is an address: never 0, so a cut result cannot look complete. */
const ADDRESS_CALLS = new Set(['mmap', 'mremap', 'brk', 'shmat']);

interface Pending {
  readonly name: string;
  readonly at: Place;
  readonly time: number | undefined;
  text: string;
  /** Set when the step already has its place among the steps. */
  step?: OpenStep;
}

export class LogReader {
  torn = 0;
  /** True when a dropped line was a scenario's expectation: the file is a scenario after all. */
  hasExpectations = false;
  /** Set before the last line when no newline ends it. */
  cut = false;
  readonly prefix = new LogPrefix();
  readonly #steps: Step[];
  readonly #report: Report;
  readonly #tornSeverity: Severity;
  /** Absent in a scenario, whose bare lines are its own. */
  readonly #tasks: LogTasks | undefined;
  #pid = '';
  readonly #pending = new Map<string, Pending>();
  readonly #result = new LogResult();
  readonly #left = new Map<string, { count: number; line: number }>();
  #inSummary = false;
  /** The beginning of a line that strace broke with a message of its own. */
  #head = '';
  #headLine = 0;
  #columnMax = 0;
  #line = 0;
  #lineStart = 0;

  constructor(steps: Step[], report: Report, tornSeverity: Severity) {
    this.#steps = steps;
    this.#report = report;
    this.#tornSeverity = tornSeverity;
    this.#tasks = tornSeverity === 'error' ? undefined : new LogTasks();
  }

  /** Reads the line `text[start, end)`. */
  line(text: string, start: number, lineEnd: number, line: number): void {
    const end = trimEnd(text, start, lineEnd);
    if (this.#head !== '') {
      const head = this.#head;
      const c = text.charCodeAt(skipSpaces(text, start, end));
      // The rest of the broken line begins where no line of its own can.
      if (end > start && (c === 44 || c === 41 || c === 60 || c === 61)) {
        this.#broken(head + text.slice(start, end));
        return;
      }
      this.#broken(`${head} ${UNFINISHED}`);
    }
    this.#line = line;
    this.#lineStart = start;
    this.#columnMax = Math.max(1, end - start);
    if (end > start) this.#event(text, start, end);
  }

  /** Reads a line that was broken in two; its place is where its beginning stands. */
  #broken(whole: string): void {
    this.#line = this.#headLine;
    this.#lineStart = 0;
    this.#columnMax = this.#head.length;
    this.#head = '';
    this.#event(whole, 0, whole.length);
  }

  #event(text: string, start: number, end: number): void {
    // No row of a summary holds a parenthesis, so a summary that was cut ends at the next call.
    if (this.#inSummary && text.slice(start, Math.min(end, start + 200)).includes('(')) {
      this.#inSummary = false;
    }
    if (this.#inSummary) {
      if (text.startsWith(' total', end - 6)) this.#inSummary = false;
      this.#leave("lines of strace's summary (-c)");
      return;
    }
    const { prefix } = this;
    prefix.read(text, start, end);
    const { pos } = prefix;
    const c = pos < end ? text.charCodeAt(pos) : -1;
    if (isWordStart(c)) {
      if (text.startsWith('strace: ', pos)) this.#message(text, pos, end);
      else this.#call(text, pos, end);
    } else if (c === 60 && text.startsWith('<... ', pos)) this.#resumed(text, pos, end);
    else if (c === 43 && text.startsWith('+++ ', pos)) this.#exited(text, pos, end);
    else if (c === 45 && text.startsWith('--- ', pos)) this.#signal(text, pos, end);
    else this.#other(text, start, pos, end);
  }

  /** What is no event: stack lines, hex dumps, summaries, notes about a process. */
  #other(text: string, start: number, pos: number, end: number): void {
    const c = text.charCodeAt(pos);
    if (c === 62 && pos > start) this.#leave('lines of stack traces (-k)');
    else if (c === 124 && pos > start) this.#leave('lines of hex dumps (-e read, -e write)');
    else if (text.startsWith('% time', pos)) {
      this.#inSummary = true;
      this.#leave("lines of strace's summary (-c)");
    } else if (c === 35) this.#leave('comments');
    else if (text.startsWith('[ Process PID=', pos)) this.#mode(text, pos, end);
    else this.#drop(text, pos, end);
  }

  #mode(text: string, pos: number, end: number): void {
    const message = clip(text.slice(pos, end), 80);
    if (message.includes('64 bit')) return;
    const hint = 'its calls are read as if they were 64-bit';
    this.#report.add('warning', 'LOG005', this.#line, this.#column(pos), message, hint);
  }

  /** `strace: Process 17061 attached` and other messages. */
  #message(text: string, pos: number, end: number): void {
    if (text.startsWith('[ Process PID=', pos + 8)) {
      this.#mode(text, pos + 8, end);
      return;
    }
    if (text.startsWith('Process ', pos + 8) && text.endsWith(' attached', end)) {
      this.#tasks?.child(text.slice(pos + 16, skipWord(text, pos + 16, end)));
    }
    this.#leave("strace's own messages");
  }

  /** Finds out whose line this is; `resumes` is the call that it resumes. */
  #own(resumes: string): void {
    const { pid } = this.prefix;
    const tasks = this.#tasks;
    const inProgress = () => this.#pending.get('')?.name ?? '';
    this.#pid = tasks === undefined ? pid : tasks.taskOf(pid, resumes, inProgress);
  }

  #column(pos: number): number {
    return Math.min(pos - this.#lineStart + 1, this.#columnMax);
  }

  #leave(what: string): void {
    const found = this.#left.get(what);
    if (found === undefined) this.#left.set(what, { count: 1, line: this.#line });
    else found.count++;
  }

  #drop(text: string, pos: number, end: number): void {
    if (!this.prefix.any && text.startsWith('expect', pos)) {
      this.hasExpectations ||= EXPECTATION.test(text.slice(pos, Math.min(end, pos + 400)));
    }
    this.torn++;
    const at = Math.min(pos, Math.max(end - 1, this.#lineStart));
    const what = clip(text.slice(at, Math.min(end, at + 60)));
    const message = `this is no complete line of strace: '${what}'`;
    this.#report.add(this.#tornSeverity, 'LOG001', this.#line, this.#column(at), message);
  }

  #call(text: string, pos: number, end: number): void {
    const nameEnd = skipWord(text, pos, end);
    if (nameEnd >= end || text.charCodeAt(nameEnd) !== 40) {
      if (text.startsWith('System call usage summary', pos)) {
        this.#leave("lines of strace's summary (-c)");
      } else this.#drop(text, pos, end);
      return;
    }
    if (text.charCodeAt(end - 1) === 62 && text.endsWith(UNFINISHED, end)) {
      this.#own('');
      this.#begin(text, pos, nameEnd, end - UNFINISHED.length);
      return;
    }
    if (text.charCodeAt(end - 1) === 62 && text.endsWith(' ...>', end)) {
      const tail = Math.max(nameEnd, end - 40);
      const changed = PID_CHANGED.exec(text.slice(tail, end));
      if (changed !== null) {
        this.#own('');
        this.#begin(text, pos, nameEnd, tail + changed.index);
        return;
      }
    }
    const broken = this.#brokenAt(text, nameEnd, end);
    if (broken > 0) {
      this.#head = text.slice(this.#lineStart, broken);
      this.#headLine = this.#line;
      this.#message(text, broken, end);
      return;
    }
    const at = { line: this.#line, column: this.#column(pos) };
    if (!this.#complete(text, nameEnd + 1, end)) {
      this.#drop(text, pos, end);
      return;
    }
    this.#own('');
    const name = text.slice(pos, nameEnd);
    const whole = text.slice(pos, end);
    const op = logCall(name, whole, at);
    const expected = this.#cutResult(name, end) ? undefined : this.#result.expected;
    this.#steps.push(logStep(at, whole, this.#pid, this.prefix.time, op, expected));
    this.#noteChild(name);
  }

  /** A call that made a task tells its number. */
  #noteChild(name: string): void {
    const { expected } = this.#result;
    if (expected.kind === 'value' && createsTask(name)) this.#tasks?.child(expected.text);
  }

  /** Where `strace: Process N attached` begins at the end of the line, or 0. */
  #brokenAt(text: string, from: number, end: number): number {
    if (!text.endsWith(' attached', end)) return 0;
    const tail = Math.max(from, end - 40);
    const found = text.slice(tail, end).lastIndexOf('strace: Process ');
    return found < 0 ? 0 : tail + found;
  }

  /** Reads the result behind the arguments that begin at `pos`; false when there is none. */
  #complete(text: string, pos: number, end: number): boolean {
    const close = scanItem(text, pos, end, false);
    if (close < 0 || text.charCodeAt(close) !== 41) return false;
    const equals = skipSpaces(text, close + 1, end);
    if (equals >= end || text.charCodeAt(equals) !== 61) return false;
    return this.#result.read(text, equals + 1, end);
  }

  /** True when the file ends inside what may be the result's digits. */
  #cutResult(name: string, end: number): boolean {
    const { expected, valueEnd } = this.#result;
    if (!this.cut || valueEnd !== end || expected.kind === 'none') return false;
    if (expected.kind === 'value' && expected.text === '0' && !ADDRESS_CALLS.has(name))
      return false;
    this.torn++;
    const message =
      'the file ends here without a newline; the result may be cut, so it is not used';
    this.#report.add(this.#tornSeverity, 'LOG002', this.#line, 1, message);
    return true;
  }

  /** The beginning of a call, whose text ends at `end`. */
  #begin(text: string, pos: number, nameEnd: number, end: number): void {
    const pid = this.#pid;
    const { time } = this.prefix;
    this.#abandon(pid);
    const head = trimEnd(text, pos, end);
    const at = { line: this.#line, column: this.#column(pos) };
    const begun: Pending = {
      name: text.slice(pos, nameEnd),
      at,
      time,
      text: text.slice(pos, head),
    };
    if (createsTask(begun.name)) {
      const whole = `${begun.text} ${UNFINISHED}`;
      const op = logCall(begun.name, whole, at);
      begun.step = { ...logStep(at, whole, pid, time, op, NO_RESULT), unfinished: true };
      this.#steps.push(begun.step);
    }
    this.#pending.set(pid, begun);
  }

  #resumed(text: string, pos: number, end: number): void {
    const nameEnd = skipWord(text, pos + 5, end);
    const rest = text.startsWith(' resumed>', nameEnd) ? nameEnd + 9 : -1;
    const name = text.slice(pos + 5, nameEnd);
    this.#own(name);
    const pid = this.#pid;
    const begun = this.#pending.get(pid);
    if (rest < 0 || rest > end) {
      this.#drop(text, pos, end);
      return;
    }
    if (begun === undefined || begun.name !== name) {
      this.torn++;
      const message = `the beginning of this ${clip(name)}() is not in the log`;
      this.#report.add(this.#tornSeverity, 'LOG003', this.#line, this.#column(pos), message);
      return;
    }
    if (text.endsWith(UNFINISHED, end)) {
      begun.text += text.slice(rest, trimEnd(text, rest, end - UNFINISHED.length));
      return;
    }
    const joined = join(begun.text, text.slice(rest, end));
    if (!this.#complete(joined, begun.name.length + 1, joined.length)) {
      this.#drop(text, pos, end);
      return;
    }
    this.#pending.delete(pid);
    const cut = this.#cutResult(name, joined.length);
    const { expected } = this.#result;
    const op = logCall(name, joined, begun.at);
    const step = begun.step ?? logStep(begun.at, joined, pid, begun.time, op, undefined);
    if (cut) delete step.expected;
    else step.expected = expected;
    step.endLine = this.#line;
    this.#noteChild(name);
    if (begun.step === undefined) {
      this.#steps.push(step);
      return;
    }
    step.text = joined;
    step.op = op;
    delete step.unfinished;
  }

  /** The task's call in progress will never end: it takes its place here. */
  #abandon(pid: string): void {
    const begun = this.#pending.get(pid);
    if (begun === undefined) return;
    this.#pending.delete(pid);
    if (begun.step !== undefined) return;
    const whole = `${begun.text} ${UNFINISHED}`;
    const op = logCall(begun.name, whole, begun.at);
    const step = logStep(begun.at, whole, pid, begun.time, op, NO_RESULT);
    this.#steps.push({ ...step, unfinished: true });
  }

  #exited(text: string, pos: number, end: number): void {
    const { time } = this.prefix;
    const whole = text.slice(pos, end);
    const op = exitedOp(whole);
    if (op === undefined) {
      this.#drop(text, pos, end);
      return;
    }
    this.#own('');
    const pid = this.#pid;
    this.#abandon(pid);
    this.#tasks?.exited(op.kind === 'exited' && op.supersededBy ? op.supersededBy : pid);
    if (op.kind === 'exited' && op.supersededBy !== undefined) {
      // The execve that the other thread began ends under the leader's id.
      const begun = this.#pending.get(op.supersededBy);
      this.#pending.delete(op.supersededBy);
      if (begun !== undefined) this.#pending.set(pid, begun);
    }
    const at = { line: this.#line, column: this.#column(pos) };
    this.#steps.push(logStep(at, whole, pid, time, op, undefined));
  }

  #signal(text: string, pos: number, end: number): void {
    const whole = text.slice(pos, end);
    if (isStop(whole)) {
      this.#leave('stops by job control');
      return;
    }
    const op = signalOp(whole);
    if (op === undefined) {
      this.#drop(text, pos, end);
      return;
    }
    this.#own('');
    const at = { line: this.#line, column: this.#column(pos) };
    this.#steps.push(logStep(at, whole, this.#pid, this.prefix.time, op, undefined));
  }

  /** After the last line: calls that never ended, and what was left out. */
  finish(): void {
    if (this.#head !== '') this.#broken(`${this.#head} ${UNFINISHED}`);
    for (const pid of [...this.#pending.keys()]) this.#abandon(pid);
    for (const [what, { count, line }] of this.#left) {
      this.#report.add('note', 'LOG004', line, 0, `left out: ${count} ${what}`);
    }
  }
}

/** Two halves of a call: arguments stay apart where strace cut between them. */
function join(head: string, rest: string): string {
  const gap = head.endsWith(',') && !rest.startsWith(' ') ? ' ' : '';
  return head + gap + rest.replace(/^ *<unfinished \.\.\.>/, '');
}
