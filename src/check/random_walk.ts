/** Seeded random walks: long programs, a thin sample of all there are. */
import { Random } from '../base/index.ts';
import { FindingLog } from './finding_log.ts';
import { ACT_CUT, ACT_DISABLED, type Finding, type Model } from './model.ts';
import { keepNonZero, Seen } from './seen.ts';

export interface WalkOptions {
  readonly seed: number;
  readonly walks: number;
  readonly depth: number;
}

export class RandomWalk {
  transitions = 0;
  walks = 0;
  /** Different states met. */
  private readonly seen = new Seen();
  private readonly log: FindingLog;
  private readonly random: Random;
  private readonly model: Model;
  private readonly options: WalkOptions;
  private readonly offered: Int32Array;
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: WalkOptions) {
    this.model = model;
    this.options = options;
    this.log = new FindingLog(model);
    this.random = new Random(options.seed);
    this.offered = new Int32Array(model.actionsMax);
    model.reset();
    model.save(0);
  }

  get findings(): readonly Finding[] {
    return this.log.findings;
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
      this.log.tell(broken & ~before, path.at(-1) ?? -1, () => path);
      if (broken !== 0 && before !== 0) return;
      before |= broken;
    }
  }
}
