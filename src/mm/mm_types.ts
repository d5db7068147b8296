/**
 * The machine: every table of the modelled kernel. Facts only, no decisions.
 *
 * Everything that a step can change is a column, a number in `settings` or a counter, so that a
 * machine is cloned by copying arrays. `names` is append-only and shared between clones.
 */
import { type ColumnType, emptyTable, makeTable, type Table } from '../base/index.ts';
import type { Release } from './release_types.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { Vmf } from './vmf.ts';
import type { WhyLog } from './why.ts';

const PAGE = {
  flags: 'i32',
  counts: 'i32',
  mapping: 'i32',
  index: 'i32',
  /** folio->mlock_count, in the head's row. */
  mlocks: 'u16',
} as const;

const VMA = {
  mm: 'i32',
  /** First page and one past the last. */
  start: 'f64',
  end: 'f64',
  /** Page offset of `start` in the file; of private anonymous memory, its first address. */
  pgoff: 'f64',
  flags: 'i32',
  flags2: 'i32',
  /** OPS_*; OPS_NONE is anonymous memory (vma_is_anonymous). */
  ops: 'u8',
  /** Open file description, 0 for anonymous memory. */
  file: 'i32',
  anonVma: 'i32',
  /** Head of the list of anon_vma_chain rows; their number. */
  chain: 'i32',
  chainLength: 'i32',
  /** userfaultfd context, 0 = none. */
  uffd: 'i32',
  /** Name given by PR_SET_VMA_ANON_NAME, or of a special mapping: row in `names`, 0 = none. */
  name: 'i32',
  /** Address order within the mm. */
  prev: 'i32',
  next: 'i32',
  /**
   * Tree by address (vma_tree.ts): children, parent, and the largest gap below any VMA of the
   * subtree.
   */
  left: 'i32',
  right: 'i32',
  up: 'i32',
  gap: 'f64',
  /** List of the VMAs that map an inode (i_mmap). */
  sharePrev: 'i32',
  shareNext: 'i32',
} as const;

const MM = {
  /** Row of the top-level page table. */
  pgd: 'i32',
  /** Tasks that use this address space. */
  users: 'i32',
  treeRoot: 'i32',
  firstVma: 'i32',
  mapCount: 'i32',
  /** Last VMA found, and the region (1 GiB) whose PMD table was last walked: caches. */
  lastVma: 'i32',
  lastRegion: 'i32',
  lastPmdTable: 'i32',
  /** Pages by type (get_mm_counter). */
  rssAnon: 'i32',
  rssFile: 'i32',
  rssShmem: 'i32',
  swapEntries: 'i32',
  rssPeak: 'i32',
  /** Page-table pages of all levels. */
  tables: 'i32',
  /** Pages: total_vm, locked_vm, data_vm, exec_vm, stack_vm. */
  totalVm: 'f64',
  lockedVm: 'f64',
  dataVm: 'f64',
  execVm: 'f64',
  stackVm: 'f64',
  vmPeak: 'f64',
  /** Top-down search begins below this page; `legacy` searches upwards from it. */
  mmapBase: 'f64',
  legacyLayout: 'u8',
  /** Byte addresses that fit a double: brk area and start of the stack. */
  brkStart: 'f64',
  brk: 'f64',
  startCode: 'f64',
  endCode: 'f64',
  startData: 'f64',
  endData: 'f64',
  startStack: 'f64',
  /** Flags that mlockall(MCL_FUTURE) and PR_SET_MEMORY_MERGE add to new mappings. */
  defFlags: 'i32',
  /** PR_SET_THP_DISABLE: THP_DISABLE_*. */
  thpDisable: 'u8',
  /** Bits of allocated protection keys. */
  pkeys: 'i32',
  /** Set by MDWE prctl. */
  mdwe: 'i32',
} as const;

const ANON_VMA = {
  root: 'i32',
  parent: 'i32',
  numChildren: 'i32',
  numActiveVmas: 'i32',
  /** anon_vma_chain rows that point here. */
  firstChain: 'i32',
  users: 'i32',
} as const;

/** anon_vma_chain: VMA `vma` may map pages of `anonVma`. */
const CHAIN = {
  vma: 'i32',
  anonVma: 'i32',
  nextOfVma: 'i32',
  prevOfAnon: 'i32',
  nextOfAnon: 'i32',
} as const;

