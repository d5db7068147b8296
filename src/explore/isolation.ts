/** The law `isolation` in every state: each page that can be read holds what was last stored to it. */

import { pmdSlot, pteSlotUnder } from '../mm/pgalloc.ts';
import { PTE_P, ptePfn } from '../mm/pgtable.ts';
import { VM_MAYSHARE } from '../mm/vm_flags.ts';
import { LAW_ISOLATION, type LawCounts } from './law_bits.ts';
import type { SmallMachine } from './small_machine.ts';

/** A page whose content is not what is due. */
export interface Stale {
  readonly mm: number;
  readonly vpn: number;
  readonly found: number;
  readonly due: number;
}

/** The first such page of a mapping that can be read, or null. */
export function stalePage(sm: SmallMachine, counts: LawCounts): Stale | null {
  const { m, ghostMm, ghostInode, options } = sm;
  const n = options.arenaPages;
  let met = 0;
  for (let mm = 1; mm < m.mm.used; mm++) {
    for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
      const start = m.vma.start[v]!;
      const end = m.vma.end[v]!;
      const isPrivate = (m.vma.flags[v]! & VM_MAYSHARE) === 0;
      const file = m.vma.file[v]!;
      const shared = file === 0 ? 0 : m.file.inode[file]! * n + m.vma.pgoff[v]! - start;
      let table = 0;
      for (let vpn = start; vpn < end; vpn++) {
        if (table === 0 || vpn % 512 === 0) {
          const pmd = pmdSlot(m, mm, vpn);
          table = pmd === 0 ? 0 : pteSlotUnder(m, pmd, vpn - (vpn % 512));
          if (table === 0) continue;
        }
        const pte = m.pt[table + (vpn % 512)]!;
        if ((pte & PTE_P) === 0) continue;
        let due = isPrivate ? ghostMm[mm * n + vpn - options.arenaStart]! : 0;
        if (due === 0 && file !== 0) due = ghostInode[shared + vpn]!;
        const found = m.content[ptePfn(pte)]!;
        if (due !== 0) met++;
        if (found !== due) {
          counts.met(LAW_ISOLATION, met);
          return { mm, vpn, found, due };
        }
      }
    }
  }
  counts.met(LAW_ISOLATION, met);
  return null;
}
