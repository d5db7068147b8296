/**
 * Fault-around: a read fault maps what the page cache already has near the address
 * (mm/memory.c do_fault_around(), mm/filemap.c filemap_map_pages(), 6.18).
 *
 * This path, not finish_fault(), serves most read faults: a folio that is cached is mapped here,
 * whole in 6.18, within a window of fault_around_bytes before.
 */
import { modPow2, PMD_ORDER } from '../base/index.ts';
import { addRss } from './fault_result.ts';
import { cacheGet, cacheNext, filePages, linearPageIndex } from './filemap.ts';
import { folioIndex, folioOrder, folioPages, folioRefAdd, headOf } from './folio.ts';
import { doSetPmd, setPteRange } from './memory_map.ts';
import type { Machine } from './mm_types.ts';
import { PG_HWPOISON, PG_LOCKED, PG_READAHEAD, PG_SWAPBACKED, PG_UPTODATE } from './page_flags.ts';
import { installPageTable, isHugePmd, pteSlotUnder } from './pgalloc.ts';
import { OPS_FILE, OPS_SHMEM, OPS_SHMEM_ANON, VM_UFFD_WP, VM2_UFFD_MINOR } from './vm_flags.ts';
import { VM_FAULT_NOPAGE, type Vmf } from './vmf.ts';

/** should_fault_around(): ->map_pages exists, no uffd-wp or minor, a window of more than a page. */
export function shouldFaultAround(m: Machine, vmf: Vmf): boolean {
  const { ops, flags, flags2 } = m.vma;
  const v = vmf.vma;
  const kind = ops[v]!;
  // SysV segments have no ->map_pages (ipc/shm.c shm_vm_ops).
  const can = kind === OPS_FILE || kind === OPS_SHMEM || kind === OPS_SHMEM_ANON;
  if (!can) return false;
  if ((flags[v]! & VM_UFFD_WP) !== 0 || (flags2[v]! & VM2_UFFD_MINOR) !== 0) {
    if (m.why !== null) m.why.note('fault-around-uffd', -1, 0, 0);
    return false;
  }
  if (m.settings.faultAroundPages > 1) return true;
  if (m.why !== null) m.why.note('fault-around-off', -1, 0, 0);
  return false;
}

/**
 * Maps cached pages of the window around the fault. VM_FAULT_NOPAGE when the faulting page itself
 * is mapped now; 0 when ->fault has to be called, although neighbours may have been mapped.
 *
 * The window is N pages from the aligned block's start, clamped to the VMA's start; its end counts
 * from the clamped start, so that it may pass the block.
 */
export function doFaultAround(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const { start, end } = m.vma;
  const window = m.settings.faultAroundPages;
  const pteOff = modPow2(vmf.vpn, 512);
  const vmaOff = vmf.vpn - start[v]!;
  const from = Math.max(pteOff - modPow2(pteOff, window), pteOff - Math.min(pteOff, vmaOff));
  const to = Math.min(from + window, 512, pteOff + (end[v]! - start[v]!) - vmaOff) - 1;
  const pgoff = linearPageIndex(m, v, vmf.vpn);
  return filemapMapPages(m, vmf, pgoff + from - pteOff, pgoff + to - pteOff);
}

/** Some page of the folio is waited for still. */
export function isBeingRead(m: Machine, head: number): boolean {
  const end = head + folioPages(m, head);
  return m.reading.some((pfn) => pfn >= head && pfn < end);
}

/** Next folio worth mapping in [index, last]: its first page there, or -1 (next_uptodate_folio). */
function nextUptodate(m: Machine, inode: number, index: number, last: number): number {
  const { flags } = m.page;
  const limit = Math.min(last + 1, filePages(m, inode));
  for (let at = index; ; ) {
    at = cacheNext(m, inode, at, limit);
    if (at < 0) return -1;
    const head = headOf(m, cacheGet(m, inode, at));
    const f = flags[head]!;
    const isReady = (f & (PG_UPTODATE | PG_READAHEAD | PG_LOCKED)) === PG_UPTODATE;
    if (isReady && (m.reading.length === 0 || !isBeingRead(m, head))) return at;
    at = folioIndex(m, head) + folioPages(m, head);
  }
}

