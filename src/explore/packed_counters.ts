/** The law `counters`: what users can read against what was counted. As CounterLaws (room `laws`). */
import { ChainCount } from '../laws/chain_laws.ts';
import { FS_SHMEM } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  ORDER_MASK,
  PG_ANON,
  PG_BUDDY,
  PG_DIRTY,
  PG_HEAD,
  PG_PARTIALLY_MAPPED,
  PG_PREMATURE,
  PG_RESERVED,
  PG_SWAPBACKED,
} from '../mm/page_flags.ts';
import {
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_EXEC,
  VM_LOCKED,
  VM_SHARED,
  VM_STACK,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import {
  MTHP_ITEMS,
  MTHP_NR_ANON,
  MTHP_NR_ANON_PARTIALLY_MAPPED,
  NR_ANON_MAPPED,
  NR_ANON_THPS,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_FREE_PAGES,
  NR_MLOCK,
  NR_PAGETABLE,
  NR_SHMEM,
  NR_SHMEM_THPS,
} from '../mm/vmstat.ts';
import {
  LAW_CONTAINMENT,
  LAW_COUNTERS,
  LAW_PERMISSION,
  LAW_REVERSE_MAP,
  type LawCounts,
} from './law_bits.ts';
import { RSS, type Tally } from './tally.ts';

const anonFolios = new Int32Array(16);
const anonPartial = new Int32Array(16);
const blocksOf = new Int32Array(64);
const chains = new ChainCount();
/** Pages of VMAs that are accounted; links of VMAs to anon_vmas. */
let accounted = 0;
let links = 0;

/**
 * Bits of the broken ones among counters, containment (order of VMAs), permission (what a VMA may)
 * and reverse-map (i_mmap, chains).
 */
export function countersBroken(m: Machine, tally: Tally, counts: LawCounts): number {
  let broken = 0;
  let tables = 0;
  accounted = 0;
  links = 0;
  chains.clear(m.anonVma.used);
  for (let mm = 1; mm < m.mm.used; mm++) {
    tables += tally.tables[mm]!;
    if (m.mm.users[mm] !== 0 || m.mm.firstVma[mm] !== 0 || m.mm.pgd[mm] !== 0) {
      broken |= space(m, tally, mm);
    }
  }
  counts.met(LAW_COUNTERS, tables);
  let mappedFiles = 0;
  let charged = 0;
  for (let inode = 1; inode < m.inode.used; inode++) {
    charged += m.inode.charged[inode]!;
    if (m.inode.nrPages[inode] !== tally.inodePages[inode]) broken |= 1 << LAW_COUNTERS;
    const sharers = sharersOf(m, inode);
    if (sharers < 0) broken |= 1 << LAW_REVERSE_MAP;
    else if (sharers > 0) mappedFiles++;
  }
  counts.met(LAW_REVERSE_MAP, mappedFiles + links);
  // No mremap here shrinks, so that no charge is left behind.
  if (m.committed !== accounted + charged) broken |= 1 << LAW_COUNTERS;
  if (!chainsAgree(m)) broken |= 1 << LAW_REVERSE_MAP;
  if (!machineAgrees(m, tally, tables)) broken |= 1 << LAW_COUNTERS;
  return broken;
}

/** anon_vmas and their users against what the chains of all VMAs came to. As ChainLaws. */
function chainsAgree(m: Machine): boolean {
  let agree = true;
  const reached = chains.compare(m, () => {
    agree = false;
  });
  return agree && m.chain.live === links && m.anonVma.live === reached;
}

function space(m: Machine, tally: Tally, mm: number): number {
  const c = m.mm;
  const { rss } = tally;
  let agree =
    c.rssAnon[mm] === rss[mm * RSS] &&
    c.rssFile[mm] === rss[mm * RSS + 1] &&
    c.rssShmem[mm] === rss[mm * RSS + 2] &&
    c.swapEntries[mm] === 0 &&
    c.tables[mm] === tally.tables[mm];
  let count = 0;
  let total = 0;
  let locked = 0;
  let data = 0;
  let exec = 0;
  let stack = 0;
  let last = 0;
  let before = 0;
  let ordered = true;
  let chained = true;
  let allowed = true;
  const { start, end, flags, next, prev, left, right, gap } = m.vma;
  for (let v = c.firstVma[mm]!; v !== 0; v = next[v]!) {
    const n = end[v]! - start[v]!;
    const f = flags[v]!;
    count++;
    total += n;
    if ((f & VM_ACCOUNT) !== 0) accounted += n;
    if ((f & ~(f >> 4) & VM_ACCESS_FLAGS) !== 0) allowed = false;
    const length = chains.follow(m, v);
    if (length !== m.vma.chainLength[v]) chained = false;
    if (length > 0) links += length;
    if ((f & VM_LOCKED) !== 0) locked += n;
    if ((f & (VM_EXEC | VM_WRITE | VM_STACK)) === VM_EXEC) exec += n;
    else if ((f & VM_STACK) !== 0) stack += n;
    else if ((f & (VM_WRITE | VM_SHARED | VM_STACK)) === VM_WRITE) data += n;
    if (n <= 0 || start[v]! < last || prev[v] !== before) ordered = false;
    let largest = start[v]! - end[prev[v]!]!;
    if (left[v] !== 0 && gap[left[v]!]! > largest) largest = gap[left[v]!]!;
    if (right[v] !== 0 && gap[right[v]!]! > largest) largest = gap[right[v]!]!;
    if (gap[v] !== largest) ordered = false;
    last = end[v]!;
    before = v;
  }
  agree =
    agree &&
    c.mapCount[mm] === count &&
    c.totalVm[mm] === total &&
    c.lockedVm[mm] === locked &&
    c.dataVm[mm] === data &&
    c.execVm[mm] === exec &&
    c.stackVm[mm] === stack;
  return (
    (agree ? 0 : 1 << LAW_COUNTERS) |
    (ordered ? 0 : 1 << LAW_CONTAINMENT) |
    (chained ? 0 : 1 << LAW_REVERSE_MAP) |
    (allowed ? 0 : 1 << LAW_PERMISSION)
  );
}

/** VMAs that map an inode, if its list says the same; else -1. */
function sharersOf(m: Machine, inode: number): number {
  const { mm, file, shareNext, next } = m.vma;
  let listed = 0;
  for (let v = m.inode.firstVma[inode]!; v !== 0 && listed <= m.vma.used; v = shareNext[v]!) {
    listed++;
    if (mm[v] === 0 || m.file.inode[file[v]!] !== inode) return -1;
  }
  let due = 0;
  for (let space = 1; space < m.mm.used; space++) {
    for (let v = m.mm.firstVma[space]!; v !== 0; v = next[v]!) {
      if (file[v] !== 0 && m.file.inode[file[v]!] === inode) due++;
    }
  }
  return listed === due ? due : -1;
}

/** Counters of the whole machine. */
function machineAgrees(m: Machine, tally: Tally, tables: number): boolean {
  anonFolios.fill(0);
  anonPartial.fill(0);
  let free = m.pages - m.wilderness;
  let anonMapped = 0;
  let fileMapped = 0;
  let filePages = 0;
  let shmemPages = 0;
  let dirtyPages = 0;
  const { flags } = m.page;
  for (let pfn = 2; pfn < m.wilderness; ) {
    if (pfn === m.carveNext && pfn < m.carveEnd) {
      free += m.carveEnd - m.carveNext;
      pfn = m.carveEnd;
      continue;
    }
    const f = flags[pfn]!;
    const order = f & ORDER_MASK;
    if ((f & PG_BUDDY) !== 0) {
      free += 1 << order;
      pfn += 1 << order;
      continue;
    }
    const isHead = (f & PG_HEAD) !== 0;
    const n = isHead ? 1 << order : 1;
    const isFolio =
      (f & PG_RESERVED) === 0 &&
      (isHead || (order === 0 && ((f & PG_PREMATURE) !== 0 || m.page.counts[pfn] !== 0)));
    if (isFolio) {
      let mapped = 0;
      for (let i = pfn; i < pfn + n; i++) if (tally.pteMaps[i] !== 0) mapped++;
      if ((f & PG_ANON) !== 0) {
        anonMapped += mapped;
        anonFolios[order]!++;
        if ((f & PG_PARTIALLY_MAPPED) !== 0) anonPartial[order]!++;
      } else {
        const slots = tally.cached[pfn]!;
        fileMapped += mapped;
        filePages += slots;
        if ((f & PG_SWAPBACKED) !== 0) shmemPages += slots;
        else if ((f & PG_DIRTY) !== 0) dirtyPages += slots;
      }
    }
    pfn += n;
  }
  const { vmstat, mthp } = m;
  // No folio of 2 MiB and no locked page is ever in a small machine.
  for (let item = NR_SHMEM_THPS; item <= NR_ANON_THPS; item++) if (vmstat[item] !== 0) return false;
  for (let order = 1; order <= 9; order++) {
    const base = order * MTHP_ITEMS;
    if (mthp[base + MTHP_NR_ANON] !== anonFolios[order]) return false;
    if (mthp[base + MTHP_NR_ANON_PARTIALLY_MAPPED] !== anonPartial[order]) return false;
  }
  return (
    vmstat[NR_ANON_MAPPED] === anonMapped &&
    vmstat[NR_FILE_MAPPED] === fileMapped &&
    vmstat[NR_FILE_PAGES] === filePages &&
    vmstat[NR_FILE_DIRTY] === dirtyPages &&
    vmstat[NR_SHMEM] === shmemPages &&
    vmstat[NR_PAGETABLE] === tables &&
    vmstat[NR_MLOCK] === 0 &&
    vmstat[NR_FREE_PAGES] === free &&
    blocksAgree(m, tally)
  );
}

/** Blocks in use on each tmpfs are the page-cache pages of its inodes. */
function blocksAgree(m: Machine, tally: Tally): boolean {
  blocksOf.fill(0);
  for (let inode = 1; inode < m.inode.used; inode++) {
    if (m.inode.kind[inode] === FS_SHMEM) blocksOf[m.inode.sb[inode]!]! += tally.inodePages[inode]!;
  }
  for (let sb = 1; sb < m.sb.used; sb++) {
    if (m.sb.kind[sb] === FS_SHMEM && m.sb.usedBlocks[sb] !== blocksOf[sb]) return false;
  }
  return true;
}
