/**
 * finish_fault() of 6.18 that forgets to look at the entry again under the page-table lock. Every
 * program of one processor is right; two faults at a time are not.
 *
 *   npx faultline check --variant variants/no-recheck.ts                  breaks nothing
 *   npx faultline check --variant variants/no-recheck.ts --focus races    does
 */
import {
  headOf,
  type Machine,
  mapRange,
  pageOfFault,
  pmdOrPageTable,
  slotOf,
  VM_FAULT_FALLBACK,
  VM_FAULT_NOPAGE,
  type Vmf,
} from 'faultline';

export const base = '6.18';

export function finishFault(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const ret = pmdOrPageTable(m, vmf, headOf(m, page), true);
  if (ret !== VM_FAULT_FALLBACK) return ret;
  const pte = slotOf(m, vmf, vmf.vpn);
  if (pte === 0) return VM_FAULT_NOPAGE;
  return mapRange(m, vmf, page, 1, vmf.vpn, pte, 0);
}
