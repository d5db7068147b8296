/**
 * /proc/PID/{smaps,smaps_rollup}: what is resident in each mapping, walked PTE by PTE
 * (fs/proc/task_mmu.c, 6.18 with PAGE_MAPCOUNT). All sums are exact; Pss is kept in units of
 * 1/4096 byte and divided once at the end, as the kernel does.
 */
import {
  highestOrder,
  type MmRow,
  PAGE_SIZE,
  type Pfn,
  PMD_PAGES,
  type VmaRow,
} from '../base/index.ts';
import { folioRefcount, headOf, pageMapcount } from './folio.ts';
import { anonSysfsOrders, thpVmaSuitable, vmaThpDisabled } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_DIRTY, PG_REFERENCED, PG_SWAPBACKED } from './page_flags.ts';
import { isHugePmd, pmdSlot } from './pgalloc.ts';
import {
  isSwapEntry,
  isTable,
  PTE_A,
  PTE_D,
  pmdAddrEnd,
  pteMapped,
  ptePfn,
  pteSlotIn,
  swapOffset,
} from './pgtable.ts';
import { ANON_ORDERS } from './settings.ts';
import { shmemAllowableHugeOrders } from './shmem.ts';
import { OPS_NONE, OPS_SHM, OPS_SHMEM, OPS_SHMEM_ANON, VM_LOCKED } from './vm_flags.ts';
import { GATE_LINE, headerPrefix, mapsLine, named } from './vma_names.ts';

const PSS_UNIT = 4096;
const PMD_BYTES = PMD_PAGES * PAGE_SIZE;

/** struct mem_size_stats; bytes, Pss in bytes * 4096. */
export interface MemSizeStats {
  resident: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
  anonymous: number;
  lazyFree: number;
  anonThp: number;
  shmemThp: number;
  fileThp: number;
  swap: number;
  pss: number;
  pssAnon: number;
  pssFile: number;
  pssShmem: number;
  pssDirty: number;
  pssLocked: number;
  swapPss: number;
}

export function emptyStats(): MemSizeStats {
  return {
    resident: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
    anonymous: 0,
    lazyFree: 0,
    anonThp: 0,
    shmemThp: 0,
    fileThp: 0,
    swap: 0,
    pss: 0,
    pssAnon: 0,
    pssFile: 0,
    pssShmem: 0,
    pssDirty: 0,
    pssLocked: 0,
    swapPss: 0,
  };
}

function accumulate(
  s: MemSizeStats,
  folioFlags: number,
  size: number,
  pss: number,
  dirty: boolean,
  locked: boolean,
  isPrivate: boolean,
): void {
  s.pss += pss;
  if ((folioFlags & PG_ANON) !== 0) s.pssAnon += pss;
  else if ((folioFlags & PG_SWAPBACKED) !== 0) s.pssShmem += pss;
  else s.pssFile += pss;
  if (locked) s.pssLocked += pss;
  if (dirty || (folioFlags & PG_DIRTY) !== 0) {
    s.pssDirty += pss;
    if (isPrivate) s.privateDirty += size;
    else s.sharedDirty += size;
  } else if (isPrivate) s.privateClean += size;
  else s.sharedClean += size;
}

/** Source: fs/proc/task_mmu.c smaps_account(), 6.18. `pages` is 1, or 512 below a PMD map. */
function account(
  m: Machine,
  s: MemSizeStats,
  pfn: Pfn,
  entry: number,
  pages: number,
  locked: boolean,
): void {
  const head = headOf(m, pfn);
  const flags = m.page.flags[head]!;
  const dirty = (entry & PTE_D) !== 0;
  const size = pages * PAGE_SIZE;
  if ((flags & PG_ANON) !== 0) {
    s.anonymous += size;
    if ((flags & PG_SWAPBACKED) === 0 && !dirty && (flags & PG_DIRTY) === 0) s.lazyFree += size;
  }
  s.resident += size;
  if ((entry & PTE_A) !== 0 || (flags & PG_REFERENCED) !== 0) s.referenced += size;
  if (folioRefcount(m, head) === 1) {
    accumulate(s, flags, size, size * PSS_UNIT, dirty, locked, true);
    return;
  }
  for (let i = 0; i < pages; i++) {
    const mapcount = pageMapcount(m, pfn + i);
    const whole = PAGE_SIZE * PSS_UNIT;
    const pss = mapcount >= 2 ? Math.floor(whole / mapcount) : whole;
    accumulate(s, flags, PAGE_SIZE, pss, dirty, locked, mapcount < 2);
  }
}

