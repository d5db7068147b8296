/**
 * Everything an administrator can set: /sys/kernel/mm/transparent_hugepage/**, fault_around_bytes,
 * vm.* sysctls. Numbers only, so that settings are copied with the machine. Defaults are those of
 * 6.18 as distributed: top level `madvise`, 2 MiB `inherit`, every other size `never`.
 */
import { type OrderMask, type Pages, PMD_ORDER, type Vpn } from '../base/index.ts';

/** Values of the top-level `enabled`. */
export const THP_NEVER = 0;
export const THP_MADVISE = 1;
export const THP_ALWAYS = 2;

/** Values of `shmem_enabled` and of the mount option huge= (mm/shmem.c SHMEM_HUGE_*). */
export const HUGE_NEVER = 0;
export const HUGE_ALWAYS = 1;
export const HUGE_WITHIN_SIZE = 2;
export const HUGE_ADVISE = 3;
export const HUGE_DENY = -1;
export const HUGE_FORCE = -2;

/** Orders that anonymous memory and shmem can have (THP_ORDERS_ALL_ANON, …_FILE_DEFAULT). */
export const ANON_ORDERS: OrderMask = 0x3fc;
export const SHMEM_ORDERS: OrderMask = 0x3fe;

/** `defrag` values, in the order in which sysfs prints them. */
export const DEFRAG = ['always', 'defer', 'defer+madvise', 'madvise', 'never'] as const;

/** MAP_32BIT searches from 1 GiB, or up to 32 MiB above, to 2 GiB (find_start_end). */
export const MAP_32BIT_BEGIN: Vpn = 0x40000;
export const MAP_32BIT_DRAW: Pages = 0x2000;

export interface Settings {
  thpEnabled: number;
  /** Orders set to always / madvise / inherit; in none of them = never. */
  anonAlways: OrderMask;
  anonMadvise: OrderMask;
  anonInherit: OrderMask;
  /** Index into DEFRAG. */
  defrag: number;
  useZeroPage: number;
  /**
   * A fact of the machine, not a setting: a read fault of anonymous memory allocates as a write
   * does and never maps the zero page, small or huge (where mm_forbids_zeropage() says so, and in
   * guests booted with pvm_no_zero_page=1). A split of a folio and UFFDIO_ZEROPAGE map it all the
   * same.
   */
  anonReadsAllocate: number;
  shrinkUnderused: number;
  /** Top-level shmem_enabled as written, and huge= of the internal mount (deny and force leave it). */
  shmemEnabled: number;
  shmemMountHuge: number;
  shmemAlways: OrderMask;
  shmemWithin: OrderMask;
  shmemAdvise: OrderMask;
  shmemInherit: OrderMask;
  khugepagedDefrag: number;
  khugepagedMaxPtesNone: number;
  khugepagedMaxPtesShared: number;
  khugepagedMaxPtesSwap: number;
  khugepagedPagesToScan: number;
  khugepagedScanSleepMs: number;
  khugepagedAllocSleepMs: number;
  khugepagedPagesCollapsed: number;
  khugepagedFullScans: number;
  /** fault_around_bytes / 4096, a power of two. */
  faultAroundPages: Pages;
  /** read_ahead_kb of the disk, in pages. */
  readAheadPages: Pages;
  /** max_sectors_kb of the disk, in pages (io_pages): its longest request. */
  diskRequestPages: Pages;
  overcommitMemory: number;
  overcommitRatio: number;
  overcommitKbytes: number;
  maxMapCount: number;
  /** /proc/sys/vm/mmap_min_addr in bytes, and the kernel's own floor (CONFIG_LSM_MMAP_MIN_ADDR). */
  mmapMinAddr: number;
  lsmMmapMinAddr: number;
  /**
   * Page where the search of MAP_32BIT begins. With address randomisation each call draws one of
   * the 32 MiB from 1 GiB on; what no log shows is searched from the first.
   */
  map32Begin: Vpn;
  adminReservePages: Pages;
  userReservePages: Pages;
  /** Pages of RAM and of swap. */
  totalRam: Pages;
  totalSwap: Pages;
  memfdNoexec: number;
  unprivilegedUserfaultfd: number;
  nrHugepages: number;
  /** kernel.shmmax (bytes), shmall (pages), shmmni. */
  shmMax: number;
  shmAll: number;
  shmMni: number;
}

/** `diskRequestPages`: of the release, where nobody sets another. */
export function defaultSettings(pages: Pages, diskRequestPages: Pages): Settings {
  return {
    thpEnabled: THP_MADVISE,
    anonAlways: 0,
    anonMadvise: 0,
    anonInherit: 1 << PMD_ORDER,
    defrag: 3,
    useZeroPage: 1,
    anonReadsAllocate: 0,
    shrinkUnderused: 1,
    shmemEnabled: HUGE_NEVER,
    shmemMountHuge: HUGE_NEVER,
    shmemAlways: 0,
    shmemWithin: 0,
    shmemAdvise: 0,
    shmemInherit: 1 << PMD_ORDER,
    khugepagedDefrag: 1,
    khugepagedMaxPtesNone: 511,
    khugepagedMaxPtesShared: 256,
    khugepagedMaxPtesSwap: 64,
    khugepagedPagesToScan: 4096,
    khugepagedScanSleepMs: 10000,
    khugepagedAllocSleepMs: 60000,
    khugepagedPagesCollapsed: 0,
    khugepagedFullScans: 0,
    faultAroundPages: 16,
    readAheadPages: 32,
    diskRequestPages,
    overcommitMemory: 0,
    overcommitRatio: 50,
    overcommitKbytes: 0,
    maxMapCount: 65530,
    mmapMinAddr: 4096,
    lsmMmapMinAddr: 65536,
    map32Begin: MAP_32BIT_BEGIN,
    adminReservePages: 2048,
    userReservePages: 32768,
    totalRam: pages,
    totalSwap: 0,
    memfdNoexec: 0,
    unprivilegedUserfaultfd: 0,
    nrHugepages: 0,
    shmMax: 2 ** 64 - 2 ** 24,
    shmAll: 2 ** 64 - 2 ** 24,
    shmMni: 4096,
  };
}