const INODE = {
  /** FS_* of its file system. */
  kind: 'u8',
  sb: 'i32',
  /** i_size in bytes. */
  size: 'f64',
  nlink: 'i32',
  /** Root of the page-cache tree (rows of 512 in `pt`), and its height in levels (0 = empty). */
  cacheRoot: 'i32',
  cacheHeight: 'u8',
  /** Pages in the page cache. */
  nrPages: 'f64',
  /** First VMA of i_mmap. */
  firstVma: 'i32',
  /** F_SEAL_* of a memfd; INODE_* flags. */
  seals: 'i32',
  flags: 'i32',
  /** Open descriptions and other holders. */
  refs: 'i32',
  /** Number of directory entries of names: name of the object in `names`. */
  name: 'i32',
  /** Writable descriptions (deny-write and seals look at it). */
  writers: 'i32',
  /** Commit charge held by a shared anonymous object, pages. */
  charged: 'f64',
  /** Page offset up to which fallocate(2) promised pages of a tmpfs file, beyond i_size too. */
  fallocEnd: 'f64',
  /** Place on the mount's list of files whose last folio may be split (shmem_shrink.ts), 0 = not on it. */
  shrinkPlace: 'f64',
  ino: 'f64',
  mode: 'i32',
  uid: 'i32',
} as const;

const FILE = {
  inode: 'i32',
  refs: 'i32',
  /** FMODE_*. */
  mode: 'i32',
  /** O_* as F_GETFL would give. */
  flags: 'i32',
  /** Bytes. */
  pos: 'f64',
  name: 'i32',
  /** Readahead (struct file_ra_state), in pages. */
  raStart: 'f64',
  raSize: 'i32',
  raAsync: 'i32',
  raOrder: 'i32',
  mmapMiss: 'i32',
  /** Bytes up to which the last read(2) came (prev_pos), plus one; 0: there was none. */
  prevEnd: 'f64',
} as const;

const SUPER = {
  kind: 'u8',
  /** Mount option huge=: HUGE_*. */
  huge: 'i32',
  /** size= in pages, 0 = no limit; pages in use. */
  maxBlocks: 'f64',
  usedBlocks: 'f64',
  /** Last place given on its list of files (`inode.shrinkPlace`). */
  shrinkPlaces: 'f64',
  name: 'i32',
  noexec: 'u8',
  readonly: 'u8',
} as const;

const TASK = {
  pid: 'i32',
  tgid: 'i32',
  mm: 'i32',
  /** Row in `sig`: what the threads of a process share. */
  sig: 'i32',
  /** File-descriptor table (kept by the room `kernel`). */
  files: 'i32',
  minflt: 'f64',
  majflt: 'f64',
  uid: 'i32',
  euid: 'i32',
  /** CAP_* bits that matter to memory management. */
  caps: 'i32',
  name: 'i32',
  alive: 'u8',
  /** personality(READ_IMPLIES_EXEC): what may be read may be executed. */
  readExec: 'u8',
  comm: 'i32',
} as const;

const SIG = {
  pid: 'i32',
  /** Pid of the parent process. */
  parent: 'i32',
  /** The thread whose child it is (task_struct.real_parent), and its place among that one's. */
  parentTask: 'i32',
  sibling: 'f64',
  threads: 'i32',
  exitStatus: 'i32',
  zombie: 'u8',
  /** Limits in bytes, Infinity = unlimited: current and hard. */
  asCur: 'f64',
  asMax: 'f64',
  dataCur: 'f64',
  dataMax: 'f64',
  stackCur: 'f64',
  stackMax: 'f64',
  memlockCur: 'f64',
  memlockMax: 'f64',
  fsizeCur: 'f64',
  fsizeMax: 'f64',
  nofileCur: 'f64',
  nofileMax: 'f64',
} as const;

/** userfaultfd contexts. */
const UFFD = { features: 'i32', mm: 'i32', refs: 'i32', state: 'u8', userModeOnly: 'u8' } as const;

/** Swap slots: references to each; allocated only where swap is configured. */
const SWAP = { refs: 'u16', content: 'i32', cachePfn: 'i32' } as const;

/** Pages that are on a disk and not in the page cache (disk.ts). */
const DISK = { inode: 'i32', index: 'f64', content: 'i32' } as const;

export type VmaTable = Table<typeof VMA>;
export type MmTable = Table<typeof MM>;
export type TaskTable = Table<typeof TASK>;
export type PageTable = Table<typeof PAGE>;

