/**
 * Calls of several threads that overlap in time: a log gives the order of their ends, the kernel
 * may have taken them in another.
 *
 * A call that was in progress when another one ended may have taken effect before it. It is taken
 * first where the other's recorded address could not come about otherwise, or its own could not
 * afterwards. What is not decided by addresses keeps the order of the log.
 */
import { PMD_PAGES, type TaskRow, word } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { findVma, lastVma } from '../mm/vma_tree.ts';
import type { LearnedSpaces } from './log_state.ts';
import {
  asInt,
  chooses,
  freed,
  type LogCall,
  occupied,
  overlap,
  type Range,
  sourceOf,
  type Trial,
} from './log_trial.ts';

/** A call in progress: its step, who made it. */
export interface Pending {
  readonly index: number;
  readonly task: TaskRow;
  readonly call: LogCall;
}

const IPC_RMID = 0;

function removesSegment(call: LogCall): boolean {
  return call.name === 'shmctl' && (asInt(call.values[1]).lo & ~0x100) === IPC_RMID;
}

/** Succeeded, as it does only while its segment exists. */
function usesSegment({ name, expected }: LogCall): boolean {
  return expected.kind === 'value' && (name === 'shmat' || name === 'remap_file_pages');
}

/** How deep one call waits for another. */
const MAX_DEPTH = 4;

export class ThreadOrder {
  readonly #m: Machine;
  readonly #trial: Trial;
  readonly #learned: LearnedSpaces;

  constructor(m: Machine, trial: Trial, learned: LearnedSpaces) {
    this.#m = m;
    this.#trial = trial;
    this.#learned = learned;
  }

  /**
   * Takes those of `others` that came before `own`, in order. `take` executes one.
   */
  settle(own: Pending, others: readonly Pending[], take: (p: Pending) => void): void {
    if (!this.#learned.of(this.#m.task.mm[own.task]!).base) return;
    const left = new Set(others);
    const hole = freed(own.call);
    if (hole !== undefined) {
      for (const other of [...left]) {
        if (!this.#spoils(hole, other)) continue;
        left.delete(other);
        take(other);
      }
    }
    for (const other of removesSegment(own.call) ? [...left] : []) {
      if (!usesSegment(other.call)) continue;
      left.delete(other);
      take(other);
    }
    this.#makeFit(own, left, take, 0);
  }

  /** Takes what has to come before `own` until it fits. False where that cannot be had. */
  #makeFit(own: Pending, left: Set<Pending>, take: (p: Pending) => void, depth: number): boolean {
    while (this.#trial.fits(own.task, own.call) === false) {
      const helper = [...left].find((p) => this.#helps(p, own));
      if (helper === undefined || depth > MAX_DEPTH) return false;
      left.delete(helper);
      this.#makeFit(helper, left, take, depth + 1);
      take(helper);
    }
    return true;
  }

  /** Would `own`, which does not fit, be nearer to it after `other`? */
  #helps(other: Pending, own: Pending): boolean {
    const taken = occupied(other.call);
    const given = freed(other.call);
    const source = sourceOf(own.call);
    if (!chooses(own.call)) return overlap(taken, source);
    const wanted = occupied(own.call);
    const at = this.#trial.place(own.task, own.call);
    if (wanted === undefined || at === undefined) return false;
    const moves = own.call.name === 'mremap';
    if (at < 0) return overlap(taken, source) || overlap(given, wanted);
    const pages = wanted.end - wanted.start;
    if (overlap(taken, { start: at, end: at + pages })) return true;
    const around: Range = { start: wanted.start - PMD_PAGES, end: wanted.end + PMD_PAGES };
    const free = this.#trial.free(own.task, wanted, moves ? source : undefined);
    return overlap(given, free ? around : wanted);
  }

  /** `other` fits now; would it choose another place once `hole` is free? */
  #spoils(hole: Range, other: Pending): boolean {
    const { call, task } = other;
    if (!chooses(call) || this.#trial.fits(task, call) !== true) return false;
    const target = occupied(call)!;
    const m = this.#m;
    const mm = m.task.mm[task]!;
    const source = sourceOf(call);
    const stays = call.name === 'mremap' && target.start === source.start;
    if (stays) return false;
    if (call.name === 'mremap' && hole.start <= source.end && hole.end > source.end) return true;
    if (call.name === 'mmap' && word.pageOf(asInt(call.values[0])) === target.start) return false;
    const legacy = m.mm.legacyLayout[mm] !== 0;
    if (legacy ? hole.end > target.start : hole.start < target.end) return false;
    const above = findVma(m, mm, hole.end);
    const below = findVma(m, mm, hole.start);
    const before = below !== 0 ? m.vma.prev[below]! : lastVma(m, mm);
    const low = Math.min(hole.start, before === 0 ? 0 : m.vma.end[before]!);
    const high = Math.max(hole.end, above === 0 ? m.mm.mmapBase[mm]! : m.vma.start[above]!);
    return high - low >= target.end - target.start;
  }
}
