/**
 * mlock(2) and its family: the flags of the VMAs, the marks on the folios that are mapped already;
 * then the rest is faulted in. Source: mm/mlock.c, 6.18.
 */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  type Pages,
  type TaskRow,
  type U64,
  type VmaRow,
  type Vpn,
  word,
} from '../base/index.ts';
import { folioIndex, folioPages, headOf, isLarge } from './folio.ts';
import { CAP_IPC_LOCK } from './fs_types.ts';
import { mmPopulate } from './gup.ts';
import type { Machine } from './mm_types.ts';
import {
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
  pagesAligned,
  TASK_PAGES,
  WRAP_PAGES,
} from './mman.ts';
import { isHugePmd, pmdTable } from './pgalloc.ts';
import {
  isTable,
  PTE_MAPPED,
  pmdAddrEnd,
  pmdSlotIn,
  ptePfn,
  pteSlotIn,
  REGION_PAGES,
  regionOf,
} from './pgtable.ts';
import { ptesInBatch } from './pte_batch.ts';
import { lruAddDrain, mlockVmaFolio, munlockVmaFolio } from './rmap.ts';
import { canDoMlock, capable, limitPages, refuse } from './util.ts';
import { OPS_SECRET, VM_LOCKED, VM_LOCKONFAULT } from './vm_flags.ts';
import { VM_LOCKED_MASK, vmaSupportsMlock } from './vma.ts';
import { vmaModifyFlags } from './vma_merge.ts';
import { findVma, findVmaIntersection } from './vma_tree.ts';

/** allow_mlock_munlock(): a large folio is locked only where [start, end) maps it whole. */
function mayLock(m: Machine, v: VmaRow, head: number, start: Vpn, end: Vpn, step: Pages): boolean {
  if ((m.vma.flags[v]! & VM_LOCKED) === 0 || !isLarge(m, head)) return true;
  const n = folioPages(m, head);
  const at = m.vma.start[v]! + (folioIndex(m, head) - m.vma.pgoff[v]!);
  return at >= start && at + n <= end && step === n;
}

function isZeroPage(m: Machine, pfn: number): boolean {
  return pfn === m.zeroPfn || (m.hugeZeroPfn !== 0 && headOf(m, pfn) === m.hugeZeroPfn);
}

/**
 * Marks (VM_LOCKED set) or unmarks the folios that [start, end) of a VMA maps.
 * Source: mm/mlock.c mlock_vma_pages_range(), mlock_pte_range(), 6.18.
 */
export function mlockVmaPagesRange(m: Machine, v: VmaRow, start: Vpn, end: Vpn): void {
  const mm = m.vma.mm[v]!;
  const locks = (m.vma.flags[v]! & VM_LOCKED) !== 0;
  for (let at = start; at < end; ) {
    const region = regionOf(at);
    const row = pmdTable(m, mm, region);
    if (row === 0) {
      at = (region + 1) * REGION_PAGES;
      continue;
    }
    const blockEnd = pmdAddrEnd(at, end);
    const entry = m.pt[pmdSlotIn(row, at)]!;
    if (isHugePmd(entry)) {
      const head = ptePfn(entry);
      if (head !== m.hugeZeroPfn) {
        if (locks) mlockVmaFolio(m, head, v);
        else munlockVmaFolio(m, head);
      }
    } else if (isTable(entry)) {
      const base = pteSlotIn(entry, at);
      for (let i = 0, n = blockEnd - at; i < n; ) {
        const pte = m.pt[base + i]!;
        if ((pte & PTE_MAPPED) === 0 || isZeroPage(m, ptePfn(pte))) {
          i++;
          continue;
        }
        const head = headOf(m, ptePfn(pte));
        const step = isLarge(m, head) ? ptesInBatch(m, base + i, head, n - i, false) : 1;
        if (mayLock(m, v, head, at, blockEnd, step)) {
          if (locks) mlockVmaFolio(m, head, v);
          else munlockVmaFolio(m, head);
        }
        i += step;
      }
    }
    at = blockEnd;
  }
}

/** All of a VMA. */
export function mlockVmaPages(m: Machine, v: VmaRow): void {
  mlockVmaPagesRange(m, v, m.vma.start[v]!, m.vma.end[v]!);
}

/** mlock_fixup(): returns the VMA that holds the range afterwards, or -errno. */
function mlockFixup(m: Machine, v: VmaRow, start: Vpn, end: Vpn, flags: number): VmaRow | Errno {
  const old = m.vma.flags[v]!;
  if (flags === old || m.vma.ops[v] === OPS_SECRET || !vmaSupportsMlock(m, v)) return v;
  const held = vmaModifyFlags(m, v, start, end, flags, m.vma.flags2[v]!);
  if (held < 0) return held;
  const mm = m.vma.mm[held]!;
  const wasLocked = (old & VM_LOCKED) !== 0;
  const isLocked = (flags & VM_LOCKED) !== 0;
  if (!isLocked) m.mm.lockedVm[mm]! -= end - start;
  else if (!wasLocked) m.mm.lockedVm[mm]! += end - start;
  if (!(isLocked && wasLocked)) {
    lruAddDrain(m);
    mlockVmaPagesRange(m, held, start, end);
    lruAddDrain(m);
  }
  return held;
}

