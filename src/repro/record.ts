/**
 * What the model says of each step, as a reproducer asserts it: what came back, and every mapping
 * of every task with its frames and contents. Each page that a step stores to gets a number of its
 * own, which moves with its content: the C file stores and expects the same numbers.
 */
import { word } from '../base/index.ts';
import { ModelKernel, type ModelOutcome, type Watcher } from '../lab/model_kernel.ts';
import { taskObservation } from '../lab/observation.ts';
import { FolioNumbers } from '../lab/observe.ts';
import { ScenarioRun } from '../lab/run.ts';
import { loadContent, storeContent } from '../mm/memory.ts';
import type { Release } from '../mm/release_types.ts';
import type { Program } from '../scenario/index.ts';
import type { PagesObservation } from '../scenario/transcript.ts';

/** Contents below this are single bytes that a file or a call brought, not numbers of ours. */
const FIRST_NUMBER = 4096;

export interface Mapping {
  readonly startVpn: number;
  readonly pages: number;
  readonly perms: string;
  /** The pages of this mapping that have an entry, and what they hold. */
  readonly seen: PagesObservation;
  readonly contents: readonly Content[];
}

/** A page's number (0 = none was stored), or the byte that it holds where that is all one knows. */
export type Content = { readonly number: number } | { readonly byte: number };

export interface Load extends Partial<Record<'number' | 'byte', number>> {}

export interface RecordedStep {
  readonly outcome: ModelOutcome;
  /** First number that the step's stores give out; 0 when zeros are stored. */
  readonly firstNumber: number;
  /** The byte that the step's stores store. */
  readonly storedByte: number;
  /** What the first page of a read held. */
  readonly load: Load | undefined;
  /** Mappings by task, of each address space once; without program image and stack. */
  readonly tasks: ReadonlyMap<string, readonly Mapping[]>;
  /** Whether an expectation holds on the model; undefined for other steps. */
  readonly holds: boolean | undefined;
  /** Value that a name has got in this step. */
  readonly bound: ReadonlyMap<string, number>;
}

export interface Recorded {
  readonly steps: readonly RecordedStep[];
  readonly kernel: ModelKernel;
  readonly firstTask: string;
}

export interface RecordOptions {
  readonly release: Release;
  readonly memory: number;
  /** Reads of anonymous memory map no zero page (Settings.anonReadsAllocate). */
  readonly noZeroPage: boolean;
}

class Numbers implements Watcher {
  readonly #kernel: ModelKernel;
  readonly bytes = new Map<number, number>();
  next = FIRST_NUMBER + 1;
  /** Content of the first page that the step's read saw. */
  firstLoad: number | undefined;
  storedByte = 1;

  constructor(kernel: ModelKernel) {
    this.#kernel = kernel;
  }

  before(): void {}
  after(): void {}
  called(): void {}

