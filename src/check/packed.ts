/**
 * Exploration of models whose states are a few words: the states themselves lie in one Int32Array
 * in the order in which they were met, the queue is that array, and the table compares states, not
 * fingerprints: nothing is ever taken for something else.
 */
import { assert } from '../base/index.ts';

export interface PackedModel {
  /** Words of a state. */
  readonly words: number;
  /** The most successors of a state. */
  readonly fanOut: number;
  /** Writes the initial state. */
  initial(into: Int32Array): void;
  /** Writes all successors of the state at `from`, one after the other; returns how many. */
  successors(states: Int32Array, from: number, into: Int32Array): number;
  /** True when the state at `from` must not be. */
  isBad?(states: Int32Array, from: number): boolean;
}

export interface PackedResult {
  readonly states: number;
  readonly transitions: number;
  /** Length of the longest of all shortest ways. */
  readonly depth: number;
  readonly deadlocks: number;
  /** States from the initial one to the nearest bad one; empty if there is none. */
  readonly bad: readonly (readonly number[])[];
}

/** What no state of one word may be: an empty slot. */
const EMPTY = -0x80000000;

export class PackedSearch {
  /** All states met, `words` each, and the index of each one's parent. */
  states: Int32Array<ArrayBuffer>;
  parents = new Int32Array(1 << 14);
  used = 0;
  transitions = 0;
  private table: Int32Array<ArrayBuffer>;
  private mask = (1 << 16) - 1;
  private readonly model: PackedModel;

  constructor(model: PackedModel) {
    this.model = model;
    this.states = new Int32Array(model.words << 14);
    this.table = new Int32Array(this.mask + 1).fill(EMPTY);
  }

  run(): PackedResult {
    const { model } = this;
    const { words } = model;
    const out = new Int32Array(words * model.fanOut);
    model.initial(out);
    this.add(out, 0, 0);
    let depth = 0;
    let deadlocks = 0;
    let levelEnd = 1;
    for (let node = 0; node < this.used; node++) {
      if (node === levelEnd) {
        depth++;
        levelEnd = this.used;
      }
      if (model.isBad?.(this.states, node * words) === true) {
        return this.result(depth, deadlocks, this.wayTo(node));
      }
      const n = model.successors(this.states, node * words, out);
      this.transitions += n;
      if (n === 0) deadlocks++;
      if (words === 1) for (let i = 0; i < n; i++) this.addWord(out[i]!, node);
      else for (let i = 0; i < n; i++) this.add(out, i * words, node);
    }
    return this.result(depth, deadlocks, []);
  }

  private result(depth: number, deadlocks: number, bad: number[][]): PackedResult {
    return { states: this.used, transitions: this.transitions, depth, deadlocks, bad };
  }

  private wayTo(node: number): number[][] {
    const { words } = this.model;
    const way: number[][] = [];
    for (let at = node; ; at = this.parents[at]!) {
      way.push([...this.states.subarray(at * words, at * words + words)]);
      if (at === 0) return way.reverse();
    }
  }

  private push(parent: number): number {
    if (this.used === this.parents.length) {
      this.parents = doubled(this.parents);
      this.states = doubled(this.states);
    }
    this.parents[this.used] = parent;
    return this.used++;
  }

  /** States of one word: the table holds the states. */
  private addWord(state: number, parent: number): void {
    const { table, mask } = this;
    let at = hash1(state) & mask;
    for (let found = table[at]!; found !== EMPTY; found = table[at]!) {
      if (found === state) return;
      at = (at + 1) & mask;
    }
    table[at] = state;
    const node = this.push(parent);
    this.states[node] = state;
    if (this.used * 2 > mask) this.grow();
  }

  /** States of more words: the table holds their indexes. */
  private add(from: Int32Array, start: number, parent: number): void {
    const { words } = this.model;
    if (words === 1) {
      assert(from[start] !== EMPTY, 'the one word that means an empty slot is no state');
      this.addWord(from[start]!, parent);
      return;
    }
    const { table, mask, states } = this;
    let at = hashWords(from, start, words) & mask;
    for (let found = table[at]!; found !== EMPTY; found = table[at]!) {
      let i = 0;
      while (i < words && states[found * words + i] === from[start + i]) i++;
      if (i === words) return;
      at = (at + 1) & mask;
    }
    table[at] = this.used;
    const node = this.push(parent);
    for (let i = 0; i < words; i++) this.states[node * words + i] = from[start + i]!;
    if (this.used * 2 > mask) this.grow();
  }

  private grow(): void {
    const { words } = this.model;
    this.mask = this.mask * 4 + 3;
    const { mask } = this;
    const table = new Int32Array(mask + 1).fill(EMPTY);
    for (let node = 0; node < this.used; node++) {
      let at =
        (words === 1 ? hash1(this.states[node]!) : hashWords(this.states, node * words, words)) &
        mask;
      while (table[at] !== EMPTY) at = (at + 1) & mask;
      table[at] = words === 1 ? this.states[node]! : node;
    }
    this.table = table;
  }
}

function doubled(old: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(old.length * 2);
  grown.set(old);
  return grown;
}

function hash1(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}

function hashWords(from: Int32Array, start: number, words: number): number {
  let h = 0;
  for (let i = start; i < start + words; i++) {
    h = Math.imul(h ^ from[i]!, 0x7feb352d);
    h ^= h >>> 15;
  }
  h = Math.imul(h, 0x846ca68b);
  return h ^ (h >>> 16);
}
