/** `faultline kernels`: what is modelled, and in which rules each kernel differs from the default. */

import { DEFAULT_KERNEL, findKernel, KERNELS } from '../mm/release.ts';
import type { Release } from '../mm/release_types.ts';

export interface KernelEntry {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly default: boolean;
  /** Rules in which it differs from the default kernel, in words. */
  readonly differs: readonly string[];
}

/** What is no rule, and finish_fault(), which has its own. */
type Rule = Exclude<keyof Release, 'name' | 'title' | 'source' | 'isVariant' | 'finishFault'>;

/** Every rule of Release in words: what it is where the field has this value. */
const WORDS: { readonly [K in Rule]: (value: Release[K]) => string } = {
  faultAroundWhole: (on) =>
    on ? 'fault-around maps large folios whole' : 'fault-around maps its window only',
  shmemPerSize: (on) =>
    on ? 'per-size shmem_enabled' : 'no per-size shmem_enabled: shmem huge at 2 MiB only',
  withinSizeByOrder: (on) =>
    on ? 'within_size rounds the index to the order (a slip)' : 'within_size rounds to the size',
  tmpfsWriteOrders: (mask) =>
    mask === 1 << 9 ? 'write() on huge tmpfs: 2 MiB only' : 'write() on huge tmpfs: any order',
  shmemShrinks: (rule) =>
    rule === 'pages'
      ? 'a full tmpfs splits folios at the ends of files until the pages suffice'
      : `a full tmpfs splits ${rule} of the folios at the ends of files`,
  thpAlign: (rule) =>
    ({
      never: 'anonymous mmap not aligned to 2 MiB',
      'from-2M': 'anonymous mmap aligned to 2 MiB from 2 MiB on',
      multiple: 'anonymous mmap aligned if a multiple of 2 MiB, with a hint too',
      'multiple-no-hint': 'anonymous mmap aligned if a multiple of 2 MiB without hint',
    })[rule],
  wpReuseLarge: (on) => (on ? 'reuses large folios on write' : 'copies from large folios on write'),
  hugeZeroWriteAllocates: (on) =>
    on ? 'write to the huge zero page makes a THP' : 'write to the huge zero page splits it',
  splitDropsZeroes: (on) =>
    on ? 'a split maps zero pages for zeroes' : 'a split keeps zero-filled pages',
  splitNonUniform: (on) =>
    on ? 'file folios are split around the hole' : 'file folios are split to single pages',
  ptReclaim: (on) => (on ? 'MADV_DONTNEED frees page tables' : 'MADV_DONTNEED keeps page tables'),
  guardRegions: (where) =>
    where === 'none'
      ? 'no guard regions'
      : `guard regions in ${where === 'any' ? 'any' : 'anonymous'} memory`,
  mremapMany: (on) => (on ? 'mremap moves several VMAs' : 'mremap moves one VMA'),
  readPteDirty: (on) =>
    on ? 'read faults map dirty folios dirty' : 'read faults map shared pages clean',
  prctlExceptAdvised: (on) =>
    on ? 'PR_THP_DISABLE_EXCEPT_ADVISED' : 'no PR_THP_DISABLE_EXCEPT_ADVISED',
  setPmdHonoursNohuge: (on) =>
    on ? 'PMD mapping honours MADV_NOHUGEPAGE' : 'PMD mapping ignores MADV_NOHUGEPAGE',
  ext4HoleUnmapsAll: (on) =>
    on
      ? 'a hole in the first bytes of an ext4 file unmaps what lies behind'
      : 'a hole in the first bytes of an ext4 file unmaps nothing',
  sharedByMms: (on) =>
    on ? 'a folio is shared by who maps it' : 'a folio is shared by how often it is mapped',
  collapseAsksShmemSize: (on) =>
    on
      ? 'MADV_COLLAPSE of shared memory asks for the 2 MiB setting'
      : 'MADV_COLLAPSE of shared memory needs no setting',
  selfTakesAnyAdvice: (on) =>
    on
      ? 'process_madvise takes any advice about oneself'
      : 'process_madvise takes the same advice about oneself as about others',
  pidfdSelf: (on) => (on ? 'PIDFD_SELF' : 'no PIDFD_SELF'),
  perfmonMayAccess: (on) =>
    on ? 'CAP_PERFMON opens the memory of others' : 'CAP_PERFMON opens no memory',
  pidfdThreadIsNoent: (on) =>
    on ? 'pidfd_open of a thread is ENOENT' : 'pidfd_open of a thread is EINVAL',
  fileLargeFolios: (on) => (on ? 'large folios in ext4 files' : 'small folios in ext4 files'),
  execReadahead: (on) =>
    on ? 'readahead of code stays in its VMA' : 'readahead of code like of data',
  diskRequestPages: (pages) => `a disk reads at most ${pages * 4} kB at once`,
  lacks: (what) => (what.length === 0 ? 'lacks nothing' : `no ${what.join(', ')}`),
  kpageflagsOfFolio: (on) =>
    on ? "kpageflags are the folio's" : "kpageflags of a tail are the tail's own",
  pagemapHugeZeroFile: (on) =>
    on
      ? 'pagemap calls the huge zero folio a file'
      : 'pagemap does not call the huge zero folio a file',
  splitUnmapsPmd: (on) =>
    on ? 'a split takes a PMD mapping at once' : 'a split takes a PMD mapping page by page',
  readMovesAtEnd: (on) =>
    on ? 'readahead knows of a read at its end' : 'readahead knows of a read with each piece of it',
  fileFaultsUnderVmaLock: (on) =>
    on
      ? 'a fault that waits for a cached page is minor'
      : 'a fault that waits for a cached page is major',
  collapseMindsUffd: (on) =>
    on
      ? 'MADV_COLLAPSE minds userfaultfd'
      : 'MADV_COLLAPSE of shared memory does not mind userfaultfd',
  lockonfaultIsNamed: (on) =>
    on ? 'smaps says "lf" of a lock on fault' : 'smaps says "??" of a lock on fault',
  mprotectUnaccounts: (on) =>
    on
      ? 'mprotect gives back the account of untouched memory'
      : 'mprotect keeps the account of memory',
  stackNohuge: (on) =>
    on ? 'MAP_STACK has no huge pages' : 'MAP_STACK has huge pages like other memory',
  uffdPreparesFirst: (on) =>
    on
      ? 'UFFDIO_COPY prepares a mapping before it asks if it is registered'
      : 'UFFDIO_COPY touches no mapping that is not registered',
  populateTriesAgain: (on) =>
    on ? 'MADV_POPULATE counts a read as major' : 'MADV_POPULATE counts a read as minor',
  uffdWpManyVmas: (on) =>
    on ? 'UFFDIO_WRITEPROTECT over several VMAs' : 'UFFDIO_WRITEPROTECT within one VMA',
  uffdWpNotifies: (on) =>
    on
      ? 'uffd write protection leaves shared memory to faults'
      : 'uffd write protection ends without a fault in shared memory only',
  pkeysRunOut: (on) =>
    on ? 'pkey_alloc without keys is ENOSPC' : 'pkey_alloc without keys is EINVAL',
  pidfd: (what) =>
    ({
      'no file': 'a pidfd is no file',
      immutable: 'a pidfd is an immutable file',
      file: 'a pidfd is a file',
    })[what],
  secretLocks: (on) =>
    on ? 'memory of memfd_secret is locked' : 'memory of memfd_secret is not locked',
  droppable: (on) => (on ? 'MAP_DROPPABLE' : 'no MAP_DROPPABLE'),
  faultAroundEofQuirk: (on) =>
    on
      ? 'fault-around without a page table stops at a folio that reaches EOF'
      : 'fault-around goes on to EOF',
  shmemOrders: (mask) => `sizes of shared memory from ${(mask & -mask) * 4} kB`,
  shmemEligibleFits: (on) =>
    on
      ? 'THPeligible of shared memory asks for the fit in the VMA'
      : 'THPeligible of shared memory does not ask for the fit in the VMA',
  shmemFileFitsVma: (on) =>
    on ? 'folios of huge tmpfs fit the VMA' : 'a folio of huge tmpfs need not fit the VMA',
  mlockLargeFile: (on) =>
    on ? 'faults mark large folios mlocked' : 'faults mark small folios mlocked only',
  munlockWaits: (on) =>
    on ? "munlock waits in the CPU's batch" : 'unmapping drains the batches of munlock',
  moveEndsUffdWp: (on) =>
    on ? 'mremap ends uffd write protection' : 'mremap keeps uffd write protection',
  writeTouchesLate: (on) =>
    on ? 'write() makes its page before it reads' : 'write() reads before it makes its page',
  pagemapPmdByFirst: (on) =>
    on
      ? "pagemap's exclusive of a PMD mapping is its first page's"
      : "pagemap's exclusive of a PMD mapping is each page's own",
  pagemapPmdFile: (on) =>
    on ? 'pagemap tells a file mapped by PMD' : 'pagemap does not tell a file mapped by PMD',
  uffdRefusesDroppable: (on) =>
    on ? 'userfaultfd refuses MAP_DROPPABLE' : 'userfaultfd takes MAP_DROPPABLE',
  mergeIntoUnfaulted: (on) =>
    on ? 'a VMA never faulted joins one that was' : 'a VMA never faulted joins none that was',
  mmapMergesNextFirst: (on) =>
    on ? 'mmap joins the VMA above first' : 'mmap joins the VMA below first',
  sealsCheckedFirst: (on) =>
    on ? 'a seal refuses before anything is changed' : 'a seal refuses when its turn comes',
  sealDiscardsByBits: (on) =>
    on ? 'nearly all advice is refused by a seal (a slip)' : 'a seal refuses advice that discards',
  sealIsNamed: (on) => (on ? 'smaps says "sl" of a seal' : 'smaps says "??" of a seal'),
  userPtrMax: (on) =>
    on
      ? 'buffers beyond TASK_SIZE are refused at once'
      : 'buffers beyond TASK_SIZE are refused when they are touched',
  uffdFromMinAddr: (on) =>
    on ? 'userfaultfd ranges from mmap_min_addr' : 'userfaultfd ranges from address 0',
  guardMarks: (on) => (on ? 'guard regions mark their VMA' : 'guard regions leave no mark'),
  nrAnonStats: (on) => (on ? 'nr_anon statistics' : 'no nr_anon statistics'),
};

function differences(release: Release, from: Release): string[] {
  const found: string[] = [];
  if (release.finishFault !== from.finishFault) found.push('finish_fault()');
  for (const key of Object.keys(WORDS) as (keyof typeof WORDS)[]) {
    if (release[key] === from[key]) continue;
    const words = WORDS[key] as (value: unknown) => string;
    found.push(words(release[key]));
  }
  return found;
}

export function kernelList(): readonly KernelEntry[] {
  const base = findKernel(DEFAULT_KERNEL);
  return KERNELS.map((release) => ({
    name: release.name,
    title: release.title,
    source: release.source,
    default: release.name === DEFAULT_KERNEL,
    differs: base === undefined ? [] : differences(release, base),
  }));
}

export function kernelNamed(name: string): Release | undefined {
  return findKernel(name);
}
