/** One step of two kernels, value by value; the first that differs is kept. */
import { errnoName, word } from '../base/index.ts';
import type { Step } from '../scenario/index.ts';
import {
  PAGE_LOCKS_UNSURE,
  PAGE_MLOCKED,
  PAGE_SOFT_DIRTY,
  PAGE_SWAPCACHE,
  PAGE_UNEVICTABLE,
  type PagesObservation,
  type StepOutcome,
  type TaskObservation,
  type Unseen,
  type VmaObservation,
} from '../scenario/transcript.ts';
import type { ModelOutcome } from './model_kernel.ts';

export interface Masked {
  readonly what: string;
  readonly why: string;
}

/** Observables that are not compared. */
export const MASKED: readonly Masked[] = [
  { what: 'frame numbers', why: 'free lists of the whole machine; folios are numbered instead' },
  {
    what: 'kpageflags LRU, ACTIVE, REFERENCED, IDLE',
    why: 'batches of each CPU and DAMON, a monitor that is always on, move them',
  },
  {
    what: 'kpageflags MLOCKED, UNEVICTABLE of a page that was locked by two mappings at once',
    why: "the kernel's count of a page's locks misses those that come while a CPU's batch holds the page",
  },
  { what: 'kpageflags SWAPCACHE', why: 'swap space is not modelled' },
  { what: 'soft-dirty', why: 'a matter of configuration (CONFIG_MEM_SOFT_DIRTY)' },
  { what: 'smaps Referenced', why: 'DAMON clears young bits at its own times' },
  { what: 'smaps LazyFree', why: 'a batch of each CPU holds folios that MADV_FREE gave up' },
  {
    what: 'status VmHWM, but that it is within 1536 kB',
    why: 'the kernel takes the peak from sums that leave out what each CPU has not yet added',
  },
  {
    what: 'smaps_rollup, statm, stat, and the lines of status that are not about memory',
    why: 'they say again what smaps and status say, or nothing of memory',
  },
  { what: 'getppid of the first task', why: 'its parent is the executor' },
  {
    what: 'BUS_MCEERR_AR against BUS_ADRERR at a poisoned page',
    why: 'a matter of configuration (CONFIG_MEMORY_FAILURE)',
  },
  { what: 'the byte that a load inside a page sees', why: 'the model has the first of each page' },
  {
    what: 'anon_fault_*, nr_anon* and split_deferred of each size, outside a virtual machine',
    why: 'they count for the whole machine, and other processes fault too',
  },
  {
    what: 'statistics that are not about large folios; all of them in `fuzz`, recordings and --pages',
    why: 'they count for the whole machine, where several programs run beside each other',
  },
];

/** As VmFlags has it. */
const SOFT_DIRTY = 'sd';
const MASKED_BITS = PAGE_SWAPCACHE | PAGE_SOFT_DIRTY;
/** The bits of a page that are compared, given the model's. */
export function comparedBits(mask: number, model: number): number {
  const unsure = (model & PAGE_LOCKS_UNSURE) !== 0 ? PAGE_MLOCKED | PAGE_UNEVICTABLE : 0;
  return mask & ~(unsure | PAGE_LOCKS_UNSURE);
}

/** Page number, bits, folio, index, order, mapcount. */
export const VALUES_PER_PAGE = 6;

/** Lines of status that are sums of resident pages. */
const RESIDENT = new Set(['VmHWM', 'VmRSS']);
/** Three counters of which each CPU keeps less than 128 pages (percpu_counter_batch, to 64 CPUs). */
const HWM_KB = 3 * 128 * 4;
const MASKED_SMAPS = new Set(['Referenced', 'LazyFree']);

export interface Divergence {
  /** Index of the step, and its line. */
  readonly step: number;
  readonly line: number;
  readonly text: string;
  readonly task: string;
  /** Hex address, '' where none is meant. */
  readonly address: string;
  readonly observable: string;
  readonly model: string;
  readonly kernel: string;
}

/** PAGE_* bits that are compared with a kernel of which something is unseen. */
export function seenBits(unseen: readonly Unseen[]): number {
  return ~unseen.reduce((bits, one) => bits | (one.pageBits ?? 0), MASKED_BITS);
}

export class Comparison {
  compared = 0;
  found: Divergence | undefined;
  readonly #step: Step;
  readonly #index: number;
  /** PAGE_* bits that are compared. */
  readonly pageBits: number;
  readonly isRssSeen: boolean;

