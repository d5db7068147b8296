/**
 * Guard regions: MADV_GUARD_INSTALL puts markers into page tables, whose touching is a SIGSEGV;
 * MADV_GUARD_REMOVE takes them away. Source: mm/madvise.c madvise_guard_install(), 6.18.
 */
import { EINVAL, type Errno, type VmaRow, type Vpn } from '../base/index.ts';
import { anonVmaPrepare } from './anon_vma.ts';
import { ZAP_EVEN_COWS, zapPageRange } from './memory_zap.ts';
import type { Machine } from './mm_types.ts';
import { isHugePmd, pmdSlot, pteSlot, pteSlotAlloc } from './pgalloc.ts';
import { isGuardMarker, MARKER_GUARD, makeMarker, pmdAddrEnd } from './pgtable.ts';
import { VM_HUGETLB, VM_LOCKED, VM_MAYBE_GUARD, VM_MAYWRITE, VM_SPECIAL } from './vm_flags.ts';
import { vmaIsAnonymous } from './vma.ts';

/** is_valid_guard_vma(): until 6.14 only anonymous memory that may become writable. */
function isValidGuardVma(m: Machine, v: VmaRow, allowLocked: boolean): boolean {
  const flags = m.vma.flags[v]!;
  if ((flags & (VM_SPECIAL | VM_HUGETLB | (allowLocked ? 0 : VM_LOCKED))) !== 0) return false;
  if (m.release.guardRegions !== 'anon') return true;
  return vmaIsAnonymous(m, v) && (flags & VM_MAYWRITE) !== 0;
}

/** Installs markers where nothing is mapped; false at the first entry that maps something. */
function installMarkers(m: Machine, v: VmaRow, start: Vpn, end: Vpn): boolean {
  const mm = m.vma.mm[v]!;
  for (let at = start; at < end; at++) {
    const pmd = pmdSlot(m, mm, at);
    if (pmd !== 0 && isHugePmd(m.pt[pmd]!)) return false;
    const slot = pteSlotAlloc(m, mm, at);
    const pte = m.pt[slot]!;
    if (pte === 0) m.pt[slot] = makeMarker(MARKER_GUARD);
    else if (!isGuardMarker(pte)) return false;
  }
  return true;
}

/**
 * Markers over [start, end); what is mapped there goes. 6.18.44 marks the VMA so that fork copies
 * its page tables (VM_MAYBE_GUARD, "gu" in smaps), and gives only anonymous VMAs an anon_vma for it;
 * before, the anon_vma was what made fork copy.
 */
export function madviseGuardInstall(m: Machine, v: VmaRow, start: Vpn, end: Vpn): Errno {
  if (!isValidGuardVma(m, v, false)) return -EINVAL;
  const marks = m.release.guardMarks;
  if (marks) m.vma.flags[v] = m.vma.flags[v]! | VM_MAYBE_GUARD;
  if (!marks || vmaIsAnonymous(m, v)) {
    const error = anonVmaPrepare(m, v);
    if (error !== 0) return error;
  }
  if (installMarkers(m, v, start, end)) return 0;
  zapPageRange(m, v, start, end, ZAP_EVEN_COWS);
  if (!installMarkers(m, v, start, end)) {
    m.unmodelled = 'MADV_GUARD_INSTALL over userfaultfd write-protection markers';
  }
  return 0;
}

export function madviseGuardRemove(m: Machine, v: VmaRow, start: Vpn, end: Vpn): Errno {
  if (!isValidGuardVma(m, v, true)) return -EINVAL;
  const mm = m.vma.mm[v]!;
  for (let at = start; at < end; ) {
    const slot = pteSlot(m, mm, at);
    if (slot === 0) {
      at = pmdAddrEnd(at, end);
      continue;
    }
    if (isGuardMarker(m.pt[slot]!)) m.pt[slot] = 0;
    at++;
  }
  return 0;
}
