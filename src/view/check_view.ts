/** `check`: each kind of violation with its shortest program and pictures; then what was covered. */
import type { CheckReport, Confirmed, KernelViolation } from '../explore/index.ts';
import { alikeMappings } from './mappings.ts';
import { beside } from './table.ts';
import { MapsView, type ViewOptions } from './task_view.ts';
import { BLANK, clean, count, cutLine, type Line, paragraph, span } from './text.ts';
import { listing } from './words.ts';

/** Pictures are put side by side where each has this many columns. */
const PICTURE_MIN = 36;
const GAP = ' ┆ ';

export function boundsText(report: CheckReport): string {
  const { bounds } = report;
  const threads = bounds.threads === 0 ? '' : ` and ${count(bounds.threads, 'thread')}`;
  const tasks = count(bounds.tasks, 'process', 'processes');
  const flight = bounds.inFlight === 0 ? '' : `, ${bounds.inFlight} faults at a time by phases`;
  return `${tasks}${threads}, mappings of ${count(bounds.pages, 'page')}, programs of at most ${count(bounds.steps, 'step')}${flight}`;
}

function head(report: CheckReport, width: number): Line[] {
  const { bounds } = report;
  return [
    [span('check of ', 'dim'), span(clean(report.kernel), 'head')],
    ...paragraph([span('  ')], boundsText(report), 'plain', width),
    ...paragraph(
      [span('  ')],
      `steps: loads, stores, mmap of ${listing(bounds.kinds)}; ${listing(bounds.calls)}`,
      'dim',
      width,
    ),
  ];
}

/** The machine before and after the last step, where room is side by side. */
function pictures(shown: Confirmed, options: ViewOptions): Line[] {
  const both = [shown.before, shown.after];
  const titles = ['before the last step', 'after it'];
  const fits = options.width >= 2 * PICTURE_MIN + GAP.length + 4;
  const width = fits ? Math.floor((options.width - 4 - GAP.length) / 2) : options.width - 4;
  const omit = alikeMappings(both);
  const blocks = both.map((report, i) => [
    [span(titles[i]!, 'dim')],
    ...new MapsView(report, { ...options, width, omit }).tasks().map((l) => cutLine(l, width)),
  ]);
  const lines = fits ? beside(blocks, [width, width], GAP) : blocks.flat();
  return lines.map((l) => (l.length === 0 ? l : [span('    '), ...l]));
}

/** Steps of a program without its comments. */
function steps(program: string): string[] {
  return program.split('\n').filter((text) => text !== '' && !text.startsWith('#'));
}

function violation(found: KernelViolation, options: ViewOptions): Line[] {
  const title = found.law === 'books' ? "the model's own books fail" : `law broken: ${found.law}`;
  const lines: Line[] = [
    [
      span('✗ ', 'bad'),
      span(title, 'bad'),
      span(`  by ${found.by}, ${count(found.steps, 'step')}`, 'dim'),
    ],
  ];
  const text = found.schedule ?? steps(found.program);
  text.forEach((step, i) => {
    const last = i === text.length - 1;
    lines.push(...paragraph([span('    ')], step, last ? 'strong' : 'plain', options.width));
  });
  const { shown } = found;
  if (shown === undefined) {
    lines.push(...paragraph([span('  ')], clean(found.message), 'bad', options.width));
    return lines;
  }
  const where = [shown.task, shown.address].filter((s) => s !== '').join(' ');
  lines.push(
    ...paragraph(
      [span(`  ${where}${where === '' ? '' : '  '}found `, 'dim')],
      clean(shown.found),
      'bad',
      options.width,
    ),
    ...paragraph([span('  due ', 'dim')], clean(shown.due), 'ok', options.width),
  );
  if (found.cycle !== undefined) {
    lines.push(...paragraph([span('  for ever: ', 'dim')], found.cycle, 'plain', options.width));
  }
  lines.push(BLANK, ...pictures(shown, options));
  return lines;
}

const number = (n: number): string => n.toLocaleString('en');

