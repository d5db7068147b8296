/**
 * The canonical form of a small machine's state: a list of words in which frames, address spaces,
 * inodes and anon_vmas are numbered in the order in which a fixed walk first meets them. States
 * that differ only in which rows and frames were used have the same words.
 *
 * The walk: tasks in an order of their own (task_order.ts), and their faults; of each address space its counters, VMAs by address, entries by address;
 * then inodes with their page caches, folios, anon_vmas, in the order they were met. Left out is
 * what no rule of the model looks at: accessed bits, LRU flags, which free block a frame comes from
 * (memory is ample), statistics.
 */

import { cacheGet } from '../mm/filemap.ts';
import { folioPages, headOf } from '../mm/folio.ts';
import { FS_DISK } from '../mm/fs_types.ts';
import {
  INDEX_HI_MASK,
  ORDER_MASK,
  PAGE_LEVEL_FLAGS,
  PG_HEAD,
  PG_LRU,
  PG_REFERENCED,
} from '../mm/page_flags.ts';
import { pmdSlot, pteSlotUnder } from '../mm/pgalloc.ts';
import { PTE_A, PTE_MAPPED, PTE_PFN_SHIFT, ptePfn } from '../mm/pgtable.ts';
import { VM_MAYSHARE } from '../mm/vm_flags.ts';
import type { Vmf } from '../mm/vmf.ts';
import type { SmallMachine } from './small_machine.ts';
import { TaskOrder } from './task_order.ts';

const FLAGS_LEFT_OUT = PG_LRU | PG_REFERENCED | INDEX_HI_MASK;
/** vmstat items that are levels, not events: NR_ANON_MAPPED to NR_MLOCK. */
const GAUGES = 13;
const VALUES = 1024;
/** Bits of an entry besides its frame that belong to the state. */
const PTE_KEPT = 31 & ~PTE_A;

export class Canonical {
  /** The form, and its length. */
  readonly words = new Int32Array(1 << 14);
  length = 0;
  /** What the walk met, in order: the census goes over the same lists. */
  readonly folios = new Int32Array(4096);
  folioCount = 0;
  readonly inodes = new Int32Array(256);
  inodeCount = 0;
  readonly mms = new Int32Array(64);
  mmCount = 0;
  private readonly sm: SmallMachine;
  private readonly folioId: Int32Array;
  private readonly inodeId = new Int32Array(1024);
  private readonly anonId = new Int32Array(4096);
  private readonly mmId = new Int32Array(256);
  private readonly anons = new Int32Array(4096);
  private anonCount = 0;
  /** Number of a content value, by order of appearance. */
  private readonly valueId = new Int32Array(VALUES);
  private valuesMet: number[] = [];
  /** Inodes that are there from the start: the walk begins with them. */
  private readonly roots: readonly number[];
  private readonly order: TaskOrder;

  /** `symmetric`: it does not matter which task is which. */
  constructor(sm: SmallMachine, roots: readonly number[], symmetric: boolean) {
    this.sm = sm;
    this.order = new TaskOrder(sm, symmetric);
    this.roots = roots;
    this.folioId = new Int32Array(sm.m.pages + 2);
  }

  /** Walks the machine; `faults` are those between two phases. */
  run(faults: readonly Vmf[]): void {
    const { m } = this.sm;
    this.forget();
    for (let i = 0; i < this.roots.length; i++) this.inode(this.roots[i]!);
    const { mm, alive } = m.task;
    const { order } = this;
    order.run();
    for (let i = 0; i < order.count; i++) {
      const task = order.rows[i]!;
      this.put(alive[task] === 0 ? 0 : this.space(mm[task]!));
    }
    for (let i = 0; i < order.count && faults.length > 0; i++) this.faultOf(order.rows[i]!, faults);
    for (let i = 0; i < this.mmCount; i++) this.walkSpace(this.mms[i]!);
    for (let i = 0; i < this.inodeCount; i++) this.walkInode(this.inodes[i]!);
    for (let i = 0; i < this.folioCount; i++) this.walkFolio(this.folios[i]!);
    for (let i = 0; i < this.anonCount; i++) this.walkAnon(this.anons[i]!);
    const s = m.settings;
    this.put(s.faultAroundPages);
    this.put(s.anonAlways);
    this.put(s.shmemAlways);
    this.put(m.committed);
    for (let i = 0; i < GAUGES; i++) this.put(m.vmstat[i]!);
  }

