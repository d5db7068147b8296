/**
 * mmap(2): checks in the kernel's order, the flags of the VMA to be, the mapping itself.
 * Source: mm/mmap.c do_mmap(), ksys_mmap_pgoff(), mm/vma.c mmap_region(), 6.18.
 */
import {
  EACCES,
  EAGAIN,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  type Errno,
  type FileRow,
  mod,
  type Pages,
  PMD_PAGES,
  type TaskRow,
  type U64,
  type Vpn,
  word,
} from '../base/index.ts';
import { filePut } from './file.ts';
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_WRITE,
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  FS_HUGETLB,
  FS_NO_MMAP,
  FS_SECRET,
  FS_SHMEM,
  INODE_DIRECTORY,
} from './fs_types.ts';
import { getUnmappedArea } from './get_unmapped_area.ts';
import { mmPopulate } from './gup.ts';
import { hugetlbFileSetup, hugetlbPages } from './hugetlb.ts';
import type { Machine } from './mm_types.ts';
import {
  isPageAligned,
  LEGACY_MAP_MASK,
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_SYNC,
  MAP_TYPE,
  OVERCOMMIT_NEVER,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  pagesAligned,
} from './mman.ts';
import { mmapRegion } from './mmap_region.ts';
import { canDoMlock, mlockFutureOk } from './util.ts';
import {
  VM_DONTDUMP,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_READ,
  VM_SHARED,
  VM_SYNC,
  VM_WIPEONFORK,
  VM_WRITE,
  VM2_DROPPABLE,
} from './vm_flags.ts';
import { mmapMinVpn } from './vma.ts';
import { findVmaIntersection } from './vma_tree.ts';

export interface MmapArgs {
  readonly addr: U64;
  readonly len: U64;
  readonly prot: U64;
  readonly flags: U64;
  /** Open description; 0 with MAP_ANONYMOUS; the negative errno that looking at the fd gave. */
  readonly file: FileRow | Errno;
  readonly offset: U64;
}

/** What do_mmap() is asked for. */
export interface MmapRequest {
  readonly addr: U64;
  readonly len: U64;
  readonly prot: number;
  readonly flags: number;
  /** Some flag above bit 31 is set: no legacy flag. */
  readonly highFlags: boolean;
  readonly file: FileRow;
  readonly pgoff: number;
  /** Out: pages from the result on that the caller has to populate. */
  populate: Pages;
}

/** calc_vm_prot_bits(). */
export function vmProtBits(prot: number): number {
  return (
    ((prot & PROT_READ) !== 0 ? VM_READ : 0) |
    ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) |
    ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0)
  );
}

/** calc_vm_flag_bits(). */
function vmFlagBits(m: Machine, flags: number): number {
  return (
    ((flags & MAP_GROWSDOWN) !== 0 ? VM_GROWSDOWN : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0) |
    ((flags & MAP_SYNC) !== 0 ? VM_SYNC : 0) |
    ((flags & MAP_STACK) !== 0 && m.release.stackNohuge ? VM_NOHUGEPAGE : 0)
  );
}

/** Largest page offset and length together: MAX_LFS_FILESIZE for a file, all for devices. */
const MAX_FILE_PAGES = 2251799813685247;
const MAX_OTHER_PAGES = 4503599627370495;

/** Flags of a VMA as they are put together; several checks change them on the way. */
interface VmFlags {
  flags: number;
  flags2: number;
}

/** path_noexec(): what a file system mounted so holds, or of secretmem, is never executed. */
function noexec(m: Machine, file: FileRow): boolean {
  const inode = m.file.inode[file]!;
  return m.inode.kind[inode] === FS_SECRET || m.sb.noexec[m.inode.sb[inode]!] === 1;
}

