/**
 * read, write and lseek, at a descriptor's own place or at a given one (fs/read_write.c, 6.18).
 */
import {
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  ESPIPE,
  type FileRow,
  type TaskRow,
} from '../base/index.ts';
import {
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
import { sizeKnown } from './assume.ts';
import { fileOf } from './fd_table.ts';
import { fileName, isPidfd, isPidfsFile, isRegular, writeFile } from './file_io.ts';
import { readFile } from './file_read.ts';
import { knobFor, writeProc } from './proc_paths.ts';
import type { CallTable, KernelState } from './state.ts';
import {
  bufferLength,
  copyToBuffer,
  isUserBuffer,
  touchBuffer,
  type UserBuffer,
} from './user_buffer.ts';
import { type Args, isInt, type Outcome } from './values.ts';

/** Neither read nor written: it has no such operation (FMODE_CAN_READ, FMODE_CAN_WRITE). */
function isOpaque(k: KernelState, file: FileRow): boolean {
  return fileName(k, file) === 'anon_inode:[eventpoll]' || isPidfd(k, file);
}
const OUTSIDE = 'bytes of files, pipes and terminals are not part of memory';
/** MAX_RW_COUNT. */
const MAX_RW_COUNT = 0x7ffff000;

/** What a plain call names as its memory; what is no address has no place in memory. */
function plainBuffer(a: Args): UserBuffer {
  const base = a.values[1];
  return [{ base: isInt(base) || typeof base === 'string' ? base : '', length: a.num(2) }];
}

/** write(2) of a buffer; `at` < 0 means the description's own position. */
export function write(
  k: KernelState,
  t: TaskRow,
  fd: number,
  buffer: UserBuffer,
  at: number,
): Outcome {
  const { m } = k;
  const file = fileOf(k, t, fd);
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  if ((m.file.mode[file]! & FMODE_WRITE) === 0) return -EBADF;
  const count = Math.min(bufferLength(buffer), MAX_RW_COUNT);
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode];
  const name = fileName(k, file);
  if (kind === FS_SECRET || kind === FS_HUGETLB) return -EINVAL;
  if (k.observed === undefined && isOpaque(k, file)) return -EINVAL;
  if (k.observed === undefined && !isUserBuffer(m, buffer)) return -EFAULT;
  const special = k.special.get(file);
  if (special?.kind === 'file') return writeSpecial(k, t, special.path, buffer, count);
  if (kind === FS_ZERO || kind === FS_NO_MMAP) {
    // /dev/zero and /dev/null take everything unread; a terminal or pipe reads its source.
    if (k.observed !== undefined) return { ignored: OUTSIDE };
    if (kind === FS_ZERO || name === '/dev/null' || count === 0) return count;
    return touchBuffer(m, t, buffer, 0, count, false) || -EFAULT;
  }
  if (kind !== FS_SHMEM && kind !== FS_DISK) return -EINVAL;
  const append = (m.file.flags[file]! & O_APPEND) !== 0;
  const pos = append ? m.inode.size[inode]! : at >= 0 ? at : m.file.pos[file]!;
  const told = k.observed?.value;
  if (k.observed !== undefined && told === undefined) return { ignored: OUTSIDE };
  const done = writeFile(m, t, inode, pos, told ?? count, buffer);
  if (done > 0 && at < 0) m.file.pos[file] = pos + done;
  if (k.observed !== undefined && (m.inode.flags[inode]! & INODE_SIZE_UNKNOWN) !== 0) {
    return { ignored: OUTSIDE };
  }
  return done;
}

function writeSpecial(
  k: KernelState,
  t: TaskRow,
  path: string,
  buffer: UserBuffer,
  count: number,
): Outcome {
  const [piece] = buffer;
  const text = buffer.length === 1 && typeof piece?.base === 'string' ? piece.base : undefined;
  if (k.observed !== undefined) {
    if (text !== undefined && (k.observed.value ?? -1) > 0) writeProc(k, 0, path, text);
    return { ignored: OUTSIDE };
  }
  if (text === undefined) return { unmodelled: `writing memory to ${path}` };
  const stored = writeProc(k, t, path, text.slice(0, count));
  if (typeof stored !== 'number') return stored;
  return stored === 0 ? count : stored;
}

