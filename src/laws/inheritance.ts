/**
 * The law `inheritance`: what a forked child has of its parent, judged when fork returns. It is as
 * the parent is, but: memory locks stay with the parent, DONTFORK memory too, WIPEONFORK memory is
 * empty; nobody has used the child's entries yet, and what is dirty in a shared mapping is the
 * parent's to write back.
 * Source: mm/mmap.c dup_mmap(), mm/memory.c __copy_present_ptes(), 6.18.
 */
import type { MmRow, VmaRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PTE_A, PTE_D, PTE_MAPPED } from '../mm/pgtable.ts';
import {
  VM_DONTCOPY,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_SHARED,
  VM_WIPEONFORK,
} from '../mm/vm_flags.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { Census, type LeafVisitor } from './census.ts';
import type { Report } from './law.ts';

/** Why an entry cannot be one that a child has got from its parent; '' = it can. */
export function entryNotInherited(m: Machine, v: VmaRow, entry: number): string {
  if ((entry & PTE_MAPPED) === 0 || v === 0) return '';
  const flags = m.vma.flags[v]!;
  if ((flags & VM_WIPEONFORK) !== 0) return 'no entry: the memory is wiped at fork';
  if ((entry & PTE_A) !== 0) return 'an old entry: the child has not used it';
  const isDirty = (flags & VM_SHARED) !== 0 && (entry & PTE_D) !== 0;
  return isDirty ? "a clean entry: the parent's is the dirty one" : '';
}

/** Why a mapping of a child is not one that it inherits; '' = it is. */
export function mappingNotInherited(m: Machine, v: VmaRow): string {
  const flags = m.vma.flags[v]!;
  if ((flags & (VM_LOCKED | VM_LOCKONFAULT)) !== 0) return 'no lock: locks are not inherited';
  return (flags & VM_DONTCOPY) !== 0 ? 'none: the memory is not for children' : '';
}

export function judgeChild(m: Machine, report: Report, parent: MmRow, child: MmRow): void {
  const task = m.task.mm.indexOf(child);
  const { start, end, pgoff, flags, next } = m.vma;
  const add = (vpn: number, found: string, due: string): void => {
    if (report.break('inheritance')) report.add('inheritance', task, vpn, found, due);
  };
  for (let v = m.mm.firstVma[child]!; v !== 0; v = next[v]!) {
    const due = mappingNotInherited(m, v);
    if (due !== '') add(start[v]!, 'a mapping with flags of its parent alone', due);
  }
  for (let v = m.mm.firstVma[parent]!; v !== 0; v = next[v]!) {
    if ((flags[v]! & VM_DONTCOPY) !== 0) continue;
    const own = vmaLookup(m, child, start[v]!);
    const alike = own !== 0 && start[own] === start[v] && end[own] === end[v];
    if (alike && pgoff[own] === pgoff[v]) continue;
    add(start[v]!, own === 0 ? 'no mapping' : 'another mapping', 'that of the parent');
  }
  let inherited = 0;
  const leaves: LeafVisitor = {
    leaf: (mm, v, vpn, entry) => {
      if (mm !== child) return;
      inherited++;
      const due = entryNotInherited(m, v, entry);
      if (due !== '') add(vpn, 'an entry of the parent', due);
    },
    strayTable: () => {},
  };
  new Census(m).take(leaves, { slot: () => {} });
  report.met('inheritance', inherited);
  if (m.mm.lockedVm[child] !== 0) {
    add(-1, `locked_vm ${m.mm.lockedVm[child]!}`, '0: locks are not inherited');
  }
}
