/**
 * Shared memory: which order a page-cache folio of a tmpfs object gets, and how it is made
 * (mm/shmem.c, 6.18). Anonymous shared memory, memfd, SysV segments and tmpfs files all live here.
 */
import {
  EFBIG,
  EINVAL,
  ENOMEM,
  ENOSPC,
  type Errno,
  highestOrder,
  type InodeRow,
  modPow2,
  type Order,
  type OrderMask,
  type Pfn,
  PMD_ORDER,
  type VmaRow,
  type Vpn,
} from '../base/index.ts';
import { cacheGet, cacheInsert, cacheRangeEmpty, cacheRemove, filePages } from './filemap.ts';
import { allocFolio, folioPut, headOf } from './folio.ts';
import { INODE_LARGE_FOLIOS, INODE_UNEVICTABLE } from './fs_types.ts';
import { thpVmaSuitable, thpVmaSuitableOrders, vmaThpDisabled } from './huge_memory.ts';
import type { Machine } from './mm_types.ts';
import { PG_SWAPBACKED, PG_UNEVICTABLE, PG_UPTODATE } from './page_flags.ts';
import {
  HUGE_ADVISE,
  HUGE_ALWAYS,
  HUGE_DENY,
  HUGE_FORCE,
  HUGE_NEVER,
  HUGE_WITHIN_SIZE,
  SHMEM_ORDERS,
} from './settings.ts';
import { shmemAcctBlocks } from './shmem_blocks.ts';
import { SHRINK_STOP, shmemMayShrink, shmemUnusedHugeShrink } from './shmem_shrink.ts';
import { OPS_SHMEM_ANON, VM_HUGEPAGE } from './vm_flags.ts';
import { uffdMinor, uffdMissing } from './vma_prot.ts';
import {
  countMthp,
  MTHP_SHMEM_ALLOC,
  MTHP_SHMEM_FALLBACK,
  THP_FILE_ALLOC,
  THP_FILE_FALLBACK,
} from './vmstat.ts';

/** How shmemGetFolio() is asked (enum sgp_type). */
export const SGP_READ = 0;
export const SGP_NOALLOC = 1;
export const SGP_CACHE = 2;
export const SGP_WRITE = 3;
export const SGP_FALLOC = 4;

/** Positive answer of shmemGetFolio(): the fault must wait for a userfaultfd handler. */
export const SHMEM_UFFD_WAIT = 1;

const PMD_MASK: OrderMask = 1 << PMD_ORDER;

/**
 * Orders, from the top, whose block ends within the file. 6.11 and 6.12.0 rounded the index to a
 * multiple of the order itself, a slip fixed in 6.12.y.
 * Source: shmem_get_orders_within_size(), 6.18.
 */
function withinSizeOrders(
  m: Machine,
  inode: InodeRow,
  wanted: OrderMask,
  index: number,
  writeEnd: number,
  byOrder: boolean,
): OrderMask {
  const pages = Math.ceil(Math.max(writeEnd, m.inode.size[inode]!) / 4096);
  let orders = wanted;
  let at = index;
  while (orders !== 0) {
    const order = highestOrder(orders);
    const step = byOrder ? order : 1 << order;
    // round_up() of the kernel is meant for powers of two; each size goes on from the last result.
    if (byOrder) at = ((at | (step - 1)) >>> 0) + 1;
    else at = Math.ceil((index + 1) / step) * step;
    if (pages >= at) return orders;
    orders &= ~(1 << order);
  }
  return 0;
}

/** huge= of a mount (SHMEM_HUGE_*); of the kernel's own, what shmem_enabled last set. */
function mountHuge(m: Machine, sb: number): number {
  return sb === m.shmMount ? m.settings.shmemMountHuge : m.sb.huge[sb]!;
}

/** INODE_LARGE_FOLIOS, or 0, for a new inode of a mount. Source: mm/shmem.c __shmem_get_inode(), 6.18. */
export function shmemLargeFolios(m: Machine, sb: number): number {
  return mountHuge(m, sb) === HUGE_NEVER ? 0 : INODE_LARGE_FOLIOS;
}

