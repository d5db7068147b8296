/**
 * What a run says: the document of `run --json` (design: commands), and the source of everything
 * that is printed. Addresses are hex strings, sizes bytes.
 */
import type { Diagnostic } from '../base/index.ts';

export type Verdict = 'matched' | 'mismatched' | 'assumed' | 'unchecked' | 'ignored';

export interface SignalReport {
  /** "SIGSEGV", "SIGBUS". */
  readonly name: string;
  /** "MAPERR", "ACCERR", "ADRERR". */
  readonly code: string;
  readonly address: string;
}

export interface StepReport {
  readonly line: number;
  readonly task: string;
  readonly text: string;
  /** "0x7f…", "3", "-1 ENOMEM", "?"; the value loaded by a read; text of a `cat`. */
  readonly result: string;
  readonly errno?: string;
  readonly signal?: SignalReport;
  readonly minflt: number;
  readonly majflt: number;
  /** What the text expects, in the form of `result`. */
  readonly expected?: string;
  readonly verdict: Verdict;
  /** Why the verdict is what it is, where that needs words: a rule not modelled, an assumption. */
  readonly note?: string;
}

export interface VmaReport {
  readonly start: string;
  readonly end: string;
  /** "rwxp" as in /proc/PID/maps. */
  readonly prot: string;
  /** VmFlags of smaps: "rd wr mr mw me ac". */
  readonly flags: string;
  /** Bytes, hex. */
  readonly offset: string;
  readonly file?: string;
}

export interface PageReport {
  readonly address: string;
  readonly present: boolean;
  /** PFN in the modelled machine; 0 for the zero page or a page that is not present. */
  readonly frame: number;
  /** Canonical number of the folio over the whole report: 1, 2, … in order of first appearance. */
  readonly folio: number;
  readonly index: number;
  readonly order: number;
  readonly anon: boolean;
  readonly writable: boolean;
  readonly dirty: boolean;
  readonly mapcount: number;
  /** Present where true. */
  readonly zero?: boolean;
  readonly huge?: boolean;
  readonly guard?: boolean;
  readonly exclusive?: boolean;
}

export interface TaskReport {
  readonly name: string;
  readonly pid: number;
  readonly vmas: readonly VmaReport[];
  readonly pages: readonly PageReport[];
  readonly rss: {
    readonly anon: number;
    readonly file: number;
    readonly shmem: number;
    readonly swap: number;
  };
  readonly minflt: number;
  readonly majflt: number;
  readonly exited: boolean;
}

export interface LawViolation {
  readonly law: string;
  /** Line of the step after which it was found. */
  readonly line: number;
  readonly task: string;
  /** Hex address, '' where the law speaks of no address. */
  readonly address: string;
  /** What was found and what was due, in words: "page 1 of folio A", "page 0 of folio A". */
  readonly found: string;
  readonly due: string;
  readonly message: string;
}

export interface LawReport {
  readonly name: string;
  /** How often its subject was met: 0 = the law was never put to the test. */
  readonly exercised: number;
  readonly broken: readonly LawViolation[];
}

export interface Summary {
  /** Steps executed or ignored. */
  readonly steps: number;
  readonly matched: number;
  readonly mismatched: number;
  readonly assumed: number;
  readonly unchecked: number;
  readonly ignored: number;
}

export interface RunReport {
  /** "6.18"; "host 6.18.44" where a real kernel answered. */
  readonly kernel: string;
  readonly file: string;
  readonly dialect: 'scenario' | 'strace';
  readonly about: string;
  readonly steps: readonly StepReport[];
  readonly summary: Summary;
  readonly tasks: readonly TaskReport[];
  /** /proc/vmstat items and mTHP statistics that are not zero, by name. */
  readonly stats: Readonly<Record<string, number>>;
  readonly laws: readonly LawReport[];
  readonly diagnostics: readonly Diagnostic[];
  /** True when the input was torn or cut, so that this is a partial answer. */
  readonly partial: boolean;
  /** The first step that the kernel could not be asked, and why; nothing from there on is judged. */
  readonly cannot?: { readonly line: number; readonly why: string };
}

/** `compare`: the same program on several kernels. */
export interface Difference {
  readonly line: number;
  readonly task: string;
  /** "result", "minflt", "signal", "page 0x11000", "rss.shmem", … */
  readonly what: string;
  /** One value a kernel, in the order of `kernels`. */
  readonly values: readonly string[];
}

export interface CompareReport {
  readonly file: string;
  readonly kernels: readonly string[];
  readonly runs: readonly RunReport[];
  readonly differences: readonly Difference[];
  /** Kernels that broke a law, with the laws. */
  readonly broken: readonly { readonly kernel: string; readonly laws: readonly string[] }[];
}

/** `why`: how one page came to be what it is. */
export interface WhyDecision {
  /** Size the rule speaks of, "64 kB"; '' when it speaks of the whole fault. */
  readonly size: string;
  readonly outcome: 'refused' | 'taken' | 'note';
  /** The rule in the kernel's terms, with actual values. */
  readonly text: string;
  /** "mm/memory.c alloc_anon_folio()". */
  readonly source: string;
}

export interface WhyFault {
  readonly line: number;
  readonly task: string;
  readonly text: string;
  /** "write fault at 0x10000". */
  readonly what: string;
  readonly decisions: readonly WhyDecision[];
}

export interface WhyReport {
  readonly file: string;
  readonly kernel: string;
  readonly task: string;
  readonly address: string;
  /** The page's state at the end: "page 2 of a 64 kB folio, …", or "not mapped". */
  readonly state: string;
  /** Faults of any task that touched this page's folio or address, in order. */
  readonly faults: readonly WhyFault[];
  readonly diagnostics: readonly Diagnostic[];
}
