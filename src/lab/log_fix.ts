/**
 * Brings the model into the state that a log shows: learns layouts, takes over what the log proves
 * of memory that it never mapped, and, after a wrong prediction, forces the recorded result.
 */
import { maybeLegacyBase } from '../arch/index.ts';
import { type TaskRow, type U64, word } from '../base/index.ts';
import { type CallResult, type Kernel, unknownMapping, type Value } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { findVma } from '../mm/vma_tree.ts';
import type { Expected } from '../scenario/index.ts';
import { isUnknownLand, type LearnedSpaces } from './log_state.ts';
import { observedCall, same } from './log_verdict.ts';
import type { Verdict } from './report.ts';

const MAP_FIXED = 0x10;
const MAP_POPULATE = 0x8000;
const MAP_FIXED_NOREPLACE = 0x100000;
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;

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

export interface Assumed {
  readonly result: CallResult;
  readonly verdict: Verdict;
  readonly note: string;
}

function asInt(value: Value | undefined): U64 {
  return typeof value === 'object' && 'hi' in value ? (value as U64) : word.ZERO;
}

function pagesOf(length: U64): number {
  return Math.ceil((word.offsetOf(length) + word.pageOf(length) * 4096) / 4096);
}

export class LogFixer {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #learned: LearnedSpaces;

