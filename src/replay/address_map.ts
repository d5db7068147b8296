/**
 * Recorded addresses and where they lie in the model. A setting may move a mapping (a shared one is
 * aligned to the largest enabled size), and whatever is mapped below it then moves too; the trace
 * goes on naming the recorded addresses.
 *
 * Ranges are disjoint, ascending, and only those that lie elsewhere: an address in none of them is
 * where it was recorded.
 */
import type { Pages, Vpn } from '../base/index.ts';

interface Range {
  readonly start: Vpn;
  readonly end: Vpn;
  /** Model's page minus recorded page; never 0. */
  readonly delta: Pages;
}

/** A part of a recorded range, and where it is. */
export interface Piece {
  readonly start: Vpn;
  readonly pages: Pages;
  readonly delta: Pages;
}

export class AddressMap {
  #ranges: Range[] = [];
  /** The range found last: accesses come in runs. */
  #last: Range | undefined;

  get isIdentity(): boolean {
    return this.#ranges.length === 0;
  }

  /** First range that ends above `vpn`. */
  #lower(vpn: Vpn): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.#ranges[mid]!.end > vpn) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  /** How far the recorded page `vpn` has moved. */
  delta(vpn: Vpn): Pages {
    const last = this.#last;
    if (last !== undefined && vpn >= last.start && vpn < last.end) return last.delta;
    const found = this.#ranges[this.#lower(vpn)];
    if (found === undefined || vpn < found.start) return 0;
    this.#last = found;
    return found.delta;
  }

  /** The recorded range [start, end) is gone, or lies where it was recorded. */
  clear(start: Vpn, end: Vpn): void {
    this.#replace(start, end, []);
  }

  /** The recorded range [start, end) lies `delta` pages further. */
  set(start: Vpn, end: Vpn, delta: Pages): void {
    this.#replace(start, end, delta === 0 ? [] : [{ start, end, delta }]);
  }

  #replace(start: Vpn, end: Vpn, by: readonly Range[]): void {
    if (this.#ranges.length === 0 && by.length === 0) return;
    this.#last = undefined;
    const from = this.#lower(start);
    const before: Range[] = [];
    const behind: Range[] = [];
    let to = from;
    for (; to < this.#ranges.length && this.#ranges[to]!.start < end; to++) {
      const old = this.#ranges[to]!;
      if (old.start < start) before.push({ ...old, end: start });
      if (old.end > end) behind.push({ ...old, start: end });
    }
    this.#ranges.splice(from, to - from, ...before, ...by, ...behind);
  }

  /** [start, end) in runs that moved together. */
  pieces(start: Vpn, end: Vpn): Piece[] {
    if (this.#ranges.length === 0) return [{ start, pages: end - start, delta: 0 }];
    const found: Piece[] = [];
    let at = start;
    for (let i = this.#lower(start); at < end; i++) {
      const next = this.#ranges[i];
      const gapEnd = next === undefined ? end : Math.min(next.start, end);
      if (gapEnd > at) found.push({ start: at, pages: gapEnd - at, delta: 0 });
      if (next === undefined || next.start >= end) break;
      const from = Math.max(next.start, at);
      const to = Math.min(next.end, end);
      found.push({ start: from, pages: to - from, delta: next.delta });
      at = to;
    }
    return found;
  }

  /** A forked child's view. */
  copy(): AddressMap {
    const copy = new AddressMap();
    copy.#ranges = [...this.#ranges];
    return copy;
  }
}
