/**
 * Where an image's heap and mmap area lie: randomised, and told by a log's first results only.
 */
import { maybeLegacyBase } from '../arch/index.ts';
import { type TaskRow, word } from '../base/index.ts';
import type { CallResult, Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { VM_READ } from '../mm/vm_flags.ts';
import { isUnknownLand, type LearnedSpaces } from './log_state.ts';
import {
  asInt,
  type LogCall,
  MAP_32BIT,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MREMAP_FIXED,
  pagesOf,
  sourceOf,
  type Trial,
} from './log_trial.ts';
import type { UnknownMemory } from './log_unknown.ts';

export class Layouts {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #learned: LearnedSpaces;
  readonly #trial: Trial;
  readonly #unknown: UnknownMemory;

  constructor(kernel: Kernel, learned: LearnedSpaces, trial: Trial, unknown: UnknownMemory) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#learned = learned;
    this.#trial = trial;
    this.#unknown = unknown;
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

  learn(task: TaskRow, call: LogCall): string {
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

  /** mremap moved although nothing that the log showed is in the way: the image is. */
  blockGrowth(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'value') return '';
    const source = sourceOf(call);
    const at = word.pageOf(expected.value);
    if (at === source.start || this.#trial.place(task, call) !== source.start) return '';
    const grown = { start: source.end, end: source.start + pagesOf(asInt(values[2])) };
    if (grown.end <= grown.start) return '';
    return this.#unknown.fillHoles(task, grown)
      ? 'memory of an image that the log does not show'
      : '';
  }

  /** The kernel chose an address above all that was known: the mmap area begins higher. */
  raiseBase(task: TaskRow, call: LogCall, result: CallResult): string {
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
      return this.#unknown.mapHoles(task, land, VM_READ) ? reach : '';
    }
    if (m.mm.legacyLayout[mm] !== 0) return '';
    const old = m.mm.mmapBase[mm]!;
    if (end <= old) return learned.attached ? this.#unknown.fillAbove(task, end, chosen[1]) : '';
    m.mm.mmapBase[mm] = end;
    if (chosen[0] > old) this.#unknown.mapHoles(task, { start: old, end: chosen[0] }, VM_READ);
    return reach;
  }
}
