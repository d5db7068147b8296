/** Accesses: the hot half of a replay. */
import { modPow2, PMD_PAGES, type VmaRow, type Vpn } from '../base/index.ts';
import { cacheGet } from '../mm/filemap.ts';
import { headOf } from '../mm/folio.ts';
import {
  ACCESS_EXEC,
  ACCESS_READ,
  ACCESS_WRITE,
  accessByFaults,
  entryServes,
  faulted,
  faultedFrame,
  vmaForAccess,
} from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { ORDER_MASK, PG_ANON, PG_SWAPBACKED, PG_WRITTEN } from '../mm/page_flags.ts';
import { pmdSlot } from '../mm/pgalloc.ts';
import { PTE_MAPPED, ptePfn, pteSlotIn } from '../mm/pgtable.ts';
import {
  OPS_FILE,
  OPS_NONE,
  OPS_SHMEM,
  OPS_SPECIAL,
  OPS_UNKNOWN,
  VM_SHARED,
} from '../mm/vm_flags.ts';
import { FAULT_KERNEL, FAULT_TAKEN, TOUCH_EXEC, TOUCH_WRITE } from '../trace/index.ts';
import { fillCache, fillTmpfs } from './file_book.ts';
import type { Process, Replay } from './state.ts';
import { KIND_ANON, KIND_COW, KIND_FILE, KIND_SHMEM } from './tally.ts';

/** The accesses of the event of `row`: every page that it reaches. */
export function touch(r: Replay, process: Process, row: number): void {
  const { vpn, offset, length, arg, arg2 } = r.events;
  const how = arg[row]!;
  const kind =
    (how & TOUCH_WRITE) !== 0 ? ACCESS_WRITE : (how & TOUCH_EXEC) !== 0 ? ACCESS_EXEC : ACCESS_READ;
  const fault = arg2[row]!;
  const bytes = length[row]!;
  const at = vpn[row]!;
  const { addresses } = process;
  touchPage(r, process, addresses.isIdentity ? at : at + addresses.delta(at), kind, fault);
  if (bytes > 1) {
    const end = at + Math.ceil((offset[row]! + bytes) / 4096);
    for (let next = at + 1; next < end; next++) {
      touchPage(r, process, next + addresses.delta(next), kind, fault);
    }
  }
}

/** What the recording had mapped by now, beside what its events name (hidden.ts): no accesses of its own. */
export function touchHidden(r: Replay, process: Process, row: number): void {
  const { hidden, tally } = r;
  const { addresses, kernelVpn } = process;
  const { touches } = tally;
  for (; hidden.row[r.hiddenNext] === row; r.hiddenNext++) {
    const vpn = hidden.vpn[r.hiddenNext]!;
    touchPage(r, process, vpn + addresses.delta(vpn), hidden.kind[r.hiddenNext]!, 0);
  }
  tally.touches = touches;
  process.kernelVpn = kernelVpn;
}

/** Short, so that it is compiled into the loop over the events: pages that are mapped. */
function touchPage(r: Replay, process: Process, vpn: Vpn, kind: number, fault: number): void {
  const { m, tally } = r;
  tally.touches++;
  tally.recorded += fault & FAULT_TAKEN;
  // leafSlot(), in two steps: where the entry stands tells its frame.
  const upper = pmdSlot(m, m.task.mm[process.task]!, vpn);
  const table = m.pt[upper]!;
  const isHuge = (table & PTE_MAPPED) !== 0;
  const slot = isHuge || table === 0 ? upper : pteSlotIn(table, vpn);
  const entry = m.pt[slot]!;
  if (!entryServes(m, slot, entry, kind)) {
    touchByFaults(r, process, vpn, kind, fault, slot);
    return;
  }
  const pfn = ptePfn(entry) + (isHuge ? modPow2(vpn, PMD_PAGES) : 0);
  if ((fault & FAULT_TAKEN) !== 0) {
    if ((fault & FAULT_KERNEL) === 0 && isOfNoFile(m, pfn)) tally.saved++;
    else unneeded(r, process, vpn, pfn, fault);
  }
  process.kernelVpn = (fault & FAULT_KERNEL) !== 0 ? vpn : -1;
  m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
}

/** No mapping of a file has large anonymous folios, nor memory of shmem. */
function isOfNoFile(m: Machine, pfn: number): boolean {
  const f = m.page.flags[headOf(m, pfn)]!;
  const isLargeAnon = (f & PG_ANON) !== 0 && (f & ORDER_MASK) !== 0;
  return isLargeAnon || (f & (PG_ANON | PG_SWAPBACKED)) === PG_SWAPBACKED;
}