function coverageText(report: CheckReport): string {
  const { states, transitions, depth, expanded } = report;
  const counts = `${number(states)} states, ${number(transitions)} transitions`;
  switch (report.end) {
    case 'exhausted':
      return `exhaustive: every program within the bounds; ${counts}`;
    case 'memory':
      if (report.method === 'depth-first') {
        return `not exhaustive, the memory limit was reached: some programs were never tried; ${counts}`;
      }
      return `not exhaustive, the memory limit was reached: every program of up to ${count(depth, 'step')}, and ${number(expanded.done)} of the ${number(expanded.of)} states that ${depth} steps lead to were followed by one more; ${counts}`;
    case 'walked':
      return `not exhaustive, a sample: ${count(expanded.of, 'random walk')} of at most ${count(depth, 'step')}; ${counts}`;
    default:
      if (report.method === 'depth-first') {
        return `not exhaustive, ended early: some programs were never tried; ${counts}`;
      }
      return `not exhaustive, ended early: every program of up to ${count(depth, 'step')}; ${counts}`;
  }
}

function laws(report: CheckReport, options: ViewOptions): Line[] {
  const lines: Line[] = [];
  const held = report.laws.filter((law) => !law.broken && law.exercised > 0);
  const idle = report.laws.filter((law) => law.exercised === 0);
  if (held.length > 0) {
    const names = listing(held.map((law) => law.name));
    lines.push(
      ...paragraph(
        [span('✓ ', 'ok')],
        `${count(held.length, 'law')} ${held.length === 1 ? 'holds' : 'hold'}: ${names}`,
        'ok',
        options.width,
      ),
    );
  }
  for (const law of idle) {
    const text = `${law.name}: never exercised, nothing is proved (it needs ${law.sometimes})`;
    lines.push(...paragraph([span('? ', 'warn')], text, 'warn', options.width));
  }
  if (options.all) {
    for (const law of report.laws) {
      lines.push([span(`    ${law.name.padEnd(14)}`), span(`${number(law.exercised)} `, 'dim')]);
    }
  }
  return lines;
}

function branches(report: CheckReport, options: ViewOptions): Line[] {
  const taken = report.branches.filter((branch) => branch.times > 0);
  const missed = report.branches.filter((branch) => branch.times === 0);
  const lines = paragraph(
    [span('  ')],
    `branches of the fault path: ${taken.length} of ${report.branches.length} taken`,
    'plain',
    options.width,
  );
  const show = options.all ? report.branches : missed;
  if (options.all) {
    for (const { rule, times, source } of show) {
      const text = `    ${rule.padEnd(24)} ${number(times).padStart(12)}  ${source}`;
      lines.push(cutLine([span(text, times === 0 ? 'warn' : 'dim')], options.width));
    }
    return lines;
  }
  const names = missed.map((branch) => branch.rule).join(', ');
  return [...lines, ...paragraph([span('    not taken: ', 'dim')], names, 'dim', options.width)];
}

function chance(report: CheckReport): string {
  return `chance that two states were taken for one: below ${report.collision.toExponential(0)}`;
}

/** The closing part: what was covered, and what that proves. */
export function checkVerdict(report: CheckReport, options: ViewOptions): Line[] {
  const kinds = report.violations.length;
  const ok = kinds === 0;
  const broken = listing([...new Set(report.violations.map((v) => v.law))]);
  const text = ok
    ? `${report.kernel} breaks no law within the bounds`
    : `${report.kernel} breaks ${broken}: ${count(kinds, 'kind')} of violation`;
  const style = ok ? 'ok' : 'bad';
  return paragraph([span(ok ? '✓ ' : '✗ ', style)], text, style, options.width);
}

export function checkView(report: CheckReport, options: ViewOptions): Line[] {
  const parts: Line[][] = [head(report, options.width)];
  for (const found of report.violations) parts.push(violation(found, options));
  parts.push(laws(report, options));
  parts.push([
    ...paragraph([span('  ')], coverageText(report), 'plain', options.width),
    ...paragraph([span('  ')], chance(report), 'dim', options.width),
    ...branches(report, options),
  ]);
  parts.push(checkVerdict(report, options));
  return parts
    .filter((part) => part.length > 0)
    .flatMap((part, i) => (i === 0 ? part : [BLANK, ...part]));
}
