/**
 * Laws of frames and folios: alignment (each frame in one block, free or folio), mapcount,
 * refcount, exclusivity. They walk the frames that were ever handed out, block by block.
 */
import { MAX_PAGE_ORDER, type Order, type Pfn } from '../base/index.ts';
import {
  entireMapcount,
  folioMapcount,
  folioRefcount,
  headOf,
  pagePteMapcount,
} from '../mm/folio.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  ORDER_MASK,
  PG_ANON,
  PG_ANON_EXCLUSIVE,
  PG_BUDDY,
  PG_DIRTY,
  PG_HEAD,
  PG_LOCKED,
  PG_MLOCKED,
  PG_PARTIALLY_MAPPED,
  PG_PREMATURE,
  PG_RESERVED,
  PG_SWAPBACKED,
} from '../mm/page_flags.ts';
import { nrPagesMapped } from '../mm/rmap.ts';
import { PHASE_ANON_INSTALL, PHASE_FINISH, PHASE_WP_INSTALL, type Vmf } from '../mm/vmf.ts';
import type { Census } from './census.ts';
import type { Report } from './law.ts';
import { mmSlotsAgree } from './mm_slots.ts';
import { folioWords, pageWords } from './words.ts';

/** What the walk over the frames adds up, for the law `counters`. */
export class FrameTotals {
  freePages = 0;
  anonMapped = 0;
  fileMapped = 0;
  anonThps = 0;
  shmemPmdMapped = 0;
  filePmdMapped = 0;
  filePages = 0;
  shmemPages = 0;
  shmemThps = 0;
  fileThps = 0;
  dirtyPages = 0;
  mlocked = 0;
  readonly anonFolios = new Float64Array(16);
  readonly anonPartial = new Float64Array(16);
}

/** References that faults hold between their phases. */
function heldByFaults(m: Machine, faults: readonly Vmf[]): Map<Pfn, number> {
  const held = new Map<Pfn, number>();
  const hold = (pfn: Pfn): void => {
    if (pfn === 0) return;
    const head = headOf(m, pfn);
    held.set(head, (held.get(head) ?? 0) + 1);
  };
  for (const vmf of faults) {
    if (vmf.phase === PHASE_ANON_INSTALL) hold(vmf.folio);
    if (vmf.phase === PHASE_FINISH || vmf.phase === PHASE_WP_INSTALL) hold(vmf.page);
    hold(vmf.cowPage);
  }
  return held;
}

export class FolioLaws {
  readonly totals = new FrameTotals();
  private readonly m: Machine;
  private readonly census: Census;
  private readonly report: Report;
  private readonly held: Map<Pfn, number>;
  /** Folios that a fault has locked. */
  private readonly lockers = new Set<Pfn>();
  private blocks = 0;
  private mapped = 0;
  private multiple = 0;
  private exclusive = 0;
  private readonly freeBlocks = new Int32Array(MAX_PAGE_ORDER + 1);

  constructor(m: Machine, census: Census, report: Report, faults: readonly Vmf[]) {
    this.m = m;
    this.census = census;
    this.report = report;
    this.held = heldByFaults(m, faults);
    for (const vmf of faults) {
      if (vmf.phase === PHASE_FINISH && vmf.page !== 0) this.lockers.add(headOf(m, vmf.page));
    }
  }

  run(): void {
    const { m, report } = this;
    for (let pfn = 2; pfn < m.wilderness; ) {
      pfn += pfn === m.carveNext && pfn < m.carveEnd ? this.carved() : this.block(pfn);
    }
    this.totals.freePages += m.pages - m.wilderness;
    this.freeLists();
    report.met('alignment', this.blocks);
    report.met('mapcount', this.mapped);
    report.met('refcount', this.multiple);
    report.met('exclusivity', this.exclusive);
  }

  /** Frames that are free and in no list: the next to be handed out one by one. */
  private carved(): number {
    const { carveNext, carveEnd, page } = this.m;
    for (let pfn = carveNext; pfn < carveEnd; pfn++) {
      if (page.flags[pfn] === 0 && page.counts[pfn] === 0) continue;
      this.misplaced(`${pageWords(this.m, pfn)} (frame ${pfn}) among free frames`, 'a blank frame');
      break;
    }
    this.totals.freePages += carveEnd - carveNext;
    return carveEnd - carveNext;
  }

