/** Where kernels differ: one row an observation, one column a kernel; stacked where that is too wide. */
import type { CompareReport, Difference } from '../lab/index.ts';
import { stepText } from './steps_view.ts';
import { type Column, tableRows } from './table.ts';
import type { ViewOptions } from './task_view.ts';
import { BLANK, clean, count, cut, type Line, lineWidth, paragraph, span } from './text.ts';

/** Without --all, so many rows. */
const ROWS_MAX = 30;
const NAME_WIDTH = 12;
const VALUE_WIDTH = 22;
/** The stacked form's columns: what differs, and the value. */
const WHAT_WIDTH = 9;
const STACKED_WIDTH = 36;

/** A kernel's name on several lines, broken behind its dashes. */
function nameLines(name: string): string[] {
  const lines: string[] = [];
  let current = '';
  for (const part of name.split(/(?<=-)/)) {
    if (current !== '' && current.length + part.length > NAME_WIDTH) {
      lines.push(current);
      current = '';
    }
    current += part;
  }
  return [...lines, current];
}

/** The value that the others are held against: the last kernel's. */
function reference(values: readonly string[]): string {
  return values[values.length - 1] ?? '';
}

/** State after the last step, as against what a step gave. */
function isFinal(difference: Difference): boolean {
  return difference.what.startsWith('page ') || difference.what.startsWith('rss.');
}

/**
 * What the table shows: pages are pictured below it, and a verdict differs because a result that
 * stands beside it does.
 */
function rowsToShow(report: CompareReport): Difference[] {
  const told = new Set<string>();
  for (const { line, task, what } of report.differences) {
    if (what !== 'verdict') told.add(`${line} ${task}`);
  }
  return report.differences.filter(
    ({ line, task, what }) =>
      !what.startsWith('page ') && !(what === 'verdict' && told.has(`${line} ${task}`)),
  );
}

interface Group {
  readonly head: Line;
  readonly rows: Difference[];
}

function groupBySteps(report: CompareReport, differences: readonly Difference[]): Group[] {
  const texts = new Map<string, string>();
  for (const run of report.runs) {
    for (const step of run.steps) texts.set(`${step.line} ${step.task}`, stepText(step));
  }
  const groups = new Map<string, Group>();
  for (const difference of differences) {
    const atEnd = isFinal(difference);
    const step = `${difference.line} ${difference.task}`;
    const key = `${step} ${atEnd}`;
    let group = groups.get(key);
    if (group === undefined) {
      const task = difference.task === '' ? '' : `${clean(difference.task)}: `;
      const where = atEnd ? 'at the end  ' : `line ${difference.line}  `;
      const text = atEnd ? '' : (texts.get(step) ?? '');
      group = { head: [span(where, 'dim'), span(task, 'head'), span(text)], rows: [] };
      groups.set(key, group);
    }
    group.rows.push(difference);
  }
  return [...groups.values()];
}

/** One row of the wide form: what, then a value a kernel, those marked that are not as on the last kernel. */
function wideCells({ what, values }: Difference): Line[] {
  const common = reference(values);
  return [
    [span(clean(what), 'dim')],
    ...values.map((value): Line => {
      const text = cut(clean(value), VALUE_WIDTH);
      return value === common ? [span(`  ${text}`)] : [span('≠ ', 'bad'), span(text, 'warn')];
    }),
  ];
}

/** The narrow form: each value with the kernels that give it. */
function stackedLines(report: CompareReport, difference: Difference, width: number): Line[] {
  const common = reference(difference.values);
  const values = [...new Set(difference.values)];
  const what = clean(difference.what).padEnd(WHAT_WIDTH);
  const size = Math.max(...values.map((value) => cut(clean(value), STACKED_WIDTH).length));
  return values.flatMap((value, i) => {
    const kernels = report.kernels.filter((_, k) => difference.values[k] === value);
    const text = cut(clean(value), STACKED_WIDTH).padEnd(size);
    const first = span(`    ${i === 0 ? what : ' '.repeat(what.length)} `, 'dim');
    const head: Line =
      value === common
        ? [first, span(`  ${text}  `)]
        : [first, span('≠ ', 'bad'), span(`${text}  `, 'warn')];
    return paragraph(head, kernels.join(', '), 'dim', width);
  });
}

export function differenceLines(report: CompareReport, options: ViewOptions): Line[] {
  const differences = rowsToShow(report);
  const pages = report.differences.filter((d) => d.what.startsWith('page ')).length;
  if (differences.length === 0 && pages === 0) return [];
  const shown = options.all ? differences : differences.slice(0, ROWS_MAX);
  const groups = groupBySteps(report, shown);
  const names = report.kernels.map(nameLines);
  const height = Math.max(...names.map((lines) => lines.length));
  const headers: Line[][] = [];
  for (let k = 0; k < height; k++) {
    // Names stand on the last lines, above their column's values.
    const cells = names.map((lines): Line => {
      const text = lines[k - (height - lines.length)];
      return text === undefined ? BLANK : [span(`  ${text}`, 'head')];
    });
    headers.push([BLANK, ...cells]);
  }
  const columns: Column[] = [{}, ...report.kernels.map((): Column => ({}))];
  const rows = [...headers, ...shown.map(wideCells)];
  const rendered = tableRows(columns, rows, options.width, 4);
  const isWide = rendered.every((lines) => lines.every((l) => lineWidth(l) <= options.width));
  const title = differences.length === 0 ? 'steps give the same' : 'steps that differ';
  const last = report.kernels[report.kernels.length - 1] ?? '';
  const out: Line[] = [[span(title, 'head'), span(`  (≠ not as on ${last})`, 'dim')]];
  if (isWide && shown.length > 0) out.push(...rendered.slice(0, height).flat());
  const lineOf = new Map(shown.map((d, i) => [d, rendered[height + i] ?? []]));
  for (const group of groups) {
    out.push([span('  '), ...group.head]);
    for (const d of group.rows) {
      out.push(...(isWide ? lineOf.get(d)! : stackedLines(report, d, options.width)));
    }
  }
  const more = differences.length - shown.length;
  if (more > 0) out.push([span(`  and ${more} more (--all shows them)`, 'dim')]);
  if (pages > 0) {
    const verb = pages === 1 ? 'differs' : 'differ';
    out.push([span(`  ${count(pages, 'page')} ${verb} in the end: see the maps below`, 'dim')]);
  }
  return out;
}
