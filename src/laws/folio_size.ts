/**
 * The law `residency` of the folio that a fault makes: its size is one that sysfs, advice and
 * prctl allow there, and its block lies in the VMA, naturally aligned.
 * Source: Documentation/admin-guide/mm/transhuge.rst; include/linux/huge_mm.h
 * thp_vma_allowable_orders(), thp_vma_suitable_order(), mm/shmem.c shmem_suitable_orders(), 6.18.
 */
import type { Order, OrderMask, Pfn, TaskRow, VmaRow, Vpn } from '../base/index.ts';
import { folioOrder, headOf } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_SWAPBACKED } from '../mm/page_flags.ts';
import { HUGE_DENY, HUGE_FORCE, THP_NEVER } from '../mm/settings.ts';
import { OPS_SHMEM_ANON, VM_HUGEPAGE, VM_NOHUGEPAGE } from '../mm/vm_flags.ts';
import type { Report } from './law.ts';
import { folioWords } from './words.ts';

const PMD_MASK: OrderMask = 1 << 9;

/** Sizes of anonymous memory that the knobs do not rule out for this VMA. */
function anonSizes(m: Machine, advised: boolean): OrderMask {
  const s = m.settings;
  const inherits = s.thpEnabled === THP_NEVER ? 0 : s.anonInherit;
  return s.anonAlways | inherits | (advised ? s.anonMadvise : 0);
}

/** Sizes of shared memory: per size where it is anonymous, by its mount else (2 MiB for a fault). */
function shmemSizes(m: Machine, v: VmaRow, advised: boolean): OrderMask {
  const s = m.settings;
  if (s.shmemEnabled === HUGE_DENY) return 0;
  if (m.vma.ops[v] !== OPS_SHMEM_ANON || !m.release.shmemPerSize) return PMD_MASK;
  if (s.shmemEnabled === HUGE_FORCE) return s.shmemInherit;
  return s.shmemAlways | s.shmemWithin | s.shmemInherit | (advised ? s.shmemAdvise : 0);
}

/** A shmem block had not to fit its VMA in 6.10, nor of a file in 6.11. */
function mustFit(m: Machine, v: VmaRow, anon: boolean): boolean {
  if (anon) return true;
  if (m.vma.ops[v] !== OPS_SHMEM_ANON) return m.release.shmemFileFitsVma;
  return m.release.shmemPerSize;
}

/** `pfn` is mapped at `vpn` since this fault; `cached`: the page that its file had before, or 0. */
export function judgeSize(
  m: Machine,
  report: Report,
  task: TaskRow,
  v: VmaRow,
  vpn: Vpn,
  pfn: Pfn,
  cached: Pfn,
): void {
  const head = headOf(m, pfn);
  const order: Order = folioOrder(m, head);
  if (order === 0 || head === m.hugeZeroPfn) return;
  const f = m.page.flags[head]!;
  const anon = (f & PG_ANON) !== 0;
  // A disk file's folios are readahead's.
  if (!anon && (cached !== 0 || (f & PG_SWAPBACKED) === 0)) return;
  report.met('residency', 1);
  const flags = m.vma.flags[v]!;
  const advised = (flags & VM_HUGEPAGE) !== 0;
  const off = (flags & VM_NOHUGEPAGE) !== 0;
  const sizes = off ? 0 : anon ? anonSizes(m, advised) : shmemSizes(m, v, advised);
  if ((sizes & (1 << order)) === 0 && report.break('residency')) {
    const found = `a new folio of ${4 << order} KiB (${folioWords(m, head)})`;
    report.add('residency', task, vpn, found, 'a size that advice and sysfs allow here');
  }
  if (!mustFit(m, v, anon)) return;
  const n = 1 << order;
  const first = vpn - (pfn - head);
  const inside = first >= m.vma.start[v]! && first + n <= m.vma.end[v]!;
  if ((inside && first % n === 0) || !report.break('residency')) return;
  const found = `a new folio of ${n} pages whose first is due at ${first.toString(16)}`;
  report.add('residency', task, vpn, found, 'an aligned block inside the VMA');
}
