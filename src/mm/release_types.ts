/** What a modelled kernel is: data, one field a rule in which releases differ (release.ts has the values). */
import type { OrderMask } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import type { Vmf } from './vmf.ts';

/** One finish_fault() variant: maps `vmf.page`, or its whole folio; returns VM_FAULT_* bits. */
export type FinishFault = (m: Machine, vmf: Vmf) => number;

/** What a release does not have at all: calls, commands, options, files. */
export type Feature =
  | 'mseal'
  /** Without `secretmem.enable=1` at boot, before 6.5. */
  | 'memfd_secret'
  /** hugepages-<size>/ below transparent_hugepage/ (6.8). */
  | 'per-size folios'
  /** UFFDIO_POISON, UFFDIO_MOVE, UFFDIO_CONTINUE_MODE_WP, the features behind bit 12 (6.4 to 6.8). */
  | 'newer userfaultfd'
  | 'PR_SET_MDWE'
  | 'PR_SET_MEMORY_MERGE'
  /** MFD_EXEC and MFD_NOEXEC_SEAL (6.3). */
  | 'MFD_EXEC'
  | 'PIDFD_THREAD';

/**
 * A kernel that we model: data, and the strategy functions where releases differ in kind. Chosen
 * when the machine is made; nothing in the fault path asks for a version.
 */
