/** One node of a breadth-first search: every action that is possible there, tried once. */
import { ACT_CUT, ACT_DISABLED, type Model } from './model.ts';
import type { Guide, Tree } from './tree.ts';

/** Who expands: what it counts, and what it does where an action leads. */
export interface Expansion {
  transitions: number;
  /** Actions that led out of the bounds. */
  cut: number;
  /** States that have no possible action. */
  deadlocks: number;
  /** `action` led from `node`, where `before` was broken, to the current state. */
  arrive(node: number, before: number, action: number): void;
}

export class NodeExpander {
  private readonly model: Model;
  private readonly tree: Tree;
  private readonly guide: Guide;
  private readonly offered: Int32Array;

  constructor(model: Model, tree: Tree, guide: Guide) {
    this.model = model;
    this.tree = tree;
    this.guide = guide;
    this.offered = new Int32Array(model.actionsMax);
  }

  /** Nothing where a violation lies more than `aftermath` steps back. */
  expand(node: number, aftermath: number, to: Expansion): void {
    const { model, tree, offered } = this;
    const before = tree.broken(node);
    if (before !== 0 && tree.stepsSinceBroken(node) >= aftermath) return;
    const depth = this.guide.goTo(node);
    const n = model.actions(offered);
    let possible = 0;
    for (let i = 0; i < n; i++) {
      const action = offered[i]!;
      const done = model.act(action);
      if (done === ACT_DISABLED) continue;
      possible++;
      to.transitions++;
      if (done === ACT_CUT) to.cut++;
      else to.arrive(node, before, action);
      model.restore(depth);
    }
    if (possible === 0) to.deadlocks++;
  }
}
