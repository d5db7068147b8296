/**
 * Calls of several threads that overlap in time: a log gives the order of their ends, the kernel
 * may have taken them in another.
 *
 * A call that was in progress when another one ended may have taken effect before it. Orders are
 * tried until one is found in which every call comes to its recorded address, and which takes no
 * call after one that makes its recorded address impossible. What addresses do not decide keeps the
 * order of the log.
 */
import type { TaskRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { Shadow } from './log_shadow.ts';
import type { LearnedSpaces } from './log_state.ts';
import { asInt, chooses, freed, type LogCall, occupied } from './log_trial.ts';

/** A call in progress: its step, who made it. */
export interface Pending {
  readonly index: number;
  readonly task: TaskRow;
  readonly call: LogCall;
}

/** Orders that are tried for one call; the longest that is. */
const MAX_TRIES = 1500;
const MAX_LENGTH = 8;

const IPC_RMID = 0;

function removesSegment(call: LogCall): boolean {
  return call.name === 'shmctl' && (asInt(call.values[1]).lo & ~0x100) === IPC_RMID;
}

/** Succeeded, as it does only while its segment exists. */
function usesSegment({ name, expected }: LogCall): boolean {
  return expected.kind === 'value' && (name === 'shmat' || name === 'remap_file_pages');
}

/** An order found: calls to take before, and how many others it makes impossible. */
interface Order {
  readonly first: readonly Pending[];
  readonly spoiled: number;
}

export class ThreadOrder {
  readonly #m: Machine;
  readonly #learned: LearnedSpaces;
  #tries = 0;
  #best: Order | undefined;

  constructor(m: Machine, learned: LearnedSpaces) {
    this.#m = m;
    this.#learned = learned;
  }

  /** Takes those of `others` that came before `own`, in order. `take` executes one. */
  settle(own: Pending, others: readonly Pending[], take: (p: Pending) => void): void {
    const mm = this.#m.task.mm[own.task]!;
    if (removesSegment(own.call)) for (const p of others) if (usesSegment(p.call)) take(p);
    if (!this.#learned.of(mm).base) return;
    const movers = others.filter(({ call }) => changes(call));
    if (movers.length === 0) return;
    if (own.call.expected.kind !== 'value') {
      this.#settleRefusal(own, movers, take);
      return;
    }
    this.#tries = 0;
    this.#best = undefined;
    const shadow = Shadow.of(this.#m, mm);
    const longest = Math.min(MAX_LENGTH, movers.length);
    for (let length = 0; length <= longest && !this.#done(); length++) {
      this.#search(shadow, own, movers, [], length);
    }
    for (const p of this.#found()) take(p);
  }

  /** Memory ran out, or a limit: what others were mapping had been mapped by then. */
  #settleRefusal(own: Pending, movers: readonly Pending[], take: (p: Pending) => void): void {
    const { expected } = own.call;
    if (expected.kind !== 'errno' || expected.name !== 'ENOMEM') return;
    for (const p of movers) {
      if (occupied(p.call) === undefined || freed(p.call) !== undefined) continue;
      if (Shadow.of(this.#m, this.#m.task.mm[own.task]!).fits(p.call)) take(p);
    }
  }

  #done(): boolean {
    return this.#tries > MAX_TRIES || this.#best?.spoiled === 0;
  }

  #found(): readonly Pending[] {
    return this.#best?.first ?? [];
  }

  /** Tries all orders in which exactly `length` more calls come before `own`. */
  #search(
    shadow: Shadow,
    own: Pending,
    left: readonly Pending[],
    first: readonly Pending[],
    length: number,
  ): void {
    this.#tries++;
    if (this.#done()) return;
    if (length === 0) {
      if (!shadow.fits(own.call)) return;
      const spoiled = this.#spoils(shadow, own, left);
      if (this.#best === undefined || spoiled < this.#best.spoiled) this.#best = { first, spoiled };
      return;
    }
    for (const p of left) {
      if (!shadow.fits(p.call)) continue;
      const rest = left.filter((q) => q !== p);
      this.#search(shadow.after(p.call), own, rest, [...first, p], length - 1);
    }
  }

  /** How many of the calls that are left fit now and would not after `own`. */
  #spoils(shadow: Shadow, own: Pending, left: readonly Pending[]): number {
    if (!changes(own.call)) return 0;
    let after: Shadow | undefined;
    let spoiled = 0;
    for (const { call } of left) {
      if (!chooses(call) || !shadow.fits(call)) continue;
      after ??= shadow.after(own.call);
      if (!after.fits(call)) spoiled++;
    }
    return spoiled;
  }
}

/** Succeeded, and changed what is mapped. */
function changes(call: LogCall): boolean {
  return occupied(call) !== undefined || freed(call) !== undefined;
}
