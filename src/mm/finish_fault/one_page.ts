/**
 * finish_fault() before the series: a PMD, or one page. Linux up to 6.10.
 * Source: mm/memory.c finish_fault(), 6.10.
 */
import { headOf } from '../folio.ts';
import { vmfPteChanged } from '../memory_map.ts';
import type { Machine } from '../mm_types.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_NOPAGE, type Vmf } from '../vmf.ts';
import { mapRange, pageOfFault, pmdOrPageTable, slotOf } from './common.ts';

export function finishFaultOnePage(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const pmd = pmdOrPageTable(m, vmf, headOf(m, page), true);
  if (pmd !== VM_FAULT_FALLBACK) return pmd;
  const slot = slotOf(m, vmf, vmf.vpn);
  if (slot === 0 || vmfPteChanged(m, vmf, slot)) return VM_FAULT_NOPAGE;
  return mapRange(m, vmf, page, 1, vmf.vpn, slot, 0);
}