  private forget(): void {
    for (let i = 0; i < this.folioCount; i++) this.folioId[this.folios[i]!] = 0;
    for (let i = 0; i < this.inodeCount; i++) this.inodeId[this.inodes[i]!] = 0;
    for (let i = 0; i < this.mmCount; i++) this.mmId[this.mms[i]!] = 0;
    for (let i = 0; i < this.anonCount; i++) this.anonId[this.anons[i]!] = 0;
    for (const value of this.valuesMet) this.valueId[value] = 0;
    this.valuesMet.length = 0;
    this.folioCount = 0;
    this.inodeCount = 0;
    this.mmCount = 0;
    this.anonCount = 0;
    this.length = 0;
  }

  private put(word: number): void {
    this.words[this.length++] = word;
  }

  private space(mm: number): number {
    const id = this.mmId[mm]!;
    if (id !== 0 || mm === 0) return id;
    this.mms[this.mmCount++] = mm;
    this.mmId[mm] = this.mmCount;
    return this.mmCount;
  }

  private inode(row: number): number {
    const id = this.inodeId[row]!;
    if (id !== 0 || row === 0) return id;
    this.inodes[this.inodeCount++] = row;
    this.inodeId[row] = this.inodeCount;
    return this.inodeCount;
  }

  private anon(row: number): number {
    const id = this.anonId[row]!;
    if (id !== 0 || row === 0) return id;
    this.anons[this.anonCount++] = row;
    this.anonId[row] = this.anonCount;
    return this.anonCount;
  }

  private value(content: number): number {
    if (content === 0) return 0;
    const id = this.valueId[content]!;
    if (id !== 0) return id;
    this.valuesMet.push(content);
    this.valueId[content] = this.valuesMet.length;
    return this.valuesMet.length;
  }

  /** A frame as folio and page; the zero page and frames that are none by themselves. */
  private frame(pfn: number): number {
    const { m } = this.sm;
    if (pfn <= m.zeroPfn || pfn >= m.pages) return pfn <= m.zeroPfn ? pfn : -pfn;
    const head = headOf(m, pfn);
    let id = this.folioId[head]!;
    if (id === 0) {
      this.folios[this.folioCount++] = head;
      id = this.folioCount;
      this.folioId[head] = id;
    }
    return (id << 9) | (pfn - head);
  }

  private entry(pte: number): number {
    if ((pte & PTE_MAPPED) === 0) return pte;
    return (this.frame(ptePfn(pte)) << PTE_PFN_SHIFT) | (pte & PTE_KEPT);
  }

  /** A task has at most one fault; on which processor does not matter. */
  private faultOf(task: number, faults: readonly Vmf[]): void {
    for (let i = 0; i < faults.length; i++) {
      if (faults[i]!.task !== task) continue;
      this.fault(faults[i]!);
      return;
    }
    this.put(-1);
  }

  private fault(vmf: Vmf): void {
    this.put(vmf.phase);
    this.put(this.order.places[vmf.task]!);
    this.put(vmf.vpn);
    this.put(vmf.flags | (vmf.order << 8) | (vmf.pteSlot === 0 ? 0 : 1 << 16));
    this.put(this.space(vmf.mm));
    this.put(this.entry(vmf.origPte));
    this.put(vmf.page === 0 ? 0 : this.frame(vmf.page));
    this.put(vmf.cowPage === 0 ? 0 : this.frame(vmf.cowPage));
    this.put(vmf.folio === 0 ? 0 : this.frame(vmf.folio));
    this.put(vmf.orders);
    this.put(vmf.gathered);
  }

  private walkSpace(mm: number): void {
    const { m } = this.sm;
    const c = m.mm;
    this.put(c.rssAnon[mm]!);
    this.put(c.rssFile[mm]!);
    this.put(c.rssShmem[mm]!);
    this.put(c.tables[mm]!);
    this.put(c.mapCount[mm]! | (c.users[mm]! << 16));
    this.put(c.totalVm[mm]!);
    this.put(c.dataVm[mm]!);
    for (let v = c.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) this.walkVma(mm, v);
    this.put(-1);
  }