  stored(task: number, vpn: number, content: number): void {
    this.storedByte = content;
    if (content === 0) return;
    const number = this.next++;
    this.bytes.set(number, content);
    storeContent(this.#kernel.m, task, vpn, number);
  }

  loaded(_task: number, _vpn: number, content: number): void {
    this.firstLoad ??= content;
  }

  contentOf(content: number): Content {
    if (content > FIRST_NUMBER) return { number: content - FIRST_NUMBER };
    return content === 0 ? { number: 0 } : { byte: content & 0xff };
  }

  loadOf(content: number | undefined): Load | undefined {
    if (content === undefined) return undefined;
    if (content <= FIRST_NUMBER) {
      return content === 0 ? { number: 0, byte: 0 } : { byte: content & 0xff };
    }
    return { number: content - FIRST_NUMBER, byte: this.bytes.get(content)! };
  }
}

function mappingsOf(kernel: ModelKernel, numbers: Numbers, name: string, folios: FolioNumbers) {
  const task = kernel.tasks.get(name)!;
  const seen = taskObservation(kernel.m, task, name, folios);
  const found: Mapping[] = [];
  let at = 0;
  for (const vma of seen.vmas) {
    const from = at;
    while (at < seen.pages.vpn.length && seen.pages.vpn[at]! < vma.endVpn) at++;
    if (vma.startVpn === kernel.image.startVpn || vma.name === '[stack]') continue;
    const { pages } = seen;
    const part: PagesObservation = {
      vpn: pages.vpn.slice(from, at),
      bits: pages.bits.slice(from, at),
      folio: pages.folio.slice(from, at),
      index: pages.index.slice(from, at),
      order: pages.order.slice(from, at),
      mapcount: [],
    };
    found.push({
      startVpn: vma.startVpn,
      pages: vma.endVpn - vma.startVpn,
      perms: vma.perms,
      seen: part,
      contents: part.vpn.map((vpn) => numbers.contentOf(loadContent(kernel.m, task, vpn))),
    });
  }
  return found;
}

function observe(
  kernel: ModelKernel,
  numbers: Numbers,
  folios: FolioNumbers,
): Map<string, readonly Mapping[]> {
  const tasks = new Map<string, readonly Mapping[]>();
  const spaces = new Set<number>();
  for (const [name, task] of kernel.tasks) {
    const mm = kernel.m.task.mm[task]!;
    if (kernel.m.task.alive[task] === 0 || mm === 0 || spaces.has(mm)) continue;
    spaces.add(mm);
    tasks.set(name, mappingsOf(kernel, numbers, name, folios));
  }
  return tasks;
}

/** Executes the program on the model twice: with its own bytes for the verdicts, with numbers. */
export function record(program: Program, options: RecordOptions): Recorded {
  const { release, memory } = options;
  const plain = new ScenarioRun(program, release, memory, {});
  plain.kernel.m.settings.anonReadsAllocate = options.noZeroPage ? 1 : 0;
  const named = program.steps.find((step) => step.task !== '');
  const firstTask = program.steps[0]?.task || named?.task || 'main';
  const kernel = new ModelKernel({ release, memory }, firstTask);
  kernel.m.settings.anonReadsAllocate = options.noZeroPage ? 1 : 0;
  const numbers = new Numbers(kernel);
  kernel.watcher = numbers;
  // Numbers stay with the frames over all steps, so that what did not change reads the same.
  const folios = new FolioNumbers();
  const steps = program.steps.map((step, i): RecordedStep => {
    const report = plain.step(i);
    const isExpect = step.op.kind === 'expect';
    const firstNumber = numbers.next - FIRST_NUMBER;
    numbers.firstLoad = undefined;
    const outcome = isExpect ? { minflt: 0, majflt: 0 } : kernel.execute(step, i);
    if (isExpect) touchAsExpected(kernel, program, i);
    const bound = new Map<string, number>();
    for (const [name, value] of kernel.values) bound.set(name, word.pageOf(value));
    return {
      outcome,
      firstNumber: numbers.next - FIRST_NUMBER > firstNumber ? firstNumber : 0,
      storedByte: numbers.storedByte,
      load: numbers.loadOf(numbers.firstLoad),
      tasks: observe(kernel, numbers, folios),
      holds: isExpect ? report.verdict === 'matched' : undefined,
      bound,
    };
  });
  return { steps, kernel, firstTask };
}

/** `value ADDR` is a load, with the fault that it may take. */
function touchAsExpected(kernel: ModelKernel, program: Program, i: number): void {
  const { op } = program.steps[i]!;
  if (op.kind !== 'expect' || op.expectation.kind !== 'compare') return;
  for (const side of [op.expectation.left, op.expectation.right]) {
    if (side.kind !== 'value') continue;
    const step = {
      ...program.steps[i]!,
      task: side.task,
      op: { kind: 'access', access: 'read', address: side.address } as const,
    };
    kernel.execute(step, i);
  }
}
