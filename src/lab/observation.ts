/**
 * What can be seen of the model's tasks, in the transcript's form: the same words of pagemap and
 * kpageflags that a host reads, turned into the same bits.
 */
import type { TaskRow } from '../base/index.ts';
import { folioOrder, headOf, pageMapcount } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { kpageflagsHigh, kpageflagsLow } from '../mm/page.ts';
import { PG_ANON } from '../mm/page_flags.ts';
import { pagemapHigh } from '../mm/pagemap.ts';
import { pteMapped, ptePfn } from '../mm/pgtable.ts';
import { locksUnsure } from '../mm/rmap.ts';
import { isHugeZero, vmFlagCodes } from '../mm/task_mmu.ts';
import { OPS_NONE } from '../mm/vm_flags.ts';
import { permissions, vmaName } from '../mm/vma_names.ts';
import {
  PAGE_ANON,
  PAGE_ANON_EXCLUSIVE,
  PAGE_DIRTY,
  PAGE_EXCLUSIVE,
  PAGE_FILE,
  PAGE_GUARD,
  PAGE_HUGE,
  PAGE_LOCKS_UNSURE,
  PAGE_MLOCKED,
  PAGE_PRESENT,
  PAGE_SOFT_DIRTY,
  PAGE_SWAP,
  PAGE_SWAPBACKED,
  PAGE_SWAPCACHE,
  PAGE_THP,
  PAGE_UFFD_WP,
  PAGE_UNEVICTABLE,
  PAGE_UPTODATE,
  PAGE_ZERO,
  type PagesObservation,
  type TaskObservation,
  type VmaObservation,
} from '../scenario/transcript.ts';
import { type FolioNumbers, walkEntries } from './observe.ts';

/** Bit of the high pagemap word, and what it becomes. */
const MAP_BITS: readonly (readonly [number, number])[] = [
  [31, PAGE_PRESENT],
  [30, PAGE_SWAP],
  [29, PAGE_FILE],
  [24, PAGE_EXCLUSIVE],
  [25, PAGE_UFFD_WP],
  [26, PAGE_GUARD],
  [23, PAGE_SOFT_DIRTY],
];

/** KPF bits of the low word of kpageflags. */
const FLAG_BITS: readonly (readonly [number, number])[] = [
  [12, PAGE_ANON],
  [3, PAGE_UPTODATE],
  [4, PAGE_DIRTY],
  [14, PAGE_SWAPBACKED],
  [22, PAGE_THP],
  [18, PAGE_UNEVICTABLE],
  [13, PAGE_SWAPCACHE],
];

/**
 * What kpageflags says of a page of a folio. Since 6.10 (Release.kpageflagsOfFolio) no bit that we
 * take differs between its pages.
 */
export function folioBits(m: Machine, head: number, pfn = head): number {
  let bits = 0;
  const low = kpageflagsLow(m, pfn, head);
  const high = kpageflagsHigh(m, pfn, head);
  for (const [from, to] of FLAG_BITS) if ((low & (1 << from)) !== 0) bits |= to;
  if ((high & 2) !== 0) bits |= PAGE_MLOCKED;
  if ((m.page.flags[head]! & PG_ANON) !== 0 && (high & 4) !== 0) bits |= PAGE_ANON_EXCLUSIVE;
  return locksUnsure(m, head) ? bits | PAGE_LOCKS_UNSURE : bits;
}

/** What pagemap says of an entry. */
export function entryBits(m: Machine, entry: number, offset: number, huge: boolean): number {
  const high = pagemapHigh(m, entry, offset, huge);
  let bits = huge ? PAGE_HUGE : 0;
  for (const [from, to] of MAP_BITS) if ((high & (1 << from)) !== 0) bits |= to;
  return bits;
}

function vmaObservation(m: Machine, v: number): VmaObservation {
  const { start, end, flags, pgoff, ops } = m.vma;
  return {
    startVpn: start[v]!,
    endVpn: end[v]!,
    perms: permissions(flags[v]!),
    pgoff: ops[v] === OPS_NONE && m.vma.file[v] === 0 ? 0 : pgoff[v]!,
    name: vmaName(m, v),
    vmFlags: vmFlagCodes(m, v),
  };
}

export function taskObservation(
  m: Machine,
  task: TaskRow,
  name: string,
  numbers: FolioNumbers,
): TaskObservation {
  const mm = m.task.mm[task]!;
  const vmas: VmaObservation[] = [];
  const pages: PagesObservation = {
    vpn: [],
    bits: [],
    folio: [],
    index: [],
    order: [],
    mapcount: [],
  };
  const put = (
    vpn: number,
    bits: number,
    folio: number,
    index: number,
    order: number,
    n: number,
  ) => {
    pages.vpn.push(vpn);
    pages.bits.push(bits);
    pages.folio.push(folio);
    pages.index.push(index);
    pages.order.push(order);
    pages.mapcount.push(n);
  };
  let lastHead = -1;
  let lastBits = 0;
  let lastNumber = 0;
  let lastOrder = 0;
  for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
    vmas.push(vmaObservation(m, v));
    walkEntries(m, mm, m.vma.start[v]!, m.vma.end[v]!, (vpn, entry, huge) => {
      const map = entryBits(m, entry, huge ? vpn % 512 : 0, huge);
      if (!pteMapped(entry)) {
        put(vpn, map, 0, 0, 0, 0);
        return;
      }
      const pfn = ptePfn(entry) + (huge ? vpn % 512 : 0);
      if (pfn === m.zeroPfn || isHugeZero(m, pfn)) {
        put(vpn, map | PAGE_ZERO, 0, 0, 0, 0);
        return;
      }
      const head = headOf(m, pfn);
      if (head !== lastHead) {
        lastHead = head;
        lastBits = folioBits(m, head);
        lastNumber = numbers.number(head);
        lastOrder = folioOrder(m, head);
      }
      const own = pfn === head || m.release.kpageflagsOfFolio;
      const bits = own ? lastBits : folioBits(m, head, pfn);
      put(vpn, map | bits, lastNumber, pfn - head, lastOrder, pageMapcount(m, pfn));
    });
  }
  return { task: name, vmas, pages, ...sizesOf(m, task) };
}

/** What status says, in kB. */
export function sizesOf(
  m: Machine,
  task: TaskRow,
): Pick<TaskObservation, 'rss' | 'vmPte' | 'vmSize' | 'vmLck'> {
  const mm = m.task.mm[task]!;
  const kb = (count: number): number => count * 4;
  return {
    rss: {
      anon: kb(m.mm.rssAnon[mm]!),
      file: kb(m.mm.rssFile[mm]!),
      shmem: kb(m.mm.rssShmem[mm]!),
      swap: kb(m.mm.swapEntries[mm]!),
    },
    vmPte: kb(m.mm.tables[mm]!),
    vmSize: kb(m.mm.totalVm[mm]!),
    vmLck: kb(m.mm.lockedVm[mm]!),
  };
}