export interface Machine {
  readonly release: Release;
  /** Frames 1..pages are usable; frame 0 is none, `zeroPfn` the shared zero page. */
  readonly pages: number;
  readonly zeroPfn: number;
  page: PageTable;
  /** Content of each frame; empty where contents are not kept. */
  content: Int32Array;
  /** Page tables and page-cache nodes: rows of 512 entries. */
  pt: Int32Array;
  ptUsed: number;
  ptFree: number;
  vma: VmaTable;
  mm: MmTable;
  anonVma: Table<typeof ANON_VMA>;
  chain: Table<typeof CHAIN>;
  inode: Table<typeof INODE>;
  file: Table<typeof FILE>;
  sb: Table<typeof SUPER>;
  task: TaskTable;
  sig: Table<typeof SIG>;
  uffd: Table<typeof UFFD>;
  swap: Table<typeof SWAP>;
  disk: Table<typeof DISK>;
  /** Buddy allocator: heads of the free lists by order; the first frame never handed out. */
  freeHead: Int32Array;
  freeCount: Int32Array;
  wilderness: number;
  /** Free frames, in no list, that are next to be handed out one by one (page_alloc.ts). */
  carveNext: number;
  carveEnd: number;
  /** Global counters: vmstat.ts gives their indexes. */
  vmstat: Float64Array;
  /** mTHP statistics: order * MTHP_ITEMS + item. */
  mthp: Float64Array;
  settings: Settings;
  /** The huge zero folio's first frame, 0 while it is not allocated. */
  hugeZeroPfn: number;
  /** Next value for a store that names none; pages get distinct numbers. */
  nextContent: number;
  /** Faults that found no memory: the kernel would have reclaimed, or killed a process. */
  faultsWithoutMemory: number;
  /** Pages committed (vm_committed_as). */
  committed: number;
  /** Superblock row of the kernel's internal tmpfs mount (shared anonymous memory, memfd). */
  shmMount: number;
  names: string[];
  nameIds: Map<string, number>;
  /** The CPU's batch of mlock work in the current call: folios unlocked, 0 for locks. */
  mlockBatch: number[];
  /**
   * Pages that are being read from blocks of a disk, locked until the disk answers: when one of them
   * is waited for, and at the latest by a program's next fault on a file or its next call.
   */
  reading: number[];
  /** Context of the fault in progress on CPU 0. */
  vmf: Vmf;
  /** The rule that a program reached and the model does not have; '' = none. */
  unmodelled: string;
  /** Records why each order was refused; null at full speed. */
  why: WhyLog | null;
}

function table<S extends Readonly<Record<string, ColumnType>>>(
  schema: S,
  rows: number,
  old?: Table<S>,
): Table<S> {
  if (old === undefined) return makeTable(schema, rows);
  emptyTable(old);
  return old;
}

export interface MachineOptions {
  readonly release: Release;
  /** Physical memory in pages. */
  readonly pages: number;
  /** Keep a value for each page, so that loads see stores. */
  readonly contents: boolean;
  /** Rows of page tables to reserve; grows when they do not suffice. */
  readonly tables?: number;
  /**
   * A machine of equal size that is used no more: its columns are cleared and taken over.
   * Columns for 24 GiB cost some 50 ms to make, and a fraction of a millisecond to clear.
   */
  readonly reuse?: Machine;
}

/** Clears what a machine has used of its frames and page tables; undefined if it does not fit. */
function reusable(options: MachineOptions): Machine | undefined {
  const old = options.reuse;
  if (old === undefined || old.pages !== options.pages) return undefined;
  if ((old.content.length !== 0) !== options.contents) return undefined;
  const used = old.wilderness;
  const { flags, counts, mapping, index, mlocks } = old.page;
  for (const column of [flags, counts, mapping, index, mlocks]) column.fill(0, 0, used);
  old.content.fill(0, 0, used);
  old.pt.fill(0, 0, old.ptUsed * 512);
  return old;
}

/** A machine without tasks: all memory free. */
export function makeMachine(options: MachineOptions): Machine {
  const { release, pages } = options;
  const rows = pages + 2;
  const tables = options.tables ?? 256;
  const old = reusable(options);
  return {
    release,
    pages,
    zeroPfn: 1,
    page: old?.page ?? table(PAGE, rows),
    content: old?.content ?? new Int32Array(options.contents ? rows : 0),
    pt: old?.pt ?? new Int32Array(tables * 512),
    ptUsed: 1,
    ptFree: 0,
    vma: table(VMA, 64, old?.vma),
    mm: table(MM, 8, old?.mm),
    anonVma: table(ANON_VMA, 64, old?.anonVma),
    chain: table(CHAIN, 64, old?.chain),
    inode: table(INODE, 32, old?.inode),
    file: table(FILE, 32, old?.file),
    sb: table(SUPER, 8, old?.sb),
    task: table(TASK, 8, old?.task),
    sig: table(SIG, 8, old?.sig),
    uffd: table(UFFD, 4, old?.uffd),
    swap: table(SWAP, 2, old?.swap),
    disk: table(DISK, 2, old?.disk),
    freeHead: new Int32Array(11),
    freeCount: new Int32Array(11),
    wilderness: 0,
    carveNext: 0,
    carveEnd: 0,
    vmstat: new Float64Array(64),
    mthp: new Float64Array(16 * 32),
    settings: defaultSettings(pages, release.diskRequestPages),
    hugeZeroPfn: 0,
    nextContent: 1,
    faultsWithoutMemory: 0,
    committed: 0,
    shmMount: 0,
    names: [''],
    nameIds: new Map([['', 0]]),
    mlockBatch: [],
    reading: [],
    vmf: new Vmf(),
    unmodelled: '',
    why: null,
  };
}

/** Interns a name: equal names have equal numbers. */
export function internName(m: Machine, name: string): number {
  const known = m.nameIds.get(name);
  if (known !== undefined) return known;
  const id = m.names.push(name) - 1;
  m.nameIds.set(name, id);
  return id;
}
