/** `run`: header, steps, final maps, statistics, laws, summary. */
import type { RunReport } from '../lab/index.ts';
import { brokenLaws, lawLines } from './laws_view.ts';
import { assumptions, countsByCall, mismatches } from './log_view.ts';
import { MARKS, stepsParts } from './steps_view.ts';
import { MapsView, type ViewOptions } from './task_view.ts';
import {
  BLANK,
  clean,
  count,
  flow,
  type Line,
  paragraph,
  type Span,
  span,
  wrapLine,
} from './text.ts';
import { firstSentence, grouped } from './words.ts';

function header(report: RunReport, options: ViewOptions): Line[] {
  const kind = report.dialect === 'strace' ? 'strace log on' : 'on';
  const lines: Line[] = [
    [span(clean(report.file), 'head'), span(` ${kind} `, 'dim'), span(report.kernel, 'strong')],
  ];
  const about = clean(firstSentence(report.about));
  if (about !== '') lines.push(...paragraph([], about, 'dim', options.width));
  return lines;
}

function statistics(report: RunReport, options: ViewOptions): Line[] {
  const items = Object.entries(report.stats)
    .filter(([, n]) => n !== 0)
    .map(([name, n]): Line => [span(`${name} `, 'dim'), span(grouped(n))]);
  if (items.length === 0) return [];
  return [[span('statistics', 'head')], ...flow(items, '  ', '   ', options.width)];
}

/** "41 steps: 12 matched, 29 unchecked". */
export function summary(report: RunReport, width: number): Line[] {
  const { steps, matched, mismatched, assumed, unchecked, ignored } = report.summary;
  const broken = report.laws.filter((law) => law.broken.length > 0).length;
  const out: Span[] = [];
  const fine = mismatched === 0 && broken === 0;
  // What was not judged is not fine.
  const mark = fine && report.cannot !== undefined ? MARKS.assumed : undefined;
  const { sign, style } = mark ?? (fine ? MARKS.matched : MARKS.mismatched);
  out.push(span(`${sign} `, style));
  out.push(span(`${grouped(steps)} ${steps === 1 ? 'step' : 'steps'}: `, 'strong'));
  const parts: Span[] = [
    span(`${grouped(matched)} matched`, matched > 0 ? 'ok' : 'dim'),
    span(`${grouped(mismatched)} mismatched`, mismatched > 0 ? 'bad' : 'dim'),
  ];
  if (assumed > 0) parts.push(span(`${grouped(assumed)} assumed`, 'warn'));
  if (unchecked > 0) parts.push(span(`${grouped(unchecked)} unchecked`, 'dim'));
  if (ignored > 0) parts.push(span(`${grouped(ignored)} ignored`, 'dim'));
  if (report.laws.length > 0) {
    const text = broken === 0 ? 'no law broken' : `${count(broken, 'law')} broken`;
    parts.push(span(text, broken === 0 ? 'ok' : 'bad'));
  }
  if (report.cannot !== undefined) {
    const { line, why } = report.cannot;
    parts.push(
      span(`from line ${line} on not judged, as it cannot be asked: ${clean(why)}`, 'warn'),
    );
  }
  parts.forEach((part, i) => {
    const comma = i + 1 < parts.length ? ', ' : '';
    out.push(part, span(comma, 'dim'));
  });
  if (report.partial) out.push(span('  (partial: the input is torn)', 'warn'));
  const [first, ...rest] = wrapLine(out, width - 2);
  return [first!, ...rest.map((l): Line => [span('  '), ...l])];
}

/**
 * The parts of the view, blank lines included, one after the other: the steps of a long log are
 * millions of lines, which need not exist at once.
 */
export function* runParts(report: RunReport, options: ViewOptions): Generator<Line[]> {
  const maps = new MapsView(report, options);
  const counted = report.dialect === 'strace' && !options.all;
  yield header(report, options);
  if (counted) {
    for (const part of [countsByCall, mismatches, assumptions]) {
      const lines = part(report, options);
      if (lines.length > 0) yield [BLANK, ...lines];
    }
  } else {
    yield [BLANK];
    yield* stepsParts(report, options);
  }
  const rest = [
    maps.tasks(),
    [...maps.folios(), ...maps.legend()],
    statistics(report, options),
    lawLines(report, options),
    summary(report, options.width),
  ];
  for (const lines of rest) {
    if (lines.length === 0) continue;
    yield [BLANK];
    yield lines;
  }
}

export function runView(report: RunReport, options: ViewOptions): Line[] {
  return [...runParts(report, options)].flat();
}

/** `run --quiet`: what is wrong, and nothing when all is well. */
export function quietRunView(report: RunReport, options: ViewOptions): Line[] {
  const wrong = mismatches(report, options);
  const broken = report.laws.filter((law) => law.broken.length > 0);
  if (wrong.length === 0 && broken.length === 0 && report.cannot === undefined) return [];
  return [
    [span(clean(report.file), 'head'), span(' on ', 'dim'), span(report.kernel, 'strong')],
    ...wrong,
    ...brokenLaws(report, options),
    ...summary(report, options.width),
  ];
}
