/**
 * finish_fault() as posted in "[PATCH 2/8] mm: memory: extend finish_fault() to support large
 * folio" (linux-mm, 6 May 2024), and the same with the guard that the reply proposed.
 *
 * The text takes the block of addresses around the fault, aligned to the folio's size, for the
 * folio's place: `start = ALIGN_DOWN(address, nr_pages)`. That holds only where virtual address
 * and file offset are congruent. Three more things follow from the text, and the laws find them:
 * it takes no reference for the pages beside the first; it maps pages of the block that the VMA's
 * offset does not give; and when one entry of the range is populated it returns VM_FAULT_NOPAGE,
 * so that the same fault comes again, for ever.
 */
import { modPow2 } from '../../base/index.ts';
import { folioPages, headOf } from '../folio.ts';
import { vmfPteChanged } from '../memory_map.ts';
import type { Machine } from '../mm_types.ts';
import { OPS_SHMEM_ANON } from '../vm_flags.ts';
import { uffdArmed } from '../vma_prot.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_NOPAGE, type Vmf } from '../vmf.ts';
import { mapRange, pageOfFault, pmdOrPageTable, rangeNone, slotOf } from './common.ts';

function finish(m: Machine, vmf: Vmf, onePage: boolean): number {
  let page = pageOfFault(m, vmf);
  const head = headOf(m, page);
  const pmd = pmdOrPageTable(m, vmf, head, true);
  if (pmd !== VM_FAULT_FALLBACK) return pmd;

  let n = folioPages(m, head);
  let vpn = vmf.vpn;
  if (onePage) {
    n = 1;
  } else if (n > 1) {
    const start = vmf.vpn - modPow2(vmf.vpn, n);
    const end = start + n;
    vpn = Math.max(start, m.vma.start[vmf.vma]!);
    n = Math.min(end, m.vma.end[vmf.vma]!) - vpn;
    page = head + (vpn - start);
    if (m.why !== null && page + (vmf.vpn - vpn) !== pageOfFault(m, vmf)) {
      m.why.note('finish-misaligned', m.page.flags[head]! & 15, page - head, vpn);
    }
  }

  const slot = slotOf(m, vmf, vpn);
  if (slot === 0) return VM_FAULT_NOPAGE;
  if (n === 1 && vmfPteChanged(m, vmf, slot)) return VM_FAULT_NOPAGE;
  if (n > 1 && !rangeNone(m, slot, n)) {
    if (m.why !== null) m.why.note('finish-range-populated', m.page.flags[head]! & 15, n, vpn);
    return VM_FAULT_NOPAGE;
  }
  return mapRange(m, vmf, page, n, vpn, slot, 0);
}

/** As posted: whole folios of every file. */
export function finishFaultV1(m: Machine, vmf: Vmf): number {
  return finish(m, vmf, uffdArmed(m, vmf.vma));
}

/** With the reply's guard: whole folios of anonymous shared memory only. */
export function finishFaultV1Guarded(m: Machine, vmf: Vmf): number {
  const anonShmem = m.vma.ops[vmf.vma] === OPS_SHMEM_ANON;
  return finish(m, vmf, uffdArmed(m, vmf.vma) || !anonShmem);
}