/** The rules for a file mapping. Source: do_mmap(), memfd_check_seals_mmap(). */
function fileFlags(m: Machine, r: MmapRequest, flags: number, pages: Pages, vm: VmFlags): Errno {
  const inode = m.file.inode[r.file]!;
  const mode = m.file.mode[r.file]!;
  const directory = (m.inode.flags[inode]! & INODE_DIRECTORY) !== 0;
  const kind = m.inode.kind[inode]!;
  const regular = kind === FS_SHMEM || kind === FS_DISK || kind === FS_SECRET;
  const limit = regular || kind === FS_HUGETLB ? MAX_FILE_PAGES : MAX_OTHER_PAGES;
  if (r.pgoff > limit - pages) return -EOVERFLOW;
  const sync = kind === FS_DISK ? MAP_SYNC : 0;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if (r.highFlags || (flags & ~(LEGACY_MAP_MASK | sync)) !== 0) return -EOPNOTSUPP;
      break;
    case MAP_SHARED:
    case MAP_PRIVATE:
      break;
    default:
      return -EINVAL;
  }
  if ((flags & MAP_SHARED) !== 0) {
    const writable = (mode & FMODE_WRITE) !== 0;
    if ((r.prot & PROT_WRITE) !== 0 && !writable) return -EACCES;
    vm.flags |= VM_SHARED | VM_MAYSHARE;
    if (!writable) vm.flags &= ~(VM_MAYWRITE | VM_SHARED);
  }
  if ((mode & FMODE_READ) === 0) return -EACCES;
  if (noexec(m, r.file)) {
    if ((vm.flags & VM_EXEC) !== 0) return -EPERM;
    vm.flags &= ~VM_MAYEXEC;
  }
  if (kind === FS_NO_MMAP || directory) return -ENODEV;
  if ((vm.flags & VM_GROWSDOWN) !== 0) return -EINVAL;
  const sealed = (m.inode.seals[inode]! & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
  if (sealed && (vm.flags & VM_SHARED) !== 0) {
    if ((vm.flags & VM_WRITE) !== 0) return -EPERM;
    vm.flags &= ~VM_MAYWRITE;
  }
  return 0;
}

function anonFlags(m: Machine, r: MmapRequest, vm: VmFlags): Errno {
  const grows = (vm.flags & VM_GROWSDOWN) !== 0;
  switch (r.flags & MAP_TYPE) {
    case MAP_SHARED:
      if (grows) return -EINVAL;
      vm.flags |= VM_SHARED | VM_MAYSHARE;
      return 0;
    case MAP_DROPPABLE:
      if (!m.release.droppable) return -EINVAL;
      if ((r.flags & (MAP_LOCKED | MAP_HUGETLB)) !== 0 || grows) return -EINVAL;
      vm.flags2 |= VM2_DROPPABLE;
      vm.flags |= VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
      return 0;
    case MAP_PRIVATE:
      return 0;
    default:
      return -EINVAL;
  }
}

/** round_hint_to_min(): a hint below mmap_min_addr is raised to it; below one page it is none. */
function roundHint(m: Machine, hint: Vpn): Vpn {
  return hint === 0 ? 0 : Math.max(hint, mmapMinVpn(m));
}

