/**
 * write(2) of tmpfs and disk files: the page cache that it fills, i_size, the limits and seals
 * (mm/filemap.c generic_perform_write(), mm/shmem.c shmem_write_begin(), 6.18).
 */
import {
  EFAULT,
  EFBIG,
  ENOMEM,
  EPERM,
  type FileRow,
  type InodeRow,
  PAGE_SIZE,
  PMD_PAGES,
  type TaskRow,
} from '../base/index.ts';
import { diskDirty, diskHasBlock } from '../mm/disk.ts';
import {
  cacheGet,
  cacheRangeEmpty,
  cacheReadFolio,
  folioAccountDirtied,
  folioMarkDirty,
  markWritten,
  writeOrder,
} from '../mm/filemap.ts';
import { folioIndex, folioPages, headOf } from '../mm/folio.ts';
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_WRITE,
  FS_DISK,
  FS_HUGETLB,
  FS_SECRET,
  FS_SHMEM,
  INODE_LARGE_FOLIOS,
} from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { PG_UPTODATE } from '../mm/page_flags.ts';
import { SGP_WRITE, shmemGetFolio, shmemResult } from '../mm/shmem.ts';
import { zeroPartialPages } from '../mm/truncate.ts';
import type { KernelState } from './state.ts';
import { bufferByte, presentInBuffer, touchBuffer, type UserBuffer } from './user_buffer.ts';

/** generic_write_checks(): bytes that RLIMIT_FSIZE lets through, or -EFBIG. */
function fsizeLimit(m: Machine, t: TaskRow, pos: number, count: number): number {
  const limit = m.sig.fsizeCur[m.task.sig[t]!]!;
  if (count === 0 || limit === Number.POSITIVE_INFINITY) return count;
  return pos >= limit ? -EFBIG : Math.min(count, limit - pos);
}

/** Largest piece that one ->write_begin() is asked for (mapping_max_folio_size()). */
function chunkBytes(m: Machine, inode: InodeRow): number {
  if (m.inode.kind[inode] !== FS_SHMEM) {
    return m.release.fileLargeFolios ? PMD_PAGES * PAGE_SIZE : PAGE_SIZE;
  }
  const isLarge = (m.inode.flags[inode]! & INODE_LARGE_FOLIOS) !== 0;
  const all = m.release.tmpfsWriteOrders !== 1 << 9;
  return isLarge && all ? PMD_PAGES * PAGE_SIZE : PAGE_SIZE;
}

/** The cached page at `index` for writing `bytes` from `pos`, made if need be; or -errno. */
function pageForWrite(m: Machine, inode: InodeRow, pos: number, bytes: number): number {
  const index = Math.floor(pos / PAGE_SIZE);
  if (m.inode.kind[inode] === FS_SHMEM) {
    const seals = m.inode.seals[inode]!;
    if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
    if ((seals & F_SEAL_GROW) !== 0 && pos + bytes > m.inode.size[inode]!) return -EPERM;
    const error = shmemGetFolio(m, inode, index, pos + bytes, SGP_WRITE, 0, 0);
    return error !== 0 ? error : shmemResult.pfn;
  }
  const cached = cacheGet(m, inode, index);
  if (cached !== 0) return cached;
  let order = m.release.fileLargeFolios ? writeOrder(index, bytes) : 0;
  while (order > 0 && !cacheRangeEmpty(m, inode, index - (index % (1 << order)), 1 << order)) {
    order--;
  }
  const head = cacheReadFolio(m, inode, index - (index % (1 << order)), order);
  if (head === 0) return -ENOMEM;
  m.page.flags[head] = m.page.flags[head]! & ~PG_UPTODATE;
  return head + (index % (1 << order));
}

/** Marks what [pos, pos + n) covers as written; page starts inside take the source's content. */
function store(
  m: Machine,
  t: TaskRow,
  inode: InodeRow,
  pos: number,
  n: number,
  source: UserBuffer,
  done: number,
): void {
  for (let at = pos; at < pos + n; at += PAGE_SIZE - (at % PAGE_SIZE)) {
    const pfn = cacheGet(m, inode, Math.floor(at / PAGE_SIZE));
    const old = m.content.length === 0 ? 0 : m.content[pfn]!;
    const value = at % PAGE_SIZE === 0 ? bufferByte(m, t, source, done + at - pos) : old;
    markWritten(m, pfn, value);
  }
}

/**
 * Writes `count` bytes at `pos`. Returns the bytes written, or -errno when there is none. The page
 * is made first, then what can be copied without a fault is copied; only when that is nothing is
 * the source brought in. So a write from bad memory leaves its page in the cache, and a tmpfs file
 * that ends where the write would have begun. A disk file's folio that is not up to date rejects a
 * short copy: it is done again for so many bytes, and the folios after it may be half as large.
 * Source: mm/filemap.c generic_perform_write(), mm/shmem.c shmem_write_end(), fs/buffer.c
 * block_write_end(), 6.18.
 */
