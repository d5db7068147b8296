/**
 * The touches that a log does not show and that are all but certain: who moves brk writes at once
 * where the new memory begins (malloc notes there how much it has got), and who asks for private
 * memory anywhere writes to its first page, both before the next call that concerns memory. What was
 * touched has an anon_vma, which decides what neighbours the kernel joins: in a forked child it does
 * not join new heap to the old.
 *
 * Memory at a fixed address is often reserved or committed ahead, and is left alone.
 */
import { PAGE_SIZE, type TaskRow, word } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import { ACCESS_WRITE } from '../mm/access.ts';
import { VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import type { LearnedSpaces } from './log_state.ts';
import { asInt, type LogCall, MAP_ANONYMOUS, MAP_SHARED } from './log_trial.ts';

const PROT_WRITE = 2;

export class LogTouches {
  readonly #kernel: Kernel;
  readonly #learned: LearnedSpaces;

  constructor(kernel: Kernel, learned: LearnedSpaces) {
    this.#kernel = kernel;
    this.#learned = learned;
  }

  /** A call came back as recorded; before it the heap ended at byte `brk`. */
  made(task: TaskRow, call: LogCall, brk: number): void {
    const { name, values, expected } = call;
    if (expected.kind !== 'value') return;
    const mm = this.#kernel.m.task.mm[task]!;
    const [at, , prot, flags] = values;
    if (name === 'brk') {
      const grew = word.toNumber(asInt(at)) > brk && word.toNumber(expected.value) > brk;
      if (grew) this.#learned.of(mm).due.push(Math.ceil(brk / PAGE_SIZE));
    } else if (name === 'mmap' && word.toNumber(asInt(at)) === 0) {
      const fresh = (asInt(flags).lo & (MAP_SHARED | MAP_ANONYMOUS)) === MAP_ANONYMOUS;
      if (fresh && (asInt(prot).lo & PROT_WRITE) !== 0) {
        this.#learned.of(mm).due.push(word.pageOf(expected.value));
      }
    }
  }

  /** Before the task's next call: what is due, where it is still private and writable. */
  settle(task: TaskRow): void {
    const { m } = this.#kernel;
    const mm = m.task.mm[task]!;
    const { due } = this.#learned.of(mm);
    for (const page of due) {
      const v = vmaLookup(m, mm, page);
      if (v === 0 || (m.vma.flags[v]! & (VM_SHARED | VM_WRITE)) !== VM_WRITE) continue;
      this.#kernel.access(task, page, ACCESS_WRITE);
    }
    due.length = 0;
  }
}
