/**
 * Laws of file mappings: what of a file may be mapped (containment), and when a page of it may be
 * written without a fault (permission).
 */
import type { MmRow, VmaRow, Vpn } from '../base/index.ts';
import { filePages } from '../mm/filemap.ts';
import { folioIndex, headOf } from '../mm/folio.ts';
import { FS_DISK, FS_SHMEM } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_ANON, PG_DIRTY } from '../mm/page_flags.ts';
import { PTE_P, PTE_W, ptePfn } from '../mm/pgtable.ts';
import { OPS_FILE, VM_SHARED } from '../mm/vm_flags.ts';
import type { Census } from './census.ts';
import type { Report } from './law.ts';
import { pageWords } from './words.ts';

const WRITABLE = PTE_P | PTE_W;

/**
 * Page of the entry, counted in the file, that is behind the file's end; -1 = none is. Every way
 * to a page beyond i_size ends in SIGBUS, and a file that shrinks is unmapped, private copies too.
 * Of tmpfs a large folio that begins within the file may reach past its end, and what of it is
 * mapped may be copied there.
 * Source: mm/filemap.c filemap_fault(), filemap_map_pages(), mm/shmem.c shmem_get_folio_gfp(),
 * mm/memory.c finish_fault(), mm/truncate.c truncate_pagecache(), 6.18.
 */
export function pageBehindEnd(
  m: Machine,
  v: VmaRow,
  vpn: Vpn,
  entry: number,
  pages: number,
): number {
  const { pgoff, start, file } = m.vma;
  const inode = m.file.inode[file[v]!]!;
  const kind = m.inode.kind[inode]!;
  if (kind !== FS_DISK && kind !== FS_SHMEM) return -1;
  const size = filePages(m, inode);
  const index = pgoff[v]! + (vpn - start[v]!);
  if (index + pages <= size) return -1;
  const head = headOf(m, ptePfn(entry));
  const isCopy = (m.page.flags[head]! & PG_ANON) !== 0;
  if (kind === FS_SHMEM && (isCopy || folioIndex(m, head) < size)) return -1;
  return index + pages - 1;
}

/**
 * A file system that tracks dirty pages (all but tmpfs) is told of the first write to each: the
 * entry becomes writable when the folio becomes dirty, and writing back takes both away.
 * Source: mm/page-writeback.c folio_clear_dirty_for_io(), mm/memory.c do_shared_fault(), 6.18.
 */
export function writesUntold(m: Machine, v: VmaRow, entry: number): boolean {
  if ((entry & WRITABLE) !== WRITABLE || m.vma.ops[v] !== OPS_FILE) return false;
  if ((m.vma.flags[v]! & VM_SHARED) === 0) return false;
  return (m.page.flags[headOf(m, ptePfn(entry))]! & PG_DIRTY) === 0;
}

/** Judges one entry of a file mapping that maps a page. */
export function judgeFileEntry(
  m: Machine,
  census: Census,
  report: Report,
  mm: MmRow,
  v: VmaRow,
  vpn: Vpn,
  entry: number,
  pages: number,
): void {
  const task = census.taskOf[mm] ?? 0;
  const behind = pageBehindEnd(m, v, vpn, entry, pages);
  if (behind >= 0 && report.break('containment')) {
    const size = filePages(m, m.file.inode[m.vma.file[v]!]!);
    const due = `no entry: the file has ${size} pages, this is page ${behind}`;
    report.add('containment', task, vpn, pageWords(m, ptePfn(entry)), due);
  }
  if (writesUntold(m, v, entry) && report.break('permission')) {
    const found = `${pageWords(m, ptePfn(entry))}, writable and clean`;
    report.add('permission', task, vpn, found, 'a read-only entry until the folio is dirty');
  }
}
