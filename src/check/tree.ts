/**
 * The states met, as a tree: each is known by its parent and the action that led to it, 12 bytes a
 * state. The state itself is rebuilt when it is needed, by going the way from the nearest ancestor
 * that is still in a slot. States of a level are in the order of their parents, so that this costs
 * one or two actions a state.
 */
import { assert } from '../base/index.ts';
import type { Model } from './model.ts';

export class Tree {
  /** Node 0 is the initial state, its own parent. */
  parent = new Int32Array(1 << 12);
  action = new Int32Array(1 << 12);
  /** Properties broken on the way to the node. */
  broken = new Int32Array(1 << 12);
  used = 1;

  get bytes(): number {
    return this.parent.length * 12;
  }

  add(parent: number, action: number, broken: number): number {
    if (this.used === this.parent.length) {
      this.parent = doubled(this.parent);
      this.action = doubled(this.action);
      this.broken = doubled(this.broken);
    }
    const node = this.used++;
    this.parent[node] = parent;
    this.action[node] = action;
    this.broken[node] = broken;
    return node;
  }

  /** Actions from the initial state to a node. */
  pathTo(node: number): number[] {
    const path: number[] = [];
    for (let at = node; at !== 0; at = this.parent[at]!) path.push(this.action[at]!);
    return path.reverse();
  }
}

function doubled(old: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(old.length * 2);
  grown.set(old);
  return grown;
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
    for (let at = node; at !== 0; at = tree.parent[at]!) way.push(at);
    const depth = way.length;
    let common = 0;
    while (common < depth && chain[common + 1] === way[depth - 1 - common]) common++;
    chain.length = common + 1;
    model.restore(common);
    for (let d = common + 1; d <= depth; d++) {
      const next = way[depth - d]!;
      assert(model.act(tree.action[next]!) !== 1, 'an action that was possible is so again');
      model.save(d);
      chain.push(next);
    }
    return depth;
  }
}
