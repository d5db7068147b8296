/** Seeded random walks: long programs, a thin sample of all there are. */
import { Random } from '../base/index.ts';
import { ACT_CUT, ACT_DISABLED, type Finding, type Model } from './model.ts';
import { keepNonZero, Seen } from './seen.ts';

export interface WalkOptions {
  readonly seed: number;
  readonly walks: number;
  readonly depth: number;
}

export class RandomWalk {
  readonly findings: Finding[] = [];
  transitions = 0;
  walks = 0;
  /** Different states met. */
  private readonly seen = new Seen();
  private readonly kinds = new Set<string>();
  private readonly random: Random;
  private readonly model: Model;
  private readonly options: WalkOptions;
  private readonly offered: Int32Array;
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: WalkOptions) {
    this.model = model;
    this.options = options;
    this.random = new Random(options.seed);
    this.offered = new Int32Array(model.actionsMax);
    model.reset();
    model.save(0);
  }

  get states(): number {
    return this.seen.size;
  }

  /** Goes on for about `budget` transitions; false when all walks are done. */
  run(budget: number): boolean {
    const goal = this.transitions + budget;
    while (this.walks < this.options.walks) {
      if (this.transitions >= goal) return true;
      this.walk();
      this.walks++;
    }
    return false;
  }

  private walk(): void {
    const { model, random, offered, print } = this;
    model.restore(0);
    const path: number[] = [];
    let before = 0;
    while (path.length < this.options.depth) {
      let n = model.actions(offered);
      let action = -1;
      // Actions that turn out to be impossible are struck off.
      while (n > 0 && action < 0) {
        const at = random.below(n);
        const done = model.act(offered[at]!);
        if (done === ACT_CUT) return;
        if (done === ACT_DISABLED) offered[at] = offered[--n]!;
        else action = offered[at]!;
      }
      if (action < 0) return;
      this.transitions++;
      path.push(action);
      model.fingerprint(print);
      const isNew = this.seen.add(keepNonZero(print[0]!), keepNonZero(print[1]!));
      const ofAction = model.brokenByAction();
      const broken = isNew ? ofAction | model.brokenInState() : ofAction;
      this.tell(broken & ~before, path);
      if (broken !== 0 && before !== 0) return;
      before |= broken;
    }
  }

  private tell(news: number, path: readonly number[]): void {
    if (news === 0) return;
    for (let property = 0; property < this.model.properties.length; property++) {
      if ((news & (1 << property)) === 0) continue;
      const kind = this.model.kindOf(property, path[path.length - 1]!);
      const key = `${property} ${kind}`;
      if (this.kinds.has(key)) continue;
      this.kinds.add(key);
      this.findings.push({ property, kind, actions: [...path] });
    }
  }
}
