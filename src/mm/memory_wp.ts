/**
 * Write to a page that is mapped read-only (mm/memory.c do_wp_page(), 6.18): notify and make
 * writable in a shared mapping; reuse or copy in a private one.
 */
import { anonVmaPrepare } from './anon_vma.ts';
import {
  allocFolio,
  folioMapcount,
  folioPut,
  folioRefAdd,
  folioRefcount,
  headOf,
} from './folio.ts';
import { pageMkwrite } from './memory_map.ts';
import type { Machine } from './mm_types.ts';
import {
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_HEAD,
  PG_MM_SHARED,
  PG_SWAPBACKED,
  PG_WRITTEN,
} from './page_flags.ts';
import { pteSlotUnder } from './pgalloc.ts';
import { makePte, PTE_A, PTE_D, PTE_P, PTE_UFFD_WP, PTE_W, ptePfn } from './pgtable.ts';
import { folioAddNewAnonRmap, folioMoveAnonRmap, folioRemoveRmapPtes } from './rmap.ts';
import { OPS_FILE, VM_MAYSHARE, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { uffdWp } from './vma_prot.ts';
import {
  PHASE_WP_INSTALL,
  VM_FAULT_NEXT,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from './vmf.ts';
import { PGREUSE } from './vmstat.ts';

/** wp_page_reuse(): the entry becomes writable and dirty where it is. */
function wpPageReuse(m: Machine, vmf: Vmf, slot: number): number {
  const write = (m.vma.flags[vmf.vma]! & VM_WRITE) !== 0 ? PTE_W : 0;
  m.pt[slot] = m.pt[slot]! | PTE_A | PTE_D | write;
  m.vmstat[PGREUSE]! += 1;
  return 0;
}

/**
 * A large folio may be reused by the one mm that maps it: all its references are mappings, and no
 * other mm has any (as far as the two slots know). A folio of which one page is left is copied, to
 * be freed. Before 6.15 a large folio was always copied.
 * Source: mm/memory.c __wp_can_reuse_large_anon_folio(), 6.18.
 */
function canReuseLarge(m: Machine, head: number): boolean {
  if (!m.release.wpReuseLarge) return false;
  const mapcount = folioMapcount(m, head);
  if (mapcount <= 1) return false;
  if ((m.page.flags[head]! & PG_MM_SHARED) !== 0) return false;
  return mapcount === folioRefcount(m, head);
}

/** wp_can_reuse_anon_folio(). */
function canReuse(m: Machine, vmf: Vmf, head: number): boolean {
  if ((m.page.flags[head]! & PG_HEAD) !== 0) return canReuseLarge(m, head);
  if (folioRefcount(m, head) !== 1) return false;
  folioMoveAnonRmap(m, head, vmf.vma);
  return true;
}

/** First phase: reuse in place, or make the copy and go on without the lock. */
export function doWpPage(m: Machine, vmf: Vmf, slot: number): number {
  const v = vmf.vma;
  if (uffdWp(m, v) && (vmf.origPte & PTE_UFFD_WP) !== 0) {
    if ((m.uffd.features[m.vma.uffd[v]!]! & UFFD_FEATURE_WP_ASYNC) !== 0) {
      m.pt[slot] = m.pt[slot]! & ~PTE_UFFD_WP;
      vmf.origPte = m.pt[slot]!;
    } else {
      return VM_FAULT_UFFD_WAIT;
    }
  }
  const pfn = ptePfn(vmf.origPte);
  const zero = pfn === m.zeroPfn;
  if ((m.vma.flags[v]! & (VM_SHARED | VM_MAYSHARE)) !== 0) return wpPageShared(m, vmf, slot);
  const { flags } = m.page;
  if (!zero) {
    const head = headOf(m, pfn);
    const anon = (flags[head]! & PG_ANON) !== 0;
    if (anon && ((flags[pfn]! & PG_ANON_EXCLUSIVE) !== 0 || canReuse(m, vmf, head))) {
      flags[pfn] = flags[pfn]! | PG_ANON_EXCLUSIVE;
      if (m.why !== null) m.why.note('wp-reuse', flags[head]! & 15, 0, 0);
      return wpPageReuse(m, vmf, slot);
    }
    folioRefAdd(m, head, 1);
  }
  if (m.why !== null) m.why.note('wp-copy', 0, zero ? 1 : 0, 0);
  vmf.page = zero ? 0 : pfn;
  if (anonVmaPrepare(m, v) !== 0) return dropOld(m, vmf, VM_FAULT_OOM);
  vmf.cowPage = allocFolio(m, 0);
  if (vmf.cowPage === 0) return dropOld(m, vmf, VM_FAULT_OOM);
  if (!zero) {
    if (m.content.length !== 0) m.content[vmf.cowPage] = m.content[pfn]!;
    flags[vmf.cowPage] = flags[vmf.cowPage]! | (flags[pfn]! & PG_WRITTEN);
  }
  vmf.phase = PHASE_WP_INSTALL;
  return VM_FAULT_NEXT;
}

/** Write protection resolves itself (include/uapi/linux/userfaultfd.h). */
const UFFD_FEATURE_WP_ASYNC = 1 << 15;

function dropOld(m: Machine, vmf: Vmf, ret: number): number {
  if (vmf.page !== 0) folioPut(m, headOf(m, vmf.page), 1);
  vmf.page = 0;
  return ret;
}

/** wp_page_shared(): ask the file system where it wants to know, then make writable. */
function wpPageShared(m: Machine, vmf: Vmf, slot: number): number {
  const pfn = ptePfn(vmf.origPte);
  const head = headOf(m, pfn);
  if (m.why !== null) m.why.note('wp-shared', m.page.flags[head]! & 15, 0, 0);
  if (m.vma.ops[vmf.vma] === OPS_FILE && m.page.mapping[head]! <= 0) return VM_FAULT_SIGBUS;
  pageMkwrite(m, vmf, head);
  return wpPageReuse(m, vmf, slot);
}

/** wp_page_copy() from its re-check on: put the copy in place of the old page. */
export function wpPageInstall(m: Machine, vmf: Vmf): number {
  const v = vmf.vma;
  const old = vmf.page;
  const copy = vmf.cowPage;
  const slot = pteSlotUnder(m, vmf.pmdSlot, vmf.vpn);
  vmf.cowPage = 0;
  if (slot === 0 || m.pt[slot] !== vmf.origPte) {
    folioPut(m, copy, 1);
    return dropOld(m, vmf, 0);
  }
  const cols = m.mm;
  if (old !== 0) {
    const f = m.page.flags[headOf(m, old)]!;
    if ((f & PG_ANON) === 0) {
      if ((f & PG_SWAPBACKED) !== 0) cols.rssShmem[vmf.mm]!--;
      else cols.rssFile[vmf.mm]!--;
      cols.rssAnon[vmf.mm]!++;
    }
  } else {
    cols.rssAnon[vmf.mm]!++;
  }
  const write = (m.vma.flags[v]! & VM_WRITE) !== 0 ? PTE_W : 0;
  folioAddNewAnonRmap(m, copy, v, vmf.vpn);
  m.pt[slot] = makePte(copy, PTE_P | PTE_A | PTE_D | write);
  if (old !== 0) {
    const head = headOf(m, old);
    folioRemoveRmapPtes(m, head, old, 1, v);
    folioPut(m, head, 2);
  }
  vmf.page = 0;
  return 0;
}