  constructor(kernel: Kernel, learned: LearnedSpaces) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#learned = learned;
  }

  /** First page and pages of the mapping that this call lets the kernel place, if it does. */
  #chosen(name: string, values: readonly Value[], value: U64): [number, number] | undefined {
    const at = word.pageOf(value);
    if (name === 'mmap') {
      const flags = asInt(values[3]).lo;
      if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) return undefined;
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

  /** Before the call: learns the brk or mmap area from its recorded result. '' = nothing new. */
  learnBefore(task: TaskRow, name: string, values: readonly Value[], expected: Expected): string {
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
    if (learned.base) return '';
    const chosen = this.#chosen(name, values, expected.value);
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

  /** Would mmap answer this address now? Undefined where it does not choose, or nothing is known. */
  wouldMapAt(task: TaskRow, values: readonly Value[], value: U64): boolean | undefined {
    if (!this.#learned.of(this.#m.task.mm[task]!).base) return undefined;
    const flags = asInt(values[3]);
    if ((flags.lo & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) return undefined;
    const trial = [...values];
    trial[3] = word.u64(flags.hi, flags.lo & ~MAP_POPULATE);
    const result = observedCall(this.#kernel, task, 'mmap', trial, { value: word.toSigned(value) });
    if (!('value' in result)) return false;
    this.#unmap(task, result.value, asInt(values[1]));
    return word.equal(result.value, value);
  }

  #unknown(task: TaskRow, start: number, end: number, flags: number): void {
    this.#kernel.assumeMapping(task, unknownMapping(start, end, flags));
  }

  #unmap(task: TaskRow, at: U64, length: U64): void {
    this.#kernel.syscall(task, 'munmap', [at, length]);
  }

  #again(task: TaskRow, name: string, values: readonly Value[], expected: Expected): CallResult {
    const observed =
      expected.kind === 'value' ? { value: word.toSigned(expected.value) } : undefined;
    return observedCall(this.#kernel, task, name, values, observed);
  }

  /**
   * A wrong prediction that is no fault of the model: memory of the image that the log does not
   * show. Undefined when it is not that.
   */
  assume(
    task: TaskRow,
    name: string,
    values: readonly Value[],
    expected: Expected,
    result: CallResult,
  ): Assumed | undefined {
    if (expected.kind === 'value' && 'errno' in result && RANGE_CALLS.has(name)) {
      if (!this.#fillHoles(task, asInt(values[0]), asInt(values[1]))) return undefined;
      const again = this.#again(task, name, values, expected);
      const note = 'memory of an image that the log does not show';
      if (same(again, expected)) return { result: again, verdict: 'assumed', note };
      return undefined;
    }
    if (name !== 'mmap' && name !== 'mremap') return undefined;
    if (expected.kind === 'value' && 'value' in result) {
      return this.#raiseBase(task, name, values, expected, result.value);
    }
    const noReplace = (asInt(values[3]).lo & MAP_FIXED_NOREPLACE) !== 0;
    if (name === 'mmap' && noReplace && expected.kind === 'errno' && 'value' in result) {
      this.#unmap(task, result.value, asInt(values[1]));
      if (!this.#fillHoles(task, asInt(values[0]), asInt(values[1]))) return undefined;
      const again = this.#again(task, name, values, expected);
      const note = 'the image, which the log does not show, lies there';
      return same(again, expected) ? { result: again, verdict: 'assumed', note } : undefined;
    }
    return undefined;
  }

  /** The kernel chose an address above all that was known: the mmap area begins higher. */
  #raiseBase(
    task: TaskRow,
    name: string,
    values: readonly Value[],
    expected: Extract<Expected, { kind: 'value' }>,
    predicted: U64,
  ): Assumed | undefined {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const learned = this.#learned.of(mm);
    const chosen = this.#chosen(name, values, expected.value);
    if (chosen === undefined || name !== 'mmap') return undefined;
    const end = chosen[0] + chosen[1];
    if (m.mm.legacyLayout[mm] !== 0 || end <= m.mm.mmapBase[mm]!) {
      const hint = asInt(values[0]);
      const hinted = word.pageOf(hint);
      if (hinted === 0 || word.pageOf(predicted) !== hinted) return undefined;
      if (!isUnknownLand(m, mm, learned, hinted, hinted + chosen[1])) return undefined;
      this.#unmap(task, predicted, asInt(values[1]));
      this.#unknown(task, hinted, hinted + chosen[1], VM_READ);
    } else {
      this.#unmap(task, predicted, asInt(values[1]));
      const old = m.mm.mmapBase[mm]!;
      m.mm.mmapBase[mm] = end;
      if (chosen[0] > old) this.#unknown(task, old, chosen[0], VM_READ);
    }
    const again = this.#again(task, name, values, expected);
    const note = 'the mmap area reaches further than the log showed so far';
    return same(again, expected) ? { result: again, verdict: 'assumed', note } : undefined;
  }

  /** Maps unknown memory in the holes of a range. False where the model knows that they are holes. */
  #fillHoles(task: TaskRow, address: U64, length: U64): boolean {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const learned = this.#learned.of(mm);
    const start = word.pageOf(address);
    const end = start + Math.max(1, pagesOf(length));
    if (!isUnknownLand(m, mm, learned, start, end)) return false;
    let filled = false;
    for (let at = start; at < end; ) {
      const v = findVma(m, mm, at);
      const from = v === 0 ? end : m.vma.start[v]!;
      if (v !== 0 && from <= at) {
        at = m.vma.end[v]!;
        continue;
      }
      const to = Math.min(from, end);
      this.#unknown(task, at, to, VM_READ | VM_WRITE);
      filled = true;
      at = to;
    }
    return filled;
  }

  /** Makes the model's state follow the log after a wrong prediction. */
  force(
    task: TaskRow,
    name: string,
    values: readonly Value[],
    expected: Expected,
    result: CallResult,
  ): void {
    const call = (callName: string, args: readonly Value[]): CallResult =>
      this.#again(task, callName, args, expected);
    switch (name) {
      case 'mmap': {
        if ('value' in result) this.#unmap(task, result.value, asInt(values[1]));
        if (expected.kind !== 'value') return;
        const flags = asInt(values[3]);
        const args = [...values];
        args[0] = expected.value;
        args[3] = word.u64(flags.hi, (flags.lo & ~MAP_FIXED_NOREPLACE) | MAP_FIXED);
        const again = call('mmap', args);
        if (!('value' in again)) {
          const at = word.pageOf(expected.value);
          this.#unknown(task, at, at + pagesOf(asInt(values[1])), VM_READ | VM_WRITE);
        }
        return;
      }
      case 'mremap': {
        if (expected.kind !== 'value') return;
        const size = asInt(values[2]);
        const from = 'value' in result ? result.value : asInt(values[0]);
        if (word.equal(from, expected.value)) return;
        const flags = word.u64(0, MREMAP_MAYMOVE | MREMAP_FIXED);
        const oldSize = 'value' in result ? size : asInt(values[1]);
        const moved = call('mremap', [from, oldSize, size, flags, expected.value]);
        if ('value' in moved) return;
        const at = word.pageOf(expected.value);
        this.#unknown(task, at, at + pagesOf(size), VM_READ | VM_WRITE);
        return;
      }
      case 'brk':
        if (expected.kind === 'value') call('brk', [expected.value]);
        return;
      case 'shmat':
        if ('value' in result) this.#kernel.syscall(task, 'shmdt', [result.value]);
        if (expected.kind === 'value')
          call('shmat', [values[0] ?? word.ZERO, expected.value, values[2] ?? word.ZERO]);
        return;
      default:
    }
  }
}
