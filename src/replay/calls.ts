/** The memory calls of a trace, executed by the model. A call that failed is not done again. */
import { newRow, PAGE_SIZE, type U64, type Vpn, word } from '../base/index.ts';
import { addToHoles, type Value } from '../kernel/index.ts';
import { sysBrk } from '../mm/brk.ts';
import { getUnmappedArea } from '../mm/get_unmapped_area.ts';
import { sysMadvise } from '../mm/madvise.ts';
import { sysMlock2, sysMlockall, sysMunlock, sysMunlockall } from '../mm/mlock.ts';
import {
  MADV_COLLAPSE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
} from '../mm/mman.ts';
import { sysMmap } from '../mm/mmap.ts';
import { sysMprotect } from '../mm/mprotect.ts';
import { sysMremap } from '../mm/mremap.ts';
import { doMunmap, sysMunmap } from '../mm/munmap.ts';
import { punchHole, truncateSetsize } from '../mm/truncate.ts';
import { OPS_UNKNOWN, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { findVmaIntersection } from '../mm/vma_tree.ts';
import { MADV_EVERY_TOUCH } from '../trace/index.ts';
import { allocateShmem } from './file_book.ts';
import { mappingOf } from './processes.ts';
import type { Process, Replay } from './state.ts';
import { KIND_POPULATE } from './tally.ts';

const FIXED = MAP_FIXED | MAP_FIXED_NOREPLACE;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_KEEP_SIZE = 1;

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}

function bytes(pages: number): U64 {
  return word.fromPage(pages);
}

function number(value: number): U64 {
  return word.fromNumber(value);
}

/** Runs a call and counts the faults that populating took. */
function counting<T>(r: Replay, process: Process, call: () => T): T {
  const { minflt, majflt } = r.m.task;
  const before = minflt[process.task]! + majflt[process.task]!;
  const result = call();
  const taken = r.m.task.minflt[process.task]! + r.m.task.majflt[process.task]! - before;
  if (taken !== 0) {
    r.tally.add(KIND_POPULATE, 0, taken);
    process.minflt += taken;
  }
  r.m.unmodelled = '';
  return result;
}

function refused(r: Replay, result: number): boolean {
  r.tally.calls++;
  if (result >= 0) return false;
  r.tally.refusedCalls++;
  return true;
}

/** The mapping that was recorded at `from` is now at `to`. */
function placed(r: Replay, process: Process, from: Vpn, to: Vpn, pages: number): void {
  process.addresses.set(from, from + pages, to - from);
  if (to !== from) r.tally.moved++;
}

export function mmap(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const recorded = e.result[row]!;
  if (recorded < 0) return;
  r.peaks.note(r, process, row);
  const flags = e.arg2[row]!;
  const name = e.name[row]!;
  const pages = pagesOf(e.length[row]!);
  const fixed = (flags & FIXED) !== 0;
  const anonymous = (flags & MAP_ANONYMOUS) !== 0;
  const kind = anonymous ? 'unknown' : r.files.kind(name);
  const asked = e.vpn[row]!;
  if ((flags & MAP_HUGETLB) !== 0 || kind === 'device' || kind === 'hugetlb') {
    mapUnknown(r, process, row, recorded, pages);
    return;
  }
  const file = anonymous ? 0 : r.files.open(name);
  if (!fixed && r.recordedPlaces) predict(r, process, row, file, asked, pages, recorded);
  let at = recorded;
  let how = (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
  if (fixed) at += process.addresses.delta(recorded);
  else if (!r.recordedPlaces) {
    at = asked;
    how = flags;
  }
  const call = (addr: Vpn, with_: number): number =>
    sysMmap(r.m, process.task, {
      addr: word.fromPage(addr),
      len: number(e.length[row]!),
      prot: number(e.arg[row]!),
      flags: number(with_),
      file,
      offset: bytes(e.pgoff[row]!),
    });
  let got = counting(r, process, () => call(at, how));
  // What the model would not choose by itself goes where it was.
  if (got < 0 && !fixed) got = counting(r, process, () => call(recorded, how | MAP_FIXED));
  if (!refused(r, got)) placed(r, process, recorded, got, pages);
}

/** Asks the model where it would put this mapping, and counts how often it is elsewhere. */
function predict(
  r: Replay,
  process: Process,
  row: number,
  file: number,
  asked: Vpn,
  pages: number,
  recorded: Vpn,
): void {
  const { events } = r.trace;
  const flags = events.arg2[row]!;
  const pgoff =
    (flags & MAP_ANONYMOUS) !== 0 && (flags & MAP_SHARED) !== 0 ? 0 : events.pgoff[row]!;
  const at = getUnmappedArea(r.m, process.task, file, asked, pages, pgoff, flags);
  r.tally.chosen++;
  if (at !== recorded) r.tally.chosenOtherwise++;
}

/** A device, hugetlb: it has its place, and its faults are taken as they were recorded. */
function mapUnknown(r: Replay, process: Process, row: number, at: Vpn, pages: number): void {
  const mm = r.m.task.mm[process.task]!;
  doMunmap(r.m, mm, at, pages);
  const vma = mappingOf(r, row);
  addToHoles(r.m, mm, { start: at, end: at + pages, flags: vma.flags, ops: OPS_UNKNOWN });
  placed(r, process, at, at, pages);
}

export function munmap(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0) return;
  r.peaks.note(r, process, row);
  const start = e.vpn[row]!;
  const end = start + pagesOf(e.length[row]!);
  for (const piece of process.addresses.pieces(start, end)) {
    const at = word.fromPage(piece.start + piece.delta);
    refused(r, sysMunmap(r.m, process.task, at, bytes(piece.pages)));
  }
  process.addresses.clear(start, end);
}

