/**
 * The kernels that we model: data, and the strategies where releases differ in kind. Versions were
 * read from the trees named in `source`; ARCHITECTURE.md lists what is not modelled.
 */
import { finishFault611 } from './finish_fault/merged_6_11.ts';
import { finishFaultOnePage } from './finish_fault/one_page.ts';
import { finishFaultV1, finishFaultV1Guarded } from './finish_fault/shmem_mthp_v1.ts';
import { finishFault612 } from './finish_fault/v6_12.ts';
import { finishFault618 } from './finish_fault/v6_18.ts';
import type { Release } from './release_types.ts';

const PMD_ONLY = 1 << 9;
const ALL_SHMEM_ORDERS = 0x3fe;
const FROM_16K = 0x3fc;

/** Answers that 6.1 alone gives otherwise. */
const SINCE_6_10 = {
  lacks: [],
  kpageflagsOfFolio: true,
  pagemapHugeZeroFile: false,
  readMovesAtEnd: true,
  splitUnmapsPmd: true,
  fileFaultsUnderVmaLock: true,
  collapseMindsUffd: true,
  lockonfaultIsNamed: true,
  mprotectUnaccounts: true,
  stackNohuge: true,
  uffdPreparesFirst: true,
  populateTriesAgain: true,
  uffdWpManyVmas: true,
  uffdWpNotifies: true,
  pkeysRunOut: false,
} as const satisfies Partial<Release>;

const V6_10: Release = {
  name: '6.10',
  title: 'before the series: one page per finish_fault(), shmem huge only at 2 MiB',
  source: 'Linux 6.10.0: mm/memory.c, mm/shmem.c, mm/filemap.c, mm/huge_memory.c',
  finishFault: finishFaultOnePage,
  faultAroundWhole: false,
  faultAroundEofQuirk: false,
  shmemPerSize: false,
  shmemOrders: FROM_16K,
  shmemEligibleFits: false,
  mlockLargeFile: false,
  munlockWaits: false,
  moveEndsUffdWp: false,
  writeTouchesLate: false,
  pagemapPmdByFirst: true,
  pagemapPmdFile: false,
  uffdRefusesDroppable: false,
  mergeIntoUnfaulted: false,
  mmapMergesNextFirst: true,
  shmemFileFitsVma: false,
  sealsCheckedFirst: true,
  sealDiscardsByBits: true,
  sealIsNamed: false,
  userPtrMax: false,
  uffdFromMinAddr: true,
  withinSizeByOrder: false,
  tmpfsWriteOrders: PMD_ONLY,
  shmemShrinks: 'two',
  thpAlign: 'from-2M',
  wpReuseLarge: false,
  hugeZeroWriteAllocates: false,
  splitDropsZeroes: false,
  splitNonUniform: false,
  ptReclaim: false,
  guardRegions: 'none',
  guardMarks: false,
  nrAnonStats: false,
  mremapMany: false,
  readPteDirty: false,
  prctlExceptAdvised: false,
  setPmdHonoursNohuge: false,
  ext4HoleUnmapsAll: false,
  sharedByMms: false,
  collapseAsksShmemSize: true,
  selfTakesAnyAdvice: false,
  pidfdSelf: false,
  perfmonMayAccess: false,
  pidfdThreadIsNoent: false,
  ...SINCE_6_10,
  pidfd: 'immutable',
  secretLocks: true,
  fileLargeFolios: false,
  execReadahead: false,
  diskRequestPages: 320,
  droppable: false,
};

const V6_1: Release = {
  ...V6_10,
  name: '6.1',
  title: 'before folios of many sizes: 4 kB and 2 MiB; judged by Debian',
  source: 'Linux 6.1.192 asked',
  lacks: [
    ...(['per-size folios', 'mseal', 'memfd_secret', 'newer userfaultfd', 'PR_SET_MDWE'] as const),
    ...(['PR_SET_MEMORY_MERGE', 'MFD_EXEC', 'PIDFD_THREAD'] as const),
  ],
  kpageflagsOfFolio: false,
  pagemapHugeZeroFile: true,
  pagemapPmdFile: true,
  readMovesAtEnd: false,
  splitUnmapsPmd: false,
  fileFaultsUnderVmaLock: false,
  collapseMindsUffd: false,
  lockonfaultIsNamed: false,
  mprotectUnaccounts: false,
  stackNohuge: false,
  uffdPreparesFirst: false,
  populateTriesAgain: false,
  uffdWpManyVmas: false,
  uffdWpNotifies: false,
  pkeysRunOut: true,
  pidfd: 'no file',
  userPtrMax: true,
  shmemEligibleFits: true,
  thpAlign: 'never',
  uffdFromMinAddr: false,
  moveEndsUffdWp: true,
  shmemShrinks: 'one',
};

