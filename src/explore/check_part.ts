/** A thread that takes part in a check: a model of its own, and what it counted. */
import { Expander, type Round, type Share } from '../check/index.ts';
import type { Release } from '../mm/release_types.ts';
import type { WhyRule } from '../mm/why.ts';
import type { Bounds } from './bounds.ts';
import type { CheckOptions } from './check_kernel.ts';
import { Coverage } from './coverage.ts';
import { lawMask } from './law_bits.ts';
import { MemoryModel } from './memory_model.ts';

/** What a thread did in a round; can be sent to another thread. */
export interface CheckShare {
  readonly share: Share;
  /** How often each law was exercised, and each rule decided, in this round. */
  readonly times: Float64Array;
  readonly branches: ReadonlyMap<WhyRule, number>;
}

export class CheckPart {
  readonly model: MemoryModel;
  private readonly coverage = new Coverage();
  private readonly expander: Expander;

  constructor(release: Release, bounds: Bounds, laws: CheckOptions['laws']) {
    this.model = new MemoryModel(release, bounds, lawMask(laws));
    this.model.world.m.why = this.coverage;
    this.expander = new Expander(this.model);
  }

  work(round: Round): CheckShare {
    this.expander.take(round);
    const share = this.expander.share();
    const { times } = this.model.world.counts;
    const counted = times.slice();
    times.fill(0);
    return { share, times: counted, branches: this.coverage.drain() };
  }
}
