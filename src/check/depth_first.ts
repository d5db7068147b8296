/**
 * Depth-first search within a bound: a program is followed to its end before the next one is begun.
 * It keeps no tree, only fingerprints with the least depth at which each state was met: a state that
 * is met again at a lesser depth is followed again, because more of what comes after is within the
 * bound. So it meets the states that breadth_first.ts meets, with more transitions in less memory;
 * its counterexamples are within the bound, but not the shortest.
 *
 * A state that a broken law led to is told from the same state without: what follows a violation is
 * cut off sooner.
 */

import { FindingLog } from './finding_log.ts';
import type { SearchEnd, SearchOptions } from './level_search.ts';
import { ACT_CUT, ACT_DISABLED, type Finding, type Model } from './model.ts';
import { keepNonZero } from './seen.ts';
import { SEEN_NEW, SEEN_OLD, SharedSeen } from './shared_seen.ts';

/** A state on the way, its actions, and how far they were tried. */
interface Frame {
  readonly offered: Int32Array;
  n: number;
  at: number;
  /** Properties broken on the way, and the steps since. */
  broken: number;
  since: number;
}

export class DepthFirst {
  transitions = 0;
  cut = 0;
  states = 0;
  end: SearchEnd = 'running';
  /** Actions of the program at work, less one. */
  depth = 0;
  private seen = SharedSeen.withRoom(1 << 13);
  private readonly frames: Frame[] = [];
  private readonly path: number[] = [];
  private readonly log: FindingLog;
  private readonly model: Model;
  private readonly options: SearchOptions;
  private readonly print = new Int32Array(2);

  constructor(model: Model, options: SearchOptions) {
    this.model = model;
    this.options = options;
    this.log = new FindingLog(model);
    model.reset();
    this.add(0, 0);
    this.enter(0, 0, 0);
    const broken = model.brokenInState();
    this.frames[0]!.broken = broken;
    this.log.tell(broken, -1, () => []);
  }

  get findings(): readonly Finding[] {
    return this.log.findings;
  }

  get bytes(): number {
    return this.seen.bytes;
  }

  run(budget: number): SearchEnd {
    const goal = this.transitions + budget;
    while (this.end === 'running' && this.transitions < goal) this.step();
    return this.end;
  }

  /** Adds the current state; `met` as SharedSeen.add() says it. */
  private add(depth: number, broken: number): number {
    this.model.fingerprint(this.print);
    const second = this.print[1]! ^ Math.imul(broken, 0x9e3779b1);
    const met = this.seen.add(keepNonZero(this.print[0]!), keepNonZero(second), depth, 0);
    if (met === SEEN_NEW) this.states++;
    return met;
  }

  /** The current state is on the way, at `depth`. */
  private enter(depth: number, broken: number, since: number): void {
    const { model, frames } = this;
    model.save(depth);
    frames[depth] ??= { offered: new Int32Array(model.actionsMax), n: 0, at: 0, broken, since };
    const frame = frames[depth];
    frame.n = model.actions(frame.offered);
    frame.at = 0;
    frame.broken = broken;
    frame.since = since;
    this.depth = depth;
  }

  /** Tries one action of the state at the end of the way, or goes back by one. */
  private step(): void {
    const { model, frames, depth, options } = this;
    const frame = frames[depth]!;
    if (frame.at === frame.n) {
      if (depth === 0) this.end = 'exhausted';
      else {
        this.depth--;
        model.restore(this.depth);
      }
      return;
    }
    if (this.states >= this.seen.room && !this.grow()) {
      this.end = 'memory';
      return;
    }
    const action = frame.offered[frame.at++]!;
    const done = model.act(action);
    if (done === ACT_DISABLED) return;
    this.transitions++;
    this.path.length = depth;
    this.path.push(action);
    if (done === ACT_CUT) this.cut++;
    else if (this.arrive(frame, depth + 1, options)) return;
    model.restore(depth);
  }

  /** Judges the state that an action led to; true when it is to be followed, and is entered. */
  private arrive(from: Frame, depth: number, options: SearchOptions): boolean {
    const { model } = this;
    const ofAction = model.brokenByAction();
    const met = this.add(depth, from.broken | ofAction);
    const broken = met === SEEN_NEW ? ofAction | model.brokenInState() : ofAction;
    this.log.tell(broken & ~from.broken, this.path.at(-1) ?? -1, () => this.path);
    if (met === SEEN_OLD || depth >= options.depth) return false;
    const all = from.broken | broken;
    const since = from.broken === 0 ? 0 : from.since + 1;
    if (all !== 0 && since >= options.aftermath) return false;
    this.enter(depth, all, since);
    return true;
  }

  /** Doubles the table; false when that is beyond the limit. */
  private grow(): boolean {
    const { seen } = this;
    if (seen.bytes * 3 > this.options.memory) return false;
    this.seen = seen.doubled();
    return true;
  }
}