/** A page whose leaf entry, at `slot`, does not allow the access. */
function touchByFaults(
  r: Replay,
  process: Process,
  vpn: Vpn,
  kind: number,
  fault: number,
  slot: number,
): void {
  const { m, tally } = r;
  const entry = m.pt[slot]!;
  let v = 0;
  if (entry === 0) {
    v = prepare(r, process, vpn, kind, fault);
    if (v === 0) return;
  }
  if (accessByFaults(m, process.task, vpn, kind, entry, v) !== 0) {
    outside(r, process, fault);
    return;
  }
  const pfn = faultedFrame(m, vpn);
  const taken = faulted.count;
  if (taken !== 0) {
    const order = m.page.flags[headOf(m, pfn)]! & ORDER_MASK;
    tally.add(kindOf(m, m.vmf.vma, entry, kind), order, taken);
    process.minflt += taken;
    if ((fault & FAULT_KERNEL) !== 0) tally.kernel += taken;
    if (entry === 0) r.finder?.after(m, m.vmf.vma, vpn, kind, r.row);
  } else if ((fault & FAULT_TAKEN) !== 0) {
    // Code, which entryServes() leaves to the VMA.
    unneeded(r, process, vpn, pfn, fault);
  }
  process.kernelVpn = (fault & FAULT_KERNEL) !== 0 ? vpn : -1;
  m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
}

/** The VMA of a page that has no entry yet; 0 where the model cannot serve the access itself. */
function prepare(r: Replay, process: Process, vpn: Vpn, kind: number, fault: number): VmaRow {
  const { m } = r;
  const v = vmaForAccess(m, process.task, vpn);
  if (v === 0) {
    outside(r, process, fault);
    return 0;
  }
  const ops = m.vma.ops[v]!;
  if (ops === OPS_FILE) fillCache(m, v, vpn);
  else if (ops === OPS_UNKNOWN || ops === OPS_SPECIAL) {
    carry(r, process, KIND_FILE, fault);
    return 0;
  } else if (ops !== OPS_NONE) prepareShmem(r, v, vpn, kind);
  r.finder?.before(m, v, vpn, kind);
  return v;
}

/** Counts the folio that the access will find; what it will allocate, or copy, is no mapping alone. */
function prepareShmem(r: Replay, v: VmaRow, vpn: Vpn, kind: number): void {
  const { m } = r;
  const { ops, flags, file, pgoff, start } = m.vma;
  if (ops[v] === OPS_SHMEM && kind !== ACCESS_WRITE) fillTmpfs(m, v, vpn);
  if (kind === ACCESS_WRITE && (flags[v]! & VM_SHARED) === 0) return;
  const found = cacheGet(m, m.file.inode[file[v]!]!, vpn - start[v]! + pgoff[v]!);
  if (found !== 0) r.tally.mapped[m.page.flags[headOf(m, found)]! & ORDER_MASK]! += 1;
}

function kindOf(m: Machine, v: VmaRow, entry: number, kind: number): number {
  if ((entry & PTE_MAPPED) !== 0) return KIND_COW;
  const ops = m.vma.ops[v]!;
  if (ops === OPS_NONE) return KIND_ANON;
  if (kind === ACCESS_WRITE && (m.vma.flags[v]! & VM_SHARED) === 0) return KIND_COW;
  return ops === OPS_FILE ? KIND_FILE : KIND_SHMEM;
}

/**
 * The recorded program took a fault where the model takes none. In a file that is what a trace
 * cannot tell of the page cache (a folio that was not there yet, pages that were taken away and
 * read again), and no setting of large folios changes it: the fault is counted. In other memory a
 * larger folio has saved it.
 */
function unneeded(r: Replay, process: Process, vpn: Vpn, pfn: number, fault: number): void {
  if ((fault & FAULT_KERNEL) !== 0 && process.kernelVpn === vpn) {
    r.tally.repeated++;
    return;
  }
  if (r.sameFaultAround && !isOfNoFile(r.m, pfn)) {
    if (r.m.vma.ops[vmaForAccess(r.m, process.task, vpn)] === OPS_FILE) {
      carry(r, process, KIND_FILE, fault);
      return;
    }
  }
  r.tally.saved++;
}

/** Counted as it was recorded. */
function carry(r: Replay, process: Process, kind: number, fault: number): void {
  if ((fault & FAULT_TAKEN) === 0) return;
  r.tally.carried++;
  r.tally.add(kind, 0);
  process.minflt++;
  if ((fault & FAULT_KERNEL) !== 0) r.tally.kernel++;
}

/** Memory that the trace does not tell of: the fault is carried over. */
function outside(r: Replay, process: Process, fault: number): void {
  const { tally, m } = r;
  // Or memory was used up.
  if (m.faultsWithoutMemory === tally.noMemory) tally.refused++;
  else tally.noMemory = m.faultsWithoutMemory;
  m.unmodelled = '';
  carry(r, process, KIND_ANON, fault);
}
