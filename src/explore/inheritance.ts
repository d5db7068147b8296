/** The law `inheritance` of a child just forked, on its entries alone. As judgeChild() (room `laws`). */
import { entryNotInherited, mappingNotInherited } from '../laws/inheritance.ts';
import type { Machine } from '../mm/mm_types.ts';
import { pmdSlot, pteSlotUnder } from '../mm/pgalloc.ts';
import { LAW_INHERITANCE, type LawCounts } from './law_bits.ts';

export function childInherits(m: Machine, child: number, counts: LawCounts): boolean {
  const { start, end, next } = m.vma;
  let inherited = 0;
  let right = true;
  for (let v = m.mm.firstVma[child]!; v !== 0; v = next[v]!) {
    if (mappingNotInherited(m, v) !== '') right = false;
    let table = 0;
    for (let vpn = start[v]!; vpn < end[v]!; vpn++) {
      if (table === 0 || vpn % 512 === 0) {
        const pmd = pmdSlot(m, child, vpn);
        table = pmd === 0 ? 0 : pteSlotUnder(m, pmd, vpn - (vpn % 512));
        if (table === 0) continue;
      }
      const entry = m.pt[table + (vpn % 512)]!;
      if (entry === 0) continue;
      inherited++;
      if (entryNotInherited(m, v, entry) !== '') right = false;
    }
  }
  counts.met(LAW_INHERITANCE, inherited);
  return right;
}
