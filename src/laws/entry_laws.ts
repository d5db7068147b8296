/** Laws of single entries: translation, containment, lifetime, permission, reverse-map. */
import type { InodeRow, MmRow, Pfn, Vpn } from '../base/index.ts';
import { cacheGet } from '../mm/filemap.ts';
import { folioIndex, folioOrder, folioRefcount, headOf, isLarge } from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_BUDDY,
  PG_PREMATURE,
  PG_RESERVED,
} from '../mm/page_flags.ts';
import {
  isMarker,
  MARKER_UFFD_WP,
  PTE_MAPPED,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  ptePfn,
} from '../mm/pgtable.ts';
import {
  OPS_NONE,
  VM_ACCESS_FLAGS,
  VM_MAYSHARE,
  VM_PFNMAP,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { uffdArmed } from '../mm/vma_prot.ts';
import type { Census, LeafVisitor, SlotVisitor } from './census.ts';
import { judgeFileEntry } from './file_laws.ts';
import type { Report } from './law.ts';
import { addressWords, dueWords, folioWords, inodeWords, pageWords } from './words.ts';

const WRITABLE = PTE_P | PTE_W;

/**
 * An entry remembers that userfaultfd write-protects its page, where nobody registered for that:
 * unregistering, fork and mremap take the mark off, or a later registration would find pages
 * protected that its handler never protected. Memory that is registered again in another mode keeps
 * its marks.
 * Source: mm/mremap.c vma_has_uffd_without_event_remap(), mm/userfaultfd.c
 * userfaultfd_clear_vma(), mm/memory.c copy_present_ptes(), 6.18.
 */
export function isStrayUffdWp(m: Machine, v: number, entry: number): boolean {
  if (v === 0 || uffdArmed(m, v)) return false;
  if ((entry & PTE_MAPPED) !== 0) return (entry & PTE_UFFD_WP) !== 0;
  return isMarker(entry) && (entry & MARKER_UFFD_WP) !== 0;
}

/** A folio remembers 36 bits of its page offset. */
const INDEX_SPAN = 68719476736;

export class EntryLaws implements LeafVisitor, SlotVisitor {
  private readonly m: Machine;
  private readonly census: Census;
  private readonly report: Report;
  private entries = 0;
  private cachePages = 0;
  private frames = 0;
  private writable = 0;
  private anonymous = 0;
  /** The last (VMA, anon_vma) pair that was found linked. */
  private linkedVma = 0;
  private linkedAnon = 0;

  constructor(m: Machine, census: Census, report: Report) {
    this.m = m;
    this.census = census;
    this.report = report;
  }

  /** Hands the counts of what was met to the report. */
  close(): void {
    this.report.met('containment', this.entries);
    this.report.met('translation', this.cachePages);
    this.report.met('lifetime', this.frames);
    this.report.met('permission', this.writable);
    this.report.met('reverse-map', this.anonymous);
  }

  strayTable(mm: MmRow, vpn: Vpn): void {
    if (!this.report.break('containment')) return;
    const due = 'no page table where there is no VMA';
    this.report.add('containment', this.task(mm), vpn, 'a page table', due);
  }

  leaf(mm: MmRow, v: number, vpn: Vpn, entry: number, pages: number): void {
    const { m, report } = this;
    this.entries++;
    if (v === 0 || vpn + pages > m.vma.end[v]!) {
      if (report.break('containment')) {
        const due = v === 0 ? 'no entry: there is no VMA' : 'no entry that reaches past its VMA';
        report.add('containment', this.task(mm), vpn, this.entryWords(entry), due);
      }
    }
    if (isStrayUffdWp(m, v, entry) && report.break('uffd')) {
      const due = 'none: nobody registered this memory for it';
      report.add('uffd', this.task(mm), vpn, 'a mark of write protection', due);
    }
    if ((entry & PTE_MAPPED) === 0) return;
    const pfn = ptePfn(entry);
    if (pfn === m.zeroPfn || (m.hugeZeroPfn !== 0 && headSafe(m, pfn) === m.hugeZeroPfn)) {
      if ((entry & WRITABLE) === WRITABLE && report.break('permission')) {
        report.add('permission', this.task(mm), vpn, 'a writable zero page', 'a read-only one');
      }
      return;
    }
    if (!this.alive(pfn)) {
      if (report.break('lifetime')) {
        const found = `an entry of ${this.deadWords(pfn)}`;
        report.add('lifetime', this.task(mm), vpn, found, 'a frame in use');
      }
      if (pfn <= 0 || pfn >= m.pages) return;
    }
    this.frames++;
    if (v === 0) return;
    this.translation(mm, v, vpn, pfn, pages);
    this.permission(mm, v, vpn, entry, pfn);
    if (m.vma.file[v] !== 0) {
      judgeFileEntry(m, this.census, report, mm, v, vpn, entry, pages);
    }
  }

  slot(inode: InodeRow, index: number, pfn: Pfn): void {
    const { m, report } = this;
    this.frames++;
    if (!this.alive(pfn)) {
      if (report.break('lifetime')) {
        const found = `slot ${index} of ${inodeWords(m, inode)} holding ${this.deadWords(pfn)}`;
        report.add('lifetime', 0, -1, found, 'a frame in use');
      }
      return;
    }
    const head = headOf(m, pfn);
    const at = folioIndex(m, head) + (pfn - head);
    const own = m.page.mapping[head] === inode && at === index % INDEX_SPAN;
    if (own || !report.break('translation')) return;
    const found = pageWords(m, pfn);
    report.add(
      'translation',
      0,
      -1,
      found,
      `page ${index}`,
      `slot ${index} of ${inodeWords(m, inode)}`,
    );
  }

  private task(mm: MmRow): number {
    return this.census.taskOf[mm] ?? 0;
  }

  private alive(pfn: Pfn): boolean {
    const { m } = this;
    if (!this.census.countable(pfn)) return false;
    const head = headOf(m, pfn);
    const f = m.page.flags[head]!;
    if ((f & PG_RESERVED) !== 0) return true;
    return (f & (PG_BUDDY | PG_PREMATURE)) === 0 && folioRefcount(m, head) > 0;
  }

  private deadWords(pfn: Pfn): string {
    const { m } = this;
    if (pfn <= 0 || pfn >= m.pages) return pageWords(m, pfn);
    const head = headOf(m, pfn);
    if ((m.page.flags[head]! & PG_PREMATURE) === 0) return pageWords(m, pfn);
    return `${pageWords(m, pfn)}, which lost its last reference while it was in use`;
  }

  private entryWords(entry: number): string {
    return (entry & PTE_MAPPED) === 0 ? 'a marker or swap entry' : pageWords(this.m, ptePfn(entry));
  }

  private translation(mm: MmRow, v: number, vpn: Vpn, pfn: Pfn, pages: number): void {
    const { m, report } = this;
    const c = m.vma;
    if ((c.flags[v]! & VM_PFNMAP) !== 0) return;
    const head = headOf(m, pfn);
    const index = c.pgoff[v]! + (vpn - c.start[v]!);
    const at = folioIndex(m, head) + (pfn - head);
    const inPlace = at === index % INDEX_SPAN;
    const shared = (c.flags[v]! & VM_MAYSHARE) !== 0;
    if ((m.page.flags[head]! & PG_ANON) !== 0) {
      this.anonymous++;
      if (shared || !inPlace) {
        if (!report.break('translation')) return;
        const found = shared
          ? `${pageWords(m, pfn)} in a shared mapping`
          : `${pageWords(m, pfn)}, made for ${addressWords(vpn + (at - index))}`;
        const due = shared ? "a page of the file's page cache" : 'a page made for this address';
        report.add('translation', this.task(mm), vpn, found, due);
      }
      this.anonChain(mm, v, vpn, head);
      return;
    }
    if (c.ops[v] === OPS_NONE) {
      if (!report.break('translation')) return;
      report.add('translation', this.task(mm), vpn, pageWords(m, pfn), 'an anonymous page');
      return;
    }
    if (isLarge(m, head)) this.cachePages++;
    const inode = m.file.inode[c.file[v]!]!;
    const due = cacheGet(m, inode, index);
    if (due === pfn && inPlace && m.page.mapping[head] === inode) return;
    if (!report.break('translation')) return;
    const subject = pages === 512 ? '(2 MiB)' : '';
    const dueText =
      due === pfn ? `page ${index} of ${inodeWords(m, inode)}` : dueWords(m, due, pfn);
    report.add('translation', this.task(mm), vpn, pageWords(m, pfn), dueText, subject);
  }

  /** The anon_vma of a mapped anonymous folio must be in the chain of the VMA that maps it. */
  private anonChain(mm: MmRow, v: number, vpn: Vpn, head: Pfn): void {
    const { m, report } = this;
    const a = -m.page.mapping[head]!;
    if (v === this.linkedVma && a === this.linkedAnon) return;
    for (let row = m.vma.chain[v]!; row !== 0; row = m.chain.nextOfVma[row]!) {
      if (m.chain.anonVma[row] === a && m.chain.vma[row] === v) {
        this.linkedVma = v;
        this.linkedAnon = a;
        return;
      }
    }
    if (!report.break('reverse-map')) return;
    const found = `${folioWords(m, head)} with anon_vma ${a}, which does not lead to this VMA`;
    report.add('reverse-map', this.task(mm), vpn, found, 'an anon_vma of the chain of its VMA');
  }

  private permission(mm: MmRow, v: number, vpn: Vpn, entry: number, pfn: Pfn): void {
    const { m, report } = this;
    const flags = m.vma.flags[v]!;
    const access = (flags & VM_ACCESS_FLAGS) !== 0;
    const present = (entry & PTE_P) !== 0;
    let found = '';
    let due = '';
    if (present !== access) {
      found = present ? 'a present entry' : 'a PROT_NONE entry';
      due = access ? 'a present one: the VMA has access' : 'PROT_NONE: the VMA has no access';
    } else if ((entry & WRITABLE) === WRITABLE) {
      const head = headOf(m, pfn);
      if ((flags & VM_WRITE) === 0) {
        found = `${pageWords(m, pfn)}, writable`;
        due = 'a read-only entry: the VMA is not writable';
      } else if ((flags & VM_SHARED) === 0) {
        this.writable++;
        const page = folioOrder(m, head) === 9 && pfn === head ? head : pfn;
        if (
          (m.page.flags[head]! & PG_ANON) === 0 ||
          (m.page.flags[page]! & PG_ANON_EXCLUSIVE) === 0
        ) {
          found = `${pageWords(m, pfn)}, writable, not exclusive`;
          due = 'a read-only entry, so that a store copies first';
        }
      }
      if (found === '' && (entry & PTE_UFFD_WP) !== 0) {
        found = 'a writable entry';
        due = 'a read-only one: userfaultfd write-protects it';
      }
    }
    if (found === '' || !report.break('permission')) return;
    report.add('permission', this.task(mm), vpn, found, due);
  }
}

function headSafe(m: Machine, pfn: Pfn): Pfn {
  return pfn > 0 && pfn < m.pages ? headOf(m, pfn) : 0;
}
