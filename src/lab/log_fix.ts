/**
 * Brings the model into the state that a log shows: learns layouts, takes over what the log proves
 * of memory that it never mapped, and, after a wrong prediction, forces the recorded result.
 *
 * What is taken over is always one fact of which the log is silent (the image, a descriptor, a
 * setting, a limit). It is assumed only where with it the model comes to the recorded result by
 * itself, and from then on it predicts.
 */
import { PMD_PAGES, type TaskRow, word } from '../base/index.ts';
import { fileOf } from '../kernel/fd_table.ts';
import type { CallResult, Kernel, Value } from '../kernel/index.ts';
import { FS_HUGETLB } from '../mm/fs_types.ts';
import { HUGEPAGES_UNKNOWN } from '../mm/hugetlb.ts';
import type { Machine } from '../mm/mm_types.ts';
import { VM_DONTEXPAND, VM_HUGETLB, VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { LogFiles } from './log_files.ts';
import { HiddenFacts } from './log_hidden.ts';
import { Identities, WHO } from './log_identity.ts';
import { Layouts } from './log_layout.ts';
import { AddressSettings } from './log_settings.ts';
import type { LearnedSpaces } from './log_state.ts';
import {
  asInt,
  type LogCall,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  pagesOf,
  RANGE_CALLS,
  sourceOf,
  type Trial,
} from './log_trial.ts';
import { UnknownMemory } from './log_unknown.ts';
import { observedCall, observedOf, same } from './log_verdict.ts';
import type { Verdict } from './report.ts';

const EPERM = 1;
const EBADF = 9;
const EACCES = 13;
const EEXIST = 17;
const EINVAL = 22;
const PROT_EXEC = 4;

export interface Assumed {
  readonly result: CallResult;
  readonly verdict: Verdict;
  readonly note: string;
}

export class LogFixer {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  /** Memory of which nothing is known, and what the log's text leaves out. */
  readonly unknown: UnknownMemory;
  readonly hidden: HiddenFacts;
  readonly #files: LogFiles;
  readonly #settings: AddressSettings;
  readonly #identities: Identities;
  readonly #layouts: Layouts;

  constructor(kernel: Kernel, learned: LearnedSpaces, trial: Trial) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#files = new LogFiles(kernel);
    this.#settings = new AddressSettings(kernel, trial);
    this.#identities = new Identities(kernel);
    this.unknown = new UnknownMemory(kernel, learned);
    this.hidden = new HiddenFacts(kernel, trial, this.#identities);
    this.#layouts = new Layouts(kernel, learned, trial, this.unknown);
  }

  /** Before the call: learns what its recorded result shows to have been so. '' = nothing new. */
  learnBefore(task: TaskRow, call: LogCall): string {
    this.hidden.drawLow(task, call);
    const note = this.#files.learnBefore(task, call);
    const more =
      call.expected.kind === 'errno'
        ? this.hidden.armInvisibly(task, call) || this.hidden.mayNotMapLow(task, call)
        : this.#layouts.learn(task, call) || this.#layouts.blockGrowth(task, call);
    return more === '' ? note : more;
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
      const filled = this.unknown.fillHoles(task, sourceOf(call));
      return filled ? 'memory of an image that the log does not show' : '';
    }
    if (expected.kind === 'value' && 'value' in result) {
      this.#unmap(task, result, call);
      const raised = name === 'mmap' ? this.#layouts.raiseBase(task, call, result) : '';
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
      const filled = noReplace && this.unknown.fillHoles(task, sourceOf(call));
      return filled ? 'the image, which the log does not show, lies there' : '';
    }
    if (name === 'shmat' && errno === EINVAL) {
      const at = word.pageOf(asInt(values[1]));
      const filled = at !== 0 && this.unknown.fillHoles(task, { start: at, end: at + 1 });
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
        this.unknown.mapHoles(task, { start: at, end }, VM_READ | VM_WRITE | huge);
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
        this.unknown.mapHoles(task, { start: at, end: at + pagesOf(size) }, VM_READ | VM_WRITE);
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
