/**
 * Paths: which file system serves a path, and the inodes that a program made or was told of. The
 * disk below is not known: a path that nobody created does not exist.
 */
import {
  ENOENT,
  type FileRow,
  freeRow,
  type InodeRow,
  newRow,
  type Row,
  type TaskRow,
} from '../base/index.ts';
import { inodeGet, inodePut, newFile } from '../mm/file.ts';
import {
  F_SEAL_SEAL,
  FMODE_LSEEK,
  FMODE_PATH,
  FMODE_PREAD,
  FMODE_PWRITE,
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  FS_NO_MMAP,
  FS_OPAQUE,
  FS_SHMEM,
  FS_ZERO,
  INODE_DIRECTORY,
  INODE_NORESERVE,
  INODE_SIZE_UNKNOWN,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_PATH,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../mm/fs_types.ts';
import { internName } from '../mm/mm_types.ts';
import { shmemLargeFolios } from '../mm/shmem.ts';
import { DELETED } from '../mm/vma_names.ts';
import type { KernelState } from './state.ts';

/** Directories that every system has. */
export const DIRECTORIES: readonly string[] = [
  ...['/', '/tmp', '/var', '/var/tmp', '/usr', '/etc', '/home', '/root', '/opt', '/mnt', '/media'],
  ...[
    '/bin',
    '/lib',
    '/lib64',
    '/usr/bin',
    '/usr/lib',
    '/proc',
    '/sys',
    '/dev',
    '/dev/shm',
    '/run',
  ],
];

const UNTIDY = /\/(?:\/|$|\.\.?(?:\/|$))/;

/** An absolute path without ".", ".." and doubled slashes. */
export function absolute(base: string, path: string): string {
  if (path.length > 1 && path.startsWith('/') && !UNTIDY.test(path)) return path;
  const parts: string[] = [];
  const full = path.startsWith('/') ? path : `${base}/${path}`;
  for (const part of full.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return '/' + parts.join('/');
}

function below(path: string, dir: string): boolean {
  return path === dir || dir === '/' || path.startsWith(dir + '/');
}

/** The superblock that serves a path: the deepest mount above it. */
export function superblockOf(k: KernelState, path: string): Row {
  if (!path.startsWith('/')) return k.pseudoSb;
  let best = k.rootSb;
  let length = 0;
  for (const mount of k.mounts) {
    if (below(path, mount.path) && mount.path.length >= length) {
      best = mount.sb;
      length = mount.path.length;
    }
  }
  return best;
}

/** FS_* for a path that is no directory. */
export function kindOf(k: KernelState, path: string): number {
  if (path === '/dev/zero') return FS_ZERO;
  const sb = superblockOf(k, path);
  if (sb !== k.rootSb) return k.m.sb.kind[sb]!;
  if (path === '/dev/null' || path === '/dev/full' || path === '/dev/tty') return FS_NO_MMAP;
  if (/^\/dev\/(pts|u?random|console|ptmx|tty)/.test(path)) return FS_NO_MMAP;
  if (below(path, '/proc') || below(path, '/sys')) return FS_NO_MMAP;
  if (below(path, '/dev')) return FS_OPAQUE;
  return FS_DISK;
}

/** A new inode for a path; its name and link are in place, its size is zero. */
export function makeInode(k: KernelState, t: TaskRow, path: string, kind: number): InodeRow {
  const { m } = k;
  const inode = newRow(m.inode);
  m.inode.kind[inode] = kind;
  m.inode.sb[inode] = superblockOf(k, path);
  m.inode.nlink[inode] = 1;
  m.inode.mode[inode] = 0o100666;
  m.inode.uid[inode] = m.task.euid[t]!;
  m.inode.ino[inode] = k.nextIno++;
  m.inode.name[inode] = internName(m, path);
  if (kind === FS_SHMEM) {
    m.inode.seals[inode] = F_SEAL_SEAL;
    m.inode.flags[inode] = INODE_NORESERVE | shmemLargeFolios(m, m.inode.sb[inode]!);
  }
  k.names.set(path, inode);
  return inode;
}

/** Size of a file of unknown size: no access lies behind its end. */
const UNKNOWN_SIZE = 2 ** 40;

/** The inode of a path as an strace log or a caller knows it; made if it is not there. */
export function ensureInode(
  k: KernelState,
  t: TaskRow,
  path: string,
  kind: number,
  size: number | undefined,
): InodeRow {
  const known = k.names.get(path);
  if (known !== undefined && k.m.inode.kind[known] === kind) return known;
  const inode = makeInode(k, t, path, kind);
  if (size === undefined) k.m.inode.flags[inode] = k.m.inode.flags[inode]! | INODE_SIZE_UNKNOWN;
  k.m.inode.size[inode] = size ?? UNKNOWN_SIZE;
  return inode;
}

/** An inode for a directory, a device or a pipe: it has no pages. */
export function plainInode(k: KernelState, path: string, directory: boolean): InodeRow {
  const known = k.names.get(path);
  if (known !== undefined) return known;
  const { m } = k;
  const inode = newRow(m.inode);
  m.inode.kind[inode] = FS_NO_MMAP;
  m.inode.sb[inode] = superblockOf(k, path);
  m.inode.nlink[inode] = 1;
  m.inode.flags[inode] = directory ? INODE_DIRECTORY : 0;
  m.inode.mode[inode] = directory ? 0o40755 : 0o20666;
  m.inode.ino[inode] = k.nextIno++;
  m.inode.name[inode] = internName(m, path);
  if (path.startsWith('/')) k.names.set(path, inode);
  else m.inode.nlink[inode] = 0;
  return inode;
}

/**
 * The rights that open(2) flags ask for, as FMODE_READ and FMODE_WRITE. Access mode 3 asks for both
 * and gives neither. Source: include/linux/fs.h ACC_MODE(), OPEN_FMODE(), 6.18.
 */
export function rightsOf(flags: number): number {
  return (flags & O_ACCMODE) === O_ACCMODE ? FMODE_READ | FMODE_WRITE : modeOf(flags);
}

/** FMODE_* that a description opened with these flags has. */
export function modeOf(flags: number): number {
  if ((flags & O_PATH) !== 0) return FMODE_PATH;
  const access = flags & O_ACCMODE;
  const rw =
    access === O_RDWR
      ? FMODE_READ | FMODE_WRITE
      : access === O_WRONLY
        ? FMODE_WRITE
        : access === 0
          ? FMODE_READ
          : 0;
  return rw | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
}

/** A description of `inode`; what F_GETFL shows is without the flags that only open(2) obeys. */
export function describe(k: KernelState, inode: InodeRow, path: string, flags: number): FileRow {
  const kept = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
  return newFile(k.m, inode, modeOf(flags), kept, internName(k.m, path));
}

/**
 * A name of an inode became another, or went: descriptions that were opened by it follow, as
 * d_path() shows (fs/d_path.c, 6.18).
 */
export function renameOpen(k: KernelState, inode: InodeRow, from: string, to: string): void {
  const { m } = k;
  const old = internName(m, from);
  for (let file = 1; file < m.file.used; file++) {
    if (m.file.refs[file]! > 0 && m.file.inode[file] === inode && m.file.name[file] === old) {
      m.file.name[file] = internName(m, to);
    }
  }
}

/** Takes a name away; an inode without names and holders goes with its pages. */
export function removeName(k: KernelState, path: string): number {
  const inode = k.names.get(path);
  if (inode === undefined) return -ENOENT;
  k.names.delete(path);
  const { m } = k;
  // Without any name all its descriptions are shown as deleted (vmaName()).
  if (m.inode.nlink[inode]! > 1) renameOpen(k, inode, path, `${path}${DELETED}`);
  inodeGet(m, inode);
  m.inode.nlink[inode]!--;
  inodePut(m, inode);
  return 0;
}

/** Mounts a superblock at `path`. */
export function mountAt(k: KernelState, path: string, sb: Row): void {
  k.mounts.push({ path, sb });
  k.directories.add(path);
}

/** A superblock whose files are neither mapped nor executed: procfs, sysfs, pipefs and their like. */
export function newPseudo(k: KernelState, name: string): Row {
  const { m } = k;
  const sb = newRow(m.sb);
  m.sb.kind[sb] = FS_NO_MMAP;
  m.sb.noexec[sb] = 1;
  m.sb.name[sb] = internName(m, name);
  return sb;
}

/** A tmpfs superblock. */
export function newTmpfs(k: KernelState, path: string, huge: number, maxBlocks: number): Row {
  const { m } = k;
  const sb = newRow(m.sb);
  m.sb.kind[sb] = FS_SHMEM;
  m.sb.huge[sb] = huge;
  m.sb.maxBlocks[sb] = maxBlocks;
  m.sb.name[sb] = internName(m, path);
  return sb;
}

/** Takes the topmost mount at `path` away; its names go. */
export function unmountAt(k: KernelState, path: string): void {
  let at = k.mounts.length - 1;
  while (at >= 0 && k.mounts[at]!.path !== path) at--;
  const sb = k.mounts[at]!.sb;
  for (const [name, inode] of [...k.names]) {
    if (k.m.inode.sb[inode] === sb) removeName(k, name);
  }
  k.mounts.splice(at, 1);
  freeRow(k.m.sb, sb);
}
