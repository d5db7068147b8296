/**
 * Breadth-first search: all states that some program of at most `depth` actions reaches, each kind
 * of violation with one of its shortest programs. Runs in portions, so that the caller may show
 * progress, write a checkpoint or end it. On one thread; parallel_search.ts finds the same on many.
 */
import { type Expansion, NodeExpander } from './expand.ts';
import {
  type Checkpoint,
  LevelSearch,
  type SearchEnd,
  type SearchOptions,
} from './level_search.ts';
import type { Model } from './model.ts';
import { keepNonZero, Seen } from './seen.ts';
import { Guide } from './tree.ts';

export class BreadthFirst extends LevelSearch implements Expansion {
  private seen = new Seen();
  private readonly expander: NodeExpander;
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: SearchOptions) {
    super(model, options);
    const guide = new Guide(model, this.tree);
    this.expander = new NodeExpander(model, this.tree, guide);
    guide.goTo(0);
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
    this.expander.expand(this.next++, options.aftermath, this);
  }

  /** What an action led to (Expansion). */
  arrive(node: number, before: number, action: number): void {
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
