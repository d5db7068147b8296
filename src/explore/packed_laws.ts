/**
 * The laws of a state as one word of bits: what LawBook.check() (room `laws`) finds, without words,
 * places and allocations, for a small machine. It says that a law is broken; LawBook then says
 * where and how. The test holds the two against each other on thousands of states, broken ones too.
 *
 * One walk over page tables and page caches counts who maps and holds each frame (here); one over
 * the frames and one over the books compare (packed_frames.ts, packed_counters.ts).
 */
import { isStrayUffdWp } from '../laws/entry_laws.ts';
import { pageBehindEnd, writesUntold } from '../laws/file_laws.ts';
import { cacheGet } from '../mm/filemap.ts';
import { folioRefcount, headOf } from '../mm/folio.ts';
import {
  ORDER_MASK,
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_BUDDY,
  PG_DIRTY,
  PG_HEAD,
  PG_PREMATURE,
  PG_RESERVED,
  PG_SWAPBACKED,
} from '../mm/page_flags.ts';
import { isHugePmd } from '../mm/pgalloc.ts';
import {
  isTable,
  PTE_D,
  PTE_MAPPED,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  ptePfn,
  tableRow,
} from '../mm/pgtable.ts';
import { OPS_NONE, VM_ACCESS_FLAGS, VM_MAYSHARE, VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import type { Vmf } from '../mm/vmf.ts';
import {
  LAW_CONTAINMENT,
  LAW_LIFETIME,
  LAW_PERMISSION,
  LAW_REVERSE_MAP,
  LAW_TRANSLATION,
  LAW_UFFD,
  type LawCounts,
} from './law_bits.ts';
import { countersBroken } from './packed_counters.ts';
import { framesBroken } from './packed_frames.ts';
import type { SmallMachine } from './small_machine.ts';
import { MM_ROWS, RSS, Tally } from './tally.ts';

const WRITABLE = PTE_P | PTE_W;
export class PackedLaws {
  readonly tally: Tally;
  private readonly sm: SmallMachine;
  private readonly counts: LawCounts;
  private broken = 0;
  private entries = 0;
  private inCache = 0;
  private inUse = 0;
  private writable = 0;
  private anonymous = 0;

  constructor(sm: SmallMachine, counts: LawCounts) {
    this.sm = sm;
    this.counts = counts;
    this.tally = new Tally(sm.m.pages + 2, sm.m.inode.kind.length);
  }

  /** Bits of the laws that the state breaks. `faults` hold references between their phases. */
  check(faults: readonly Vmf[]): number {
    const { m } = this.sm;
    this.broken = 0;
    this.entries = 0;
    this.inCache = 0;
    this.inUse = 0;
    this.writable = 0;
    this.anonymous = 0;
    this.tally.clear(m);
    for (let mm = 1; mm < m.mm.used; mm++) {
      const pgd = m.mm.pgd[mm]!;
      if (pgd !== 0) this.walk(mm, pgd, 3, 0);
    }
    for (let inode = 1; inode < m.inode.used; inode++) {
      if (m.inode.cacheHeight[inode] !== 0) this.walkCache(inode);
    }
    this.counts.met(LAW_CONTAINMENT, this.entries);
    this.counts.met(LAW_TRANSLATION, this.inCache);
    this.counts.met(LAW_LIFETIME, this.inUse);
    this.counts.met(LAW_PERMISSION, this.writable);
    this.counts.met(LAW_REVERSE_MAP, this.anonymous);
    return (
      this.broken |
      framesBroken(m, this.tally, faults, this.counts) |
      countersBroken(m, this.tally, this.counts)
    );
  }

  /** Tables above the last level: only the entries that the arena can reach are ever set. */
  private walk(mm: number, row: number, level: number, base: number): void {
    const { m, reach } = this.sm;
    const span = level === 1 ? 512 : level === 2 ? 262144 : 134217728;
    for (let i = 0; i < reach.length; i++) {
      const index = reach[i]!;
      const entry = m.pt[row * 512 + index]!;
      if (entry === 0) continue;
      const vpn = base + index * span;
      if (isTable(entry)) {
        this.tally.tables[mm]!++;
        if (level > 1) this.walk(mm, tableRow(entry), level - 1, vpn);
        else this.walkTable(mm, tableRow(entry), vpn);
      } else if (isHugePmd(entry)) this.broken |= 1 << LAW_CONTAINMENT;
    }
  }

  private walkTable(mm: number, row: number, base: number): void {
    const { m, reach } = this.sm;
    const { start, end, next } = m.vma;
    let v = m.mm.firstVma[mm]!;
    while (v !== 0 && end[v]! <= base) v = next[v]!;
    if (v === 0 || start[v]! >= base + 512) this.broken |= 1 << LAW_CONTAINMENT;
    const { pt } = m;
    for (let i = 0; i < reach.length; i++) {
      const pte = pt[row * 512 + reach[i]!]!;
      if (pte === 0) continue;
      const vpn = base + reach[i]!;
      while (v !== 0 && end[v]! <= vpn) v = next[v]!;
      this.leaf(mm, v !== 0 && start[v]! <= vpn ? v : 0, vpn, pte);
    }
  }

  private countable(pfn: number): boolean {
    return pfn > 0 && pfn < this.sm.m.wilderness;
  }

  private alive(pfn: number): boolean {
    const { m } = this.sm;
    if (!this.countable(pfn)) return false;
    const head = headOf(m, pfn);
    const f = m.page.flags[head]!;
    if ((f & PG_RESERVED) !== 0) return true;
    return (f & (PG_BUDDY | PG_PREMATURE)) === 0 && folioRefcount(m, head) > 0;
  }

  private leaf(mm: number, v: number, vpn: number, entry: number): void {
    const { m } = this.sm;
    this.entries++;
    if (v === 0) this.broken |= 1 << LAW_CONTAINMENT;
    if (isStrayUffdWp(m, v, entry)) this.broken |= 1 << LAW_UFFD;
    if ((entry & PTE_MAPPED) === 0) return;
    const pfn = ptePfn(entry);
    if (pfn === m.zeroPfn) {
      if ((entry & WRITABLE) === WRITABLE) this.broken |= 1 << LAW_PERMISSION;
      return;
    }
    if (this.countable(pfn)) this.count(mm, pfn, entry);
    if (!this.alive(pfn)) {
      this.broken |= 1 << LAW_LIFETIME;
      if (pfn <= 0 || pfn >= m.pages) return;
    }
    this.inUse++;
    if (v === 0) return;
    this.translation(v, vpn, pfn);
    this.permission(v, entry, pfn);
    if (m.vma.file[v] === 0) return;
    if (pageBehindEnd(m, v, vpn, entry, 1) >= 0) this.broken |= 1 << LAW_CONTAINMENT;
    if (writesUntold(m, v, entry)) this.broken |= 1 << LAW_PERMISSION;
  }

  private count(mm: number, pfn: number, entry: number): void {
    const { m } = this.sm;
    const { tally } = this;
    const head = headOf(m, pfn);
    const f = m.page.flags[head]!;
    tally.pteMaps[pfn]!++;
    if ((entry & PTE_D) !== 0) tally.dirty[pfn] = 1;
    if ((f & PG_HEAD) !== 0 && (f & ORDER_MASK) > 1) tally.mapsByMm[head * MM_ROWS + mm]!++;
    const type = (f & PG_ANON) !== 0 ? 0 : (f & PG_SWAPBACKED) !== 0 ? 2 : 1;
    tally.rss[mm * RSS + type]!++;
  }

  /**
   * No page of a file that was stored to is clean, in its folio and in all entries: nothing writes
   * back here. To be called after check(), whose counts it uses. As Unwritten.judge().
   */
  storesAreDirty(): boolean {
    const { m, ghostInode, options } = this.sm;
    const n = options.arenaPages;
    for (let inode = 1; inode < m.inode.used; inode++) {
      if (m.inode.nrPages[inode] === 0) continue;
      for (let index = 0; index < n; index++) {
        if (ghostInode[inode * n + index] === 0) continue;
        const pfn = cacheGet(m, inode, index);
        if (pfn === 0 || this.tally.dirty[pfn] === 1) continue;
        if ((m.page.flags[headOf(m, pfn)]! & PG_DIRTY) === 0) return false;
      }
    }
    return true;
  }

  private translation(v: number, vpn: number, pfn: number): void {
    const { m } = this.sm;
    const c = m.vma;
    const head = headOf(m, pfn);
    const f = m.page.flags[head]!;
    const index = c.pgoff[v]! + (vpn - c.start[v]!);
    const inPlace = m.page.index[head]! + (pfn - head) === index;
    if ((f & PG_ANON) !== 0) {
      this.anonymous++;
      if ((c.flags[v]! & VM_MAYSHARE) !== 0 || !inPlace) this.broken |= 1 << LAW_TRANSLATION;
      if (!this.isLinked(v, -m.page.mapping[head]!)) this.broken |= 1 << LAW_REVERSE_MAP;
      return;
    }
    if (c.ops[v] === OPS_NONE) {
      this.broken |= 1 << LAW_TRANSLATION;
      return;
    }
    if ((f & PG_HEAD) !== 0) this.inCache++;
    const inode = m.file.inode[c.file[v]!]!;
    if (cacheGet(m, inode, index) === pfn && inPlace && m.page.mapping[head] === inode) return;
    this.broken |= 1 << LAW_TRANSLATION;
  }

  private isLinked(v: number, anonVma: number): boolean {
    const { m } = this.sm;
    const { anonVma: of, vma, nextOfVma } = m.chain;
    for (let row = m.vma.chain[v]!; row !== 0; row = nextOfVma[row]!) {
      if (of[row] === anonVma && vma[row] === v) return true;
    }
    return false;
  }

  private permission(v: number, entry: number, pfn: number): void {
    const { m } = this.sm;
    const flags = m.vma.flags[v]!;
    const present = (entry & PTE_P) !== 0;
    let bad = present !== ((flags & VM_ACCESS_FLAGS) !== 0);
    if (!bad && (entry & WRITABLE) === WRITABLE) {
      if ((flags & VM_WRITE) === 0) bad = true;
      else if ((flags & VM_SHARED) === 0) {
        this.writable++;
        const head = headOf(m, pfn);
        const isOwn =
          (m.page.flags[head]! & PG_ANON) !== 0 && (m.page.flags[pfn]! & PG_ANON_EXCLUSIVE) !== 0;
        bad = !isOwn;
      }
      if ((entry & PTE_UFFD_WP) !== 0) bad = true;
    }
    if (bad) this.broken |= 1 << LAW_PERMISSION;
  }

  private walkCache(inode: number): void {
    const { m, options } = this.sm;
    for (let index = 0; index < options.arenaPages; index++) {
      const pfn = cacheGet(m, inode, index);
      if (pfn === 0) continue;
      this.tally.inodePages[inode]!++;
      this.inUse++;
      const head = this.countable(pfn) ? headOf(m, pfn) : 0;
      if (head !== 0) this.tally.cached[head]!++;
      if (!this.alive(pfn)) this.broken |= 1 << LAW_LIFETIME;
      else if (m.page.mapping[head] !== inode || m.page.index[head]! + (pfn - head) !== index) {
        this.broken |= 1 << LAW_TRANSLATION;
      }
    }
  }
}
