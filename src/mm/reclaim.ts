/**
 * What MADV_PAGEOUT does with the folios it found, where there is no swap: clean memory goes, dirty
 * page cache is unmapped and stays, anonymous memory stays mapped; but a large anonymous folio is
 * split on the way to swap that it never finds.
 * Source: mm/vmscan.c reclaim_pages(), shrink_folio_list(), mm/rmap.c try_to_unmap_one(), 6.18.
 */
import type { Pfn, VmaRow, Vpn } from '../base/index.ts';
import { diskKeep } from './disk.ts';
import { cacheRemove } from './filemap.ts';
import {
  folioIndex,
  folioMapcount,
  folioOrder,
  folioPages,
  folioRefcount,
  isLarge,
} from './folio.ts';
import { splitFolio } from './folio_split.ts';
import { FS_DISK, FS_SHMEM } from './fs_types.ts';
import { ZAP_BY_RMAP, ZAP_EVEN_COWS, zapPageRange } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import { PG_ANON, PG_DIRTY, PG_READAHEAD, PG_SWAPBACKED, PG_UNEVICTABLE } from './page_flags.ts';
import { pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { isTable, PTE_D } from './pgtable.ts';
import { mappingUnevictable } from './rmap.ts';
import { shmemUnacctBlocks } from './shmem_blocks.ts';
import { VM2_DROPPABLE } from './vm_flags.ts';
import { countMthp, MTHP_SWPOUT_FALLBACK } from './vmstat.ts';

/** Folios that one VMA alone maps, whole, with the address of their first page. */
export type Reclaim = { readonly head: Pfn; readonly vpn: Vpn }[];

/** Some entry of the folio at `vpn` is dirty. */
function entryDirty(m: Machine, v: VmaRow, vpn: Vpn, pages: number): boolean {
  const slot = pmdSlot(m, m.vma.mm[v]!, vpn);
  if (!isTable(m.pt[slot]!)) return (m.pt[slot]! & PTE_D) !== 0;
  const first = pteSlotUnder(m, slot, vpn);
  for (let i = 0; i < pages; i++) if ((m.pt[first + i]! & PTE_D) !== 0) return true;
  return false;
}

/** A folio that MADV_FREE gave up: dropped, unless it was written since or someone holds it. */
function discardLazyfree(m: Machine, v: VmaRow, head: Pfn, vpn: Vpn): void {
  const { flags } = m.page;
  const pages = folioPages(m, head);
  const dirty = (flags[head]! & PG_DIRTY) !== 0 || entryDirty(m, v, vpn, pages);
  if (dirty && (m.vma.flags2[v]! & VM2_DROPPABLE) === 0) {
    flags[head] = flags[head]! | PG_SWAPBACKED | PG_DIRTY;
    return;
  }
  if (folioRefcount(m, head) !== folioMapcount(m, head)) return;
  zapPageRange(m, v, vpn, vpn + pages, ZAP_EVEN_COWS);
}

/** Page cache: unmapped; out of the cache if it is clean. */
function reclaimCached(m: Machine, v: VmaRow, head: Pfn, vpn: Vpn): void {
  const inode = m.page.mapping[head]!;
  const pages = folioPages(m, head);
  // SHM_LOCK came after the page: only now it goes to the list of the unevictable.
  if (mappingUnevictable(m, head)) {
    m.page.flags[head] = m.page.flags[head]! | PG_UNEVICTABLE;
    return;
  }
  zapPageRange(m, v, vpn, vpn + pages, ZAP_EVEN_COWS | ZAP_BY_RMAP);
  if ((m.page.flags[head]! & PG_DIRTY) !== 0) {
    if (m.inode.kind[inode] === FS_SHMEM && m.settings.totalSwap !== 0) {
      m.unmodelled = 'MADV_PAGEOUT of shmem with swap space';
    }
    // A dirty page of a disk is to be dropped when it has been written (PG_reclaim), and that bit is
    // also PG_readahead: fault-around passes it over.
    if (m.inode.kind[inode] === FS_DISK) {
      m.page.flags[head] = m.page.flags[head]! | PG_READAHEAD;
    }
    return;
  }
  if (folioRefcount(m, head) !== pages) return;
  if (m.inode.kind[inode] === FS_DISK && m.content.length !== 0) {
    const index = folioIndex(m, head);
    for (let i = 0; i < pages; i++) diskKeep(m, inode, index + i, head + i);
  }
  cacheRemove(m, head);
  if (m.inode.kind[inode] === FS_SHMEM) shmemUnacctBlocks(m, inode, pages);
}

export function reclaimFolios(m: Machine, v: VmaRow, list: Reclaim): void {
  for (const { head, vpn } of list) {
    const f = m.page.flags[head]!;
    if ((f & PG_ANON) === 0) {
      reclaimCached(m, v, head, vpn);
    } else if ((f & PG_SWAPBACKED) === 0) {
      discardLazyfree(m, v, head, vpn);
    } else if (m.settings.totalSwap !== 0) {
      m.unmodelled = 'MADV_PAGEOUT of anonymous memory with swap space';
    } else if (isLarge(m, head)) {
      const order = folioOrder(m, head);
      if (splitFolio(m, head)) countMthp(m, order, MTHP_SWPOUT_FALLBACK);
    }
  }
}