function pteEntry(m: Machine, s: MemSizeStats, pte: number, locked: boolean): void {
  if (pteMapped(pte)) {
    const pfn = ptePfn(pte);
    // vm_normal_page(): the zero page and the huge zero folio are nobody's memory.
    if (pfn !== m.zeroPfn && !isHugeZero(m, pfn)) account(m, s, pfn, pte, 1, locked);
  } else if (isSwapEntry(pte)) {
    s.swap += PAGE_SIZE;
    const refs = m.swap.refs[swapOffset(pte)]!;
    const whole = PAGE_SIZE * PSS_UNIT;
    s.swapPss += refs >= 2 ? Math.floor(whole / refs) : whole;
  }
}

export function isHugeZero(m: Machine, pfn: Pfn): boolean {
  return m.hugeZeroPfn !== 0 && pfn >= m.hugeZeroPfn && pfn < m.hugeZeroPfn + PMD_PAGES;
}

/** Adds what one VMA maps. Source: fs/proc/task_mmu.c smap_gather_stats(), 6.18. */
export function gatherStats(m: Machine, v: VmaRow, s: MemSizeStats): void {
  const { start, end, flags } = m.vma;
  const mm = m.vma.mm[v]!;
  const locked = (flags[v]! & VM_LOCKED) !== 0;
  const last = end[v]!;
  for (let vpn = start[v]!; vpn < last; ) {
    const next = pmdAddrEnd(vpn, last);
    const slot = pmdSlot(m, mm, vpn);
    const pmd = slot === 0 ? 0 : m.pt[slot]!;
    if (isHugePmd(pmd)) {
      const pfn = ptePfn(pmd);
      if (!isHugeZero(m, pfn)) {
        const f = m.page.flags[pfn]!;
        if ((f & PG_ANON) !== 0) s.anonThp += PMD_BYTES;
        else if ((f & PG_SWAPBACKED) !== 0) s.shmemThp += PMD_BYTES;
        else s.fileThp += PMD_BYTES;
        account(m, s, pfn, pmd, PMD_PAGES, locked);
      }
    } else if (isTable(pmd)) {
      for (let p = vpn; p < next; p++) {
        const pte = m.pt[pteSlotIn(pmd, p)]!;
        if (pte !== 0) pteEntry(m, s, pte, locked);
      }
    }
    vpn = next;
  }
}

function kb(bytes: number): string {
  return String(Math.floor(bytes / 1024)).padStart(8);
}

function pssKb(pss: number): string {
  return kb(Math.floor(pss / PSS_UNIT));
}

function smapFields(s: MemSizeStats, rollup: boolean): string {
  return (
    `Rss:            ${kb(s.resident)} kB\n` +
    `Pss:            ${pssKb(s.pss)} kB\n` +
    `Pss_Dirty:      ${pssKb(s.pssDirty)} kB\n` +
    (rollup
      ? `Pss_Anon:       ${pssKb(s.pssAnon)} kB\n` +
        `Pss_File:       ${pssKb(s.pssFile)} kB\n` +
        `Pss_Shmem:      ${pssKb(s.pssShmem)} kB\n`
      : '') +
    `Shared_Clean:   ${kb(s.sharedClean)} kB\n` +
    `Shared_Dirty:   ${kb(s.sharedDirty)} kB\n` +
    `Private_Clean:  ${kb(s.privateClean)} kB\n` +
    `Private_Dirty:  ${kb(s.privateDirty)} kB\n` +
    `Referenced:     ${kb(s.referenced)} kB\n` +
    `Anonymous:      ${kb(s.anonymous)} kB\n` +
    `KSM:            ${kb(0)} kB\n` +
    `LazyFree:       ${kb(s.lazyFree)} kB\n` +
    `AnonHugePages:  ${kb(s.anonThp)} kB\n` +
    `ShmemPmdMapped: ${kb(s.shmemThp)} kB\n` +
    `FilePmdMapped:  ${kb(s.fileThp)} kB\n` +
    `Shared_Hugetlb: ${kb(0)} kB\n` +
    `Private_Hugetlb: ${kb(0).slice(1)} kB\n` +
    `Swap:           ${kb(s.swap)} kB\n` +
    `SwapPss:        ${pssKb(s.swapPss)} kB\n` +
    `Locked:         ${pssKb(s.pssLocked)} kB\n`
  );
}

