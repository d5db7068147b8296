/**
 * The set of fingerprints that were met: open addressing in one Int32Array, two words a slot, no
 * deletions. A word of 0 is "empty", so that fingerprints have none (keepNonZero()).
 *
 * Two different states with one fingerprint would be taken for one. With n states the chance that
 * any two share one is below n^2 / 2^65: collisionChance().
 */
import { assert } from '../base/index.ts';

const LOAD_MAX = 0.7;

export function collisionChance(states: number): number {
  return (states * states) / 2 ** 65;
}

/** Fingerprint words are not 0. Costs nothing measurable of the 64 bits. */
export function keepNonZero(word: number): number {
  return word === 0 ? 0x9e3779b9 | 0 : word;
}

export class Seen {
  /** Fingerprints in the set. */
  size = 0;
  private slots: Int32Array;
  private mask: number;

  /** `slots` is a power of two. */
  constructor(slots = 1 << 16) {
    assert((slots & (slots - 1)) === 0, 'a table of fingerprints has a power of two of slots');
    this.slots = new Int32Array(slots * 2);
    this.mask = slots - 1;
  }

  get bytes(): number {
    return this.slots.length * 4;
  }

  /** Adding one more would double the table. */
  get isFull(): boolean {
    return this.size >= (this.mask + 1) * LOAD_MAX;
  }

  /** True when the fingerprint was not in the set; it is then. */
  add(a: number, b: number): boolean {
    if (this.isFull) this.grow();
    const { slots, mask } = this;
    for (let at = (a ^ (b << 7)) & mask; ; at = (at + 1) & mask) {
      const word = slots[at * 2]!;
      if (word === 0) {
        slots[at * 2] = a;
        slots[at * 2 + 1] = b;
        this.size++;
        return true;
      }
      if (word === a && slots[at * 2 + 1] === b) return false;
    }
  }

  has(a: number, b: number): boolean {
    const { slots, mask } = this;
    for (let at = (a ^ (b << 7)) & mask; ; at = (at + 1) & mask) {
      const word = slots[at * 2]!;
      if (word === 0) return false;
      if (word === a && slots[at * 2 + 1] === b) return true;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    this.size = 0;
    for (let i = 0; i < old.length; i += 2) if (old[i] !== 0) this.add(old[i]!, old[i + 1]!);
  }

  /** The words of all fingerprints, for a checkpoint. */
  words(): Int32Array {
    const out = new Int32Array(this.size * 2);
    let used = 0;
    const { slots } = this;
    for (let i = 0; i < slots.length; i += 2) {
      if (slots[i] === 0) continue;
      out[used++] = slots[i]!;
      out[used++] = slots[i + 1]!;
    }
    return out;
  }

  static from(words: Int32Array): Seen {
    let slots = 1 << 16;
    while (words.length / 2 >= slots * LOAD_MAX) slots *= 2;
    const seen = new Seen(slots);
    for (let i = 0; i < words.length; i += 2) seen.add(words[i]!, words[i + 1]!);
    return seen;
  }
}
