/**
 * Writing dirty page cache to its disk: msync, fsync. A folio that is written becomes clean and
 * write-protected in every mapping, so that the next store is noticed again.
 * Source: mm/page-writeback.c folio_clear_dirty_for_io(), mm/rmap.c folio_mkclean(), 6.18.
 */
import type { InodeRow, Pfn } from '../base/index.ts';
import { diskClean, diskDelays } from './disk.ts';
import { cacheGet, cacheNext } from './filemap.ts';
import { folioIndex, folioPages, headOf } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { PG_BUFFER_DIRTY, PG_DIRTY, PG_MAPPEDTODISK, PG_READAHEAD } from './page_flags.ts';
import { isHugePmd, pmdSlot, pteSlotUnder } from './pgalloc.ts';
import { PTE_D, PTE_MAPPED, PTE_P, PTE_W, ptePfn } from './pgtable.ts';
import { VM_SHARED } from './vm_flags.ts';
import { NR_FILE_DIRTY } from './vmstat.ts';

/** Takes dirty and write bits from every shared mapping of a folio. */
function mkclean(m: Machine, inode: InodeRow, head: Pfn): void {
  const { start, end, pgoff, shareNext, flags } = m.vma;
  const index = folioIndex(m, head);
  const pages = folioPages(m, head);
  for (let v = m.inode.firstVma[inode]!; v !== 0; v = shareNext[v]!) {
    if ((flags[v]! & VM_SHARED) === 0) continue;
    const first = Math.max(index, pgoff[v]!);
    const last = Math.min(index + pages, pgoff[v]! + (end[v]! - start[v]!));
    for (let i = first; i < last; i++) {
      const vpn = start[v]! + (i - pgoff[v]!);
      const pmd = pmdSlot(m, m.vma.mm[v]!, vpn);
      if (pmd === 0) continue;
      const slot = isHugePmd(m.pt[pmd]!) ? pmd : pteSlotUnder(m, pmd, vpn);
      const pte = slot === 0 ? 0 : m.pt[slot]!;
      if ((pte & PTE_MAPPED) === 0 || headOf(m, ptePfn(pte)) !== head) continue;
      m.pt[slot] = pte & ~(PTE_D | ((pte & PTE_P) !== 0 ? PTE_W : 0));
    }
  }
}

/** Writes pages [from, to) of a file. */
export function writebackRange(m: Machine, inode: InodeRow, from: number, to: number): void {
  for (let at = cacheNext(m, inode, from, to); at >= 0; at = cacheNext(m, inode, at, to)) {
    const head = headOf(m, cacheGet(m, inode, at));
    const { flags } = m.page;
    if ((flags[head]! & PG_DIRTY) !== 0) {
      mkclean(m, inode, head);
      // folio_end_writeback() ends PG_reclaim, which is PG_readahead too.
      flags[head] = flags[head]! & ~(PG_DIRTY | PG_READAHEAD);
      diskClean(m, head, folioPages(m, head));
      m.vmstat[NR_FILE_DIRTY]! -= folioPages(m, head);
    }
    at = folioIndex(m, head) + folioPages(m, head);
  }
}

/**
 * Starts writing a file some of whose blocks are only reserved: when it replaces another by its name,
 * or is closed after it was cut to nothing, so that a crash does not leave it empty.
 * Source: fs/ext4/inode.c ext4_alloc_da_blocks(), 6.18.
 */
export function allocDelayedBlocks(m: Machine, inode: InodeRow): void {
  const end = Number.POSITIVE_INFINITY;
  for (let at = cacheNext(m, inode, 0, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const head = headOf(m, cacheGet(m, inode, at));
    if (diskDelays(m, head, folioPages(m, head))) {
      writebackRange(m, inode, 0, end);
      return;
    }
    at = folioIndex(m, head) + folioPages(m, head);
  }
}

/**
 * fallocate(2) gives pages [first, end) blocks on the disk: of what is cached and dirty none is only
 * reserved any more. For other pages these blocks do not count, they are unwritten.
 * Source: fs/ext4/extents.c ext4_alloc_file_blocks(), 6.18.
 */
export function allocBlocks(m: Machine, inode: InodeRow, first: number, end: number): void {
  const { flags } = m.page;
  for (let at = cacheNext(m, inode, first, end); at >= 0; at = cacheNext(m, inode, at + 1, end)) {
    const pfn = cacheGet(m, inode, at);
    if ((flags[pfn]! & PG_BUFFER_DIRTY) !== 0) flags[pfn] = flags[pfn]! | PG_MAPPEDTODISK;
  }
}
