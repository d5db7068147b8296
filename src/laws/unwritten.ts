/**
 * The law `isolation` of stores to files: a store is not forgotten. Its page stays dirty, in an entry
 * that maps it or in its folio, until it is written back; a clean page may be dropped at any time
 * and be read from disk again.
 * Source: mm/memory.c zap_present_folio_ptes(), mm/page-writeback.c folio_mark_dirty(), 6.18.
 */
import type { InodeRow, Pfn } from '../base/index.ts';
import { cacheGet } from '../mm/filemap.ts';
import { headOf } from '../mm/folio.ts';
import { FS_DISK, FS_SHMEM } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_DIRTY } from '../mm/page_flags.ts';
import type { Report } from './law.ts';
import { inodeWords } from './words.ts';

export class Unwritten {
  private readonly m: Machine;
  /** Frames of file pages that were stored to: by inode, then page offset. */
  private readonly frames = new Map<InodeRow, Map<number, Pfn>>();

  constructor(m: Machine) {
    this.m = m;
  }

  /** Everything may have been written back. */
  clear(): void {
    this.frames.clear();
  }

  stored(inode: InodeRow, index: number, pfn: Pfn): void {
    const kind = this.m.inode.kind[inode]!;
    if (kind !== FS_SHMEM && kind !== FS_DISK) return;
    const frames = this.frames.get(inode) ?? new Map<number, Pfn>();
    frames.set(index, pfn);
    this.frames.set(inode, frames);
  }

  /** `inEntry`: some entry that maps the frame is dirty. A page that left the cache is forgotten. */
  judge(report: Report, inEntry: (pfn: Pfn) => boolean): void {
    const { m } = this;
    for (const [inode, frames] of this.frames) {
      for (const [index, pfn] of frames) {
        if (cacheGet(m, inode, index) !== pfn) {
          frames.delete(index);
          continue;
        }
        if ((m.page.flags[headOf(m, pfn)]! & PG_DIRTY) !== 0 || inEntry(pfn)) continue;
        if (!report.break('isolation')) continue;
        const found = `page ${index}, stored to and clean`;
        report.add('isolation', 0, -1, found, 'dirty until written back', inodeWords(m, inode));
      }
    }
  }
}
