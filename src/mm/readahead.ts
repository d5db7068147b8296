/**
 * Readahead of file mappings (mm/filemap.c do_sync_mmap_readahead, mm/readahead.c, 6.18): which
 * pages a fault on a cold file brings into the page cache, and in folios of which order.
 *
 * State is kept with each open file description, as in struct file_ra_state.
 */
import { type FileRow, type InodeRow, lowestOrder, type Order, type Pages } from '../base/index.ts';
import { cacheGet, cacheNext, cacheReadFolio, filePages } from './filemap.ts';
import { folioOrder, headOf } from './folio.ts';
import type { Machine } from './mm_types.ts';
import { pageCacheNextMiss, pageCachePrevMiss } from './page_cache_miss.ts';
import { PG_READAHEAD } from './page_flags.ts';
import { VM_EXEC, VM_HUGEPAGE, VM_RAND_READ, VM_SEQ_READ } from './vm_flags.ts';

const MMAP_LOTSAMISS = 100;

function readFolio(
  m: Machine,
  inode: InodeRow,
  index: number,
  order: Order,
  mark: number,
): boolean {
  const head = cacheReadFolio(m, inode, index, order);
  if (head === 0) return false;
  if (index === mark - (mark % (1 << order))) {
    m.page.flags[head] = m.page.flags[head]! | PG_READAHEAD;
  }
  return true;
}

/**
 * Single pages over [start, start+size), leaving out what is cached. The size is cut at the end of
 * the file before the mark is counted back from there. Source: mm/readahead.c do_page_cache_ra().
 */
function readPages(m: Machine, inode: InodeRow, start: number, size: Pages, async: Pages): void {
  const end = Math.min(start + size, filePages(m, inode));
  const mark = async <= end - start ? end - async : -1;
  for (let index = start; index < end; index++) {
    if (cacheGet(m, inode, index) === 0 && !readFolio(m, inode, index, 0, mark)) return;
  }
}

/**
 * Reads the window of a description's readahead state, in folios of its order where the file
 * system has large folios. Stops at the first page that is cached already and fills the rest page
 * by page. Source: mm/readahead.c page_cache_ra_order(), 6.18.
 */
function readOrder(m: Machine, file: FileRow, inode: InodeRow): void {
  const { raStart, raSize, raAsync, raOrder } = m.file;
  const start = raStart[file]!;
  const size = raSize[file]!;
  const mark = start + size - raAsync[file]!;
  const limit = Math.min(filePages(m, inode) - 1, start + size - 1);
  let index = start;
  if (m.release.fileLargeFolios) {
    const top = Math.min(9, raOrder[file]!, Math.floor(Math.log2(size)));
    raOrder[file] = top;
    while (index <= limit) {
      let order = top;
      while (order > 0 && index % (1 << order) !== 0) order--;
      while (order > 0 && index + (1 << order) - 1 > limit) order--;
      if (cacheNext(m, inode, index, index + (1 << order)) >= 0) break;
      if (!readFolio(m, inode, index, order, mark)) break;
      index += 1 << order;
    }
    if (index > limit) return;
  } else {
    raOrder[file] = 0;
  }
  readPages(m, inode, index, size - (index - start), raAsync[file]!);
}

function initialSize(wanted: Pages, max: Pages): Pages {
  const size = 2 ** Math.ceil(Math.log2(wanted));
  if (size <= max / 32) return size * 4;
  if (size <= max / 4) return size * 2;
  return max;
}

function nextSize(size: Pages, max: Pages): Pages {
  if (size < max / 16) return size * 4;
  if (size <= max / 2) return size * 2;
  return max;
}

/**
 * A fault misses the page cache at `index`: reads around it. Whether pages came in or not, the
 * caller then makes sure of the one page it needs.
 * Source: mm/filemap.c do_sync_mmap_readahead(), 6.18.
 */
