/**
 * finish_fault() of 6.12 as its stable releases have it: whole folios of anonymous shared memory
 * only, as in 6.11; one page when an entry of the range is populated already, as in 6.18.
 * Source: mm/memory.c finish_fault(), 6.12.117.
 */
import { folioPages, headOf } from '../folio.ts';
import { vmfPteChanged } from '../memory_map.ts';
import type { Machine } from '../mm_types.ts';
import { OPS_SHMEM_ANON } from '../vm_flags.ts';
import { uffdArmed } from '../vma_prot.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_NOPAGE, type Vmf } from '../vmf.ts';
import {
  mapRange,
  pageOfFault,
  pmdOrPageTable,
  rangeNone,
  slotOf,
  wholeFolioFits,
} from './common.ts';

export function finishFault612(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const head = headOf(m, page);
  const pmd = pmdOrPageTable(m, vmf, head, true);
  if (pmd !== VM_FAULT_FALLBACK) return pmd;

  const n = folioPages(m, head);
  const whole = n > 1 && m.vma.ops[vmf.vma] === OPS_SHMEM_ANON && !uffdArmed(m, vmf.vma);
  if (whole && wholeFolioFits(m, vmf, head, page)) {
    const vpn = vmf.vpn - (page - head);
    const slot = slotOf(m, vmf, vpn);
    if (slot === 0) return VM_FAULT_NOPAGE;
    if (rangeNone(m, slot, n)) return mapRange(m, vmf, head, n, vpn, slot, n - 1);
    if (m.why !== null) m.why.note('finish-range-populated', m.page.flags[head]! & 15, n, vpn);
  }
  const slot = slotOf(m, vmf, vmf.vpn);
  if (slot === 0 || vmfPteChanged(m, vmf, slot)) return VM_FAULT_NOPAGE;
  return mapRange(m, vmf, page, 1, vmf.vpn, slot, 0);
}
