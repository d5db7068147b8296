/**
 * /sys/kernel/mm/transparent_hugepage/** and /sys/kernel/debug/fault_around_bytes: the kernel's text
 * and its refusals (mm/huge_memory.c, mm/shmem.c, mm/khugepaged.c, mm/memory.c, 6.18).
 */
import {
  EINVAL,
  MAX_PAGE_ORDER,
  type Order,
  orderKb,
  PMD_ORDER,
  PMD_PAGES,
} from '../base/index.ts';
import {
  choice,
  type Knob,
  kstrtobool,
  kstrtoull,
  type Stored,
  sysfsStreq,
  wordIndex,
} from './knob.ts';
import type { Machine } from './mm_types.ts';
import {
  ANON_ORDERS,
  DEFRAG,
  HUGE_ADVISE,
  HUGE_ALWAYS,
  HUGE_DENY,
  HUGE_FORCE,
  HUGE_NEVER,
  HUGE_WITHIN_SIZE,
  type Settings,
  THP_ALWAYS,
  THP_MADVISE,
  THP_NEVER,
} from './settings.ts';
import { MTHP_ITEMS, MTHP_NAMES } from './vmstat.ts';

export const THP_ROOT = '/sys/kernel/mm/transparent_hugepage';
export const FAULT_AROUND_FILE = '/sys/kernel/debug/fault_around_bytes';

const TOP_WORDS = ['always', 'madvise', 'never'] as const;
const TOP_VALUES = [THP_ALWAYS, THP_MADVISE, THP_NEVER];
const SHMEM_WORDS = ['always', 'within_size', 'advise', 'never', 'deny', 'force'] as const;
const SHMEM_VALUES = [
  HUGE_ALWAYS,
  HUGE_WITHIN_SIZE,
  HUGE_ADVISE,
  HUGE_NEVER,
  HUGE_DENY,
  HUGE_FORCE,
];
const ANON_SIZE_WORDS = ['always', 'inherit', 'madvise', 'never'] as const;
const SHMEM_SIZE_WORDS = ['always', 'inherit', 'within_size', 'advise', 'never'] as const;

const UINT_MAX = 4294967295;
/** kstrtoull() itself refuses what does not fit 64 bits. */
const ULONG_MAX = Number.POSITIVE_INFINITY;

/** Settings that hold a plain number. */
type NumberSetting = {
  [K in keyof Settings]: Settings[K] extends number ? K : never;
}[keyof Settings];

/** A size's choice among masks: the index of the mask that has its bit, else `masks.length`. */
function maskIndex(s: Settings, masks: readonly NumberSetting[], order: Order): number {
  const found = masks.findIndex((name) => (s[name] & (1 << order)) !== 0);
  return found < 0 ? masks.length : found;
}

function setMask(s: Settings, masks: readonly NumberSetting[], order: Order, at: number): void {
  masks.forEach((name, i) => {
    const bit = 1 << order;
    s[name] = i === at ? s[name] | bit : s[name] & ~bit;
  });
}

const ANON_MASKS: readonly NumberSetting[] = ['anonAlways', 'anonInherit', 'anonMadvise'];
const SHMEM_MASKS: readonly NumberSetting[] = [
  'shmemAlways',
  'shmemInherit',
  'shmemWithin',
  'shmemAdvise',
];

function storeTop(s: Settings, text: string): Stored {
  const i = wordIndex(text, TOP_WORDS);
  if (i < 0) return -EINVAL;
  s.thpEnabled = TOP_VALUES[i]!;
  return 0;
}

/** shmem_enabled_store(): `force` needs the inherit set to be the PMD size alone. */
function storeShmem(m: Machine, text: string): Stored {
  const s = m.settings;
  if (text.length + 1 > 16) return -EINVAL;
  const i = wordIndex(text, SHMEM_WORDS);
  if (i < 0) return -EINVAL;
  const value = SHMEM_VALUES[i]!;
  if (m.release.shmemPerSize && value === HUGE_FORCE && s.shmemInherit !== 1 << PMD_ORDER) {
    return -EINVAL;
  }
  s.shmemEnabled = value;
  if (value > HUGE_DENY) {
    s.shmemMountHuge = value;
    if (m.shmMount !== 0) m.sb.huge[m.shmMount] = value;
  }
  return 0;
}

