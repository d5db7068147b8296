/**
 * An order of tasks that does not depend on their names: by what each one's address space and fault
 * look like, without the names in them (which frame, which folio, which value). States that differ
 * only in which task is which are one state then, but for those whose tasks look alike: they stay in
 * the order of their rows, which is sound and merges less.
 */
import { headOf } from '../mm/folio.ts';
import { pmdSlot, pteSlotUnder } from '../mm/pgalloc.ts';
import { PTE_A, PTE_MAPPED, ptePfn } from '../mm/pgtable.ts';
import type { SmallMachine } from './small_machine.ts';

/** Bits of an entry that have no name in them. */
const PTE_BITS = 31 & ~PTE_A;

export class TaskOrder {
  /** Task rows, in order; and the place of each row, from 1. */
  readonly rows = new Int32Array(16);
  readonly places = new Int32Array(16);
  count = 0;
  private readonly looks = new Int32Array(16);
  private readonly sm: SmallMachine;
  private readonly isSorted: boolean;

  constructor(sm: SmallMachine, isSorted: boolean) {
    this.sm = sm;
    this.isSorted = isSorted;
  }

  run(): void {
    const { rows, places, looks } = this;
    const { used, alive } = this.sm.m.task;
    this.count = used - 1;
    for (let i = 0; i < this.count; i++) rows[i] = i + 1;
    if (this.isSorted && this.count > 1) {
      for (let t = 1; t < used; t++) looks[t] = alive[t] === 0 ? 0 : this.look(t);
      this.sort();
    }
    for (let i = 0; i < this.count; i++) places[rows[i]!] = i + 1;
  }

  /** By insertion: two to four rows. Equal looks keep the order of rows. */
  private sort(): void {
    const { rows, looks } = this;
    for (let i = 1; i < this.count; i++) {
      const row = rows[i]!;
      let at = i;
      for (; at > 0 && looks[rows[at - 1]!]! > looks[row]!; at--) rows[at] = rows[at - 1]!;
      rows[at] = row;
    }
  }

  private look(task: number): number {
    const { m, vmfs } = this.sm;
    const mm = m.task.mm[task]!;
    let look = mix(m.mm.rssAnon[mm]!, m.mm.rssFile[mm]! | (m.mm.rssShmem[mm]! << 16));
    for (let i = 0; i < vmfs.length; i++) {
      const { task: whose, phase, vpn, flags } = vmfs[i]!;
      if (whose === task) look = mix(mix(look, phase | (vpn << 8)), flags);
    }
    const { start, end, flags, ops, pgoff, next } = m.vma;
    for (let v = m.mm.firstVma[mm]!; v !== 0; v = next[v]!) {
      look = mix(mix(look, start[v]! | (end[v]! << 12)), flags[v]!);
      look = mix(look, ops[v]! | (pgoff[v]! << 8));
      look = this.entries(look, mm, start[v]!, end[v]!);
    }
    // The dead have 0.
    return look | 1;
  }

  private entries(start: number, mm: number, from: number, to: number): number {
    const { m } = this.sm;
    let look = start;
    let table = 0;
    for (let vpn = from; vpn < to; vpn++) {
      if (table === 0 || vpn % 512 === 0) {
        const pmd = pmdSlot(m, mm, vpn);
        table = pmd === 0 ? 0 : pteSlotUnder(m, pmd, vpn - (vpn % 512));
        if (table === 0) continue;
      }
      const pte = m.pt[table + (vpn % 512)]!;
      if ((pte & PTE_MAPPED) === 0) look = mix(look, pte === 0 ? vpn : -vpn);
      else {
        const pfn = ptePfn(pte);
        const page = pfn <= m.zeroPfn || pfn >= m.pages ? 0 : pfn - headOf(m, pfn);
        look = mix(look, (pte & PTE_BITS) | (page << 8) | (vpn << 16));
      }
    }
    return look;
  }
}

function mix(a: number, b: number): number {
  const h = Math.imul(a ^ b, 0x7feb352d);
  return h ^ (h >>> 15);
}
