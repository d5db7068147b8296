/**
 * open, close, dup, fcntl and the calls on names (fs/open.c, fs/namei.c, fs/fcntl.c, mm/memfd.c
 * memfd_fcntl(), 6.18).
 */
import {
  EACCES,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  EPERM,
  EXDEV,
  type InodeRow,
  type TaskRow,
  word,
} from '../base/index.ts';
import { filePut } from '../mm/file.ts';
import {
  CAP_DAC_OVERRIDE,
  CAP_FOWNER,
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  INODE_DIRECTORY,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from '../mm/fs_types.ts';
import { truncateSetsize } from '../mm/truncate.ts';
import { capable } from '../mm/util.ts';
import { allocDelayedBlocks } from '../mm/writeback.ts';
import { assumeOpen } from './assume.ts';
import { freeFd, installFd, rawFile } from './fd_table.ts';
import {
  absolute,
  describe,
  kindOf,
  makeInode,
  plainInode,
  removeName,
  renameOpen,
  rightsOf,
  superblockOf,
} from './namespace.ts';
import { knobFor } from './proc_paths.ts';
import type { CallTable, Handler, KernelState } from './state.ts';
import { Args, field, type Outcome } from './values.ts';

export const AT_FDCWD = -100;

/** The absolute path that a call names, or a negative errno. */
export function pathArg(
  k: KernelState,
  t: TaskRow,
  dirfd: number,
  path: string | undefined,
): string | number {
  if (path === undefined) return -EFAULT;
  if (path === '') return -ENOENT;
  if (path.startsWith('/')) return absolute('/', path);
  if (dirfd === AT_FDCWD) return absolute(k.cwd.get(k.m.task.tgid[t]!) ?? '/root', path);
  const dir = rawFile(k, t, dirfd);
  if (dir === 0) return -EBADF;
  if ((k.m.inode.flags[k.m.file.inode[dir]!]! & INODE_DIRECTORY) === 0) return -ENOTDIR;
  return absolute(k.m.names[k.m.file.name[dir]!]!, path);
}

/** May the task open the inode in these modes? Owner and other bits; root may all. */
export function mayOpen(k: KernelState, t: TaskRow, inode: InodeRow, mode: number): boolean {
  if (k.m.task.euid[t] === 0 || capable(k.m, t, CAP_DAC_OVERRIDE)) return true;
  const bits = k.m.inode.mode[inode]!;
  const own = k.m.inode.uid[inode] === k.m.task.euid[t] ? bits >> 6 : bits;
  const wanted = ((mode & FMODE_READ) !== 0 ? 4 : 0) | ((mode & FMODE_WRITE) !== 0 ? 2 : 0);
  return (own & wanted) === wanted;
}

/** The inode to open, made where O_CREAT asks for it; or a negative errno. */
function lookup(k: KernelState, t: TaskRow, path: string, flags: number, mode: number): number {
  const directory = k.directories.has(path);
  if (directory) {
    if ((flags & O_CREAT) !== 0) return (flags & O_EXCL) !== 0 ? -EEXIST : -EISDIR;
    if ((rightsOf(flags) & FMODE_WRITE) !== 0) return -EISDIR;
    return plainInode(k, path, true);
  }
  if ((flags & O_DIRECTORY) !== 0) return k.names.has(path) ? -ENOTDIR : -ENOENT;
  const known = k.names.get(path);
  if (known !== undefined) {
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -EEXIST;
    return mayOpen(k, t, known, rightsOf(flags)) ? known : -EACCES;
  }
  const kind = kindOf(k, path);
  if (path.startsWith('/dev/') && !path.startsWith('/dev/shm/')) {
    return DEVICES.includes(path) ? makeInode(k, t, path, kind) : -ENOENT;
  }
  if (path.startsWith('/proc/') || path.startsWith('/sys/')) {
    const knob = knobFor(k, t, path);
    if (knob === undefined) return -ENOENT;
    if ((rightsOf(flags) & FMODE_WRITE) !== 0 && !knob.writable) return -EACCES;
    return plainInode(k, path, false);
  }
  if ((flags & O_CREAT) === 0) return -ENOENT;
  const inode = makeInode(k, t, path, kind);
  k.m.inode.mode[inode] = 0o100000 | (mode & 0o7777 & ~0o022);
  return inode;
}

/** Devices that every system has. */
const DEVICES = ['/dev/zero', '/dev/null', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty'];

function openTmpfile(k: KernelState, t: TaskRow, dir: string, flags: number): number {
  if (!k.directories.has(dir)) return -ENOENT;
  if ((rightsOf(flags) & FMODE_WRITE) === 0) return -EINVAL;
  const path = `${dir === '/' ? '' : dir}/#${k.nextIno}`;
  const inode = makeInode(k, t, path, kindOf(k, path));
  const fd = finishOpen(k, t, inode, path, flags);
  removeName(k, path);
  return fd;
}

function finishOpen(
  k: KernelState,
  t: TaskRow,
  inode: InodeRow,
  path: string,
  flags: number,
): number {
  const large = (flags & O_PATH) === 0 ? O_LARGEFILE : 0;
  const file = describe(k, inode, path, flags | large);
  const fd = installFd(k, t, file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) {
    filePut(k.m, file);
    return fd;
  }
  if (path.startsWith('/proc/') || path.startsWith('/sys/')) {
    k.special.set(file, { kind: 'file', path });
  }
  return fd;
}

function open(k: KernelState, t: TaskRow, dirfd: number, a: Args, at: number): Outcome {
  const path = pathArg(k, t, dirfd, a.text(at));
  if (typeof path === 'number') return path;
  const asked = a.int(at + 1);
  if (k.observed !== undefined) return openedInLog(k, t, path, asked);
  // build_open_flags(): others mean nothing beside O_PATH.
  const flags = (asked & O_PATH) !== 0 ? asked & (O_PATH | O_DIRECTORY | O_CLOEXEC) : asked;
  if ((flags & O_TMPFILE) === O_TMPFILE) return openTmpfile(k, t, path, flags);
  const both = O_CREAT | O_DIRECTORY;
  if ((flags & both) === both) return -EINVAL;
  // The descriptor comes first (do_sys_openat2()).
  const fd = freeFd(k, t);
  if (fd < 0) return fd;
  // do_open(): what is made here is not cut as well.
  const isCut = (flags & O_TRUNC) !== 0 && k.names.has(path);
  const inode = lookup(k, t, path, flags, a.int(at + 2));
  if (inode < 0) return inode;
  if (isCut && (rightsOf(flags) & FMODE_WRITE) !== 0) truncateSetsize(k.m, inode, 0);
  return finishOpen(k, t, inode, path, flags);
}

/** Takes over from a log that `path` was opened. */
function openedInLog(k: KernelState, t: TaskRow, path: string, flags: number): Outcome {
  const fd = k.observed?.value;
  if (fd !== undefined) assumeOpen(k, t, fd, k.observed?.path ?? path, flags, {});
  return { ignored: 'which files a disk holds is not part of memory' };
}

function unlink(k: KernelState, t: TaskRow, dirfd: number, a: Args, at: number): Outcome {
  const path = pathArg(k, t, dirfd, a.text(at));
  if (typeof path === 'number') return path;
  if (a.int(at + 1) !== 0) return rmdir(k, t, path);
  if (k.directories.has(path)) return -EISDIR;
  return mayTakeAway(k, t, path) ? removeName(k, path) : -EPERM;
}

const STICKY = new Set(['/tmp', '/var/tmp', '/dev/shm']);

/** The root of a tmpfs has mode 1777 unless told: mm/shmem.c shmem_init_fs_context(), 6.18. */
function isSticky(k: KernelState, directory: string): boolean {
  return STICKY.has(directory) || k.mounts.some(({ path }) => path === directory);
}

/** In a sticky directory a name belongs to the owner of its file: fs/namei.c may_delete(), 6.18. */
function mayTakeAway(k: KernelState, t: TaskRow, path: string): boolean {
  const inode = k.names.get(path);
  if (inode === undefined || k.observed !== undefined) return true;
  if (!isSticky(k, path.slice(0, path.lastIndexOf('/')))) return true;
  return k.m.inode.uid[inode] === k.m.task.euid[t] || capable(k.m, t, CAP_FOWNER);
}

function rmdir(k: KernelState, t: TaskRow, path: string): number {
  if (!mayTakeAway(k, t, path)) return -EPERM;
  if (k.names.has(path) && !k.directories.has(path)) return -ENOTDIR;
  return k.directories.delete(path) ? 0 : -ENOENT;
}

function mkdir(k: KernelState, t: TaskRow, dirfd: number, a: Args, at: number): Outcome {
  const path = pathArg(k, t, dirfd, a.text(at));
  if (typeof path === 'number') return path;
  if (k.directories.has(path) || k.names.has(path)) return -EEXIST;
  k.directories.add(path);
  return 0;
}

/**
 * fs.protected_hardlinks, which distributions set: a second name only for one's own file, or one that
 * may be read and written. Source: fs/namei.c may_linkat(), 6.18.
 */
function mayLink(k: KernelState, t: TaskRow, inode: InodeRow): boolean {
  if (k.observed !== undefined || k.m.inode.uid[inode] === k.m.task.euid[t]) return true;
  return mayOpen(k, t, inode, FMODE_READ | FMODE_WRITE) || capable(k.m, t, CAP_FOWNER);
}

/** link() and rename(): a second or a new name of one inode. */
function relink(
  k: KernelState,
  t: TaskRow,
  from: string | number,
  to: string | number,
  keep: boolean,
): Outcome {
  if (typeof from === 'number') return from;
  if (typeof to === 'number') return to;
  if (k.observed === undefined) {
    const parents = [from, to].map((path) => path.slice(0, path.lastIndexOf('/')) || '/');
    if (parents.some((path) => !k.directories.has(path))) return -ENOENT;
    if (superblockOf(k, parents[0]!) !== superblockOf(k, parents[1]!)) return -EXDEV;
  }
  const inode = k.names.get(from);
  if (inode === undefined) return k.directories.has(from) ? moveDirectory(k, from, to) : -ENOENT;
  if (from === to) return keep ? -EEXIST : 0;
  if (keep && k.names.has(to)) return -EEXIST;
  if (keep && !mayLink(k, t, inode)) return -EPERM;
  if (!keep && !(mayTakeAway(k, t, from) && mayTakeAway(k, t, to))) return -EPERM;
  if (k.names.has(to)) {
    if (!keep && k.m.inode.kind[inode] === FS_DISK) allocDelayedBlocks(k.m, inode);
    removeName(k, to);
  }
  k.names.set(to, inode);
  if (keep) k.m.inode.nlink[inode]!++;
  else {
    k.names.delete(from);
    renameOpen(k, inode, from, to);
  }
  return 0;
}

function moveDirectory(k: KernelState, from: string, to: string): Outcome {
  k.directories.delete(from);
  k.directories.add(to);
  for (const [name, inode] of [...k.names]) {
    if (!name.startsWith(from + '/')) continue;
    k.names.delete(name);
    k.names.set(to + name.slice(from.length), inode);
    renameOpen(k, inode, name, to + name.slice(from.length));
  }
  return 0;
}

function chdir(k: KernelState, t: TaskRow, path: string | number): Outcome {
  if (typeof path === 'number') return path;
  if (k.observed === undefined && !k.directories.has(path)) return -ENOENT;
  if (k.observed?.errno === undefined) k.cwd.set(k.m.task.tgid[t]!, path);
  return k.observed === undefined ? 0 : { ignored: 'directories are not part of memory' };
}

/** Names of files come and go in a log as it says; what it says is believed. */
function believed(call: Handler): Handler {
  return (k, t, a) => {
    if (k.observed === undefined) return call(k, t, a);
    if (k.observed.errno === undefined) call(k, t, a);
    return { ignored: 'names of files are not part of memory' };
  };
}

export const OPEN_CALLS: CallTable = {
  open: ['su|u', (k, t, a) => open(k, t, AT_FDCWD, a, 0)],
  openat: ['usu|u', (k, t, a) => open(k, t, a.int(0), a, 1)],
  openat2: [
    'usa|u',
    (k, t, a) => {
      const how = a.struct(2);
      const flags = field(how, 'flags', '0');
      if (flags === undefined) return { unmodelled: 'openat2 with its argument in memory' };
      const mode = field(how, 'mode', '1') ?? word.ZERO;
      return open(k, t, a.int(0), new Args([a.values[1]!, flags, mode]), 0);
    },
  ],
  creat: [
    'su',
    (k, t, a) => {
      const path = pathArg(k, t, AT_FDCWD, a.text(0));
      if (typeof path === 'number') return path;
      const flags = O_CREAT | O_WRONLY | O_TRUNC;
      const inode = lookup(k, t, path, flags, a.int(1));
      if (inode < 0) return inode;
      truncateSetsize(k.m, inode, 0);
      return finishOpen(k, t, inode, path, flags);
    },
  ],
  unlink: ['s', believed((k, t, a) => unlink(k, t, AT_FDCWD, a, 0))],
  unlinkat: ['usu', believed((k, t, a) => unlink(k, t, a.int(0), a, 1))],
  mkdir: ['s|u', believed((k, t, a) => mkdir(k, t, AT_FDCWD, a, 0))],
  mkdirat: ['us|u', believed((k, t, a) => mkdir(k, t, a.int(0), a, 1))],
  rmdir: [
    's',
    believed((k, t, a) => {
      const path = pathArg(k, t, AT_FDCWD, a.text(0));
      return typeof path === 'number' ? path : rmdir(k, t, path);
    }),
  ],
  rename: [
    'ss',
    believed((k, t, a) =>
      relink(k, t, pathArg(k, t, AT_FDCWD, a.text(0)), pathArg(k, t, AT_FDCWD, a.text(1)), false),
    ),
  ],
  renameat: [
    'usus',
    believed((k, t, a) =>
      relink(k, t, pathArg(k, t, a.int(0), a.text(1)), pathArg(k, t, a.int(2), a.text(3)), false),
    ),
  ],
  renameat2: [
    'usus|u',
    believed((k, t, a) =>
      a.int(4) !== 0
        ? { unmodelled: 'renameat2 with flags' }
        : relink(
            k,
            t,
            pathArg(k, t, a.int(0), a.text(1)),
            pathArg(k, t, a.int(2), a.text(3)),
            false,
          ),
    ),
  ],
  link: [
    'ss',
    believed((k, t, a) =>
      relink(k, t, pathArg(k, t, AT_FDCWD, a.text(0)), pathArg(k, t, AT_FDCWD, a.text(1)), true),
    ),
  ],
  linkat: [
    'usus|u',
    believed((k, t, a) =>
      relink(k, t, pathArg(k, t, a.int(0), a.text(1)), pathArg(k, t, a.int(2), a.text(3)), true),
    ),
  ],
  symlink: ['ss', believed(() => ({ unmodelled: 'symbolic links' }))],
  symlinkat: ['sus', believed(() => ({ unmodelled: 'symbolic links' }))],
  chdir: ['s', (k, t, a) => chdir(k, t, pathArg(k, t, AT_FDCWD, a.text(0)))],
  fchdir: [
    'u',
    (k, t, a) => {
      const file = rawFile(k, t, a.int(0));
      return file === 0 ? -EBADF : chdir(k, t, k.m.names[k.m.file.name[file]!]!);
    },
  ],
};
