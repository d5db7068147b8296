/**
 * A small machine with its first task and files, and the door to the steps that programs are made
 * of: those of address spaces (address_steps.ts), of files (file_steps.ts), of tasks and accesses.
 */
import { assert, newRow, type U64, word } from '../base/index.ts';
import { filePut, newFile, shmemFileSetup } from '../mm/file.ts';
import { dropMm, dupMm } from '../mm/fork.ts';
import {
  FMODE_LSEEK,
  FMODE_PREAD,
  FMODE_PWRITE,
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  INODE_MEMFD,
  INODE_NORESERVE,
  O_RDWR,
} from '../mm/fs_types.ts';
import {
  ACCESS_OK,
  ACCESS_READ,
  ACCESS_STUCK,
  ACCESS_WRITE,
  access,
  leafEntry,
} from '../mm/memory.ts';
import { internName, type Machine } from '../mm/mm_types.ts';
import { PTE_P, PTE_W } from '../mm/pgtable.ts';
import type { Release } from '../mm/release_types.ts';
import { truncateSetsize } from '../mm/truncate.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { PGFAULT } from '../mm/vmstat.ts';
import { AccessWatch } from './access_watch.ts';
import { AddressSteps } from './address_steps.ts';
import {
  type Action,
  ANY_TASK,
  ARENA_START,
  arenaPages,
  fileOfKind,
  OP_EXIT,
  OP_FAULT,
  OP_FAULT_AROUND,
  OP_FORK,
  OP_MADVISE,
  OP_MMAP,
  OP_MPROTECT,
  OP_MREMAP,
  OP_MUNMAP,
  OP_PHASE,
  OP_PUNCH,
  OP_READ,
  OP_RESIZE,
  OP_SIZES,
  OP_TRUNCATE,
  OP_UFFD,
  OP_WRITE,
  TASK_NAMES,
  UFFDIO_API,
} from './alphabet.ts';
import type { Bounds, Kind } from './bounds.ts';
import { FileSteps } from './file_steps.ts';
import { Ghost } from './ghost.ts';
import { childInherits } from './inheritance.ts';
import { LAW_INHERITANCE, LAW_PROGRESS, LawCounts } from './law_bits.ts';
import { Races } from './races.ts';
import { SmallMachine } from './small_machine.ts';

/** Frames: tasks hold at most their arena each, and files their pages; the rest is slack. */
function frames(bounds: Bounds): number {
  const needed = (bounds.tasks + 2) * arenaPages(bounds) * 2 + 32;
  return Math.max(64, 1 << Math.ceil(Math.log2(needed)));
}

/** Steps that take mmap_lock and the VMA locks for themselves, by operation. */
const NEEDS_WRITE_LOCK = new Uint8Array(32);
for (const op of [
  OP_MMAP,
  OP_MUNMAP,
  OP_MREMAP,
  OP_RESIZE,
  OP_FORK,
  OP_EXIT,
  OP_MPROTECT,
  OP_UFFD,
]) {
  NEEDS_WRITE_LOCK[op] = 1;
}

const UFFD_API = word.fromNumber(0xaa);

export class World {
  readonly sm: SmallMachine;
  readonly m: Machine;
  readonly bounds: Bounds;
  readonly counts = new LawCounts();
  /** Description row of each file that programs use; 0 where the bounds have no such kind. */
  readonly files: number[] = [0, 0];
  /** Descriptor of the first task's userfaultfd. */
  uffd: U64 = word.ZERO;
  /** Bits of laws that the last step itself broke. */
  broken = 0;
  readonly watch: AccessWatch;
  readonly races: Races;
  readonly ghost: Ghost;
  private readonly addresses: AddressSteps;
  private readonly fileSteps: FileSteps;

