/**
 * finish_fault() as merged for 6.11: the whole folio, of anonymous shared memory only, when it
 * lies inside the VMA and inside one page table at the page's own place.
 *
 * When an entry of the range is populated already it returns VM_FAULT_NOPAGE and changes nothing:
 * the access faults again, for ever. Fixed in 6.14 and the stable releases of March 2025
 * (finish_fault() then maps one page).
 * Source: mm/memory.c finish_fault(), 6.11.11.
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

export function finishFault611(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const head = headOf(m, page);
  const pmd = pmdOrPageTable(m, vmf, head, true);
  if (pmd !== VM_FAULT_FALLBACK) return pmd;

  const n = folioPages(m, head);
  const one =
    n === 1 ||
    m.vma.ops[vmf.vma] !== OPS_SHMEM_ANON ||
    uffdArmed(m, vmf.vma) ||
    !wholeFolioFits(m, vmf, head, page);
  if (one) {
    const slot = slotOf(m, vmf, vmf.vpn);
    if (slot === 0 || vmfPteChanged(m, vmf, slot)) return VM_FAULT_NOPAGE;
    return mapRange(m, vmf, page, 1, vmf.vpn, slot, 0);
  }
  const vpn = vmf.vpn - (page - head);
  const slot = slotOf(m, vmf, vpn);
  if (slot === 0) return VM_FAULT_NOPAGE;
  if (!rangeNone(m, slot, n)) {
    if (m.why !== null) m.why.note('finish-range-populated', m.page.flags[head]! & 15, n, vpn);
    return VM_FAULT_NOPAGE;
  }
  return mapRange(m, vmf, head, n, vpn, slot, n - 1);
}