  constructor(step: Step, index: number, unseen: readonly Unseen[]) {
    this.#step = step;
    this.#index = index;
    this.pageBits = seenBits(unseen);
    this.isRssSeen = !unseen.some((one) => one.rss === true);
  }

  /** True when both are equal; else the divergence is kept if it is the first. */
  same(
    task: string,
    vpn: number,
    observable: string,
    model: string | number | boolean | undefined,
    kernel: string | number | boolean | undefined,
  ): boolean {
    if (model === kernel) {
      this.compared++;
      return true;
    }
    this.differs(task, vpn, observable, String(model), String(kernel));
    return false;
  }

  differs(task: string, vpn: number, observable: string, model: string, kernel: string): void {
    this.found ??= {
      step: this.#index,
      line: this.#step.at.line,
      text: this.#step.text,
      task,
      address: vpn < 0 ? '' : word.toHex(word.fromPage(vpn)),
      observable,
      model,
      kernel,
    };
  }
}

/** The modelled kernels have no CONFIG_MEMORY_FAILURE; with it a poisoned page is BUS_MCEERR_AR. */
function sameSignal(model: StepOutcome, kernel: StepOutcome): boolean {
  return signalText(model) === signalText(kernel).replace('SIGBUS/AR ', 'SIGBUS/ADRERR ');
}

function signalText(outcome: StepOutcome): string {
  const { signal } = outcome;
  if (signal === undefined) return 'none';
  return `${signal.name}/${signal.code} at ${word.toHex(signal.address)}`;
}

function resultText(outcome: ModelOutcome | StepOutcome): string {
  if (outcome.errno !== undefined) return `-1 ${errnoName(outcome.errno)}`;
  return outcome.value === undefined ? 'nothing' : word.toHex(outcome.value);
}

function faulted(outcome: StepOutcome): string {
  return (outcome.faultedVpns ?? []).map((vpn) => word.toHex(word.fromPage(vpn))).join(' ');
}

/** What is equal needs no words. */
function sameResult(model: StepOutcome, kernel: StepOutcome): boolean {
  return (
    model.errno === kernel.errno &&
    model.value?.lo === kernel.value?.lo &&
    model.value?.hi === kernel.value?.hi
  );
}

function sameFaults(model: StepOutcome, kernel: StepOutcome): boolean {
  const mine = model.faultedVpns ?? [];
  const other = kernel.faultedVpns ?? [];
  return mine.length === other.length && mine.every((vpn, i) => vpn === other[i]);
}

/** What came back of a step. `isFirst`: its task is the program's first. */
export function compareOutcome(
  c: Comparison,
  step: Step,
  model: ModelOutcome,
  kernel: StepOutcome,
  isFirst: boolean,
): void {
  const { op, task } = step;
  switch (op.kind) {
    case 'call':
      if (op.name.startsWith('exit')) return;
      if (op.name === 'getppid' && isFirst) break;
      if (sameResult(model, kernel)) c.compared++;
      else c.same(task, -1, 'result', resultText(model), resultText(kernel));
      break;
    case 'echo':
      c.same(task, -1, 'errno', model.errno ?? 0, kernel.errno ?? 0);
      return;
    case 'access':
      if (model.signal === undefined && kernel.signal === undefined) c.compared++;
      else if (sameSignal(model, kernel)) c.compared++;
      else c.same(task, -1, 'signal', signalText(model), signalText(kernel));
      if (op.access === 'read' && model.value !== undefined) {
        if (sameResult(model, kernel)) c.compared++;
        else c.same(task, -1, 'value read', resultText(model), resultText(kernel));
      }
      if (sameFaults(model, kernel)) c.compared++;
      else c.same(task, -1, 'pages that faulted', faulted(model), faulted(kernel));
      break;
    default:
      return;
  }
  c.same(task, -1, 'minflt', model.minflt, kernel.minflt);
  c.same(task, -1, 'majflt', model.majflt, kernel.majflt);
}

const BIT_NAMES = [
  ...['present', 'swap', 'file', 'exclusive', 'uffd-wp', 'guard', 'zero', 'huge', 'anon'],
  ...['uptodate', 'dirty', 'swapbacked', 'mlocked', 'thp', 'anon-exclusive', 'unevictable'],
];

function bitNames(bits: number): string {
  return BIT_NAMES.filter((_, i) => (bits & (1 << i)) !== 0).join(' ') || 'none';
}