  /** Judges the block that begins at a frame; returns its pages. */
  private block(pfn: Pfn): number {
    const { m } = this;
    const f = m.page.flags[pfn]!;
    const order = f & ORDER_MASK;
    const n = 1 << order;
    if ((f & PG_BUDDY) !== 0) {
      this.aligned(pfn, order, 'a free block');
      this.freeBlocks[order]!++;
      this.totals.freePages += n;
      return this.clean(pfn, n);
    }
    if ((f & PG_HEAD) !== 0) {
      this.aligned(pfn, order, 'a folio');
      if ((f & PG_RESERVED) === 0) this.folio(pfn, order);
      return n;
    }
    if (order !== 0) {
      this.misplaced(`frame ${pfn}, a tail page of no folio`, 'a block');
      return 1;
    }
    if ((f & (PG_RESERVED | PG_PREMATURE)) === 0 && m.page.counts[pfn] === 0) {
      this.misplaced(`frame ${pfn} neither free nor in use`, 'one of the two');
      return 1;
    }
    if ((f & PG_RESERVED) === 0) this.folio(pfn, 0);
    return 1;
  }

  private misplaced(found: string, due: string): void {
    if (this.report.break('alignment')) this.report.add('alignment', 0, -1, found, due);
  }

  private aligned(pfn: Pfn, order: Order, what: string): void {
    if (order > 0) this.blocks++;
    const n = 1 << order;
    if (order <= MAX_PAGE_ORDER && (pfn & (n - 1)) === 0 && pfn + n <= this.m.pages) return;
    const found = `${what} of order ${order} at frame ${pfn}`;
    this.misplaced(found, 'a block at a multiple of its size, inside memory');
  }

  /** Pages of a free block are blank: a flag there means that something overlaps it. */
  private clean(pfn: Pfn, n: number): number {
    const { flags, counts } = this.m.page;
    for (let i = 1; i < n; i++) {
      if (flags[pfn + i] === 0 && counts[pfn + i] === 0) continue;
      const found = `${pageWords(this.m, pfn + i)} (frame ${pfn + i}) inside a free block`;
      this.misplaced(found, `blank frames ${pfn}-${pfn + n - 1}`);
      break;
    }
    return n;
  }