  private walkVma(mm: number, v: number): void {
    const { m, ghostMm, options } = this.sm;
    const c = m.vma;
    const start = c.start[v]!;
    const end = c.end[v]!;
    const flags = c.flags[v]!;
    const file = c.file[v]!;
    this.put(start);
    this.put(end);
    this.put(flags);
    this.put(c.flags2[v]! | (c.ops[v]! << 16) | (c.uffd[v]! << 24));
    this.put(c.pgoff[v]!);
    if (file !== 0) {
      const inode = m.file.inode[file]!;
      this.put(this.inode(inode));
      if (m.inode.kind[inode] === FS_DISK) this.readahead(file);
    }
    this.put(this.anon(c.anonVma[v]!) | (c.chainLength[v]! << 16));
    for (let row = c.chain[v]!; row !== 0; row = m.chain.nextOfVma[row]!) {
      this.put(this.anon(m.chain.anonVma[row]!));
    }
    const isPrivate = (flags & VM_MAYSHARE) === 0;
    const ghost = mm * options.arenaPages - options.arenaStart;
    const { pt } = m;
    let pmd = -1;
    let table = 0;
    for (let vpn = start; vpn < end; vpn++) {
      if (pmd < 0 || vpn % 512 === 0) {
        pmd = pmdSlot(m, mm, vpn);
        table = pmd === 0 ? 0 : pteSlotUnder(m, pmd, vpn - (vpn % 512));
        if (table === 0) this.put(pmd === 0 ? -2 : this.entry(pt[pmd]!) | 0);
      }
      if (table !== 0) this.put(this.entry(pt[table + (vpn % 512)]!));
      if (isPrivate) this.put(this.value(ghostMm[ghost + vpn]!));
    }
  }

  private readahead(file: number): void {
    const c = this.sm.m.file;
    this.put(c.raStart[file]!);
    this.put(c.raSize[file]!);
    this.put(c.raAsync[file]! | (c.raOrder[file]! << 16));
    this.put(c.mmapMiss[file]!);
  }

  private walkInode(inode: number): void {
    const { m, ghostInode, options } = this.sm;
    const c = m.inode;
    const pages = options.arenaPages;
    this.put(c.size[inode]!);
    this.put(c.nrPages[inode]!);
    this.put(c.refs[inode]!);
    this.put(c.charged[inode]!);
    this.put(c.fallocEnd[inode]!);
    const ghost = inode * pages;
    for (let index = 0; index < pages; index++) {
      const pfn = cacheGet(m, inode, index);
      const value = ghostInode[ghost + index]!;
      if (pfn === 0 && value === 0) continue;
      this.put(index | (this.value(value) << 8));
      this.put(pfn === 0 ? 0 : this.frame(pfn));
    }
    this.put(-1);
  }

  private walkFolio(head: number): void {
    const { m } = this.sm;
    const { flags, counts, mapping, index } = m.page;
    const f = flags[head]!;
    this.put(f & ~FLAGS_LEFT_OUT);
    const owner = mapping[head]!;
    this.put(owner > 0 ? this.inode(owner) : owner < 0 ? -this.anon(-owner) : 0);
    this.put(index[head]!);
    const n = folioPages(m, head);
    if ((f & PG_HEAD) !== 0) {
      this.put(mapping[head + 1]!);
      this.put(index[head + 1]!);
      if ((f & ORDER_MASK) > 1) {
        this.put(mapping[head + 2]!);
        this.put(index[head + 2]!);
        const slots = mapping[head + 3]!;
        this.put(this.mmId[slots & 0xff]! | (this.mmId[(slots >>> 16) & 0xff]! << 16));
        this.put(index[head + 3]!);
      }
    }
    for (let i = 0; i < n; i++) {
      const pfn = head + i;
      this.put(counts[pfn]!);
      this.put((flags[pfn]! & PAGE_LEVEL_FLAGS) | this.value(m.content[pfn]!));
    }
  }

  private walkAnon(row: number): void {
    const c = this.sm.m.anonVma;
    this.put(this.anon(c.root[row]!));
    this.put(this.anon(c.parent[row]!));
    this.put(c.numChildren[row]! | (c.numActiveVmas[row]! << 16));
  }

  /** The form in two words. Mixers of the kind of MurmurHash3, with different constants. */
  hash(into: Int32Array): void {
    const { words, length } = this;
    let a = 0x2545f491 ^ length;
    let b = 0x1b873593 + length;
    for (let i = 0; i < length; i++) {
      const w = words[i]!;
      a = Math.imul(a ^ w, 0x7feb352d);
      a ^= a >>> 15;
      b = Math.imul(b + w, 0x846ca68b) ^ (b >>> 17);
    }
    a = Math.imul(a ^ (a >>> 16), 0x9e3779b1);
    b = Math.imul(b ^ (b >>> 16), 0xc2b2ae35);
    into[0] = a ^ (a >>> 15);
    into[1] = b ^ (b >>> 13);
  }
}