/** read(2) into a buffer; `at` < 0 means the description's own position. */
export function read(
  k: KernelState,
  t: TaskRow,
  fd: number,
  buffer: UserBuffer,
  at: number,
): Outcome {
  const { m } = k;
  const file = fileOf(k, t, fd);
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  if ((m.file.mode[file]! & FMODE_READ) === 0) return -EBADF;
  const inode = m.file.inode[file]!;
  const count = Math.min(bufferLength(buffer), MAX_RW_COUNT);
  if (k.observed !== undefined) {
    if (at < 0 && k.observed.value !== undefined) m.file.pos[file]! += k.observed.value;
    return { ignored: OUTSIDE };
  }
  const kind = m.inode.kind[inode];
  const name = fileName(k, file);
  if (kind === FS_SECRET || isOpaque(k, file)) return -EINVAL;
  if (!isUserBuffer(m, buffer)) return -EFAULT;
  if (kind === FS_ZERO) return count === 0 ? 0 : zeros(k, t, buffer, count);
  if ((m.inode.flags[inode]! & INODE_DIRECTORY) !== 0) return -EISDIR;
  const special = k.special.get(file);
  const pos = at >= 0 ? at : m.file.pos[file]!;
  let done: number;
  if (special?.kind === 'file') {
    const text = knobFor(k, t, special.path)?.text?.();
    if (text === undefined) return { unmodelled: `reading ${special.path} through a descriptor` };
    done = Math.max(0, Math.min(count, text.length - pos));
    if (done > 0) done = touchBuffer(m, t, buffer, 0, done, true);
  } else if (kind === FS_SHMEM || kind === FS_DISK) {
    if ((m.inode.flags[inode]! & INODE_SIZE_UNKNOWN) !== 0) return { ignored: OUTSIDE };
    done = readFile(m, t, file, pos, count, buffer);
  } else if (kind === FS_HUGETLB) {
    // The pool is empty: all of the file is a hole.
    done = Math.max(0, Math.min(count, m.inode.size[inode]! - pos));
    if (done > 0) done = zeros(k, t, buffer, done);
  } else if (name === '/dev/null') done = 0;
  else return { ignored: OUTSIDE };
  if (done > 0 && at < 0) m.file.pos[file] = pos + done;
  return done;
}

function zeros(k: KernelState, t: TaskRow, buffer: UserBuffer, count: number): number {
  return copyToBuffer(k.m, t, buffer, 0, count, () => 0) || -EFAULT;
}

/** Descriptions without a position of their own (FMODE_PREAD and FMODE_PWRITE are not set). */
const STREAM = /^(pipe|socket|anon_inode):|^\/dev\/(tty|pts)|^\/secretmem/;

type Transfer = typeof read;

/** pread64() and its like: `at` is where, in the file. */
export function positioned(
  k: KernelState,
  t: TaskRow,
  fd: number,
  buffer: UserBuffer,
  at: number,
  transfer: Transfer,
): Outcome {
  if (at < 0) return -EINVAL;
  const file = fileOf(k, t, fd);
  if (file !== 0 && STREAM.test(fileName(k, file)) && !isPidfsFile(k, file)) {
    return k.observed === undefined ? -ESPIPE : { ignored: OUTSIDE };
  }
  return transfer(k, t, fd, buffer, at);
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
      if (a.int(2) === 2 && isRegular(k, m.file.inode[file]!)) sizeSeen(k, file, end);
    }
    return { ignored: OUTSIDE };
  }
  const whence = a.int(2);
  if (whence > 4 || whence < 0) return -EINVAL;
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode];
  if (kind === FS_NO_MMAP && /^(pipe|socket):|^\/dev\/(tty|pts)/.test(fileName(k, file)))
    return -ESPIPE;
  if (kind === FS_SECRET || isPidfd(k, file)) return -ESPIPE;
  // null_lseek() of /dev/zero.
  if (kind === FS_ZERO) return 0;
  // noop_llseek() of event descriptors, null_lseek(): the position does not move.
  const isDirectory = (m.inode.flags[inode]! & INODE_DIRECTORY) !== 0;
  if (kind === FS_NO_MMAP && !k.special.has(file) && !isDirectory) return m.file.pos[file]!;
  if (isDirectory && whence === 2) return { unmodelled: 'lseek to the end of a directory' };
  if (whence === 3 || whence === 4) return { unmodelled: 'lseek with SEEK_DATA or SEEK_HOLE' };
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

export const FILE_CALLS: CallTable = {
  read: ['ua|u', (k, t, a) => read(k, t, a.int(0), plainBuffer(a), -1)],
  write: ['ua|u', (k, t, a) => write(k, t, a.int(0), plainBuffer(a), -1)],
  pread64: ['uauu', (k, t, a) => positioned(k, t, a.int(0), plainBuffer(a), a.signed(3), read)],
  pwrite64: ['uauu', (k, t, a) => positioned(k, t, a.int(0), plainBuffer(a), a.signed(3), write)],
  lseek: ['uuu', lseek],
};