/** apply_vma_lock_flags(): -ENOMEM at the first hole, what lies before it is done. */
function applyVmaLockFlags(
  m: Machine,
  task: TaskRow,
  start: Vpn,
  pages: Pages,
  lock: number,
): Errno {
  const end = start + pages;
  if (end >= WRAP_PAGES) return -EINVAL;
  if (pages === 0) return 0;
  let v = findVma(m, m.task.mm[task]!, start);
  if (v === 0 || m.vma.start[v]! > start) return -ENOMEM;
  let from = start;
  while (v !== 0 && m.vma.start[v]! < end) {
    if (m.vma.start[v]! > from) return -ENOMEM;
    const stop = Math.min(m.vma.end[v]!, end);
    const held = mlockFixup(m, v, from, stop, (m.vma.flags[v]! & ~VM_LOCKED_MASK) | lock);
    if (held < 0) return held;
    from = m.vma.end[held]!;
    if (from >= end) return 0;
    v = m.vma.next[held]!;
  }
  return -ENOMEM;
}

/** count_mm_mlocked_page_nr(): pages of the range that are locked already. */
function lockedWithin(m: Machine, task: TaskRow, start: Vpn, end: Vpn): Pages {
  let pages = 0;
  let v = findVmaIntersection(m, m.task.mm[task]!, start, end);
  for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
    if ((m.vma.flags[v]! & VM_LOCKED) === 0) continue;
    pages += Math.min(end, m.vma.end[v]!) - Math.max(start, m.vma.start[v]!);
  }
  return pages;
}

/** The range that mlock rounds to: [page of addr, end of the last byte's page), wrapping. */
function lockRange(addr: U64, len: U64): { start: Vpn; pages: Pages } {
  const offset = word.fromNumber(word.offsetOf(addr));
  return { start: word.pageOf(addr), pages: pagesAligned(word.add(len, offset)) };
}

function doMlock(m: Machine, task: TaskRow, addr: U64, len: U64, flags: number): Errno {
  if (!canDoMlock(m, task)) return -EPERM;
  const { start, pages } = lockRange(addr, len);
  const privileged = capable(m, task, CAP_IPC_LOCK);
  const limit = limitPages(m.sig.memlockCur[m.task.sig[task]!]!);
  let locked = pages + m.mm.lockedVm[m.task.mm[task]!]!;
  if (locked > limit && !privileged) locked -= lockedWithin(m, task, start, start + pages);
  if (locked > limit && !privileged) {
    refuse('memlock', locked);
    return -ENOMEM;
  }
  const error = applyVmaLockFlags(m, task, start, pages, flags);
  if (error !== 0) return error;
  const missed = mmPopulate(m, task, start, start + pages, false);
  if (missed === -EFAULT) return -ENOMEM;
  return missed === -ENOMEM ? -EAGAIN : missed;
}

/** mlock(2). */
export function sysMlock(m: Machine, task: TaskRow, addr: U64, len: U64): Errno {
  return doMlock(m, task, addr, len, VM_LOCKED);
}

/** mlock2(2). */
export function sysMlock2(m: Machine, task: TaskRow, addr: U64, len: U64, flags: number): Errno {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
  const onFault = (flags & MLOCK_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0;
  return doMlock(m, task, addr, len, VM_LOCKED | onFault);
}

/** munlock(2). */
export function sysMunlock(m: Machine, task: TaskRow, addr: U64, len: U64): Errno {
  const { start, pages } = lockRange(addr, len);
  return applyVmaLockFlags(m, task, start, pages, 0);
}

/** apply_mlockall_flags(): future mappings by mm->def_flags, present ones one by one. */
function applyMlockallFlags(m: Machine, task: TaskRow, flags: number): void {
  const mm = m.task.mm[task]!;
  const onFault = (flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0;
  m.mm.defFlags[mm] = m.mm.defFlags[mm]! & ~VM_LOCKED_MASK;
  if ((flags & MCL_FUTURE) !== 0) {
    m.mm.defFlags[mm] = m.mm.defFlags[mm]! | VM_LOCKED | onFault;
    if ((flags & MCL_CURRENT) === 0) return;
  }
  const lock = (flags & MCL_CURRENT) !== 0 ? VM_LOCKED | onFault : 0;
  for (let v = m.mm.firstVma[mm]!; v !== 0; ) {
    const { start, end } = m.vma;
    const wanted = (m.vma.flags[v]! & ~VM_LOCKED_MASK) | lock;
    const held = mlockFixup(m, v, start[v]!, end[v]!, wanted);
    v = m.vma.next[held > 0 ? held : v]!;
  }
}

/** mlockall(2). */
export function sysMlockall(m: Machine, task: TaskRow, flags: number): Errno {
  const known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  if (flags === 0 || (flags & ~known) !== 0 || flags === MCL_ONFAULT) return -EINVAL;
  if (!canDoMlock(m, task)) return -EPERM;
  const limit = limitPages(m.sig.memlockCur[m.task.sig[task]!]!);
  const current = (flags & MCL_CURRENT) !== 0;
  const total = m.mm.totalVm[m.task.mm[task]!]!;
  if (current && total > limit && !capable(m, task, CAP_IPC_LOCK)) {
    refuse('memlock', total);
    return -ENOMEM;
  }
  applyMlockallFlags(m, task, flags);
  if (current) mmPopulate(m, task, 0, TASK_PAGES, true);
  return 0;
}

/** munlockall(2). */
export function sysMunlockall(m: Machine, task: TaskRow): Errno {
  applyMlockallFlags(m, task, 0);
  return 0;
}
