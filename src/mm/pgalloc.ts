/**
 * Rows of 512 entries: allocation and walks of page tables. Freeing follows free_pgtables() and
 * lives with the operations that unmap (mmap.ts); this file knows no VMA.
 */
import { assert, type MmRow, type TableRow, type Vpn } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import {
  isTable,
  makeTableEntry,
  PTE_MAPPED,
  pmdSlotIn,
  pteSlotIn,
  regionOf,
  tableRow,
} from './pgtable.ts';
import { NR_PAGETABLE } from './vmstat.ts';

/** A row of 512 zero entries. The pool may move: read `m.pt` again afterwards. */
export function newTableRow(m: Machine): TableRow {
  const recycled = m.ptFree;
  if (recycled !== 0) {
    m.ptFree = m.pt[recycled * 512]!;
    m.pt[recycled * 512] = 0;
    return recycled;
  }
  if ((m.ptUsed + 1) * 512 > m.pt.length) {
    const grown = new Int32Array(m.pt.length * 2);
    grown.set(m.pt);
    m.pt = grown;
  }
  return m.ptUsed++;
}

/** Gives a row back. Its entries need not be clear. */
export function freeTableRow(m: Machine, row: TableRow): void {
  const base = row * 512;
  m.pt.fill(0, base, base + 512);
  m.pt[base] = m.ptFree;
  m.ptFree = row;
}

/** A page-table page of an mm: counted in VmPTE and nr_page_table_pages. */
export function newPageTable(m: Machine, mm: MmRow): TableRow {
  m.mm.tables[mm]!++;
  m.vmstat[NR_PAGETABLE]!++;
  return newTableRow(m);
}

export function freePageTable(m: Machine, mm: MmRow, row: TableRow): void {
  m.mm.tables[mm]!--;
  m.vmstat[NR_PAGETABLE]!--;
  freeTableRow(m, row);
}

/** The table one level down from `slot`; 0 when there is none. */
function child(m: Machine, slot: number): TableRow {
  return tableRow(m.pt[slot]!);
}

function childOrNew(m: Machine, mm: MmRow, slot: number): TableRow {
  const entry = m.pt[slot]!;
  if (entry !== 0) return tableRow(entry);
  const row = newPageTable(m, mm);
  m.pt[slot] = makeTableEntry(row);
  return row;
}

/** PMD table of a region (1 GiB): 0 when there is none. Remembers the last one found. */
export function pmdTable(m: Machine, mm: MmRow, region: number): TableRow {
  const cached = m.mm.lastPmdTable[mm]!;
  return cached !== 0 && m.mm.lastRegion[mm] === region ? cached : pmdTableWalk(m, mm, region);
}

function pmdTableWalk(m: Machine, mm: MmRow, region: number): TableRow {
  const cols = m.mm;
  const pgd = cols.pgd[mm]!;
  if (pgd === 0) return 0;
  const pud = child(m, pgd * 512 + (region >> 9));
  if (pud === 0) return 0;
  const row = child(m, pud * 512 + (region & 511));
  if (row !== 0) {
    cols.lastRegion[mm] = region;
    cols.lastPmdTable[mm] = row;
  }
  return row;
}

/** Slot of the PUD entry (that points at a PMD table) of `vpn`, or 0 when no PUD table exists. */
export function pudSlot(m: Machine, mm: MmRow, vpn: Vpn): number {
  const pgd = m.mm.pgd[mm]!;
  if (pgd === 0) return 0;
  const region = regionOf(vpn);
  const pud = child(m, pgd * 512 + (region >> 9));
  return pud === 0 ? 0 : pud * 512 + (region & 511);
}

/** Slot of the PUD entry of `vpn`; makes the PUD table (pud_alloc). */
export function pudSlotAlloc(m: Machine, mm: MmRow, vpn: Vpn): number {
  const region = regionOf(vpn);
  if (m.mm.pgd[mm] === 0) m.mm.pgd[mm] = newTableRow(m);
  const pud = childOrNew(m, mm, m.mm.pgd[mm]! * 512 + (region >> 9));
  return pud * 512 + (region & 511);
}

/** Slot of the PMD entry of `vpn`, or 0 when no PMD table exists. */
export function pmdSlot(m: Machine, mm: MmRow, vpn: Vpn): number {
  const region = regionOf(vpn);
  const row = pmdTable(m, mm, region);
  return row === 0 ? 0 : pmdSlotIn(row, vpn);
}

/** Slot of the PMD entry of `vpn`; makes the tables above it (pmd_alloc). */
export function pmdSlotAlloc(m: Machine, mm: MmRow, vpn: Vpn): number {
  const slot = pmdSlot(m, mm, vpn);
  return slot !== 0 ? slot : pmdSlotNew(m, mm, vpn);
}

function pmdSlotNew(m: Machine, mm: MmRow, vpn: Vpn): number {
  const row = childOrNew(m, mm, pudSlotAlloc(m, mm, vpn));
  m.mm.lastRegion[mm] = regionOf(vpn);
  m.mm.lastPmdTable[mm] = row;
  return pmdSlotIn(row, vpn);
}

/** Slot of the PTE of `vpn` below a PMD slot, or 0 when the PMD holds no table. */
export function pteSlotUnder(m: Machine, slot: number, vpn: Vpn): number {
  const entry = m.pt[slot]!;
  if (!isTable(entry)) return 0;
  return pteSlotIn(entry, vpn);
}

/** Slot of the PTE of `vpn`, or 0 when there is no page table (or a huge PMD). */
export function pteSlot(m: Machine, mm: MmRow, vpn: Vpn): number {
  const slot = pmdSlot(m, mm, vpn);
  return slot === 0 ? 0 : pteSlotUnder(m, slot, vpn);
}

/** Slot of the PTE of `vpn`; makes every table. The PMD must not map 2 MiB. */
export function pteSlotAlloc(m: Machine, mm: MmRow, vpn: Vpn): number {
  const slot = pmdSlotAlloc(m, mm, vpn);
  installPageTable(m, mm, slot);
  return pteSlotUnder(m, slot, vpn);
}

/** pte_alloc(): gives an empty PMD entry a page table. */
export function installPageTable(m: Machine, mm: MmRow, slot: number): void {
  const entry = m.pt[slot]!;
  assert((entry & PTE_MAPPED) === 0, 'no page table goes where a PMD maps 2 MiB');
  if (entry === 0) {
    const row = newPageTable(m, mm);
    m.pt[slot] = makeTableEntry(row);
  }
}

/** True when the entry of a PMD maps 2 MiB. */
export function isHugePmd(entry: number): boolean {
  return (entry & PTE_MAPPED) !== 0;
}

/** True when all 512 entries are none. */
export function tableIsEmpty(m: Machine, row: TableRow): boolean {
  const { pt } = m;
  for (let i = row * 512, end = i + 512; i < end; i++) if (pt[i] !== 0) return false;
  return true;
}
