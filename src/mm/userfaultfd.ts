/**
 * userfaultfd (fs/userfaultfd.c, mm/userfaultfd.c, 6.18): registering ranges, and the ioctls that
 * resolve a fault by installing a page. A fault that waits ends the access with ACCESS_UFFD_WAIT:
 * there is no second thread in the step that could answer it; the next step may, and the access be
 * made again.
 */
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EPERM,
  type MmRow,
  type Row,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { addRss } from './fault_result.ts';
import { cacheGet, filePages, linearPageIndex, markWritten } from './filemap.ts';
import { allocFolio, folioRefAdd, headOf } from './folio.ts';
import type { Machine } from './mm_types.ts';
import {
  CP_TRY_CHANGE_WRITABLE,
  CP_UFFD_WP,
  CP_UFFD_WP_RESOLVE,
  changeProtection,
} from './mprotect.ts';
import { PG_WRITTEN } from './page_flags.ts';
import { isHugePmd, pmdSlotAlloc, pteSlotAlloc } from './pgalloc.ts';
import {
  isMarker,
  MARKER_POISONED,
  makeMarker,
  makePte,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
} from './pgtable.ts';
import { folioAddFileRmapPtes, folioAddNewAnonRmap } from './rmap.ts';
import { SGP_NOALLOC, shmemAddPage, shmemGetFolio, shmemResult } from './shmem.ts';
import { OPS_NONE, OPS_SHMEM, OPS_SHMEM_ANON, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { pageProt, uffdWp } from './vma_prot.ts';
import { vmaLookup } from './vma_tree.ts';

/** What UFFDIO_COPY and UFFDIO_ZEROPAGE install. */
export const UFFD_COPY = 0;
export const UFFD_ZEROPAGE = 1;
export const UFFD_CONTINUE = 2;
export const UFFD_POISON = 3;

/**
 * The VMA of a destination range: registered, with whichever context, and in one piece; or -ENOENT.
 * Source: mm/userfaultfd.c validate_dst_vma(), 6.18.
 */
function destination(m: Machine, mm: MmRow, start: Vpn, pages: number): VmaRow {
  const v = vmaLookup(m, mm, start);
  if (v === 0 || start + pages > m.vma.end[v]!) return -ENOENT;
  return m.vma.uffd[v] !== 0 ? v : -ENOENT;
}

/** vma_is_shmem(): SysV segments have operations of their own. */
function isShmem(m: Machine, v: VmaRow): boolean {
  const kind = m.vma.ops[v]!;
  return kind === OPS_SHMEM || kind === OPS_SHMEM_ANON;
}

/** pte_none_mostly(): an entry may replace none, or any marker; asked, 6.18.44: a guard's too. */
function freeSlot(m: Machine, slot: number): boolean {
  const pte = m.pt[slot]!;
  return pte === 0 || isMarker(pte);
}

function install(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  pfn: number,
  newAnon: boolean,
  wp: boolean,
): number {
  const mm = m.vma.mm[v]!;
  const slot = pteSlotAlloc(m, mm, vpn);
  if (!freeSlot(m, slot)) return -EEXIST;
  const shared = (m.vma.flags[v]! & VM_SHARED) !== 0;
  let bits = pageProt(m, v) | PTE_A | PTE_D;
  if ((m.vma.flags[v]! & VM_WRITE) !== 0 && (shared || newAnon)) bits |= PTE_W;
  // W without P is PROT_NONE: there is no write bit to take, and the page stays mapped.
  if (wp) bits = (bits & ~((bits & PTE_P) !== 0 ? PTE_W : 0)) | PTE_UFFD_WP;
  const head = headOf(m, pfn);
  if (newAnon) folioAddNewAnonRmap(m, head, v, vpn);
  else {
    folioRefAdd(m, head, 1);
    folioAddFileRmapPtes(m, head, pfn, 1, v);
  }
  addRss(m, mm, head, 1);
  m.pt[slot] = makePte(pfn, bits);
  return 0;
}

/** A private mapping has, or now gets, its anon_vma. */
function isPrepared(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags[v]! & VM_SHARED) !== 0 || anonVmaPrepare(m, v) === 0;
}

/**
 * Installs pages over [start, start+pages), stopping at the first that cannot be. Returns how many
 * were installed, or a negative errno when none was. `content` reads page i of the source, once its
 * destination has been found good; it gives a negative errno where that cannot be read.
 * Source: mm/userfaultfd.c mfill_atomic(), 6.18.
 */
export function mfillAtomic(
  m: Machine,
  mm: MmRow,
  start: Vpn,
  pages: number,
  what: number,
  wp: boolean,
  content: (i: number) => number,
): number {
  // uffd_lock_vma() prepares the mapping before anyone looks whether it is registered.
  const found = vmaLookup(m, mm, start);
  if (found === 0) return -ENOENT;
  const { uffdPreparesFirst } = m.release;
  if (uffdPreparesFirst && !isPrepared(m, found)) return -ENOMEM;
  const v = destination(m, mm, start, pages);
  if (v < 0) return v;
  const shared = (m.vma.flags[v]! & VM_SHARED) !== 0;
  if (m.vma.ops[v] === OPS_NONE && shared) return -EINVAL;
  if (wp && !uffdWp(m, v)) return -EINVAL;
  const shmem = isShmem(m, v);
  if (m.vma.ops[v] !== OPS_NONE && !shmem) return -EINVAL;
  if (!shmem && what === UFFD_CONTINUE) return -EINVAL;
  if (!uffdPreparesFirst && !isPrepared(m, v)) return -ENOMEM;
  for (let i = 0; i < pages; i++) {
    const error = fillOne(m, v, start + i, what, wp, shmem && shared, () => content(i));
    if (error !== 0) return i > 0 ? i : error;
  }
  return pages;
}

