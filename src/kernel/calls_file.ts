/**
 * read, write, lseek, ftruncate, fallocate, memfd and descriptors without pages (fs/read_write.c,
 * fs/open.c, mm/memfd.c, mm/secretmem.c, 6.18).
 */
import {
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  ENOENT,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
  type FileRow,
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
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  FS_HUGETLB,
  FS_NO_MMAP,
  FS_SECRET,
  FS_SHMEM,
  FS_ZERO,
  INODE_DIRECTORY,
  INODE_SIZE_UNKNOWN,
  O_APPEND,
} from '../mm/fs_types.ts';
import { SGP_FALLOC, shmemGetFolio, shmemResult } from '../mm/shmem.ts';
import { punchHole, truncateSetsize, undoFallocate, zeroPartialPages } from '../mm/truncate.ts';
import { sizeKnown } from './assume.ts';
import { pathArg } from './calls_open.ts';
import { fileOf } from './fd_table.ts';
import { readFile, type Source, writeFile } from './file_io.ts';
import { knobFor, writeProc } from './proc_paths.ts';
import type { CallTable, KernelState } from './state.ts';
import { touchRange } from './user_copy.ts';
import { type Args, isInt, type Outcome } from './values.ts';

const OUTSIDE = 'bytes of files, pipes and terminals are not part of memory';
/** MAX_RW_COUNT. */
const MAX_RW_COUNT = 0x7ffff000;
/** MAX_LFS_FILESIZE is one less, which a double cannot say. */
const MAX_FILE_SIZE = 2 ** 63;

function regular(k: KernelState, inode: InodeRow): boolean {
  const kind = k.m.inode.kind[inode];
  return kind === FS_SHMEM || kind === FS_DISK || kind === FS_SECRET || kind === FS_HUGETLB;
}

function sourceOf(a: Args, i: number): Source {
  const value = a.values[i];
  return typeof value === 'string' ? value : isInt(value) ? value : '';
}

/** write(2) at a position; `at` < 0 means the description's own. */
function write(k: KernelState, t: TaskRow, a: Args, at: number): Outcome {
  const { m } = k;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  if ((m.file.mode[file]! & FMODE_WRITE) === 0) return -EBADF;
  const count = Math.min(a.num(2), MAX_RW_COUNT);
  const inode = m.file.inode[file]!;
  const special = k.special.get(file);
  if (special?.kind === 'file') return writeSpecial(k, t, special.path, a, count);
  const kind = m.inode.kind[inode];
  if (kind === FS_ZERO || kind === FS_NO_MMAP)
    return copiedOut(k, t, a, count, kind === FS_ZERO || nameOf(k, file) === '/dev/null');
  if (kind !== FS_SHMEM && kind !== FS_DISK) return kind === FS_HUGETLB ? -EINVAL : -EINVAL;
  const append = (m.file.flags[file]! & O_APPEND) !== 0;
  const pos = append ? m.inode.size[inode]! : at >= 0 ? at : m.file.pos[file]!;
  const told = k.observed?.value;
  if (k.observed !== undefined && told === undefined) return { ignored: OUTSIDE };
  const done = writeFile(m, t, inode, pos, told ?? count, sourceOf(a, 1));
  if (done > 0 && at < 0) m.file.pos[file] = pos + done;
  if (k.observed !== undefined && (m.inode.flags[inode]! & INODE_SIZE_UNKNOWN) !== 0) {
    return { ignored: OUTSIDE };
  }
  return done;
}

function writeSpecial(k: KernelState, t: TaskRow, path: string, a: Args, count: number): Outcome {
  const text = a.text(1);
  if (k.observed !== undefined) {
    if (text !== undefined && (k.observed.value ?? -1) > 0) writeProc(k, 0, path, text);
    return { ignored: OUTSIDE };
  }
  if (text === undefined) return { unmodelled: `writing memory to ${path}` };
  const stored = writeProc(k, t, path, text.slice(0, count));
  if (typeof stored !== 'number') return stored;
  return stored === 0 ? count : stored;
}

/** /dev/zero and /dev/null take everything unread; a terminal or pipe reads its source. */
function copiedOut(k: KernelState, t: TaskRow, a: Args, count: number, unread: boolean): Outcome {
  if (k.observed !== undefined) return { ignored: OUTSIDE };
  const value = a.values[1];
  if (unread || !isInt(value) || count === 0) return count;
  const read = touchRange(k.m, t, value, count, false);
  return read === 0 ? -EFAULT : read;
}

function read(k: KernelState, t: TaskRow, a: Args, at: number): Outcome {
  const { m } = k;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  if ((m.file.mode[file]! & FMODE_READ) === 0) return -EBADF;
  const inode = m.file.inode[file]!;
  const count = Math.min(a.num(2), MAX_RW_COUNT);
  const value = a.values[1];
  const target = isInt(value) ? value : undefined;
  if (k.observed !== undefined) {
    if (at < 0 && k.observed.value !== undefined) m.file.pos[file]! += k.observed.value;
    return { ignored: OUTSIDE };
  }
  const kind = m.inode.kind[inode];
  if (kind === FS_ZERO) return target === undefined ? count : touchRange(m, t, target, count, true);
  if ((m.inode.flags[inode]! & INODE_DIRECTORY) !== 0) return -EISDIR;
  const special = k.special.get(file);
  const pos = at >= 0 ? at : m.file.pos[file]!;
  let done: number;
  if (special?.kind === 'file') {
    const text = knobFor(k, t, special.path)?.text?.();
    if (text === undefined) return { unmodelled: `reading ${special.path} through a descriptor` };
    done = Math.max(0, Math.min(count, text.length - pos));
    if (target !== undefined && done > 0) done = touchRange(m, t, target, done, true);
  } else if (kind === FS_SHMEM || kind === FS_DISK) {
    if ((m.inode.flags[inode]! & INODE_SIZE_UNKNOWN) !== 0) return { ignored: OUTSIDE };
    done = readFile(m, t, file, pos, count, target);
  } else return kind === FS_SECRET || kind === FS_HUGETLB ? -EINVAL : { ignored: OUTSIDE };
  if (done > 0 && at < 0) m.file.pos[file] = pos + done;
  return done;
}

