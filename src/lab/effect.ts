/** What a call did to memory contents, for the laws: exactly, or "unknown". */
import { type MmRow, type Pages, type TaskRow, type U64, type Vpn, word } from '../base/index.ts';
import { rawFile } from '../kernel/fd_table.ts';
import type { CallResult, Kernel, Value } from '../kernel/index.ts';
import { field, isStruct } from '../kernel/values.ts';
import type { Effect } from '../laws/index.ts';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_REMOVE,
  MAP_LOCKED,
  MAP_POPULATE,
  MREMAP_DONTUNMAP,
} from '../mm/mman.ts';
import { VM_LOCKED } from '../mm/vm_flags.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import { createsTask } from '../scenario/index.ts';

const UNKNOWN: Effect = { kind: 'unknown' };
const NONE: Effect = { kind: 'none' };
const UFFDIO_WRITEPROTECT = 0xaa06;
const UFFDIO_WRITEPROTECT_MODE_WP = 1;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;

/** Calls that change neither contents nor where they are. */
const HARMLESS = new Set([
  'munlock',
  'munlockall',
  'mseal',
  'prctl',
  'getpid',
  'setrlimit',
  'getrlimit',
  'prlimit64',
]);

/** Calls that have done a part of their work when they fail. */
const PARTIAL = new Set(['process_madvise', 'mlockall', 'fallocate']);

/** Advice that leaves every page's content as it is: all up to KEEPONFORK but two, and these. */
const GENTLE_ADVICE = new Set([MADV_COLD, MADV_POPULATE_READ, MADV_COLLAPSE, MADV_GUARD_REMOVE]);
const DROPPING_ADVICE = new Set([MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_GUARD_INSTALL]);

const OWN_ADVICE = new Set([MADV_DONTNEED, MADV_FREE, MADV_REMOVE]);

function isGentle(advice: number): boolean {
  if (GENTLE_ADVICE.has(advice)) return true;
  return advice < MADV_COLD && !OWN_ADVICE.has(advice);
}

/** What a call was given, and by whom. */
interface Call {
  readonly kernel: Kernel;
  readonly task: TaskRow;
  readonly mm: MmRow;
  readonly values: readonly Value[];
  readonly ok: boolean;
}

function asInt(value: Value | undefined): U64 {
  return typeof value === 'object' && 'hi' in value ? (value as U64) : word.ZERO;
}

function intOf(call: Call, i: number): U64 {
  return asInt(call.values[i]);
}

function pagesOf(length: U64): number {
  return Math.ceil(word.toNumber(length) / 4096);
}

/** Several VMAs move with the gaps between them, and what lies in the gaps' place survives (6.17). */
function isOneVma(kernel: Kernel, mm: MmRow, start: Vpn, pages: number): boolean {
  const { m } = kernel;
  const v = vmaLookup(m, mm, start);
  return v !== 0 && m.vma.end[v]! >= start + pages;
}

/** Arguments 0 and 1 as a range. */
function rangeOf(call: Call): { mm: MmRow; start: Vpn; pages: Pages } {
  const start = word.pageOf(intOf(call, 0));
  const bytes = word.offsetOf(intOf(call, 0)) + word.toNumber(intOf(call, 1));
  return { mm: call.mm, start, pages: Math.ceil(bytes / 4096) };
}

/** A hole in the file that the range maps. */
function ofRemove(call: Call): Effect {
  const { m } = call.kernel;
  const { mm, start, pages } = rangeOf(call);
  const v = vmaLookup(m, mm, start);
  if (v === 0 || m.vma.file[v] === 0 || m.vma.end[v]! < start + pages) return UNKNOWN;
  const from = (m.vma.pgoff[v]! + start - m.vma.start[v]!) * 4096;
  return { kind: 'hole', inode: m.file.inode[m.vma.file[v]!]!, from, to: from + pages * 4096 };
}

/** ioctl: UFFDIO_WRITEPROTECT of a range; others may fill pages. */
function ofIoctl(call: Call): Effect {
  const given = call.values[2];
  const command = intOf(call, 1).lo & 0xffff;
  if (command !== UFFDIO_WRITEPROTECT || !isStruct(given)) return UNKNOWN;
  const named = given['range'] ?? given['0'];
  const range = isStruct(named) ? named : given;
  const start = word.pageOf(field(range, 'start', '0') ?? word.ZERO);
  const pages = pagesOf(field(range, 'len', '1') ?? word.ZERO);
  const mode = field(given, 'mode', '1') ?? word.ZERO;
  const on = (mode.lo & UFFDIO_WRITEPROTECT_MODE_WP) !== 0;
  return { kind: 'protected', mm: call.mm, start, pages, on };
}

/** Locking brings pages in, and what of them is private and writable is copied from its file. */
function ofLock(call: Call, name: string): Effect {
  if (!call.ok) return UNKNOWN;
  const onFault = name === 'mlock2' && intOf(call, 2).lo !== 0;
  return onFault ? NONE : { kind: 'copied', ...rangeOf(call) };
}

