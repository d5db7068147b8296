/** `why`: the chain of decisions that made one page what it is. */
import type { WhyDecision, WhyFault, WhyReport } from '../lab/index.ts';
import type { ViewOptions } from './task_view.ts';
import {
  BLANK,
  clean,
  type Line,
  lineWidth,
  paragraph,
  type Span,
  type Style,
  span,
} from './text.ts';

const OUTCOMES: Readonly<Record<WhyDecision['outcome'], { sign: string; style: Style }>> = {
  refused: { sign: '✗ refused', style: 'bad' },
  taken: { sign: '✓ taken', style: 'ok' },
  note: { sign: '·', style: 'dim' },
};

interface Widths {
  readonly size: number;
  readonly outcome: number;
}

/** One decision: the size it speaks of, the outcome, the rule, and who decides. */
function decision(
  d: WhyDecision,
  before: WhyDecision | undefined,
  columns: Widths,
  options: ViewOptions,
): Line[] {
  const { sign, style } = OUTCOMES[d.outcome];
  const head: Span[] = [
    span(`  ${d.size.padStart(columns.size)}${columns.size > 0 ? '  ' : ''}`, 'strong'),
    span(sign.padEnd(columns.outcome + 2), style),
  ];
  const lines = paragraph(
    head,
    clean(d.text),
    d.outcome === 'note' ? 'dim' : 'plain',
    options.width,
  );
  // Refusals of one function follow each other: it is named with the first.
  if (d.source === '' || d.source === before?.source) return lines;
  const last = lines[lines.length - 1]!;
  const source: Line = [span(`  [${d.source}]`, 'dim')];
  if (lineWidth(last) + lineWidth(source) <= options.width) {
    return [...lines.slice(0, -1), [...last, ...source]];
  }
  return [...lines, [span(' '.repeat(lineWidth(head))), span(`[${d.source}]`, 'dim')]];
}

function fault(f: WhyFault, options: ViewOptions): Line[] {
  const task = f.task === '' ? '' : `${clean(f.task)}: `;
  const head: Line = [
    span(`line ${f.line}`, 'dim'),
    span('  '),
    span(task, 'head'),
    span(clean(f.text)),
  ];
  const widest = (of: (d: WhyDecision) => string): number =>
    f.decisions.reduce((max, d) => Math.max(max, of(d).length), 0);
  const columns = { size: widest((d) => d.size), outcome: widest((d) => OUTCOMES[d.outcome].sign) };
  // The first note only repeats what the fault was; its source belongs to the heading then.
  const first = f.decisions[0];
  const repeats = first?.outcome === 'note' && first.text === f.what;
  const what: Span[] = [span('  '), span(clean(f.what), 'strong')];
  if (repeats) what.push(span(`  [${clean(first.source)}]`, 'dim'));
  const rest = repeats ? f.decisions.slice(1) : f.decisions;
  return [head, what, ...rest.flatMap((d, i) => decision(d, rest[i - 1], columns, options))];
}

export function whyView(report: WhyReport, options: ViewOptions): Line[] {
  const where: Line = [
    span(`${clean(report.task)}:${report.address}`, 'head'),
    span(' in ', 'dim'),
    span(clean(report.file)),
    span(' on ', 'dim'),
    span(report.kernel, 'strong'),
  ];
  const lines: Line[] = [
    where,
    ...paragraph([span('  ')], clean(report.state), 'strong', options.width),
  ];
  if (report.faults.length === 0) {
    lines.push(BLANK, [span('  no fault touched this page', 'warn')]);
  }
  for (const f of report.faults) lines.push(BLANK, ...fault(f, options));
  return lines;
}
