/** The steps of a run as an aligned table, and what was wrong with those that disagree. */
import type { RunReport, StepReport, Verdict } from '../lab/index.ts';
import { type Column, tableRows } from './table.ts';
import type { ViewOptions } from './task_view.ts';
import { BLANK, clean, cut, type Line, lineWidth, paragraph, type Style, span } from './text.ts';

export const MARKS: Readonly<Record<Verdict, { readonly sign: string; readonly style: Style }>> = {
  matched: { sign: '✓', style: 'ok' },
  mismatched: { sign: '✗', style: 'bad' },
  assumed: { sign: '~', style: 'warn' },
  unchecked: { sign: ' ', style: 'plain' },
  ignored: { sign: '·', style: 'dim' },
};

/** Lines of a step's long text (`cat`) that are shown without --all. */
const OUTPUT_LINES_MAX = 20;

export function faultsText(step: Pick<StepReport, 'minflt' | 'majflt'>): string {
  const parts: string[] = [];
  if (step.minflt > 0) parts.push(`${step.minflt} flt`);
  if (step.majflt > 0) parts.push(`${step.majflt} maj`);
  return parts.join(' ');
}

export function resultText(step: StepReport): string {
  if (step.signal !== undefined) {
    const { name, code, address } = step.signal;
    return `${name}/${code} at ${address}`;
  }
  return step.result.includes('\n') ? '' : clean(step.result);
}

/** What a disagreement was, under the step's row. */
export function disagreement(step: StepReport, indent: number, width: number): Line[] {
  if (step.verdict !== 'mismatched') return [];
  const head: Line = [span(`${' '.repeat(indent)}└ `, 'bad')];
  const found = resultText(step);
  const parts: string[] = [];
  if (found === 'none' && step.expected === '== none') parts.push('neither page is mapped');
  else {
    if (step.expected !== undefined) parts.push(`expected ${clean(step.expected)}`);
    if (found !== '') parts.push(`found ${found}`);
  }
  if (step.note !== undefined) parts.push(clean(step.note));
  const text = parts.length === 0 ? 'does not hold' : parts.join('; ');
  return paragraph(head, text, 'bad', width);
}

function noteLines(step: StepReport, indent: number, width: number): Line[] {
  if (step.verdict === 'mismatched') return disagreement(step, indent, width);
  if (step.note === undefined) return [];
  const head: Line = [span(`${' '.repeat(indent)}└ `, 'dim')];
  return paragraph(head, clean(step.note), 'note', width);
}

function outputLines(step: StepReport, indent: number, options: ViewOptions): Line[] {
  if (!step.result.includes('\n')) return [];
  const lines = step.result.replace(/\n$/, '').split('\n');
  const shown = options.all ? lines : lines.slice(0, OUTPUT_LINES_MAX);
  const pad = ' '.repeat(indent);
  const out = shown.map(
    (text): Line => [
      span(`${pad}│ `, 'dim'),
      span(cut(clean(text), options.width - indent - 2), 'note'),
    ],
  );
  const more = lines.length - shown.length;
  if (more > 0) out.push([span(`${pad}│ … ${more} lines more (--all shows them)`, 'dim')]);
  return out;
}

/** The folder of all settings, as `--set` leaves it out. */
const THP = '/sys/kernel/mm/transparent_hugepage/';

/** The step's text on one line, with the long path of the settings cut short. */
export function stepText(step: StepReport): string {
  return clean(step.text.replaceAll(THP, '…/'));
}

const COLUMNS: readonly Column[] = [
  {},
  { align: 'right' },
  {},
  { elastic: true },
  {},
  { align: 'right' },
];

function stepCells(step: StepReport, showTask: boolean): Line[] {
  const mark = MARKS[step.verdict];
  const quiet = step.verdict === 'ignored' || step.text.startsWith('#');
  const isExpect = step.text.startsWith('expect');
  const failed = step.errno !== undefined || step.signal !== undefined;
  // An expectation that holds says its result in its own text; bytes written are no news.
  const isTold = (isExpect || step.text.startsWith('echo ')) && step.verdict !== 'mismatched';
  const isSilent = step.verdict === 'ignored' || (isTold && !failed);
  const result = isSilent ? '' : resultText(step);
  const style: Style = quiet || isExpect ? 'dim' : 'plain';
  const where = step.line === 0 ? '--set' : String(step.line);
  return [
    [span(mark.sign, mark.style)],
    [span(where, 'dim')],
    showTask ? [span(clean(step.task), 'head')] : BLANK,
    [span(stepText(step), style)],
    [span(result, failed ? 'warn' : step.verdict === 'mismatched' ? 'bad' : 'strong')],
    [span(faultsText(step), 'note')],
  ];
}

/** Steps aligned with each other; longer runs are several tables. */
const CHUNK = 4096;

function stepsTable(steps: readonly StepReport[], showTask: boolean, options: ViewOptions): Line[] {
  const rows = steps.map((step) => stepCells(step, showTask));
  const numbers = rows.reduce((width, row) => Math.max(width, lineWidth(row[1]!)), 1);
  const indent = 2 + 1 + 2 + numbers + 2;
  return tableRows(COLUMNS, rows, options.width, 2).flatMap((lines, i) => [
    ...lines,
    ...outputLines(steps[i]!, indent, options),
    ...noteLines(steps[i]!, indent, options.width),
  ]);
}

/** Every step, one row each, in parts. */
export function* stepsParts(report: RunReport, options: ViewOptions): Generator<Line[]> {
  const { steps } = report;
  const showTask = report.tasks.length > 1 || steps.some((s) => s.task !== steps[0]!.task);
  for (let at = 0; at < steps.length; at += CHUNK) {
    yield stepsTable(steps.slice(at, at + CHUNK), showTask, options);
  }
}
