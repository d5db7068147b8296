/** The laws beside a run: checked after every step, told of every access. */
import type { TaskRow } from '../base/index.ts';
import { type Effect, LAWS, LawBook, type LawName, type Violation } from '../laws/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Watcher } from './model_kernel.ts';
import { hexPage } from './observe.ts';
import type { LawReport, LawViolation } from './report.ts';

/** Violations of one law that a report keeps: the first ones tell the story. */
const KEPT = 8;

interface Watched {
  readonly m: Machine;
}

export class LawWatch implements Watcher {
  readonly #m: Machine;
  readonly #book: LawBook;
  readonly #broken = new Map<LawName, LawViolation[]>();
  /** What accesses of the step at work broke. */
  #fresh: Violation[] = [];

  constructor(watched: Watched) {
    this.#m = watched.m;
    this.#book = new LawBook(watched.m);
  }

  before(task: TaskRow, vpn: number, kind: number): void {
    this.#book.before(task, vpn, kind);
  }

  after(task: TaskRow, vpn: number, kind: number, result: number): void {
    this.#fresh.push(...this.#book.after(task, vpn, kind, result));
  }

  loaded(task: TaskRow, vpn: number, content: number): void {
    this.#fresh.push(...this.#book.loaded(task, vpn, content));
  }

  stored(task: TaskRow, vpn: number, content: number): void {
    this.#book.stored(task, vpn, content);
  }

  called(effect: Effect): void {
    this.#fresh.push(...this.#book.called(effect));
  }

  /** Checks the machine; the same violation is told once, at the step that brought it. */
  afterStep(line: number): void {
    const found = [...this.#fresh, ...this.#book.check()];
    this.#fresh = [];
    for (const violation of this.#book.fresh(found)) this.#add(line, violation);
  }

  afterAll(line: number): readonly LawReport[] {
    this.afterStep(line);
    return this.report();
  }

  #add(line: number, v: Violation): void {
    const list = this.#broken.get(v.law) ?? [];
    this.#broken.set(v.law, list);
    if (list.length >= KEPT) return;
    list.push({
      law: v.law,
      line,
      task: v.task === 0 ? '' : (this.#m.names[this.#m.task.name[v.task]!] ?? ''),
      address: v.vpn < 0 ? '' : hexPage(v.vpn),
      found: v.found,
      due: v.due,
      message: v.message,
    });
  }

  report(): readonly LawReport[] {
    return LAWS.map((law) => ({
      name: law.name,
      exercised: this.#book.exercised.get(law.name) ?? 0,
      broken: this.#broken.get(law.name) ?? [],
    }));
  }
}
