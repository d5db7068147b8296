/**
 * Breadth-first search: all states that some program of at most `depth` actions reaches, each kind
 * of violation with one of its shortest programs. Runs in portions, so that the caller may show
 * progress, write a checkpoint or end it. On one thread; parallel_search.ts finds the same on many.
 */
import {
  type Checkpoint,
  LevelSearch,
  type SearchEnd,
  type SearchOptions,
} from './level_search.ts';
import { ACT_CUT, ACT_DISABLED, type Model } from './model.ts';
import { keepNonZero, Seen } from './seen.ts';
import { Guide } from './tree.ts';

export class BreadthFirst extends LevelSearch {
  private seen = new Seen();
  private readonly guide: Guide;
  private readonly offered: Int32Array;
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: SearchOptions) {
    super(model, options);
    this.guide = new Guide(model, this.tree);
    this.offered = new Int32Array(model.actionsMax);
    this.guide.goTo(0);
    this.isNew();
    this.tree.setBroken(0, this.judge(0, 0, -1, true));
  }

  protected get seenBytes(): number {
    return this.seen.bytes;
  }

  protected seenWords(): Int32Array {
    return this.seen.words();
  }

  /** Goes on for about `budget` transitions. */
  run(budget: number): SearchEnd {
    const goal = this.transitions + budget;
    while (this.end === 'running' && this.transitions < goal) this.step();
    return this.end;
  }

  /** Expands one state, or goes on to the next level. */
  private step(): void {
    const { options } = this;
    if (this.atLevelEnd()) return;
    // A table that is full doubles: the old and the new one are there at once.
    if (this.bytes > options.memory || (this.seen.isFull && this.bytes * 2 > options.memory)) {
      this.end = 'memory';
      return;
    }
    this.expand(this.next++);
  }

  private expand(node: number): void {
    const { model, tree, offered } = this;
    const before = tree.broken(node);
    if (before !== 0 && tree.stepsSinceBroken(node) >= this.options.aftermath) return;
    const depth = this.guide.goTo(node);
    const n = model.actions(offered);
    let possible = 0;
    for (let i = 0; i < n; i++) {
      const action = offered[i]!;
      const done = model.act(action);
      if (done === ACT_DISABLED) continue;
      possible++;
      this.transitions++;
      if (done === ACT_CUT) this.cut++;
      else this.arrive(node, before, action);
      model.restore(depth);
    }
    if (possible === 0) this.deadlocks++;
  }

  private arrive(node: number, before: number, action: number): void {
    const fresh = this.isNew();
    const broken = this.judge(before, node, action, fresh);
    if (fresh) this.tree.add(node, action, broken | before);
  }

  private isNew(): boolean {
    this.model.fingerprint(this.print);
    return this.seen.add(keepNonZero(this.print[0]!), keepNonZero(this.print[1]!));
  }

  /** Judges the current state and tells what was not broken before. */
  private judge(before: number, node: number, action: number, isNew: boolean): number {
    const broken = this.model.judge(isNew);
    const news = broken & ~before;
    if (news !== 0) this.tell(news, node, action);
    return broken;
  }

  static resume(model: Model, options: SearchOptions, from: Checkpoint): BreadthFirst {
    const search = new BreadthFirst(model, options);
    search.load(from);
    search.seen = Seen.from(from.seen);
    return search;
  }
}
