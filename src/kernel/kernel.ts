/**
 * The modelled kernel's door: a machine that is driven in the kernel's own ABI. System calls by
 * name and argument, the processor's loads and stores, files of /proc and /sys.
 */
import {
  EINVAL,
  ENOENT,
  type FileRow,
  newRow,
  type Row,
  type TaskRow,
  type Vpn,
} from '../base/index.ts';
import { bootMachine } from '../mm/boot.ts';
import { FS_DISK } from '../mm/fs_types.ts';
import { ACCESS_WRITE, access, loadContent, storeContent } from '../mm/memory.ts';
import { internName, type Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import { HUGE_NEVER } from '../mm/settings.ts';
import { type AssumedFile, assumeOpen, assumeRegistered } from './assume.ts';
import { exitGroup, exitTask } from './exit.ts';
import { closeFd } from './fd_table.ts';
import { addToHoles, type Layout, type LayoutVma } from './layout.ts';
import { learnCaller } from './learn.ts';
import { DIRECTORIES, ensureInode, mountAt, newPseudo, newTmpfs } from './namespace.ts';
import { type Extent, type FileContent, readProc, taskByName, writeProc } from './proc_paths.ts';
import { exec, type SpawnOptions, spawn } from './process.ts';
import type { Config, KernelState, Observed } from './state.ts';
import { callName, findCall } from './syscall_table.ts';
import { Args, type CallResult, checkArgs, toResult, type Value } from './values.ts';

export interface BootOptions extends Partial<Config> {
  readonly release: Release;
  readonly memoryBytes: number;
  /** Keep contents, so that loads see stores. */
  readonly contents: boolean;
  /** The first pid given out. */
  readonly firstPid?: number;
  /** A machine of equal size that is used no more: its frames' rows are taken over. */
  readonly reuse?: Machine;
}

const DEFAULT_CONFIG: Config = {
  anonVmaName: false,
  pkeys: false,
  unknownImages: false,
  defaultPath: '/usr/bin/program',
};

/** Mounted noexec by every distribution; procfs is so by itself (proc_fill_super). */
const NOEXEC_MOUNTS = ['/proc', '/sys', '/dev/pts'];

function rootSuperblock(m: Machine): Row {
  const sb = newRow(m.sb);
  m.sb.kind[sb] = FS_DISK;
  m.sb.name[sb] = internName(m, 'ext4');
  return sb;
}

export class Kernel {
  readonly state: KernelState;
  readonly m: Machine;
  #first: TaskRow = 0;
  #observed: Observed | undefined;

  private constructor(state: KernelState) {
    this.state = state;
    this.m = state.m;
  }

  /** A machine with its file systems mounted and no task. */
  static boot(options: BootOptions): Kernel {
    const pages = Math.floor(options.memoryBytes / 4096);
    const { release, contents, reuse } = options;
    const m = bootMachine({ release, pages, contents, ...(reuse === undefined ? {} : { reuse }) });
    const config: Config = {
      anonVmaName: options.anonVmaName ?? DEFAULT_CONFIG.anonVmaName,
      pkeys: options.pkeys ?? DEFAULT_CONFIG.pkeys,
      unknownImages: options.unknownImages ?? DEFAULT_CONFIG.unknownImages,
      defaultPath: options.defaultPath ?? DEFAULT_CONFIG.defaultPath,
    };
    const state: KernelState = {
      m,
      config,
      tables: new Map(),
      nextTable: 1,
      names: new Map(),
      directories: new Set(DIRECTORIES),
      mounts: [],
      rootSb: rootSuperblock(m),
      pseudoSb: 0,
      cwd: new Map(),
      special: new Map(),
      byPid: new Map(),
      nextPid: options.firstPid ?? 1000,
      nextSibling: 0,
      shm: new Map(),
      shmNext: 0,
      shmSeq: 0,
      creds: new Map(),
      personality: new Map(),
      nextIno: 100,
      observed: undefined,
    };
    state.pseudoSb = newPseudo(state, 'pipefs');
    for (const path of NOEXEC_MOUNTS) mountAt(state, path, newPseudo(state, path));
    const half = Math.floor(pages / 2);
    mountAt(state, '/dev/shm', newTmpfs(state, '/dev/shm', HUGE_NEVER, half));
    mountAt(state, '/run', newTmpfs(state, '/run', HUGE_NEVER, half));
    return new Kernel(state);
  }

  /** A process that nobody forked; a number is its pid. */
  spawn(options: SpawnOptions | number = {}): TaskRow {
    return spawn(this.state, typeof options === 'number' ? { pid: options } : options);
  }

  /** The process that is there from the start; made when it is first asked for. */
  get firstTask(): TaskRow {
    if (this.#first === 0) this.#first = this.spawn();
    return this.#first;
  }

  /** The pid that the next child gets. */
  get nextPid(): number {
    return this.state.nextPid;
  }
  set nextPid(pid: number) {
    this.state.nextPid = pid;
  }

  /** True when the door executes this call. */
  handles(name: string): boolean {
    return findCall(name) !== undefined;
  }

  /**
   * What a log says the next calls return: the model then takes over what it cannot know
   * (descriptors, pids, bytes of pipes) and answers `ignored` for it. Undefined: no log.
   */
  observe(observed: Observed | undefined): void {
    this.#observed = observed;
  }

  /**
   * What a recorded result tells of its caller; to be called before the call is executed. A note
   * when something was learned: the result is then assumed, not predicted.
   */
  learnCaller(task: TaskRow, name: string, args: readonly Value[], recorded: Observed): string {
    return learnCaller(this.state, task, callName(name), args, recorded);
  }

  /** Executes a call. */
  syscall(task: TaskRow, name: string, args: readonly Value[]): CallResult {
    const spec = findCall(name);
    if (spec === undefined) return { unmodelled: `the call ${callName(name)}` };
    const wrong = checkArgs(callName(name), spec[0], args);
    if (wrong !== '') return { unmodelled: wrong };
    const k = this.state;
    k.observed = this.#observed;
    this.m.unmodelled = '';
    this.m.mlockBatch.length = 0;
    this.m.reading.length = 0;
    const outcome = spec[1](k, task, new Args(args));
    k.observed = undefined;
    if (this.m.unmodelled !== '') return { unmodelled: this.m.unmodelled };
    return toResult(outcome);
  }

  /** The processor touches one page: ACCESS_* of mm/memory.ts. */
  access(task: TaskRow, vpn: Vpn, kind: number): number {
    return access(this.m, task, vpn, kind);
  }

  /** What a load of a page that access() allowed sees. */
  load(task: TaskRow, vpn: Vpn): number {
    return loadContent(this.m, task, vpn);
  }

  /** Stores into a page; the access comes first. Returns ACCESS_*. */
  store(task: TaskRow, vpn: Vpn, value: number): number {
    const failed = access(this.m, task, vpn, ACCESS_WRITE);
    if (failed === 0) storeContent(this.m, task, vpn, value);
    return failed;
  }

  /** The live task with this pid, or 0. */
  taskByPid(pid: number): TaskRow {
    return this.state.byPid.get(pid) ?? 0;
  }

  taskByName(name: string): TaskRow {
    return taskByName(this.state, 0, name);
  }

  setTaskName(task: TaskRow, name: string): void {
    this.m.task.name[task] = internName(this.m, name);
  }

  tasks(): TaskRow[] {
    return [...this.state.byPid.values()];
  }

  /**
   * Reads a file of /proc or /sys; without a task, as root from outside. A file that the model has
   * not gives ENOENT and is named in `m.unmodelled`.
   */
  readFile(path: string, task: TaskRow = 0, extent?: Extent): FileContent {
    const read = readProc(this.state, task, path, extent);
    if (!('unmodelled' in read)) return read;
    this.m.unmodelled = read.unmodelled;
    return { errno: ENOENT };
  }

  /** Writes to a file of /proc or /sys: 0 or -errno; `m.unmodelled` as in readFile(). */
  writeFile(path: string, text: string, task: TaskRow = 0): number {
    const stored = writeProc(this.state, task, path, text);
    if (typeof stored === 'number') return stored;
    this.m.unmodelled = stored.unmodelled;
    return -EINVAL;
  }

  /** A file that is there before the program begins. */
  addFile(path: string, bytes: number): void {
    ensureInode(this.state, 0, path, FS_DISK, bytes);
  }

  /** A descriptor that a log shows to be open. */
  assumeOpen(
    task: TaskRow,
    fd: number,
    path: string,
    flags: number,
    file: AssumedFile = {},
  ): FileRow {
    return assumeOpen(this.state, task, fd, path, flags, file);
  }

  assumeClose(task: TaskRow, fd: number): void {
    closeFd(this.state, task, fd);
  }

  /** A mapping that a log shows to be there; what is mapped already stays as it is. */
  assumeMapping(task: TaskRow, mapping: LayoutVma): void {
    addToHoles(this.m, this.m.task.mm[task]!, mapping);
  }

  /** The end of the brk area, known from the first brk(NULL). Bytes. */
  assumeBrk(task: TaskRow, bytes: number): void {
    const mm = this.m.task.mm[task]!;
    this.m.mm.brkStart[mm] = bytes;
    this.m.mm.brk[mm] = bytes;
  }

  /** The page below which addresses are handed out. */
  assumeMmapTop(task: TaskRow, vpn: Vpn): void {
    this.m.mm.mmapBase[this.m.task.mm[task]!] = vpn;
  }

  /**
   * A log without ioctls shows mappings behave as if registered with the process's userfaultfd:
   * registers those of [start, end). False when the process has none open.
   */
  assumeRegistered(task: TaskRow, start: Vpn, end: Vpn): boolean {
    return assumeRegistered(this.state, task, start, end);
  }

  /** A new image for a task; without a layout, the one that the options chose at boot. */
  exec(task: TaskRow, path: string, layout?: Layout): void {
    exec(this.state, task, path, layout);
  }

  /** The process ends: exit_group(), or a signal that kills it. */
  kill(task: TaskRow, status: number): void {
    exitGroup(this.state, task, status);
  }

  /** A thread ends. */
  endTask(task: TaskRow): void {
    exitTask(this.state, task, 0);
  }

  /** One thread ends with a status. */
  exitThread(task: TaskRow, status: number): void {
    exitTask(this.state, task, status);
  }
}