export interface Release {
  /** As `--kernel` names it. */
  readonly name: string;
  /** One line: what it is, and the difference that matters here. */
  readonly title: string;
  /** Where the differences were read. */
  readonly source: string;
  readonly finishFault: FinishFault;
  /** A proposed change (`check --variant`): no kernel that `--kernel` names. */
  readonly isVariant?: boolean;
  /** filemap_map_pages() maps a large folio whole, beyond the fault-around window (6.18). */
  readonly faultAroundWhole: boolean;
  /** Without a page table, fault-around gives up at a file folio that reaches EOF (6.18). */
  readonly faultAroundEofQuirk: boolean;
  /** hugepages-<size>/shmem_enabled exists (6.11). */
  readonly shmemPerSize: boolean;
  /** Orders that hugepages-<size>/shmem_enabled exists for: from 16K in 6.11, from 8K since 6.12. */
  readonly shmemOrders: OrderMask;
  /** THPeligible of shared memory asks whether an allowed order fits the VMA, not only if any is. */
  readonly shmemEligibleFits: boolean;
  /**
   * Large folios are marked mlocked when PTEs map them whole into a VM_LOCKED VMA: those of files by
   * a fault, anonymous ones when their PMD is split.
   */
  readonly mlockLargeFile: boolean;
  /** A folio that is split loses a PMD mapping as a whole (by 6.10); in 6.1 page after page. */
  readonly splitUnmapsPmd: boolean;
  /** munlock waits in the CPU's batch, where a lock that comes may be lost; before, unmapping drains. */
  readonly munlockWaits: boolean;
  /** mremap ends the write protection of userfaultfd where nobody asked for its event (6.13). */
  readonly moveEndsUffdWp: boolean;
  /** write(2) makes its page before it touches the source (6.16). */
  readonly writeTouchesLate: boolean;
  /** pagemap asks for all pages of a PMD mapping whether the first is mapped once. */
  readonly pagemapPmdByFirst: boolean;
  /** pagemap says of a PMD mapping that it is of a file (6.11). */
  readonly pagemapPmdFile: boolean;
  /** UFFDIO_REGISTER refuses MAP_DROPPABLE memory. */
  readonly uffdRefusesDroppable: boolean;
  /** A VMA that was never faulted takes in a neighbour that was (vma_merge, 6.16). */
  readonly mergeIntoUnfaulted: boolean;
  /** A shmem folio for a fault on a file of tmpfs must fit the VMA; of 2 MiB it need not in 6.11. */
  readonly shmemFileFitsVma: boolean;
  /** A seal anywhere in the range refuses the call before it changes anything (6.10, 6.11). */
  readonly sealsCheckedFirst: boolean;
  /** Nearly all advice counts as discarding for a seal: its numbers are taken for bits (6.10.0, a slip). */
  readonly sealDiscardsByBits: boolean;
  /** smaps has a name for a sealed VMA, "sl"; before 6.11 "??". */
  readonly sealIsNamed: boolean;
  /** A buffer beyond TASK_SIZE is refused at once; in 6.10 only one with the sign bit. */
  readonly userPtrMax: boolean;
  /** Ranges of userfaultfd's ioctls begin at mmap_min_addr at least (6.10, 6.11). */
  readonly uffdFromMinAddr: boolean;
  /** mmap() joins the VMA above before the one below, and none above that has a close op (6.11). */
  readonly mmapMergesNextFirst: boolean;
  /** within_size rounded the index to the order instead of its size (6.11 and 6.12). */
  readonly withinSizeByOrder: boolean;
  /** Orders that write() and fallocate() may allocate on a huge= tmpfs: 2 MiB only before 6.14. */
  readonly tmpfsWriteOrders: OrderMask;
  /**
   * Where blocks of tmpfs run short, folios that reach over the end of a file are split: one for a
   * single page (6.1), two (6.6), or until the pages suffice (6.12).
   */
  readonly shmemShrinks: 'one' | 'two' | 'pages';
  /** Anonymous mmap alignment to 2 MiB: none before 6.7, any length from 2 MiB, multiples, multiples without hint. */
  readonly thpAlign: 'never' | 'from-2M' | 'multiple' | 'multiple-no-hint';
  /** do_wp_page() may reuse a page of a large folio that only this mm maps (6.15). */
  readonly wpReuseLarge: boolean;
  /** A write to the huge zero page allocates a THP in place (6.13); before, it was split. */
  readonly hugeZeroWriteAllocates: boolean;
  /** Splitting an anonymous folio maps the zero page for its zero-filled pages (6.12). */
  readonly splitDropsZeroes: boolean;
  /** A file folio is split only around the hole (6.15); before, to single pages. */
  readonly splitNonUniform: boolean;
  /** MADV_DONTNEED frees page tables that it empties (6.14). */
  readonly ptReclaim: boolean;
  /** MADV_GUARD_INSTALL: not at all, anonymous memory (6.13), any (6.15). */
  readonly guardRegions: 'none' | 'anon' | 'any';
  /** A VMA with guard regions is marked (VM_MAYBE_GUARD): in 6.18.44, not yet in 6.18.35. */
  readonly guardMarks: boolean;
  /** nr_anon, nr_anon_partially_mapped statistics (6.12). */
  readonly nrAnonStats: boolean;
  /** mremap moves several VMAs in one call (6.17). */
  readonly mremapMany: boolean;
  /** A PTE installed by a read fault is dirty where it is writable and the folio dirty (6.16). */
  readonly readPteDirty: boolean;
  /** PR_THP_DISABLE_EXCEPT_ADVISED (6.18). */
  readonly prctlExceptAdvised: boolean;
  /** do_set_pmd() honours VM_NOHUGEPAGE (6.11). */
  readonly setPmdHonoursNohuge: boolean;
  /** A hole in the first bytes of an ext4 file unmaps what lies behind (6.12.117, not 6.11). */
  readonly ext4HoleUnmapsAll: boolean;
  /** A folio counts as shared by who maps it (6.15); before, guessed from how often it is mapped. */
  readonly sharedByMms: boolean;
  /** MADV_COLLAPSE asks for the 2 MiB setting of anonymous shared memory: not in 6.12. */
  readonly collapseAsksShmemSize: boolean;
  /** process_madvise() takes any advice about one's own memory (6.13); before, none but the remote. */
  readonly selfTakesAnyAdvice: boolean;
  /** PIDFD_SELF and PIDFD_SELF_THREAD stand for a descriptor of oneself (6.15). */
  readonly pidfdSelf: boolean;
  /** CAP_PERFMON, and CAP_SYS_ADMIN with it, let look into the memory of others (6.18; 6.12: not yet). */
  readonly perfmonMayAccess: boolean;
  /** pidfd_open() of a thread that leads no process: ENOENT, before 6.15 EINVAL. */
  readonly pidfdThreadIsNoent: boolean;
  /** ext4 files have large folios in the page cache (6.16). */
  readonly fileLargeFolios: boolean;
  /** Readahead of executable mappings stays inside the VMA (6.16). */
  readonly execReadahead: boolean;
  /** BLK_DEF_MAX_SECTORS_CAP in pages: 4 MiB (6.17), 1280 kB before. */
  readonly diskRequestPages: number;
  /** Mappings of memfd_secret are VM_LOCKED and count for RLIMIT_MEMLOCK; not in 6.12.118. */
  readonly secretLocks: boolean;
  /** Features that it lacks. */
  readonly lacks: readonly Feature[];
  /** kpageflags of a page are its folio's (6.10); before, a tail tells little but that it is one. */
  readonly kpageflagsOfFolio: boolean;
  /** pagemap says of the huge zero folio that it is of a file (to 6.10). */
  readonly pagemapHugeZeroFile: boolean;
  /** Readahead learns where a read(2) ended at its end (6.6); before, with each piece that is copied. */
  readonly readMovesAtEnd: boolean;
  /** A fault on a file that has to wait begins under the VMA's lock and does not count as major (6.6). */
  readonly fileFaultsUnderVmaLock: boolean;
  /** MADV_COLLAPSE of shared memory is busy where userfaultfd watches its holes (6.4). */
  readonly collapseMindsUffd: boolean;
  /** smaps has a name for VM_LOCKONFAULT, "lf"; before "??". */
  readonly lockonfaultIsNamed: boolean;
  /** mprotect takes the account from untouched memory that becomes read-only (6.5). */
  readonly mprotectUnaccounts: boolean;
  /** MAP_STACK memory has no huge pages (6.7). */
  readonly stackNohuge: boolean;
  /** UFFDIO_COPY and its like prepare the mapping before they look if it is registered (6.9). */
  readonly uffdPreparesFirst: boolean;
  /**
   * MADV_POPULATE_*: a fault that has to wait is tried again as such, a hole ends it (6.9); before, it
   * is tried anew, and the range is walked VMA by VMA like that of other advice.
   */
  readonly populateTriesAgain: boolean;
  /** UFFDIO_WRITEPROTECT may reach over several VMAs (6.4). */
  readonly uffdWpManyVmas: boolean;
  /** While userfaultfd watches writes a shared mapping notifies; private pages are upgraded (6.2). */
  readonly uffdWpNotifies: boolean;
  /** pkey_alloc() on a processor without protection keys: ENOSPC, later EINVAL. */
  readonly pkeysRunOut: boolean;
  /** What a pidfd is: no file, a file of pidfs that is immutable (6.9), or not (after 6.12). */
  readonly pidfd: 'no file' | 'immutable' | 'file';
  /** MAP_DROPPABLE (6.11). */
  readonly droppable: boolean;
}
