/**
 * What a log does not tell and its first results do: where an image's brk and mmap areas lie, and
 * which mappings an execve left. One record an address space.
 */
import type { MmRow } from '../base/index.ts';
import type { Machine } from '../mm/mm_types.ts';

export interface Learned {
  /** brk(2) has answered: brk starts there. */
  brk: boolean;
  /** An address chosen by the kernel was seen: the search begins above it. */
  base: boolean;
  /** The log begins in the middle of its life: anything may be mapped anywhere. */
  attached: boolean;
  /** Pages that the process will have written to before its next call (LogTouches). */
  readonly due: number[];
}

export class LearnedSpaces {
  readonly #byMm = new Map<MmRow, Learned>();

  of(mm: MmRow): Learned {
    let learned = this.#byMm.get(mm);
    if (learned === undefined) {
      learned = { brk: false, base: false, attached: false, due: [] };
      this.#byMm.set(mm, learned);
    }
    return learned;
  }

  /** A new image: nothing is known of it. */
  forget(mm: MmRow): void {
    this.#byMm.delete(mm);
  }

  /** fork: the child knows what its parent knows. */
  copy(from: MmRow, to: MmRow): void {
    if (from !== to) this.#byMm.set(to, { ...this.of(from), due: [] });
  }
}

/** A stack ends up to 16 GiB below the end of the address space (stack randomisation). */
const STACK_LAND = 0x7ffffffff - 0x480000;

/**
 * True when pages [start, end) may belong to the image, its loader, the vdso or the stack, which a
 * log does not show: below the heap, above the place where mmap's search begins, or anywhere while
 * these are not known.
 */
export function isUnknownLand(
  m: Machine,
  mm: MmRow,
  learned: Learned,
  start: number,
  end: number,
): boolean {
  if (!learned.base || learned.attached) return true;
  const base = m.mm.mmapBase[mm]!;
  const legacy = m.mm.legacyLayout[mm] !== 0;
  if (!legacy && end > base) return true;
  if (legacy && (start < base || end > STACK_LAND)) return true;
  return !learned.brk || start < Math.floor(m.mm.brkStart[mm]! / 4096);
}
