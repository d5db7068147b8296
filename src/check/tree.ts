/**
 * The states met, as a tree: each is known by its parent and the action that led to it, 12 bytes a
 * state. The state itself is rebuilt when it is needed, by going the way from the nearest ancestor
 * that is still in a slot. States of a level are in the order of their parents, so that this costs
 * one or two actions a state.
 *
 *   words   parent, action, properties broken on the way: three a node
 *
 * Node 0 is the initial state, its own parent. The words may be shared between threads: one thread
 * adds nodes, while no other reads.
 */
import type { Model } from './model.ts';

const PARENT = 0;
const ACTION = 1;
const BROKEN = 2;
const NODE_WORDS = 3;

export type TreeBuffer = ArrayBuffer | SharedArrayBuffer;

export class Tree {
  words: Int32Array<TreeBuffer>;
  used = 1;

  constructor(buffer: TreeBuffer = new ArrayBuffer(NODE_WORDS << 14)) {
    this.words = new Int32Array(buffer);
  }

  get bytes(): number {
    return this.words.length * 4;
  }

  parent(node: number): number {
    return this.words[node * NODE_WORDS + PARENT]!;
  }

  action(node: number): number {
    return this.words[node * NODE_WORDS + ACTION]!;
  }

  broken(node: number): number {
    return this.words[node * NODE_WORDS + BROKEN]!;
  }

  setBroken(node: number, broken: number): void {
    this.words[node * NODE_WORDS + BROKEN] = broken;
  }

  add(parent: number, action: number, broken: number): number {
    const at = this.used * NODE_WORDS;
    if (at + NODE_WORDS > this.words.length) this.grow(this.words.length * 2);
    const { words } = this;
    words[at + PARENT] = parent;
    words[at + ACTION] = action;
    words[at + BROKEN] = broken;
    return this.used++;
  }

  private grow(length: number): void {
    const Kind = this.words.buffer.constructor as new (bytes: number) => TreeBuffer;
    const grown = new Int32Array(new Kind(length * 4));
    grown.set(this.words);
    this.words = grown;
  }

  /** The words of the nodes there are, and a tree of such words. */
  saved(): Int32Array {
    return this.words.slice(0, this.used * NODE_WORDS);
  }

  load(saved: Int32Array): void {
    let length = this.words.length;
    while (length < saved.length) length *= 2;
    this.grow(length);
    this.words.set(saved);
    this.used = saved.length / NODE_WORDS;
  }

  /** Actions from the initial state to a node. */
  pathTo(node: number): number[] {
    const path: number[] = [];
    for (let at = node; at !== 0; at = this.parent(at)) path.push(this.action(at));
    return path.reverse();
  }

  /** Steps from the first broken state on the way to a node, itself among them. */
  stepsSinceBroken(node: number): number {
    let steps = 0;
    for (let at = node; at !== 0 && this.broken(this.parent(at)) !== 0; at = this.parent(at)) {
      steps++;
    }
    return steps;
  }
}

/** Moves a model from node to node of a tree. */
export class Guide {
  private readonly model: Model;
  private readonly tree: Tree;
  /** chain[d]: the node whose state slot d holds; valid up to `depth`. */
  private readonly chain: number[] = [];
  private readonly way: number[] = [];

  constructor(model: Model, tree: Tree) {
    this.model = model;
    this.tree = tree;
  }

  /** Makes the node's state current and keeps it in the slot of its depth, which is returned. */
  goTo(node: number): number {
    const { model, tree, chain, way } = this;
    if (chain.length === 0) {
      model.reset();
      model.save(0);
      chain.push(0);
    }
    way.length = 0;
    for (let at = node; at !== 0; at = tree.parent(at)) way.push(at);
    const depth = way.length;
    let common = 0;
    while (common < depth && chain[common + 1] === way[depth - 1 - common]) common++;
    chain.length = common + 1;
    model.restore(common);
    for (let d = common + 1; d <= depth; d++) {
      const next = way[depth - d]!;
      model.again(tree.action(next));
      model.save(d);
      chain.push(next);
    }
    return depth;
  }
}
