/**
 * truncate, ftruncate and fallocate: the size of a file, and which of its pages exist (fs/open.c,
 * mm/shmem.c, fs/ext4/extents.c, 6.18).
 */
import {
  EACCES,
  EBADF,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  ENOENT,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
  type InodeRow,
  PAGE_SIZE,
  type TaskRow,
} from '../base/index.ts';
import { folioMarkDirty } from '../mm/filemap.ts';
import { folioIndex, folioPages, headOf } from '../mm/folio.ts';
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FMODE_WRITE,
  FS_DISK,
  FS_HUGETLB,
  FS_NO_MMAP,
  FS_SECRET,
  FS_SHMEM,
  FS_ZERO,
  INODE_SIZE_UNKNOWN,
} from '../mm/fs_types.ts';
import type { Release } from '../mm/release_types.ts';
import { SGP_FALLOC, shmemGetFolio, shmemResult } from '../mm/shmem.ts';
import {
  punchDiskHole,
  punchHole,
  truncateSetsize,
  undoFallocate,
  zeroPartialPages,
} from '../mm/truncate.ts';
import { allocBlocks } from '../mm/writeback.ts';
import { mayOpen, pathArg } from './calls_open.ts';
import { fileOf } from './fd_table.ts';
import { fileName, isPidfd, isPidfsFile, isRegular } from './file_io.ts';
import type { CallTable, KernelState } from './state.ts';
import type { Args, Outcome } from './values.ts';

const OUTSIDE = 'sizes of pipes and terminals are not part of memory';
/** MAX_LFS_FILESIZE is one less, which a double cannot say. */
const MAX_FILE_SIZE = 2 ** 63;

/** inode_newsize_ok() and the seals; 0 or -errno. */
function mayResize(k: KernelState, t: TaskRow, inode: InodeRow, bytes: number): number {
  const { m } = k;
  const old = m.inode.size[inode]!;
  const seals = m.inode.seals[inode]!;
  if (bytes > old) {
    const limit = m.sig.fsizeCur[m.task.sig[t]!]!;
    if (limit !== Number.POSITIVE_INFINITY && bytes > limit) return -EFBIG;
    if (bytes >= MAX_FILE_SIZE) return -EFBIG;
  }
  if (bytes < old && (seals & F_SEAL_SHRINK) !== 0) return -EPERM;
  if (bytes > old && (seals & F_SEAL_GROW) !== 0) return -EPERM;
  return 0;
}

function setSize(k: KernelState, t: TaskRow, inode: InodeRow, bytes: number): Outcome {
  const { m } = k;
  switch (m.inode.kind[inode]) {
    case FS_SECRET:
      if (m.inode.size[inode] !== 0) return -EINVAL;
      break;
    case FS_HUGETLB:
      if (bytes % (512 * PAGE_SIZE) !== 0) return -EINVAL;
      break;
    case FS_SHMEM:
    case FS_DISK:
      break;
    default:
      return -EINVAL;
  }
  const error = mayResize(k, t, inode, bytes);
  if (error !== 0) return error;
  m.inode.flags[inode] = m.inode.flags[inode]! & ~INODE_SIZE_UNKNOWN;
  truncateSetsize(m, inode, bytes);
  return 0;
}

function ftruncate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const bytes = a.signed(1);
  if (bytes < 0) return -EINVAL;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  const inode = k.m.file.inode[file]!;
  if (isPidfsFile(k, file)) return -EOPNOTSUPP;
  if (!isRegular(k, inode) || (k.m.file.mode[file]! & FMODE_WRITE) === 0) return -EINVAL;
  return setSize(k, t, inode, bytes);
}

function truncate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const bytes = a.signed(1);
  if (bytes < 0) return -EINVAL;
  const path = pathArg(k, t, -100, a.text(0));
  if (typeof path === 'number') return path;
  if (k.directories.has(path)) return -EISDIR;
  const inode = k.names.get(path);
  if (inode !== undefined) {
    const mayWrite = k.observed !== undefined || mayOpen(k, t, inode, FMODE_WRITE);
    return mayWrite ? setSize(k, t, inode, bytes) : -EACCES;
  }
  if (k.observed !== undefined) return { ignored: OUTSIDE };
  return -ENOENT;
}

const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_COLLAPSE = 8;
const FALLOC_ZERO = 16;
const FALLOC_INSERT = 32;
const FALLOC_UNSHARE = 64;
const FALLOC_WRITE_ZEROES = 128;
const FALLOC_MODES = [
  0,
  FALLOC_PUNCH_HOLE,
  FALLOC_COLLAPSE,
  FALLOC_ZERO,
  FALLOC_INSERT,
  FALLOC_UNSHARE,
  FALLOC_WRITE_ZEROES,
];

