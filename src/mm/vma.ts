/**
 * VMAs one by one: copying, splitting, removing, the lists of those that map an inode, growth of a
 * stack (mm/vma.c, 6.18). What joins them is vma_merge.ts's.
 */
import {
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  type Errno,
  freeRow,
  type MmRow,
  modPow2,
  newRow,
  PAGE_SIZE,
  type TaskRow,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { anonVmaClone, anonVmaPrepare } from './anon_vma.ts';
import { fileGet, filePut } from './file.ts';
import { splitHugePmd } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import { isHugePmd, pmdSlot } from './pgalloc.ts';
import { mayExpandVm, mlockFutureOk, vmEnoughMemory, vmStatAccount } from './util.ts';
import {
  OPS_NONE,
  OPS_SHM,
  OPS_SPECIAL,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_HUGETLB,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_SPECIAL,
  VM2_DROPPABLE,
  VM2_SEALED,
} from './vm_flags.ts';
import {
  findVmaIntersection,
  STACK_GUARD_PAGES,
  vmaBoundsChanged,
  vmaTreeInsert,
  vmaTreeInsertBetween,
} from './vma_tree.ts';

export const VM_LOCKED_MASK = VM_LOCKED | VM_LOCKONFAULT;

export function vmaIsAnonymous(m: Machine, v: VmaRow): boolean {
  return m.vma.ops[v] === OPS_NONE;
}
export function vmaIsSealed(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags2[v]! & VM2_SEALED) !== 0;
}
/** can_modify_mm(): 6.10 and 6.11 look at the whole range before they change any of it. */
export function sealRefusesRange(m: Machine, mm: MmRow, start: Vpn, end: Vpn): boolean {
  if (!m.release.sealsCheckedFirst) return false;
  let v = findVmaIntersection(m, mm, start, end);
  for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) if (vmaIsSealed(m, v)) return true;
  return false;
}
export function vmaIsAccessible(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags[v]! & VM_ACCESS_FLAGS) !== 0;
}
/** vma_supports_mlock(): the others never carry VM_LOCKED. */
export function vmaSupportsMlock(m: Machine, v: VmaRow): boolean {
  return (
    (m.vma.flags[v]! & (VM_SPECIAL | VM_HUGETLB)) === 0 && (m.vma.flags2[v]! & VM2_DROPPABLE) === 0
  );
}
/** A VMA whose vm_ops have a close hook is never removed by a merge. */
export function vmaHasClose(m: Machine, v: VmaRow): boolean {
  const ops = m.vma.ops[v]!;
  return ops === OPS_SHM || ops === OPS_SPECIAL || (m.vma.flags[v]! & VM_HUGETLB) !== 0;
}

/** A row with everything of `v` but its places in tree and lists, and its anon_vma_chain. */
export function vmAreaDup(m: Machine, v: VmaRow): VmaRow {
  const row = newRow(m.vma);
  const c = m.vma;
  c.mm[row] = c.mm[v]!;
  c.start[row] = c.start[v]!;
  c.end[row] = c.end[v]!;
  c.pgoff[row] = c.pgoff[v]!;
  c.flags[row] = c.flags[v]!;
  c.flags2[row] = c.flags2[v]!;
  c.ops[row] = c.ops[v]!;
  c.file[row] = c.file[v]!;
  c.anonVma[row] = c.anonVma[v]!;
  c.uffd[row] = c.uffd[v]!;
  c.name[row] = c.name[v]!;
  return row;
}

/** Enters a file VMA into the list of its inode (i_mmap). */
export function vmaLinkFile(m: Machine, v: VmaRow): void {
  const { file, sharePrev, shareNext } = m.vma;
  if (file[v] === 0) return;
  const inode = m.file.inode[file[v]!]!;
  const first = m.inode.firstVma[inode]!;
  sharePrev[v] = 0;
  shareNext[v] = first;
  if (first !== 0) sharePrev[first] = v;
  m.inode.firstVma[inode] = v;
}

export function vmaUnlinkFile(m: Machine, v: VmaRow): void {
  const { file, sharePrev, shareNext } = m.vma;
  if (file[v] === 0) return;
  const before = sharePrev[v]!;
  const after = shareNext[v]!;
  if (before !== 0) shareNext[before] = after;
  else m.inode.firstVma[m.file.inode[file[v]!]!] = after;
  if (after !== 0) sharePrev[after] = before;
  sharePrev[v] = 0;
  shareNext[v] = 0;
}

/** Into the tree and, for a file, into the inode's list (vma_link). */
export function insertVma(m: Machine, v: VmaRow): void {
  vmaTreeInsert(m, v);
  vmaLinkFile(m, v);
}

/** The same where the neighbours are known; 0 = none. */
export function insertVmaBetween(m: Machine, v: VmaRow, before: VmaRow, after: VmaRow): void {
  vmaTreeInsertBetween(m, v, before, after);
  vmaLinkFile(m, v);
}

/**
 * Enters a VMA that an image brings along (stack, vdso): commits it if it is accounted.
 * Source: mm/vma.c insert_vm_struct(), 6.18.
 */
export function insertVmStruct(m: Machine, task: TaskRow, v: VmaRow): Errno {
  const { start, end, mm, flags } = m.vma;
  if (findVmaIntersection(m, mm[v]!, start[v]!, end[v]!) !== 0) return -ENOMEM;
  if ((flags[v]! & VM_ACCOUNT) !== 0) {
    const error = vmEnoughMemory(m, task, mm[v]!, end[v]! - start[v]!);
    if (error !== 0) return error;
  }
  if (vmaIsAnonymous(m, v)) m.vma.pgoff[v] = start[v]!;
  insertVma(m, v);
  return 0;
}

