/**
 * Collapsing small pages into a 2 MiB folio on request (mm/khugepaged.c madvise_collapse(), 6.18).
 * The daemon itself, which scans every ten seconds, is not modelled: nothing in a program's steps
 * tells when it runs.
 */
import { EAGAIN, EBUSY, EINVAL, ENOMEM, type Pfn, type VmaRow, type Vpn } from '../base/index.ts';
import { addRss } from './fault_result.ts';
import {
  cacheGet,
  cacheInsert,
  cacheNext,
  cacheRangeEmpty,
  cacheRemove,
  filePages,
  linearPageIndex,
} from './filemap.ts';
import {
  allocFolio,
  folioIndex,
  folioMapcount,
  folioOrder,
  folioPages,
  folioPut,
  folioRefAdd,
  folioRefcount,
  headOf,
} from './folio.ts';
import { thpVmaSuitable, vmaThpDisabled, writableBits } from './huge_memory.ts';
import { unmapMappingPages } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_DIRTY, PG_SWAPBACKED, PG_UPTODATE, PG_WRITTEN } from './page_flags.ts';
import { freePageTable, isHugePmd, pmdSlot, pmdSlotAlloc } from './pgalloc.ts';
import {
  isSwapEntry,
  isTable,
  makePte,
  PTE_A,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  pteMapped,
  ptePfn,
  tableRow,
} from './pgtable.ts';
import {
  deferredSplitFolio,
  folioAddNewAnonRmap,
  folioAddRmapPmd,
  folioRemoveRmapPtes,
} from './rmap.ts';
import { shmemAllowableHugeOrders } from './shmem.ts';
import { shmemUnacctBlocks } from './shmem_blocks.ts';
import {
  OPS_NONE,
  OPS_SHM,
  OPS_SHMEM,
  OPS_SHMEM_ANON,
  VM_HUGETLB,
  VM_MAYBE_GUARD,
  VM_SPECIAL,
  VM_WRITE,
} from './vm_flags.ts';
import { pageProt, uffdArmed, uffdMissing, uffdWp } from './vma_prot.ts';
import {
  NR_PAGETABLE,
  THP_COLLAPSE_ALLOC,
  THP_COLLAPSE_ALLOC_FAILED,
  THP_FILE_MAPPED,
} from './vmstat.ts';

/**
 * A failure that ends the whole call: those of a page or table that is missing, busy or protected
 * let it go on with the next 2 MiB (the list in madvise_collapse()).
 */
const ENDS_CALL = 0x10000;
const END = -EINVAL - ENDS_CALL;

/**
 * MADV_COLLAPSE over [start, end) of one VMA. 0 when every whole 2 MiB in it is mapped by a PMD
 * afterwards; else the errno of the last failure.
 */
export function madviseCollapse(m: Machine, v: VmaRow, start: Vpn, end: Vpn): number {
  if (!collapseAllowed(m, v)) return -EINVAL;
  const first = Math.ceil(start / 512) * 512;
  const last = Math.floor(end / 512) * 512;
  // With no whole 2 MiB in the range the kernel compares an unsigned difference with zero.
  let failure = last < first ? -EINVAL : 0;
  for (let vpn = first; vpn < last; vpn += 512) {
    const result = m.vma.ops[v] === OPS_NONE ? collapseAnon(m, v, vpn) : collapseShmem(m, v, vpn);
    if (result === 0) continue;
    failure = result <= END ? -EINVAL : result;
    if (result <= END || result === -ENOMEM || result === -EBUSY) break;
  }
  return failure;
}

/**
 * thp_vma_allowable_order(TVA_FORCED_COLLAPSE): sysfs "never" does not count for private memory and
 * tmpfs files; for anonymous shared memory the setting of 2 MiB does. NOHUGEPAGE does.
 */
function collapseAllowed(m: Machine, v: VmaRow): boolean {
  const flags = m.vma.flags[v]!;
  if (vmaThpDisabled(m, v, true)) return false;
  if ((flags & (VM_SPECIAL | VM_HUGETLB)) !== 0) return false;
  if (!thpVmaSuitable(m, v, m.vma.end[v]! - 512, 9)) return false;
  const kind = m.vma.ops[v]!;
  if (kind === OPS_NONE) return m.vma.anonVma[v] !== 0;
  if (kind !== OPS_SHMEM && kind !== OPS_SHMEM_ANON && kind !== OPS_SHM) return false;
  if (kind === OPS_SHMEM_ANON && !m.release.collapseAsksShmemSize) return true;
  const inode = m.file.inode[m.vma.file[v]!]!;
  const orders = shmemAllowableHugeOrders(m, inode, v, m.vma.pgoff[v]!, 0, true);
  return (orders & (1 << 9)) !== 0;
}

