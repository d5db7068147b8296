/**
 * Faults in file mappings: read, private copy, shared write (mm/memory.c do_fault(), 6.18), and
 * the ->fault of disk files (filemap_fault) and of shmem (shmem_fault).
 *
 * Phases: PHASE_BEGIN tries fault-around; PHASE_BACKING finds the page and takes a reference on
 * its folio, which it locks; PHASE_FINISH installs under the page-table lock and unlocks.
 */
import { ENOMEM } from '../base/index.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { doFaultAround, isBeingRead, shouldFaultAround } from './fault_around.ts';
import { cacheGet, cacheReadFolio, filePages, linearPageIndex } from './filemap.ts';
import { allocFolio, folioPut, folioRefAdd, headOf } from './folio.ts';
import { FS_SECRET } from './fs_types.ts';
import { isCow, pageMkwrite } from './memory_map.ts';
import type { Machine } from './mm_types.ts';
import {
  PG_HWPOISON,
  PG_LOCKED,
  PG_READAHEAD,
  PG_UNEVICTABLE,
  PG_UPTODATE,
  PG_WRITTEN,
} from './page_flags.ts';
import { asyncReadahead, syncMmapReadahead } from './readahead.ts';
import { SGP_CACHE, SHMEM_UFFD_WAIT, shmemGetFolio, shmemResult } from './shmem.ts';
import {
  OPS_FILE,
  OPS_SECRET,
  OPS_SPECIAL,
  OPS_UNKNOWN,
  VM_RAND_READ,
  VM_SHARED,
} from './vm_flags.ts';
import {
  FAULT_FLAG_KEEPS_LOCK,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  PHASE_BACKING,
  PHASE_FINISH,
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_MAJOR,
  VM_FAULT_NEXT,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from './vmf.ts';
import { PGMAJFAULT } from './vmstat.ts';

const STOP = VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY | VM_FAULT_UFFD_WAIT;

/** do_fault(), first phase: which kind of fault it is, fault-around, anon_vma for a copy. */
export function doFault(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const kind = m.vma.ops[v]!;
  if (kind === OPS_UNKNOWN || kind === OPS_SPECIAL) {
    m.unmodelled ||= 'an access to memory of an image or device that is not known';
    return VM_FAULT_SIGBUS;
  }
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0) {
    if (shouldFaultAround(m, vmf)) {
      const ret = doFaultAround(m, vmf);
      if (ret !== 0) return ret;
    }
  } else if ((m.vma.flags[v]! & VM_SHARED) === 0) {
    if (anonVmaPrepare(m, v) !== 0) return VM_FAULT_OOM;
    vmf.cowPage = allocFolio(m, 0);
    if (vmf.cowPage === 0) return VM_FAULT_OOM;
  }
  vmf.phase = PHASE_BACKING;
  return VM_FAULT_NEXT;
}

/** __do_fault(): the page, with a reference on its locked folio, in vmf.page. */
export function doFaultBacking(m: Machine, vmf: Vmf): number {
  const kind = m.vma.ops[vmf.vma]!;
  const ret =
    kind === OPS_FILE
      ? filemapFault(m, vmf)
      : kind === OPS_SECRET
        ? secretFault(m, vmf)
        : shmemFault(m, vmf);
  if ((ret & STOP) !== 0) return dropCow(m, vmf, ret);
  const head = headOf(m, vmf.page);
  if ((m.page.flags[vmf.page]! & PG_HWPOISON) !== 0) return dropCow(m, vmf, VM_FAULT_HWPOISON);
  folioRefAdd(m, head, 1);
  m.page.flags[head] = m.page.flags[head]! | PG_LOCKED;
  vmf.gathered |= ret & VM_FAULT_MAJOR;
  vmf.phase = PHASE_FINISH;
  return VM_FAULT_NEXT;
}

function dropCow(m: Machine, vmf: Vmf, ret: number): number {
  if (vmf.cowPage !== 0) {
    folioPut(m, vmf.cowPage, 1);
    vmf.cowPage = 0;
  }
  return ret;
}

/** finish_fault() under the release's rules, then what the three kinds of fault do after it. */
export function doFaultFinish(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const head = headOf(m, vmf.page);
  const { flags } = m.page;
  const copy = isCow(m, vmf);
  if (copy) {
    if (m.content.length !== 0) m.content[vmf.cowPage] = m.content[vmf.page]!;
    flags[vmf.cowPage] = flags[vmf.cowPage]! | (flags[vmf.page]! & PG_WRITTEN);
  }
  const ret = m.release.finishFault(m, vmf);
  flags[head] = flags[head]! & ~PG_LOCKED;
  if (copy) {
    folioPut(m, head, 1);
    if ((ret & STOP) !== 0) return dropCow(m, vmf, ret);
    vmf.cowPage = 0;
    return ret | vmf.gathered;
  }
  if ((ret & STOP) !== 0) {
    folioPut(m, head, 1);
    return ret;
  }
  if ((vmf.flags & FAULT_FLAG_WRITE) !== 0 && (m.vma.flags[v]! & VM_SHARED) !== 0) {
    pageMkwrite(m, vmf, head);
  }
  return ret | vmf.gathered;
}

