/**
 * What a scenario's names mean at a line: values bound by earlier steps, and tasks. The first task
 * that a file names is the initial one; others come from fork, vfork, clone and clone3.
 */
import { findConstant } from './constants.ts';
import type { TaskScope } from './expect_parser.ts';
import type { Report } from './report.ts';
import { clip, didYouMean, nearest } from './suggest.ts';

/** Files below /proc/TASK, by which a path is known to name a task. */
const TASK_FILES = new Set(
  (
    'maps smaps smaps_rollup status pagemap stat statm numa_maps clear_refs oom_score coredump_filter ' +
    'auxv cmdline comm exe fd fdinfo limits map_files mem mountinfo mounts task'
  ).split(' '),
);

export class Names implements TaskScope {
  readonly #bound = new Set<string>();
  readonly #tasks = new Set<string>();
  readonly #report: Report;
  #initial = '';
  line = 0;
  lineStart = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  has(name: string): boolean {
    return this.#bound.has(name) || this.#tasks.has(name);
  }

  *names(): Iterable<string> {
    yield* this.#bound;
    yield* this.#tasks;
  }

  bind(name: string): void {
    this.#bound.add(name);
  }

  bindTask(name: string): void {
    this.#tasks.add(name);
  }

  isTask(name: string): boolean {
    return this.#tasks.has(name);
  }

  useTask(name: string, pos: number): boolean {
    if (this.#tasks.has(name) || /^\d+$/.test(name)) return true;
    // `chidl: write a` behind `child = fork()` is a slip, not a new initial task.
    const slip = this.#initial === '' && /^\D{4,}$/.test(name) && nearest(name, this.#tasks);
    if (this.#initial === '' && !slip) {
      this.#initial = name;
      this.#tasks.add(name);
      return true;
    }
    const column = pos - this.lineStart + 1;
    const message = `there is no task '${clip(name)}' yet`;
    const hint = this.#report.open
      ? (didYouMean(name, this.#tasks) ?? `create it with '${clip(name)} = fork()'`)
      : undefined;
    this.#report.add('error', 'SCN008', this.line, column, message, hint);
    return false;
  }

  usePath(path: string, pos: number): boolean {
    const parts = path.split('/', 4);
    if (parts[1] !== 'proc' || parts.length < 4) return true;
    const [, , owner, file] = parts as [string, string, string, string];
    if (owner === 'self' || owner === 'thread-self' || !TASK_FILES.has(file)) return true;
    return this.useTask(owner, pos + '/proc/'.length);
  }

  /** True when a step may bind this name; reports it otherwise. */
  mayBind(name: string, pos: number, reserved: readonly string[]): boolean {
    const constant = findConstant(name) !== undefined;
    if (!constant && !reserved.includes(name)) return true;
    const what = constant ? 'is a constant' : 'has a meaning of its own';
    const column = pos - this.lineStart + 1;
    const message = `'${clip(name)}' ${what} and cannot be bound`;
    this.#report.add('error', 'SCN016', this.line, column, message);
    return false;
  }
}