/**
 * A private mapping of a file is filled up to the file's end only.
 * Source: mm/userfaultfd.c mfill_file_over_size(), 6.18.
 */
function isPastEof(m: Machine, v: VmaRow, vpn: Vpn): boolean {
  const file = m.vma.file[v]!;
  return file !== 0 && linearPageIndex(m, v, vpn) >= filePages(m, m.file.inode[file]!);
}

function fillOne(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  what: number,
  wp: boolean,
  intoCache: boolean,
  content: () => number,
): number {
  const mm = m.vma.mm[v]!;
  const pmd = pmdSlotAlloc(m, mm, vpn);
  if (isHugePmd(m.pt[pmd]!)) return -EEXIST;
  pteSlotAlloc(m, mm, vpn);
  if (what === UFFD_POISON) {
    if (isPastEof(m, v, vpn)) return -EFAULT;
    const slot = pteSlotAlloc(m, mm, vpn);
    // Not even a marker is replaced.
    if (m.pt[slot] !== 0) return -EEXIST;
    m.pt[slot] = makeMarker(MARKER_POISONED);
    return 0;
  }
  if (what === UFFD_CONTINUE) {
    const inode = m.file.inode[m.vma.file[v]!]!;
    const index = linearPageIndex(m, v, vpn);
    const error = shmemGetFolio(m, inode, index, 0, SGP_NOALLOC, 0, vpn);
    if (error !== 0) return error === -ENOENT ? -EFAULT : error;
    return install(m, v, vpn, shmemResult.pfn, false, wp);
  }
  if (intoCache) return fillShmem(m, v, vpn, what, wp, content);
  if (what === UFFD_ZEROPAGE) {
    const slot = pteSlotAlloc(m, mm, vpn);
    if (isPastEof(m, v, vpn)) return -EFAULT;
    if (m.pt[slot] !== 0) return -EEXIST;
    // PROT_NONE stays PROT_NONE: W without P says so.
    const prot = pageProt(m, v);
    m.pt[slot] = makePte(m.zeroPfn, ((prot & PTE_P) !== 0 ? prot & ~PTE_W : prot) | PTE_A);
    return 0;
  }
  // The source is read before the destination's entry is looked at.
  const value = content();
  if (value < 0) return value;
  if (isPastEof(m, v, vpn)) return -EFAULT;
  if (!freeSlot(m, pteSlotAlloc(m, mm, vpn))) return -EEXIST;
  const head = allocFolio(m, 0);
  if (head === 0) return -ENOMEM;
  m.page.flags[head] = m.page.flags[head]! | PG_WRITTEN;
  if (m.content.length !== 0) m.content[head] = value;
  return install(m, v, vpn, head, true, wp);
}

/** shmem_mfill_atomic_pte(): always a small folio of its own, which must be new to the cache. */
function fillShmem(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  what: number,
  wp: boolean,
  content: () => number,
): number {
  const inode = m.file.inode[m.vma.file[v]!]!;
  const index = linearPageIndex(m, v, vpn);
  const value = what === UFFD_COPY ? content() : 0;
  if (value < 0) return value;
  if (index >= filePages(m, inode)) return -EFAULT;
  if (cacheGet(m, inode, index) !== 0) return -EEXIST;
  const pfn = shmemAddPage(m, inode, index);
  if (pfn < 0) return pfn === -ENOSPC ? -ENOMEM : pfn;
  if (what === UFFD_COPY) markWritten(m, pfn, value);
  // The entry is dirty and tells the folio when it goes; the folio itself is not marked here.
  return install(m, v, vpn, pfn, false, wp);
}

/**
 * UFFDIO_WRITEPROTECT over [start, end) of one VMA: entries lose or regain their write protection.
 * What a write fault would only make writable is so at once when protection ends, if the mapping is
 * private: exclusive anonymous pages. A shared mapping that is registered has lost the write bit
 * from its vm_page_prot, and is no candidate any more: all its pages fault and find no mark.
 * Source: mm/userfaultfd.c uffd_wp_range(), mm/vma.c vma_wants_writenotify(), 6.18.
 */
export function uffdWriteProtect(
  m: Machine,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  protect: boolean,
): void {
  const isPrivate = (m.vma.flags[v]! & (VM_WRITE | VM_SHARED)) === VM_WRITE;
  const upgrade = isPrivate && m.release.uffdWpNotifies ? CP_TRY_CHANGE_WRITABLE : 0;
  changeProtection(m, v, start, end, protect ? CP_UFFD_WP : CP_UFFD_WP_RESOLVE | upgrade);
}

/** Errors of UFFDIO_REGISTER for one VMA of the range; 0 when it may be registered. */
export function uffdRegisterError(
  m: Machine,
  v: VmaRow,
  uffd: Row,
  mayWrite: boolean,
  minor: boolean,
): number {
  const kind = m.vma.ops[v]!;
  const anon = kind === OPS_NONE;
  if (!anon && !isShmem(m, v)) return -EINVAL;
  if (minor && !isShmem(m, v)) return -EINVAL;
  if (!mayWrite) return -EPERM;
  if (m.vma.uffd[v] !== 0 && m.vma.uffd[v] !== uffd) return -EBUSY;
  return 0;
}