  constructor(release: Release, bounds: Bounds) {
    this.bounds = bounds;
    this.sm = new SmallMachine({
      release,
      frames: frames(bounds),
      arenaStart: ARENA_START,
      arenaPages: arenaPages(bounds),
      tasks: bounds.tasks + bounds.threads,
      inFlight: bounds.inFlight,
    });
    this.m = this.sm.m;
    const { m } = this;
    const task = this.sm.kernel.spawn({
      layout: { mmapTopVpn: 0x7ffff7fff, brkStart: 0x10000000, stackTopVpn: 0x7ffffffff, vmas: [] },
    });
    assert(task === 1, 'the first task has row 1');
    m.task.name[task] = internName(m, TASK_NAMES[1]!);
    m.settings.totalRam = 1 << 20;
    const order = Math.log2(bounds.pages);
    if (order > 0) {
      if (release.shmemPerSize) m.settings.shmemAlways = release.shmemOrders & (1 << order);
      if (order > 1) m.settings.anonAlways = 1 << order;
    }
    for (let i = 0; i < bounds.threads; i++) this.addThread();
    for (const kind of bounds.kinds) this.open(kind);
    if (bounds.calls.includes('uffd')) this.openUserfaultfd();
    this.sm.seal();
    this.watch = new AccessWatch(m, ARENA_START, arenaPages(bounds), this.counts);
    this.races = new Races(this);
    this.ghost = new Ghost(this.sm);
    this.addresses = new AddressSteps(this, this.ghost);
    this.fileSteps = new FileSteps(this, this.ghost);
  }

  /** A thread of the first process, there from the start. */
  private addThread(): void {
    const { m } = this;
    const thread = newRow(m.task);
    this.inherit(thread, 1);
    m.task.mm[thread] = m.task.mm[1]!;
    m.mm.users[m.task.mm[1]!]!++;
  }

  private inherit(child: number, task: number): void {
    const { m } = this;
    for (const name of ['sig', 'files', 'uid', 'euid', 'caps', 'tgid', 'readExec'] as const) {
      m.task[name][child] = m.task[name][task]!;
    }
    m.task.pid[child] = 100 + child;
    m.task.alive[child] = 1;
    m.task.name[child] = internName(m, TASK_NAMES[child] ?? `t${child}`);
  }

  private open(kind: Kind): void {
    const which = fileOfKind(kind);
    if (which < 0 || this.files[which] !== 0) return;
    const { m } = this;
    const size = this.bounds.pages * 4096;
    if (which === 0) {
      const file = shmemFileSetup(m, 1, '/memfd:f', 0, INODE_MEMFD | INODE_NORESERVE);
      truncateSetsize(m, m.file.inode[file]!, size);
      this.files[which] = file;
      return;
    }
    const inode = newRow(m.inode);
    m.inode.kind[inode] = FS_DISK;
    m.inode.sb[inode] = this.sm.kernel.state.rootSb;
    m.inode.size[inode] = size;
    m.inode.nlink[inode] = 1;
    m.inode.mode[inode] = 0o100600;
    const mode = FMODE_READ | FMODE_WRITE | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
    this.files[which] = newFile(m, inode, mode, O_RDWR, 0);
  }

  private openUserfaultfd(): void {
    const { kernel } = this.sm;
    const opened = kernel.syscall(1, 'userfaultfd', [word.ZERO]);
    assert('value' in opened, 'the first task may have a userfaultfd');
    this.uffd = opened.value;
    const api = { api: UFFD_API, features: word.ZERO };
    const enabled = kernel.syscall(1, 'ioctl', [this.uffd, word.fromNumber(UFFDIO_API), api]);
    assert('value' in enabled, 'the userfaultfd takes its API');
  }

  /** Inodes that are there from the start. */
  get roots(): number[] {
    return this.files.filter((file) => file !== 0).map((file) => this.m.file.inode[file]!);
  }

  /** Performs a step; false when it is not possible here. */
  perform(a: Action): boolean {
    const { m } = this;
    this.broken = 0;
    if (a.op === OP_PHASE) return this.counted(this.races.advance(a.arg));
    if (a.task === ANY_TASK ? !this.isAnyFree() : !this.isFree(a.task)) return false;
    if (NEEDS_WRITE_LOCK[a.op] === 1 && this.races.isReadLocked(m.task.mm[a.task]!)) return false;
    const done = this.step(a, m.task.mm[a.task]!);
    return this.counted(done);
  }

  /** The task is there and waits for no fault. */
  isFree(task: number): boolean {
    return this.m.task.alive[task] !== 0 && !this.races.isBusy(task);
  }

  private isAnyFree(): boolean {
    for (let t = 1; t < this.m.task.used; t++) if (this.isFree(t)) return true;
    return false;
  }

