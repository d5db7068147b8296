/**
 * finish_fault() of 6.18: whole folios of every file system, unless the folio reaches past the end
 * of a disk file; one page when the VMA, the page table, userfaultfd or a populated entry is in
 * the way.
 * Source: mm/memory.c finish_fault(), 6.18.
 */
import { filePages } from '../filemap.ts';
import { folioIndex, folioPages, headOf } from '../folio.ts';
import { vmfPteChanged } from '../memory_map.ts';
import type { Machine } from '../mm_types.ts';
import { OPS_FILE } from '../vm_flags.ts';
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

/**
 * A disk file's folio that ends beyond i_size is mapped page by page, so that pages past the end
 * keep raising SIGBUS. The test looks at the folio to be mapped, a private copy too, whose "index"
 * is then that of anonymous memory.
 */
function reachesPastEof(m: Machine, vmf: Vmf, head: number): boolean {
  if (m.vma.ops[vmf.vma] !== OPS_FILE) return false;
  const inode = m.file.inode[m.vma.file[vmf.vma]!]!;
  return filePages(m, inode) < folioIndex(m, head) + folioPages(m, head);
}

export function finishFault618(m: Machine, vmf: Vmf): number {
  const page = pageOfFault(m, vmf);
  const head = headOf(m, page);
  let fallback = reachesPastEof(m, vmf, head);
  if (fallback && m.why !== null) m.why.note('past-eof', m.page.flags[head]! & 15, 0, 0);
  const pmd = pmdOrPageTable(m, vmf, head, !fallback);
  if (pmd !== VM_FAULT_FALLBACK) return pmd;

  const n = folioPages(m, head);
  if (n > 1 && uffdArmed(m, vmf.vma)) {
    if (m.why !== null) m.why.note('uffd-armed', m.page.flags[head]! & 15, 0, 0);
    fallback = true;
  }
  if (n > 1 && !fallback && wholeFolioFits(m, vmf, head, page)) {
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
