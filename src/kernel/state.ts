/**
 * What the door keeps beside the machine: descriptor tables, the name space, processes by pid, SysV
 * segments. A call handler gets this and the calling task.
 */
import type { FileRow, InodeRow, Row, TaskRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Args, Outcome } from './values.ts';

/** An entry of a descriptor table. */
export interface Fd {
  readonly file: FileRow;
  readonly cloexec: boolean;
}

/** A descriptor table, shared by tasks that were cloned with CLONE_FILES. */
export interface FdTable {
  users: number;
  readonly entries: (Fd | undefined)[];
}

/** Descriptions that are more than an inode and a position. */
export type Special =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'uffd'; readonly context: Row }
  | { readonly kind: 'pidfd'; readonly pid: number };

export interface Mount {
  readonly path: string;
  readonly sb: Row;
}

/** A SysV segment. `file` is 0 once it is marked for destruction (IPC_RMID). */
export interface ShmSegment {
  readonly id: number;
  key: number;
  file: FileRow;
  readonly inode: InodeRow;
  readonly size: number;
  mode: number;
  readonly uid: number;
}

/** Credentials beyond what the task table holds. */
export interface Credentials {
  suid: number;
  /** CAP_* that come back when euid becomes 0. */
  permitted: number;
}

/** Choices of the kernel's configuration that change what calls answer. */
export interface Config {
  /** CONFIG_ANON_VMA_NAME. */
  anonVmaName: boolean;
  /** Protection keys of the processor. */
  pkeys: boolean;
  /** New images are not shown (an strace log): their mappings are to be learned. */
  unknownImages: boolean;
  /** Address-space randomisation is off: addresses of a new image are those of `setarch -R`. */
  defaultPath: string;
}

/** What a log says the call returned; handlers may take over what the model cannot know. */
export interface Observed {
  readonly value?: number;
  readonly errno?: number;
  /** Path of a new descriptor, where the log shows it (strace -y). */
  readonly path?: string;
}

export interface KernelState {
  readonly m: Machine;
  readonly config: Config;
  readonly tables: Map<number, FdTable>;
  nextTable: number;
  readonly names: Map<string, InodeRow>;
  readonly directories: Set<string>;
  readonly mounts: Mount[];
  /** Superblock of the root file system. */
  rootSb: Row;
  /** Superblock of what has no path: pipes, sockets, anonymous inodes (init_pseudo: noexec). */
  pseudoSb: Row;
  /** Working directory of each process, by tgid. */
  readonly cwd: Map<number, string>;
  readonly special: Map<FileRow, Special>;
  readonly byPid: Map<number, TaskRow>;
  nextPid: number;
  /** Age of the next child among its parent's. */
  nextSibling: number;
  readonly shm: Map<number, ShmSegment>;
  shmNext: number;
  shmSeq: number;
  readonly creds: Map<TaskRow, Credentials>;
  readonly personality: Map<number, number>;
  nextIno: number;
  observed: Observed | undefined;
}

export type Handler = (k: KernelState, t: TaskRow, a: Args) => Outcome;

/** A call: the signature that `checkArgs` reads, and what it does. */
export type CallSpec = readonly [signature: string, handler: Handler];
export type CallTable = Readonly<Record<string, CallSpec>>;
