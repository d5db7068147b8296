/**
 * Model against another kernel's transcript, step by step: the first observable that differs. What
 * is not compared stands in MASKED, with its reason; nothing else is left out.
 */
import { errnoName, word } from '../base/index.ts';
import type { Release } from '../mm/mm_types.ts';
import { createsTask, type Program, type Step } from '../scenario/index.ts';
import {
  PAGE_SOFT_DIRTY,
  PAGE_SWAPCACHE,
  PAGE_UNEVICTABLE,
  type PagesObservation,
  type StepOutcome,
  type TaskObservation,
  type Transcript,
} from '../scenario/transcript.ts';
import { observeAll } from './expect.ts';
import type { ProgramLayout } from './layout.ts';
import { type ModelOutcome, ModelKernel } from './model_kernel.ts';
import { DEFAULT_MEMORY } from './run.ts';

/** Observables that are not compared. */
export const MASKED: readonly { readonly what: string; readonly why: string }[] = [
  { what: 'frame numbers', why: 'buddy and per-CPU lists; folios are numbered in order instead' },
  { what: 'kpageflags LRU, ACTIVE, REFERENCED, IDLE', why: 'per-CPU folio batches, DAMON' },
  { what: 'kpageflags UNEVICTABLE', why: 'set when a per-CPU folio batch is drained' },
  { what: 'kpageflags SWAPCACHE, soft-dirty', why: 'no swap here; CONFIG_MEM_SOFT_DIRTY is off' },
  { what: 'pids', why: 'given out by the system' },
  { what: 'faults of fork and clone', why: "the child's start is the executor's" },
  { what: 'names of files in maps', why: 'a scenario runs in a scratch directory' },
];

const BITS_MASK = ~(PAGE_UNEVICTABLE | PAGE_SWAPCACHE | PAGE_SOFT_DIRTY);

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

export interface VerifyResult {
  readonly divergence?: Divergence;
  /** Values that were compared and agreed. */
  readonly compared: number;
  /** The rule that the program reached and the model does not have: nothing after it is compared. */
  readonly unmodelled?: string;
  readonly stepsCompared: number;
}

export interface OtherTranscript extends Transcript {
  readonly layout: ProgramLayout;
  /** read_ahead_kb of the disk that the program's files lie on. */
  readonly readAheadKb?: number;
}

class Comparison {
  compared = 0;
  found: Divergence | undefined;
  readonly #step: Step;
  readonly #index: number;

  constructor(step: Step, index: number) {
    this.#step = step;
    this.#index = index;
  }

