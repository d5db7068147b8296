/**
 * One node of a breadth-first search: every action that is possible there, tried once.
 *
 * What follows a violation is cut off some steps later, so how long ago one was is part of a state:
 * of two ways to one state of the model, the one that was broken later goes on for longer.
 */
import { ACT_CUT, ACT_DISABLED, type Model } from './model.ts';
import type { Guide, Tree } from './tree.ts';

/** Who expands: what it counts, and what it does where an action leads. */
export interface Expansion {
  transitions: number;
  /** Actions that led out of the bounds. */
  cut: number;
  /** States that have no possible action. */
  deadlocks: number;
  /**
   * `action` led from `node`, where `before` was broken, to the current state. `age`: see ageOf();
   * 0 if nothing was broken yet.
   */
  arrive(node: number, before: number, action: number, age: number): void;
}

/** How long ago a way to a state broke a law: 0 never, 1 by its last action, 2 by the one before. */
export function ageOf(age: number, brokenNow: number): number {
  return age === 0 && brokenNow !== 0 ? 1 : age;
}

/** The second word of a fingerprint, for a state of that age. */
export function ofAge(second: number, age: number): number {
  return second ^ Math.imul(age, 0x9e3779b1);
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
    const since = before === 0 ? 0 : tree.stepsSinceBroken(node);
    if (before !== 0 && since >= aftermath) return;
    const age = before === 0 ? 0 : since + 2;
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
      else to.arrive(node, before, action, age);
      model.restore(depth);
    }
    if (possible === 0) to.deadlocks++;
  }
}