/** Two-letter codes of VmFlags, by bit; '' is never shown (protection keys). */
const MNEMONICS: readonly string[] = [
  ...['rd', 'wr', 'ex', 'sh', 'mr', 'mw', 'me', 'ms', 'gd', 'um', 'pf', 'gu', 'uw', 'lo', 'io'],
  ...['sr', 'rr', 'dc', 'de', 'lf', 'ac', 'nr', 'ht', 'sf', 'ar', 'wf', 'dd', '??', 'mm', 'hg'],
  ...['nh', 'mg', '', '', '', '', '', '??', 'ui', '??', 'dp', '??', 'sl'],
];

/** The codes of one VMA, in the kernel's order. */
export function vmFlagCodes(m: Machine, v: VmaRow): string[] {
  const codes: string[] = [];
  for (let bit = 0; bit < MNEMONICS.length; bit++) {
    const set = bit < 32 ? m.vma.flags[v]! >>> bit : m.vma.flags2[v]! >>> (bit - 32);
    if ((set & 1) !== 0 && MNEMONICS[bit] !== '') codes.push(MNEMONICS[bit]!);
  }
  const { sealIsNamed, lockonfaultIsNamed } = m.release;
  if (sealIsNamed && lockonfaultIsNamed) return codes;
  const unnamed = (code: string): boolean =>
    (code === 'sl' && !sealIsNamed) || (code === 'lf' && !lockonfaultIsNamed);
  return codes.map((code) => (unnamed(code) ? '??' : code));
}

/** THP_ORDERS_ALL_FILE_DEFAULT. */
const FILE_ORDERS = 0x3fe;

/**
 * THPeligible of one VMA: 1 if some order is allowed and fits its last aligned block.
 * Source: mm/huge_memory.c __thp_vma_allowable_orders() with TVA_SMAPS, 6.18.
 */
export function thpEligible(m: Machine, v: VmaRow): number {
  const ops = m.vma.ops[v]!;
  const shmem = ops === OPS_SHMEM || ops === OPS_SHMEM_ANON || ops === OPS_SHM;
  if (!shmem && ops !== OPS_NONE) return 0;
  if (vmaThpDisabled(m, v, false)) return 0;
  let orders = shmem ? FILE_ORDERS : ANON_ORDERS & anonSysfsOrders(m, m.vma.flags[v]!);
  while (orders !== 0) {
    const order = highestOrder(orders);
    if (thpVmaSuitable(m, v, m.vma.end[v]! - (1 << order), order)) break;
    orders &= ~(1 << order);
  }
  if (!shmem || orders === 0) return orders !== 0 ? 1 : 0;
  const inode = m.file.inode[m.vma.file[v]!]!;
  const allowed = shmemAllowableHugeOrders(m, inode, v, m.vma.pgoff[v]!, 0, false);
  return (m.release.shmemEligibleFits ? orders & allowed : allowed) !== 0 ? 1 : 0;
}

/** The entry of one VMA in /proc/PID/smaps. */
export function smapText(m: Machine, v: VmaRow): string {
  const s = emptyStats();
  gatherStats(m, v, s);
  return (
    mapsLine(m, v) +
    '\n' +
    sizeFields((m.vma.end[v]! - m.vma.start[v]!) * PAGE_SIZE) +
    smapFields(s, false) +
    `THPeligible:    ${String(thpEligible(m, v)).padStart(8)}\n` +
    `VmFlags: ${vmFlagCodes(m, v).join(' ')} \n`
  );
}

function sizeFields(bytes: number): string {
  return (
    `Size:           ${kb(bytes)} kB\n` +
    `KernelPageSize: ${kb(PAGE_SIZE)} kB\n` +
    `MMUPageSize:    ${kb(PAGE_SIZE)} kB\n`
  );
}

/** The gate mapping's entry in smaps: no page of it is counted. */
const GATE_SMAP =
  `${GATE_LINE}\n${sizeFields(PAGE_SIZE)}${smapFields(emptyStats(), false)}` +
  `THPeligible:    ${'0'.padStart(8)}\nVmFlags: ex \n`;

/** /proc/PID/smaps. */
export function smapsText(m: Machine, mm: MmRow): string {
  let text = '';
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) text += smapText(m, v);
  return text + GATE_SMAP;
}

/** /proc/PID/smaps_rollup. */
export function smapsRollupText(m: Machine, mm: MmRow): string {
  const s = emptyStats();
  const first = m.mm.firstVma[mm]!;
  let end = 0;
  for (let v = first; v !== 0; v = m.vma.next[v]!) {
    gatherStats(m, v, s);
    end = m.vma.end[v]!;
  }
  const start = first === 0 ? 0 : m.vma.start[first]!;
  return named(headerPrefix(start, end, 0, 0, '00:00', 0), '[rollup]') + '\n' + smapFields(s, true);
}
