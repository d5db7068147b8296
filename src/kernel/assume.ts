/**
 * What a log tells and the model cannot derive: descriptors at given numbers, files of unknown size.
 */
import type { FileRow, InodeRow, TaskRow, Vpn } from '../base/index.ts';
import {
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  FS_NO_MMAP,
  FS_OPAQUE,
  FS_SHMEM,
  INODE_SIZE_UNKNOWN,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_LARGEFILE,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
} from '../mm/fs_types.ts';
import { truncateSetsize } from '../mm/truncate.ts';
import { VM_UFFD_MISSING } from '../mm/vm_flags.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';
import { fileOf, installAt, tableOf } from './fd_table.ts';
import { describe, ensureInode, kindOf, makeInode, plainInode, removeName } from './namespace.ts';
import type { KernelState } from './state.ts';
import { setRange } from './uffd_range.ts';

export interface AssumedFile {
  /** FS_*; by default what the path tells. */
  readonly kind?: number;
  /** Bytes; unknown by default. */
  readonly size?: number;
  readonly cloexec?: boolean;
}

/** Anonymous inodes without an mmap operation; io_uring, perf events, bpf maps have one. */
const NO_MMAP =
  /^anon_inode:\[?(eventfd|eventpoll|timerfd|signalfd|inotify|pidfd|userfaultfd|fanotify)/;

/** strace -y names what has no path as "pipe:[123]", "anon_inode:[eventfd]", "socket:[7]". */
function kindByName(k: KernelState, path: string): number {
  if (path.startsWith('anon_inode:')) return NO_MMAP.test(path) ? FS_NO_MMAP : FS_OPAQUE;
  if (!path.startsWith('/')) return FS_NO_MMAP;
  if (path.startsWith('/memfd:') || path.startsWith('/SYSV')) return FS_SHMEM;
  if (k.directories.has(path)) return FS_NO_MMAP;
  return kindOf(k, path.replace(/ ?\(deleted\)$/, ''));
}

/** O_TMPFILE: an empty file without a name, in the directory's file system. */
function assumeTmpfile(
  k: KernelState,
  t: TaskRow,
  fd: number,
  dir: string,
  flags: number,
): FileRow {
  const path = `${dir}/#${k.nextIno}`;
  const inode = makeInode(k, t, path, kindOf(k, path));
  const file = describe(k, inode, path, flags | O_LARGEFILE);
  removeName(k, path);
  installAt(k, t, fd, file, (flags & O_CLOEXEC) !== 0);
  return file;
}

/** Installs descriptor `fd` as open on `path`, whatever was there. */
export function assumeOpen(
  k: KernelState,
  t: TaskRow,
  fd: number,
  path: string,
  flags: number,
  assumed: AssumedFile,
): FileRow {
  if ((flags & O_TMPFILE) === O_TMPFILE) return assumeTmpfile(k, t, fd, path, flags);
  const kind = assumed.kind ?? kindByName(k, path);
  const created = (flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL);
  if (created && k.names.has(path)) removeName(k, path);
  const fresh = created || (flags & O_TRUNC) !== 0;
  const size = assumed.size ?? (fresh ? 0 : undefined);
  const inode =
    kind === FS_NO_MMAP ? plainInode(k, path, false) : ensureInode(k, t, path, kind, size);
  if ((flags & O_TRUNC) !== 0 && kind !== FS_NO_MMAP) sizeKnown(k, inode, 0);
  const file = describe(k, inode, path, flags | O_LARGEFILE);
  installAt(k, t, fd, file, assumed.cloexec ?? (flags & O_CLOEXEC) !== 0);
  // What is written to a file of /proc or /sys takes effect.
  if (/^\/(proc|sys)\//.test(path)) k.special.set(file, { kind: 'file', path });
  return file;
}

/** The log tells a file's size. */
export function sizeKnown(k: KernelState, inode: InodeRow, bytes: number): void {
  k.m.inode.flags[inode] = k.m.inode.flags[inode]! & ~INODE_SIZE_UNKNOWN;
  truncateSetsize(k.m, inode, bytes);
}

/** Something wrote to a file that the model did not see: its size is not known any more. */
export function sizeLost(k: KernelState, file: FileRow): void {
  const inode = k.m.file.inode[file]!;
  const kind = k.m.inode.kind[inode];
  if (kind !== FS_DISK && kind !== FS_SHMEM) return;
  k.m.inode.flags[inode] = k.m.inode.flags[inode]! | INODE_SIZE_UNKNOWN;
}

/** Can this description be mapped so? What a log shows to succeed can. */
function suits(k: KernelState, file: FileRow, shared: boolean, write: boolean): boolean {
  const { m } = k;
  const mode = m.file.mode[file]!;
  if ((mode & FMODE_READ) === 0 || (shared && write && (mode & FMODE_WRITE) === 0)) return false;
  return m.inode.kind[m.file.inode[file]!] !== FS_NO_MMAP;
}

/**
 * The description of `fd` for a mapping. Where a log uses one that was inherited, or one that calls
 * which the log does not show have replaced, a file of unknown size.
 */
export function fileForMap(
  k: KernelState,
  t: TaskRow,
  fd: number,
  shared: boolean,
  write: boolean,
): FileRow {
  const file = fileOf(k, t, fd);
  if (k.observed === undefined || k.observed.errno !== undefined || fd < 0) return file;
  if (file !== 0 && suits(k, file, shared, write)) return file;
  return assumeOpen(k, t, fd, `/inherited/${k.nextIno}`, O_RDWR, { kind: FS_DISK });
}

/** Registers the mappings of [start, end) for missing pages with the task's userfaultfd, if any. */
export function assumeRegistered(k: KernelState, t: TaskRow, start: Vpn, end: Vpn): boolean {
  const { m } = k;
  const open = tableOf(k, t).entries.flatMap((e) => {
    const special = e === undefined ? undefined : k.special.get(e.file);
    return special?.kind === 'uffd' ? [special.context] : [];
  });
  const context = open[0];
  if (context === undefined) return false;
  const mm = m.task.mm[t]!;
  const first = findVmaIntersection(m, mm, start, end);
  return first !== 0 && setRange(m, mm, first, { start, end }, context, VM_UFFD_MISSING, 0) === 0;
}
