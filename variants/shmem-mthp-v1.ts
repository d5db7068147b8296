/**
 * "[PATCH 2/8] mm: memory: extend finish_fault() to support large folio" as posted in May 2024:
 * the block of addresses around the fault, aligned to the folio's size, is taken for the folio.
 *
 *   npx faultline check --variant variants/shmem-mthp-v1.ts
 */
import {
  folioPages,
  headOf,
  type Machine,
  mapRange,
  modPow2,
  pageOfFault,
  pmdOrPageTable,
  rangeNone,
  slotOf,
  uffdArmed,
  VM_FAULT_FALLBACK,
  VM_FAULT_NOPAGE,
  type Vmf,
  vmfPteChanged,
} from 'faultline';

/** The kernel that the patch was made for has the series' other patches. */
export const base = 'shmem-mthp-v1';

export function finishFault(m: Machine, vmf: Vmf): number {
  let page = pageOfFault(m, vmf);
  const folio = headOf(m, page);
  const ret = pmdOrPageTable(m, vmf, folio, true);
  if (ret !== VM_FAULT_FALLBACK) return ret;

  let nrPages = folioPages(m, folio);
  let addr = vmf.vpn;
  if (uffdArmed(m, vmf.vma)) {
    nrPages = 1;
  } else if (nrPages > 1) {
    // unsigned long start = ALIGN_DOWN(vmf->address, nr_pages * PAGE_SIZE);
    const start = vmf.vpn - modPow2(vmf.vpn, nrPages);
    const end = start + nrPages;
    addr = Math.max(start, m.vma.start[vmf.vma]!);
    nrPages = Math.min(end, m.vma.end[vmf.vma]!) - addr;
    page = folio + (addr - start);
  }

  const pte = slotOf(m, vmf, addr);
  if (pte === 0) return VM_FAULT_NOPAGE;
  if (nrPages === 1 && vmfPteChanged(m, vmf, pte)) return VM_FAULT_NOPAGE;
  if (nrPages > 1 && !rangeNone(m, pte, nrPages)) return VM_FAULT_NOPAGE;
  // set_pte_range() and the counter; the text takes no reference for the pages beside the first.
  return mapRange(m, vmf, page, nrPages, addr, pte, 0);
}
