/**
 * `why`: how one page came to be what it is. The program runs twice: first to learn which folio lies
 * there at the end, then with the decision log on, keeping every step that made that folio, mapped
 * the page, or took it away.
 */
import { type Diagnostic, type TaskRow, type U64, word } from '../base/index.ts';
import { folioOrder, headOf } from '../mm/folio.ts';
import { frameAt, isLeafPmd, leafEntry } from '../mm/memory.ts';
import { isGuardMarker } from '../mm/pgtable.ts';
import { DEFAULT_KERNEL } from '../mm/release.ts';
import { WhyLog } from '../mm/why.ts';
import type { Program, Step } from '../scenario/index.ts';
import type { ModelKernel } from './model_kernel.ts';
import type { WhyFault, WhyReport } from './report.ts';
import { DEFAULT_MEMORY, type RunOptions, releaseOf, ScenarioRun } from './run.ts';
import { decisionOf, sizeText } from './why_words.ts';

export interface WhyOptions extends Omit<RunOptions, 'laws'> {
  readonly task: string;
  /** An address, or a name of the program with an offset: "0x11000", "b", "b+4K". */
  readonly address: string;
}

function problem(program: Program, message: string, hint: string): Diagnostic[] {
  return [
    { severity: 'error', code: 'WHY001', file: program.file, line: 0, column: 0, message, hint },
  ];
}

const UNITS: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

function term(text: string, kernel: ModelKernel): U64 | undefined {
  const hex = /^0x([0-9a-f]+)$/i.exec(text);
  if (hex !== null) return word.parseDigits(hex[1]!, 16);
  const decimal = /^(\d+)([kmgt]?)$/i.exec(text);
  if (decimal !== null) {
    const value = word.parseDigits(decimal[1]!, 10);
    const unit = UNITS[decimal[2]!.toLowerCase()] ?? 1;
    return value === undefined ? undefined : word.mul(value, word.fromNumber(unit));
  }
  return kernel.values.get(text);
}

/** Sums of terms: "b+4K", "0x11000-4096". */
export function addressOf(text: string, kernel: ModelKernel): U64 | undefined {
  let sum: U64 = word.ZERO;
  let sign = '+';
  for (const part of text.split(/([+-])/)) {
    const token = part.trim();
    if (token === '+' || token === '-') {
      sign = token;
      continue;
    }
    const value = term(token, kernel);
    if (value === undefined) return undefined;
    sum = sign === '+' ? word.add(sum, value) : word.sub(sum, value);
  }
  return sum;
}

function makeRun(program: Program, options: WhyOptions): ScenarioRun | undefined {
  const release = releaseOf(program, options);
  if (release === undefined) return undefined;
  const memory = options.memory ?? program.memory ?? DEFAULT_MEMORY;
  return new ScenarioRun(program, release, memory, options);
}

/** The page that a task sees at an address: its frame and the head of its folio. */
function look(kernel: ModelKernel, task: TaskRow, vpn: number): { pfn: number; head: number } {
  const mm = kernel.m.task.mm[task]!;
  const pfn = mm === 0 ? 0 : frameAt(kernel.m, mm, vpn);
  return { pfn, head: pfn === 0 ? 0 : headOf(kernel.m, pfn) };
}

function stateText(kernel: ModelKernel, task: TaskRow, vpn: number): string {
  const { m } = kernel;
  const mm = m.task.mm[task]!;
  if (mm === 0) return 'the task has ended';
  const { pfn, head } = look(kernel, task, vpn);
  if (pfn === 0) {
    return isGuardMarker(leafEntry(m, mm, vpn)) ? 'a guard marker: no page' : 'not mapped';
  }
  const huge = isLeafPmd(m, mm, vpn) ? ', mapped by a PMD' : '';
  if (pfn === m.zeroPfn) return 'the zero page';
  if (head === m.hugeZeroPfn) return `the huge zero page${huge}`;
  const order = folioOrder(m, head);
  const anon = m.page.mapping[head]! < 0 ? 'anonymous' : 'page-cache';
  if (order === 0) return `a single ${anon} page`;
  const n = 1 << order;
  const first = vpn - (pfn - head);
  const aligned = first % n === 0 ? 'naturally aligned' : 'not aligned to its size here';
  return `page ${pfn - head} of a ${sizeText(order)} ${anon} folio, ${aligned}${huge}`;
}

export function whyProgram(program: Program, options: WhyOptions): WhyReport | Diagnostic[] {
  if (program.dialect === 'strace') {
    return problem(
      program,
      'a log does not show loads and stores, so no page of it has a history',
      'write the accesses that matter as a scenario',
    );
  }
  const first = makeRun(program, options);
  if (first === undefined) {
    const name = options.kernel ?? program.kernel ?? DEFAULT_KERNEL;
    return problem(program, `no kernel '${name}' is modelled`, '`faultline kernels` lists them');
  }
  for (let i = 0; i < program.steps.length; i++) first.step(i);
  const task = first.kernel.taskOf(options.task);
  if (task === undefined) {
    const names = [...first.kernel.tasks.keys()].join(', ');
    return problem(program, `no task '${options.task}'`, `its tasks are ${names}`);
  }
  const address = addressOf(options.address, first.kernel);
  if (address === undefined) {
    const names = [...first.kernel.values.keys()].join(', ');
    return problem(
      program,
      `'${options.address}' is no address`,
      names === '' ? 'give a number such as 0x10000' : `names that it binds: ${names}`,
    );
  }
  const vpn = word.pageOf(address);
  const end = look(first.kernel, task, vpn);
  const second = makeRun(program, options);
  const faults = second === undefined ? [] : history(second, program, options.task, vpn, end.head);
  return {
    file: program.file,
    kernel: first.kernel.m.release.name,
    task: options.task,
    address: word.toHex(address),
    state: stateText(first.kernel, task, vpn),
    faults,
    diagnostics: first.diagnostics,
  };
}

function whatText(step: Step, vpns: readonly number[]): string {
  const { op } = step;
  if (op.kind !== 'access') return op.kind === 'call' ? `call of ${op.name}` : step.text;
  const at = vpns[0] === undefined ? '' : ` at ${word.toHex(word.fromPage(vpns[0]))}`;
  return vpns.length === 0 ? `${op.access} without a fault` : `${op.access} fault${at}`;
}

/** Steps that changed what lies at the page, or made the folio that lies there in the end. */
function history(
  run: ScenarioRun,
  program: Program,
  taskName: string,
  vpn: number,
  head: number,
): WhyFault[] {
  const { kernel } = run;
  const { m } = kernel;
  const found: WhyFault[] = [];
  for (let i = 0; i < program.steps.length; i++) {
    const step = program.steps[i]!;
    const task = kernel.taskOf(taskName);
    const before = task === undefined ? { pfn: 0, head: 0 } : look(kernel, task, vpn);
    const made = head !== 0 && m.page.flags[head] !== 0 && m.page.mapping[head] !== 0;
    const log = new WhyLog();
    m.why = log;
    run.step(i);
    m.why = null;
    const later = kernel.taskOf(taskName);
    const after = later === undefined ? { pfn: 0, head: 0 } : look(kernel, later, vpn);
    const madeNow = head !== 0 && m.page.mapping[head] !== 0 && headOf(m, head) === head && !made;
    if (before.pfn === after.pfn && !madeNow) continue;
    const vpns = run.outcomes[i]?.faultedVpns ?? [];
    found.push({
      line: step.at.line,
      task: step.task,
      text: step.text,
      what: whatText(step, vpns),
      decisions: log.entries.map((entry) => decisionOf(m, entry)),
    });
  }
  return found;
}
