/** The memory model as a model that the explorer takes. */
import { assert, FaultlineBug } from '../base/index.ts';
import { ACT_DISABLED, ACT_DONE, type Finding, type Model } from '../check/index.ts';
import type { Release } from '../mm/release_types.ts';
import type { Vmf } from '../mm/vmf.ts';
import { type Action, Alphabet, OP_READ, sizeText, TASK_NAMES } from './alphabet.ts';
import type { Bounds } from './bounds.ts';
import { Canonical } from './canonical.ts';
import { stalePage } from './isolation.ts';
import { BOOKS_FAIL, LAW_ISOLATION, LAW_NAMES } from './law_bits.ts';
import { PackedLaws } from './packed_laws.ts';
import { World } from './world.ts';

export class MemoryModel implements Model {
  readonly properties: readonly string[] = [...LAW_NAMES, 'books'];
  readonly world: World;
  readonly alphabet: readonly Action[];
  readonly actionsMax: number;
  readonly canonical: Canonical;
  /** Where set: number and actions of the program at work, for who watches from outside. */
  trace: Int32Array | null = null;
  /** Laws that are asked for, as bits. */
  private readonly wanted: number;
  readonly laws: PackedLaws;
  /** The last action ended in a failed assertion of the model. */
  private failed = '';

  constructor(release: Release, bounds: Bounds, wanted: number) {
    this.world = new World(release, bounds);
    this.alphabet = new Alphabet(bounds).actions;
    this.actionsMax = this.alphabet.length;
    // A userfaultfd is the first task's alone: there it matters which one a task is.
    const symmetric = bounds.tellTasks !== true && !bounds.calls.includes('uffd');
    this.canonical = new Canonical(this.world.sm, this.world.roots, symmetric);
    this.wanted = wanted;
    this.laws = new PackedLaws(this.world.sm, this.world.counts);
    this.world.sm.save(0);
  }

  /** Faults between two phases. */
  get faults(): readonly Vmf[] {
    return this.world.races.faults;
  }

  /** What the model's own books say where they failed; '' as long as they have not. */
  get failure(): string {
    return this.failed;
  }

  reset(): void {
    this.world.sm.restore(0);
  }

  save(slot: number): void {
    this.world.sm.save(slot);
  }

  restore(slot: number): void {
    this.failed = '';
    this.world.sm.restore(slot);
  }

  actions(into: Int32Array): number {
    if (this.failed !== '') return 0;
    const n = this.alphabet.length;
    for (let i = 0; i < n; i++) into[i] = i;
    return n;
  }

  /**
   * The model fails on an assertion only where its books are broken beyond what a kernel can be in:
   * that is a finding, not a defect, where the release under check may be wrong.
   */
  act(action: number): number {
    const { trace } = this;
    if (trace !== null) {
      trace[0] = this.world.sm.steps + 1;
      trace[this.world.sm.steps + 1] = action;
    }
    try {
      return this.world.perform(this.alphabet[action]!) ? ACT_DONE : ACT_DISABLED;
    } catch (error) {
      if (!(error instanceof FaultlineBug)) throw error;
      this.failed = error.message;
      return ACT_DONE;
    }
  }

  again(action: number): void {
    const { counts, m } = this.world;
    const { why } = m;
    counts.muted = true;
    m.why = null;
    assert(this.act(action) !== ACT_DISABLED, 'an action that was possible is so again');
    counts.muted = false;
    m.why = why;
  }

  /** Steps that show a finding which is in the state, but which no step has yet seen. */
  tailOf(found: Finding): string[] {
    if (found.property !== LAW_ISOLATION || this.faults.length > 0) return [];
    this.reset();
    for (const action of found.actions) this.act(action);
    const { sm, counts, m } = this.world;
    const stale = stalePage(sm, counts);
    if (stale === null) return [];
    let task = 1;
    while (m.task.mm[task] !== stale.mm || m.task.alive[task] === 0) task++;
    const last = this.alphabet[found.actions.at(-1)!]!;
    if (last.op === OP_READ && last.task === task && last.at === stale.vpn) return [];
    return [`${TASK_NAMES[task]!}: read ${sizeText(stale.vpn)}`];
  }

  fingerprint(into: Int32Array): void {
    if (this.failed !== '') {
      // A machine whose books failed is a state of its own, which nothing follows.
      into[0] = 1;
      into[1] = 1;
      return;
    }
    this.canonical.run(this.faults);
    this.canonical.hash(into);
  }

  brokenByAction(): number {
    if (this.failed !== '') return 1 << BOOKS_FAIL;
    return this.world.broken & this.wanted;
  }

  brokenInState(): number {
    if (this.failed !== '') return 0;
    const { world } = this;
    let broken = this.laws.check(this.faults);
    if (stalePage(world.sm, world.counts) !== null) broken |= 1 << LAW_ISOLATION;
    if (!this.laws.storesAreDirty()) broken |= 1 << LAW_ISOLATION;
    return broken & this.wanted;
  }

  kindOf(_property: number, action: number): string {
    return action < 0 ? 'start' : this.alphabet[action]!.name;
  }
}
