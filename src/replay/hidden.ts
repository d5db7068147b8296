/**
 * Accesses that a recording hides. A read fault of shared memory maps what the page cache holds
 * around it (mm/memory.c do_fault_around()), and whatever the program then does with these
 * neighbours takes no fault and is in no recording. Under other settings that read may find its
 * page mapped, by a larger folio; the neighbours stay unmapped, and the program faults on them.
 *
 * So a replay has the neighbours accessed too, right after that read: all of them for writing where
 * the process had last written in that window, else, for reading, those above the page. Where the
 * replay maps them by itself, as under the recording's own settings, that changes nothing.
 *
 * That is an estimate, between two bounds: none of the neighbours was used, or all. Files are left
 * out: large folios of anonymous and shared memory change nothing in how files are mapped.
 */
import type { VmaRow, Vpn } from '../base/index.ts';
import { ACCESS_READ, leafSlot } from '../mm/memory.ts';
import type { Machine } from '../mm/mm_types.ts';
import { OPS_SHMEM, OPS_SHMEM_ANON } from '../mm/vm_flags.ts';
import { OP_MMAP, scanEvents, type Trace } from '../trace/index.ts';
import type { FileBook } from './file_book.ts';

/** Neighbours by the row of the recorded read, ascending; the last row is above every row. */
export interface Hidden {
  readonly row: readonly number[];
  /** Recorded addresses. */
  readonly vpn: readonly Vpn[];
  /** ACCESS_READ or ACCESS_WRITE. */
  readonly kind: readonly number[];
}

export const NOTHING_HIDDEN: Hidden = { row: [Number.POSITIVE_INFINITY], vpn: [0], kind: [0] };

/** Larger than any window number. */
const WINDOWS = 2 ** 40;

/** Watches a replay under the recording's own settings, where every mapping lies as recorded. */
export class HiddenFinder {
  readonly #row: number[] = [];
  readonly #vpn: Vpn[] = [];
  readonly #kind: number[] = [];
  readonly #before: boolean[] = [];
  /** The kind of the last access, by mm and window. */
  readonly #last = new Map<number, number>();
  #first: Vpn = 0;
  #end: Vpn = 0;

  /** Before an access at `vpn`, which has no entry. */
  before(m: Machine, v: VmaRow, vpn: Vpn, kind: number): void {
    this.#end = 0;
    if (kind !== ACCESS_READ || !mapsAround(m, v)) return;
    const window = m.settings.faultAroundPages;
    this.#first = Math.max(vpn - (vpn % window), m.vma.start[v]!);
    this.#end = Math.min(vpn - (vpn % window) + window, m.vma.end[v]!);
    const mm = m.vma.mm[v]!;
    for (let at = this.#first; at < this.#end; at++) {
      this.#before[at - this.#first] = m.pt[leafSlot(m, mm, at)] !== 0;
    }
  }

  /** After its fault: what the event of `row` mapped beside its page. */
  after(m: Machine, v: VmaRow, vpn: Vpn, kind: number, row: number): void {
    if (!mapsAround(m, v)) return;
    const mm = m.vma.mm[v]!;
    const key = mm * WINDOWS + Math.floor(vpn / m.settings.faultAroundPages);
    const last = this.#last.get(key) ?? kind;
    this.#last.set(key, kind);
    for (let at = this.#first; at < this.#end; at++) {
      if (this.#before[at - this.#first] || (at <= vpn && (at === vpn || last === ACCESS_READ)))
        continue;
      if (m.pt[leafSlot(m, mm, at)] === 0) continue;
      this.#row.push(row);
      this.#vpn.push(at);
      this.#kind.push(last);
    }
    this.#end = 0;
  }

  get found(): Hidden {
    if (this.#row.length === 0) return NOTHING_HIDDEN;
    return {
      row: [...this.#row, Number.POSITIVE_INFINITY],
      vpn: this.#vpn,
      kind: this.#kind,
    };
  }
}

/** Shared memory whose faults map their neighbours; that of SysV has no map_pages(). */
function mapsAround(m: Machine, v: VmaRow): boolean {
  const ops = m.vma.ops[v]!;
  return ops === OPS_SHMEM || ops === OPS_SHMEM_ANON;
}

const MAP_SHARED = 1;

/** Whether a trace names memory of which something can be hidden. */
export function mayHide(trace: Trace, files: FileBook): boolean {
  let may = trace.names.some((_, name) => {
    const kind = files.kind(name);
    return kind === 'tmpfs' || kind === 'memfd' || kind === 'shared-anon';
  });
  if (may) return true;
  scanEvents(trace, ({ op, arg2, rows }) => {
    for (let i = 0; i < rows && !may; i++) may = op[i] === OP_MMAP && (arg2[i]! & MAP_SHARED) !== 0;
  });
  return may;
}
