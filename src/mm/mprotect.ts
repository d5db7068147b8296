/**
 * mprotect(2) and pkey_mprotect(2), and the change of page-table entries that userfaultfd's write
 * protection shares. Source: mm/mprotect.c, mm/huge_memory.c change_huge_pmd(), 6.18.
 */
import {
  EACCES,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type Pages,
  type Pfn,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { headOf, isLarge } from './folio.ts';
import { FOLL_KEEPS_LOCK, populateVmaPageRange } from './gup.ts';
import { splitHugePmd } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import {
  isPageAligned,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
  pagesAligned,
  wrapAdd,
} from './mman.ts';
import { vmProtBits } from './mmap.ts';
import { deniesWriteExec } from './mmap_region.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from './page_flags.ts';
import { installPageTable, isHugePmd, pmdSlot, pmdSlotAlloc, pmdTable } from './pgalloc.ts';
import {
  isMarker,
  isSwapEntry,
  isTable,
  MARKER_GUARD,
  MARKER_POISONED,
  MARKER_UFFD_WP,
  makeMarker,
  PTE_A,
  PTE_D,
  PTE_MAPPED,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  pmdAddrEnd,
  ptePfn,
  pteSlotIn,
  REGION_PAGES,
  regionOf,
} from './pgtable.ts';
import { ptesInBatch } from './pte_batch.ts';
import { mayExpandVm, vmEnoughMemory, vmStatAccount, vmUnacctMemory } from './util.ts';
import {
  OPS_FILE,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
  VM2_PKEY_MASK,
} from './vm_flags.ts';
import { sealRefusesRange, vmaIsAnonymous, vmaIsSealed } from './vma.ts';
import { vmaModifyFlags } from './vma_merge.ts';
import { pageProt } from './vma_prot.ts';
import { findVmaIntersection } from './vma_tree.ts';

/** change_protection() flags. */
export const CP_TRY_CHANGE_WRITABLE = 1 << 0;
export const CP_UFFD_WP = 1 << 2;
export const CP_UFFD_WP_RESOLVE = 1 << 3;

/** Is the page anonymous and this process's alone? Else a write has to fault first. */
function isExclusiveAnon(m: Machine, pfn: Pfn): boolean {
  const { flags } = m.page;
  return (flags[headOf(m, pfn)]! & PG_ANON) !== 0 && (flags[pfn]! & PG_ANON_EXCLUSIVE) !== 0;
}

/**
 * A mapped entry under the VMA's new protection. For TRY_CHANGE_WRITABLE the write bit is given
 * where a write fault would only give it: to exclusive anonymous pages, and to dirty shared ones.
 */
function changedEntry(m: Machine, v: VmaRow, entry: number, prot: number, cp: number): number {
  let e = (entry & ~PTE_MAPPED) | prot;
  if ((cp & CP_UFFD_WP) !== 0) e = (e & ~(e & PTE_P ? PTE_W : 0)) | PTE_UFFD_WP;
  else if ((cp & CP_UFFD_WP_RESOLVE) !== 0) e &= ~PTE_UFFD_WP;
  const writable = (e & PTE_P) !== 0 && (e & PTE_W) !== 0;
  if ((cp & CP_TRY_CHANGE_WRITABLE) === 0 || writable || (e & PTE_P) === 0) return e;
  if ((e & PTE_UFFD_WP) !== 0) return e;
  const may =
    (m.vma.flags[v]! & VM_SHARED) !== 0 ? (e & PTE_D) !== 0 : isExclusiveAnon(m, ptePfn(e));
  return may ? e | PTE_W : e;
}

/** A non-present entry under uffd write protection or its removal. */
function changedNonPresent(m: Machine, v: VmaRow, entry: number, cp: number): number {
  if (entry === 0) {
    const markers = (cp & CP_UFFD_WP) !== 0 && uffdWpUsesMarkers(m, v);
    return markers ? makeMarker(MARKER_UFFD_WP) : 0;
  }
  if (isMarker(entry)) {
    if ((entry & (MARKER_GUARD | MARKER_POISONED)) !== 0) return entry;
    return (cp & CP_UFFD_WP_RESOLVE) !== 0 ? 0 : entry;
  }
  if (!isSwapEntry(entry)) return entry;
  if ((cp & CP_UFFD_WP) !== 0) return entry | PTE_UFFD_WP;
  return (cp & CP_UFFD_WP_RESOLVE) !== 0 ? entry & ~PTE_UFFD_WP : entry;
}

/** UFFD_FEATURE_WP_UNPOPULATED: anonymous memory is marked where it is empty. */
const UFFD_FEATURE_WP_UNPOPULATED = 1 << 13;

/** userfaultfd_wp_use_markers(). */
function uffdWpUsesMarkers(m: Machine, v: VmaRow): boolean {
  if (!vmaIsAnonymous(m, v)) return true;
  const uffd = m.vma.uffd[v]!;
  return uffd !== 0 && (m.uffd.features[uffd]! & UFFD_FEATURE_WP_UNPOPULATED) !== 0;
}

/** Young or dirty in one of n entries: what a batch has of these bits, all its entries get. */
function gatherBits(m: Machine, slot: number, n: Pages): number {
  let bits = 0;
  for (let i = slot; i < slot + n; i++) bits |= m.pt[i]!;
  return bits & (PTE_A | PTE_D);
}

/**
 * change_pte_range(): n entries from a slot. Since 6.17 it takes the entries of a large folio in
 * batches, and a batch comes back as young and as dirty as any of its entries was.
 */
function changePteRange(
  m: Machine,
  v: VmaRow,
  first: number,
  n: Pages,
  prot: number,
  cp: number,
): Pages {
  const { pt } = m;
  const batches = m.release.mremapMany;
  const end = first + n;
  let pages = 0;
  for (let s = first; s < end; ) {
    const entry = pt[s]!;
    if ((entry & PTE_MAPPED) === 0) {
      if ((cp & (CP_UFFD_WP | CP_UFFD_WP_RESOLVE)) !== 0) {
        pt[s] = changedNonPresent(m, v, entry, cp);
        if (pt[s] !== entry) pages++;
      }
      s++;
      continue;
    }
    const head = headOf(m, ptePfn(entry));
    let run = 1;
    let bits = 0;
    if (batches && isLarge(m, head) && head !== m.hugeZeroPfn) {
      run = ptesInBatch(m, s, head, end - s, true);
      bits = gatherBits(m, s, run);
    }
    for (let i = s; i < s + run; i++) pt[i] = changedEntry(m, v, pt[i]! | bits, prot, cp);
    pages += run;
    s += run;
  }
  return pages;
}

/**
 * Brings the entries of [start, end) in line with the VMA's protection, or with uffd write
 * protection. Returns how many changed or were looked at, as the kernel counts.
 */
export function changeProtection(m: Machine, v: VmaRow, start: Vpn, end: Vpn, cp: number): number {
  const mm = m.vma.mm[v]!;
  const prot = pageProt(m, v);
  const populates = (cp & CP_UFFD_WP) !== 0 && uffdWpUsesMarkers(m, v);
  let pages = 0;
  let next = start;
  for (let at = start; at < end; at = next) {
    next = pmdAddrEnd(at, end);
    let slot: number;
    if (populates) {
      slot = pmdSlotAlloc(m, mm, at);
      if (m.pt[slot] === 0) installPageTable(m, mm, slot);
    } else {
      const region = regionOf(at);
      if (pmdTable(m, mm, region) === 0) {
        next = Math.min(end, (region + 1) * REGION_PAGES);
        continue;
      }
      slot = pmdSlot(m, mm, at);
    }
    if (isHugePmd(m.pt[slot]!)) {
      const splits = next - at !== 512 || ((cp & CP_UFFD_WP) !== 0 && !vmaIsAnonymous(m, v));
      if (!splits) {
        m.pt[slot] = changedEntry(m, v, m.pt[slot]!, prot, cp);
        pages += 512;
        continue;
      }
      splitHugePmd(m, v, slot);
      if (populates && m.pt[slot] === 0) installPageTable(m, mm, slot);
    }
    if (!isTable(m.pt[slot]!)) continue;
    pages += changePteRange(m, v, pteSlotIn(m.pt[slot]!, at), next - at, prot, cp);
  }
  return pages;
}

/** One VMA's part of an mprotect. Source: mm/mprotect.c mprotect_fixup(), 6.18. */
export function mprotectFixup(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  start: Vpn,
  end: Vpn,
  flags: number,
  flags2: number,
): VmaRow | Errno {
  const old = m.vma.flags[v]!;
  const mm = m.vma.mm[v]!;
  const pages = end - start;
  if (vmaIsSealed(m, v)) return -EPERM;
  if (flags === old && flags2 === m.vma.flags2[v]) return v;
  let wanted = flags;
  let charged = 0;
  if ((wanted & VM_WRITE) !== 0) {
    if (!mayExpandVm(m, task, wanted, pages) && mayExpandVm(m, task, old, pages)) return -ENOMEM;
    if ((old & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE)) === 0) {
      charged = pages;
      if (vmEnoughMemory(m, task, mm, charged) !== 0) return -ENOMEM;
      wanted |= VM_ACCOUNT;
    }
  } else if ((old & VM_ACCOUNT) !== 0 && vmaIsAnonymous(m, v) && m.vma.anonVma[v] === 0) {
    if (m.release.mprotectUnaccounts) wanted &= ~VM_ACCOUNT;
  }
  const held = vmaModifyFlags(m, v, start, end, wanted, flags2);
  if (held < 0) {
    vmUnacctMemory(m, charged);
    return held;
  }
  // A shared VMA keeps write bits off by itself only for a file system that tracks dirty pages.
  const shared = (wanted & VM_SHARED) !== 0;
  const upgrade = (wanted & VM_WRITE) !== 0 && (!shared || m.vma.ops[held] === OPS_FILE);
  changeProtection(m, held, start, end, upgrade ? CP_TRY_CHANGE_WRITABLE : 0);
  if ((old & VM_ACCOUNT) !== 0 && (wanted & VM_ACCOUNT) === 0) vmUnacctMemory(m, pages);
  if ((old & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED && (wanted & VM_WRITE) !== 0) {
    populateVmaPageRange(m, task, held, start, end, FOLL_KEEPS_LOCK);
  }
  vmStatAccount(m, mm, old, -pages);
  vmStatAccount(m, mm, wanted, pages);
  return held;
}

/**
 * mprotect(2) with pkey -1, pkey_mprotect(2) with another: this processor has no protection keys,
 * so that none is ever allocated. Source: mm/mprotect.c do_mprotect_pkey(), 6.18.
 */
export function sysMprotect(
  m: Machine,
  task: TaskRow,
  addr: U64,
  len: U64,
  protWord: U64,
  pkey: number,
): Errno {
  const grows = protWord.lo & (PROT_GROWSDOWN | PROT_GROWSUP);
  const prot = protWord.lo & ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  if (len.hi === 0 && len.lo === 0) return 0;
  let start = word.pageOf(addr);
  const end = wrapAdd(start, pagesAligned(len));
  if (end <= start) return -ENOMEM;
  const known = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM;
  if (protWord.hi !== 0 || (prot & ~known) !== 0) return -EINVAL;
  if (pkey !== -1) return -EINVAL;

  const mm = m.task.mm[task]!;
  let v = findVmaIntersection(m, mm, start, end);
  if (v === 0) return -ENOMEM;
  if ((grows & PROT_GROWSDOWN) !== 0) {
    start = m.vma.start[v]!;
    if ((m.vma.flags[v]! & VM_GROWSDOWN) === 0) return -EINVAL;
  } else {
    if (m.vma.start[v]! > start) return -ENOMEM;
    // No architecture flag VM_GROWSUP on x86: such a VMA does not exist.
    if ((grows & PROT_GROWSUP) !== 0) return -EINVAL;
  }
  if (sealRefusesRange(m, mm, start, end)) return -EPERM;
  const implies = m.task.readExec[task] !== 0 && (prot & PROT_READ) !== 0;
  const bits = vmProtBits(prot);
  let from = start;
  while (v !== 0 && m.vma.start[v]! < end) {
    if (m.vma.start[v]! > from) return -ENOMEM;
    const old = m.vma.flags[v]!;
    const implied = implies && (old & VM_MAYEXEC) !== 0 ? VM_EXEC : 0;
    const flags = bits | implied | (old & ~VM_ACCESS_FLAGS);
    const flags2 = m.vma.flags2[v]! & ~VM2_PKEY_MASK;
    if ((flags & ~(flags >> 4) & VM_ACCESS_FLAGS) !== 0) return -EACCES;
    if (deniesWriteExec(m, mm, old, flags)) return -EACCES;
    const stop = Math.min(m.vma.end[v]!, end);
    const held = mprotectFixup(m, task, v, from, stop, flags, flags2);
    if (held < 0) return held;
    from = m.vma.end[held]!;
    if (from >= end) return 0;
    v = m.vma.next[held]!;
  }
  return from < end ? -ENOMEM : 0;
}
