/**
 * Which mappings a userfaultfd context watches (fs/userfaultfd.c userfaultfd_register_range(),
 * userfaultfd_clear_vma(), userfaultfd_release(), 6.18).
 */
import { freeRow, type MmRow, type Row, type VmaRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { uffdResetCtx } from '../mm/uffd_events.ts';
import { uffdWriteProtect } from '../mm/userfaultfd.ts';
import { VM_UFFD_ANY, VM_UFFD_WP, VM2_UFFD_MINOR } from '../mm/vm_flags.ts';
import { rangeOf, vmaModify } from '../mm/vma_merge.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';

/** Pages [start, end). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** userfaultfd_register_range(), and userfaultfd_clear_vma() with no context. */
export function setRange(
  m: Machine,
  mm: MmRow,
  first: VmaRow,
  r: Range,
  u: Row,
  bits: number,
  bits2: number,
): number {
  let v = first;
  while (v !== 0 && m.vma.start[v]! < r.end) {
    const from = Math.max(r.start, m.vma.start[v]!);
    const to = Math.min(r.end, m.vma.end[v]!);
    const old = m.vma.uffd[v]!;
    const has = (m.vma.flags[v]! & bits) === bits && (m.vma.flags2[v]! & bits2) === bits2;
    const nothing = u === 0 ? old === 0 : old === u && has;
    if (!nothing) {
      if (u === 0 && (m.vma.flags[v]! & VM_UFFD_WP) !== 0) uffdWriteProtect(m, v, from, to, false);
      const flags = (m.vma.flags[v]! & ~VM_UFFD_ANY) | bits;
      const flags2 = (m.vma.flags2[v]! & ~VM2_UFFD_MINOR) | bits2;
      const held = vmaModify(m, Object.assign(rangeOf(m, v, from, to), { flags, flags2, uffd: u }));
      if (held < 0) return held;
      m.vma.flags[held] = flags;
      m.vma.flags2[held] = flags2;
      if (u === 0) uffdResetCtx(m, held);
      else m.vma.uffd[held] = u;
    }
    v = to < r.end ? findVmaIntersection(m, mm, to, r.end) : 0;
  }
  return 0;
}

/** The last reference to the description is gone: nothing is registered any more. */
export function releaseUffd(m: Machine, u: Row): void {
  const mm = m.uffd.mm[u]!;
  const first = m.mm.users[mm]! > 0 ? m.mm.firstVma[mm]! : 0;
  for (let v = first; v !== 0; v = m.vma.next[v]!) {
    if (m.vma.uffd[v] !== u) continue;
    const r = { start: m.vma.start[v]!, end: m.vma.end[v]! };
    const { end } = r;
    if (setRange(m, mm, v, r, 0, 0, 0) < 0) break;
    const at = findVmaIntersection(m, mm, end - 1, end);
    if (at === 0) break;
    v = at;
  }
  freeRow(m.uffd, u);
}