export function syncMmapReadahead(
  m: Machine,
  file: FileRow,
  inode: InodeRow,
  index: number,
  vmFlags: number,
  vmaPgoff: number,
  vmaPages: Pages,
): void {
  const { raStart, raSize, raAsync, raOrder, mmapMiss } = m.file;
  const max = m.settings.readAheadPages;
  if ((vmFlags & VM_HUGEPAGE) !== 0) {
    raStart[file] = index - (index % 512);
    raSize[file] = (vmFlags & VM_RAND_READ) === 0 ? 1024 : 512;
    raAsync[file] = 512;
    raOrder[file] = 9;
    readOrder(m, file, inode);
    return;
  }
  if ((vmFlags & (VM_RAND_READ | VM_EXEC)) === VM_RAND_READ || max === 0) return;
  if ((vmFlags & VM_SEQ_READ) !== 0) {
    syncReadahead(m, file, inode, index, max);
    return;
  }
  if (mmapMiss[file]! < MMAP_LOTSAMISS * 10) mmapMiss[file]!++;
  if (mmapMiss[file]! > MMAP_LOTSAMISS) return;
  if ((vmFlags & VM_EXEC) !== 0 && m.release.execReadahead) {
    raStart[file] = Math.max(index, vmaPgoff);
    raSize[file] = Math.min(raStart[file]! + max, vmaPgoff + vmaPages) - raStart[file]!;
    raAsync[file] = 0;
  } else {
    raStart[file] = Math.max(0, index - Math.floor(max / 2));
    raSize[file] = max;
    raAsync[file] = Math.floor(max / 4);
  }
  raOrder[file] = 0;
  readOrder(m, file, inode);
}

/** ractl_max_pages(): a long read may be read ahead in one request. */
function maxPages(m: Machine, wanted: Pages): Pages {
  const { readAheadPages: max, diskRequestPages: most } = m.settings;
  return wanted > max && max < most ? Math.min(wanted, most) : max;
}

/** page_cache_sync_ra(): read(2) and sequential mappings. */
export function syncReadahead(
  m: Machine,
  file: FileRow,
  inode: InodeRow,
  index: number,
  wanted: Pages,
): void {
  const { raStart, raSize, raAsync, raOrder, prevEnd } = m.file;
  const max = maxPages(m, wanted);
  // The page of prev_pos; before the first read that is -1, which no page follows.
  const step = index - Math.floor((prevEnd[file]! - 1) / 4096);
  const follows = prevEnd[file]! > 0 && step >= 0 && step <= 1;
  if (index === 0 || wanted > max || follows) {
    raStart[file] = index;
    raSize[file] = initialSize(wanted, max);
    const size = raSize[file]!;
    raAsync[file] = size > wanted ? size - wanted : Math.floor(size / 2);
  } else {
    const missed = pageCachePrevMiss(m, inode, index - 1, max);
    let run = index - missed - 1;
    if (run <= wanted) {
      readPages(m, inode, index, wanted, 0);
      return;
    }
    if (missed < 0) run *= 2;
    raStart[file] = index;
    raSize[file] = Math.min(run + wanted, max);
    raAsync[file] = 1;
  }
  raOrder[file] = 0;
  readOrder(m, file, inode);
}

/**
 * A fault or a read found a page that carries the readahead mark: reads the next window ahead, in folios two
 * orders larger than the last. Source: mm/readahead.c page_cache_async_ra(), 6.18.
 */
export function asyncReadahead(
  m: Machine,
  file: FileRow,
  inode: InodeRow,
  index: number,
  wanted: Pages,
): void {
  const { raStart, raSize, raAsync, raOrder } = m.file;
  const max = maxPages(m, wanted);
  const head = headOf(m, cacheGet(m, inode, index));
  m.page.flags[head] = m.page.flags[head]! & ~PG_READAHEAD;
  const mark = raStart[file]! + raSize[file]! - raAsync[file]!;
  if (index === mark - (mark % (1 << folioOrder(m, head)))) {
    raStart[file]! += raSize[file]!;
    raSize[file] = Math.max(raSize[file]!, nextSize(raSize[file]!, max));
  } else {
    const miss = pageCacheNextMiss(m, inode, index + 1, max);
    if (miss - index > max) return;
    raStart[file] = miss;
    raSize[file] = nextSize(miss - index + wanted, max);
  }
  raOrder[file]! += 2;
  const align = 1 << Math.min(raOrder[file]!, lowestOrder(max));
  const end = raStart[file]! + raSize[file]!;
  const alignedEnd = end - (end % align);
  if (alignedEnd > raStart[file]!) raSize[file]! -= end - alignedEnd;
  raAsync[file] = raSize[file]!;
  readOrder(m, file, inode);
}
