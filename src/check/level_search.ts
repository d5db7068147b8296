/**
 * What all breadth-first searches share: the tree of states, its levels, what was found, and the
 * checkpoint, from which any of them goes on. Nodes are expanded in the order of the tree: all up to
 * `next` are. A finding is told by where it was met, so that all searches tell the same ones.
 */
import { FindingLog } from './finding_log.ts';
import type { Finding, Model } from './model.ts';
import { Tree, type TreeBuffer } from './tree.ts';

export interface SearchOptions {
  /** The most actions of a program. */
  readonly depth: number;
  /** Bytes for states and fingerprints. */
  readonly memory: number;
  /** Actions that are followed after a violation, to see what becomes of it. */
  readonly aftermath: number;
}

export type SearchEnd = 'exhausted' | 'memory' | 'running';

export abstract class LevelSearch {
  transitions = 0;
  /** Actions that led out of the bounds. */
  cut = 0;
  /** States that have no possible action. */
  deadlocks = 0;
  /** levels[d] is the first node of depth d. */
  levels: number[] = [0, 1];
  end: SearchEnd = 'running';
  readonly tree: Tree;
  /** Next node to expand. */
  protected next = 0;
  private readonly log: FindingLog;
  protected readonly model: Model;
  protected readonly options: SearchOptions;

  constructor(model: Model, options: SearchOptions, buffer?: TreeBuffer) {
    this.model = model;
    this.options = options;
    this.log = new FindingLog(model);
    this.tree = new Tree(buffer);
  }

  /** Bytes of the set of fingerprints. */
  protected abstract readonly seenBytes: number;
  /** The fingerprints met, two words each. */
  protected abstract seenWords(): Int32Array;

  get findings(): readonly Finding[] {
    return this.log.findings;
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
    return this.tree.bytes + this.seenBytes;
  }

  /** All of a level is expanded: goes on to the next one, or ends. True when nothing is to expand. */
  protected atLevelEnd(): boolean {
    const { levels } = this;
    if (this.next !== levels[levels.length - 1]) return false;
    const isLast = this.tree.used === this.next || levels.length - 1 >= this.options.depth;
    if (isLast) this.end = 'exhausted';
    else levels.push(this.tree.used);
    return isLast;
  }

  /** Tells those properties of an arrival that are a new kind of violation. */
  protected tell(news: number, node: number, action: number): void {
    const path = (): number[] => (action < 0 ? [] : [...this.tree.pathTo(node), action]);
    this.log.tell(news, action, path);
  }

  /** Everything that is needed to go on, but for the model and the options. */
  checkpoint(): Checkpoint {
    return {
      tree: this.tree.saved(),
      seen: this.seenWords(),
      levels: [...this.levels],
      next: this.next,
      transitions: this.transitions,
      cut: this.cut,
      deadlocks: this.deadlocks,
      findings: [...this.findings],
    };
  }

  protected load(from: Checkpoint): void {
    this.tree.load(from.tree);
    this.levels = [...from.levels];
    this.next = from.next;
    this.transitions = from.transitions;
    this.cut = from.cut;
    this.deadlocks = from.deadlocks;
    this.log.load(from.findings);
  }
}

export interface Checkpoint {
  readonly tree: Int32Array;
  readonly seen: Int32Array;
  readonly levels: readonly number[];
  readonly next: number;
  readonly transitions: number;
  readonly cut: number;
  readonly deadlocks: number;
  readonly findings: readonly Finding[];
}
