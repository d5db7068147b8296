/**
 * read, write, lseek, ftruncate, fallocate, memfd and descriptors without pages (fs/read_write.c,
 * fs/open.c, mm/memfd.c, mm/secretmem.c, 6.18).
 */
import {
  EACCES,
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
  newRow,
  PAGE_SIZE,
  type TaskRow,
  word,
} from '../base/index.ts';
import { filePut, newFile, shmemFileSetup } from '../mm/file.ts';
import { folioMarkDirty } from '../mm/filemap.ts';
import { folioIndex, folioPages, headOf } from '../mm/folio.ts';
import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
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
  INODE_MEMFD,
  INODE_NORESERVE,
  INODE_SIZE_UNKNOWN,
  INODE_UNEVICTABLE,
  O_APPEND,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
} from '../mm/fs_types.ts';
import { hugetlbFileSetup, hugetlbPages } from '../mm/hugetlb.ts';
import { internName } from '../mm/mm_types.ts';
import { SGP_FALLOC, shmemGetFolio, shmemResult } from '../mm/shmem.ts';
import { punchHole, truncatePageRange, truncateSetsize } from '../mm/truncate.ts';
import { pathArg, plainFd } from './calls_open.ts';
import { closeFd, fileOf, installAt, installFd, rawFile } from './fd_table.ts';
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
    if (k.observed.value !== undefined) m.file.pos[file] = k.observed.value;
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
  for (let index = first; index < last; ) {
    const error = shmemGetFolio(m, inode, index, end, SGP_FALLOC, 0, 0);
    if (error !== 0) {
      if (index > first) truncatePageRange(m, inode, first * PAGE_SIZE, index * PAGE_SIZE - 1);
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
  if ((mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO)) !== 0) {
    punchHole(m, inode, offset, Math.min(end, Math.max(offset + 1, m.inode.size[inode]!)));
  }
  if ((mode & (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) === 0 && end > m.inode.size[inode]!) {
    const error = mayResize(k, t, inode, end);
    if (error !== 0) return error;
    m.inode.size[inode] = end;
  }
  return 0;
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_ALL = 31;

/** memfd_create(2). Source: mm/memfd.c, 6.18. */
function memfdCreate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  let flags = a.int(1);
  const huge = (flags & MFD_HUGETLB) !== 0;
  if ((flags & ~(huge ? MFD_ALL | (0x3f << 26) : MFD_ALL)) !== 0) return -EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -EINVAL;
  const policy = m.settings.memfdNoexec;
  if ((flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === 0)
    flags |= policy >= 1 ? MFD_NOEXEC_SEAL : MFD_EXEC;
  if ((flags & MFD_NOEXEC_SEAL) === 0 && policy >= 2) return -EACCES;
  const name = a.text(0);
  if (name === undefined) return { unmodelled: 'memfd_create with a name in memory' };
  if (name.length > 249) return -EINVAL;
  const file = memfdFile(k, t, name, flags);
  if (file < 0) return file;
  return install(k, t, file, (flags & MFD_CLOEXEC) !== 0);
}

function memfdFile(k: KernelState, t: TaskRow, name: string, flags: number): number {
  const { m } = k;
  let file: number;
  if ((flags & MFD_HUGETLB) !== 0) {
    const pages = hugetlbPages(m, flags);
    if (pages < 0) return -ENODEV;
    file = hugetlbFileSetup(m, t, 0);
    m.file.name[file] = internName(m, `/memfd:${name}`);
  } else {
    file = shmemFileSetup(m, t, `/memfd:${name}`, 0, INODE_MEMFD | INODE_NORESERVE);
    if (file < 0) return file;
  }
  const inode = m.file.inode[file]!;
  let seals = F_SEAL_SEAL;
  if ((flags & MFD_NOEXEC_SEAL) !== 0) {
    m.inode.mode[inode] = m.inode.mode[inode]! & ~0o111;
    seals = F_SEAL_EXEC;
  } else if ((flags & MFD_ALLOW_SEALING) !== 0) seals = 0;
  m.inode.seals[inode] = seals;
  return file;
}

/** memfd_secret(2). Source: mm/secretmem.c, 6.18. */
function memfdSecret(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  if ((a.int(0) & ~O_CLOEXEC) !== 0) return -EINVAL;
  const inode = newRow(m.inode);
  m.inode.kind[inode] = FS_SECRET;
  m.inode.flags[inode] = INODE_UNEVICTABLE;
  m.inode.mode[inode] = 0o100600;
  m.inode.ino[inode] = k.nextIno++;
  const file = newFile(m, inode, FMODE_READ | FMODE_WRITE, O_RDWR, internName(m, '/secretmem'));
  return install(k, t, file, a.int(0) !== 0);
}

/** Gives a new description its number: the lowest, or in a log the one that it shows. */
export function install(k: KernelState, t: TaskRow, file: FileRow, cloexec: boolean): Outcome {
  const told = k.observed?.value;
  if (told !== undefined) {
    installAt(k, t, told, file, cloexec);
    return { ignored: 'which descriptors a program inherited is not known' };
  }
  const fd = installFd(k, t, file, cloexec);
  if (fd < 0) filePut(k.m, file);
  return fd;
}

/** A descriptor for something without pages. */
function endpoint(
  k: KernelState,
  t: TaskRow,
  name: string,
  cloexec: boolean,
  flags = O_RDWR,
): Outcome {
  const fd = plainFd(k, t, `${name}:[${k.nextIno++}]`, flags, cloexec);
  const told = k.observed?.value;
  if (k.observed === undefined || fd < 0) return fd;
  const file = rawFile(k, t, fd);
  if (told === undefined) closeFd(k, t, fd);
  else if (told !== fd) {
    k.m.file.refs[file]!++;
    installAt(k, t, told, file, cloexec);
    closeFd(k, t, fd);
  }
  return { ignored: OUTSIDE };
}

/** pipe(2), socketpair(2): two ends; a log shows their numbers in an array. */
function pair(
  k: KernelState,
  t: TaskRow,
  a: Args,
  at: number,
  name: string,
  flags: number,
): Outcome {
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const shown = a.values[at];
  const told = k.observed !== undefined && Array.isArray(shown) ? shown : [];
  const observed = k.observed;
  k.observed = undefined;
  const ends = [0, O_WRONLY].map((mode) =>
    endpoint(k, t, name, cloexec, name === 'pipe' ? mode | (flags & O_NONBLOCK) : O_RDWR),
  );
  k.observed = observed;
  ends.forEach((fd, i) => {
    const number = told[i];
    if (typeof fd !== 'number' || fd < 0 || !isInt(number)) return;
    const wanted = word.toInt32(number);
    if (wanted === fd) return;
    const file = rawFile(k, t, fd);
    k.m.file.refs[file]!++;
    installAt(k, t, wanted, file, cloexec);
    closeFd(k, t, fd);
  });
  const failed = ends.find((fd) => typeof fd === 'number' && fd < 0);
  if (observed !== undefined) return { ignored: OUTSIDE };
  return failed ?? 0;
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
  memfd_create: ['s|u', memfdCreate],
  memfd_secret: ['|u', memfdSecret],
  pipe: ['a', (k, t, a) => pair(k, t, a, 0, 'pipe', 0)],
  pipe2: ['a|u', (k, t, a) => pair(k, t, a, 0, 'pipe', a.int(1))],
  socketpair: ['uuua', (k, t, a) => pair(k, t, a, 3, 'socket', a.int(1))],
  socket: ['uuu', (k, t, a) => endpoint(k, t, 'socket', (a.int(1) & O_CLOEXEC) !== 0)],
  accept: ['u|aa', (k, t) => endpoint(k, t, 'socket', false)],
  accept4: ['u|aau', (k, t, a) => endpoint(k, t, 'socket', (a.int(3) & O_CLOEXEC) !== 0)],
  eventfd: ['u', (k, t) => endpoint(k, t, 'eventfd', false)],
  eventfd2: ['u|u', (k, t, a) => endpoint(k, t, 'eventfd', (a.int(1) & O_CLOEXEC) !== 0)],
  epoll_create: ['u', (k, t) => endpoint(k, t, 'eventpoll', false)],
  epoll_create1: ['u', (k, t, a) => endpoint(k, t, 'eventpoll', (a.int(0) & O_CLOEXEC) !== 0)],
  timerfd_create: ['u|u', (k, t, a) => endpoint(k, t, 'timerfd', (a.int(1) & O_CLOEXEC) !== 0)],
  signalfd: ['uaa', (k, t) => endpoint(k, t, 'signalfd', false)],
  signalfd4: ['uaa|u', (k, t, a) => endpoint(k, t, 'signalfd', (a.int(3) & O_CLOEXEC) !== 0)],
  inotify_init: ['', (k, t) => endpoint(k, t, 'inotify', false)],
  inotify_init1: ['|u', (k, t, a) => endpoint(k, t, 'inotify', (a.int(0) & O_CLOEXEC) !== 0)],
};
for (const name of ['fsync', 'fdatasync', 'sync', 'syncfs']) {
  (FILE_CALLS as Record<string, CallTable[string]>)[name] = ['|u', syncCall];
}

/** Nothing is written back: pages stay dirty until they go. */
function syncCall(k: KernelState, t: TaskRow, a: Args): Outcome {
  if (!a.has(0)) return 0;
  if (fileOf(k, t, a.int(0)) !== 0) return 0;
  return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
}