function filemapMapPages(m: Machine, vmf: Vmf, first: number, lastWanted: number): number {
  const v = vmf.vma;
  const { start, pgoff } = m.vma;
  const inode = m.file.inode[m.vma.file[v]!]!;
  const fileLast = filePages(m, inode) - 1;
  const last = Math.min(lastWanted, fileLast);
  let at = nextUptodate(m, inode, first, last);
  if (at < 0) {
    if (m.why !== null) m.why.note('fault-around-missed', -1, 0, 0);
    return 0;
  }
  const firstPfn = cacheGet(m, inode, at);
  const firstHead = headOf(m, firstPfn);
  const shmem = (m.page.flags[firstHead]! & PG_SWAPBACKED) !== 0;
  const folioEnd = folioIndex(m, firstHead) + folioPages(m, firstHead);
  const mayHaveTable = !m.release.faultAroundEofQuirk || shmem || fileLast >= folioEnd;
  if (mayHaveTable) {
    if (isHugePmd(m.pt[vmf.pmdSlot]!)) return VM_FAULT_NOPAGE;
    if (m.pt[vmf.pmdSlot] === 0) {
      if (folioOrder(m, firstHead) === PMD_ORDER && doSetPmd(m, vmf, firstHead) === 0) {
        folioRefAdd(m, firstHead, 1);
        return VM_FAULT_NOPAGE;
      }
      installPageTable(m, vmf.mm, vmf.pmdSlot);
    }
  }
  if (pteSlotUnder(m, vmf.pmdSlot, vmf.vpn) === 0) {
    if (m.why !== null) m.why.note('fault-around-eof', -1, 0, 0);
    return 0;
  }
  let ret = 0;
  let rss = 0;
  while (at >= 0) {
    const pfn = cacheGet(m, inode, at);
    const head = headOf(m, pfn);
    const n = folioPages(m, head);
    const next = folioIndex(m, head) + n;
    const vpn = start[v]! + (at - pgoff[v]!);
    const whole =
      m.release.faultAroundWhole &&
      n > 1 &&
      (shmem || fileLast >= next) &&
      inside(m, vmf, vpn - (pfn - head), n);
    mapped = 0;
    if (whole) ret |= mapFolioRange(m, vmf, head, head, n, vpn - (pfn - head));
    else ret |= mapFolioRange(m, vmf, head, pfn, Math.min(next - 1, last) - at + 1, vpn);
    rss += mapped;
    at = nextUptodate(m, inode, Math.min(next, last + 1), last);
  }
  addRss(m, vmf.mm, firstHead, rss);
  if (m.why !== null) m.why.note('fault-around', -1, rss, ret !== 0 ? 1 : 0);
  return ret;
}

/** Pages that the last mapFolioRange() mapped. */
let mapped = 0;

/** The folio's n pages at `vpn` lie in the VMA and in one page table. */
function inside(m: Machine, vmf: Vmf, vpn: number, n: number): boolean {
  const { start, end } = m.vma;
  const v = vmf.vma;
  if (vpn < start[v]! || vpn + n > end[v]!) return false;
  return Math.floor(vpn / 512) === Math.floor((vpn + n - 1) / 512);
}

/**
 * Maps those of n pages whose entries are none, in runs. VM_FAULT_NOPAGE when the faulting address
 * is among them. Source: filemap_map_folio_range(), 6.18.
 */
function mapFolioRange(
  m: Machine,
  vmf: Vmf,
  head: number,
  page: number,
  n: number,
  vpn: number,
): number {
  const base = pteSlotUnder(m, vmf.pmdSlot, vpn);
  let ret = 0;
  for (let i = 0; i < n; ) {
    if (m.pt[base + i] !== 0 || (m.page.flags[page + i]! & PG_HWPOISON) !== 0) {
      i++;
      continue;
    }
    let run = 1;
    while (
      i + run < n &&
      m.pt[base + i + run] === 0 &&
      (m.page.flags[page + i + run]! & PG_HWPOISON) === 0
    ) {
      run++;
    }
    folioRefAdd(m, head, run);
    setPteRange(m, vmf, head, page + i, run, vpn + i, base + i);
    mapped += run;
    if (vmf.vpn >= vpn + i && vmf.vpn < vpn + i + run) ret = VM_FAULT_NOPAGE;
    i += run;
  }
  return ret;
}