export function mremap(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const to = e.result[row]!;
  if (to < 0) return;
  r.peaks.note(r, process, row);
  const { addresses } = process;
  const from = e.vpn[row]!;
  const oldPages = pagesOf(e.length[row]!);
  const newPages = e.pgoff[row]!;
  const flags = e.arg2[row]!;
  const at = from + addresses.delta(from);
  let how = flags;
  let target = 0;
  if ((flags & MREMAP_FIXED) !== 0) target = to + addresses.delta(to);
  else if (r.recordedPlaces && to !== from) {
    target = to;
    how |= MREMAP_FIXED | MREMAP_MAYMOVE;
  }
  const got = counting(r, process, () =>
    sysMremap(r.m, process.task, {
      addr: word.fromPage(at),
      oldLen: number(e.length[row]!),
      newLen: bytes(newPages),
      flags: number(how),
      newAddr: word.fromPage(target),
    }),
  );
  if (refused(r, got)) return;
  if ((flags & MREMAP_DONTUNMAP) === 0) addresses.clear(from, from + Math.max(oldPages, 1));
  placed(r, process, to, got, newPages);
}

/** A call on a range that may have moved in pieces. */
function onPieces(
  r: Replay,
  process: Process,
  row: number,
  call: (at: U64, len: U64) => number,
): void {
  const e = r.events;
  const start = e.vpn[row]!;
  if (process.addresses.isIdentity) {
    const at = word.fromPage(start, e.offset[row]!);
    refused(
      r,
      counting(r, process, () => call(at, number(e.length[row]!))),
    );
    return;
  }
  const end = start + pagesOf(e.length[row]! + e.offset[row]!);
  for (const piece of process.addresses.pieces(start, end)) {
    const at = word.fromPage(piece.start + piece.delta);
    refused(
      r,
      counting(r, process, () => call(at, bytes(piece.pages))),
    );
  }
}

export function mprotect(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0) return;
  const prot = number(e.arg[row]!);
  onPieces(r, process, row, (at, len) => sysMprotect(r.m, process.task, at, len, prot, -1));
}

export function madvise(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const advice = e.arg[row]!;
  if (advice === MADV_EVERY_TOUCH) {
    if (r.finder !== undefined) watchTouches(r, process, e.vpn[row]!, pagesOf(e.length[row]!));
    return;
  }
  // A collapse fails where THP is off, as it is while recording; it need not under other settings.
  if (e.result[row]! < 0 && advice !== MADV_COLLAPSE) return;
  r.peaks.note(r, process, row);
  onPieces(r, process, row, (at, len) => sysMadvise(r.m, process.task, at, len, advice));
}

/** As it was while recording; under other settings nobody watches, and reads map their neighbours. */
function watchTouches(r: Replay, process: Process, start: Vpn, pages: number): void {
  const { vma, task, uffd } = r.m;
  const mm = task.mm[process.task]!;
  const context = newRow(uffd);
  uffd.mm[context] = mm;
  uffd.refs[context] = 1;
  const end = start + pages;
  let v = findVmaIntersection(r.m, mm, start, end);
  for (; v !== 0 && vma.start[v]! < end; v = vma.next[v]!) {
    vma.uffd[v] = context;
    vma.flags[v] = vma.flags[v]! | VM_UFFD_WP;
  }
}

export function mlock(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0) return;
  const flags = e.arg[row]!;
  onPieces(r, process, row, (at, len) => sysMlock2(r.m, process.task, at, len, flags));
}