function storeShmemSize(s: Settings, order: Order, text: string): Stored {
  const i = wordIndex(text, SHMEM_SIZE_WORDS);
  if (i < 0) return -EINVAL;
  const inherit = SHMEM_SIZE_WORDS[i] === 'inherit';
  if (inherit && s.shmemEnabled === HUGE_FORCE && order !== PMD_ORDER) return -EINVAL;
  setMask(s, SHMEM_MASKS, order, i);
  return 0;
}

function storeAnonSize(s: Settings, order: Order, text: string): Stored {
  const i = wordIndex(text, ANON_SIZE_WORDS);
  if (i < 0) return -EINVAL;
  setMask(s, ANON_MASKS, order, i);
  return 0;
}

/** single_hugepage_flag_store(). */
function flagKnob(s: Settings, name: NumberSetting): Knob {
  return {
    read: () => `${s[name]}\n`,
    write: (text) => {
      const value = kstrtoull(text, 10, ULONG_MAX);
      if (value < 0) return value;
      if (value > 1) return -EINVAL;
      s[name] = value;
      return 0;
    },
  };
}

/** A number of khugepaged: every refusal is EINVAL. */
function countKnob(s: Settings, name: NumberSetting, min: number, max: number): Knob {
  return {
    read: () => `${s[name]}\n`,
    write: (text) => {
      const value = kstrtoull(text, 10, max);
      if (value < min) return -EINVAL;
      s[name] = value;
      return 0;
    },
  };
}

function readOnly(read: () => string): Knob {
  return { read };
}

function topFiles(m: Machine, out: Map<string, Knob>): void {
  const s = m.settings;
  out.set('enabled', {
    read: () => choice(TOP_WORDS, TOP_VALUES.indexOf(s.thpEnabled)),
    write: (text) => storeTop(s, text),
  });
  out.set('defrag', {
    read: () => choice(DEFRAG, s.defrag),
    write: (text) => {
      const i = wordIndex(text, DEFRAG);
      if (i < 0) return -EINVAL;
      s.defrag = i;
      return 0;
    },
  });
  out.set('use_zero_page', flagKnob(s, 'useZeroPage'));
  out.set(
    'hpage_pmd_size',
    readOnly(() => '2097152\n'),
  );
  out.set('shmem_enabled', {
    read: () => choice(SHMEM_WORDS, SHMEM_VALUES.indexOf(s.shmemEnabled)),
    write: (text) => storeShmem(m, text),
  });
  // The shrinker of underused THPs and its switch came with 6.12, as dropping zeroes on split did.
  if (m.release.splitDropsZeroes) {
    out.set('shrink_underused', {
      read: () => `${s.shrinkUnderused}\n`,
      write: (text) => {
        const value = kstrtobool(text);
        if (value < 0) return value;
        s.shrinkUnderused = value;
        return 0;
      },
    });
  }
}

function khugepagedFiles(m: Machine, out: Map<string, Knob>): void {
  const s = m.settings;
  const put = (name: string, knob: Knob): void => void out.set(`khugepaged/${name}`, knob);
  put('defrag', flagKnob(s, 'khugepagedDefrag'));
  put('max_ptes_none', countKnob(s, 'khugepagedMaxPtesNone', 0, PMD_PAGES - 1));
  put('max_ptes_swap', countKnob(s, 'khugepagedMaxPtesSwap', 0, PMD_PAGES - 1));
  put('max_ptes_shared', countKnob(s, 'khugepagedMaxPtesShared', 0, PMD_PAGES - 1));
  put('pages_to_scan', countKnob(s, 'khugepagedPagesToScan', 1, UINT_MAX));
  put(
    'pages_collapsed',
    readOnly(() => `${s.khugepagedPagesCollapsed}\n`),
  );
  put(
    'full_scans',
    readOnly(() => `${s.khugepagedFullScans}\n`),
  );
  put('scan_sleep_millisecs', countKnob(s, 'khugepagedScanSleepMs', 0, UINT_MAX));
  put('alloc_sleep_millisecs', countKnob(s, 'khugepagedAllocSleepMs', 0, UINT_MAX));
}

