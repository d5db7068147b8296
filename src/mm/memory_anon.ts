/**
 * Faults in anonymous memory at PTE level (mm/memory.c do_anonymous_page(), alloc_anon_folio(),
 * 6.18). Phases: choose the order and allocate, without the page-table lock; take it, re-check,
 * install.
 */
import { highestOrder, modPow2, type Order, type OrderMask, PMD_ORDER } from '../base/index.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { pteRangeNone } from './fault_result.ts';
import { allocFolio, folioPut, folioRefAdd } from './folio.ts';
import {
  anonFaultOrders,
  thpVmaSuitable,
  thpVmaSuitableOrders,
  vmaThpDisabled,
} from './huge_memory.ts';
import { origPteUffdWp, vmfPteChanged } from './memory_map.ts';
import type { Machine } from './mm_types.ts';
import { installPageTable, pteSlotUnder } from './pgalloc.ts';
import { makePte, PTE_A, PTE_D, PTE_UFFD_WP, PTE_W } from './pgtable.ts';
import { folioAddNewAnonRmap } from './rmap.ts';
import { ANON_ORDERS } from './settings.ts';
import { VM_HUGEPAGE, VM_NOHUGEPAGE, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { pageProt, uffdArmed, uffdMissing } from './vma_prot.ts';
import {
  FAULT_FLAG_WRITE,
  PHASE_ANON_INSTALL,
  VM_FAULT_NEXT,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from './vmf.ts';
import { countMthp, MTHP_ANON_FAULT_ALLOC, MTHP_ANON_FAULT_FALLBACK } from './vmstat.ts';

/** Orders below 2 MiB: the PTE path. */
const PTE_ORDERS: OrderMask = (1 << PMD_ORDER) - 1;

/**
 * First phase: the zero page for a read, where the machine has one; else a folio of the best order.
 */
export function doAnonymousPage(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  if ((m.vma.flags[v]! & VM_SHARED) !== 0) return VM_FAULT_SIGBUS;
  if (m.pt[vmf.pmdSlot] === 0) installPageTable(m, vmf.mm, vmf.pmdSlot);
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0 && m.settings.anonReadsAllocate === 0) {
    return mapZeroPage(m, vmf);
  }
  if (m.vma.anonVma[v] === 0 && anonVmaPrepare(m, v) !== 0) return VM_FAULT_OOM;
  const order = anonOrder(m, vmf);
  vmf.order = order;
  vmf.folio = order === 0 ? allocFolio(m, 0) : allocFrom(m, vmf, order);
  if (vmf.folio === 0) return VM_FAULT_OOM;
  vmf.phase = PHASE_ANON_INSTALL;
  return VM_FAULT_NEXT;
}

function mapZeroPage(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const slot = pteSlotUnder(m, vmf.pmdSlot, vmf.vpn);
  if (slot === 0 || vmfPteChanged(m, vmf, slot)) return 0;
  if (uffdMissing(m, v)) return VM_FAULT_UFFD_WAIT;
  let bits = (pageProt(m, v) & ~PTE_W) | PTE_A;
  if (origPteUffdWp(m, vmf)) bits |= PTE_UFFD_WP;
  m.pt[slot] = makePte(m.zeroPfn, bits);
  if (m.why !== null) m.why.note('anon-read-zero', 0, 0, 0);
  return 0;
}

/**
 * The highest allowed order whose aligned block lies in the VMA and has no entry at all (a zero
 * page, a swap entry, a guard marker count as entries); 0 when there is none.
 */
function anonOrder(m: Machine, vmf: Vmf): Order {
  const v = vmf.vma;
  if (m.why !== null) explainAnon(m, vmf);
  if (uffdArmed(m, v)) return 0;
  const orders = anonFaultOrders(m, v, PTE_ORDERS);
  return orders === 0 ? 0 : emptyOrder(m, vmf, orders);
}

function emptyOrder(m: Machine, vmf: Vmf, allowed: OrderMask): Order {
  let orders = thpVmaSuitableOrders(m, vmf.vma, vmf.vpn, allowed);
  const base = pteSlotUnder(m, vmf.pmdSlot, vmf.vpn - modPow2(vmf.vpn, 512));
  while (orders !== 0) {
    const order = highestOrder(orders);
    const n = 1 << order;
    const index = modPow2(vmf.vpn, 512);
    if (pteRangeNone(m, base + (index & -n), n)) {
      vmf.orders = orders;
      return order;
    }
    orders &= ~n;
  }
  return 0;
}

/** Allocates at `order` or, failing that, at the next lower allowed one; order 0 at last. */
function allocFrom(m: Machine, vmf: Vmf, first: Order): number {
  let orders = vmf.orders;
  let order = first;
  while (orders !== 0) {
    const head = allocFolio(m, order);
    if (head !== 0) {
      vmf.order = order;
      return head;
    }
    countMthp(m, order, MTHP_ANON_FAULT_FALLBACK);
    if (m.why !== null) m.why.note('alloc-failed', order, 0, 0);
    orders &= ~(1 << order);
    if (orders !== 0) order = highestOrder(orders);
  }
  vmf.order = 0;
  return allocFolio(m, 0);
}

/** Second phase, under the page-table lock: the range is still none, or the folio goes back. */
export function doAnonymousInstall(m: Machine, vmf: Vmf): number {
  if (vmf.order !== 0) return installLarge(m, vmf);
  const v = vmf.vma;
  const slot = pteSlotUnder(m, vmf.pmdSlot, vmf.vpn);
  if (slot === 0 || vmfPteChanged(m, vmf, slot)) return giveBack(m, vmf, 0);
  if (uffdMissing(m, v)) return giveBack(m, vmf, VM_FAULT_UFFD_WAIT);
  m.mm.rssAnon[vmf.mm]! += 1;
  folioAddNewAnonRmap(m, vmf.folio, v, vmf.vpn);
  m.pt[slot] = makePte(vmf.folio, newAnonBits(m, vmf));
  if (m.why !== null) m.why.note('anon-taken', 0, vmf.vpn, 0);
  return 0;
}

function installLarge(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const head = vmf.folio;
  const n = 1 << vmf.order;
  const vpn = vmf.vpn - modPow2(vmf.vpn, n);
  const slot = pteSlotUnder(m, vmf.pmdSlot, vpn);
  if (slot === 0 || !pteRangeNone(m, slot, n)) return giveBack(m, vmf, 0);
  if (uffdMissing(m, v)) return giveBack(m, vmf, VM_FAULT_UFFD_WAIT);
  m.mm.rssAnon[vmf.mm]! += n;
  folioAddNewAnonRmap(m, head, v, vpn);
  folioRefAdd(m, head, n - 1);
  countMthp(m, vmf.order, MTHP_ANON_FAULT_ALLOC);
  const bits = newAnonBits(m, vmf);
  const { pt } = m;
  for (let i = 0; i < n; i++) pt[slot + i] = makePte(head + i, bits);
  if (m.why !== null) m.why.note('anon-taken', vmf.order, vpn, 0);
  return 0;
}

function giveBack(m: Machine, vmf: Vmf, ret: number): number {
  folioPut(m, vmf.folio, 1);
  return ret;
}

/** Flags of the entry of a fresh anonymous page: dirty, and writable where the VMA is. */
function newAnonBits(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  let bits = pageProt(m, v) | PTE_A;
  if ((m.vma.flags[v]! & VM_WRITE) !== 0) bits |= PTE_W | PTE_D;
  return origPteUffdWp(m, vmf) ? (bits & ~PTE_W) | PTE_UFFD_WP : bits;
}

/** Says, for each order, which rule refused it. Only when a log is kept. */
export function explainAnon(m: Machine, vmf: Vmf): void {
  const why = m.why;
  if (why === null) return;
  const v = vmf.vma;
  if (uffdArmed(m, v)) {
    why.note('uffd-armed', -1, 0, 0);
    return;
  }
  const flags = m.vma.flags[v]!;
  const s = m.settings;
  const allowed = anonFaultOrders(m, v, ANON_ORDERS);
  for (let order = PMD_ORDER; order >= 2; order--) {
    const bit = 1 << order;
    const n = bit;
    if ((allowed & bit) !== 0) {
      const block = vmf.vpn - modPow2(vmf.vpn, n);
      if (!thpVmaSuitable(m, v, vmf.vpn, order)) why.note('outside-vma', order, block, n);
      else if (order === PMD_ORDER) why.note('pmd-populated', order, block, n);
      else {
        const slot = pteSlotUnder(m, vmf.pmdSlot, block);
        if (pteRangeNone(m, slot, n)) return;
        why.note('entries-populated', order, block, n);
      }
    } else if (vmaThpDisabled(m, v, false)) {
      why.note((flags & VM_NOHUGEPAGE) !== 0 ? 'vma-nohugepage' : 'prctl-disabled', order, 0, 0);
    } else if ((s.anonMadvise & bit) !== 0 && (flags & VM_HUGEPAGE) === 0) {
      why.note('size-needs-madvise', order, 0, 0);
    } else if ((s.anonInherit & bit) !== 0) why.note('size-inherits-off', order, s.thpEnabled, 0);
    else why.note('size-disabled', order, 0, 0);
  }
}
