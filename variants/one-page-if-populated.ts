/**
 * What ended the endless fault of 6.11 (6.14, and stable kernels of March 2025): where an entry of
 * the folio's range is populated, finish_fault() maps the one page that was asked for.
 *
 *   npx faultline check --variant variants/one-page-if-populated.ts
 */
import {
  folioPages,
  headOf,
  type Machine,
  mapRange,
  OPS_SHMEM_ANON,
  pageOfFault,
  pmdOrPageTable,
  rangeNone,
  slotOf,
  uffdArmed,
  VM_FAULT_FALLBACK,
  VM_FAULT_NOPAGE,
  type Vmf,
  vmfPteChanged,
  wholeFolioFits,
} from 'faultline';

export const base = '6.11';
export const title = '6.11 that maps one page where the range is populated';

export function finishFault(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const folio = headOf(m, page);
  const ret = pmdOrPageTable(m, vmf, folio, true);
  if (ret !== VM_FAULT_FALLBACK) return ret;

  const n = folioPages(m, folio);
  const whole =
    n > 1 &&
    m.vma.ops[vmf.vma] === OPS_SHMEM_ANON &&
    !uffdArmed(m, vmf.vma) &&
    wholeFolioFits(m, vmf, folio, page);
  if (whole) {
    const addr = vmf.vpn - (page - folio);
    const pte = slotOf(m, vmf, addr);
    if (pte === 0) return VM_FAULT_NOPAGE;
    if (rangeNone(m, pte, n)) return mapRange(m, vmf, folio, n, addr, pte, n - 1);
  }
  const pte = slotOf(m, vmf, vmf.vpn);
  if (pte === 0 || vmfPteChanged(m, vmf, pte)) return VM_FAULT_NOPAGE;
  return mapRange(m, vmf, page, 1, vmf.vpn, pte, 0);
}
