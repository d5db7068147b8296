/**
 * Events that userfaultfd reports to its reader (fork, mremap, madvise, munmap): the caller waits
 * until the reader has read them. There is no reader in the model.
 */
import type { VmaRow } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { VM_UFFD_ANY, VM2_UFFD_MINOR } from './vm_flags.ts';

export const UFFD_FEATURE_EVENT_FORK = 1 << 1;
export const UFFD_FEATURE_EVENT_REMAP = 1 << 2;
export const UFFD_FEATURE_EVENT_REMOVE = 1 << 3;
export const UFFD_FEATURE_EVENT_UNMAP = 1 << 6;

const NAMES = new Map([
  [UFFD_FEATURE_EVENT_FORK, 'UFFD_FEATURE_EVENT_FORK'],
  [UFFD_FEATURE_EVENT_REMAP, 'UFFD_FEATURE_EVENT_REMAP'],
  [UFFD_FEATURE_EVENT_REMOVE, 'UFFD_FEATURE_EVENT_REMOVE'],
  [UFFD_FEATURE_EVENT_UNMAP, 'UFFD_FEATURE_EVENT_UNMAP'],
]);

/** True, and noted as unmodelled, when this VMA's context asked for the event. */
export function uffdEventWaits(m: Machine, v: VmaRow, event: number): boolean {
  const uffd = m.vma.uffd[v]!;
  if (uffd === 0 || (m.uffd.features[uffd]! & event) === 0) return false;
  m.unmodelled = `a call that waits for the reader of a userfaultfd (${NAMES.get(event)!})`;
  return true;
}

/** userfaultfd_reset_ctx(): the VMA is registered with nobody. */
export function uffdResetCtx(m: Machine, v: VmaRow): void {
  m.vma.uffd[v] = 0;
  m.vma.flags[v] = m.vma.flags[v]! & ~VM_UFFD_ANY;
  m.vma.flags2[v] = m.vma.flags2[v]! & ~VM2_UFFD_MINOR;
}