  private counted(done: boolean): boolean {
    if (done) this.sm.steps++;
    assert(!this.sm.overflowed, 'the tables of a small machine hold what the bounds allow');
    return done;
  }

  private step(a: Action, mm: number): boolean {
    const { m } = this;
    switch (a.op) {
      case OP_READ:
      case OP_WRITE:
        return this.access(a, mm);
      case OP_FAULT:
        return this.races.begin(a.task, a.at, a.arg === OP_WRITE);
      case OP_MMAP:
        return this.addresses.mmap(a, mm);
      case OP_MUNMAP:
        return this.addresses.munmap(a, mm);
      case OP_MREMAP:
        return this.addresses.mremap(a, mm);
      case OP_RESIZE:
        return this.addresses.resize(a, mm);
      case OP_FORK:
        return this.fork(a.task, mm);
      case OP_EXIT:
        return this.exit(a.task, mm);
      case OP_MPROTECT:
        return this.addresses.mprotect(a, mm);
      case OP_MADVISE:
        return this.addresses.madvise(a, mm);
      case OP_UFFD:
        return this.addresses.userfaultfd(a, mm);
      case OP_TRUNCATE:
        return this.fileSteps.truncate(a);
      case OP_PUNCH:
        return this.fileSteps.punch(a);
      case OP_FAULT_AROUND:
        if (m.settings.faultAroundPages === a.pages) return false;
        m.settings.faultAroundPages = a.pages;
        return true;
      case OP_SIZES: {
        const key = a.arg === 0 ? 'anonAlways' : 'shmemAlways';
        const value = a.flags === 0 ? 0 : a.pages;
        // A size that the release has no file for.
        if (a.arg === 1 && (m.release.shmemOrders & a.pages) === 0) return false;
        if (m.settings[key] === value) return false;
        m.settings[key] = value;
        return true;
      }
      default:
        return false;
    }
  }

  /**
   * A load of a page that is present changes nothing and is no step: what it would see is judged in
   * every state.
   */
  private access(a: Action, mm: number): boolean {
    const { m } = this;
    const vpn = a.at;
    const write = a.op === OP_WRITE;
    const v = vmaLookup(m, mm, vpn);
    if (v === 0) return false;
    const entry = leafEntry(m, mm, vpn);
    const allowed = write ? (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W) : (entry & PTE_P) !== 0;
    if (allowed && !write) return false;
    if (!allowed) this.watch.before(mm, vpn);
    const faults = m.vmstat[PGFAULT]!;
    const result = access(m, a.task, vpn, write ? ACCESS_WRITE : ACCESS_READ);
    const faulted = m.vmstat[PGFAULT]! !== faults;
    m.vmstat[PGFAULT] = faults;
    if (!allowed && faulted) {
      this.counts.met(LAW_PROGRESS, 1);
      if (result === ACCESS_STUCK) this.broken |= 1 << LAW_PROGRESS;
      this.broken |= this.watch.after(mm, vpn, write);
    }
    if (result === ACCESS_OK) {
      if (write) this.ghost.store(a.task, mm, v, vpn);
      return true;
    }
    // A signal: nothing happened but the fault, which may have left a page table.
    return faulted;
  }

  private fork(task: number, mm: number): boolean {
    const { m } = this;
    if (m.task.used > this.bounds.tasks + this.bounds.threads) return false;
    const childMm = dupMm(m, task, mm);
    if (childMm === 0) return false;
    const child = newRow(m.task);
    this.inherit(child, task);
    m.task.mm[child] = childMm;
    this.ghost.copySpace(mm, childMm);
    if (!childInherits(m, childMm, this.counts)) this.broken |= 1 << LAW_INHERITANCE;
    return true;
  }

  private exit(task: number, mm: number): boolean {
    const { m } = this;
    let others = 0;
    for (let t = 1; t < m.task.used; t++) if (t !== task && m.task.alive[t] !== 0) others++;
    if (others === 0) return false;
    m.task.alive[task] = 0;
    m.task.mm[task] = 0;
    dropMm(m, mm);
    if (m.mm.users[mm] === 0) this.ghost.dropSpace(mm);
    return true;
  }

  /** Releases what the world holds beyond the machine; for tests that count references. */
  close(): void {
    for (const file of this.files) if (file !== 0) filePut(this.m, file);
  }
}
