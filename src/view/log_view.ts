/**
 * An strace log of thousands of calls: counts by call instead of rows, then every disagreement and
 * everything that was assumed.
 */
import type { RunReport, StepReport, Verdict } from '../lab/index.ts';
import { disagreement, faultsText, resultText, stepText } from './steps_view.ts';
import { type Column, table, tableRows } from './table.ts';
import type { ViewOptions } from './task_view.ts';
import { append, BLANK, clean, count, cut, flow, type Line, span } from './text.ts';
import { grouped } from './words.ts';

interface Counts {
  readonly name: string;
  total: number;
  readonly by: Record<Verdict, number>;
}

/** The call of a log's step: the word before the parenthesis; events stand for themselves. */
export function callName(step: StepReport): string {
  const name = /^(?:<\.\.\. )?([A-Za-z_]\w*)/.exec(step.text)?.[1];
  return name ?? (step.text.startsWith('---') ? 'signal' : 'end of task');
}

function countCalls(steps: readonly StepReport[]): Counts[] {
  const found = new Map<string, Counts>();
  for (const step of steps) {
    const name = callName(step);
    let counts = found.get(name);
    if (counts === undefined) {
      const by = { matched: 0, mismatched: 0, assumed: 0, unchecked: 0, ignored: 0 };
      counts = { name, total: 0, by };
      found.set(name, counts);
    }
    counts.total++;
    counts.by[step.verdict]++;
  }
  return [...found.values()].sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
}

const COLUMNS: readonly Column[] = [
  {},
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
];

function cellOf(n: number, style: 'ok' | 'bad' | 'warn' | 'dim'): Line {
  return n === 0 ? BLANK : [span(grouped(n), style)];
}

/** Counts by call, and the ignored ones in a line. */
export function countsByCall(report: RunReport, options: ViewOptions): Line[] {
  const all = countCalls(report.steps);
  const concerned = all.filter((c) => c.total > c.by.ignored);
  const header = ['call', 'count', 'matched', 'mismatched', 'assumed', 'unchecked'];
  const rows: Line[][] = concerned.map(({ name, total, by }) => [
    [span(clean(name))],
    [span(grouped(total - by.ignored))],
    cellOf(by.matched, 'ok'),
    cellOf(by.mismatched, 'bad'),
    cellOf(by.assumed, 'warn'),
    cellOf(by.unchecked, 'dim'),
  ]);
  const columns = header.map((_, c) => c < 2 || rows.some((row) => row[c] !== BLANK));
  const kept = (row: Line[]): Line[] => row.filter((_, c) => columns[c]);
  const lines = table(
    COLUMNS.filter((_, c) => columns[c]),
    [kept(header.map((text): Line => [span(text, 'dim')])), ...rows.map(kept)],
    options.width,
    2,
  );
  const ignored = all.filter((c) => c.by.ignored > 0);
  if (ignored.length === 0) return lines;
  const total = ignored.reduce((sum, c) => sum + c.by.ignored, 0);
  const items = ignored.map((c): Line => [span(`${clean(c.name)} ${c.by.ignored}`, 'dim')]);
  const head: Line = [span(`  ${count(total, 'step')} ignored, no concern of memory: `, 'dim')];
  const [first, ...rest] = items;
  return [...lines, BLANK, ...flow([[...head, ...first!], ...rest], '', ', ', options.width)];
}

/** A log's step without its result, which stands in a column of its own. */
function callText(step: StepReport): string {
  return stepText(step).replace(/\)\s+= [^()]*(?:\([^()]*\))?$/, ')');
}

const LIST_COLUMNS: readonly Column[] = [
  { align: 'right' },
  {},
  { elastic: true },
  {},
  { align: 'right' },
];

/** A list of steps; `textMax` cuts long ones, whose line number finds the rest. */
function rowsOf(steps: readonly StepReport[], report: RunReport, textMax: number): Line[][] {
  const showTask = report.tasks.length > 1;
  return steps.map((step) => [
    [span(step.line === 0 ? '--set' : String(step.line), 'dim')],
    showTask ? [span(clean(step.task), 'head')] : BLANK,
    [span(cut(callText(step), textMax))],
    [span(cut(resultText(step), 24), 'strong')],
    [span(faultsText(step), 'note')],
  ]);
}

export function mismatches(report: RunReport, options: ViewOptions): Line[] {
  const wrong = report.steps.filter((step) => step.verdict === 'mismatched');
  if (wrong.length === 0) return [];
  const lines: Line[] = [
    [span(wrong.length === 1 ? '1 step disagrees' : `${wrong.length} steps disagree`, 'bad')],
  ];
  // The line below each says what was found.
  const rows = rowsOf(wrong, report, 1000).map((row) => [...row.slice(0, 3), BLANK, row[4]!]);
  tableRows(LIST_COLUMNS, rows, options.width, 2).forEach((shown, i) => {
    lines.push(...shown, ...disagreement(wrong[i]!, 4, options.width));
  });
  return lines;
}

/** Without --all, so many assumed steps are listed. */
const ASSUMED_MAX = 8;

export function assumptions(report: RunReport, options: ViewOptions): Line[] {
  const assumed = report.steps.filter((step) => step.verdict === 'assumed');
  if (assumed.length === 0) return [];
  const shown = options.all ? assumed : assumed.slice(0, ASSUMED_MAX);
  const title = `${count(assumed.length, 'result')} that the log does not let us predict, taken from it`;
  const lines: Line[] = [[span(title, 'head')]];
  append(lines, table(LIST_COLUMNS, rowsOf(shown, report, options.width - 42), options.width, 2));
  const more = assumed.length - shown.length;
  if (more > 0) lines.push([span(`  and ${more} more (--all shows them)`, 'dim')]);
  return lines;
}
