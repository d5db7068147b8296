/**
 * Brings the model into the state that a log shows: learns layouts, takes over what the log proves
 * of memory that it never mapped, and, after a wrong prediction, forces the recorded result.
 *
 * What is taken over is always one fact of which the log is silent (the image, a descriptor, a
 * setting, a limit). It is assumed only where with it the model comes to the recorded result by
 * itself, and from then on it predicts.
 */
import { maybeLegacyBase } from '../arch/index.ts';
import { PMD_PAGES, type TaskRow, type U64, word } from '../base/index.ts';
import { fileOf } from '../kernel/fd_table.ts';
import { type CallResult, type Kernel, unknownMapping, type Value } from '../kernel/index.ts';
import { FS_HUGETLB } from '../mm/fs_types.ts';
import { HUGEPAGES_UNKNOWN } from '../mm/hugetlb.ts';
import type { Machine } from '../mm/mm_types.ts';
import { mayMoveAmongOthers } from '../mm/mremap.ts';
import { MAP_32BIT_BEGIN, MAP_32BIT_DRAW } from '../mm/settings.ts';
import {
  OPS_UNKNOWN,
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_MAYWRITE,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { findVma, findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import { LogFiles } from './log_files.ts';
import { Identities } from './log_identity.ts';
import { AddressSettings } from './log_settings.ts';
import { isUnknownLand, type LearnedSpaces } from './log_state.ts';
import {
  asInt,
  type LogCall,
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  pagesOf,
  type Range,
  sourceOf,
  type Trial,
} from './log_trial.ts';
import { observedCall, observedOf, same } from './log_verdict.ts';
import type { Verdict } from './report.ts';

/** Calls on an existing range: where the range and its length stand among the arguments. */
const RANGE_CALLS: ReadonlySet<string> = new Set([
  'mprotect',
  'pkey_mprotect',
  'madvise',
  'mlock',
  'mlock2',
  'munlock',
  'msync',
  'mincore',
  'mseal',
  'mremap',
  'mbind',
]);

const EPERM = 1;
const EBADF = 9;
const EACCES = 13;
const EFAULT = 14;
const EEXIST = 17;
const EINVAL = 22;
const PROT_EXEC = 4;

const WHO = 'who the caller is is not in the log';

export interface Assumed {
  readonly result: CallResult;
  readonly verdict: Verdict;
  readonly note: string;
}

export class LogFixer {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #learned: LearnedSpaces;
  readonly #files: LogFiles;
  readonly #settings: AddressSettings;
  readonly #identities: Identities;
  readonly #trial: Trial;

  constructor(kernel: Kernel, learned: LearnedSpaces, trial: Trial) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#learned = learned;
    this.#files = new LogFiles(kernel);
    this.#settings = new AddressSettings(kernel, trial);
    this.#identities = new Identities(kernel);
    this.#trial = trial;
  }

  /** First page and pages of the mapping that this call lets the kernel place, if it does. */
  #chosen(call: LogCall): [number, number] | undefined {
    const { name, values, expected } = call;
    if (expected.kind !== 'value') return undefined;
    const at = word.pageOf(expected.value);
    if (name === 'mmap') {
      const flags = asInt(values[3]).lo;
      if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)) !== 0) return undefined;
      if (word.pageOf(asInt(values[0])) === at) return undefined;
      return [at, pagesOf(asInt(values[1]))];
    }
    if (name === 'mremap') {
      if ((asInt(values[3]).lo & MREMAP_FIXED) !== 0) return undefined;
      if (word.pageOf(asInt(values[0])) === at) return undefined;
      return [at, pagesOf(asInt(values[2]))];
    }
    return undefined;
  }

  /** Before the call: learns what its recorded result shows to have been so. '' = nothing new. */
  learnBefore(task: TaskRow, call: LogCall): string {
    this.#drawLow(task, call);
    const note = this.#files.learnBefore(task, call);
    const more =
      call.expected.kind === 'errno'
        ? this.#armInvisibly(task, call) || this.#mayNotMapLow(task, call)
        : this.#learnLayout(task, call) || this.#blockGrowth(task, call);
    return more === '' ? note : more;
  }

  /**
   * The call as it was made. strace does not print the address of a mremap with
   * MREMAP_DONTUNMAP alone, which the kernel takes for a hint and checks: it is filled in where the
   * result shows that it was not 0. Undefined where nothing is hidden.
   */
  hiddenHint(task: TaskRow, call: LogCall): LogCall | undefined {
    const { name, values, expected } = call;
    if (name !== 'mremap' || values.length > 4) return undefined;
    if ((asInt(values[3]).lo & 7) !== (MREMAP_DONTUNMAP | MREMAP_MAYMOVE)) return undefined;
    if (word.offsetOf(asInt(values[0])) !== 0) return undefined;
    const wrongSize = !word.equal(asInt(values[1]), asInt(values[2]));
    const filled = (hint: U64): LogCall => ({ ...call, values: [...values.slice(0, 4), hint] });
    if (expected.kind === 'value') {
      if (this.#trial.fits(task, call) !== false) return undefined;
      const hinted = filled(expected.value);
      return this.#trial.fits(task, hinted) === true ? hinted : undefined;
    }
    if (expected.kind !== 'errno' || expected.errno !== EINVAL || wrongSize) return undefined;
    const { start, end } = sourceOf(call);
    const v = findVmaIntersection(this.#m, this.#m.task.mm[task]!, start, end);
    const rigid = v !== 0 && (this.#m.vma.flags[v]! & (VM_DONTEXPAND | VM_PFNMAP)) !== 0;
    return rigid || end === start ? undefined : filled(word.u64(0, 1));
  }

  /**
   * EFAULT from mremap where the model sees one private mapping: which mappings merged depends on
   * which were touched, and a log does not show touches.
   */
  wasTouched(task: TaskRow, call: LogCall): boolean {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'errno' || expected.errno !== EFAULT) return false;
    const { start, end } = sourceOf(call);
    const pages = Math.min(end - start, pagesOf(asInt(values[2])));
    const m = this.#m;
    const v = vmaLookup(m, m.task.mm[task]!, start);
    if (v === 0 || pages < 2 || start + pages > m.vma.end[v]!) return false;
    const flags = m.vma.flags[v]!;
    return (flags & VM_SHARED) === 0 && (flags & VM_MAYWRITE) !== 0;
  }

  /** A fixed address below mmap_min_addr was refused: the task has no CAP_SYS_RAWIO. */
  #mayNotMapLow(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (expected.kind !== 'errno' || expected.errno !== EPERM) return '';
    const fixed = asInt(values[3]).lo & (name === 'mmap' ? MAP_FIXED : MREMAP_FIXED);
    const target = name === 'mmap' ? values[0] : name === 'mremap' ? values[4] : undefined;
    if (target === undefined || fixed === 0) return '';
    if (word.pageOf(asInt(target)) * 4096 >= this.#m.settings.mmapMinAddr) return '';
    return this.#identities.unprivileged(task) ? WHO : '';
  }

  /** mremap moved although nothing that the log showed is in the way: the image is. */
  #blockGrowth(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'value') return '';
    const source = sourceOf(call);
    const at = word.pageOf(expected.value);
    if (at === source.start || this.#trial.place(task, call) !== source.start) return '';
    const grown = { start: source.end, end: source.start + pagesOf(asInt(values[2])) };
    if (grown.end <= grown.start) return '';
    return this.#fillHoles(task, grown) ? 'memory of an image that the log does not show' : '';
  }

  #learnLayout(task: TaskRow, call: LogCall): string {
    const { name, expected } = call;
    if (expected.kind !== 'value') return '';
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const learned = this.#learned.of(mm);
    if (name === 'brk' && !learned.brk) {
      learned.brk = true;
      m.mm.brkStart[mm] = word.toNumber(expected.value);
      m.mm.brk[mm] = word.toNumber(expected.value);
      return 'where the heap begins is not in the log';
    }
    if (name === 'brk' && this.#newImage(task, call)) {
      return 'a program was executed out of sight';
    }
    if (learned.base) return '';
    const chosen = this.#chosen(call);
    if (chosen === undefined) return '';
    learned.base = true;
    if (maybeLegacyBase(chosen[0])) {
      m.mm.legacyLayout[mm] = 1;
      m.mm.mmapBase[mm] = chosen[0];
    } else {
      m.mm.mmapBase[mm] = chosen[0] + chosen[1];
    }
    return 'where the mmap area begins is not in the log';
  }

  /**
   * brk(NULL) cannot fail, and tells where the heap ends: where that is elsewhere than the model
   * knows, an execve that was not traced lies between.
   */
  #newImage(task: TaskRow, call: LogCall): boolean {
    const { values, expected } = call;
    const asked = asInt(values[0]);
    if (expected.kind !== 'value' || asked.hi !== 0 || asked.lo !== 0) return false;
    const m = this.#m;
    const end = word.toNumber(expected.value);
    if (m.mm.brk[m.task.mm[task]!] === end) return false;
    this.#kernel.exec(task, '/unseen');
    const mm = m.task.mm[task]!;
    this.#learned.forget(mm);
    this.#learned.of(mm).brk = true;
    m.mm.brkStart[mm] = end;
    m.mm.brk[mm] = end;
    return true;
  }

  /**
   * MAP_32BIT searches upwards from a page that each call draws anew. The recorded address is right
   * when the search from one of them comes to it: that is the page itself or, where an address
   * above was aligned up, one of the 2 MiB below; at most the last that can be drawn.
   */
  #drawLow(task: TaskRow, call: LogCall): void {
    if (call.name !== 'mmap' || (asInt(call.values[3]).lo & MAP_32BIT) === 0) return;
    const { settings } = this.#m;
    settings.map32Begin = MAP_32BIT_BEGIN;
    if (call.expected.kind !== 'value') return;
    const at = word.pageOf(call.expected.value);
    const last = MAP_32BIT_BEGIN + MAP_32BIT_DRAW - 1;
    for (const below of [0, 1, PMD_PAGES - 1]) {
      settings.map32Begin = Math.max(MAP_32BIT_BEGIN, Math.min(at - below, last));
      if (this.#trial.place(task, call) === at) return;
    }
  }

  /**
   * mremap refuses to move several mappings when one of them is registered with userfaultfd, and
   * ioctl(UFFDIO_REGISTER) is seldom traced. Where the model sees no other reason for EFAULT, and
   * the process holds a userfaultfd, the mappings of the range are taken to be registered.
   */
  #armInvisibly(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'errno' || expected.errno !== EFAULT) return '';
    if (!this.#m.release.mremapMany) return '';
    const pages = pagesOf(asInt(values[1]));
    const fixed = (asInt(values[3]).lo & MREMAP_FIXED) !== 0;
    if (!fixed || pages !== pagesOf(asInt(values[2]))) return '';
    const { start, end } = sourceOf(call);
    const m = this.#m;
    const mm = m.task.mm[task]!;
    let v = findVmaIntersection(m, mm, start, end);
    if (v === 0 || m.vma.start[v]! > start || m.vma.end[v]! >= end) return '';
    for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
      if (!mayMoveAmongOthers(m, v)) return '';
    }
    if (!this.#kernel.assumeRegistered(task, start, end)) return '';
    return 'what was registered with userfaultfd is not in the log';
  }

  #unknown(task: TaskRow, start: number, end: number, flags: number): void {
    this.#kernel.assumeMapping(task, unknownMapping(start, end, flags));
  }

  #unmap(task: TaskRow, result: CallResult, call: LogCall): void {
    if (!('value' in result) || call.name !== 'mmap') return;
    this.#kernel.syscall(task, 'munmap', [result.value, asInt(call.values[1])]);
  }

  again(task: TaskRow, call: LogCall): CallResult {
    return observedCall(this.#kernel, task, call.name, call.values, observedOf(call.expected));
  }

  /**
   * A wrong prediction that is no fault of the model: something that the log does not show.
   * Undefined when it is not that.
   */
  assume(task: TaskRow, call: LogCall, result: CallResult): Assumed | undefined {
    const guessed = this.#otherDescriptor(task, call, result);
    if (guessed !== undefined) return guessed;
    const somebody = this.#otherIdentity(task, call, result);
    if (somebody !== undefined) return somebody;
    const note = this.#findReason(task, call, result);
    if (note === '') return undefined;
    const again = this.again(task, call);
    if (same(again, call.expected)) return { result: again, verdict: 'assumed', note };
    if ('unmodelled' in again) {
      return { result: again, verdict: 'unchecked', note: `not modelled: ${again.unmodelled}` };
    }
    this.#unmap(task, again, call);
    return undefined;
  }

  /** Changes the model where that may explain the recorded result. '' = nothing to change. */
  #findReason(task: TaskRow, call: LogCall, result: CallResult): string {
    const { name, expected } = call;
    if (expected.kind === 'value' && 'errno' in result) {
      if (name === 'mmap' && this.#takesHugePages(task, call)) {
        if (this.#m.settings.nrHugepages === HUGEPAGES_UNKNOWN) return '';
        this.#m.settings.nrHugepages = HUGEPAGES_UNKNOWN;
        return 'the pool of huge pages is not in the log';
      }
      if (!RANGE_CALLS.has(name)) return '';
      const filled = this.#fillHoles(task, sourceOf(call));
      return filled ? 'memory of an image that the log does not show' : '';
    }
    if (expected.kind === 'value' && 'value' in result) {
      this.#unmap(task, result, call);
      const raised = name === 'mmap' ? this.#raiseBase(task, call, result) : '';
      return raised !== '' ? raised : this.#settings.explain(task, call);
    }
    if (expected.kind !== 'errno') return '';
    this.#unmap(task, result, call);
    return this.#refusedReason(task, call, expected.errno);
  }

  /** Why a call that the model lets succeed was refused. */
  #refusedReason(task: TaskRow, call: LogCall, errno: number): string {
    const { name, values } = call;
    if (name === 'mmap' && errno === EBADF) {
      return this.#files.close(task, call) ? 'who opened the descriptor is not in the log' : '';
    }
    if (name === 'mmap' && errno === EEXIST) {
      const noReplace = (asInt(values[3]).lo & MAP_FIXED_NOREPLACE) !== 0;
      const filled = noReplace && this.#fillHoles(task, sourceOf(call));
      return filled ? 'the image, which the log does not show, lies there' : '';
    }
    if (name === 'shmat' && errno === EINVAL) {
      const at = word.pageOf(asInt(values[1]));
      const filled = at !== 0 && this.#fillHoles(task, { start: at, end: at + 1 });
      return filled ? 'the image, which the log does not show, lies there' : '';
    }
    if (name === 'mmap' && errno === EPERM && (asInt(values[2]).lo & PROT_EXEC) !== 0) {
      return this.#settings.mountedNoexec(task, call);
    }
    return '';
  }

  /** The caller is somebody else than it was taken for. */
  #otherIdentity(task: TaskRow, call: LogCall, result: CallResult): Assumed | undefined {
    const { expected } = call;
    const right = (errno: number): boolean => errno === EPERM || errno === EACCES;
    const refused = expected.kind === 'errno' && right(expected.errno) && 'value' in result;
    const allowed = expected.kind === 'value' && 'errno' in result && right(result.errno);
    if (!refused && !allowed) return undefined;
    this.#undo(task, result, call);
    let again: CallResult = { none: true };
    const found = this.#identities.find(task, refused, () => {
      again = this.again(task, call);
      if (same(again, expected)) return true;
      this.#undo(task, again, call);
      return false;
    });
    return found ? { result: again, verdict: 'assumed', note: WHO } : undefined;
  }

  /** Takes back what a call that should have failed has made. */
  #undo(task: TaskRow, result: CallResult, call: LogCall): void {
    if (!('value' in result)) return;
    if (call.name === 'mmap') this.#unmap(task, result, call);
    if (call.name === 'shmat') this.#kernel.syscall(task, 'shmdt', [result.value]);
    if (call.name === 'userfaultfd') this.#kernel.assumeClose(task, word.toInt32(result.value));
  }

  /** The descriptor was opened out of sight: tries what else it may be. */
  #otherDescriptor(task: TaskRow, call: LogCall, result: CallResult): Assumed | undefined {
    let wrong = result;
    let tried = false;
    while (this.#files.nextGuess(task, call)) {
      tried = true;
      this.#unmap(task, wrong, call);
      wrong = this.again(task, call);
      if (!same(wrong, call.expected)) continue;
      const note = 'what the descriptor is open on is not in the log';
      return { result: wrong, verdict: 'assumed', note };
    }
    if (tried) {
      this.#unmap(task, wrong, call);
      this.#files.resetGuess(task, call);
    }
    return undefined;
  }

  /** The call is about memory of which the log shows only that it is there, or not even that. */
  aboutUnknown(task: TaskRow, call: LogCall): boolean {
    if (!RANGE_CALLS.has(call.name)) return false;
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const { start, end } = sourceOf(call);
    const learned = this.#learned.of(mm);
    for (let vpn = start; vpn < Math.max(end, start + 1); ) {
      const v = vmaLookup(m, mm, vpn);
      if (v === 0) return isUnknownLand(m, mm, learned, vpn, vpn + 1);
      if (m.vma.ops[v] === OPS_UNKNOWN && m.vma.file[v] === 0) return true;
      vpn = m.vma.end[v]!;
    }
    return false;
  }

  #takesHugePages(task: TaskRow, call: LogCall): boolean {
    if ((asInt(call.values[3]).lo & MAP_ANONYMOUS) !== 0) {
      return (asInt(call.values[3]).lo & MAP_HUGETLB) !== 0;
    }
    const file = fileOf(this.#kernel.state, task, word.toInt32(asInt(call.values[4])));
    return file !== 0 && this.#m.inode.kind[this.#m.file.inode[file]!] === FS_HUGETLB;
  }

  /** Pages of the pool decide about the call, too. */
  takesHugePages(task: TaskRow, call: LogCall): boolean {
    return call.name === 'mmap' && this.#takesHugePages(task, call);
  }

  /** The pool of huge pages is exhausted, or not: which, no log of one program tells. */
  poolDecides(task: TaskRow, call: LogCall, result: CallResult): boolean {
    if (call.name !== 'mmap' || !this.#takesHugePages(task, call)) return false;
    const refused = call.expected.kind === 'errno' && call.expected.name === 'ENOMEM';
    return refused && 'value' in result;
  }

  /** The kernel chose an address above all that was known: the mmap area begins higher. */
  #raiseBase(task: TaskRow, call: LogCall, result: CallResult): string {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const learned = this.#learned.of(mm);
    const chosen = this.#chosen(call);
    if (chosen === undefined || !('value' in result)) return '';
    const end = chosen[0] + chosen[1];
    const reach = 'the mmap area reaches further than the log showed so far';
    const hinted = word.pageOf(asInt(call.values[0]));
    const land = { start: hinted, end: hinted + chosen[1] };
    const honoured = hinted !== 0 && word.pageOf(result.value) === hinted;
    if (honoured && isUnknownLand(m, mm, learned, land.start, land.end)) {
      return this.#mapHoles(task, land, VM_READ) ? reach : '';
    }
    if (m.mm.legacyLayout[mm] !== 0) return '';
    const old = m.mm.mmapBase[mm]!;
    if (end <= old) return learned.attached ? this.#fillAbove(task, end, chosen[1]) : '';
    m.mm.mmapBase[mm] = end;
    if (chosen[0] > old) this.#mapHoles(task, { start: old, end: chosen[0] }, VM_READ);
    return reach;
  }

  /**
   * In an address space whose first life is not in the log, the kernel passed over holes that the
   * model takes for free: what is in them was mapped before.
   */
  #fillAbove(task: TaskRow, from: number, pages: number): string {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const base = m.mm.mmapBase[mm]!;
    // What was put there by this guess, and is free after all, goes.
    let filled = this.#clearUnknown(task, { start: from - pages, end: from });
    for (let at = from; at < base; ) {
      const v = findVma(m, mm, at);
      const to = v === 0 ? base : Math.min(base, m.vma.start[v]!);
      if (to - at >= pages)
        filled = this.#mapHoles(task, { start: at, end: to }, VM_READ) || filled;
      at = v === 0 ? base : m.vma.end[v]!;
    }
    return filled ? 'what was mapped before the log began is not in it' : '';
  }

  /** Unmaps a range that holds nothing but memory of which nothing is known. */
  #clearUnknown(task: TaskRow, { start, end }: Range): boolean {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const first = findVmaIntersection(m, mm, start, end);
    for (let v = first; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
      if (m.vma.ops[v] !== OPS_UNKNOWN || m.vma.file[v] !== 0) return false;
    }
    if (first === 0) return false;
    this.#kernel.syscall(task, 'munmap', [word.fromPage(start), word.fromPage(end - start)]);
    return true;
  }

  /** Maps unknown memory where nothing is. Returns whether there was room. */
  #mapHoles(task: TaskRow, at: Range, flags: number): boolean {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    let filled = false;
    for (let vpn = at.start; vpn < at.end; ) {
      const v = findVma(m, mm, vpn);
      const from = v === 0 ? at.end : m.vma.start[v]!;
      if (v !== 0 && from <= vpn) {
        vpn = m.vma.end[v]!;
        continue;
      }
      const to = Math.min(from, at.end);
      this.#unknown(task, vpn, to, flags);
      filled = true;
      vpn = to;
    }
    return filled;
  }

  /** The same for the image; false where the model knows that there is none. */
  #fillHoles(task: TaskRow, at: Range): boolean {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const end = Math.max(at.start + 1, at.end);
    if (!isUnknownLand(m, mm, this.#learned.of(mm), at.start, end)) return false;
    return this.#mapHoles(task, { start: at.start, end }, VM_READ | VM_WRITE);
  }

  /** Makes the model's state follow the log after a wrong prediction. */
  force(task: TaskRow, call: LogCall, result: CallResult): void {
    const { name, values, expected } = call;
    const redo = (changed: readonly Value[]): CallResult =>
      this.again(task, { ...call, values: changed });
    switch (name) {
      case 'mmap': {
        this.#unmap(task, result, call);
        if (expected.kind !== 'value') return;
        const flags = asInt(values[3]);
        const args = [...values];
        args[0] = expected.value;
        args[3] = word.u64(flags.hi, (flags.lo & ~MAP_FIXED_NOREPLACE) | MAP_FIXED);
        if ('value' in redo(args)) return;
        const at = word.pageOf(expected.value);
        const unit = hugePages(flags.lo);
        const end = at + Math.ceil(pagesOf(asInt(values[1])) / unit) * unit;
        const huge = unit === 1 ? 0 : VM_HUGETLB | VM_DONTEXPAND;
        this.#kernel.syscall(task, 'munmap', [expected.value, word.fromPage(end - at)]);
        this.#mapHoles(task, { start: at, end }, VM_READ | VM_WRITE | huge);
        return;
      }
      case 'mremap': {
        if (expected.kind !== 'value') return;
        const size = asInt(values[2]);
        const from = 'value' in result ? result.value : asInt(values[0]);
        if (word.equal(from, expected.value)) return;
        const flags = word.u64(0, MREMAP_MAYMOVE | MREMAP_FIXED);
        const oldSize = 'value' in result ? size : asInt(values[1]);
        const moved = redo([from, oldSize, size, flags, expected.value]);
        if ('value' in moved) return;
        const at = word.pageOf(expected.value);
        this.#mapHoles(task, { start: at, end: at + pagesOf(size) }, VM_READ | VM_WRITE);
        return;
      }
      case 'brk':
        if (expected.kind === 'value') redo([expected.value]);
        return;
      case 'shmat': {
        if ('value' in result) this.#kernel.syscall(task, 'shmdt', [result.value]);
        if (expected.kind !== 'value') return;
        redo([values[0] ?? word.ZERO, expected.value, values[2] ?? word.ZERO]);
        return;
      }
      default:
    }
  }
}

/** Pages of the huge page that mmap flags ask for, 1 without MAP_HUGETLB. */
function hugePages(flags: number): number {
  if ((flags & MAP_HUGETLB) === 0) return 1;
  return flags >>> 26 === GIGABYTE_LOG ? 512 * PMD_PAGES : PMD_PAGES;
}

const GIGABYTE_LOG = 30;
