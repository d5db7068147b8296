/**
 * Swap slots. No release of the model has a swap device by default, and swapon(2) is not modelled;
 * the references exist so that swap entries, where a test makes them, are copied and freed right.
 */
import type { Machine } from './mm_types.ts';

export function swapDuplicate(m: Machine, offset: number): void {
  m.swap.refs[offset]!++;
}

export function swapFree(m: Machine, offset: number): void {
  m.swap.refs[offset]!--;
}