export function writeFile(
  m: Machine,
  t: TaskRow,
  inode: InodeRow,
  pos: number,
  count: number,
  source: UserBuffer,
): number {
  const allowed = fsizeLimit(m, t, pos, count);
  if (allowed < 0) return allowed;
  let chunk = chunkBytes(m, inode);
  let done = 0;
  let wanted = allowed;
  while (done < allowed) {
    const at = pos + done;
    const bytes = Math.min(chunk - (at % chunk), wanted);
    if (!m.release.writeTouchesLate && touchBuffer(m, t, source, done, bytes, false) === 0) {
      return done > 0 ? done : -EFAULT;
    }
    const pfn = pageForWrite(m, inode, at, bytes);
    if (pfn < 0) return done > 0 ? done : pfn;
    const head = headOf(m, pfn);
    const end = (folioIndex(m, head) + folioPages(m, head)) * PAGE_SIZE;
    const room = Math.min(bytes, end - at);
    const copied = presentInBuffer(m, t, source, done, room);
    const n = writeEnd(m, inode, pfn, at, room, copied);
    if (n > 0) {
      store(m, t, inode, at, n, source, done);
      done += n;
      wanted = allowed - done;
      continue;
    }
    if (chunk > PAGE_SIZE) chunk /= 2;
    wanted = copied > 0 ? copied : allowed - done;
    if (copied === 0 && touchBuffer(m, t, source, done, room, false) === 0) {
      return done > 0 ? done : -EFAULT;
    }
  }
  return done;
}

/**
 * ->write_end() of `copied` of `room` bytes: returns how many it takes. i_size moves to where the
 * write begins even when that is none.
 */
function writeEnd(
  m: Machine,
  inode: InodeRow,
  pfn: number,
  pos: number,
  room: number,
  copied: number,
): number {
  const onDisk = m.inode.kind[inode] !== FS_SHMEM;
  const n = onDisk ? commitBlocks(m, pfn, pos, room, copied) : copied;
  const old = m.inode.size[inode]!;
  if (pos + n > old) m.inode.size[inode] = pos + n;
  if (onDisk) {
    if (pos > old) zeroPartialPages(m, inode, old, pos);
  } else {
    const head = headOf(m, pfn);
    m.page.flags[head] = m.page.flags[head]! | PG_UPTODATE;
    folioMarkDirty(m, head);
  }
  return n;
}

/**
 * ext4_block_write_begin() and block_write_end(): each page of the range has a block now. A new block
 * that nothing was copied to is zeroed and dirty; an old one that is to be overwritten wholly is not
 * read, so without a copy the folio does not become up to date.
 */
function commitBlocks(m: Machine, pfn: number, pos: number, room: number, copied: number): number {
  const head = headOf(m, pfn);
  const { flags } = m.page;
  const upToDate = (flags[head]! & PG_UPTODATE) !== 0;
  const n = copied < room && !upToDate ? 0 : copied;
  const first = pos - (pos % PAGE_SIZE);
  let dirties = false;
  let unread = false;
  for (let at = first, page = pfn; at < pos + room; at += PAGE_SIZE, page++) {
    const isNew = !diskHasBlock(m, page);
    const isWhole = at >= pos && at + PAGE_SIZE <= pos + room;
    if (!isNew && isWhole) unread = true;
    if (!isNew && at >= pos + n) continue;
    diskDirty(m, page, 1);
    dirties = true;
  }
  if (n > 0 || !unread) flags[head] = flags[head]! | PG_UPTODATE;
  if (dirties) folioAccountDirtied(m, head);
  return n;
}

/** A file whose pages are in the page cache. */
export function isRegular(k: KernelState, inode: InodeRow): boolean {
  const kind = k.m.inode.kind[inode];
  return kind === FS_SHMEM || kind === FS_DISK || kind === FS_SECRET || kind === FS_HUGETLB;
}

/** Of pidfs, whose inodes say that they are regular files (fs/pidfs.c, 6.18). */
export function isPidfd(k: KernelState, file: FileRow): boolean {
  return k.special.get(file)?.kind === 'pidfd';
}

/** Before pidfs (6.9) a pidfd was one of the nameless descriptors. */
export function isPidfsFile(k: KernelState, file: FileRow): boolean {
  return isPidfd(k, file) && k.m.release.pidfd !== 'no file';
}

/** The name it was opened by. */
export function fileName(k: KernelState, file: FileRow): string {
  return k.m.names[k.m.file.name[file]!]!;
}