function positioned(
  k: KernelState,
  t: TaskRow,
  a: Args,
  call: (k: KernelState, t: TaskRow, a: Args, at: number) => Outcome,
): Outcome {
  const at = a.signed(3);
  if (at < 0) return -EINVAL;
  const file = fileOf(k, t, a.int(0));
  if (file !== 0 && k.m.inode.kind[k.m.file.inode[file]!] === FS_NO_MMAP && !k.special.has(file)) {
    return k.observed === undefined ? -ESPIPE : { ignored: OUTSIDE };
  }
  return call(k, t, a, at);
}

function lseek(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  if (k.observed !== undefined) {
    const { value } = k.observed;
    if (value !== undefined) {
      m.file.pos[file] = value;
      const end = value - a.signed(1);
      if (a.int(2) === 2 && regular(k, m.file.inode[file]!)) sizeSeen(k, file, end);
    }
    return { ignored: OUTSIDE };
  }
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode];
  if (kind === FS_NO_MMAP && /^(pipe|socket):|^\/dev\/(tty|pts)/.test(nameOf(k, file)))
    return -ESPIPE;
  // noop_llseek() of event descriptors, null_lseek(): the position does not move.
  if (kind === FS_NO_MMAP && !k.special.has(file)) return m.file.pos[file]!;
  const whence = a.int(2);
  if (whence === 3 || whence === 4) return { unmodelled: 'lseek with SEEK_DATA or SEEK_HOLE' };
  if (whence > 4 || whence < 0) return -EINVAL;
  const base = whence === 0 ? 0 : whence === 1 ? m.file.pos[file]! : m.inode.size[inode]!;
  const pos = base + a.signed(1);
  if (pos < 0) return -EINVAL;
  m.file.pos[file] = pos;
  return pos;
}

/** A log shows where a file ends. */
function sizeSeen(k: KernelState, file: FileRow, bytes: number): void {
  const inode = k.m.file.inode[file]!;
  if (k.m.inode.size[inode] !== bytes) sizeKnown(k, inode, bytes);
  else k.m.inode.flags[inode] = k.m.inode.flags[inode]! & ~INODE_SIZE_UNKNOWN;
}

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
  if (!regular(k, inode) || (k.m.file.mode[file]! & FMODE_WRITE) === 0) return -EINVAL;
  return setSize(k, t, inode, bytes);
}

function truncate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const bytes = a.signed(1);
  if (bytes < 0) return -EINVAL;
  const path = pathArg(k, t, -100, a.text(0));
  if (typeof path === 'number') return path;
  if (k.directories.has(path)) return -EISDIR;
  const inode = k.names.get(path);
  if (inode !== undefined) return setSize(k, t, inode, bytes);
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
  if (kind === FS_NO_MMAP || kind === FS_ZERO)
    return /^pipe:/.test(nameOf(k, file)) ? -ESPIPE : -ENODEV;
  if (offset + length >= MAX_FILE_SIZE) return -EFBIG;
  if (kind === FS_SHMEM) return shmemFallocate(k, t, inode, mode, offset, length);
  if (kind === FS_DISK) return diskFallocate(k, t, inode, mode, offset, length);
  if (kind === FS_SECRET) return -EOPNOTSUPP;
  return { unmodelled: 'fallocate on hugetlbfs or a device' };
}

function nameOf(k: KernelState, file: FileRow): string {
  return k.m.names[k.m.file.name[file]!]!;
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
  if ((mode & FALLOC_PUNCH_HOLE) !== 0) {
    // Nothing behind i_size; a hole that reaches over it ends with its page (ext4_punch_hole()).
    const size = m.inode.size[inode]!;
    if (offset < size) {
      const pageEnd = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
      punchHole(m, inode, offset, end > size ? pageEnd : end);
    }
  }
  if ((mode & (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) === 0 && end > m.inode.size[inode]!) {
    const error = mayResize(k, t, inode, end);
    if (error !== 0) return error;
    const old = m.inode.size[inode]!;
    m.inode.size[inode] = end;
    zeroPartialPages(m, inode, old, end);
  }
  return 0;
}

export const FILE_CALLS: CallTable = {
  read: ['ua|u', (k, t, a) => read(k, t, a, -1)],
  write: ['ua|u', (k, t, a) => write(k, t, a, -1)],
  pread64: ['uauu', (k, t, a) => positioned(k, t, a, read)],
  pwrite64: ['uauu', (k, t, a) => positioned(k, t, a, write)],
  lseek: ['uuu', lseek],
  ftruncate: ['uu', ftruncate],
  truncate: ['su', truncate],
  fallocate: ['uuuu', fallocate],
};
