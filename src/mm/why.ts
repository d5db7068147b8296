/**
 * The decision log behind `faultline why`: every choice on a fault's way that refused or took an
 * order. Recording is off (`machine.why === null`) unless asked for, and then costs nothing.
 *
 * Operands `a` and `b` have the meaning that the rule's sentence gives them.
 */
export interface WhyEntry {
  readonly rule: WhyRule;
  /** Order that the rule speaks of; -1 when it speaks of the whole fault. */
  readonly order: number;
  readonly a: number;
  readonly b: number;
}

/** Rules by name; view turns each into a sentence with the kernel function that decides. */
export type WhyRule =
  // which path a fault took
  | 'fault-begin'
  | 'pte-present'
  | 'anon-read-zero'
  | 'anon-huge-zero'
  | 'anon-taken'
  | 'anon-pmd-taken'
  | 'fault-around'
  | 'fault-around-off'
  | 'fault-around-uffd'
  | 'fault-around-eof'
  | 'fault-around-missed'
  | 'cache-hit'
  | 'cache-read'
  | 'shmem-taken'
  | 'finish-whole'
  | 'finish-one'
  | 'finish-pmd'
  | 'wp-reuse'
  | 'wp-copy'
  | 'wp-shared'
  | 'swap-in'
  // refusals, per order
  | 'no-size-enabled'
  | 'size-disabled'
  | 'size-needs-madvise'
  | 'size-inherits-off'
  | 'vma-nohugepage'
  | 'prctl-disabled'
  | 'temporary-stack'
  | 'outside-vma'
  | 'not-congruent'
  | 'entries-populated'
  | 'pmd-populated'
  | 'uffd-armed'
  | 'alloc-failed'
  | 'within-size'
  | 'not-anon-shmem'
  | 'shmem-size-disabled'
  | 'shmem-needs-madvise'
  | 'shmem-inherits-off'
  | 'shmem-deny'
  | 'mount-huge-never'
  | 'cache-populated'
  | 'cache-folio-found'
  | 'past-eof'
  | 'finish-past-vma'
  | 'finish-crosses-table'
  | 'finish-range-populated'
  | 'finish-pte-changed'
  | 'finish-release-one'
  | 'finish-misaligned'
  | 'pmd-nohugepage'
  | 'pmd-not-congruent'
  | 'pmd-not-order9'
  | 'order-not-supported';

export class WhyLog {
  readonly entries: WhyEntry[] = [];

  note(rule: WhyRule, order: number, a: number, b: number): void {
    this.entries.push({ rule, order, a, b });
  }
}