function comparePages(c: Comparison, task: string, m: PagesObservation, k: PagesObservation): void {
  const n = Math.max(m.vpn.length, k.vpn.length);
  for (let i = 0; i < n; i++) {
    const mine = m.vpn[i] ?? Number.POSITIVE_INFINITY;
    const other = k.vpn[i] ?? Number.POSITIVE_INFINITY;
    if (mine !== other) {
      const vpn = Math.min(mine, other);
      c.same(task, vpn, 'page mapped', mine === vpn, other === vpn);
      return;
    }
    const mask = comparedBits(c.pageBits, m.bits[i]!);
    const mineBits = m.bits[i]! & mask;
    const otherBits = k.bits[i]! & mask;
    if (mineBits !== otherBits) {
      c.differs(task, mine, 'page bits', bitNames(mineBits), bitNames(otherBits));
      return;
    }
    if (
      !c.same(task, mine, 'folio', m.folio[i], k.folio[i]) ||
      !c.same(task, mine, 'index in folio', m.index[i], k.index[i]) ||
      !c.same(task, mine, 'order', m.order[i], k.order[i]) ||
      !c.same(task, mine, 'mapcount', m.mapcount[i], k.mapcount[i])
    ) {
      return;
    }
    c.compared += 2;
  }
}

function vmaText(vma: VmaObservation | undefined): string {
  if (vma === undefined) return 'none';
  const at = `${word.toHex(word.fromPage(vma.startVpn))}-${word.toHex(word.fromPage(vma.endVpn))}`;
  return `${at} ${vma.perms} ${vma.pgoff} ${vma.name}`.trim();
}

function compareSmaps(c: Comparison, task: string, m: VmaObservation, k: VmaObservation): void {
  const flags = (vma: VmaObservation): string =>
    (vma.vmFlags ?? []).filter((flag) => flag !== SOFT_DIRTY).join(' ');
  c.same(task, m.startVpn, 'VmFlags', flags(m), flags(k));
  const mine = m.smaps ?? {};
  const other = k.smaps ?? {};
  for (const key in mine) {
    if (MASKED_SMAPS.has(key)) continue;
    // A recording leaves out what is 0.
    if (mine[key] === (other[key] ?? 0)) c.compared++;
    else c.same(task, m.startVpn, `smaps ${key}`, mine[key], other[key] ?? 0);
  }
  for (const key in other) {
    if (key in mine || MASKED_SMAPS.has(key)) continue;
    c.same(task, m.startVpn, `smaps ${key}`, 0, other[key]);
  }
}

export function compareTask(
  c: Comparison,
  m: TaskObservation,
  k: TaskObservation,
  full: boolean,
): void {
  const n = Math.max(m.vmas.length, k.vmas.length);
  for (let i = 0; i < n; i++) {
    const mine = m.vmas[i];
    const other = k.vmas[i];
    const vpn = Math.min(mine?.startVpn ?? Infinity, other?.startVpn ?? Infinity);
    if (!c.same(m.task, vpn, 'mapping', vmaText(mine), vmaText(other))) return;
  }
  comparePages(c, m.task, m.pages, k.pages);
  if (full && c.found === undefined) compareSizes(c, m, k);
}

function compareStatus(
  c: Comparison,
  { task, status: mine = {} }: Pick<TaskObservation, 'task' | 'status'>,
  { status: other = {} }: TaskObservation,
): void {
  for (const key in other) {
    if (!c.isRssSeen && RESIDENT.has(key)) continue;
    const value = mine[key];
    const near = key === 'VmHWM' && value !== undefined && Math.abs(value - other[key]!) <= HWM_KB;
    if (near) c.compared++;
    else c.same(task, -1, `status ${key}`, value, other[key]);
  }
}

/** What smaps and status say of a task whose mappings and pages agree. */
export function compareSizes(
  c: Comparison,
  m: Omit<TaskObservation, 'pages'>,
  k: TaskObservation,
): void {
  m.vmas.forEach((vma, i) => {
    compareSmaps(c, m.task, vma, k.vmas[i]!);
  });
  for (const kind of c.isRssSeen ? (['anon', 'file', 'shmem', 'swap'] as const) : []) {
    c.same(m.task, -1, `Rss ${kind} kB`, m.rss[kind], k.rss[kind]);
  }
  c.same(m.task, -1, 'VmPTE kB', m.vmPte, k.vmPte);
  c.same(m.task, -1, 'VmSize kB', m.vmSize, k.vmSize);
  c.same(m.task, -1, 'VmLck kB', m.vmLck, k.vmLck);
  compareStatus(c, m, k);
}
