/**
 * Breadth-first search: all states that some program of at most `depth` actions reaches, each kind
 * of violation with one of its shortest programs. Runs in portions, so that the caller may show
 * progress, write a checkpoint or end it. On one thread; parallel_search.ts finds the same on many.
 */
import { ageOf, type Expansion, NodeExpander, ofAge } from './expand.ts';
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
    this.isNew(0);
    const broken = model.brokenInState();
    this.tell(broken, 0, -1);
    this.tree.setBroken(0, broken);
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
  arrive(node: number, before: number, action: number, age: number): void {
    const ofAction = this.model.brokenByAction();
    const isNew = this.isNew(ageOf(age, ofAction));
    const broken = isNew ? ofAction | this.model.brokenInState() : ofAction;
    const news = broken & ~before;
    if (news !== 0) this.tell(news, node, action);
    if (isNew) this.tree.add(node, action, broken | before);
  }

  private isNew(age: number): boolean {
    const { model, print } = this;
    model.fingerprint(print);
    return this.seen.add(keepNonZero(print[0]!), keepNonZero(ofAge(print[1]!, age)));
  }

  static resume(model: Model, options: SearchOptions, from: Checkpoint): BreadthFirst {
    const search = new BreadthFirst(model, options);
    search.load(from);
    search.seen = Seen.from(from.seen);
    return search;
  }
}