/** do_mmap(). Returns the first page of the mapping or -errno; `r.populate` says what is left. */
export function doMmap(m: Machine, task: TaskRow, r: MmapRequest): Vpn | Errno {
  const mm = m.task.mm[task]!;
  if (r.len.hi === 0 && r.len.lo === 0) return -EINVAL;
  let { flags } = r;
  const readable = (r.prot & PROT_READ) !== 0 && m.task.readExec[task] !== 0;
  const implied = readable && (r.file === 0 || !noexec(m, r.file)) ? PROT_EXEC : 0;
  const prot = r.prot | implied;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0) flags |= MAP_FIXED;
  const fixed = (flags & MAP_FIXED) !== 0;
  const asked = word.pageOf(r.addr);
  const hint = fixed ? asked : roundHint(m, asked);
  const pages = pagesAligned(r.len);
  if (pages === 0) return -ENOMEM;
  if (m.mm.mapCount[mm]! > m.settings.maxMapCount) return -ENOMEM;

  const vm: VmFlags = {
    flags:
      vmProtBits(prot) |
      vmFlagBits(m, flags) |
      (m.mm.defFlags[mm]! & ~VM_MERGEABLE) |
      VM_MAYREAD |
      VM_MAYWRITE |
      VM_MAYEXEC,
    flags2: 0,
  };
  const offset = fixed ? word.offsetOf(r.addr) : 0;
  const at = getUnmappedArea(m, task, r.file, hint, pages, r.pgoff, flags, offset);
  if (at < 0) return at;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && findVmaIntersection(m, mm, at, at + pages) !== 0) {
    return -EEXIST;
  }
  if ((flags & MAP_LOCKED) !== 0 && !canDoMlock(m, task)) return -EPERM;
  if (!mlockFutureOk(m, task, vm.flags, pages)) return -EAGAIN;

  let pgoff = r.pgoff;
  let error: Errno;
  if (r.file !== 0) {
    error = fileFlags(m, r, flags, pages, vm);
  } else {
    error = anonFlags(m, r, vm);
    pgoff = (flags & MAP_TYPE) === MAP_SHARED ? 0 : at;
  }
  if (error !== 0) return error;
  if ((flags & MAP_NORESERVE) !== 0) {
    const hugetlb = r.file !== 0 && m.inode.kind[m.file.inode[r.file]!] === FS_HUGETLB;
    if (m.settings.overcommitMemory !== OVERCOMMIT_NEVER || hugetlb) vm.flags |= VM_NORESERVE;
  }

  const mapped = mmapRegion(m, task, {
    start: at,
    pages,
    pgoff,
    flags: vm.flags,
    flags2: vm.flags2,
    file: r.file,
  });
  if (mapped < 0) return mapped;
  const wants = (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE;
  if ((vm.flags & VM_LOCKED) !== 0 || wants) r.populate = pages;
  return at;
}

/**
 * mmap(2). Returns the first page or -errno. Errors of populating are nobody's business.
 * Source: arch/x86/kernel/sys_x86_64.c, mm/mmap.c ksys_mmap_pgoff(), mm/util.c vm_mmap_pgoff().
 */
export function sysMmap(m: Machine, task: TaskRow, a: MmapArgs): Vpn | Errno {
  if (!isPageAligned(a.offset)) return -EINVAL;
  const flags = a.flags.lo | 0;
  let { len } = a;
  let file = 0;
  let own = 0;
  if ((flags & MAP_ANONYMOUS) === 0) {
    if (a.file < 0) return a.file;
    file = a.file;
    if (m.inode.kind[m.file.inode[file]!] === FS_HUGETLB) len = alignHuge(len);
    else if ((flags & MAP_HUGETLB) !== 0) return -EINVAL;
  } else if ((flags & MAP_HUGETLB) !== 0) {
    const size = hugetlbPages(m, flags);
    if (size < 0) return size;
    if (m.unmodelled !== '') return -ENOMEM;
    len = alignHuge(len);
    own = hugetlbFileSetup(m, task, pagesAligned(len));
    if (own < 0) return own;
    file = own;
  }
  const request: MmapRequest = {
    addr: a.addr,
    len,
    prot: a.prot.lo | 0,
    flags,
    highFlags: a.flags.hi !== 0,
    file,
    pgoff: word.pageOf(a.offset),
    populate: 0,
  };
  const at = doMmap(m, task, request);
  if (own !== 0) filePut(m, own);
  if (at >= 0 && request.populate !== 0) mmPopulate(m, task, at, at + request.populate, true);
  return at;
}

/** ALIGN(len, 2 MiB), wrapping as an unsigned long does. */
function alignHuge(len: U64): U64 {
  const bytes = PMD_PAGES * 4096;
  return word.add(len, word.fromNumber(mod(-(len.lo % bytes), bytes)));
}
