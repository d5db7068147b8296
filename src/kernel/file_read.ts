/**
 * read(2) of tmpfs and disk files: the page cache that it fills, and the memory that it touches
 * (mm/filemap.c filemap_read(), mm/shmem.c shmem_file_read_iter(), 6.18).
 */
import {
  EFAULT,
  ENOMEM,
  type FileRow,
  type InodeRow,
  PAGE_SIZE,
  type Pfn,
  type TaskRow,
} from '../base/index.ts';
import { isBeingRead } from '../mm/fault_around.ts';
import { cacheGet, cacheHead, cacheReadFolio } from '../mm/filemap.ts';
import { folioIndex, folioPages } from '../mm/folio.ts';
import { FS_DISK, INODE_SIZE_UNKNOWN } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_READAHEAD, PG_UPTODATE } from '../mm/page_flags.ts';
import { asyncReadahead, syncReadahead } from '../mm/readahead.ts';
import { copyToBuffer, type UserBuffer } from './user_buffer.ts';

/** PAGEVEC_SIZE: folios that are looked up at a time. */
const BATCH = 31;

/**
 * Reads `count` bytes at `pos` into memory of the task. Returns the bytes read or -errno. Holes of
 * tmpfs stay holes. Readahead learns where a read of a disk file ended when all of it is done: pages
 * that one read brings in after others do not follow a read.
 */
export function readFile(
  m: Machine,
  t: TaskRow,
  file: FileRow,
  pos: number,
  count: number,
  target: UserBuffer,
): number {
  const inode = m.file.inode[file]!;
  if ((m.inode.flags[inode]! & INODE_SIZE_UNKNOWN) !== 0) return -EFAULT;
  const end = Math.min(pos + count, m.inode.size[inode]!);
  if (pos >= end) return 0;
  const onDisk = m.inode.kind[inode] === FS_DISK;
  const lastIndex = Math.ceil((pos + count) / PAGE_SIZE);
  const { prevEnd } = m.file;
  let prev = prevEnd[file]!;
  let at = pos;
  let error = 0;
  while (at < end && error === 0) {
    const index = Math.floor(at / PAGE_SIZE);
    const upTo = onDisk ? getPages(m, file, inode, index, lastIndex) : index + 1;
    if (upTo === index) {
      error = -ENOMEM;
      break;
    }
    const wanted = Math.min(end, upTo * PAGE_SIZE) - at;
    const from = at;
    const copied = copyToBuffer(m, t, target, from - pos, wanted, (i) =>
      byteAt(m, inode, from + i),
    );
    at += copied;
    if (copied < wanted) error = -EFAULT;
    // prev_pos, and one more: 0 says that nothing was read yet.
    prev = at + 1;
    if (onDisk && !m.release.readMovesAtEnd) prevEnd[file] = prev;
  }
  if (onDisk) prevEnd[file] = prev;
  return at > pos ? at - pos : error;
}

/** What is known of a file's bytes: the first of each page. */
function byteAt(m: Machine, inode: InodeRow, at: number): number {
  if (at % PAGE_SIZE !== 0 || m.content.length === 0) return 0;
  const pfn = cacheGet(m, inode, at / PAGE_SIZE);
  return pfn === 0 ? 0 : m.content[pfn]!;
}

/**
 * Brings pages [index, lastIndex) of a disk file into the cache, as many as are copied before it looks
 * again; returns the first page behind them, `index` when memory is out. `lastIndex` may lie behind
 * the end of the file. All this comes before a byte is copied. Source: mm/filemap.c
 * filemap_get_pages(), 6.18.
 */
function getPages(
  m: Machine,
  file: FileRow,
  inode: InodeRow,
  index: number,
  lastIndex: number,
): number {
  let batch = readBatch(m, inode, index, lastIndex);
  if (batch.length === 0) {
    syncReadahead(m, file, inode, index, lastIndex - index);
    batch = readBatch(m, inode, index, lastIndex);
  }
  if (batch.length === 0) {
    const made = cacheReadFolio(m, inode, index, 0);
    return made === 0 ? index : index + 1;
  }
  const { flags } = m.page;
  const last = batch.at(-1)!;
  const lastAt = folioIndex(m, last);
  if ((flags[last]! & PG_READAHEAD) !== 0)
    asyncReadahead(m, file, inode, lastAt, lastIndex - lastAt);
  if (!isReady(m, last)) {
    if (batch.length > 1) return lastAt;
    flags[last] = flags[last]! | PG_UPTODATE;
    // It is waited for, and what is read with it comes with it.
    m.reading.length = 0;
  }
  return lastAt + folioPages(m, last);
}

/** Up to date, with nothing of it that the disk still owes. */
function isReady(m: Machine, head: Pfn): boolean {
  if ((m.page.flags[head]! & PG_UPTODATE) === 0) return false;
  return m.reading.length === 0 || !isBeingRead(m, head);
}

/**
 * The cached folios from page `index` on, without a gap, up to and with the first that is marked for
 * readahead or not up to date. Source: mm/filemap.c filemap_get_read_batch(), 6.18.
 */
function readBatch(m: Machine, inode: InodeRow, index: number, lastIndex: number): Pfn[] {
  const batch: Pfn[] = [];
  for (let at = index; at < lastIndex && batch.length < BATCH; ) {
    const head = cacheHead(m, inode, at);
    if (head === 0) break;
    batch.push(head);
    if (!isReady(m, head) || (m.page.flags[head]! & PG_READAHEAD) !== 0) break;
    at = folioIndex(m, head) + folioPages(m, head);
  }
  return batch;
}
