/** The laws: broken ones loud, each with place, finding and what was due; the others in a line. */
import type { LawReport, LawViolation, RunReport } from '../lab/index.ts';
import { type Column, table } from './table.ts';
import { taskName } from './task_names.ts';
import type { ViewOptions } from './task_view.ts';
import { clean, count, type Line, paragraph, span, wrapText } from './text.ts';

/** Violations of one law that are shown without --all. */
const SHOWN_MAX = 6;

const COLUMNS: readonly Column[] = [{}, {}, {}, { elastic: true }];

function violationCells(v: LawViolation, report: RunReport): Line[] {
  const found = v.found === '' ? [] : [span('found ', 'dim'), span(clean(v.found), 'bad')];
  const due = v.due === '' ? [] : [span('  due ', 'dim'), span(clean(v.due), 'ok')];
  return [
    [span(`line ${v.line}`, 'dim')],
    [span(clean(taskName(report, v.task)), 'head')],
    [span(v.address)],
    [...found, ...due],
  ];
}

function brokenLaw(law: LawReport, report: RunReport, options: ViewOptions): Line[] {
  const n = law.broken.length;
  const lines: Line[] = [
    [
      span('✗ ', 'bad'),
      span(`law broken: ${law.name}`, 'bad'),
      span(`  ${count(n, 'time')} of ${count(law.exercised, 'check')}`, 'dim'),
    ],
  ];
  const shown = options.all ? law.broken : law.broken.slice(0, SHOWN_MAX);
  // The message says in a sentence what found and due say; it is needed where these are empty.
  const message = shown.find((v) => v.found === '' || v.due === '')?.message ?? '';
  if (message !== '') {
    lines.push(...paragraph([span('    ')], clean(message), 'plain', options.width));
  }
  lines.push(
    ...table(
      COLUMNS,
      shown.map((v) => violationCells(v, report)),
      options.width,
      4,
    ),
  );
  if (n > shown.length) {
    lines.push([span(`    and ${count(n - shown.length, 'time')} more (--all shows them)`, 'dim')]);
  }
  return lines;
}

/** The laws that were broken, and only those. */
export function brokenLaws(report: RunReport, options: ViewOptions): Line[] {
  const broken = report.laws.filter((law) => law.broken.length > 0);
  return broken.flatMap((law) => brokenLaw(law, report, options));
}

/** Nothing when laws were not checked. */
export function lawLines(report: RunReport, options: ViewOptions): Line[] {
  const { laws } = report;
  if (laws.length === 0) return [];
  const lines = brokenLaws(report, options);
  const held = laws.filter((law) => law.broken.length === 0);
  const idle = held.filter((law) => law.exercised === 0).map((law) => law.name);
  const proved = held.length - idle.length;
  const rest = idle.length === 0 ? '' : `not exercised: ${idle.join(', ')}`;
  if (proved === 0)
    return rest === '' ? lines : [...lines, ...paragraph([], rest, 'dim', options.width)];
  const text = `${count(proved, 'law')} ${proved === 1 ? 'holds' : 'hold'}`;
  const head: Line = [span('✓ ', 'ok'), span(text, 'ok')];
  if (rest === '') return [...lines, head];
  const whole = `${text}; ${rest}`;
  const [first, ...others] = wrapText(whole, options.width - 2);
  const kept = first!.slice(text.length);
  lines.push([...head, span(kept, 'dim')]);
  for (const part of others) lines.push([span('  '), span(part, 'dim')]);
  return lines;
}
