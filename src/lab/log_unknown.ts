/**
 * Memory of which a log shows only that it is there: the image, its loader, the stack, whatever was
 * mapped before the log began. It is mapped as of unknown kind, in holes where there may be some.
 */
import { type TaskRow, word } from '../base/index.ts';
import { type Kernel, unknownMapping } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { OPS_UNKNOWN, VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { findVma, findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import { isUnknownLand, type LearnedSpaces } from './log_state.ts';
import { type LogCall, RANGE_CALLS, type Range, sourceOf } from './log_trial.ts';

export class UnknownMemory {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #learned: LearnedSpaces;

  constructor(kernel: Kernel, learned: LearnedSpaces) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#learned = learned;
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

  /**
   * In an address space whose first life is not in the log, the kernel passed over holes that the
   * model takes for free: what is in them was mapped before.
   */
  fillAbove(task: TaskRow, from: number, pages: number): string {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const base = m.mm.mmapBase[mm]!;
    // What was put there by this guess, and is free after all, goes.
    let filled = this.#clearUnknown(task, { start: from - pages, end: from });
    for (let at = from; at < base; ) {
      const v = findVma(m, mm, at);
      const to = v === 0 ? base : Math.min(base, m.vma.start[v]!);
      if (to - at >= pages) filled = this.mapHoles(task, { start: at, end: to }, VM_READ) || filled;
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
  mapHoles(task: TaskRow, at: Range, flags: number): boolean {
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
  fillHoles(task: TaskRow, at: Range): boolean {
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const end = Math.max(at.start + 1, at.end);
    if (!isUnknownLand(m, mm, this.#learned.of(mm), at.start, end)) return false;
    return this.mapHoles(task, { start: at.start, end }, VM_READ | VM_WRITE);
  }

  #unknown(task: TaskRow, start: number, end: number, flags: number): void {
    this.#kernel.assumeMapping(task, unknownMapping(start, end, flags));
  }
}
