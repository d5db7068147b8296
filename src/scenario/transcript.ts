/**
 * The transcript: what came back when a kernel executed a program. The model, the host and a
 * recording all produce this form, so that two kernels can be compared step by step.
 */
import type { U64 } from '../base/index.ts';

/** A signal that a step raised in its task. */
export interface SignalInfo {
  /** "SIGSEGV", "SIGBUS". */
  readonly name: string;
  /** si_code as a word: "MAPERR", "ACCERR", "ADRERR", "AR". */
  readonly code: string;
  /** si_addr. */
  readonly address: U64;
}

/** What one step gave. Exactly one of value, errno and none is meant. */
export interface StepOutcome {
  /** Return value of a call that succeeded, or the byte that a load saw. */
  readonly value?: U64;
  /** Positive errno of a call that failed. */
  readonly errno?: number;
  readonly signal?: SignalInfo;
  /** Faults that the task took during the step. */
  readonly minflt: number;
  readonly majflt: number;
  /** Text of a file that was read (`cat`, an `expect` on a field). */
  readonly output?: string;
  /** Pages of an access that faulted, as page numbers, in the order of the access. */
  readonly faultedVpns?: readonly number[];
}

/** One mapping of a task, as /proc/PID/maps and smaps' VmFlags give it. */
export interface VmaObservation {
  readonly startVpn: number;
  readonly endVpn: number;
  /** "rwxp", "r--s". */
  readonly perms: string;
  /** Offset in pages (what maps prints in bytes); 0 for anonymous memory. */
  readonly pgoff: number;
  readonly name: string;
  /** Two-letter codes of VmFlags, in the kernel's order; absent where smaps was not read. */
  readonly vmFlags?: readonly string[];
  /** smaps fields in kB (THPeligible as 0/1); absent where smaps was not read. */
  readonly smaps?: Readonly<Record<string, number>>;
}

/**
 * Page-level observables of a range, struct of arrays, one entry for each page whose pagemap entry
 * is not zero, in ascending order of address.
 */
export interface PagesObservation {
  /** Page numbers. */
  readonly vpn: number[];
  /** Bits PAGE_*: from pagemap, kpageflags and PAGEMAP_SCAN. */
  readonly bits: number[];
  /**
   * Canonical number of the frame's folio: 1, 2, … in order of first appearance over all tasks
   * (task order, then address); 0 for a page without a frame of its own (zero page, swap entry).
   */
  readonly folio: number[];
  /** Index of the page inside its folio. */
  readonly index: number[];
  /** Order of the folio. */
  readonly order: number[];
  /** /proc/kpagecount of the frame. */
  readonly mapcount: number[];
  /**
   * All of it as it came from an executor, one column after the other: low and high half of the page
   * number, bits, folio, index with the order in the top byte, mapcount.
   */
  readonly columns?: Uint32Array;
}

/** pagemap bit 63. */
export const PAGE_PRESENT = 1 << 0;
/** pagemap bit 62: swap entry, guard marker or other non-present entry. */
export const PAGE_SWAP = 1 << 1;
/** pagemap bit 61: file-backed or shared memory. */
export const PAGE_FILE = 1 << 2;
/** pagemap bit 56: mapped exactly once. */
export const PAGE_EXCLUSIVE = 1 << 3;
/** pagemap bit 57. */
export const PAGE_UFFD_WP = 1 << 4;
/** pagemap bit 58. */
export const PAGE_GUARD = 1 << 5;
/** The shared zero page or the huge zero folio. */
export const PAGE_ZERO = 1 << 6;
/** Mapped by a PMD. */
export const PAGE_HUGE = 1 << 7;
/** kpageflags of the folio (KPF_*). */
export const PAGE_ANON = 1 << 8;
export const PAGE_UPTODATE = 1 << 9;
export const PAGE_DIRTY = 1 << 10;
export const PAGE_SWAPBACKED = 1 << 11;
export const PAGE_MLOCKED = 1 << 12;
export const PAGE_THP = 1 << 13;
export const PAGE_ANON_EXCLUSIVE = 1 << 14;
export const PAGE_UNEVICTABLE = 1 << 15;
export const PAGE_SWAPCACHE = 1 << 16;
/** pagemap bit 55. */
export const PAGE_SOFT_DIRTY = 1 << 17;
/** On the model only: `mlocked` and `unevictable` are not certain. */
export const PAGE_LOCKS_UNSURE = 1 << 18;

/** What can be seen of one task at one moment. */
export interface TaskObservation {
  readonly task: string;
  readonly vmas: readonly VmaObservation[];
  readonly pages: PagesObservation;
  /** /proc/PID/status in kB. */
  readonly rss: {
    readonly anon: number;
    readonly file: number;
    readonly shmem: number;
    readonly swap: number;
  };
  /** VmPTE in kB, VmSize in kB, VmLck in kB. */
  readonly vmPte: number;
  readonly vmSize: number;
  readonly vmLck: number;
  /** Its other lines about memory, by name (STATUS_FIELDS); absent where it was not read. */
  readonly status?: Readonly<Record<string, number>>;
}

/** Lines of status beside those that an observation has as members: kB, THP_enabled 0 or 1. */
export const STATUS_FIELDS = [
  ...['VmPeak', 'VmPin', 'VmHWM', 'VmRSS', 'VmData', 'VmStk', 'VmExe', 'VmLib'],
  ...['HugetlbPages', 'THP_enabled'],
] as const;

/** Result of executing a whole program. */
export interface Transcript {
  /** "model 6.18", "host 6.18.44". */
  readonly kernel: string;
  readonly outcomes: readonly StepOutcome[];
  /** One entry a step where observations were asked for; tasks in order of creation. */
  readonly observations: readonly (readonly TaskObservation[] | undefined)[];
}

/** What an executor cannot see, or not exactly, on the kernel that it runs on: not compared there. */
export interface Unseen {
  readonly what: string;
  readonly why: string;
  /** PAGE_* bits that mean nothing. */
  readonly pageBits?: number;
  /** Resident memory by kind, as status gives it. */
  readonly rss?: boolean;
}
