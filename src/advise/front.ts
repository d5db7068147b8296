/** Which settings are worth considering, and which one to take. */
import { type Predicted, predict } from '../replay/index.ts';
import type { TraceMeasured } from '../trace/index.ts';
import { type Cost, type CostModel, costOf } from './cost.ts';
import type { Outcome, Recorded } from './outcome.ts';

export interface Judged extends Outcome {
  readonly cost: Cost;
  /** What getrusage() should say; null where the trace does not tell what it said. */
  readonly predicted: Predicted | null;
  /** Peak memory beyond that of 4 kB pages, as a share of it; less than 0 where it is less. */
  readonly bloat: number;
  /**
   * It fits into the machine's memory, and no other setting is better in time and not worse in
   * memory, or the reverse.
   */
  readonly front: boolean;
}

/** Differences below this are none: the model and a program's own variation are not finer. */
const SAME = 0.005;

/** The machine had memory for every access. */
export function fits(one: Outcome): boolean {
  return one.faults.noMemory === 0;
}

/** What does not fit beats nothing: its numbers end where the memory did. */
function beats(a: Judged, b: Judged): boolean {
  if (!fits(a) || !fits(b)) return fits(a) && !fits(b);
  const noSlower = a.cost.total <= b.cost.total;
  const noLarger = a.peak.memory <= b.peak.memory;
  return noSlower && noLarger && (a.cost.total < b.cost.total || a.peak.memory < b.peak.memory);
}

export interface Judgement {
  readonly costs: CostModel;
  /** Passes over the memory, of which each costs the TLB misses of its entries. */
  readonly passes: number;
  readonly measured: TraceMeasured | null;
  readonly recorded: Recorded;
}

/** `reference`: 4 kB pages only. */
export function judge(
  outcomes: readonly Outcome[],
  reference: Outcome,
  { costs, passes, measured, recorded }: Judgement,
): Judged[] {
  const least = Math.max(1, reference.peak.memory);
  return markFront(
    outcomes.map((one) => {
      const now = { faults: one.faults.total, rss: one.peak.rss, memory: one.peak.memory };
      return {
        ...one,
        cost: costOf(costs, one.faults, one.peak, one.census, passes),
        predicted: predict(measured, recorded.base, now),
        bloat: one.peak.memory / least - 1,
      };
    }),
  );
}

/** Of equals, the first. */
function markFront(list: readonly Omit<Judged, 'front'>[]): Judged[] {
  const open = list.map((one): Judged => ({ ...one, front: false }));
  return open.map((one, i) => {
    const equalBefore = open
      .slice(0, i)
      .some((o) => o.cost.total === one.cost.total && o.peak.memory === one.peak.memory);
    const isFront = !equalBefore && fits(one);
    return { ...one, front: isFront && !open.some((other) => beats(other, one)) };
  });
}

/** How many files of a setting differ from 4 kB pages: of equals, the one that changes least. */
function changes(one: Judged): number {
  return one.settings.filter(({ value }) => value !== 'never').length;
}

/**
 * The fastest of those that fit into the machine and cost no more than `maxBloat` of memory; among
 * those that are as fast (within half a percent), the one that needs least memory, then the one that
 * changes least. Undefined: none fits.
 */
export function recommend(list: readonly Judged[], maxBloat: number): Judged | undefined {
  const allowed = list.filter((one) => fits(one) && one.bloat <= maxBloat);
  const best = Math.min(...allowed.map((one) => one.cost.total));
  const near = allowed.filter((one) => one.cost.total <= best * (1 + SAME));
  near.sort(
    (a, b) =>
      Math.round((a.bloat - b.bloat) / SAME) ||
      changes(a) - changes(b) ||
      a.cost.total - b.cost.total,
  );
  return near[0];
}
