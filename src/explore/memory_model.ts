/** The memory model as a model that the explorer takes. */
import { ACT_DISABLED, ACT_DONE, type Model } from '../check/index.ts';
import type { Release } from '../mm/mm_types.ts';
import type { Vmf } from '../mm/vmf.ts';
import { type Action, Alphabet } from './alphabet.ts';
import type { Bounds } from './bounds.ts';
import { Canonical } from './canonical.ts';
import { stalePage } from './isolation.ts';
import { BOOKS_FAIL, LAW_ISOLATION, LAW_NAMES } from './law_bits.ts';
import { PackedLaws } from './packed_laws.ts';
import { World } from './world.ts';

const NO_FAULTS: readonly Vmf[] = [];

export class MemoryModel implements Model {
  readonly properties: readonly string[] = [...LAW_NAMES, 'books'];
  readonly world: World;
  readonly alphabet: readonly Action[];
  readonly canonical: Canonical;
  /** Laws that are asked for, as bits. */
  private readonly wanted: number;
  readonly laws: PackedLaws;
  /** The last action ended in a failed assertion of the model. */
  private failed = '';

  constructor(release: Release, bounds: Bounds, wanted: number) {
    this.world = new World(release, bounds);
    this.alphabet = new Alphabet(bounds).actions;
    this.canonical = new Canonical(this.world.sm, this.world.roots);
    this.wanted = wanted;
    this.laws = new PackedLaws(this.world.sm, this.world.counts);
    this.world.sm.save(0);
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
    const n = this.alphabet.length;
    for (let i = 0; i < n; i++) into[i] = i;
    return n;
  }

  act(action: number): number {
    return this.world.perform(this.alphabet[action]!) ? ACT_DONE : ACT_DISABLED;
  }

  fingerprint(into: Int32Array): void {
    this.canonical.run(NO_FAULTS);
    this.canonical.hash(into);
  }

  judge(isNew: boolean): number {
    const { world } = this;
    let broken = world.broken;
    if (isNew) {
      if (stalePage(world.sm, world.counts) !== null) broken |= 1 << LAW_ISOLATION;
      broken |= this.laws.check(NO_FAULTS);
    }
    if (this.failed !== '') broken |= 1 << BOOKS_FAIL;
    return broken & this.wanted;
  }

  kindOf(_property: number, action: number): string {
    return action < 0 ? 'start' : this.alphabet[action]!.name;
  }
}