/**
 * The page of a disk file: cached, or read with readahead, which drops the lock and retries.
 * Source: mm/filemap.c filemap_fault(), 6.18.
 */
function filemapFault(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const file = m.vma.file[v]!;
  const inode = m.file.inode[file]!;
  const index = linearPageIndex(m, v, vmf.vpn);
  if (index >= filePages(m, inode)) {
    if (m.why !== null) m.why.note('past-eof', -1, index, filePages(m, inode));
    return VM_FAULT_SIGBUS;
  }
  const mayRetry = (vmf.flags & (FAULT_FLAG_TRIED | FAULT_FLAG_KEEPS_LOCK)) === 0;
  const found = cacheGet(m, inode, index);
  if (found !== 0) {
    const head = headOf(m, found);
    const isWaitedFor = m.reading.length !== 0 && isBeingRead(m, head);
    if (isWaitedFor) m.reading.length = 0;
    if ((vmf.flags & FAULT_FLAG_TRIED) === 0 && (m.vma.flags[v]! & VM_RAND_READ) === 0) {
      if (m.file.mmapMiss[file]! > 0) m.file.mmapMiss[file]!--;
      if ((m.page.flags[head]! & PG_READAHEAD) !== 0) {
        asyncReadahead(m, file, inode, index, m.settings.readAheadPages);
        if (mayRetry) return VM_FAULT_RETRY;
      }
    }
    if ((m.page.flags[head]! & PG_UPTODATE) === 0) {
      m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
      if (mayRetry) return VM_FAULT_RETRY;
    }
    if (isWaitedFor && mayRetry) return VM_FAULT_RETRY;
    if (m.why !== null) m.why.note('cache-hit', m.page.flags[head]! & 15, index, 0);
    vmf.page = found;
    return 0;
  }
  m.vmstat[PGMAJFAULT]! += 1;
  if (m.why !== null) m.why.note('cache-read', -1, index, 0);
  const { flags, pgoff, start, end } = m.vma;
  syncMmapReadahead(m, file, inode, index, flags[v]!, pgoff[v]!, end[v]! - start[v]!);
  if (cacheGet(m, inode, index) === 0 && cacheReadFolio(m, inode, index, 0) === 0) {
    return VM_FAULT_OOM;
  }
  // A hole is there at once; a block is waited for, and what is read with it comes with it.
  if (m.reading.includes(cacheGet(m, inode, index))) m.reading.length = 0;
  // Readahead drops the lock; where it is not wanted, the read of the one page does.
  if (mayRetry) return VM_FAULT_MAJOR | VM_FAULT_RETRY;
  vmf.page = cacheGet(m, inode, index);
  return VM_FAULT_MAJOR;
}

/** shmem_fault(): -ENOMEM is an OOM, any other error SIGBUS (vmf_error). */
function shmemFault(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const inode = m.file.inode[m.vma.file[v]!]!;
  const index = linearPageIndex(m, v, vmf.vpn);
  const error = shmemGetFolio(m, inode, index, 0, SGP_CACHE, v, vmf.vpn);
  if (error === SHMEM_UFFD_WAIT) return VM_FAULT_UFFD_WAIT;
  if (error === -ENOMEM) return VM_FAULT_OOM;
  if (error < 0) {
    if (m.why !== null) m.why.note('past-eof', -1, index, filePages(m, inode));
    return VM_FAULT_SIGBUS;
  }
  vmf.page = shmemResult.pfn;
  return 0;
}

/** memfd_secret: single pages, no page of it is ever swapped or mapped by the kernel. */
function secretFault(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const inode = m.file.inode[m.vma.file[v]!]!;
  const index = linearPageIndex(m, v, vmf.vpn);
  if (m.inode.kind[inode] !== FS_SECRET || index >= filePages(m, inode)) return VM_FAULT_SIGBUS;
  let pfn = cacheGet(m, inode, index);
  if (pfn === 0) {
    pfn = cacheReadFolio(m, inode, index, 0);
    if (pfn === 0) return VM_FAULT_OOM;
    // The mapping is unevictable, whether or not a VMA of it is locked: a fork's is not.
    m.page.flags[pfn] = m.page.flags[pfn]! | PG_UNEVICTABLE;
  }
  vmf.page = pfn;
  return 0;
}
