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

/** One decision: the size it speaks of, the outcome, the rule, and who decides. */
function decision(d: WhyDecision, sizes: number, outcomes: number, options: ViewOptions): Line[] {
  const { sign, style } = OUTCOMES[d.outcome];
  const head: Span[] = [
    span(`  ${d.size.padStart(sizes)}${sizes > 0 ? '  ' : ''}`, 'strong'),
    span(sign.padEnd(outcomes + 2), style),
  ];
  const lines = paragraph(
    head,
    clean(d.text),
    d.outcome === 'note' ? 'dim' : 'plain',
    options.width,
  );
  if (d.source === '') return lines;
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
  const sizes = f.decisions.reduce((max, d) => Math.max(max, d.size.length), 0);
  const outcomes = f.decisions.reduce(
    (max, d) => Math.max(max, OUTCOMES[d.outcome].sign.length),
    0,
  );
  // The first note only repeats what the fault was; its source belongs to the heading then.
  const first = f.decisions[0];
  const repeats = first?.outcome === 'note' && first.text === f.what;
  const what: Span[] = [span('  '), span(clean(f.what), 'strong')];
  if (repeats) what.push(span(`  [${clean(first.source)}]`, 'dim'));
  const rest = repeats ? f.decisions.slice(1) : f.decisions;
  return [head, what, ...rest.flatMap((d) => decision(d, sizes, outcomes, options))];
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
