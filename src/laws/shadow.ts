/**
 * The law `isolation`: a second memory, kept by what programs did and not by page tables. A store
 * to a shared mapping goes to (inode, page offset), one to a private mapping to (mm, address); a
 * fork copies the private part. A load must see what this memory has.
 *
 * System calls change memory too. Those whose effect the caller describes are followed exactly;
 * after any other, the shadow is taken afresh from the machine (`unknown`): the law then says
 * nothing about that call, and everything about the accesses between two calls.
 */
import type { Bytes, InodeRow, MmRow, Pages, TaskRow, Vpn } from '../base/index.ts';
import { headOf } from '../mm/folio.ts';
import { FS_DISK, FS_SHMEM } from '../mm/fs_types.ts';
import { frameAt } from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON } from '../mm/page_flags.ts';
import { PTE_MAPPED, ptePfn } from '../mm/pgtable.ts';
import {
  OPS_NONE,
  OPS_SPECIAL,
  OPS_UNKNOWN,
  VM_MAYSHARE,
  VM_WIPEONFORK,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import type { Range } from './call_laws.ts';
import { Census, type LeafVisitor, type SlotVisitor } from './census.ts';
import type { Report } from './law.ts';
import { Unwritten } from './unwritten.ts';
import { inodeWords } from './words.ts';

/** What any step may do besides. */
interface Besides {
  /** Pages that it may have left behind in the books: commit charge; locked_vm of an mm. */
  readonly loses?: { readonly mm: MmRow; readonly charge: Pages; readonly locked: Pages };
  /** It may have written dirty pages of files back. */
  readonly writesBack?: boolean;
}

/** What a step other than an access did to memory contents. */
export type Effect = Besides &
  (
    | { readonly kind: 'none' }
    /** Private contents of a range are gone (munmap, MADV_DONTNEED). */
    | ({ readonly kind: 'dropped' } & Range)
    /** A mapping was put there: it begins with what its file has, or with zeroes. */
    | ({ readonly kind: 'mapped' } & Range)
    /** What of the range is private and writable has been copied (MADV_POPULATE_WRITE, mlock). */
    | ({ readonly kind: 'copied' } & Range)
    /** userfaultfd write-protects the range, or no longer does. */
    | ({ readonly kind: 'protected'; readonly on: boolean } & Range)
    /** MADV_FREE: the contents stay as long as nobody needs the memory. */
    | ({ readonly kind: 'freed' } & Range)
    /** mremap: private contents moved. */
    | {
        readonly kind: 'moved';
        readonly mm: MmRow;
        readonly from: Vpn;
        readonly to: Vpn;
        readonly pages: Pages;
      }
    | { readonly kind: 'forked'; readonly parent: MmRow; readonly child: MmRow }
    /** A file has zeroes there now; private copies stay. */
    | {
        readonly kind: 'hole';
        readonly inode: InodeRow;
        readonly from: Bytes;
        readonly to: Bytes;
      }
    /** A file has this size now: private copies behind its end are gone. */
    | { readonly kind: 'resized'; readonly inode: InodeRow; readonly bytes: Bytes }
    | { readonly kind: 'unknown' }
  );

type Contents = Map<number, number>;

/** Where the shadow keeps the value of an address. */
interface Place {
  readonly contents: Contents;
  readonly key: number;
  /** Due when the key is absent; undefined: whatever is there (a disk file's page). */
  readonly fallback: number | undefined;
  /** 0 for private memory. */
  readonly inode: InodeRow;
}

export class Shadow {
  private readonly m: Machine;
  private readonly priv = new Map<MmRow, Contents>();
  private readonly shared = new Map<InodeRow, Contents>();
  readonly unwritten: Unwritten;

  constructor(m: Machine) {
    this.m = m;
    this.unwritten = new Unwritten(m);
    this.rebase();
  }

  private privateOf(mm: MmRow): Contents {
    let contents = this.priv.get(mm);
    if (contents === undefined) {
      contents = new Map();
      this.priv.set(mm, contents);
    }
    return contents;
  }

  private sharedOf(inode: InodeRow): Contents {
    let contents = this.shared.get(inode);
    if (contents === undefined) {
      contents = new Map();
      this.shared.set(inode, contents);
    }
    return contents;
  }

  /** Takes all contents from the machine: anonymous pages where they are mapped, page caches. */
  rebase(): void {
    const { m } = this;
    this.priv.clear();
    this.shared.clear();
    if (m.content.length === 0) return;
    const leaves: LeafVisitor = {
      leaf: (mm, _v, vpn, entry, pages) => {
        if ((entry & PTE_MAPPED) === 0) return;
        const pfn = ptePfn(entry);
        if ((m.page.flags[headOf(m, pfn)]! & PG_ANON) === 0) return;
        const contents = this.privateOf(mm);
        for (let i = 0; i < pages; i++) contents.set(vpn + i, m.content[pfn + i]!);
      },
      strayTable: () => {},
    };
    const slots: SlotVisitor = {
      slot: (inode, index, pfn) => this.sharedOf(inode).set(index, m.content[pfn]!),
    };
    new Census(m).take(leaves, slots);
  }

  apply(effect: Effect): void {
    if (effect.writesBack === true || effect.kind === 'unknown') this.unwritten.clear();
    if (this.m.content.length === 0) return;
    switch (effect.kind) {
      case 'none':
      case 'protected':
      case 'freed':
        return;
      case 'dropped':
        this.drop(effect.mm, effect.start, effect.pages);
        return;
      case 'mapped':
        this.drop(effect.mm, effect.start, effect.pages);
        this.begin(effect.mm, effect.start);
        return;
      case 'copied':
        this.copy(effect.mm, effect.start, effect.start + effect.pages);
        return;
      case 'hole':
        this.zero(effect.inode, effect.from, effect.to);
        return;
      case 'resized':
        this.zero(effect.inode, effect.bytes, Number.POSITIVE_INFINITY);
        this.dropBehind(effect.inode, Math.ceil(effect.bytes / 4096));
        return;
      case 'moved':
        this.move(effect.mm, effect.from, effect.to, effect.pages);
        return;
      case 'forked':
        this.fork(effect.parent, effect.child);
        return;
      case 'unknown':
        this.rebase();
    }
  }

  private drop(mm: MmRow, start: Vpn, pages: Pages): void {
    const contents = this.priv.get(mm);
    if (contents === undefined) return;
    if (pages <= contents.size) {
      for (let vpn = start; vpn < start + pages; vpn++) contents.delete(vpn);
      return;
    }
    for (const vpn of [...contents.keys()]) {
      if (vpn >= start && vpn < start + pages) contents.delete(vpn);
    }
  }

  /** A shared anonymous object is new; its inode's row may have been another's. */
  private begin(mm: MmRow, start: Vpn): void {
    const { m } = this;
    const v = vmaLookup(m, mm, start);
    if (v === 0 || m.vma.file[v] === 0) return;
    const inode = m.file.inode[m.vma.file[v]!]!;
    if (m.inode.nrPages[inode] === 0 && m.inode.kind[inode] === FS_SHMEM) this.shared.delete(inode);
  }

  /** Private copies of file pages, made without a store. */
  private copy(mm: MmRow, from: Vpn, to: Vpn): void {
    const { m } = this;
    const own = this.privateOf(mm);
    for (let v = findVmaIntersection(m, mm, from, to); v !== 0; v = m.vma.next[v]!) {
      const { start, end, pgoff, file, flags } = m.vma;
      if (start[v]! >= to) return;
      const isCopied = (flags[v]! & (VM_MAYSHARE | VM_WRITE)) === VM_WRITE;
      if (file[v] === 0 || !isCopied) continue;
      const inode = m.file.inode[file[v]!]!;
      const cached = this.sharedOf(inode);
      for (let vpn = Math.max(start[v]!, from); vpn < Math.min(end[v]!, to); vpn++) {
        if (own.has(vpn)) continue;
        const fallback = m.inode.kind[inode] === FS_DISK ? undefined : 0;
        const value = cached.get(pgoff[v]! + (vpn - start[v]!)) ?? fallback;
        if (value !== undefined) own.set(vpn, value);
      }
    }
  }

  /** Pages of a file whose first byte lies in [from, to) hold zero. */
  private zero(inode: InodeRow, from: Bytes, to: Bytes): void {
    const contents = this.sharedOf(inode);
    for (const index of contents.keys()) {
      if (index * 4096 >= from && index * 4096 < to) contents.set(index, 0);
    }
  }

  /** Private copies of pages of a file from `first` on. */
  private dropBehind(inode: InodeRow, first: number): void {
    const { mm, start, end, pgoff, shareNext } = this.m.vma;
    for (let v = this.m.inode.firstVma[inode]!; v !== 0; v = shareNext[v]!) {
      const from = Math.max(start[v]!, start[v]! + first - pgoff[v]!);
      if (from < end[v]!) this.drop(mm[v]!, from, end[v]! - from);
    }
  }

  private move(mm: MmRow, from: Vpn, to: Vpn, pages: Pages): void {
    const contents = this.privateOf(mm);
    const moved: [number, number][] = [];
    for (const [vpn, value] of contents) {
      if (vpn >= from && vpn < from + pages) moved.push([vpn - from + to, value]);
    }
    this.drop(mm, from, pages);
    this.drop(mm, to, pages);
    for (const [vpn, value] of moved) contents.set(vpn, value);
  }

  private fork(parent: MmRow, child: MmRow): void {
    const { m } = this;
    this.priv.delete(child);
    const contents = this.privateOf(child);
    for (const [vpn, value] of this.privateOf(parent)) {
      const v = vmaLookup(m, child, vpn);
      if (v !== 0 && (m.vma.flags[v]! & VM_WIPEONFORK) === 0) contents.set(vpn, value);
    }
  }

  private place(task: TaskRow, vpn: Vpn, store: boolean): Place | null {
    const { m } = this;
    const mm = m.task.mm[task]!;
    const v = vmaLookup(m, mm, vpn);
    const ops = v === 0 ? OPS_UNKNOWN : m.vma.ops[v]!;
    if (ops === OPS_UNKNOWN || ops === OPS_SPECIAL) return null;
    const own = this.privateOf(mm);
    const isPrivate = (m.vma.flags[v]! & VM_MAYSHARE) === 0;
    if (ops === OPS_NONE || (isPrivate && (store || own.has(vpn)))) {
      return { contents: own, key: vpn, fallback: 0, inode: 0 };
    }
    const inode = m.file.inode[m.vma.file[v]!]!;
    const index = m.vma.pgoff[v]! + (vpn - m.vma.start[v]!);
    const fallback = m.inode.kind[inode] === FS_DISK ? undefined : 0;
    return { contents: this.sharedOf(inode), key: index, fallback, inode };
  }

  stored(task: TaskRow, vpn: Vpn, value: number): void {
    if (this.m.content.length === 0) return;
    const place = this.place(task, vpn, true);
    if (place === null) return;
    place.contents.set(place.key, value);
    if (place.inode === 0) return;
    const pfn = frameAt(this.m, this.m.task.mm[task]!, vpn);
    this.unwritten.stored(place.inode, place.key, pfn);
  }

  loaded(report: Report, task: TaskRow, vpn: Vpn, value: number): void {
    if (this.m.content.length === 0) return;
    const place = this.place(task, vpn, false);
    if (place === null) return;
    const due = place.contents.get(place.key) ?? place.fallback;
    if (due === undefined) {
      place.contents.set(place.key, value);
      return;
    }
    if (due !== 0) report.met('isolation', 1);
    if (due === value || !report.break('isolation')) return;
    const where =
      place.inode === 0
        ? 'its private page'
        : `page ${place.key} of ${inodeWords(this.m, place.inode)}`;
    report.add('isolation', task, vpn, `value ${value}`, `value ${due}, last stored to ${where}`);
  }
}