/**
 * What the mount's huge= (or top-level force) allows. With a VMA only 2 MiB; write(2) and
 * fallocate(2), which have none, may take any order where the release has it.
 * Source: shmem_huge_global_enabled(), 6.18.
 */
function globalOrders(
  m: Machine,
  inode: InodeRow,
  index: number,
  writeEnd: number,
  force: boolean,
  v: VmaRow,
): OrderMask {
  const top = m.settings.shmemEnabled;
  if (top === HUGE_DENY) return 0;
  if (force || top === HUGE_FORCE) return PMD_MASK;
  const huge = mountHuge(m, m.inode.sb[inode]!);
  const all = v !== 0 ? PMD_MASK : m.release.tmpfsWriteOrders;
  const advised = v !== 0 && (m.vma.flags[v]! & VM_HUGEPAGE) !== 0;
  switch (huge) {
    case HUGE_ALWAYS:
      return all;
    case HUGE_WITHIN_SIZE: {
      const orders = withinSizeOrders(m, inode, all, index, writeEnd, false);
      if (orders !== 0) return orders;
      return advised ? PMD_MASK : 0;
    }
    case HUGE_ADVISE:
      return advised ? PMD_MASK : 0;
    default:
      return 0;
  }
}

/**
 * Orders that a new page-cache folio at `index` may have. `v` = 0 for write(2) and fallocate(2).
 * Source: shmem_allowable_huge_orders(), 6.18.
 */
export function shmemAllowableHugeOrders(
  m: Machine,
  inode: InodeRow,
  v: VmaRow,
  index: number,
  writeEnd: number,
  force: boolean,
): OrderMask {
  if (v !== 0 && vmaThpDisabled(m, v, force)) return 0;
  if (v === 0 || m.vma.ops[v] !== OPS_SHMEM_ANON || !m.release.shmemPerSize) {
    return globalOrders(m, inode, index, writeEnd, force, v);
  }
  const s = m.settings;
  if (s.shmemEnabled === HUGE_DENY) return 0;
  if (s.shmemEnabled === HUGE_FORCE) return s.shmemInherit;
  let mask = s.shmemAlways;
  if (s.shmemWithin !== 0) {
    const byOrder = m.release.withinSizeByOrder;
    mask |= withinSizeOrders(m, inode, s.shmemWithin, index, 0, byOrder);
  }
  if ((m.vma.flags[v]! & VM_HUGEPAGE) !== 0) mask |= s.shmemAdvise;
  if (s.shmemInherit !== 0 && globalOrders(m, inode, index, writeEnd, force, v) !== 0) {
    mask |= s.shmemInherit;
  }
  return mask & SHMEM_ORDERS;
}

/** Before 6.11 no fault asks whether the block fits the VMA, in 6.11 those on anonymous memory. */
function mustFitVma(m: Machine, v: VmaRow): boolean {
  if (v === 0) return false;
  const anon = m.vma.ops[v] === OPS_SHMEM_ANON;
  return anon ? m.release.shmemPerSize : m.release.shmemFileFitsVma;
}

/**
 * Of these orders, those to try, from the top: the block must fit the VMA, and must not hold any
 * cached page. Source: shmem_suitable_orders(), 6.18.
 */
function suitableOrders(
  m: Machine,
  inode: InodeRow,
  v: VmaRow,
  vpn: Vpn,
  index: number,
  wanted: OrderMask,
): OrderMask {
  let orders = mustFitVma(m, v) ? thpVmaSuitableOrders(m, v, vpn, wanted) : wanted;
  while (orders !== 0) {
    const n = 1 << highestOrder(orders);
    if (cacheRangeEmpty(m, inode, index - modPow2(index, n), n)) break;
    orders &= ~n;
  }
  return orders;
}

/**
 * A folio in the page cache, with its blocks. Where they are short, they may be taken from behind the
 * ends of files (`shrinks`), while the folio is cached already; then it is tried once more.
 * Source: shmem_alloc_and_add_folio(), 6.18.
 */
