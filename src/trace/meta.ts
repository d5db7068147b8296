/** What a trace says of itself: where it comes from, and what it cannot tell. */
import type { EventParts } from './event_window.ts';
import type { Events } from './events.ts';

/**
 * The version of the schema: columns, operations and their meaning. It rises when a reader of the
 * version before would misread a file; `upgrade.ts` has the steps from every older one.
 *
 * 1  2026  first.
 */
export const SCHEMA_VERSION = 1;

/** How the events were obtained. */
export type TraceMode =
  /** Tracepoints: every fault and every memory call of the process tree. */
  | 'tracepoints'
  /** perf's software event and strace: faults of user mode only. */
  | 'unprivileged'
  /** As `tracepoints`, of a process that was running already. */
  | 'attached'
  | 'import-perf'
  | 'import-strace'
  | 'import-lackey';

export type FileKind =
  /** A file of a file system that is not in memory. */
  | 'file'
  /** A file on tmpfs. */
  | 'tmpfs'
  | 'memfd'
  /** Shared anonymous memory ("/dev/zero (deleted)" in maps). */
  | 'shared-anon'
  | 'sysv'
  | 'hugetlb'
  /** A device, or what else has no page cache of its own. */
  | 'device'
  | 'unknown';

/** A mapped file, known to the events by its `name`, which is unique to it. */
export interface TraceFile {
  readonly name: string;
  readonly kind: FileKind;
  /** "ext4", "tmpfs", "" when unknown. */
  readonly fs: string;
  /** "8:1" as in maps, "" when unknown. */
  readonly dev: string;
  readonly ino: number;
  /** Bytes when it was first seen; -1 when unknown. */
  readonly size: number;
}

/** A statement that limits what can be concluded, for people: one sentence each. */
export interface TraceNote {
  /** Stable: 'lost', 'user-faults-only', 'no-file-sizes', 'thp-not-disabled', … */
  readonly code: string;
  readonly text: string;
}

export interface TraceMeta {
  readonly schema: number;
  /** "faultline 0.1.0". */
  readonly tool: string;
  readonly mode: TraceMode;
  /** The command recorded, or the file imported. */
  readonly command: readonly string[];
  /** UTC, ISO 8601; '' when unknown. */
  readonly date: string;
  readonly machine: {
    /** "x86_64". */
    readonly arch: string;
    readonly cpu: string;
    readonly cpus: number;
    readonly memory: number;
    /** `uname -r`; '' when unknown. */
    readonly kernel: string;
    /** A read fault of anonymous memory gets a page of its own here, never the shared zero page. */
    readonly noZeroPage: boolean;
  };
  readonly pageSize: number;
  /** Settings below /sys/kernel/mm/transparent_hugepage/ during the recording, path → value. */
  readonly settings: Readonly<Record<string, string>>;
  /** THP was off for the recorded processes, so that each first touch shows as a fault. */
  readonly thpDisabled: boolean;
  readonly lost: number;
  /** What getrusage() and wait4() said of the whole tree; the check of the recording. */
  readonly measured: TraceMeasured | null;
  readonly files: readonly TraceFile[];
  readonly notes: readonly TraceNote[];
}

export interface TraceMeasured {
  /** Of all waited-for processes of the command together. */
  readonly minflt: number;
  readonly majflt: number;
  /** Largest resident set of any one process, bytes. */
  readonly maxrss: number;
  readonly seconds: number;
  /** The command's exit code, 128 + n for signal n; -1 when unknown. */
  readonly exitCode: number;
}

/** A trace in memory. `names[0]` is '' and stands for none. */
export interface Trace {
  meta: TraceMeta;
  names: string[];
  /** All events, or none where they come in `parts` (event_window.ts). */
  events: Events;
  parts?: EventParts;
}

export function emptyMeta(mode: TraceMode, tool: string): TraceMeta {
  return {
    schema: SCHEMA_VERSION,
    tool,
    mode,
    command: [],
    date: '',
    machine: { arch: 'x86_64', cpu: '', cpus: 0, memory: 0, kernel: '', noZeroPage: false },
    pageSize: 4096,
    settings: {},
    thpDisabled: false,
    lost: 0,
    measured: null,
    files: [],
    notes: [],
  };
}
