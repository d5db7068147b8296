/**
 * Limits that a log does not show: resource limits, a capability, the machine's memory. Each is
 * known as a bound: the most that succeeded, the least that failed. A refusal that lies above all
 * that succeeded is explained by a limit between; from then on the limit predicts.
 *
 * The bounds are in pages of what the model accounts, per address space: the image is not part of
 * it, so that a limit of 100 MiB may be known here as 97 MiB.
 */
import type { MmRow, TaskRow } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import { CAP_IPC_LOCK } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import { type LimitName, refusal } from '../mm/util.ts';
import { asInt, type LogCall, MAP_ANONYMOUS, pagesOf } from './log_trial.ts';

interface Bound {
  /** The most that succeeded. */
  low: number;
  /** The least that failed. */
  high: number;
  /** What it refused succeeded later: it is not this limit that refuses. */
  refuted: boolean;
}

type RlimitName = Exclude<LimitName, 'ram'>;
const NOTHING: readonly LimitName[] = [];
const RLIMITS: readonly RlimitName[] = ['as', 'data', 'memlock'];

interface Bounds {
  readonly as: Bound;
  readonly data: Bound;
  readonly memlock: Bound;
  /** Some bound is not what the columns of the model say. */
  learned: boolean;
}

/** RLIMIT_* by number. */
const RESOURCES: ReadonlyMap<number, RlimitName> = new Map([
  [2, 'data'],
  [8, 'memlock'],
  [9, 'as'],
]);

const PAGE = 4096;
const EPERM = 1;
const EAGAIN = 11;
const ENOMEM = 12;

const NOTES: Readonly<Record<LimitName, string>> = {
  as: 'RLIMIT_AS is not in the log, or counts an image that is not',
  data: 'RLIMIT_DATA is not in the log',
  memlock: 'RLIMIT_MEMLOCK, or the right to exceed it, is not in the log',
  ram: 'the memory of the machine is not in the log',
};

/** Limits that can make a call fail with this errno; none where it has other reasons. */
function suspects(name: string, errno: number): readonly LimitName[] {
  switch (name) {
    case 'mmap':
    case 'shmat':
    case 'mremap':
      if (errno === ENOMEM) return ['as', 'data', 'ram'];
      return errno === EAGAIN || (errno === EPERM && name === 'mmap') ? ['memlock'] : [];
    case 'brk':
      return ['as', 'data', 'memlock'];
    case 'mprotect':
      return errno === ENOMEM ? ['as', 'data', 'ram'] : [];
    case 'mlock':
    case 'mlock2':
    case 'mlockall':
      return errno === ENOMEM || errno === EPERM ? ['memlock'] : [];
  }
  return [];
}

export class LogLimits {
  readonly #m: Machine;
  readonly #byMm = new Map<MmRow, Bounds>();
  readonly #ram: Bound;
  /** Limits that the log tells, by address space. */
  readonly #told = new Map<MmRow, Set<LimitName>>();
  /** What the columns held before they were set for one call. */
  #saved: { readonly sig: number; readonly cur: Record<RlimitName, number> } | undefined;
  #savedCaps: { readonly task: TaskRow; readonly caps: number } | undefined;
  #tried: readonly LimitName[] = [];
  /** What the address space held before the call, in pages. */
  #heldAs = 0;
  #heldData = 0;
  #heldLocked = 0;

  constructor(kernel: Kernel) {
    this.#m = kernel.m;
    this.#ram = { low: 0, high: Number.POSITIVE_INFINITY, refuted: false };
  }

  /** A new image: nothing is known of it. */
  forget(mm: MmRow): void {
    this.#byMm.delete(mm);
    this.#told.delete(mm);
  }

  /** The log tells a limit; the model has taken it over. */
  told(mm: MmRow, resource: number): void {
    this.#byMm.delete(mm);
    const name = RESOURCES.get(resource);
    if (name === undefined) return;
    const known = this.#told.get(mm);
    if (known === undefined) this.#told.set(mm, new Set([name]));
    else known.add(name);
  }

  copy(from: MmRow, to: MmRow): void {
    if (from === to) return;
    this.forget(to);
    const b = this.#byMm.get(from);
    if (b === undefined) return;
    const { learned } = b;
    const copied = { as: { ...b.as }, data: { ...b.data }, memlock: { ...b.memlock }, learned };
    this.#byMm.set(to, copied);
  }

