/**
 * Moving page tables: entry by entry, or whole tables and huge PMDs where both places are congruent
 * and the stretch is full. Source: mm/mremap.c move_page_tables() and what it calls, 6.18.
 */
import { modPow2, type Pages, type VmaRow, type Vpn } from '../base/index.ts';
import { splitHugePmd } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import {
  installPageTable,
  isHugePmd,
  pmdSlot,
  pmdSlotAlloc,
  pteSlotUnder,
  pudSlot,
  pudSlotAlloc,
} from './pgalloc.ts';
import { isMarker, isTable, MARKER_UFFD_WP, PTE_UFFD_WP, REGION_PAGES } from './pgtable.ts';
import { UFFD_FEATURE_EVENT_REMAP } from './uffd_events.ts';
import { VM_HUGETLB } from './vm_flags.ts';
import { findVmaIntersection } from './vma_tree.ts';

const PMD_PAGES = 512;

/** vma_has_uffd_without_event_remap(): its write protection ends with the move. */
function losesUffd(m: Machine, v: VmaRow): boolean {
  const uffd = m.vma.uffd[v]!;
  if (!m.release.moveEndsUffdWp) return false;
  return uffd !== 0 && (m.uffd.features[uffd]! & UFFD_FEATURE_EVENT_REMAP) === 0;
}

/** How far one entry of `size` pages reaches, in the old place and in the new, within the range. */
function extentOf(size: Pages, from: Vpn, end: Vpn, to: Vpn): Pages {
  const here = Math.min(size - modPow2(from, size), end - from);
  return Math.min(here, size - modPow2(to, size));
}

/** can_align_down(): below the VMA's first page, as far as the boundary, nothing is mapped. */
function canAlignDown(m: Machine, v: VmaRow, vpn: Vpn, size: Pages): boolean {
  if (m.vma.start[v] !== vpn) return false;
  return findVmaIntersection(m, m.vma.mm[v]!, vpn - modPow2(vpn, size), vpn) === 0;
}

/** One entry under the rule that uffd write protection does not move along. */
function movedEntry(entry: number, clearWp: boolean): number {
  if (!clearWp) return entry;
  if (isMarker(entry) && (entry & MARKER_UFFD_WP) !== 0) return 0;
  return entry & ~PTE_UFFD_WP;
}

/** move_ptes(): `extent` entries below two PMD slots that both hold tables. */
function movePtes(
  m: Machine,
  oldSlot: number,
  newSlot: number,
  from: Vpn,
  to: Vpn,
  extent: Pages,
  clearWp: boolean,
): void {
  const source = pteSlotUnder(m, oldSlot, from);
  const target = pteSlotUnder(m, newSlot, to);
  const { pt } = m;
  for (let i = 0; i < extent; i++) {
    const entry = pt[source + i]!;
    if (entry === 0) continue;
    pt[source + i] = 0;
    pt[target + i] = movedEntry(entry, clearWp);
  }
}

/** Moves the mappings of [from, from + pages) of `oldV` to `to` in `newV`. */
export function movePageTables(
  m: Machine,
  oldV: VmaRow,
  newV: VmaRow,
  from: Vpn,
  to: Vpn,
  pages: Pages,
): void {
  if (pages === 0 || (m.vma.flags[oldV]! & VM_HUGETLB) !== 0) return;
  const mm = m.vma.mm[oldV]!;
  const end = from + pages;
  const clearWp = losesUffd(m, oldV);
  const wholeTables = !clearWp && !losesUffd(m, newV);
  let at = from;
  let dest = to;
  const into = modPow2(at, PMD_PAGES);
  if (
    into !== 0 &&
    into === modPow2(dest, PMD_PAGES) &&
    pages >= PMD_PAGES - into &&
    canAlignDown(m, oldV, at, PMD_PAGES) &&
    canAlignDown(m, newV, dest, PMD_PAGES)
  ) {
    at -= into;
    dest -= into;
  }
  let extent = 0;
  for (; at < end; at += extent, dest += extent) {
    extent = extentOf(REGION_PAGES, at, end, dest);
    const oldPud = pudSlot(m, mm, at);
    if (oldPud === 0 || m.pt[oldPud] === 0) continue;
    const newPud = pudSlotAlloc(m, mm, dest);
    if (extent === REGION_PAGES && wholeTables && m.pt[newPud] === 0) {
      m.pt[newPud] = m.pt[oldPud]!;
      m.pt[oldPud] = 0;
      m.mm.lastPmdTable[mm] = 0;
      continue;
    }

    extent = extentOf(PMD_PAGES, at, end, dest);
    const oldPmd = pmdSlot(m, mm, at);
    if (oldPmd === 0 || m.pt[oldPmd] === 0) continue;
    const newPmd = pmdSlotAlloc(m, mm, dest);
    const entry = m.pt[oldPmd]!;
    if (isHugePmd(entry)) {
      if (extent === PMD_PAGES && m.pt[newPmd] === 0) {
        m.pt[newPmd] = movedEntry(entry, clearWp);
        m.pt[oldPmd] = 0;
        continue;
      }
      splitHugePmd(m, oldV, oldPmd);
    } else if (extent === PMD_PAGES && wholeTables && m.pt[newPmd] === 0) {
      m.pt[newPmd] = entry;
      m.pt[oldPmd] = 0;
      continue;
    }
    if (!isTable(m.pt[oldPmd]!)) continue;
    installPageTable(m, mm, newPmd);
    movePtes(m, oldPmd, newPmd, at, dest, extent, clearWp);
  }
}