/** The last steps of a VMA's life: drops its file and its row (remove_vma). */
export function removeVma(m: Machine, v: VmaRow): void {
  const file = m.vma.file[v]!;
  freeRow(m.vma, v);
  if (file !== 0) filePut(m, file);
}

/**
 * A PMD that maps 2 MiB across `vpn` inside the VMA is split: the boundary will fall there.
 * Source: mm/huge_memory.c split_huge_pmd_if_needed(), 6.18.
 */
export function splitHugePmdIfNeeded(m: Machine, v: VmaRow, vpn: Vpn): void {
  const into = modPow2(vpn, 512);
  if (into === 0) return;
  const block = vpn - into;
  if (block < m.vma.start[v]! || block + 512 > m.vma.end[v]!) return;
  const slot = pmdSlot(m, m.vma.mm[v]!, vpn);
  if (slot !== 0 && isHugePmd(m.pt[slot]!)) splitHugePmd(m, v, slot);
}

/** vm_ops->may_split(): special mappings stay whole, huge pages of hugetlbfs too. */
export function maySplit(m: Machine, v: VmaRow, vpn: Vpn): Errno {
  if (m.vma.ops[v] === OPS_SPECIAL) return -EINVAL;
  if ((m.vma.flags[v]! & VM_HUGETLB) !== 0 && modPow2(vpn, 512) !== 0) return -EINVAL;
  return 0;
}

/**
 * Splits a VMA at `vpn` without regard to max_map_count. The new row is the part below when
 * `newBelow`, else the part from `vpn` on. Returns the new row or a negative errno.
 * Source: mm/vma.c __split_vma(), 6.18.
 */
export function splitVmaUnchecked(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  newBelow: boolean,
): VmaRow | Errno {
  const refused = maySplit(m, v, vpn);
  if (refused !== 0) return refused;
  const row = vmAreaDup(m, v);
  const error = anonVmaClone(m, row, v);
  if (error !== 0) {
    freeRow(m.vma, row);
    return error;
  }
  splitHugePmdIfNeeded(m, v, vpn);
  const { start, end, pgoff, file, prev, next } = m.vma;
  const delta = vpn - start[v]!;
  if (newBelow) {
    end[row] = vpn;
    start[v] = vpn;
    pgoff[v]! += delta;
  } else {
    start[row] = vpn;
    pgoff[row]! += delta;
    end[v] = vpn;
  }
  if (file[row] !== 0) fileGet(m, file[row]!);
  if (newBelow) insertVmaBetween(m, row, prev[v]!, v);
  else insertVmaBetween(m, row, v, next[v]!);
  return row;
}

/** split_vma(): the same, unless the mm has as many mappings as it may. */
export function splitVma(m: Machine, v: VmaRow, vpn: Vpn, newBelow = false): VmaRow | Errno {
  if (m.mm.mapCount[m.vma.mm[v]!]! >= m.settings.maxMapCount) return -ENOMEM;
  return splitVmaUnchecked(m, v, vpn, newBelow);
}

/** The kernel's lowest address for anybody (mmap_min_addr), in pages. */
export function mmapMinVpn(m: Machine): Vpn {
  return Math.ceil(Math.max(m.settings.mmapMinAddr, m.settings.lsmMmapMinAddr) / PAGE_SIZE);
}

function acctStackGrowth(m: Machine, task: TaskRow, v: VmaRow, pages: number, grow: number): Errno {
  const flags = m.vma.flags[v]!;
  if (!mayExpandVm(m, task, flags, grow)) return -ENOMEM;
  if (pages * PAGE_SIZE > m.sig.stackCur[m.task.sig[task]!]!) return -ENOMEM;
  if (!mlockFutureOk(m, task, flags, grow)) return -ENOMEM;
  return vmEnoughMemory(m, task, m.vma.mm[v]!, grow);
}

/**
 * Grows a stack down to `vpn`, which lies below it with nothing mapped between.
 * Source: mm/vma.c expand_downwards(), acct_stack_growth(), 6.18.
 */
export function expandDownwards(m: Machine, task: TaskRow, v: VmaRow, vpn: Vpn): Errno {
  const { start, end, pgoff, flags, prev } = m.vma;
  if ((flags[v]! & VM_GROWSDOWN) === 0) return -EFAULT;
  if (vpn < mmapMinVpn(m)) return -EPERM;
  const before = prev[v]!;
  if (
    before !== 0 &&
    (flags[before]! & VM_GROWSDOWN) === 0 &&
    vmaIsAccessible(m, before) &&
    vpn - end[before]! < STACK_GUARD_PAGES
  ) {
    return -ENOMEM;
  }
  const error = anonVmaPrepare(m, v);
  if (error !== 0) return error;
  const grow = start[v]! - vpn;
  if (grow <= 0) return 0;
  if (grow > pgoff[v]!) return -ENOMEM;
  const refused = acctStackGrowth(m, task, v, end[v]! - vpn, grow);
  if (refused !== 0) return refused;
  const mm: MmRow = m.vma.mm[v]!;
  if ((flags[v]! & VM_LOCKED) !== 0) m.mm.lockedVm[mm]! += grow;
  vmStatAccount(m, mm, flags[v]!, grow);
  start[v] = vpn;
  pgoff[v]! -= grow;
  vmaBoundsChanged(m, v);
  return 0;
}
