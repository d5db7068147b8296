/**
 * Breadth-first search: all states that some program of at most `depth` actions reaches, each kind
 * of violation with one of its shortest programs. Runs in portions, so that the caller may show
 * progress, write a checkpoint or end it.
 */
import { ACT_CUT, ACT_DISABLED, ACTIONS_MAX, type Finding, type Model } from './model.ts';
import { keepNonZero, Seen } from './seen.ts';
import { Guide, Tree } from './tree.ts';

export interface SearchOptions {
  /** The most actions of a program. */
  readonly depth: number;
  /** Bytes for states and fingerprints. */
  readonly memory: number;
  /** Actions that are followed after a violation, to see what becomes of it. */
  readonly aftermath: number;
}

export type SearchEnd = 'exhausted' | 'memory' | 'running';

export class BreadthFirst {
  readonly findings: Finding[] = [];
  transitions = 0;
  /** Actions that led out of the bounds. */
  cut = 0;
  /** States that have no possible action. */
  deadlocks = 0;
  /** levels[d] is the first node of depth d. */
  levels: number[] = [0, 1];
  end: SearchEnd = 'running';
  readonly tree: Tree;
  private seen: Seen;
  /** Next node to expand. */
  private next = 0;
  private readonly kinds = new Set<string>();
  private readonly model: Model;
  private readonly options: SearchOptions;
  private readonly guide: Guide;
  private readonly offered = new Int32Array(ACTIONS_MAX);
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: SearchOptions) {
    this.model = model;
    this.options = options;
    this.tree = new Tree();
    this.guide = new Guide(model, this.tree);
    this.seen = new Seen();
    this.guide.goTo(0);
    this.tree.broken[0] = this.judge(0, 0, -1, true);
    this.isNew();
  }

  get states(): number {
    return this.tree.used;
  }

  /** Depth of the states being expanded. */
  get depth(): number {
    return this.levels.length - 2;
  }

  /** States found and not yet expanded. */
  get queue(): number {
    return this.tree.used - this.next;
  }

  /** States of the current depth that were expanded, and all of them. */
  get expanded(): { readonly done: number; readonly of: number } {
    const from = this.levels[this.depth]!;
    return { done: this.next - from, of: this.levels[this.depth + 1]! - from };
  }

  get bytes(): number {
    return this.tree.bytes + this.seen.bytes;
  }

  /** Goes on for about `budget` transitions. */
  run(budget: number): SearchEnd {
    const goal = this.transitions + budget;
    while (this.end === 'running' && this.transitions < goal) this.step();
    return this.end;
  }

  /** Expands one state, or goes on to the next level. */
  private step(): void {
    const { levels, options } = this;
    if (this.next === levels[levels.length - 1]) {
      const isLast = this.tree.used === this.next || levels.length - 1 >= options.depth;
      if (isLast) this.end = 'exhausted';
      else levels.push(this.tree.used);
      return;
    }
    // A table that is full doubles: the old and the new one are there at once.
    if (this.bytes > options.memory || (this.seen.isFull && this.bytes * 2 > options.memory)) {
      this.end = 'memory';
      return;
    }
    this.expand(this.next++);
  }

  private expand(node: number): void {
    const { model, tree, offered } = this;
    const before = tree.broken[node]!;
    if (before !== 0 && this.stepsSinceBroken(node) >= this.options.aftermath) return;
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
    if (news === 0) return broken;
    for (let property = 0; property < this.model.properties.length; property++) {
      if ((news & (1 << property)) === 0) continue;
      const kind = this.model.kindOf(property, action);
      const key = `${property} ${kind}`;
      if (this.kinds.has(key)) continue;
      this.kinds.add(key);
      const actions = action < 0 ? [] : [...this.tree.pathTo(node), action];
      this.findings.push({ property, kind, actions });
    }
    return broken;
  }

  private stepsSinceBroken(node: number): number {
    let steps = 0;
    for (let at = node; at !== 0 && this.tree.broken[this.tree.parent[at]!] !== 0; ) {
      steps++;
      at = this.tree.parent[at]!;
    }
    return steps;
  }

  /** Everything that resume() needs, but for the model and the options. */
  checkpoint(): Checkpoint {
    const { tree } = this;
    return {
      parent: tree.parent.slice(0, tree.used),
      action: tree.action.slice(0, tree.used),
      broken: tree.broken.slice(0, tree.used),
      seen: this.seen.words(),
      levels: [...this.levels],
      next: this.next,
      transitions: this.transitions,
      cut: this.cut,
      deadlocks: this.deadlocks,
      findings: [...this.findings],
    };
  }

  static resume(model: Model, options: SearchOptions, from: Checkpoint): BreadthFirst {
    const search = new BreadthFirst(model, options);
    const { tree } = search;
    tree.parent = Int32Array.from(from.parent);
    tree.action = Int32Array.from(from.action);
    tree.broken = Int32Array.from(from.broken);
    tree.used = from.parent.length;
    search.seen = Seen.from(from.seen);
    search.levels = [...from.levels];
    search.next = from.next;
    search.transitions = from.transitions;
    search.cut = from.cut;
    search.deadlocks = from.deadlocks;
    search.findings.length = 0;
    search.findings.push(...from.findings);
    for (const { property, kind } of from.findings) search.kinds.add(`${property} ${kind}`);
    return search;
  }
}

export interface Checkpoint {
  readonly parent: Int32Array;
  readonly action: Int32Array;
  readonly broken: Int32Array;
  readonly seen: Int32Array;
  readonly levels: readonly number[];
  readonly next: number;
  readonly transitions: number;
  readonly cut: number;
  readonly deadlocks: number;
  readonly findings: readonly Finding[];
}
