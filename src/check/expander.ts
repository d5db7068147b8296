/**
 * One thread's part in a round of a parallel search: it takes chunks of nodes as long as there are
 * any, expands them, and writes down what it met:
 *
 *   arrivals  one row for each time that it met a state as new, or from an earlier node than others:
 *             slot, node, action, what the action broke, what the state breaks (judged by one thread)
 *   news      one row for each first of a kind of violation: node, action, properties
 *
 * Chunks are taken in ascending order, so that the rows of a thread ascend by node. Whose arrival
 * counts is settled when all threads are done (parallel_search.ts).
 */
import { ageOf, type Expansion, NodeExpander, ofAge } from './expand.ts';
import type { Model } from './model.ts';
import { keepNonZero } from './seen.ts';
import { SEEN_NEW, SEEN_OLD, SharedSeen } from './shared_seen.ts';
import { Guide, Tree } from './tree.ts';

/** Nodes that a thread takes at a time: neighbours, so that they are cheap to go to. */
export const CHUNK = 16;
export const ARRIVAL_WORDS = 5;
export const NEWS_WORDS = 3;

/** Words of a round that all threads change. */
export const ROUND_NEXT = 0;
export const ROUND_TRANSITIONS = 1;
export const ROUND_CLAIMED = 2;
export const ROUND_WORDS = 3;

/** What is to be done; can be sent to another thread. */
export interface Round {
  /** Nodes that this round is about. */
  readonly from: number;
  readonly to: number;
  /** No chunk is begun when so many transitions were made, or so many states claimed. */
  readonly transitions: number;
  readonly claims: number;
  readonly aftermath: number;
  readonly shared: SharedArrayBuffer;
  readonly tree: SharedArrayBuffer;
  readonly seen: SharedArrayBuffer;
}

/** What a thread did in it. */
export interface Share {
  readonly arrivals: Int32Array<ArrayBuffer>;
  readonly news: Int32Array<ArrayBuffer>;
  readonly transitions: number;
  readonly cut: number;
  readonly deadlocks: number;
}

/** Rows of words that grow. */
class RowLog {
  private words: Int32Array<ArrayBuffer>;
  private used = 0;

  constructor(words: number) {
    this.words = new Int32Array(words);
  }

  /** Where the next row begins, after making room for it. */
  private take(width: number): number {
    if (this.used + width > this.words.length) {
      const grown = new Int32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    const at = this.used;
    this.used += width;
    return at;
  }

  arrival(slot: number, node: number, action: number, broken: number, ofState: number): void {
    const at = this.take(ARRIVAL_WORDS);
    const { words } = this;
    words[at] = slot;
    words[at + 1] = node;
    words[at + 2] = action;
    words[at + 3] = broken;
    words[at + 4] = ofState;
  }

  news(node: number, action: number, properties: number): void {
    const at = this.take(NEWS_WORDS);
    const { words } = this;
    words[at] = node;
    words[at + 1] = action;
    words[at + 2] = properties;
  }

  /** A copy of the rows; the log is empty then. */
  drain(): Int32Array<ArrayBuffer> {
    const out = this.words.slice(0, this.used);
    this.used = 0;
    return out;
  }
}

export class Expander implements Expansion {
  private readonly model: Model;
  private readonly tree = new Tree(new SharedArrayBuffer(12));
  private readonly nodes: NodeExpander;
  private readonly print = new Int32Array(2);
  private readonly arrivals = new RowLog(1 << 12);
  private readonly news = new RowLog(1 << 8);
  /** Kinds of violation that this thread has met: of each it tells the first. */
  private readonly kinds = new Set<string>();
  private seen: SharedSeen | undefined;
  private shared: Int32Array = new Int32Array(0);
  private from = 0;
  transitions = 0;
  cut = 0;
  deadlocks = 0;

  constructor(model: Model) {
    this.model = model;
    this.nodes = new NodeExpander(model, this.tree, new Guide(model, this.tree));
  }

  /** Looks at what the round is about. */
  private enter(round: Round): void {
    const { tree } = this;
    if (tree.words.buffer !== round.tree) tree.words = new Int32Array(round.tree);
    if (this.seen?.words.buffer !== round.seen) {
      this.seen = new SharedSeen(new Int32Array(round.seen));
    }
    this.shared = new Int32Array(round.shared);
    this.from = round.from;
  }

  /** Takes chunks until none is left, or the round has had its fill. */
  take(round: Round): void {
    this.enter(round);
    while (this.expandChunk(round));
  }

  /** Takes one chunk; false when there is none to begin. */
  chunk(round: Round): boolean {
    this.enter(round);
    return this.expandChunk(round);
  }

  private expandChunk(round: Round): boolean {
    const { shared } = this;
    if (Atomics.load(shared, ROUND_TRANSITIONS) >= round.transitions) return false;
    if (Atomics.load(shared, ROUND_CLAIMED) >= round.claims) return false;
    const start = Atomics.add(shared, ROUND_NEXT, CHUNK);
    if (start >= round.to) return false;
    const end = Math.min(start + CHUNK, round.to);
    const before = this.transitions;
    for (let node = start; node < end; node++) this.nodes.expand(node, round.aftermath, this);
    Atomics.add(shared, ROUND_TRANSITIONS, this.transitions - before);
    return true;
  }

  /** What was met since the last share. */
  share(): Share {
    const { transitions, cut, deadlocks } = this;
    this.transitions = 0;
    this.cut = 0;
    this.deadlocks = 0;
    return {
      arrivals: this.arrivals.drain(),
      news: this.news.drain(),
      transitions,
      cut,
      deadlocks,
    };
  }

  /** What an action led to (Expansion). */
  arrive(node: number, before: number, action: number, age: number): void {
    const { model, print } = this;
    const seen = this.seen!;
    const broken = model.brokenByAction();
    model.fingerprint(print);
    const second = ofAge(print[1]!, ageOf(age, broken));
    const met = seen.add(keepNonZero(print[0]!), keepNonZero(second), node, this.from);
    const news = broken & ~before;
    if (news !== 0) this.tell(news, node, action);
    if (met === SEEN_OLD) return;
    let ofState = 0;
    if (met === SEEN_NEW) {
      Atomics.add(this.shared, ROUND_CLAIMED, 1);
      ofState = model.brokenInState();
    }
    this.arrivals.arrival(seen.slot, node, action, broken, ofState);
  }

  /** Notes an arrival that has a kind of violation which this thread has not told. */
  private tell(news: number, node: number, action: number): void {
    const { model, kinds } = this;
    let fresh = 0;
    for (let property = 0; property < model.properties.length; property++) {
      if ((news & (1 << property)) === 0) continue;
      const key = `${property} ${model.kindOf(property, action)}`;
      if (kinds.has(key)) continue;
      kinds.add(key);
      fresh |= 1 << property;
    }
    if (fresh !== 0) this.news.news(node, action, fresh);
  }
}
