/** Faults as they are counted: by kind and by the order of the folio that served them. */

/** First touch of anonymous memory, the zero page included. */
export const KIND_ANON = 0;
/** Shared memory: shared anonymous, memfd, tmpfs, SysV. */
export const KIND_SHMEM = 1;
/** Page cache of a file on disk. */
export const KIND_FILE = 2;
/** A write that copied a page, or took over one that nobody else uses any more. */
export const KIND_COW = 3;
/** Memory that a call populated (MAP_POPULATE, mlock, MADV_POPULATE_*): no access took the fault. */
export const KIND_POPULATE = 4;
export const KINDS = ['anon', 'shmem', 'file', 'cow', 'populate'] as const;
export type FaultKind = (typeof KINDS)[number];

/** Orders 0 to 9. */
export const ORDERS = 10;

export class Tally {
  /** kind * ORDERS + order. */
  readonly faults = new Float64Array(KINDS.length * ORDERS);
  /** By order: of the faults of shared memory, those that found their folio there, and only mapped it. */
  readonly mapped = new Float64Array(ORDERS);
  /** Those that the kernel's own accesses took. */
  kernel = 0;
  /** Accesses in the trace, pages each. */
  touches = 0;
  /** Recorded as faults. */
  recorded = 0;
  /**
   * Recorded as faults and served by the model without one, where no setting explains it: counted
   * as faults, because the program took them.
   */
  carried = 0;
  /** Faults that were not needed, because a larger folio or window had mapped the page before. */
  saved = 0;
  /**
   * Recorded twice, one right after the other, by the kernel itself: it tried with faults disabled,
   * could not, and made the page present. The program's counters have one.
   * Source: mm/filemap.c generic_perform_write(), 6.18.
   */
  repeated = 0;
  /** Accesses that the model refuses: memory of which the trace does not tell. */
  refused = 0;
  /** Accesses for which the machine had no memory left: the model does not reclaim. */
  noMemory = 0;
  /** Memory calls executed, and those that the model refuses although the kernel did them. */
  calls = 0;
  refusedCalls = 0;
  /** Mappings that lie elsewhere than recorded. */
  moved = 0;
  /** Addresses chosen by the kernel, and those that the model would have chosen otherwise. */
  chosen = 0;
  chosenOtherwise = 0;

  add(kind: number, order: number, count = 1): void {
    this.faults[kind * ORDERS + order]! += count;
  }

  total(): number {
    return this.faults.reduce((sum, n) => sum + n, 0);
  }

  ofKind(kind: number): number {
    let sum = 0;
    for (let order = 0; order < ORDERS; order++) sum += this.faults[kind * ORDERS + order]!;
    return sum;
  }
}
