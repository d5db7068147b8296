/**
 * The set of fingerprints that threads share. Three words a slot, in memory that all of them see:
 *
 *   0  first word of the fingerprint; 0: the slot is empty
 *   1  second word; 0 for the moment between the claim of the slot and its completion
 *   2  the node that leads to the state; of all nodes that do, the first in the order of the tree
 *
 * Threads expand nodes of one level at a time, none twice, so that a node above all that are being
 * expanded tells a state that is new in this round. A new state belongs to its first node, whichever
 * thread met it first: so the tree does not depend on how threads take turns.
 */
import { assert } from '../base/index.ts';

const SLOT_WORDS = 3;
/** The node of the initial state and of all states that were settled before. */
const SETTLED = -1;
const LOAD_MAX = 0.7;
const SLOTS_MIN = 1 << 14;

/** What `add` says. */
export const SEEN_OLD = 0;
/** Nobody met the state before. */
export const SEEN_NEW = 1;
/** Another node was found to lead there in this round, but this one comes before it. */
export const SEEN_EARLIER = 2;

export class SharedSeen {
  readonly words: Int32Array<SharedArrayBuffer>;
  private readonly mask: number;
  /** Slot that the last add() that was not SEEN_OLD is about. */
  slot = 0;

  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.words = words;
    this.mask = words.length / SLOT_WORDS - 1;
    assert(((words.length / SLOT_WORDS) & this.mask) === 0, 'a table has a power of two of slots');
  }

  /** An empty table that takes so many fingerprints. */
  static withRoom(fingerprints: number): SharedSeen {
    let slots = SLOTS_MIN;
    while (slots * LOAD_MAX < fingerprints) slots *= 2;
    return new SharedSeen(new Int32Array(new SharedArrayBuffer(slots * SLOT_WORDS * 4)));
  }

  get bytes(): number {
    return this.words.length * 4;
  }

  /** Fingerprints that it takes. */
  get room(): number {
    return Math.floor((this.mask + 1) * LOAD_MAX);
  }

  /** Adds a state that `node` leads to; nodes from `from` on are being expanded in this round. */
  add(a: number, b: number, node: number, from: number): number {
    const { words, mask } = this;
    for (let index = (a ^ (b << 7)) & mask; ; index = (index + 1) & mask) {
      const at = index * SLOT_WORDS;
      let found = Atomics.load(words, at);
      if (found === 0) {
        found = Atomics.compareExchange(words, at, 0, a);
        if (found === 0) {
          Atomics.store(words, at + 2, node);
          Atomics.store(words, at + 1, b);
          this.slot = at;
          return SEEN_NEW;
        }
      }
      if (found !== a) continue;
      let second = Atomics.load(words, at + 1);
      while (second === 0) second = Atomics.load(words, at + 1);
      if (second === b) return this.lower(at, node, from);
    }
  }

  /** Makes `node` the one that leads to the slot's state, if it comes before the one noted. */
  private lower(at: number, node: number, from: number): number {
    const { words } = this;
    let noted = Atomics.load(words, at + 2);
    while (noted >= from && node < noted) {
      const was = Atomics.compareExchange(words, at + 2, noted, node);
      if (was === noted) {
        this.slot = at;
        return SEEN_EARLIER;
      }
      noted = was;
    }
    return SEEN_OLD;
  }

  /** The node that leads to a slot's state. */
  nodeOf(slot: number): number {
    return this.words[slot + 2]!;
  }

  /** The fingerprints, two words each. */
  fingerprints(): Int32Array {
    const { words } = this;
    let size = 0;
    for (let at = 0; at < words.length; at += SLOT_WORDS) if (words[at] !== 0) size++;
    const out = new Int32Array(size * 2);
    let used = 0;
    for (let at = 0; at < words.length; at += SLOT_WORDS) {
      if (words[at] === 0) continue;
      out[used++] = words[at]!;
      out[used++] = words[at + 1]!;
    }
    return out;
  }

  /** A table of twice the room with the same states and nodes. */
  doubled(): SharedSeen {
    const { words } = this;
    const seen = SharedSeen.withRoom(this.room * 2);
    for (let at = 0; at < words.length; at += SLOT_WORDS) {
      if (words[at] !== 0) seen.add(words[at]!, words[at + 1]!, words[at + 2]!, 0);
    }
    return seen;
  }

  /** A table with more room, all states settled. */
  static from(fingerprints: Int32Array, room: number): SharedSeen {
    const seen = SharedSeen.withRoom(room);
    for (let i = 0; i < fingerprints.length; i += 2) {
      seen.add(fingerprints[i]!, fingerprints[i + 1]!, SETTLED, 0);
    }
    return seen;
  }
}