/** What becomes writable while it is locked is brought in. */
function ofMprotect(call: Call): Effect {
  return call.kernel.m.mm.lockedVm[call.mm] === 0 ? NONE : UNKNOWN;
}

/** A new mapping; one that is brought in at once may be of private copies. */
function ofMmap(call: Call, address: U64): Effect {
  const flags = intOf(call, 3).lo & (MAP_POPULATE | MAP_LOCKED);
  if (flags !== 0 || (call.kernel.m.mm.defFlags[call.mm]! & VM_LOCKED) !== 0) return UNKNOWN;
  const pages = pagesOf(intOf(call, 1));
  return { kind: 'mapped', mm: call.mm, start: word.pageOf(address), pages };
}

function ofMadvise(call: Call): Effect {
  const advice = intOf(call, 2).lo;
  if (isGentle(advice)) return NONE;
  if (advice === MADV_FREE) return call.ok ? { kind: 'freed', ...rangeOf(call) } : NONE;
  if (!call.ok) return UNKNOWN;
  if (advice === MADV_REMOVE) return ofRemove(call);
  if (advice === MADV_POPULATE_WRITE) return { kind: 'copied', ...rangeOf(call) };
  return DROPPING_ADVICE.has(advice) ? { kind: 'dropped', ...rangeOf(call) } : UNKNOWN;
}

/** An mremap may leave counts behind: one that shrinks, or leaves locked memory mapped. */
function ofMremap(call: Call, result: CallResult): Effect {
  const { mm, start, pages } = rangeOf(call);
  const newPages = pagesOf(intOf(call, 2));
  const leaves = (intOf(call, 3).lo & MREMAP_DONTUNMAP) !== 0;
  if ('value' in result && pages === newPages && pages > 0 && !leaves) {
    const to = word.pageOf(result.value);
    if (isOneVma(call.kernel, mm, to, pages)) return { kind: 'moved', mm, from: start, to, pages };
  }
  const charge = Math.max(0, pages - newPages);
  return {
    kind: 'unknown',
    loses: { mm, charge, locked: leaves ? call.kernel.m.mm.lockedVm[mm]! : 0 },
  };
}

function ofFork(call: Call, child: TaskRow): Effect {
  const childMm = child === 0 ? 0 : call.kernel.m.task.mm[child]!;
  if (childMm === 0 || childMm === call.mm) return NONE;
  return { kind: 'forked', parent: call.mm, child: childMm };
}

/** fallocate and ftruncate: by the descriptor of argument 0. */
function ofFile(call: Call, name: string): Effect {
  const { m, state } = call.kernel;
  const file = rawFile(state, call.task, intOf(call, 0).lo);
  if (!call.ok || file === 0) return UNKNOWN;
  const inode = m.file.inode[file]!;
  if (name === 'ftruncate') {
    return { kind: 'resized', inode, bytes: word.toNumber(intOf(call, 1)) };
  }
  const mode = intOf(call, 1).lo;
  if ((mode & ~FALLOC_KEEP_SIZE) === 0) return NONE;
  if (mode !== (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) return UNKNOWN;
  const from = word.toNumber(intOf(call, 2));
  return { kind: 'hole', inode, from, to: from + word.toNumber(intOf(call, 3)) };
}

export function effectOf(
  kernel: Kernel,
  task: TaskRow,
  mm: MmRow,
  name: string,
  values: readonly Value[],
  result: CallResult,
): Effect {
  if (HARMLESS.has(name)) return NONE;
  const call: Call = { kernel, task, mm, values, ok: 'value' in result };
  switch (name) {
    case 'madvise':
      return ofMadvise(call);
    case 'mremap':
      return ofMremap(call, result);
    case 'mprotect':
    case 'pkey_mprotect':
      return ofMprotect(call);
    case 'mlock':
    case 'mlock2':
      return ofLock(call, name);
    case 'mincore':
      // A vector that is an address is written to memory.
      return values.length > 2 && word.compare(intOf(call, 2), word.ZERO) !== 0 ? UNKNOWN : NONE;
    case 'msync':
      return { kind: 'none', writesBack: true };
    default:
  }
  if ('errno' in result) return PARTIAL.has(name) ? UNKNOWN : NONE;
  if (!('value' in result)) return UNKNOWN;
  if (createsTask(name)) return ofFork(call, kernel.taskByPid(word.toNumber(result.value)));
  switch (name) {
    case 'ioctl':
      return ofIoctl(call);
    case 'munmap':
      return { kind: 'dropped', ...rangeOf(call) };
    case 'mmap':
      return ofMmap(call, result.value);
    case 'fallocate':
    case 'ftruncate':
      return ofFile(call, name);
    default:
      return UNKNOWN;
  }
}
