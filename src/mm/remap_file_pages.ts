/**
 * remap_file_pages(2), which is emulated by a mapping over the old one.
 * Source: mm/mmap.c SYSCALL remap_file_pages, 6.18.
 */
import { EINVAL, type Errno, type TaskRow, type U64, word } from '../base/index.ts';
import { fileGet, filePut } from './file.ts';
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
import { VM_EXEC, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { vmaLookup } from './vma_tree.ts';

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
    if (!same || m.vma.file[next] !== file || m.vma.flags[next] !== vm) return -EINVAL;
    at = m.vma.end[next]!;
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