/** Does this release show a statistic for this size? (mm/huge_memory.c stats groups) */
function hasStat(m: Machine, order: Order, name: string): boolean {
  const anonOnly =
    name.startsWith('anon_') || name.startsWith('nr_anon') || name === 'split_deferred';
  if (anonOnly && (ANON_ORDERS & (1 << order)) === 0) return false;
  if (name.startsWith('nr_anon')) return m.release.nrAnonStats;
  if (name.startsWith('shmem_') || name.startsWith('split')) return m.release.shmemPerSize;
  return true;
}

function sizeFiles(m: Machine, order: Order, out: Map<string, Knob>): void {
  const s = m.settings;
  const dir = `hugepages-${orderKb(order)}kB`;
  const bit = 1 << order;
  if (m.release.lacks.includes('per-size folios')) return;
  const shmem = m.release.shmemPerSize && (m.release.shmemOrders & bit) !== 0;
  if ((ANON_ORDERS & bit) === 0 && !shmem) return;
  if ((ANON_ORDERS & bit) !== 0) {
    out.set(`${dir}/enabled`, {
      read: () => choice(ANON_SIZE_WORDS, maskIndex(s, ANON_MASKS, order)),
      write: (text) => storeAnonSize(s, order, text),
    });
  }
  if (shmem) {
    out.set(`${dir}/shmem_enabled`, {
      read: () => choice(SHMEM_SIZE_WORDS, maskIndex(s, SHMEM_MASKS, order)),
      write: (text) => storeShmemSize(s, order, text),
    });
  }
  MTHP_NAMES.forEach((name, item) => {
    if (!hasStat(m, order, name)) return;
    out.set(
      `${dir}/stats/${name}`,
      readOnly(() => `${m.mthp[order * MTHP_ITEMS + item]}\n`),
    );
  });
}

/** The files of a machine, made once: they hold on to its settings, so these are the key. */
const made = new WeakMap<Settings, { readonly m: Machine; readonly files: Map<string, Knob> }>();

/** Every file below THP_ROOT, by its path relative to it. */
export function thpFiles(m: Machine): ReadonlyMap<string, Knob> {
  const known = made.get(m.settings);
  if (known !== undefined && known.m === m) return known.files;
  const files = makeFiles(m);
  made.set(m.settings, { m, files });
  return files;
}

function makeFiles(m: Machine): Map<string, Knob> {
  const out = new Map<string, Knob>();
  topFiles(m, out);
  khugepagedFiles(m, out);
  for (let order = 1; order < MAX_PAGE_ORDER; order++) sizeFiles(m, order, out);
  return out;
}

/**
 * fault_around_bytes (debugfs): rounded down to a power of two, at least one page, at most a page
 * table's worth. Source: mm/memory.c fault_around_bytes_set(), 6.18.
 */
export function faultAroundKnob(m: Machine): Knob {
  return {
    read: () => `${m.settings.faultAroundPages * 4096}\n`,
    write: (text) => {
      const value = kstrtoull(text, 0, ULONG_MAX);
      if (value < 0) return value;
      if (Math.floor(value / 4096) > PMD_PAGES) return -EINVAL;
      const pages = Math.max(1, Math.floor(value / 4096));
      m.settings.faultAroundPages = 1 << (31 - Math.clz32(pages));
      return 0;
    },
  };
}

/** True when `text` would be one of the words; used by boot parameters. */
export function parseHuge(text: string): number | undefined {
  const i = SHMEM_WORDS.findIndex((w) => sysfsStreq(text, w));
  return i < 0 ? undefined : SHMEM_VALUES[i];
}
