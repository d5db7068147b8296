/**
 * The fault path: from the processor's access to an installed entry (mm/memory.c
 * handle_mm_fault(), arch/x86/mm/fault.c do_user_addr_fault(), 6.18).
 *
 * It exists once, written as phases that end where the kernel drops or awaits a lock:
 *
 *   PHASE_BEGIN         mmap_lock or VMA lock taken; page tables walked without their lock;
 *                       huge PMD, zero page, fault-around and reuse end the fault here
 *   PHASE_ANON_INSTALL  folio allocated; page-table lock, re-check, install
 *   PHASE_BACKING       ->fault: page found or made, folio locked
 *   PHASE_FINISH        finish_fault(): page-table lock, re-check, install
 *   PHASE_WP_INSTALL    copy made; page-table lock, re-check, install
 *
 * handleMmFault() calls them back to back. A checker may run other CPUs' phases between them.
 */
import {
  EFAULT,
  ENOMEM,
  modPow2,
  PMD_ORDER,
  type TaskRow,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import {
  ACCESS_BUS_ADRERR,
  ACCESS_EXEC,
  ACCESS_OK,
  ACCESS_OOM,
  ACCESS_READ,
  ACCESS_SEGV_ACCERR,
  ACCESS_SEGV_MAPERR,
  ACCESS_STUCK,
  ACCESS_UFFD_WAIT,
  ACCESS_WRITE,
} from './access.ts';
import {
  anonFaultOrders,
  doHugePmdAnonymousPage,
  doHugePmdWpPage,
  splitHugePmd,
} from './huge_memory.ts';
import { doAnonymousInstall, doAnonymousPage } from './memory_anon.ts';
import { doFault, doFaultBacking, doFaultFinish } from './memory_file.ts';
import { doWpPage, wpPageInstall } from './memory_wp.ts';
import type { Machine } from './mm_types.ts';
import { PG_WRITTEN } from './page_flags.ts';
import { isHugePmd, pmdSlot, pmdSlotAlloc, pmdTable, pteSlotUnder } from './pgalloc.ts';
import {
  isMarker,
  isSwapEntry,
  MARKER_GUARD,
  MARKER_POISONED,
  PTE_A,
  PTE_D,
  PTE_MAPPED,
  PTE_P,
  PTE_W,
  pmdSlotIn,
  ptePfn,
  pteSlotIn,
  regionOf,
} from './pgtable.ts';
import { OPS_NONE, VM_ACCESS_FLAGS, VM_EXEC, VM_GROWSDOWN, VM_WRITE } from './vm_flags.ts';
import { expandDownwards } from './vma.ts';
import { uffdWp } from './vma_prot.ts';
import { findVma } from './vma_tree.ts';
import {
  FAULT_FLAG_ANEW,
  FAULT_FLAG_EXEC,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  PHASE_ANON_INSTALL,
  PHASE_BACKING,
  PHASE_BEGIN,
  PHASE_FINISH,
  PHASE_WP_INSTALL,
  VM_FAULT_ERROR,
  VM_FAULT_FALLBACK,
  VM_FAULT_HWPOISON,
  VM_FAULT_MAJOR,
  VM_FAULT_NEXT,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from './vmf.ts';
import { PGFAULT } from './vmstat.ts';

export * from './access.ts';

/** An access of one page needs at most a handful of faults when nobody else runs. */
export const FAULTS_MAX = 64;

/** The lock-less walk of handle_pte_fault(), and what each kind of entry leads to. */
function handlePteFault(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const pmd = m.pt[vmf.pmdSlot]!;
  const slot = pmd === 0 ? 0 : pteSlotUnder(m, vmf.pmdSlot, vmf.vpn);
  if (pmd !== 0 && slot === 0) return 0;
  const pte = slot === 0 ? 0 : m.pt[slot]!;
  vmf.pteSlot = slot;
  vmf.origPte = pte;
  if (pte === 0) {
    return m.vma.ops[v] === OPS_NONE ? doAnonymousPage(m, vmf) : doFault(m, vmf);
  }
  if ((pte & PTE_MAPPED) === 0) return doSwapPage(m, vmf);
  if ((vmf.flags & FAULT_FLAG_WRITE) !== 0 && (pte & PTE_W) === 0) return doWpPage(m, vmf, slot);
  if (m.why !== null) m.why.note('pte-present', 0, 0, 0);
  m.pt[slot] = pte | PTE_A | ((vmf.flags & FAULT_FLAG_WRITE) !== 0 ? PTE_D : 0);
  return 0;
}

/** Entries that are not present: markers; swap entries are not modelled. */
function doSwapPage(m: Machine, vmf: Vmf): number {
  const pte = vmf.origPte;
  if (isSwapEntry(pte)) {
    m.unmodelled ||= 'swap-in (no swap device is modelled)';
    return VM_FAULT_SIGBUS;
  }
  if (!isMarker(pte)) return VM_FAULT_SIGBUS;
  if ((pte & MARKER_POISONED) !== 0) return VM_FAULT_HWPOISON;
  if ((pte & MARKER_GUARD) !== 0) return VM_FAULT_SIGSEGV;
  if (!uffdWp(m, vmf.vma)) {
    m.pt[vmf.pteSlot] = 0;
    return 0;
  }
  return m.vma.ops[vmf.vma] === OPS_NONE ? doAnonymousPage(m, vmf) : doFault(m, vmf);
}

/** First phase: __handle_mm_fault() down to the PTE. */
function faultBegin(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const slot = pmdSlotAlloc(m, vmf.mm, vmf.vpn);
  vmf.pmdSlot = slot;
  const entry = m.pt[slot]!;
  if (entry === 0) {
    if (m.vma.ops[v] === OPS_NONE && anonFaultOrders(m, v, 1 << PMD_ORDER) !== 0) {
      const ret = doHugePmdAnonymousPage(m, vmf);
      if ((ret & VM_FAULT_FALLBACK) === 0) return ret;
    }
  } else if (isHugePmd(entry)) {
    vmf.origPte = entry;
    if ((vmf.flags & FAULT_FLAG_WRITE) !== 0 && (entry & PTE_W) === 0) {
      const ret = wpHugePmd(m, vmf);
      if ((ret & VM_FAULT_FALLBACK) === 0) return ret;
    } else {
      m.pt[slot] = entry | PTE_A | ((vmf.flags & FAULT_FLAG_WRITE) !== 0 ? PTE_D : 0);
      return 0;
    }
  }
  return handlePteFault(m, vmf);
}

/** wp_huge_pmd(): anonymous memory by its own rules; a file's PMD is split, that is, unmapped. */
function wpHugePmd(m: Machine, vmf: Vmf): number {
  if (m.vma.ops[vmf.vma] === OPS_NONE) return doHugePmdWpPage(m, vmf);
  splitHugePmd(m, vmf.vma, vmf.pmdSlot);
  return VM_FAULT_FALLBACK;
}

/** Runs one phase. VM_FAULT_NEXT: call again; anything else is the fault's result. */
export function faultPhase(m: Machine, vmf: Vmf): number {
  switch (vmf.phase) {
    case PHASE_BEGIN:
      return faultBegin(m, vmf);
    case PHASE_ANON_INSTALL:
      return doAnonymousInstall(m, vmf);
    case PHASE_BACKING:
      return doFaultBacking(m, vmf);
    case PHASE_FINISH:
      return doFaultFinish(m, vmf);
    case PHASE_WP_INSTALL:
      return wpPageInstall(m, vmf);
    default:
      return VM_FAULT_SIGBUS;
  }
}

/** Prepares a context for a fault of `task` at `vpn` in VMA `v`. */
export function beginFault(
  m: Machine,
  vmf: Vmf,
  task: TaskRow,
  v: VmaRow,
  vpn: Vpn,
  flags: number,
): void {
  vmf.task = task;
  vmf.mm = m.vma.mm[v]!;
  vmf.vma = v;
  vmf.vpn = vpn;
  vmf.flags = flags;
  vmf.phase = PHASE_BEGIN;
  vmf.pmdSlot = 0;
  vmf.pteSlot = 0;
  vmf.origPte = 0;
  vmf.page = 0;
  vmf.cowPage = 0;
  vmf.folio = 0;
  vmf.order = 0;
  vmf.gathered = 0;
}

/**
 * One fault, all phases, with the kernel's retries; counts it for the task. Returns VM_FAULT_* bits.
 * A fault that failed counts nothing; one that was retried counts once: as major if an attempt was,
 * or if the last one was made under FAULT_FLAG_TRIED. A user fault's first attempt holds the VMA
 * lock; when it has to drop that and was not major, the second attempt is as good as a first.
 * Source: mm/memory.c mm_account_fault(), arch/x86/mm/fault.c do_user_addr_fault(), 6.18.
 */
export function handleMmFault(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  vpn: Vpn,
  flags: number,
): number {
  const vmf = m.vmf;
  let attempt = flags;
  let major = 0;
  // From one access of a program to the next the disk has answered; for a second try it has not.
  if ((flags & FAULT_FLAG_USER) !== 0 && m.reading.length !== 0) m.reading.length = 0;
  let underVmaLock = (flags & FAULT_FLAG_USER) !== 0 && m.release.fileFaultsUnderVmaLock;
  for (;;) {
    beginFault(m, vmf, task, v, vpn, attempt);
    if (m.why !== null) m.why.note('fault-begin', -1, vpn, attempt);
    let ret = faultBegin(m, vmf);
    while ((ret & VM_FAULT_NEXT) !== 0) ret = faultPhase(m, vmf);
    m.vmstat[PGFAULT]! += 1;
    major |= ret & VM_FAULT_MAJOR;
    if ((ret & VM_FAULT_RETRY) !== 0) {
      if ((flags & FAULT_FLAG_ANEW) !== 0) major = 0;
      else if (major !== 0 || !underVmaLock) attempt |= FAULT_FLAG_TRIED;
      underVmaLock = false;
      continue;
    }
    // handle_userfault(): who asked for signals is not made to wait.
    if ((ret & VM_FAULT_UFFD_WAIT) !== 0 && uffdSignals(m, v)) return VM_FAULT_SIGBUS;
    if ((ret & (VM_FAULT_ERROR | VM_FAULT_UFFD_WAIT)) !== 0) return ret;
    if (major !== 0 || (attempt & FAULT_FLAG_TRIED) !== 0) m.task.majflt[task]! += 1;
    else m.task.minflt[task]! += 1;
    return ret;
  }
}

const UFFD_FEATURE_SIGBUS = 1 << 7;

function uffdSignals(m: Machine, v: VmaRow): boolean {
  return (m.uffd.features[m.vma.uffd[v]!]! & UFFD_FEATURE_SIGBUS) !== 0;
}

function signalOf(m: Machine, ret: number): number {
  if ((ret & VM_FAULT_OOM) !== 0) {
    m.faultsWithoutMemory++;
    return ACCESS_OOM;
  }
  // Without CONFIG_MEMORY_FAILURE do_sigbus() knows no BUS_MCEERR_AR.
  if ((ret & (VM_FAULT_SIGBUS | VM_FAULT_HWPOISON)) !== 0) return ACCESS_BUS_ADRERR;
  if ((ret & VM_FAULT_UFFD_WAIT) !== 0) return ACCESS_UFFD_WAIT;
  return ACCESS_SEGV_MAPERR;
}

/** The processor could load from this page without a fault. */
export function isReadable(m: Machine, task: TaskRow, vpn: Vpn): boolean {
  return (leafEntry(m, m.task.mm[task]!, vpn) & PTE_P) !== 0;
}

/** The processor sets the bits of an entry that allows what it does. */
export function markTouched(m: Machine, task: TaskRow, vpn: Vpn, write: boolean): void {
  const slot = leafSlot(m, m.task.mm[task]!, vpn);
  if (slot !== 0) m.pt[slot] = m.pt[slot]! | (write ? PTE_A | PTE_D : PTE_A);
}

/** The VMA that serves an access: found, or a stack grown down to it. 0 = none (MAPERR). */
export function vmaForAccess(m: Machine, task: TaskRow, vpn: Vpn): VmaRow {
  const mm = m.task.mm[task]!;
  const v = findVma(m, mm, vpn);
  return m.vma.start[v]! <= vpn ? v : grownStack(m, task, v, vpn);
}

function grownStack(m: Machine, task: TaskRow, v: VmaRow, vpn: Vpn): VmaRow {
  if (v === 0 || (m.vma.flags[v]! & VM_GROWSDOWN) === 0) return 0;
  return expandDownwards(m, task, v, vpn) === 0 ? v : 0;
}

/** access_error() of x86: may this VMA serve this access? `present`: the entry exists already. */
function accessError(m: Machine, v: VmaRow, kind: number, present: boolean): boolean {
  const flags = m.vma.flags[v]!;
  if (kind === ACCESS_WRITE) return (flags & VM_WRITE) === 0;
  if (present) return true;
  return (flags & VM_ACCESS_FLAGS) === 0;
}

/** Index of the leaf entry that maps `vpn` (PTE or huge PMD) in the pool, or 0. */
export function leafSlot(m: Machine, mm: number, vpn: Vpn): number {
  const region = regionOf(vpn);
  const row = pmdTable(m, mm, region);
  if (row === 0) return 0;
  return leafSlotUnder(m, pmdSlotIn(row, vpn), vpn);
}

/** The same below a PMD slot. */
function leafSlotUnder(m: Machine, slot: number, vpn: Vpn): number {
  const entry = m.pt[slot]!;
  if (entry === 0 || (entry & PTE_MAPPED) !== 0) return slot;
  return pteSlotIn(entry, vpn);
}

/**
 * The processor touches one page for `task`: through the page tables if they allow it, else by
 * faults until they do. Counts the faults. Returns ACCESS_*.
 */
export function access(m: Machine, task: TaskRow, vpn: Vpn, kind: number): number {
  return accessSlot(m, task, vpn, kind, leafSlot(m, m.task.mm[task]!, vpn));
}

function accessSlot(m: Machine, task: TaskRow, vpn: Vpn, kind: number, slot: number): number {
  const entry = m.pt[slot]!;
  if (entryServes(m, slot, entry, kind)) return ACCESS_OK;
  return accessByFaults(m, task, vpn, kind, entry, 0);
}

/** The processor's own way, without a fault, where the leaf `entry` at `slot` allows it. */
export function entryServes(m: Machine, slot: number, entry: number, kind: number): boolean {
  if (kind === ACCESS_WRITE) {
    if ((entry & (PTE_P | PTE_W)) !== (PTE_P | PTE_W)) return false;
    m.pt[slot] = entry | PTE_A | PTE_D;
    return true;
  }
  if ((entry & PTE_P) === 0 || kind !== ACCESS_READ) return false;
  m.pt[slot] = entry | PTE_A;
  return true;
}

/** What accessByFaults() came to when it succeeded: the faults taken, and the leaf entry's slot. */
export const faulted = { count: 0, slot: 0, isPmd: false };

/** Frame that maps `vpn` since then, or 0. */
export function faultedFrame(m: Machine, vpn: Vpn): number {
  const entry = m.pt[faulted.slot]!;
  if ((entry & PTE_MAPPED) === 0) return 0;
  return ptePfn(entry) + (faulted.isPmd ? modPow2(vpn, 512) : 0);
}

/**
 * `found`: the leaf entry, which does not allow the access (or is to be executed). `known`: the VMA
 * that serves the access, if the caller has looked it up, else 0.
 */
export function accessByFaults(
  m: Machine,
  task: TaskRow,
  vpn: Vpn,
  kind: number,
  found: number,
  known: VmaRow,
): number {
  let flags = FAULT_FLAG_USER;
  if (kind === ACCESS_WRITE) flags |= FAULT_FLAG_WRITE;
  else if (kind === ACCESS_EXEC) flags |= FAULT_FLAG_EXEC;
  const needed = kind === ACCESS_WRITE ? PTE_P | PTE_W : PTE_P;
  let entry = found;
  let v = known;
  for (let faults = 0; faults < FAULTS_MAX; faults++) {
    if (v === 0 || faults !== 0) v = vmaForAccess(m, task, vpn);
    if (v === 0) return ACCESS_SEGV_MAPERR;
    if (kind === ACCESS_EXEC && (entry & PTE_P) !== 0 && (m.vma.flags[v]! & VM_EXEC) !== 0) {
      const upper = pmdSlot(m, m.task.mm[task]!, vpn);
      const slot = leafSlotUnder(m, upper, vpn);
      m.pt[slot] = entry | PTE_A;
      faulted.count = faults;
      faulted.slot = slot;
      faulted.isPmd = slot === upper;
      return ACCESS_OK;
    }
    const mapped = kind !== ACCESS_WRITE && (entry & PTE_MAPPED) !== 0;
    if (accessError(m, v, kind, mapped)) return ACCESS_SEGV_ACCERR;
    const ret = handleMmFault(m, task, v, vpn, flags);
    if ((ret & (VM_FAULT_ERROR | VM_FAULT_UFFD_WAIT)) !== 0) return signalOf(m, ret);
    const slot = leafSlotUnder(m, m.vmf.pmdSlot, vpn);
    entry = m.pt[slot]!;
    if (kind !== ACCESS_EXEC && (entry & needed) === needed) {
      m.pt[slot] = entry | (kind === ACCESS_WRITE ? PTE_A | PTE_D : PTE_A);
      faulted.count = faults + 1;
      faulted.slot = slot;
      faulted.isPmd = slot === m.vmf.pmdSlot;
      return ACCESS_OK;
    }
  }
  return ACCESS_STUCK;
}

/** Frame that maps `vpn` in an address space (present, or PROT_NONE), or 0. */
export function frameAt(m: Machine, mm: number, vpn: Vpn): number {
  const slot = leafSlot(m, mm, vpn);
  if (slot === 0) return 0;
  const entry = m.pt[slot]!;
  if ((entry & PTE_MAPPED) === 0) return 0;
  return ptePfn(entry) + (isLeafPmd(m, mm, vpn) ? modPow2(vpn, 512) : 0);
}

/** True when a PMD maps `vpn`. */
export function isLeafPmd(m: Machine, mm: number, vpn: Vpn): boolean {
  const region = regionOf(vpn);
  const row = pmdTable(m, mm, region);
  if (row === 0) return false;
  return isHugePmd(m.pt[pmdSlotIn(row, vpn)]!);
}

/** The leaf entry of `vpn` (of a huge PMD, the PMD), or 0. */
export function leafEntry(m: Machine, mm: number, vpn: Vpn): number {
  const slot = leafSlot(m, mm, vpn);
  return slot === 0 ? 0 : m.pt[slot]!;
}

/** A load that access() allowed: what the page holds. */
export function loadContent(m: Machine, task: TaskRow, vpn: Vpn): number {
  const pfn = frameAt(m, m.task.mm[task]!, vpn);
  return m.content.length === 0 ? 0 : m.content[pfn]!;
}

/** A store that access() allowed: the page now holds `value`. */
export function storeContent(m: Machine, task: TaskRow, vpn: Vpn, value: number): void {
  const pfn = frameAt(m, m.task.mm[task]!, vpn);
  m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
  if (m.content.length !== 0) m.content[pfn] = value;
}

/**
 * A fault taken by the kernel for a task (populate, mlock, copy to or from user memory): 0, or
 * -EFAULT, -ENOMEM. Entries that allow the access take no fault.
 * Source: mm/gup.c faultin_page(), 6.18.
 */
export function faultinPage(
  m: Machine,
  task: TaskRow,
  v: VmaRow,
  vpn: Vpn,
  write: boolean,
): number {
  const mm = m.vma.mm[v]!;
  for (let faults = 0; faults < FAULTS_MAX; faults++) {
    const entry = leafEntry(m, mm, vpn);
    const ok = write ? (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W) : (entry & PTE_P) !== 0;
    if (ok) return 0;
    const ret = handleMmFault(m, task, v, vpn, write ? FAULT_FLAG_WRITE : 0);
    if ((ret & VM_FAULT_OOM) !== 0) return -ENOMEM;
    if ((ret & (VM_FAULT_ERROR | VM_FAULT_UFFD_WAIT)) !== 0) return -EFAULT;
  }
  return -EFAULT;
}
