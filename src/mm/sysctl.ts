/**
 * /proc/sys/vm/* and /proc/sys/kernel/shm* as far as the model obeys them (mm/util.c,
 * mm/mmap.c, security/min_addr.c, kernel/sysctl.c proc_dointvec_minmax(), 6.18).
 */
import { EINVAL, PAGE_SIZE } from '../base/index.ts';
import { type Knob, type Stored, sysctlNumber } from './knob.ts';
import type { Machine } from './mm_types.ts';
import type { Settings } from './settings.ts';

const INT_MAX = 2147483647;

interface Range {
  readonly min: number;
  readonly max: number;
}

/** Stores through `set` what was written, if it is a number within the range. */
function numberKnob(read: () => number, range: Range, set: (value: number) => Stored): Knob {
  return {
    read: () => `${read()}\n`,
    write: (text) => {
      const value = sysctlNumber(text, range.min < 0);
      if (!(value >= range.min && value <= range.max)) return -EINVAL;
      return set(value);
    },
  };
}

function setting(s: Settings, name: keyof Settings, min: number, max: number): Knob {
  return numberKnob(
    () => s[name],
    { min, max },
    (value) => {
      s[name] = value;
      return 0;
    },
  );
}

/** A reserve that sysctl gives in kB and the model keeps in pages. */
function reserve(s: Settings, name: 'adminReservePages' | 'userReservePages'): Knob {
  return numberKnob(
    () => s[name] * (PAGE_SIZE / 1024),
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    (value) => {
      s[name] = Math.floor(value / (PAGE_SIZE / 1024));
      return 0;
    },
  );
}

function vmFiles(m: Machine): [string, Knob][] {
  const s = m.settings;
  return [
    ['vm/overcommit_memory', setting(s, 'overcommitMemory', 0, 2)],
    [
      'vm/overcommit_ratio',
      numberKnob(
        () => s.overcommitRatio,
        { min: -INT_MAX - 1, max: INT_MAX },
        (value) => {
          s.overcommitRatio = value;
          s.overcommitKbytes = 0;
          return 0;
        },
      ),
    ],
    [
      'vm/overcommit_kbytes',
      numberKnob(
        () => s.overcommitKbytes,
        { min: 0, max: Number.MAX_SAFE_INTEGER },
        (value) => {
          s.overcommitKbytes = value;
          s.overcommitRatio = 0;
          return 0;
        },
      ),
    ],
    ['vm/max_map_count', setting(s, 'maxMapCount', 0, INT_MAX)],
    ['vm/mmap_min_addr', setting(s, 'mmapMinAddr', 0, Number.MAX_SAFE_INTEGER)],
    ['vm/admin_reserve_kbytes', reserve(s, 'adminReservePages')],
    ['vm/user_reserve_kbytes', reserve(s, 'userReservePages')],
    ['vm/memfd_noexec', setting(s, 'memfdNoexec', 0, 2)],
    ['vm/unprivileged_userfaultfd', setting(s, 'unprivilegedUserfaultfd', 0, 1)],
    [
      'vm/nr_hugepages',
      numberKnob(
        () => s.nrHugepages,
        { min: 0, max: Number.MAX_SAFE_INTEGER },
        (value) =>
          value === 0 ? 0 : { unmodelled: 'a hugetlb pool with pages (nr_hugepages above 0)' },
      ),
    ],
    ['vm/drop_caches', dropCaches()],
  ];
}

/** drop_caches frees only clean pages that nobody maps, and no counter that the model keeps. */
function dropCaches(): Knob {
  return numberKnob(
    () => 0,
    { min: 1, max: 4 },
    () => ({ unmodelled: 'reclaim of the page cache (drop_caches)' }),
  );
}

/** ULONG_MAX - (1 << 24), the default of both, is the one value that a double cannot print. */
function shmLimit(knob: Knob): Knob {
  const read = (): string => {
    const text = knob.read();
    return Number(text) > Number.MAX_SAFE_INTEGER ? '18446744073692774399\n' : text;
  };
  return knob.write === undefined ? { read } : { read, write: knob.write };
}

/** Every file below /proc/sys that the model has, by its path relative to it. */
export function sysctlFiles(m: Machine): Map<string, Knob> {
  const s = m.settings;
  const big = Number.POSITIVE_INFINITY;
  return new Map<string, Knob>([
    ...vmFiles(m),
    ['kernel/shmmax', shmLimit(setting(s, 'shmMax', 0, big))],
    ['kernel/shmall', shmLimit(setting(s, 'shmAll', 0, big))],
    ['kernel/shmmni', setting(s, 'shmMni', 0, 32768)],
  ]);
}
