/** Which branches of the fault path were taken: the decision log of `why`, counted. */
import { WHY_RULES } from '../lab/why_words.ts';
import { WhyLog, type WhyRule } from '../mm/why.ts';

export class Coverage extends WhyLog {
  private readonly seen: Map<WhyRule, number>;

  constructor(seen: ReadonlyMap<WhyRule, number> = new Map()) {
    super();
    this.seen = new Map(seen);
  }

  /** The counts, for a checkpoint. */
  get counts(): ReadonlyMap<WhyRule, number> {
    return this.seen;
  }

  /** Adds what another thread counted. */
  add(counts: ReadonlyMap<WhyRule, number>): void {
    for (const [rule, times] of counts) this.seen.set(rule, (this.seen.get(rule) ?? 0) + times);
  }

  /** The counts, which begin anew then. */
  drain(): ReadonlyMap<WhyRule, number> {
    const counts = new Map(this.seen);
    this.seen.clear();
    return counts;
  }

  override note(rule: WhyRule): void {
    this.seen.set(rule, (this.seen.get(rule) ?? 0) + 1);
  }

  report(): readonly BranchReport[] {
    return WHY_RULES.map(({ rule, source }) => ({
      rule,
      source,
      times: this.seen.get(rule) ?? 0,
    }));
  }
}

/** A rule of the fault path, the kernel function that has it, and how often it decided. */
export interface BranchReport {
  readonly rule: string;
  readonly source: string;
  readonly times: number;
}