/** alloc_charge_folio(): the folio that the range is to become; 0 when memory is out. */
function allocCollapsed(m: Machine): Pfn {
  const huge = allocFolio(m, 9);
  m.vmstat[huge === 0 ? THP_COLLAPSE_ALLOC_FAILED : THP_COLLAPSE_ALLOC]! += 1;
  return huge;
}

/** hpage_collapse_scan_pmd() and collapse_huge_page(). */
function collapseAnon(m: Machine, v: VmaRow, vpn: Vpn): number {
  const mm = m.vma.mm[v]!;
  const slot = pmdSlot(m, mm, vpn);
  const entry = slot === 0 ? 0 : m.pt[slot]!;
  if (isHugePmd(entry)) return 0;
  if (!isTable(entry)) return slot === 0 ? -EINVAL : END;
  const row = tableRow(entry);
  for (let i = 0; i < 512; i++) {
    const pte = m.pt[row * 512 + i]!;
    // A missing page that userfaultfd may have to tell of is one too many (SCAN_EXCEED_NONE_PTE);
    // that this is EBUSY came with the same care for shared memory.
    if (pte === 0 || (pteMapped(pte) && ptePfn(pte) === m.zeroPfn)) {
      if (uffdArmed(m, v)) return m.release.collapseMindsUffd ? -EBUSY : END;
      continue;
    }
    if (!pteMapped(pte)) {
      if (isSwapEntry(pte)) m.unmodelled ||= 'MADV_COLLAPSE over swapped pages';
      return END;
    }
    if ((pte & PTE_UFFD_WP) !== 0) return -EINVAL;
    const head = headOf(m, ptePfn(pte));
    if ((m.page.flags[head]! & PG_ANON) === 0) return END;
    if (folioMapcount(m, head) !== folioRefcount(m, head)) return -EAGAIN;
  }
  const huge = allocCollapsed(m);
  if (huge === 0) return -ENOMEM;
  for (let i = 0; i < 512; i++) {
    const pte = m.pt[row * 512 + i]!;
    m.pt[row * 512 + i] = 0;
    const pfn = ptePfn(pte);
    if (pte === 0 || pfn === m.zeroPfn) {
      m.mm.rssAnon[mm]! += 1;
      continue;
    }
    copyContent(m, pfn, huge + i);
    const head = headOf(m, pfn);
    folioRemoveRmapPtes(m, head, pfn, 1, v);
    folioPut(m, head, 1);
  }
  folioAddNewAnonRmap(m, huge, v, vpn);
  m.pt[slot] = makePte(huge, pageProt(m, v) | PTE_A | writableBits(m, v));
  freePageTable(m, mm, row);
  m.mm.tables[mm]!++;
  m.vmstat[NR_PAGETABLE]! += 1;
  deferredSplitFolio(m, huge, false);
  return 0;
}

function copyContent(m: Machine, from: Pfn, to: Pfn): void {
  if (m.content.length !== 0) m.content[to] = m.content[from]!;
  m.page.flags[to] = m.page.flags[to]! | (m.page.flags[from]! & PG_WRITTEN);
}

/**
 * hpage_collapse_scan_file(), collapse_file() and collapse_pte_mapped_thp() for shmem: a 2 MiB
 * folio in the page cache, holes filled with zeroes, then one PMD in this mapping.
 */
