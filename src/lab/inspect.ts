/**
 * What the large folios of a live process are worth: for each mapping, how much of it lies in folios
 * of which size, and whether the processor can profit. The categories are those of the kernel's
 * own tools/mm/thpmaps, so that both can be read side by side:
 *
 *   aligned    the folio is mapped from end to end, at an address that is a multiple of its size
 *   unaligned  mapped from end to end, elsewhere (mremap(), or a file at an odd address)
 *   partial    a part of it is mapped here (the rest is unmapped, or belongs to another mapping)
 *   cont       blocks of --cont that are naturally aligned in memory and in address, as arm64's
 *              contiguous bit or a coalescing TLB need them
 */
import { LIVE_ANON, LIVE_ZERO, type LiveMapping, type LivePages } from '../scenario/live.ts';

/** Sums in pages. */
export interface FolioSums {
  resident: number;
  anon: number;
  zero: number;
  pmd: number;
  /** Resident pages by folio order. */
  readonly byOrder: number[];
  aligned: number;
  unaligned: number;
  partial: number;
  cont: number;
}

export interface MappingReport extends FolioSums {
  readonly startVpn: number;
  readonly endVpn: number;
  readonly perms: string;
  readonly name: string;
}

export interface InspectReport {
  readonly pid: number;
  readonly command: string;
  /** Pages of a cont block. */
  readonly contPages: number;
  readonly mappings: readonly MappingReport[];
  readonly total: FolioSums;
}

const ORDERS = 11;

function zeroSums(): FolioSums {
  const byOrder = new Array<number>(ORDERS).fill(0);
  const none = { resident: 0, anon: 0, zero: 0, pmd: 0 };
  return { ...none, byOrder, aligned: 0, unaligned: 0, partial: 0, cont: 0 };
}

function orderOf(pages: number): number {
  return Math.min(31 - Math.clz32(pages), ORDERS - 1);
}

/** End of the run of entries from `i` on that map consecutive pages of one folio. */
function runEnd(p: LivePages, i: number): number {
  let end = i + 1;
  const head = p.head[i]!;
  while (
    end < p.vpn.length &&
    p.head[end] === head &&
    p.vpn[end] === p.vpn[end - 1]! + 1 &&
    p.pfn[end] === p.pfn[end - 1]! + 1
  ) {
    end++;
  }
  return end;
}

/** Pages of a run that lie in whole blocks of `block` pages, aligned in address and in memory. */
function inBlocks(vpn: number, pfn: number, count: number, block: number): number {
  if ((vpn - pfn) % block !== 0) return 0;
  const first = Math.ceil(vpn / block) * block;
  const blocks = Math.floor((vpn + count - first) / block);
  return blocks > 0 ? blocks * block : 0;
}

function sumsOf(p: LivePages, pmdPages: number, contPages: number): FolioSums {
  const sums = zeroSums();
  sums.pmd = pmdPages;
  for (let i = 0; i < p.vpn.length; ) {
    const end = runEnd(p, i);
    const count = end - i;
    const size = p.pages[i]!;
    if ((p.bits[i]! & LIVE_ZERO) !== 0) sums.zero += count;
    else {
      sums.resident += count;
      if ((p.bits[i]! & LIVE_ANON) !== 0) sums.anon += count;
      sums.byOrder[orderOf(size)]! += count;
      if (size > 1) {
        if (count < size) sums.partial += count;
        else if (p.vpn[i]! % size === 0) sums.aligned += count;
        else sums.unaligned += count;
        sums.cont += inBlocks(p.vpn[i]!, p.pfn[i]!, count, contPages);
      }
    }
    i = end;
  }
  return sums;
}

function addSums(to: FolioSums, from: FolioSums): void {
  for (const key of [
    'resident',
    'anon',
    'zero',
    'pmd',
    'aligned',
    'unaligned',
    'partial',
    'cont',
  ] as const) {
    to[key] += from[key];
  }
  for (const [order, pages] of from.byOrder.entries()) to.byOrder[order]! += pages;
}

/** `contPages`: a power of two. */
export function inspectReport(
  pid: number,
  command: string,
  mappings: readonly LiveMapping[],
  contPages: number,
): InspectReport {
  const total = zeroSums();
  const rows = mappings.map(({ startVpn, endVpn, perms, name, pmdPages, pages }) => {
    const sums = sumsOf(pages, pmdPages, contPages);
    addSums(total, sums);
    return { startVpn, endVpn, perms, name, ...sums };
  });
  return { pid, command, contPages, mappings: rows, total };
}