  /** True while nothing differs. */
  same(task: string, vpn: number, observable: string, model: unknown, kernel: unknown): boolean {
    if (model === kernel) {
      this.compared++;
      return true;
    }
    this.found ??= {
      step: this.#index,
      line: this.#step.at.line,
      text: this.#step.text,
      task,
      address: vpn < 0 ? '' : word.toHex(word.fromPage(vpn)),
      observable,
      model: String(model),
      kernel: String(kernel),
    };
    return false;
  }
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

/** Calls whose result is a pid, or that do not return. */
const UNCOMPARED = new Set(['getpid', 'gettid', 'getppid', 'wait4', 'exit', 'exit_group', 'execve']);

function compareOutcome(c: Comparison, step: Step, model: ModelOutcome, kernel: StepOutcome): void {
  const { op, task } = step;
  const makesTask = op.kind === 'call' && createsTask(op.name);
  if (op.kind === 'call' && !makesTask && !UNCOMPARED.has(op.name)) {
    c.same(task, -1, 'result', resultText(model), resultText(kernel));
  }
  if (makesTask) c.same(task, -1, 'result', model.errno ?? 0, kernel.errno ?? 0);
  if (op.kind === 'echo') c.same(task, -1, 'errno', model.errno ?? 0, kernel.errno ?? 0);
  if (op.kind === 'access') {
    c.same(task, -1, 'signal', signalText(model), signalText(kernel));
    if (op.access === 'read' && model.signal === undefined) {
      c.same(task, -1, 'value read', resultText(model), resultText(kernel));
    }
    const faulted = (o: StepOutcome): string => (o.faultedVpns ?? []).join(' ');
    c.same(task, -1, 'pages that faulted', faulted(model), faulted(kernel));
  }
  if (!makesTask && (op.kind === 'access' || op.kind === 'call')) {
    c.same(task, -1, 'minflt', model.minflt, kernel.minflt);
    c.same(task, -1, 'majflt', model.majflt, kernel.majflt);
  }
}

function comparePages(c: Comparison, task: string, m: PagesObservation, k: PagesObservation): void {
  const n = Math.max(m.vpn.length, k.vpn.length);
  for (let i = 0; i < n; i++) {
    const vpn = Math.min(m.vpn[i] ?? Number.POSITIVE_INFINITY, k.vpn[i] ?? Number.POSITIVE_INFINITY);
    if (!c.same(task, vpn, 'page present', m.vpn[i] === vpn, k.vpn[i] === vpn)) return;
    const bits = (list: number[]): string => bitNames((list[i] ?? 0) & BITS_MASK);
    if (!c.same(task, vpn, 'page bits', bits(m.bits), bits(k.bits))) return;
    if (!c.same(task, vpn, 'folio', m.folio[i], k.folio[i])) return;
    if (!c.same(task, vpn, 'index in folio', m.index[i], k.index[i])) return;
    if (!c.same(task, vpn, 'order', m.order[i], k.order[i])) return;
    if (!c.same(task, vpn, 'mapcount', m.mapcount[i], k.mapcount[i])) return;
  }
}

const NAMES = [
  'present', 'swap', 'file', 'exclusive', 'uffd-wp', 'guard', 'zero', 'huge', 'anon', 'uptodate',
  'dirty', 'swapbacked', 'mlocked', 'thp', 'anon-exclusive', 'unevictable', 'swapcache',
  'soft-dirty',
];

function bitNames(bits: number): string {
  return NAMES.filter((_, i) => (bits & (1 << i)) !== 0).join(' ');
}

function vmaText(vma: TaskObservation['vmas'][number]): string {
  const at = `${word.toHex(word.fromPage(vma.startVpn))}-${word.toHex(word.fromPage(vma.endVpn))}`;
  const flags = vma.vmFlags === undefined ? '' : ` ${vma.vmFlags.join(' ')}`;
  const name = vma.name.startsWith('[') ? ` ${vma.name}` : '';
  return `${at} ${vma.perms} ${vma.pgoff}${flags}${name}`;
}

function compareTask(c: Comparison, m: TaskObservation, k: TaskObservation, full: boolean): void {
  const n = Math.max(m.vmas.length, k.vmas.length);
  for (let i = 0; i < n; i++) {
    const mine = m.vmas[i];
    const other = k.vmas[i];
    const strip = full ? (v: typeof mine) => v : withoutFlags;
    const a = mine === undefined ? 'none' : vmaText(strip(mine)!);
    const b = other === undefined ? 'none' : vmaText(strip(other)!);
    if (!c.same(m.task, -1, `VMA ${i + 1}`, a, b)) return;
  }
  comparePages(c, m.task, m.pages, k.pages);
  if (k.vmPte < 0) return;
  for (const kind of ['anon', 'file', 'shmem', 'swap'] as const) {
    c.same(m.task, -1, `Rss ${kind} kB`, m.rss[kind], k.rss[kind]);
  }
  c.same(m.task, -1, 'VmPTE kB', m.vmPte, k.vmPte);
  c.same(m.task, -1, 'VmSize kB', m.vmSize, k.vmSize);
  c.same(m.task, -1, 'VmLck kB', m.vmLck, k.vmLck);
}

function withoutFlags(vma: TaskObservation['vmas'][number] | undefined) {
  if (vma === undefined) return undefined;
  const { vmFlags: _flags, ...rest } = vma;
  return rest;
}

/** The model's tasks without the executor's image. */
function withoutOwn(task: TaskObservation, layout: ProgramLayout): TaskObservation {
  const { startVpn, endVpn } = layout.own;
  const size = (endVpn - startVpn) * 4;
  return {
    ...task,
    vmas: task.vmas.filter((vma) => vma.startVpn < startVpn || vma.startVpn >= endVpn),
    vmSize: task.vmSize - size,
  };
}

/** Executes the program on the model beside a transcript of another kernel. */
export function verifyProgram(
  program: Program,
  other: OtherTranscript,
  release: Release,
): VerifyResult {
  const named = program.steps.find((step) => step.task !== '');
  const first = program.steps[0]?.task || named?.task || 'main';
  const memory = program.memory ?? DEFAULT_MEMORY;
  const kernel = new ModelKernel({ release, memory, layout: other.layout }, first);
  if (other.readAheadKb !== undefined) {
    kernel.m.settings.readAheadPages = other.readAheadKb / 4;
  }
  let compared = 0;
  for (let i = 0; i < program.steps.length; i++) {
    const step = program.steps[i]!;
    const c = new Comparison(step, i);
    const seen = other.outcomes[i];
    if (step.op.kind !== 'expect' && seen !== undefined) {
      const outcome = kernel.execute(step, i);
      if (outcome.unmodelled !== undefined) {
        return { compared, unmodelled: outcome.unmodelled, stepsCompared: i };
      }
      compareOutcome(c, step, outcome, seen);
    }
    const tasks = other.observations[i];
    if (tasks !== undefined && c.found === undefined) {
      const mine = observeAll(kernel).map((task) => withoutOwn(task, other.layout));
      c.same('', -1, 'tasks', mine.map((t) => t.task).join(' '), tasks.map((t) => t.task).join(' '));
      const full = tasks.some((task) => task.vmas.some((vma) => vma.vmFlags !== undefined));
      mine.forEach((task, t) => {
        const theirs = tasks[t];
        if (theirs !== undefined && c.found === undefined) compareTask(c, task, theirs, full);
      });
    }
    compared += c.compared;
    if (c.found !== undefined) return { divergence: c.found, compared, stepsCompared: i };
  }
  return { compared, stepsCompared: program.steps.length };
}