export function munlock(r: Replay, process: Process, row: number): void {
  if (r.events.result[row]! < 0) return;
  onPieces(r, process, row, (at, len) => sysMunlock(r.m, process.task, at, len));
}

export function mlockall(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0) return;
  refused(
    r,
    counting(r, process, () => sysMlockall(r.m, process.task, e.arg[row]!)),
  );
}

export function munlockall(r: Replay, process: Process, row: number): void {
  if (r.events.result[row]! >= 0) refused(r, sysMunlockall(r.m, process.task));
}

/** The break is asked for by its address; what it became is in the result. */
export function brk(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const { mm, task } = r.m;
  const space = task.mm[process.task]!;
  const became = e.result[row]! * PAGE_SIZE + e.arg2[row]!;
  if (mm.brkStart[space] === 0) {
    mm.brkStart[space] = became;
    mm.brk[space] = became;
    return;
  }
  const asked = e.vpn[row]! * PAGE_SIZE + e.offset[row]!;
  if (asked !== became) return;
  r.peaks.note(r, process, row);
  const got = counting(r, process, () => sysBrk(r.m, process.task, number(asked)));
  refused(r, got === asked ? 0 : -1);
}

/** SysV segments, through the model's own door: what it cannot know, the trace tells. */
export function shm(r: Replay, process: Process, name: string, row: number): void {
  const e = r.events;
  const result = e.result[row]!;
  if (result < 0) return;
  if (name === 'shmat') {
    shmat(r, process, row);
    return;
  }
  r.peaks.note(r, process, row);
  const start = e.vpn[row]!;
  const args: Value[] =
    name === 'shmget'
      ? [number(e.arg[row]!), number(e.length[row]!), number(e.arg2[row]!)]
      : name === 'shmdt'
        ? [word.fromPage(start + process.addresses.delta(start))]
        : [number(e.arg[row]!), number(e.arg2[row]!), number(0)];
  r.kernel.observe({ value: result });
  const done = r.kernel.syscall(process.task, name, args);
  r.kernel.observe(undefined);
  r.m.unmodelled = '';
  refused(r, 'errno' in done ? -1 : 0);
}

const IPC_CREAT = 0o1000;

function shmat(r: Replay, process: Process, row: number): void {
  const e = r.events;
  const recorded = e.result[row]!;
  const id = e.arg[row]!;
  const pages = pagesOf(e.length[row]!);
  if (!r.k.shm.has(id)) {
    // Made before the recording.
    r.kernel.observe({ value: id });
    const size = number(Math.max(e.length[row]!, 1));
    r.kernel.syscall(process.task, 'shmget', [number(0), size, number(IPC_CREAT | 0o666)]);
  }
  const at = r.recordedPlaces ? recorded : e.vpn[row]!;
  r.kernel.observe({ value: 0 });
  const done = r.kernel.syscall(process.task, 'shmat', [
    number(id),
    word.fromPage(at),
    number(e.arg2[row]!),
  ]);
  r.kernel.observe(undefined);
  r.m.unmodelled = '';
  const value = 'value' in done ? done.value : undefined;
  if (refused(r, value === undefined ? -1 : 0) || value === undefined) return;
  const got = typeof value === 'number' ? value / PAGE_SIZE : word.pageOf(value);
  placed(r, process, recorded, got, Math.max(pages, 1));
}

export function ftruncate(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0 || e.name[row] === 0) return;
  r.peaks.note(r, process, row);
  truncateSetsize(r.m, r.files.inode(e.name[row]!), e.length[row]!);
}

export function fallocate(r: Replay, process: Process, row: number): void {
  const e = r.events;
  if (e.result[row]! < 0 || e.name[row] === 0) return;
  r.peaks.note(r, process, row);
  const inode = r.files.inode(e.name[row]!);
  const start = e.pgoff[row]! * PAGE_SIZE + e.offset[row]!;
  const end = start + e.length[row]!;
  const mode = e.arg[row]!;
  if ((mode & FALLOC_PUNCH_HOLE) !== 0) {
    punchHole(r.m, inode, start, end);
    return;
  }
  const { size } = r.m.inode;
  if ((mode & FALLOC_KEEP_SIZE) === 0 && size[inode]! < end) size[inode] = end;
  const kind = r.files.kind(e.name[row]!);
  if (kind !== 'tmpfs' && kind !== 'memfd') return;
  const first = Math.floor(start / PAGE_SIZE);
  allocateShmem(r.m, inode, first, Math.ceil(end / PAGE_SIZE) - first);
}
