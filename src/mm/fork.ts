/**
 * fork: the child's address space. Source: mm/mmap.c dup_mmap(), kernel/fork.c dup_mm(), 6.18.
 */
import { type Errno, freeRow, type MmRow, newRow, type TaskRow } from '../base/index.ts';
import { anonVmaFork } from './anon_vma.ts';
import { fileGet } from './file.ts';
import { copyPageRange } from './memory_copy.ts';
import type { Machine } from './mm_types.ts';
import { exitMmap } from './munmap.ts';
import { freeTableRow } from './pgalloc.ts';
import { UFFD_FEATURE_EVENT_FORK, uffdEventWaits, uffdResetCtx } from './uffd_events.ts';
import { vmEnoughMemory, vmStatAccount } from './util.ts';
import { VM_ACCOUNT, VM_DONTCOPY, VM_MERGEABLE, VM_NOHUGEPAGE, VM_WIPEONFORK } from './vm_flags.ts';
import { insertVma, VM_LOCKED_MASK, vmAreaDup } from './vma.ts';

/** PR_MDWE_NO_INHERIT. */
const MDWE_NO_INHERIT = 2;

/** What an mm has from its parent without looking at mappings (dup_mm, mm_init). */
function inherit(m: Machine, child: MmRow, parent: MmRow): void {
  const c = m.mm;
  c.mmapBase[child] = c.mmapBase[parent]!;
  c.legacyLayout[child] = c.legacyLayout[parent]!;
  c.brkStart[child] = c.brkStart[parent]!;
  c.brk[child] = c.brk[parent]!;
  c.startCode[child] = c.startCode[parent]!;
  c.endCode[child] = c.endCode[parent]!;
  c.startData[child] = c.startData[parent]!;
  c.endData[child] = c.endData[parent]!;
  c.startStack[child] = c.startStack[parent]!;
  // VM_INIT_DEF_MASK, and MMF_VM_MERGE_ANY, which the model keeps beside them.
  c.defFlags[child] = c.defFlags[parent]! & (VM_NOHUGEPAGE | VM_MERGEABLE);
  c.thpDisable[child] = c.thpDisable[parent]!;
  c.pkeys[child] = c.pkeys[parent]!;
  c.mdwe[child] = (c.mdwe[parent]! & MDWE_NO_INHERIT) !== 0 ? 0 : c.mdwe[parent]!;
  c.totalVm[child] = c.totalVm[parent]!;
  c.dataVm[child] = c.dataVm[parent]!;
  c.execVm[child] = c.execVm[parent]!;
  c.stackVm[child] = c.stackVm[parent]!;
}

/**
 * Fills the fresh mm `child` (a row that no task uses yet) with copies of the parent's mappings.
 * `task` forks. After an error the child holds what was copied so far: exitMmap() takes it away.
 */
export function dupMmap(m: Machine, task: TaskRow, child: MmRow, parent: MmRow): Errno {
  inherit(m, child, parent);
  for (let v = m.mm.firstVma[parent]!; v !== 0; v = m.vma.next[v]!) {
    const pages = m.vma.end[v]! - m.vma.start[v]!;
    if ((m.vma.flags[v]! & VM_DONTCOPY) !== 0) {
      vmStatAccount(m, child, m.vma.flags[v]!, -pages);
      continue;
    }
    if ((m.vma.flags[v]! & VM_ACCOUNT) !== 0) {
      const refused = vmEnoughMemory(m, task, parent, pages);
      if (refused !== 0) return refused;
    }
    const copy = vmAreaDup(m, v);
    m.vma.mm[copy] = child;
    if (m.vma.uffd[copy] !== 0) {
      if (uffdEventWaits(m, v, UFFD_FEATURE_EVENT_FORK)) {
        freeRow(m.vma, copy);
        return 0;
      }
      uffdResetCtx(m, copy);
    }
    const wiped = (m.vma.flags[copy]! & VM_WIPEONFORK) !== 0;
    if (wiped) {
      m.vma.anonVma[copy] = 0;
    } else {
      const error = anonVmaFork(m, copy, v);
      if (error !== 0) {
        freeRow(m.vma, copy);
        return error;
      }
    }
    m.vma.flags[copy] = m.vma.flags[copy]! & ~VM_LOCKED_MASK;
    if (m.vma.file[copy] !== 0) fileGet(m, m.vma.file[copy]!);
    insertVma(m, copy);
    if (!wiped) {
      const error = copyPageRange(m, copy, v);
      if (error !== 0) return error;
    }
  }
  m.mm.vmPeak[child] = m.mm.totalVm[child]!;
  return 0;
}

/** A second address space with the same layout and pages (dup_mm). 0 = no memory. */
export function dupMm(m: Machine, task: TaskRow, old: MmRow): MmRow {
  const mm = newRow(m.mm);
  const c = m.mm;
  c.users[mm] = 1;
  c.lastRegion[mm] = -1;
  if (dupMmap(m, task, mm, old) === 0) return mm;
  dropMm(m, mm);
  return 0;
}

/** mmput(): the last user takes everything with it. */
export function dropMm(m: Machine, mm: MmRow): void {
  if (--m.mm.users[mm]! > 0) return;
  exitMmap(m, mm);
  for (let u = 1; u < m.uffd.used; u++) if (m.uffd.mm[u] === mm) m.uffd.mm[u] = 0;
  const pgd = m.mm.pgd[mm]!;
  if (pgd !== 0) freeTableRow(m, pgd);
  freeRow(m.mm, mm);
}
