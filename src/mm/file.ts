/**
 * Open file descriptions as mappings hold them, and the kernel's own tmpfs objects: shared
 * anonymous memory, memfd, SysV segments (mm/shmem.c __shmem_file_setup(), 6.18).
 */
import {
  assert,
  type Bytes,
  type FileRow,
  freeRow,
  type InodeRow,
  newRow,
  PAGE_SIZE,
  type TaskRow,
} from '../base/index.ts';
import {
  CAP_DAC_OVERRIDE,
  FMODE_LSEEK,
  FMODE_PATH,
  FMODE_PREAD,
  FMODE_PWRITE,
  FMODE_READ,
  FMODE_WRITE,
  FS_SHMEM,
  INODE_DA_ALLOC_CLOSE,
  INODE_NORESERVE,
  O_RDWR,
} from './fs_types.ts';
import { internName, type Machine } from './mm_types.ts';
import { shmemLargeFolios } from './shmem.ts';
import { evictInode } from './truncate.ts';
import { capable, vmEnoughMemory, vmUnacctMemory } from './util.ts';
import { allocDelayedBlocks } from './writeback.ts';

/** Inode numbers of objects without a name: any that differ. */
export const FIRST_INO = 1024;

export function fileGet(m: Machine, file: FileRow): void {
  m.file.refs[file]!++;
}

/** Drops a reference to a description; the last one releases its inode (fput). */
export function filePut(m: Machine, file: FileRow): void {
  const left = --m.file.refs[file]!;
  assert(left >= 0, 'a file is put as often as it was got');
  if (left !== 0) return;
  const inode = m.file.inode[file]!;
  const mode = m.file.mode[file]!;
  if ((mode & FMODE_WRITE) !== 0) m.inode.writers[inode]!--;
  // ext4_release_file(); a description of a path alone has no file operations.
  const isReleased = (mode & FMODE_PATH) === 0;
  if (isReleased && (m.inode.flags[inode]! & INODE_DA_ALLOC_CLOSE) !== 0) {
    m.inode.flags[inode] = m.inode.flags[inode]! & ~INODE_DA_ALLOC_CLOSE;
    allocDelayedBlocks(m, inode);
  }
  freeRow(m.file, file);
  inodePut(m, inode);
}

/** An open description of an inode, with one reference: the caller's. */
export function newFile(
  m: Machine,
  inode: InodeRow,
  mode: number,
  flags: number,
  name: number,
): FileRow {
  const file = newRow(m.file);
  m.file.inode[file] = inode;
  m.file.refs[file] = 1;
  m.file.mode[file] = mode;
  m.file.flags[file] = flags;
  m.file.name[file] = name;
  inodeGet(m, inode);
  if ((mode & FMODE_WRITE) !== 0) m.inode.writers[inode]!++;
  return file;
}

export function inodeGet(m: Machine, inode: InodeRow): void {
  m.inode.refs[inode]!++;
}

/** iput(): an inode without name and holder loses its pages, its commit charge and its row. */
export function inodePut(m: Machine, inode: InodeRow): void {
  const left = --m.inode.refs[inode]!;
  assert(left >= 0, 'an inode is put as often as it was got');
  if (left !== 0 || m.inode.nlink[inode] !== 0) return;
  evictInode(m, inode);
  vmUnacctMemory(m, m.inode.charged[inode]!);
  freeRow(m.inode, inode);
}

/**
 * An unlinked tmpfs object of the internal mount and its description. Unless NORESERVE, its whole
 * size is committed at once; -ENOMEM when that is refused.
 */
export function shmemFileSetup(
  m: Machine,
  task: TaskRow,
  name: string,
  size: Bytes,
  inodeFlags: number,
): FileRow {
  const pages = Math.ceil(size / PAGE_SIZE);
  const charged = (inodeFlags & INODE_NORESERVE) !== 0 ? 0 : pages;
  if (charged !== 0) {
    const error = vmEnoughMemory(m, task, m.task.mm[task]!, charged);
    if (error !== 0) return error;
  }
  const inode = newRow(m.inode);
  const cols = m.inode;
  cols.kind[inode] = FS_SHMEM;
  cols.sb[inode] = m.shmMount;
  cols.size[inode] = size;
  cols.flags[inode] = inodeFlags | shmemLargeFolios(m, m.shmMount);
  cols.charged[inode] = charged;
  cols.mode[inode] = 0o100777;
  cols.ino[inode] = FIRST_INO + inode;
  cols.uid[inode] = m.task.euid[task]!;
  const id = internName(m, name);
  cols.name[inode] = id;
  const mode = FMODE_READ | FMODE_WRITE | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
  return newFile(m, inode, mode, O_RDWR, id);
}

/** inode_owner_or_capable(), or file_permission(MAY_WRITE): the owner, or who could open it so. */
export function mayWriteFile(m: Machine, task: TaskRow, inode: InodeRow): boolean {
  if (m.inode.uid[inode] === m.task.euid[task] || capable(m, task, CAP_DAC_OVERRIDE)) return true;
  return (m.inode.mode[inode]! & 0o002) !== 0;
}
