/**
 * From counts to time. A fault costs what a fault of its kind and order was measured to cost, the
 * clearing of its pages included if it allocates them; each page-table entry that maps the peak costs
 * one TLB miss a pass over the memory. What calibrate.c measures, in nanoseconds.
 */
import type { Census, FaultCounts, PeakMemory } from '../replay/index.ts';

export const COST_VERSION = 1;

export interface CostModel {
  readonly version: number;
  /** "AMD EPYC …, Linux 6.18.44"; where the numbers are from. */
  readonly machine: string;
  /** UTC, ISO 8601. */
  readonly date: string;
  /** A write fault of anonymous memory, by order 0 to 9, its pages cleared. */
  readonly anon: readonly number[];
  /** A write fault of shared memory that allocates. */
  readonly shmem: readonly number[];
  /** One that maps what another process, or mapping, has allocated. */
  readonly shmemMapped: readonly number[];
  /** Orders of `anon` that were measured; the others lie on the line between them. */
  readonly measured: readonly number[];
  /** A read fault of a cached file, with its fault-around. */
  readonly file: number;
  /** A write that copies a page. */
  readonly cow: number;
  /** Clearing memory, a byte. */
  readonly zeroByte: number;
  /** A TLB miss of a 4 kB page beyond that of a 2 MB page. */
  readonly tlbMiss: number;
}

/** The machine that these were measured on is a nested guest: bare metal is several times faster. */
export const DEFAULT_COSTS: CostModel = {
  version: COST_VERSION,
  machine: 'defaults: AMD EPYC (Zen 3), Linux 6.18, a nested guest',
  date: '2026-11-24',
  anon: interpolate([
    [0, 2580],
    [2, 4990],
    [4, 10500],
    [9, 227000],
  ]),
  shmem: interpolate([
    [0, 3830],
    [2, 5800],
    [4, 10300],
    [9, 186000],
  ]),
  // Shares of the allocating 4 kB fault of the same run (2026-11-30), measured at orders 0, 2, 4, 6,
  // 8 and 9; the others lie between.
  shmemMapped: [0.5, 0.62, 0.74, 0.9, 1.1, 1.6, 2.1, 2.7, 3.4, 3.2].map((share) => share * 3830),
  measured: [0, 2, 4, 9],
  file: 3080,
  cow: 3500,
  zeroByte: 0.1,
  tlbMiss: 30,
};

/** Costs of mapping shared memory, from that of 4 kB, and that of 2 MB where it was measured. */
export function mappedCosts(small: number, huge?: number): number[] {
  const scale = small / DEFAULT_COSTS.shmemMapped[0]!;
  const costs = DEFAULT_COSTS.shmemMapped.map((ns) => ns * scale);
  return huge === undefined ? costs : [...costs.slice(0, 9), huge];
}

/** Costs by order from some that are known: straight lines over the size. */
export function interpolate(points: readonly (readonly [order: number, ns: number])[]): number[] {
  const costs: number[] = [];
  for (let order = 0; order < 10; order++) {
    let right = points.findIndex(([o]) => o >= order);
    if (right < 0) right = points.length - 1;
    const [o1, ns1] = points[right]!;
    if (o1 === order || right === 0) {
      costs.push(o1 === order ? ns1 : ns1 * 2 ** (order - o1));
      continue;
    }
    const [o0, ns0] = points[right - 1]!;
    const slope = (ns1 - ns0) / (2 ** o1 - 2 ** o0);
    costs.push(ns0 + slope * (2 ** order - 2 ** o0));
  }
  return costs;
}

/** Nanoseconds. */
export interface Cost {
  /** Taking the faults, without the clearing. */
  readonly faults: number;
  /** Clearing what they allocated. */
  readonly zeroing: number;
  readonly tlb: number;
  readonly total: number;
}

/** Entries that a processor needs to map the anonymous and shared memory of the peak. */
export function entriesAtPeak(peak: PeakMemory, census: Census): number {
  const huge = peak.memory * census.thpShare;
  return (peak.memory - huge) / 4096 + huge / 2097152;
}

export function costOf(
  model: CostModel,
  faults: FaultCounts,
  peak: PeakMemory,
  census: Census,
  passes: number,
): Cost {
  let total = 0;
  let zeroing = 0;
  for (const [kind, byOrder] of Object.entries(faults.byOrder)) {
    for (let order = 0; order < byOrder.length; order++) {
      const count = byOrder[order]!;
      if (count === 0) continue;
      switch (kind) {
        case 'file':
          total += count * model.file;
          break;
        case 'cow':
          total += count * model.cow;
          break;
        default: {
          const found = kind === 'shmem' ? faults.mapped[order]! : 0;
          const made = count - found;
          const each = (kind === 'shmem' ? model.shmem : model.anon)[order]!;
          const cleared = Math.min(each, 4096 * 2 ** order * model.zeroByte);
          total += made * each + found * model.shmemMapped[order]!;
          zeroing += made * cleared;
        }
      }
    }
  }
  const tlb = entriesAtPeak(peak, census) * model.tlbMiss * passes;
  return { faults: total - zeroing, zeroing, tlb, total: total + tlb };
}
