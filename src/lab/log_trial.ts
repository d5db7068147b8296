/**
 * What a call would choose now, without doing it: where mmap and mremap would put memory, and
 * whether a range is mapped. What these cannot tell is undefined.
 */
import { type TaskRow, type U64, type Vpn, word } from '../base/index.ts';
import { fileOf } from '../kernel/fd_table.ts';
import type { Kernel, Value } from '../kernel/index.ts';
import { getUnmappedArea } from '../mm/get_unmapped_area.ts';
import type { Machine } from '../mm/mm_types.ts';
import { canExpandInPlace, type Remap, setNewAddr } from '../mm/mremap_vma.ts';
import { mmapMinVpn } from '../mm/vma.ts';
import { findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import type { Expected } from '../scenario/index.ts';

export const MAP_SHARED = 0x01;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_32BIT = 0x40;
export const MAP_HUGETLB = 0x40000;
export const MAP_FIXED_NOREPLACE = 0x100000;
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;

const ENOMEM = 12;
const EFAULT = 14;

/** Calls on an existing range, which stands first among the arguments. */
export const RANGE_CALLS: ReadonlySet<string> = new Set([
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

/** A call of a log: its name, its arguments, what was recorded. */
export interface LogCall {
  readonly name: string;
  readonly values: readonly Value[];
  readonly expected: Expected;
}

/** Pages [start, end). */
export interface Range {
  readonly start: Vpn;
  readonly end: Vpn;
}

export function asInt(value: Value | undefined): U64 {
  return typeof value === 'object' && 'hi' in value ? (value as U64) : word.ZERO;
}

export function pagesOf(length: U64): number {
  return Math.ceil((word.offsetOf(length) + word.pageOf(length) * 4096) / 4096);
}

function range(start: Vpn, pages: number): Range {
  return { start, end: start + pages };
}

export function overlap(a: Range | undefined, b: Range | undefined): boolean {
  return a !== undefined && b !== undefined && a.start < b.end && b.start < a.end;
}

/** The range of an existing mapping that a call names first. */
export function sourceOf(call: LogCall): Range {
  return range(word.pageOf(asInt(call.values[0])), pagesOf(asInt(call.values[1])));
}

/** Pages that a call, as recorded, left mapped where nothing need have been. */
export function occupied(call: LogCall): Range | undefined {
  if (call.expected.kind !== 'value') return undefined;
  const at = word.pageOf(call.expected.value);
  if (call.name === 'mmap') return range(at, pagesOf(asInt(call.values[1])));
  if (call.name === 'mremap') return range(at, pagesOf(asInt(call.values[2])));
  return undefined;
}

/** Pages that a call, as recorded, left unmapped. */
export function freed(call: LogCall): Range | undefined {
  if (call.expected.kind !== 'value') return undefined;
  if (call.name === 'munmap') return sourceOf(call);
  if (call.name !== 'mremap') return undefined;
  const source = sourceOf(call);
  const pages = pagesOf(asInt(call.values[2]));
  if ((asInt(call.values[3]).lo & MREMAP_DONTUNMAP) !== 0) return undefined;
  if (word.pageOf(call.expected.value) !== source.start) return source;
  return source.start + pages < source.end
    ? { start: source.start + pages, end: source.end }
    : undefined;
}

/** The kernel chooses where this call puts memory. */
export function chooses(call: LogCall): boolean {
  const { values } = call;
  if (call.name === 'mmap') {
    return (asInt(values[3]).lo & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0;
  }
  return call.name === 'mremap' && (asInt(values[3]).lo & MREMAP_FIXED) === 0;
}

export class Trial {
  readonly #kernel: Kernel;
  readonly #m: Machine;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#m = kernel.m;
  }

  /** First page that a call which chooses would answer now, or -errno. */
  place(task: TaskRow, call: LogCall): Vpn | undefined {
    if (!chooses(call)) return undefined;
    return call.name === 'mmap' ? this.#mmap(task, call.values) : this.#mremap(task, call.values);
  }

  #mmap(task: TaskRow, values: readonly Value[]): Vpn | undefined {
    const m = this.#m;
    const flags = asInt(values[3]).lo;
    if ((flags & MAP_HUGETLB) !== 0) return undefined;
    let file = 0;
    if ((flags & MAP_ANONYMOUS) === 0) {
      file = fileOf(this.#kernel.state, task, word.toInt32(asInt(values[4])));
      if (file === 0) return undefined;
    }
    const asked = word.pageOf(asInt(values[0]));
    const hint = asked === 0 ? 0 : Math.max(asked, mmapMinVpn(m));
    const pgoff = word.pageOf(asInt(values[5]));
    return getUnmappedArea(m, task, file, hint, pagesOf(asInt(values[1])), pgoff, flags);
  }

  #mremap(task: TaskRow, values: readonly Value[]): Vpn | undefined {
    const m = this.#m;
    const flags = asInt(values[3]).lo;
    const addr = word.pageOf(asInt(values[0]));
    const oldPages = pagesOf(asInt(values[1]));
    const newPages = pagesOf(asInt(values[2]));
    const dontunmap = (flags & MREMAP_DONTUNMAP) !== 0;
    if (newPages <= oldPages && !dontunmap) return addr;
    const vma = vmaLookup(m, m.task.mm[task]!, addr);
    if (vma === 0 || m.vma.end[vma]! - addr < oldPages) return -EFAULT;
    const r: Remap = {
      flags,
      addr,
      oldPages,
      newPages,
      newAddr: dontunmap ? word.pageOf(asInt(values[4])) : addr,
      vma,
      delta: newPages - oldPages,
      populate: false,
    };
    if (!dontunmap && canExpandInPlace(m, task, r)) return addr;
    if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
    const error = setNewAddr(m, task, r);
    return error !== 0 ? error : r.newAddr;
  }

  /** Every page of the range is mapped. */
  mapped(task: TaskRow, at: Range): boolean {
    const mm = this.#m.task.mm[task]!;
    for (let vpn = at.start; vpn < at.end; ) {
      const v = vmaLookup(this.#m, mm, vpn);
      if (v === 0) return false;
      vpn = this.#m.vma.end[v]!;
    }
    return true;
  }

  /** Nothing is mapped in the range, but for `except`. */
  free(task: TaskRow, at: Range, except?: Range): boolean {
    const mm = this.#m.task.mm[task]!;
    const clear = (start: Vpn, end: Vpn): boolean =>
      start >= end || findVmaIntersection(this.#m, mm, start, end) === 0;
    if (except === undefined || !overlap(at, except)) return clear(at.start, at.end);
    return clear(at.start, except.start) && clear(except.end, at.end);
  }

  /**
   * Would the call, now, come to what was recorded? Only the choice of an address and holes in a
   * range are looked at.
   */
  fits(task: TaskRow, call: LogCall): boolean | undefined {
    if (call.expected.kind !== 'value') return undefined;
    if (chooses(call)) {
      const at = this.place(task, call);
      return at === undefined ? undefined : at === word.pageOf(call.expected.value);
    }
    if (NEEDS_MAPPED.has(call.name)) return this.mapped(task, sourceOf(call));
    return undefined;
  }
}

/** Calls that succeed only where all of their range is mapped. */
const NEEDS_MAPPED: ReadonlySet<string> = new Set([
  'mremap',
  'mprotect',
  'madvise',
  'mlock',
  'mlock2',
  'munlock',
  'msync',
  'mincore',
]);
