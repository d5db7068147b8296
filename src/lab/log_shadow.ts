/**
 * A rough copy of one address space, for trying orders of calls: which pages are mapped, and where
 * the next mapping would go. It knows holes and the alignment of large anonymous mappings; what it
 * cannot tell (files, MAP_32BIT) it takes as recorded. The model itself has the last word.
 */
import { type MmRow, mod, type Pages, PMD_PAGES, type Vpn, word } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  asInt,
  chooses,
  freed,
  type LogCall,
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  occupied,
  type Range,
  sourceOf,
} from './log_trial.ts';

export class Shadow {
  /** Mapped stretches by address; those that touch are one. */
  readonly #starts: Vpn[];
  readonly #ends: Vpn[];
  readonly #base: Vpn;
  readonly #legacy: boolean;

  private constructor(starts: Vpn[], ends: Vpn[], base: Vpn, legacy: boolean) {
    this.#starts = starts;
    this.#ends = ends;
    this.#base = base;
    this.#legacy = legacy;
  }

  static of(m: Machine, mm: MmRow): Shadow {
    const starts: Vpn[] = [];
    const ends: Vpn[] = [];
    for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
      const start = m.vma.start[v]!;
      if (ends.length !== 0 && ends[ends.length - 1] === start)
        ends[ends.length - 1] = m.vma.end[v]!;
      else {
        starts.push(start);
        ends.push(m.vma.end[v]!);
      }
    }
    return new Shadow(starts, ends, m.mm.mmapBase[mm]!, m.mm.legacyLayout[mm] !== 0);
  }

  /** The first stretch that ends above `vpn`. */
  #at(vpn: Vpn): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle]! > vpn) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #isFree(start: Vpn, end: Vpn): boolean {
    const i = this.#at(start);
    return i === this.#starts.length || this.#starts[i]! >= end;
  }

  #isMapped({ start, end }: Range): boolean {
    const i = this.#at(start);
    return i < this.#starts.length && this.#starts[i]! <= start && this.#ends[i]! >= end;
  }

  /** Where a mapping of so many pages goes without a hint; -1 = nowhere. */
  #hole(pages: Pages): Vpn {
    const count = this.#starts.length;
    if (this.#legacy) {
      let from = this.#base;
      for (let i = this.#at(from); i < count && this.#starts[i]! - from < pages; i++) {
        from = Math.max(from, this.#ends[i]!);
      }
      return from;
    }
    let to = this.#base;
    for (let i = this.#at(to) - (this.#isFree(to, to + 1) ? 1 : 0); ; i--) {
      const from = i < 0 ? 1 : Math.min(this.#ends[i]!, to);
      if (to - from >= pages) return to - pages;
      if (i < 0) return -1;
      to = Math.min(to, this.#starts[i]!);
    }
  }

  #choose(pages: Pages, aligned: boolean): Vpn {
    if (aligned) {
      const found = this.#hole(pages + PMD_PAGES);
      if (found >= 0) {
        const up = mod(-found, PMD_PAGES);
        return up === 0 && !this.#legacy ? found + PMD_PAGES : found + up;
      }
    }
    return this.#hole(pages);
  }

  /** Would the call come to its recorded result? */
  fits(call: LogCall): boolean {
    const target = occupied(call);
    if (target === undefined) return !NEEDS_MAPPED.has(call.name) || this.#isMapped(sourceOf(call));
    if (call.name === 'mmap') return !chooses(call) || this.#mmapFits(call, target);
    return this.#mremapFits(call, target);
  }

  #mmapFits(call: LogCall, target: Range): boolean {
    if (!this.#isFree(target.start, target.end)) return false;
    const flags = asInt(call.values[3]).lo;
    if ((flags & MAP_32BIT) !== 0) return true;
    const pages = target.end - target.start;
    const hint = word.pageOf(asInt(call.values[0]));
    if (hint !== 0 && this.#isFree(hint, hint + pages)) return hint === target.start;
    const anonymous = (flags & MAP_ANONYMOUS) !== 0;
    if (!anonymous && pages >= PMD_PAGES) return true;
    const aligned = anonymous && (flags & MAP_SHARED) === 0 && hint === 0;
    return this.#choose(pages, aligned && pages % PMD_PAGES === 0) === target.start;
  }

  #mremapFits(call: LogCall, target: Range): boolean {
    const source = sourceOf(call);
    if (!this.#isMapped(source)) return false;
    if (!chooses(call)) return true;
    const pages = target.end - target.start;
    const dontunmap = (asInt(call.values[3]).lo & MREMAP_DONTUNMAP) !== 0;
    const stays = !dontunmap && this.#isFree(source.end, source.start + pages);
    if (stays || (!dontunmap && target.end - target.start <= source.end - source.start)) {
      return target.start === source.start;
    }
    if (!this.#isFree(target.start, target.end)) return false;
    return this.#choose(pages, pages % PMD_PAGES === 0) === target.start;
  }

  /** The address space after the call, as recorded. */
  after(call: LogCall): Shadow {
    const copy = new Shadow([...this.#starts], [...this.#ends], this.#base, this.#legacy);
    const hole = freed(call);
    if (hole !== undefined) copy.#unmap(hole);
    const target = occupied(call);
    if (target !== undefined) {
      copy.#unmap(target);
      copy.#map(target);
    }
    return copy;
  }

  #unmap({ start, end }: Range): void {
    for (let i = this.#at(start); i < this.#starts.length && this.#starts[i]! < end; ) {
      const [from, to] = [this.#starts[i]!, this.#ends[i]!];
      const kept: [Vpn, Vpn][] = [];
      if (from < start) kept.push([from, start]);
      if (to > end) kept.push([end, to]);
      this.#starts.splice(i, 1, ...kept.map(([a]) => a));
      this.#ends.splice(i, 1, ...kept.map(([, b]) => b));
      i += kept.length;
    }
  }

  #map({ start, end }: Range): void {
    let i = this.#at(start);
    if (i > 0 && this.#ends[i - 1] === start) {
      i--;
      this.#ends[i] = end;
    } else {
      this.#starts.splice(i, 0, start);
      this.#ends.splice(i, 0, end);
    }
    if (this.#starts[i + 1] === end) {
      this.#ends[i] = this.#ends[i + 1]!;
      this.#starts.splice(i + 1, 1);
      this.#ends.splice(i + 1, 1);
    }
  }
}

/** Calls on a range that fail where part of it is not mapped. */
const NEEDS_MAPPED: ReadonlySet<string> = new Set(['mprotect', 'madvise', 'mlock', 'mlock2']);
