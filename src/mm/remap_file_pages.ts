/**
 * remap_file_pages(2), which is emulated by a mapping over the old one.
 * Source: mm/mmap.c SYSCALL remap_file_pages, 6.18.
 */
import {
  EINVAL,
  type Errno,
  type FileRow,
  type TaskRow,
  type U64,
  type Vpn,
  word,
} from '../base/index.ts';
import { fileGet, filePut } from './file.ts';
import { INODE_SHM_DEST } from './fs_types.ts';
import { mmPopulate } from './gup.ts';
import type { Machine } from './mm_types.ts';
import {
  MAP_FIXED,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_POPULATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  wrapAdd,
} from './mman.ts';
import { doMmap, type MmapRequest } from './mmap.ts';
import { doMunmap } from './munmap.ts';
import { VM_EXEC, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { vmaLookup } from './vma_tree.ts';

/**
 * A SysV segment under IPC_RMID whose attachments all lie in the range: what is replaced is unmapped
 * first, the segment goes with it, and the new mapping finds it gone (ipc/shm.c shm_mmap()).
 */
function losesSegment(m: Machine, file: FileRow, start: Vpn, end: Vpn): boolean {
  const inode = m.file.inode[file]!;
  if ((m.inode.flags[inode]! & INODE_SHM_DEST) === 0) return false;
  for (let v = m.inode.firstVma[inode]!; v !== 0; v = m.vma.shareNext[v]!) {
    if (m.vma.start[v]! < start || m.vma.end[v]! > end) return false;
  }
  return true;
}

export function sysRemapFilePages(
  m: Machine,
  task: TaskRow,
  addr: U64,
  size: U64,
  prot: U64,
  pgoff: U64,
  flagsWord: U64,
): Errno {
  if (prot.hi !== 0 || prot.lo !== 0) return -EINVAL;
  const start = word.pageOf(addr);
  const pages = word.pageOf(size);
  const end = wrapAdd(start, pages);
  if (end <= start) return -EINVAL;
  if (word.compare(word.add(pgoff, word.fromNumber(pages)), pgoff) < 0) return -EINVAL;
  const mm = m.task.mm[task]!;
  const v = vmaLookup(m, mm, start);
  if (v === 0 || (m.vma.flags[v]! & VM_SHARED) === 0) return -EINVAL;
  const vm = m.vma.flags[v]!;
  const file = m.vma.file[v]!;
  let at = m.vma.end[v]!;
  for (let next = m.vma.next[v]!; at < end; next = m.vma.next[next]!) {
    const same = next !== 0 && m.vma.start[next] === at;
    const alike = m.vma.flags[next] === vm && m.vma.flags2[next] === m.vma.flags2[v];
    if (!same || m.vma.file[next] !== file || !alike) return -EINVAL;
    at = m.vma.end[next]!;
  }
  if (losesSegment(m, file, start, end)) {
    const error = doMunmap(m, mm, start, pages);
    return error !== 0 ? error : -EINVAL;
  }
  const request: MmapRequest = {
    addr: word.fromPage(start),
    len: word.fromPage(pages),
    prot:
      ((vm & VM_READ) !== 0 ? PROT_READ : 0) |
      ((vm & VM_WRITE) !== 0 ? PROT_WRITE : 0) |
      ((vm & VM_EXEC) !== 0 ? PROT_EXEC : 0),
    flags:
      (flagsWord.lo & MAP_NONBLOCK) |
      MAP_SHARED |
      MAP_FIXED |
      MAP_POPULATE |
      ((vm & VM_LOCKED) !== 0 ? MAP_LOCKED : 0),
    highFlags: false,
    file,
    pgoff: word.toNumber(pgoff),
    populate: 0,
  };
  fileGet(m, file);
  const mapped = doMmap(m, task, request);
  filePut(m, file);
  if (mapped < 0) return mapped;
  if (request.populate !== 0) mmPopulate(m, task, mapped, mapped + request.populate, true);
  return 0;
}