  #of(mm: MmRow, sig: number): Bounds {
    let bounds = this.#byMm.get(mm);
    if (bounds === undefined) {
      const m = this.#m;
      const bound = (name: RlimitName): Bound => ({
        low: 0,
        high: Math.floor(m.sig[`${name}Cur`][sig]! / PAGE) + 1,
        refuted: false,
      });
      const [as, data, memlock] = [bound('as'), bound('data'), bound('memlock')];
      bounds = { as, data, memlock, learned: false };
      this.#byMm.set(mm, bounds);
    }
    return bounds;
  }

  /**
   * Sets the limits for one call: as they are believed to be, or, where the log shows a refusal
   * that only a limit explains (`refused`), as low as what succeeded allows.
   */
  before(task: TaskRow, call: LogCall, refused: boolean): void {
    const m = this.#m;
    refusal.limit = '';
    const sig = m.task.sig[task]!;
    const bounds = this.#of(m.task.mm[task]!, sig);
    const mm = m.task.mm[task]!;
    this.#heldAs = m.mm.totalVm[mm]!;
    this.#heldData = m.mm.dataVm[mm]!;
    this.#heldLocked = m.mm.lockedVm[mm]!;
    this.#tried = NOTHING;
    if (!refused && !bounds.learned) return;
    const { expected } = call;
    const errno = expected.kind === 'errno' ? expected.errno : 0;
    const possible = (name: LimitName): boolean => {
      if (name === 'ram') return true;
      if (bounds[name].refuted) return false;
      const told = this.#told.get(mm)?.has(name) === true;
      return !told || m.sig[`${name}Cur`][sig] !== Number.POSITIVE_INFINITY;
    };
    if (refused) this.#tried = suspects(call.name, errno).filter(possible);
    this.#saved = {
      sig,
      cur: { as: m.sig.asCur[sig]!, data: m.sig.dataCur[sig]!, memlock: m.sig.memlockCur[sig]! },
    };
    for (const name of RLIMITS) {
      const bound = bounds[name];
      // A limit of nothing at all is something else: mlock gives EPERM, RLIMIT_DATA is let through.
      const nothing = name === 'memlock' && errno === EPERM;
      const low = nothing ? bound.low : Math.max(1, bound.low);
      const column = m.sig[`${name}Cur`];
      const told = column[sig]!;
      if (this.#tried.includes(name)) column[sig] = Math.min(low * PAGE, told);
      else if (bound.high - 1 !== Math.floor(told / PAGE)) column[sig] = (bound.high - 1) * PAGE;
    }
    const { settings } = m;
    if (this.#tried.includes('ram')) settings.totalRam = this.#ram.low;
    if (this.#tried.includes('memlock')) {
      this.#savedCaps = { task, caps: m.task.caps[task]! };
      m.task.caps[task] = m.task.caps[task]! & ~CAP_IPC_LOCK;
    }
  }

  /** Puts back what before() set. */
  after(): void {
    const m = this.#m;
    const saved = this.#saved;
    if (saved === undefined) return;
    for (const name of RLIMITS) m.sig[`${name}Cur`][saved.sig] = saved.cur[name];
    m.settings.totalRam = Math.min(m.pages, this.#ram.high - 1);
    if (this.#ram.low > m.settings.totalRam) m.settings.totalRam = this.#ram.low;
    if (this.#savedCaps !== undefined) m.task.caps[this.#savedCaps.task] = this.#savedCaps.caps;
    this.#saved = undefined;
    this.#savedCaps = undefined;
  }

  /** The call succeeded: what it came to is allowed. */
  succeeded(task: TaskRow, call: LogCall): void {
    const m = this.#m;
    if (call.name === 'mmap') raise(this.#ram, accounted(call));
    const mm = m.task.mm[task]!;
    const bounds = this.#byMm.get(mm);
    if (bounds === undefined) return;
    // Only what grew was held against a limit, which may have been set below what was there.
    const { totalVm, dataVm, lockedVm } = m.mm;
    if (totalVm[mm]! > this.#heldAs) raise(bounds.as, totalVm[mm]!);
    if (dataVm[mm]! > this.#heldData) raise(bounds.data, dataVm[mm]!);
    const privileged = (m.task.caps[task]! & CAP_IPC_LOCK) !== 0;
    if (!privileged && lockedVm[mm]! > this.#heldLocked) raise(bounds.memlock, lockedVm[mm]!);
  }

  /**
   * The call failed as recorded, under limits as low as can be. What was learned by it: '' when it
   * fails under the limits that were known, too.
   */
  learned(task: TaskRow): string {
    const { limit, pages } = refusal;
    if (limit === '' || !this.#tried.includes(limit)) return '';
    const m = this.#m;
    if (limit === 'ram') {
      if (pages > m.settings.totalRam) return '';
      this.#ram.high = pages;
      m.settings.totalRam = pages - 1;
      return NOTES.ram;
    }
    const bounds = this.#of(m.task.mm[task]!, m.task.sig[task]!);
    const bound = bounds[limit];
    const privileged = limit === 'memlock' && (m.task.caps[task]! & CAP_IPC_LOCK) !== 0;
    if (pages >= bound.high && !privileged) return '';
    if (privileged) m.task.caps[task] = m.task.caps[task]! & ~CAP_IPC_LOCK;
    bound.high = Math.min(bound.high, pages);
    bounds.learned = true;
    return NOTES[limit];
  }

  /** A limit refused what the log shows to succeed: it is higher. '' when no limit refused. */
  tooLow(task: TaskRow): string {
    const { limit, pages } = refusal;
    if (limit === '') return '';
    const m = this.#m;
    if (limit === 'ram') {
      this.#ram.low = pages;
      this.#ram.high = Number.POSITIVE_INFINITY;
      m.settings.totalRam = pages;
      return NOTES.ram;
    }
    const bounds = this.#of(m.task.mm[task]!, m.task.sig[task]!);
    const bound = bounds[limit];
    bound.low = pages;
    // A limit that the log tells is there, whatever the model makes of the image that it counts.
    const told = limit === 'memlock' || this.#told.get(m.task.mm[task]!)?.has(limit) === true;
    bound.refuted = bound.high !== Number.POSITIVE_INFINITY && !told;
    bound.high = Number.POSITIVE_INFINITY;
    bounds.learned = true;
    return NOTES[limit];
  }
}

function raise(bound: Bound, pages: number): void {
  if (pages > bound.low) bound.low = pages;
}

const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_NORESERVE = 0x4000;

/** Pages that an mmap has committed at once. */
function accounted(call: LogCall): number {
  const flags = asInt(call.values[3]).lo;
  if ((flags & MAP_NORESERVE) !== 0) return 0;
  const shared = (flags & MAP_SHARED) !== 0;
  const counts = shared
    ? (flags & MAP_ANONYMOUS) !== 0
    : (asInt(call.values[2]).lo & PROT_WRITE) !== 0;
  return counts ? pagesOf(asInt(call.values[1])) : 0;
}