function addFolio(
  m: Machine,
  inode: InodeRow,
  index: number,
  order: Order,
  shrinks: boolean,
): Pfn | Errno {
  const head = allocFolio(m, order);
  if (head === 0) return -ENOMEM;
  const kept = (m.inode.flags[inode]! & INODE_UNEVICTABLE) === 0 ? 0 : PG_UNEVICTABLE;
  m.page.flags[head] = m.page.flags[head]! | PG_SWAPBACKED | kept;
  const n = 1 << order;
  const isShort = !shmemAcctBlocks(m, inode, n);
  if (isShort && !shrinks) {
    folioPut(m, head, 1);
    return -ENOSPC;
  }
  cacheInsert(m, inode, index - modPow2(index, n), head);
  if (!isShort) return head;
  shmemUnusedHugeShrink(m, m.inode.sb[inode]!, n, head);
  if (shmemAcctBlocks(m, inode, n)) return head;
  cacheRemove(m, head);
  return -ENOSPC;
}

/** 6.1 splits one folio after the other, and tries a single page each time; five failures end it. */
function addAfterSplits(m: Machine, inode: InodeRow, index: number): Pfn | Errno {
  const sb = m.inode.sb[inode]!;
  for (let left = 5; left > 0; left--) {
    const split = shmemUnusedHugeShrink(m, sb, 1, 0);
    if (split === SHRINK_STOP) break;
    if (split === 0) continue;
    const head = addFolio(m, inode, index, 0, false);
    if (head !== -ENOSPC) return head;
    left = 6;
  }
  return -ENOSPC;
}

/** The frame of `shmemGetFolio`'s last success (0 for a hole under SGP_READ), and its news. */
export const shmemResult = { pfn: 0, allocated: 0 };

/**
 * The page of a tmpfs object at `index`: cached, or allocated at the best order allowed. One
 * reference on its folio is the caller's. 0, SHMEM_UFFD_WAIT, or -EINVAL (beyond i_size), -ENOMEM,
 * -ENOSPC, -EFBIG. The page is left in `shmemResult`.
 * Source: mm/shmem.c shmem_get_folio_gfp(), 6.18.
 */
export function shmemGetFolio(
  m: Machine,
  inode: InodeRow,
  index: number,
  writeEnd: number,
  sgp: number,
  v: VmaRow,
  vpn: Vpn,
): number {
  shmemResult.pfn = 0;
  shmemResult.allocated = 0;
  if (index >= 2251799813685247) return -EFBIG;
  if (sgp <= SGP_CACHE && index >= filePages(m, inode)) return -EINVAL;
  const found = cacheGet(m, inode, index);
  if (found !== 0) {
    if (v !== 0 && uffdMinor(m, v)) return SHMEM_UFFD_WAIT;
    if (m.why !== null) m.why.note('cache-hit', m.page.flags[found]! & 15, index, 0);
    const head = headOf(m, found);
    if ((m.page.flags[head]! & PG_UPTODATE) === 0) {
      if (sgp === SGP_READ) return 0;
      m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
    }
    shmemResult.pfn = found;
    return 0;
  }
  if (sgp === SGP_READ) return 0;
  if (sgp === SGP_NOALLOC) return -2;
  if (v !== 0 && uffdMissing(m, v)) return SHMEM_UFFD_WAIT;
  if (m.why !== null) explainShmem(m, inode, v, vpn, index, writeEnd);
  const shrinks = m.release.shmemShrinks !== 'one';
  const allowed = shmemAllowableHugeOrders(m, inode, v, index, writeEnd, false);
  let orders = allowed === 0 ? 0 : suitableOrders(m, inode, v, vpn, index, allowed);
  while (orders !== 0) {
    const order = highestOrder(orders);
    const head = addFolio(m, inode, index, order, shrinks);
    if (head > 0) {
      if (order === PMD_ORDER) m.vmstat[THP_FILE_ALLOC]! += 1;
      countMthp(m, order, MTHP_SHMEM_ALLOC);
      shmemMayShrink(m, inode, index - modPow2(index, 1 << order) + (1 << order));
      return taken(m, head, order, index, sgp);
    }
    if (head === -ENOSPC) break;
    if (order === PMD_ORDER) m.vmstat[THP_FILE_FALLBACK]! += 1;
    countMthp(m, order, MTHP_SHMEM_FALLBACK);
    if (m.why !== null) m.why.note('alloc-failed', order, 0, 0);
    orders &= ~(1 << order);
  }
  let page = addFolio(m, inode, index, 0, shrinks);
  if (page === -ENOSPC && !shrinks) page = addAfterSplits(m, inode, index);
  if (page < 0) return page;
  return taken(m, page, 0, index, sgp);
}

