/** What can be asked of a kernel and seen of it, and what of its configuration decides that. */
import { isAtLeast } from './facts.ts';
import type { HostInfo } from './host_kernel.ts';

export interface Ability {
  readonly what: string;
  readonly has: boolean;
  /** What would give it. */
  readonly needs: string;
}

const THP = '/sys/kernel/mm/transparent_hugepage';
const FAULT_AROUND = '/sys/kernel/debug/fault_around_bytes';

/** Options of a configuration that change what memory management does, or what can be seen. */
const OPTIONS = [
  ...['SMP', 'NUMA', 'PREEMPT', 'TRANSPARENT_HUGEPAGE', 'SHMEM', 'TMPFS', 'HUGETLBFS', 'SWAP'],
  ...['COMPACTION', 'MIGRATION', 'KSM', 'MEMCG', 'USERFAULTFD', 'PTE_MARKER_UFFD_WP', 'SYSVIPC'],
  ...['MEMFD_CREATE', 'PROC_PAGE_MONITOR', 'PAGE_MAPCOUNT', 'NO_PAGE_MAPCOUNT', 'MEM_SOFT_DIRTY'],
  ...['PER_VMA_LOCK', 'PT_RECLAIM', 'LRU_GEN_ENABLED', 'READ_ONLY_THP_FOR_FS', 'DEBUG_FS'],
  ...['DEFAULT_MMAP_MIN_ADDR', 'LSM_MMAP_MIN_ADDR', 'CHECKPOINT_RESTORE', 'DEBUG_VM', 'KASAN'],
  ...['LOCKDEP', 'X86_5LEVEL', 'EXT4_FS'],
];

/** Sizes below `hugepages-<size>kB/` that have a file of this name, as "16 32 64". */
function sizesWith(info: HostInfo, file: string): string {
  const pattern = new RegExp(`^${THP}/hugepages-(\\d+)kB/${file}$`);
  const sizes = [...info.settings.keys()].map((path) => pattern.exec(path)?.[1]);
  return sizes.filter((size) => size !== undefined).join(' ');
}

export function abilitiesOf(info: HostInfo): Ability[] {
  const { has, settings, release } = info;
  const sizes = sizesWith(info, 'enabled');
  const shmemSizes = sizesWith(info, 'shmem_enabled');
  const isThere = (name: string): boolean => has.get(name) === true;
  return [
    {
      what: 'transparent huge pages',
      has: settings.has(`${THP}/enabled`),
      needs: 'CONFIG_TRANSPARENT_HUGEPAGE',
    },
    {
      what: `folio sizes of anonymous memory${sizes === '' ? '' : ` (kB): ${sizes}`}`,
      has: sizes !== '',
      needs: 'Linux 6.8',
    },
    {
      what: `folio sizes of shared memory${shmemSizes === '' ? '' : ` (kB): ${shmemSizes}`}`,
      has: shmemSizes !== '',
      needs: 'Linux 6.11',
    },
    {
      what: 'fault_around_bytes read and written',
      has: settings.has(FAULT_AROUND),
      needs: 'CONFIG_DEBUG_FS, and no lockdown',
    },
    { what: 'userfaultfd()', has: isThere('userfaultfd'), needs: 'CONFIG_USERFAULTFD' },
    { what: 'memfd_create()', has: isThere('memfd'), needs: 'CONFIG_MEMFD_CREATE' },
    { what: 'shmget()', has: isThere('sysvipc'), needs: 'CONFIG_SYSVIPC' },
    {
      what: 'numbers of SysV segments chosen',
      has: isThere('next_id'),
      needs: 'CONFIG_CHECKPOINT_RESTORE',
    },
    { what: 'mseal()', has: isThere('mseal'), needs: 'Linux 6.10' },
    { what: 'guard regions', has: isThere('guard'), needs: 'Linux 6.13' },
    {
      what: 'PMD mappings of pages seen (PAGEMAP_SCAN)',
      has: isThere('pagemap_scan'),
      needs: 'Linux 6.7',
    },
    {
      what: 'resident memory by kind seen exactly',
      has: isAtLeast(release, 6, 17),
      needs: 'Linux 6.17',
    },
    {
      what: 'files of programs on ext4',
      has: info.workFileSystem === 'ext4',
      needs:
        info.where === 'vm'
          ? 'CONFIG_EXT4_FS and CONFIG_VIRTIO_BLK there, mkfs.ext4 here'
          : 'the cache directory on ext4 (XDG_CACHE_HOME)',
    },
  ];
}

/** The options that matter, as "y", "n" or their value; undefined without /proc/config.gz. */
export function configOf(info: HostInfo): Readonly<Record<string, string>> | undefined {
  const { config } = info;
  if (config === undefined) return undefined;
  return Object.fromEntries(OPTIONS.map((name) => [name, config.get(name) ?? 'n']));
}