  /** Every block that is marked free is in the list of its order, and nothing else is. */
  private freeLists(): void {
    const { m } = this;
    for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
      const due = this.freeBlocks[order]!;
      let listed = 0;
      let prev = 0;
      for (let pfn = m.freeHead[order]!; pfn !== 0; pfn = m.page.mapping[pfn]!) {
        const f = m.page.flags[pfn]!;
        if ((f & PG_BUDDY) === 0 || (f & ORDER_MASK) !== order || m.page.index[pfn] !== prev) {
          this.misplaced(`frame ${pfn} in the free list of order ${order}`, 'a free block');
          return;
        }
        prev = pfn;
        if (++listed > due) break;
      }
      if (listed === due && m.freeCount[order] === due) continue;
      const found = `${listed} blocks listed, ${m.freeCount[order]!} counted`;
      this.misplaced(`${found} free at order ${order}`, `${due}`);
    }
  }

  private folio(head: Pfn, order: Order): void {
    const { m, census, report, totals } = this;
    const n = 1 << order;
    const f = m.page.flags[head]!;
    let ptes = 0;
    let pagesMapped = 0;
    for (let pfn = head; pfn < head + n; pfn++) {
      const maps = census.pteMaps[pfn]!;
      ptes += maps;
      if (maps !== 0) pagesMapped++;
      if (order > 0 && order < 9 && (m.page.flags[pfn]! & ORDER_MASK) !== order) {
        this.misplaced(`${pageWords(m, pfn)} (frame ${pfn})`, `a page of ${folioWords(m, head)}`);
      }
      if (maps !== pagePteMapcount(m, pfn) && report.break('mapcount')) {
        const found = `mapcount ${pagePteMapcount(m, pfn)}`;
        report.add('mapcount', 0, -1, found, `${maps}, the PTEs that map it`, pageWords(m, pfn));
      }
      if ((m.page.flags[pfn]! & PG_ANON_EXCLUSIVE) !== 0) this.exclusivePage(pfn, head, maps);
    }
    const pmds = census.pmdMaps[head]!;
    const maps = ptes + pmds;
    if (maps !== 0) this.mapped++;
    if (order > 0) {
      this.compare(head, 'total mapcount', folioMapcount(m, head), maps);
      this.compare(head, 'pages mapped', nrPagesMapped(m, head), pagesMapped);
      if (order > 1) {
        this.compare(head, 'entire mapcount', entireMapcount(m, head), pmds);
        this.slots(head, maps);
      }
    }
    const slots = census.cached[head]!;
    const refs = folioRefcount(m, head);
    const due = maps + slots + (this.held.get(head) ?? 0);
    if (maps > 1 || (maps > 0 && slots > 0)) this.multiple++;
    if (refs !== due && report.break('refcount')) {
      const parts = `${maps} mappings${slots === 0 ? '' : `, ${slots} page-cache slots`}`;
      report.add('refcount', 0, -1, `${refs} references`, `${due} (${parts})`, folioWords(m, head));
    }
    const mappedPages = pmds !== 0 ? n : pagesMapped;
    if ((f & PG_ANON) !== 0) {
      totals.anonMapped += mappedPages;
      if (pmds !== 0) totals.anonThps++;
      totals.anonFolios[order]!++;
      if ((f & PG_PARTIALLY_MAPPED) !== 0) totals.anonPartial[order]!++;
    } else {
      totals.fileMapped += mappedPages;
      this.cachePages(f, slots, pmds);
    }
    if ((f & PG_MLOCKED) !== 0) totals.mlocked += n;
    if ((f & PG_LOCKED) !== 0) this.locked(head);
  }

  /** The mm slots of a large folio, by which "one process alone maps it" is decided. */
  private slots(head: Pfn, maps: number): void {
    const { m, census } = this;
    const problem = mmSlotsAgree(m, head, maps, (mm) => census.mapsOf(head, mm));
    if (problem === null || !this.report.break('mapcount')) return;
    this.report.add('mapcount', 0, -1, problem.found, problem.due, folioWords(m, head));
  }

  /** A folio is locked by a fault between ->fault and finish_fault() alone. */
  private locked(head: Pfn): void {
    if (this.lockers.has(head) || !this.report.break('refcount')) return;
    const due = 'an unlocked one: no fault is at work on it';
    this.report.add('refcount', 0, -1, 'a locked folio', due, folioWords(this.m, head));
  }

  private cachePages(f: number, slots: number, pmds: number): void {
    const { totals } = this;
    const shmem = (f & PG_SWAPBACKED) !== 0;
    totals.filePages += slots;
    if (shmem) totals.shmemPages += slots;
    else if ((f & PG_DIRTY) !== 0) totals.dirtyPages += slots;
    if (slots === 512) {
      if (shmem) totals.shmemThps++;
      else totals.fileThps++;
    }
    if (pmds !== 0) {
      if (shmem) totals.shmemPmdMapped++;
      else totals.filePmdMapped++;
    }
  }

  private compare(head: Pfn, what: string, found: number, due: number): void {
    if (found === due || !this.report.break('mapcount')) return;
    this.report.add('mapcount', 0, -1, `${what} ${found}`, `${due}`, folioWords(this.m, head));
  }

  private exclusivePage(pfn: Pfn, head: Pfn, ptes: number): void {
    const maps = ptes + this.census.pmdMaps[head]!;
    if (maps !== 0) this.exclusive++;
    if (maps <= 1 || !this.report.break('exclusivity')) return;
    const found = `an exclusive page with ${maps} mappings`;
    this.report.add('exclusivity', 0, -1, found, 'at most one', pageWords(this.m, pfn));
  }
}
