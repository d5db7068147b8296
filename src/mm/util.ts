/**
 * Limits and accounting: capabilities, resource limits, committed memory, the pages of an mm by
 * kind. Source: mm/util.c, mm/mmap.c may_expand_vm(), mlock_future_ok(), vm_stat_account(), 6.18.
 */
import {
  type Bytes,
  ENOMEM,
  type Errno,
  type MmRow,
  PAGE_SIZE,
  type Pages,
  type TaskRow,
} from '../base/index.ts';
import { CAP_IPC_LOCK, CAP_SYS_ADMIN } from './fs_types.ts';
import type { Machine } from './mm_types.ts';
import { OVERCOMMIT_ALWAYS, OVERCOMMIT_GUESS } from './mman.ts';
import { VM_EXEC, VM_LOCKED, VM_SHARED, VM_STACK, VM_WRITE } from './vm_flags.ts';

export type LimitName = 'as' | 'data' | 'memlock' | 'ram';

/**
 * The limit that refused last and the pages, of the kind that it counts, that it was asked for. Who
 * reads a log learns its limits from this; no state of a machine, and nothing decides by it.
 */
export const refusal: { limit: LimitName | ''; pages: Pages } = { limit: '', pages: 0 };

/** Notes a refusal; always false. */
export function refuse(limit: LimitName, pages: Pages): false {
  refusal.limit = limit;
  refusal.pages = pages;
  return false;
}

export function capable(m: Machine, task: TaskRow, cap: number): boolean {
  return (m.task.caps[task]! & cap) !== 0;
}

/** A limit of `bytes` in pages; Infinity stays. */
export function limitPages(bytes: Bytes): Pages {
  return Math.floor(bytes / PAGE_SIZE);
}

/** Executable, not writable, no stack. */
function isExecMapping(flags: number): boolean {
  return (flags & (VM_EXEC | VM_WRITE | VM_STACK)) === VM_EXEC;
}
function isStackMapping(flags: number): boolean {
  return (flags & VM_STACK) !== 0;
}
/** Private, writable, no stack: what RLIMIT_DATA counts. */
export function isDataMapping(flags: number): boolean {
  return (flags & (VM_WRITE | VM_SHARED | VM_STACK)) === VM_WRITE;
}

/** Adds (or, negative, takes) pages of a kind that the flags tell. */
export function vmStatAccount(m: Machine, mm: MmRow, flags: number, pages: Pages): void {
  m.mm.totalVm[mm]! += pages;
  if (isExecMapping(flags)) m.mm.execVm[mm]! += pages;
  else if (isStackMapping(flags)) m.mm.stackVm[mm]! += pages;
  else if (isDataMapping(flags)) m.mm.dataVm[mm]! += pages;
}

/** To be called before total_vm falls (update_hiwater_vm). */
export function updateHiwaterVm(m: Machine, mm: MmRow): void {
  if (m.mm.vmPeak[mm]! < m.mm.totalVm[mm]!) m.mm.vmPeak[mm] = m.mm.totalVm[mm]!;
}

/** To be called before pages are unmapped (update_hiwater_rss). */
export function updateHiwaterRss(m: Machine, mm: MmRow): void {
  const { rssAnon, rssFile, rssShmem, rssPeak } = m.mm;
  const rss = rssAnon[mm]! + rssFile[mm]! + rssShmem[mm]!;
  if (rssPeak[mm]! < rss) rssPeak[mm] = rss;
}

/** RLIMIT_AS and RLIMIT_DATA. A data limit of 0 with a hard limit that suffices is let through. */
export function mayExpandVm(m: Machine, task: TaskRow, flags: number, pages: Pages): boolean {
  const mm = m.task.mm[task]!;
  const sig = m.task.sig[task]!;
  const total = m.mm.totalVm[mm]! + pages;
  if (total > limitPages(m.sig.asCur[sig]!)) return refuse('as', total);
  if (!isDataMapping(flags)) return true;
  const data = m.mm.dataVm[mm]! + pages;
  if (data <= limitPages(m.sig.dataCur[sig]!)) return true;
  if (m.sig.dataCur[sig] === 0 && data <= limitPages(m.sig.dataMax[sig]!)) return true;
  return refuse('data', data);
}

/** can_do_mlock(). */
export function canDoMlock(m: Machine, task: TaskRow): boolean {
  if (m.sig.memlockCur[m.task.sig[task]!] !== 0 || capable(m, task, CAP_IPC_LOCK)) return true;
  return refuse('memlock', 1);
}

/** Would `pages` more of a mapping with these flags stay below RLIMIT_MEMLOCK? */
export function mlockFutureOk(m: Machine, task: TaskRow, flags: number, pages: Pages): boolean {
  if ((flags & VM_LOCKED) === 0 || capable(m, task, CAP_IPC_LOCK)) return true;
  const locked = pages + m.mm.lockedVm[m.task.mm[task]!]!;
  return locked <= limitPages(m.sig.memlockCur[m.task.sig[task]!]!) || refuse('memlock', locked);
}

/** vm_commit_limit(): what overcommit_memory = 2 allows in all. */
export function vmCommitLimit(m: Machine): Pages {
  const { overcommitKbytes, overcommitRatio, totalRam, totalSwap } = m.settings;
  const ram =
    overcommitKbytes !== 0
      ? Math.floor(overcommitKbytes / 4)
      : Math.floor((totalRam * overcommitRatio) / 100);
  return ram + totalSwap;
}

/**
 * Commits pages, or refuses. `mm` 0 leaves out the reserve for the user's own rescue.
 * Source: mm/util.c __vm_enough_memory(), security/commoncap.c cap_vm_enough_memory(), 6.18.
 */
export function vmEnoughMemory(m: Machine, task: TaskRow, mm: MmRow, pages: Pages): Errno {
  const s = m.settings;
  if (s.overcommitMemory === OVERCOMMIT_GUESS) {
    if (pages > s.totalRam + s.totalSwap) {
      refuse('ram', pages);
      return -ENOMEM;
    }
  } else if (s.overcommitMemory !== OVERCOMMIT_ALWAYS) {
    let allowed = vmCommitLimit(m);
    if (!capable(m, task, CAP_SYS_ADMIN)) allowed -= s.adminReservePages;
    if (mm !== 0) allowed -= Math.min(Math.floor(m.mm.totalVm[mm]! / 32), s.userReservePages);
    if (Math.max(0, m.committed + pages) >= allowed) return -ENOMEM;
  }
  m.committed += pages;
  return 0;
}

export function vmAcctMemory(m: Machine, pages: Pages): void {
  m.committed += pages;
}
export function vmUnacctMemory(m: Machine, pages: Pages): void {
  m.committed -= pages;
}
