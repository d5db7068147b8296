/**
 * Breadth-first search on several threads that finds what breadth_first.ts finds: the same tree of
 * states, node for node, and the same findings.
 *
 *   round()     what is to be expanded next: some nodes of the level, in memory that threads share
 *   Expander    each thread's part, all at the same time (expander.ts)
 *   join()      settles whose the new states are, by the order of the tree, and appends them
 *
 * Threads share the tree and the fingerprints, so that nothing is copied but a row a new state. Who
 * runs the threads is not known here: a test runs several Expanders in one thread, by turns.
 */
import { assert } from '../base/index.ts';
import {
  ARRIVAL_WORDS,
  CHUNK,
  NEWS_WORDS,
  ROUND_CLAIMED,
  ROUND_NEXT,
  ROUND_TRANSITIONS,
  ROUND_WORDS,
  type Round,
  type Share,
} from './expander.ts';
import { type Checkpoint, LevelSearch, type SearchOptions } from './level_search.ts';
import type { Model } from './model.ts';
import { keepNonZero } from './seen.ts';
import { SharedSeen } from './shared_seen.ts';
import { Guide } from './tree.ts';

/** Properties that an arrival broke for the first time, to be told in the order of the tree. */
interface News {
  readonly node: number;
  readonly action: number;
  readonly properties: number;
}

export class ParallelSearch extends LevelSearch {
  private seen: SharedSeen;
  private readonly jobs: number;
  private readonly shared = new Int32Array(new SharedArrayBuffer(4 * ROUND_WORDS));
  private isOut = false;

  constructor(model: Model, options: SearchOptions, jobs: number, from?: Checkpoint) {
    super(model, options, new SharedArrayBuffer(12 << 12));
    this.jobs = jobs;
    const print = new Int32Array(2);
    new Guide(model, this.tree).goTo(0);
    model.fingerprint(print);
    const root = Int32Array.of(keepNonZero(print[0]!), keepNonZero(print[1]!));
    if (from !== undefined) this.load(from);
    const seen = from === undefined ? root : from.seen;
    this.seen = SharedSeen.from(seen, seen.length / 2 + 2 * this.slack);
    if (from !== undefined) return;
    const broken = model.brokenInState();
    this.tree.setBroken(0, broken);
    this.tell(broken, 0, -1);
  }

  /** States that threads may claim after the last look at how many there are. */
  private get slack(): number {
    return this.jobs * CHUNK * this.model.actionsMax;
  }

  protected get seenBytes(): number {
    return this.seen.bytes;
  }

  protected seenWords(): Int32Array {
    return this.seen.fingerprints();
  }

  /** What is to be done next, about `budget` transitions; undefined when the search has ended. */
  round(budget: number): Round | undefined {
    assert(!this.isOut, 'a round is joined before the next one');
    if (this.end !== 'running' || this.atLevelEnd()) return undefined;
    if (this.bytes > this.options.memory || !this.makeRoom()) {
      this.end = 'memory';
      return undefined;
    }
    this.isOut = true;
    const { shared, tree, seen } = this;
    shared[ROUND_NEXT] = this.next;
    shared[ROUND_TRANSITIONS] = 0;
    shared[ROUND_CLAIMED] = 0;
    return {
      from: this.next,
      to: this.levels[this.levels.length - 1]!,
      transitions: budget,
      claims: seen.room - this.states - this.slack,
      aftermath: this.options.aftermath,
      shared: shared.buffer,
      tree: tree.words.buffer as SharedArrayBuffer,
      seen: seen.words.buffer,
    };
  }

  /** A round that is so small that other threads would only wait. */
  static isSmall(round: Round): boolean {
    return round.to - round.from <= 16 * CHUNK;
  }

  /** The table has room for the least that a round claims; false when that is beyond the limit. */
  private makeRoom(): boolean {
    const needed = this.states + 2 * this.slack;
    if (this.seen.room >= needed) return true;
    if (this.bytes + 2 * this.seen.bytes > this.options.memory) return false;
    this.seen = SharedSeen.from(this.seen.fingerprints(), Math.max(needed, this.seen.room * 2));
    return true;
  }

  /** Ends a round: all threads' shares are there. */
  join(round: Round, shares: readonly Share[]): void {
    this.isOut = false;
    const news: News[] = [];
    for (const share of shares) {
      this.transitions += share.transitions;
      this.cut += share.cut;
      this.deadlocks += share.deadlocks;
      const rows = share.news;
      for (let i = 0; i < rows.length; i += NEWS_WORDS) {
        news.push({ node: rows[i]!, action: rows[i + 1]!, properties: rows[i + 2]! });
      }
    }
    this.append(shares, this.lostVerdicts(shares), news);
    this.tellAll(news);
    this.next = Math.min(this.shared[ROUND_NEXT]!, round.to);
  }

  /** Tells in the order of the tree; what an arrival broke and what its state breaks, as one. */
  private tellAll(news: News[]): void {
    news.sort((a, b) => a.node - b.node || a.action - b.action);
    for (let i = 0; i < news.length; ) {
      const { node, action } = news[i]!;
      let properties = 0;
      for (; news[i]?.node === node && news[i]?.action === action; i++) {
        properties |= news[i]!.properties;
      }
      this.tell(properties, node, action);
    }
  }

  /** Verdicts on states by threads whose arrival does not count: by slot. */
  private lostVerdicts(shares: readonly Share[]): Map<number, number> {
    const lost = new Map<number, number>();
    for (const { arrivals } of shares) {
      for (let i = 0; i < arrivals.length; i += ARRIVAL_WORDS) {
        const ofState = arrivals[i + 4]!;
        const slot = arrivals[i]!;
        if (ofState !== 0 && this.seen.nodeOf(slot) !== arrivals[i + 1]!) lost.set(slot, ofState);
      }
    }
    return lost;
  }

  /** Appends the new states to the tree, in the order of the nodes that lead to them. */
  private append(shares: readonly Share[], lost: Map<number, number>, news: News[]): void {
    const { tree, seen } = this;
    const at = shares.map(() => 0);
    for (;;) {
      let which = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < shares.length; i++) {
        const node = shares[i]!.arrivals[at[i]! + 1];
        if (node !== undefined && node < least) {
          least = node;
          which = i;
        }
      }
      if (which < 0) return;
      const rows = shares[which]!.arrivals;
      let row = at[which]!;
      const before = tree.broken(least);
      for (; rows[row + 1] === least; row += ARRIVAL_WORDS) {
        if (seen.nodeOf(rows[row]!) !== least) continue;
        const ofState = rows[row + 4]! | (lost.get(rows[row]!) ?? 0);
        const action = rows[row + 2]!;
        if ((ofState & ~before) !== 0) {
          news.push({ node: least, action, properties: ofState & ~before });
        }
        tree.add(least, action, before | rows[row + 3]! | ofState);
      }
      at[which] = row;
    }
  }
}