/** 6.10 with what the series brings beside finish_fault(): per-size shmem folios. */
const SERIES: Release = { ...V6_10, shmemPerSize: true, withinSizeByOrder: true };

const V1: Release = {
  ...SERIES,
  name: 'shmem-mthp-v1',
  title: 'the patch as posted in May 2024: the block aligned to the address is taken for the folio',
  source: 'linux-mm, "[PATCH 2/8] mm: memory: extend finish_fault() to support large folio"',
  finishFault: finishFaultV1,
};

const V1_GUARDED: Release = {
  ...SERIES,
  name: 'shmem-mthp-v1-guarded',
  title: 'the same with the guard of the reply: whole folios only for anonymous shared memory',
  source: 'linux-mm, reply in the same thread, 8 May 2024',
  finishFault: finishFaultV1Guarded,
};

const V6_11: Release = {
  ...SERIES,
  name: '6.11',
  title: 'as merged: whole folio of anonymous shmem if VMA and page table hold it',
  source: 'Linux 6.11.11: mm/memory.c finish_fault(), mm/shmem.c',
  finishFault: finishFault611,
  thpAlign: 'multiple',
  setPmdHonoursNohuge: true,
  droppable: true,
  pagemapPmdByFirst: false,
  pagemapPmdFile: true,
  sealDiscardsByBits: false,
  sealIsNamed: true,
  userPtrMax: true,
};

const V6_12: Release = {
  ...V6_11,
  name: '6.12',
  title: 'a partly populated range maps one page; shmem folios from 8 kB; judged by Debian',
  source: 'Linux 6.12.118 asked: mm/memory.c finish_fault(), mm/shmem.c, mm/vma.c',
  finishFault: finishFault612,
  shmemOrders: ALL_SHMEM_ORDERS,
  withinSizeByOrder: false,
  shmemShrinks: 'pages',
  thpAlign: 'multiple-no-hint',
  splitDropsZeroes: true,
  nrAnonStats: true,
  sealsCheckedFirst: false,
  mmapMergesNextFirst: false,
  shmemFileFitsVma: true,
  moveEndsUffdWp: true,
  uffdFromMinAddr: false,
  ext4HoleUnmapsAll: true,
  collapseAsksShmemSize: false,
  secretLocks: false,
};

const V6_18: Release = {
  name: '6.18',
  title:
    'whole folios of every file; fault-around maps whole folios; the default, judged by a host',
  source: 'Linux 6.18.35 read, 6.18.44 asked',
  finishFault: finishFault618,
  faultAroundWhole: true,
  faultAroundEofQuirk: true,
  shmemPerSize: true,
  shmemOrders: ALL_SHMEM_ORDERS,
  shmemEligibleFits: true,
  mlockLargeFile: true,
  munlockWaits: true,
  moveEndsUffdWp: true,
  writeTouchesLate: true,
  pagemapPmdByFirst: true,
  pagemapPmdFile: true,
  uffdRefusesDroppable: true,
  mergeIntoUnfaulted: true,
  mmapMergesNextFirst: false,
  shmemFileFitsVma: true,
  sealsCheckedFirst: false,
  sealDiscardsByBits: false,
  sealIsNamed: true,
  userPtrMax: true,
  uffdFromMinAddr: false,
  withinSizeByOrder: false,
  tmpfsWriteOrders: ALL_SHMEM_ORDERS,
  shmemShrinks: 'pages',
  thpAlign: 'multiple-no-hint',
  wpReuseLarge: true,
  hugeZeroWriteAllocates: true,
  splitDropsZeroes: true,
  splitNonUniform: true,
  ptReclaim: true,
  guardRegions: 'any',
  guardMarks: true,
  nrAnonStats: true,
  mremapMany: true,
  readPteDirty: true,
  prctlExceptAdvised: true,
  setPmdHonoursNohuge: true,
  ext4HoleUnmapsAll: true,
  sharedByMms: true,
  collapseAsksShmemSize: true,
  selfTakesAnyAdvice: true,
  pidfdSelf: true,
  perfmonMayAccess: true,
  pidfdThreadIsNoent: true,
  ...SINCE_6_10,
  pidfd: 'file',
  secretLocks: true,
  fileLargeFolios: true,
  execReadahead: true,
  diskRequestPages: 1024,
  droppable: true,
};

/** In the order of `faultline kernels`. */
export const KERNELS: readonly Release[] = [V6_1, V6_10, V1, V1_GUARDED, V6_11, V6_12, V6_18];

export const DEFAULT_KERNEL = '6.18';

export function findKernel(name: string): Release | undefined {
  return KERNELS.find((release) => release.name === name);
}
