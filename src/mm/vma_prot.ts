/**
 * What a VMA's flags mean for its page-table entries: vm_page_prot, write notification,
 * userfaultfd. Source: mm/vma.c vma_set_page_prot(), vma_wants_writenotify(), 6.18.
 */
import type { VmaRow } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { PTE_P, PTE_W } from './pgtable.ts';
import {
  OPS_FILE,
  VM_ACCESS_FLAGS,
  VM_SHARED,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  VM_WRITE,
  VM2_UFFD_MINOR,
} from './vm_flags.ts';

/** True when the first write to each page must fault: dirty tracking or uffd write protection. */
export function wantsWriteNotify(m: Machine, v: VmaRow): boolean {
  const flags = m.vma.flags[v]!;
  if ((flags & (VM_WRITE | VM_SHARED)) !== (VM_WRITE | VM_SHARED)) return false;
  if (m.vma.ops[v] === OPS_FILE) return true;
  return (flags & VM_UFFD_WP) !== 0 && m.release.uffdWpNotifies;
}

/**
 * P and W of an entry as vm_page_prot makes it: writable only in a shared writable VMA without
 * write notification; without any access right, PROT_NONE (W without P).
 */
export function pageProt(m: Machine, v: VmaRow): number {
  const flags = m.vma.flags[v]!;
  if ((flags & VM_ACCESS_FLAGS) === 0) return PTE_W;
  if ((flags & (VM_WRITE | VM_SHARED)) !== (VM_WRITE | VM_SHARED)) return PTE_P;
  return wantsWriteNotify(m, v) ? PTE_P : PTE_P | PTE_W;
}

export function uffdMissing(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags[v]! & VM_UFFD_MISSING) !== 0;
}
export function uffdWp(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags[v]! & VM_UFFD_WP) !== 0;
}
export function uffdMinor(m: Machine, v: VmaRow): boolean {
  return (m.vma.flags2[v]! & VM2_UFFD_MINOR) !== 0;
}
/** userfaultfd_armed(): registered in any mode; then a fault maps one page. */
export function uffdArmed(m: Machine, v: VmaRow): boolean {
  return (
    (m.vma.flags[v]! & (VM_UFFD_MISSING | VM_UFFD_WP)) !== 0 ||
    (m.vma.flags2[v]! & VM2_UFFD_MINOR) !== 0
  );
}