function collapseShmem(m: Machine, v: VmaRow, vpn: Vpn): number {
  const inode = m.file.inode[m.vma.file[v]!]!;
  const index = linearPageIndex(m, v, vpn);
  const mm = m.vma.mm[v]!;
  const found = pmdSlot(m, mm, vpn);
  if (found !== 0 && isHugePmd(m.pt[found]!)) return 0;
  let huge = cacheGet(m, inode, index);
  if (huge === 0 || folioOrder(m, headOf(m, huge)) !== 9) {
    // An extent that is empty or behind the file counts as truncated, which is found out late.
    if (index >= filePages(m, inode) || cacheRangeEmpty(m, inode, index, 512)) {
      const spare = allocCollapsed(m);
      if (spare === 0) return -ENOMEM;
      folioPut(m, spare, 1);
      return END;
    }
    huge = collapseCache(m, inode, index);
    if (huge < 0) return huge;
  }
  const slot = pmdSlotAlloc(m, mm, vpn);
  const entry = m.pt[slot]!;
  if (isTable(entry)) {
    const row = tableRow(entry);
    for (let i = 0; i < 512; i++) {
      const pte = m.pt[row * 512 + i]!;
      if (pte === 0) continue;
      // A marker: SCAN_PTE_NON_PRESENT. A private copy ends the call.
      if (!pteMapped(pte)) return -EINVAL;
      if (ptePfn(pte) !== huge + i) return END;
    }
    for (let i = 0; i < 512; i++) {
      if (m.pt[row * 512 + i] === 0) continue;
      addRss(m, mm, huge, -1);
      folioRemoveRmapPtes(m, huge, huge + i, 1, v);
      folioPut(m, huge, 1);
    }
    m.pt[slot] = 0;
    freePageTable(m, mm, row);
  }
  folioRefAdd(m, huge, 1);
  addRss(m, mm, huge, 512);
  folioAddRmapPmd(m, huge, v);
  m.vmstat[THP_FILE_MAPPED]! += 1;
  const write = (m.vma.flags[v]! & VM_WRITE) !== 0 ? pageProt(m, v) & PTE_W : 0;
  m.pt[slot] = makePte(huge, (pageProt(m, v) & PTE_P) | write | PTE_A);
  return 0;
}

function hasHole(m: Machine, inode: number, index: number): boolean {
  for (let at = index; at < index + 512; at++) if (cacheGet(m, inode, at) === 0) return true;
  return false;
}

/**
 * Somebody maps the block and has userfaultfd tell of missing pages: a hole that is filled would
 * never be told. The kernel asks mappings of the page behind the block as well.
 */
function isWatched(m: Machine, inode: number, index: number): boolean {
  if (!m.release.collapseMindsUffd) return false;
  const { start, end, pgoff, shareNext } = m.vma;
  for (let v = m.inode.firstVma[inode]!; v !== 0; v = shareNext[v]!) {
    const reaches = pgoff[v]! <= index + 512 && pgoff[v]! + (end[v]! - start[v]!) > index;
    if (reaches && uffdMissing(m, v)) return true;
  }
  return false;
}

/** collapse_file(): the block's pages move into one folio; they are unmapped everywhere. */
function collapseCache(m: Machine, inode: number, index: number): number {
  const huge = allocCollapsed(m);
  if (huge === 0) return -ENOMEM;
  unmapMappingPages(m, inode, index, index + 511, 0);
  if (hasHole(m, inode, index) && isWatched(m, inode, index)) {
    folioPut(m, huge, 1);
    return -EBUSY;
  }
  let dirty = 0;
  let had = 0;
  for (let at = cacheNext(m, inode, index, index + 512); at >= 0; ) {
    const head = headOf(m, cacheGet(m, inode, at));
    const n = folioPages(m, head);
    const base = folioIndex(m, head);
    for (let i = 0; i < n; i++) copyContent(m, head + i, huge + (base - index) + i);
    dirty |= m.page.flags[head]! & PG_DIRTY;
    had += n;
    cacheRemove(m, head);
    at = cacheNext(m, inode, base + n, index + 512);
  }
  m.page.flags[huge] = m.page.flags[huge]! | PG_SWAPBACKED | PG_UPTODATE | dirty | PG_DIRTY;
  cacheInsert(m, inode, index, huge);
  shmemUnacctBlocks(m, inode, had - 512);
  retractPageTables(m, inode, index);
  return huge;
}

/**
 * Whoever maps the block whole and aligned loses the page table there, so that the next fault maps a
 * PMD: but not where private copies, marks of userfaultfd or guard regions may be.
 * Source: retract_page_tables(), 6.18.
 */
function retractPageTables(m: Machine, inode: number, index: number): void {
  const { start, end, pgoff, shareNext, anonVma, flags } = m.vma;
  for (let v = m.inode.firstVma[inode]!; v !== 0; v = shareNext[v]!) {
    const vpn = start[v]! + index - pgoff[v]!;
    const isWhole = vpn >= start[v]! && vpn % 512 === 0 && end[v]! >= vpn + 512;
    if (!isWhole || anonVma[v] !== 0 || uffdWp(m, v)) continue;
    if ((flags[v]! & VM_MAYBE_GUARD) !== 0) continue;
    const slot = pmdSlot(m, m.vma.mm[v]!, vpn);
    if (slot === 0 || !isTable(m.pt[slot]!)) continue;
    const row = tableRow(m.pt[slot]!);
    m.pt[slot] = 0;
    freePageTable(m, m.vma.mm[v]!, row);
  }
}
