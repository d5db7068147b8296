/** Reads a machine's tasks out for a report: mappings, pages, resident memory. */
import { type TaskRow, word } from '../base/index.ts';
import { folioOrder, headOf, pageMapcount } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from '../mm/page_flags.ts';
import { isHugePmd, pmdTable } from '../mm/pgalloc.ts';
import {
  isGuardMarker,
  isTable,
  PTE_D,
  PTE_P,
  PTE_W,
  pteMapped,
  ptePfn,
  REGION_PAGES,
  tableRow,
} from '../mm/pgtable.ts';
import { vmFlagCodes } from '../mm/task_mmu.ts';
import { OPS_NONE } from '../mm/vm_flags.ts';
import { permissions, vmaName } from '../mm/vma_names.ts';
import type { PageReport, TaskReport, VmaReport } from './report.ts';

/** Canonical folio numbers: 1, 2, … in order of first appearance. */
export class FolioNumbers {
  readonly byHead = new Map<number, number>();

  number(head: number): number {
    const known = this.byHead.get(head);
    if (known !== undefined) return known;
    const next = this.byHead.size + 1;
    this.byHead.set(head, next);
    return next;
  }
}

export function hexPage(vpn: number): string {
  return word.toHex(word.fromPage(vpn));
}

/** Visits every leaf entry of [start, end) that is not none: page number, entry, PMD or not. */
export function walkEntries(
  m: Machine,
  mm: number,
  start: number,
  end: number,
  visit: (vpn: number, entry: number, huge: boolean) => void,
): void {
  for (let at = start; at < end; ) {
    const region = Math.floor(at / REGION_PAGES);
    const row = pmdTable(m, mm, region);
    if (row === 0) {
      at = (region + 1) * REGION_PAGES;
      continue;
    }
    const blockEnd = Math.min(end, at - (at % 512) + 512);
    const entry = m.pt[row * 512 + ((at - region * REGION_PAGES) >> 9)]!;
    if (isHugePmd(entry)) {
      for (; at < blockEnd; at++) visit(at, entry, true);
    } else if (isTable(entry)) {
      const base = tableRow(entry) * 512;
      for (; at < blockEnd; at++) {
        const pte = m.pt[base + (at % 512)]!;
        if (pte !== 0) visit(at, pte, false);
      }
    }
    at = blockEnd;
  }
}

function vmaReport(m: Machine, v: number): VmaReport {
  const { start, end, flags, pgoff, ops } = m.vma;
  const name = vmaName(m, v);
  return {
    start: hexPage(start[v]!),
    end: hexPage(end[v]!),
    prot: permissions(flags[v]!),
    flags: vmFlagCodes(m, v).join(' '),
    offset: ops[v] === OPS_NONE ? '0x0' : hexPage(pgoff[v]!),
    ...(name === '' ? {} : { file: name }),
  };
}

function pageReport(
  m: Machine,
  numbers: FolioNumbers,
  vpn: number,
  entry: number,
  huge: boolean,
): PageReport {
  const address = hexPage(vpn);
  if (!pteMapped(entry)) {
    return {
      address,
      present: false,
      frame: 0,
      folio: 0,
      index: 0,
      order: 0,
      anon: false,
      writable: false,
      dirty: false,
      mapcount: 0,
      ...(isGuardMarker(entry) ? { guard: true } : {}),
    };
  }
  const pfn = ptePfn(entry) + (huge ? vpn % 512 : 0);
  const head = headOf(m, pfn);
  const zero = pfn === m.zeroPfn || (m.hugeZeroPfn !== 0 && head === m.hugeZeroPfn);
  const flags = m.page.flags[head]!;
  const marks = {
    ...(zero ? { zero: true } : {}),
    ...(huge ? { huge: true } : {}),
    ...((m.page.flags[huge ? head : pfn]! & PG_ANON_EXCLUSIVE) !== 0 && !zero
      ? { exclusive: true }
      : {}),
  };
  return {
    address,
    present: true,
    frame: zero ? 0 : pfn,
    folio: zero ? 0 : numbers.number(head),
    index: zero ? 0 : pfn - head,
    order: zero ? (huge ? 9 : 0) : folioOrder(m, head),
    anon: (flags & PG_ANON) !== 0,
    writable: (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W),
    dirty: (entry & PTE_D) !== 0,
    mapcount: zero ? 0 : pageMapcount(m, pfn),
    ...marks,
  };
}

/** Everything that a report says of one task. `name` is the scenario's. */
export function taskReport(
  m: Machine,
  task: TaskRow,
  name: string,
  numbers: FolioNumbers,
): TaskReport {
  const mm = m.task.mm[task]!;
  const exited = m.task.alive[task] === 0 || mm === 0;
  const vmas: VmaReport[] = [];
  const pages: PageReport[] = [];
  if (!exited) {
    for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
      vmas.push(vmaReport(m, v));
      walkEntries(m, mm, m.vma.start[v]!, m.vma.end[v]!, (vpn, entry, huge) => {
        pages.push(pageReport(m, numbers, vpn, entry, huge));
      });
    }
  }
  const bytes = (count: number): number => (exited ? 0 : count * 4096);
  return {
    name,
    pid: m.task.pid[task]!,
    vmas,
    pages,
    rss: {
      anon: bytes(m.mm.rssAnon[mm]!),
      file: bytes(m.mm.rssFile[mm]!),
      shmem: bytes(m.mm.rssShmem[mm]!),
      swap: bytes(m.mm.swapEntries[mm]!),
    },
    minflt: m.task.minflt[task]!,
    majflt: m.task.majflt[task]!,
    exited,
  };
}
