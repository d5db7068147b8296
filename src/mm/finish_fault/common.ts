/**
 * What all finish_fault() variants share. A variant answers one question, how many pages of
 * `vmf.page`'s folio to map and where, and ends with mapRange().
 *
 * Units: `idx` is the page's index in its folio, `vmaOff` its offset in the VMA, `pteOff` its
 * index in the page table, all in pages.
 */
import { modPow2, type Pages, type Pfn, PMD_ORDER, type Vpn } from '../../base/index.ts';
import { addRss, pteRangeNone } from '../fault_result.ts';
import { folioOrder, folioPages, folioRefAdd, headOf } from '../folio.ts';
import { doSetPmd, ensurePageTable, isCow, setPteRange } from '../memory_map.ts';
import type { Machine } from '../mm_types.ts';
import { pteSlotUnder } from '../pgalloc.ts';
import { VM_FAULT_FALLBACK, type Vmf } from '../vmf.ts';

/** The frame to map: the private copy, or the page that ->fault found. */
export function pageOfFault(m: Machine, vmf: Vmf): Pfn {
  return isCow(m, vmf) ? vmf.cowPage : vmf.page;
}

/**
 * Where no page table exists yet: a PMD mapping if the folio is 2 MiB and the VMA lets it (0), else
 * a page table (VM_FAULT_FALLBACK: go on with PTEs).
 */
export function pmdOrPageTable(m: Machine, vmf: Vmf, head: Pfn, allowPmd: boolean): number {
  if (m.pt[vmf.pmdSlot] === 0) {
    if (allowPmd && folioOrder(m, head) === PMD_ORDER) {
      const ret = doSetPmd(m, vmf, head);
      if (ret !== VM_FAULT_FALLBACK) return ret;
    }
    ensurePageTable(m, vmf);
  }
  return VM_FAULT_FALLBACK;
}

/** True when the whole folio lies in the VMA and in the one page table, at the page's place. */
export function wholeFolioFits(m: Machine, vmf: Vmf, head: Pfn, page: Pfn): boolean {
  const n = folioPages(m, head);
  const idx = page - head;
  const { start, end } = m.vma;
  const vmaOff = vmf.vpn - start[vmf.vma]!;
  const vmaPages = end[vmf.vma]! - start[vmf.vma]!;
  const pteOff = modPow2(vmf.vpn, 512);
  const inVma = vmaOff >= idx && vmaOff + (n - idx) <= vmaPages;
  const inTable = pteOff >= idx && pteOff + (n - idx) <= 512;
  if (m.why !== null) {
    if (!inVma) m.why.note('finish-past-vma', folioOrder(m, head), idx, vmaOff);
    else if (!inTable) m.why.note('finish-crosses-table', folioOrder(m, head), idx, pteOff);
  }
  return inVma && inTable;
}

/** Slot of the PTE of `vpn` below the fault's PMD; 0 when a PMD took the table's place. */
export function slotOf(m: Machine, vmf: Vmf, vpn: Vpn): number {
  return pteSlotUnder(m, vmf.pmdSlot, vpn);
}

export function rangeNone(m: Machine, slot: number, n: Pages): boolean {
  return pteRangeNone(m, slot, n);
}

/**
 * Installs n PTEs and counts them. `refs` is how many references the variant takes beside the one
 * that ->fault gave: n - 1 where it is right.
 */
export function mapRange(
  m: Machine,
  vmf: Vmf,
  page: Pfn,
  n: Pages,
  vpn: Vpn,
  slot: number,
  refs: number,
): number {
  const head = headOf(m, page);
  if (refs > 0) folioRefAdd(m, head, refs);
  setPteRange(m, vmf, head, page, n, vpn, slot);
  addRss(m, vmf.mm, head, n);
  if (m.why !== null) {
    m.why.note(n > 1 ? 'finish-whole' : 'finish-one', folioOrder(m, head), n, page - head);
  }
  return 0;
}