/** Is this combination of mode bits one that vfs_fallocate() knows? */
function fallocMode(mode: number): boolean {
  const kept = (mode & FALLOC_KEEP_SIZE) !== 0;
  const what = mode & ~FALLOC_KEEP_SIZE;
  if (!FALLOC_MODES.includes(what)) return false;
  if (what === FALLOC_PUNCH_HOLE) return kept;
  return !(
    kept &&
    (what === FALLOC_COLLAPSE || what === FALLOC_INSERT || what === FALLOC_WRITE_ZEROES)
  );
}

/** Source: fs/open.c vfs_fallocate(), mm/shmem.c shmem_fallocate(), 6.18. */
function fallocate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  const mode = a.int(1);
  const offset = a.signed(2);
  const length = a.signed(3);
  if (offset < 0 || length <= 0) return -EINVAL;
  if (!fallocMode(mode)) return -EOPNOTSUPP;
  if ((m.file.mode[file]! & FMODE_WRITE) === 0) return -EBADF;
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode]!;
  if (isPidfd(k, file)) return pidfdFallocate(m.release.pidfd);
  if (kind === FS_NO_MMAP || kind === FS_ZERO)
    return /^pipe:/.test(fileName(k, file)) ? -ESPIPE : -ENODEV;
  if (offset + length >= MAX_FILE_SIZE) return -EFBIG;
  if (kind === FS_SHMEM) return shmemFallocate(k, t, inode, mode, offset, length);
  if (kind === FS_DISK) return diskFallocate(k, t, inode, mode, offset, length);
  if (kind === FS_SECRET) return -EOPNOTSUPP;
  return { unmodelled: 'fallocate on hugetlbfs or a device' };
}

/** vfs_fallocate() refuses an immutable file before it asks for its operation. */
function pidfdFallocate(what: Release['pidfd']): Outcome {
  if (what === 'file') return -EOPNOTSUPP;
  return what === 'immutable' ? -EPERM : -ENODEV;
}

function shmemFallocate(
  k: KernelState,
  t: TaskRow,
  inode: InodeRow,
  mode: number,
  offset: number,
  length: number,
): Outcome {
  const { m } = k;
  if ((mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) !== 0) return -EOPNOTSUPP;
  const seals = m.inode.seals[inode]!;
  const end = offset + length;
  if ((mode & FALLOC_PUNCH_HOLE) !== 0) {
    if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
    punchHole(m, inode, offset, end);
    return 0;
  }
  if (end > m.inode.size[inode]!) {
    const limit = m.sig.fsizeCur[m.task.sig[t]!]!;
    if (limit !== Number.POSITIVE_INFINITY && end > limit) return -EFBIG;
    if ((seals & F_SEAL_GROW) !== 0) return -EPERM;
  }
  const first = Math.floor(offset / PAGE_SIZE);
  const last = Math.ceil(end / PAGE_SIZE);
  const room = m.sb.maxBlocks[m.inode.sb[inode]!]!;
  if (room !== 0 && last - first > room) return -ENOSPC;
  const oldEnd = m.inode.fallocEnd[inode]!;
  m.inode.fallocEnd[inode] = Math.max(oldEnd, last);
  for (let index = first; index < last; ) {
    const error = shmemGetFolio(m, inode, index, end, SGP_FALLOC, 0, 0);
    if (error !== 0) {
      m.inode.fallocEnd[inode] = oldEnd;
      undoFallocate(m, inode, first, index);
      return error;
    }
    const head = headOf(m, shmemResult.pfn);
    folioMarkDirty(m, head);
    index = folioIndex(m, head) + folioPages(m, head);
  }
  if ((mode & FALLOC_KEEP_SIZE) === 0 && end > m.inode.size[inode]!) m.inode.size[inode] = end;
  return 0;
}

/** ext4: blocks are reserved on the disk, which the page cache does not see. */
function diskFallocate(
  k: KernelState,
  t: TaskRow,
  inode: InodeRow,
  mode: number,
  offset: number,
  length: number,
): Outcome {
  const { m } = k;
  const end = offset + length;
  if ((mode & (FALLOC_COLLAPSE | FALLOC_INSERT | FALLOC_UNSHARE | FALLOC_WRITE_ZEROES)) !== 0) {
    return { unmodelled: 'fallocate that moves or unshares blocks of a disk file' };
  }
  if ((mode & FALLOC_ZERO) !== 0) punchHole(m, inode, offset, end);
  if ((mode & FALLOC_PUNCH_HOLE) !== 0) punchDiskHole(m, inode, offset, end);
  if ((mode & (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) === 0 && end > m.inode.size[inode]!) {
    const error = mayResize(k, t, inode, end);
    if (error !== 0) return error;
    const old = m.inode.size[inode]!;
    m.inode.size[inode] = end;
    zeroPartialPages(m, inode, old, end);
  }
  if ((mode & FALLOC_PUNCH_HOLE) === 0) {
    allocBlocks(m, inode, Math.floor(offset / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  }
  return 0;
}

export const SIZE_CALLS: CallTable = {
  ftruncate: ['uu', ftruncate],
  truncate: ['su', truncate],
  fallocate: ['uuuu', fallocate],
};
