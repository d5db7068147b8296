/** What the walks of the packed laws count, for the books to be compared with. */
import type { Machine } from '../mm/mm_types.ts';

/** Address spaces that a folio's mappings are counted by. */
export const MM_ROWS = 16;

/** RSS counters of an mm. */
export const RSS = 3;

/** What is really there. Rows as in Census (room `laws`). */
export class Tally {
  readonly pteMaps: Int32Array;
  readonly cached: Int32Array;
  /** 1: some entry that maps the frame is dirty. */
  readonly dirty: Uint8Array;
  /** Mappings of a large folio by one mm: head * MM_ROWS + mm. */
  readonly mapsByMm: Int32Array;
  /** RssAnon, RssFile, RssShmem of each mm, and its page tables. */
  readonly rss = new Int32Array(MM_ROWS * RSS);
  readonly tables = new Int32Array(MM_ROWS);
  readonly inodePages: Int32Array;

  constructor(frames: number, inodes: number) {
    this.pteMaps = new Int32Array(frames);
    this.cached = new Int32Array(frames);
    this.dirty = new Uint8Array(frames);
    this.mapsByMm = new Int32Array(frames * MM_ROWS);
    this.inodePages = new Int32Array(inodes);
  }

  clear(m: Machine): void {
    const used = m.wilderness;
    this.pteMaps.fill(0, 0, used);
    this.cached.fill(0, 0, used);
    this.dirty.fill(0, 0, used);
    this.mapsByMm.fill(0, 0, used * MM_ROWS);
    this.rss.fill(0);
    this.tables.fill(0);
    this.inodePages.fill(0, 0, m.inode.used);
  }
}