/** shmem_mfill_atomic_pte() adds a single page, whatever sizes are allowed. Its frame, or -errno. */
export function shmemAddPage(m: Machine, inode: InodeRow, index: number): Pfn | Errno {
  const head = addFolio(m, inode, index, 0, false);
  if (head > 0) m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
  return head;
}

/**
 * A folio of fallocate(2) is not up to date until its first use: fault-around passes it over, and
 * a failing fallocate knows what it made. write(2) fills its folio before anyone looks.
 */
function taken(m: Machine, head: Pfn, order: Order, index: number, sgp: number): number {
  if (sgp !== SGP_FALLOC) m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
  shmemResult.pfn = head + modPow2(index, 1 << order);
  shmemResult.allocated = 1 << order;
  if (m.why !== null) m.why.note('shmem-taken', order, index, 0);
  return 0;
}

/** Says, for each order, which rule refused it. Only when a log is kept. */
function explainShmem(
  m: Machine,
  inode: InodeRow,
  v: VmaRow,
  vpn: Vpn,
  index: number,
  writeEnd: number,
): void {
  const why = m.why;
  if (why === null) return;
  const allowed = shmemAllowableHugeOrders(m, inode, v, index, writeEnd, false);
  const s = m.settings;
  const anon = v !== 0 && m.vma.ops[v] === OPS_SHMEM_ANON;
  const advised = v !== 0 && (m.vma.flags[v]! & VM_HUGEPAGE) !== 0;
  for (let order = PMD_ORDER; order >= 1; order--) {
    const bit = 1 << order;
    const n = bit;
    const block = index - modPow2(index, n);
    if ((allowed & bit) !== 0) {
      if (mustFitVma(m, v) && !thpVmaSuitable(m, v, vpn, order)) {
        const congruent = (m.vma.start[v]! - m.vma.pgoff[v]!) % n === 0;
        why.note(congruent ? 'outside-vma' : 'not-congruent', order, vpn - (vpn % n), n);
      } else if (!cacheRangeEmpty(m, inode, block, n)) why.note('cache-populated', order, block, n);
      else break;
      continue;
    }
    if (v !== 0 && vmaThpDisabled(m, v, false)) {
      const flag = (m.vma.flags[v]! & (1 << 30)) !== 0;
      why.note(flag ? 'vma-nohugepage' : 'prctl-disabled', order, 0, 0);
    } else if (s.shmemEnabled === HUGE_DENY) why.note('shmem-deny', order, 0, 0);
    else if (!anon || !m.release.shmemPerSize) {
      if (order !== PMD_ORDER && v !== 0) why.note('not-anon-shmem', order, 0, 0);
      else why.note('mount-huge-never', order, 0, 0);
    } else if ((s.shmemAdvise & bit) !== 0 && !advised)
      why.note('shmem-needs-madvise', order, 0, 0);
    else if ((s.shmemWithin & bit) !== 0)
      why.note('within-size', order, block + n, filePages(m, inode));
    else if ((s.shmemInherit & bit) !== 0) why.note('shmem-inherits-off', order, 0, 0);
    else why.note('shmem-size-disabled', order, 0, 0);
  }
}
