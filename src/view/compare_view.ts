/** `compare`: where kernels differ, what each maps in the end, which laws each breaks, the verdict. */
import type { CompareReport, LawReport, RunReport } from '../lab/index.ts';
import { differenceLines } from './compare_table.ts';
import { lawLines } from './laws_view.ts';
import { legendLines } from './legend.ts';
import { mismatches } from './log_view.ts';
import { alikeMappings } from './mappings.ts';
import { beside } from './table.ts';
import { taskName } from './task_names.ts';
import { MapsView, type ViewOptions } from './task_view.ts';
import { BLANK, clean, count, cutLine, type Line, paragraph, plainText, span } from './text.ts';
import { firstSentence, listing } from './words.ts';

/** Pictures are put side by side while each has this many columns. */
const PICTURE_MIN = 36;
const GAP = ' ┆ ';

interface Alike<T> {
  readonly kernels: string[];
  readonly value: T;
}

/** Kernels whose value has the same key, in the order of the first of them. */
function alike<T>(
  report: CompareReport,
  pick: (run: RunReport) => T,
  keyOf: (value: T) => string,
): Alike<T>[] {
  const groups = new Map<string, Alike<T>>();
  report.runs.forEach((run, i) => {
    const value = pick(run);
    const key = keyOf(value);
    const group = groups.get(key);
    const name = report.kernels[i] ?? run.kernel;
    if (group === undefined) groups.set(key, { kernels: [name], value });
    else group.kernels.push(name);
  });
  return [...groups.values()];
}

function textOf(lines: readonly Line[]): string {
  return lines.map(plainText).join('\n');
}

/** The final maps; kernels that end in the same picture share it. */
function pictures(report: CompareReport, options: ViewOptions): Line[] {
  const omit = options.all ? new Set<string>() : alikeMappings(report.runs);
  const wide = { ...options, omit };
  const different = alike(report, (run) => new MapsView(run, wide).tasks(), textOf).length;
  const fits = Math.floor((options.width + GAP.length) / (PICTURE_MIN + GAP.length));
  const perRow = Math.max(1, Math.min(different, fits));
  const width = Math.floor((options.width - GAP.length * (perRow - 1)) / perRow);
  const narrow = { ...options, width, omit };
  const groups = alike(
    report,
    (run) => new MapsView(run, narrow),
    (maps) => textOf(maps.tasks()),
  );
  const lines: Line[] = [];
  for (let at = 0; at < groups.length; at += perRow) {
    const blocks = groups.slice(at, at + perRow).map(({ kernels, value }) => {
      const title = paragraph([], kernels.join(', '), 'head', width);
      return [...title, ...value.tasks().map((l) => cutLine(l, width))];
    });
    if (lines.length > 0) lines.push(BLANK);
    lines.push(
      ...beside(
        blocks,
        blocks.map(() => width),
        GAP,
      ),
    );
  }
  const signs = new Map(report.runs.flatMap((run) => [...new MapsView(run, wide).signs()]));
  const title = groups.length === 1 ? 'final maps, the same on every kernel' : 'final maps';
  return [[span(title, 'head')], ...lines, BLANK, ...legendLines(signs, options.width)];
}

function brokenOf(run: RunReport): readonly LawReport[] {
  return run.laws.filter((law) => law.broken.length > 0);
}

function laws(report: CompareReport, options: ViewOptions): Line[] {
  const lines: Line[] = [];
  for (const { kernels, value } of alike(report, (run) => run, lawKey)) {
    if (lines.length > 0) lines.push(BLANK);
    const broken = brokenOf(value).map((law) => law.name);
    if (broken.length === 0) {
      lines.push([span(listing(kernels), 'head')], ...lawLines(value, options));
      continue;
    }
    const verb = kernels.length === 1 ? ' breaks ' : ' break ';
    lines.push([span(listing(kernels), 'head'), span(`${verb}${listing(broken)}`, 'bad')]);
    lines.push(...lawLines(value, options));
  }
  return lines;
}

/** Which laws were broken, where, and which were never put to the test; not how often they were. */
function lawKey(run: RunReport): string {
  return JSON.stringify(run.laws.map((law) => [law.name, law.broken, law.exercised > 0]));
}

function expectations(report: CompareReport, options: ViewOptions): Line[] {
  const lines: Line[] = [];
  const key = (found: readonly Line[]): string => textOf(found);
  for (const group of alike(report, (run) => mismatches(run, options), key)) {
    if (group.value.length === 0) continue;
    if (lines.length > 0) lines.push(BLANK);
    const [title, ...rest] = group.value;
    lines.push([span(`${listing(group.kernels)}: `, 'head'), ...title!], ...rest);
  }
  return lines;
}

/** One sentence for kernels that break the same law at the same place. */
function brokenSentence(kernels: readonly string[], run: RunReport): string {
  const broken = brokenOf(run);
  const one = kernels.length === 1;
  const names = listing(kernels);
  const wrong = broken.find((law) => law.name === 'translation') ?? broken[0]!;
  const first = wrong.broken[0]!;
  const at = first.address === '' ? '' : ` at ${first.address}`;
  const others = broken.filter((law) => law !== wrong).map((law) => law.name);
  const also = others.length === 0 ? '' : ` Also broken: ${listing(others)}.`;
  if (wrong.name === 'translation') {
    const maps = one ? 'maps' : 'map';
    const where = `${clean(taskName(run, first.task))} ${first.address}`.trim();
    return `${names} ${maps} the wrong page: ${where} has ${clean(first.found)}; due is ${clean(first.due)}.${also}`;
  }
  const what = first.message !== '' ? first.message : `found ${first.found}, due ${first.due}`;
  return `${names} ${one ? 'breaks' : 'break'} the law ${wrong.name}${at}: ${clean(what).replace(/\.$/, '')}.${also}`;
}

/** The closing verdict; the first word of each line says whether it is good news. */
export function verdict(report: CompareReport, options: ViewOptions): Line[] {
  const lines: Line[] = [];
  const say = (ok: boolean, text: string): void => {
    const head = span(ok ? '✓ ' : '✗ ', ok ? 'ok' : 'bad');
    lines.push(...paragraph([head], text, ok ? 'ok' : 'bad', options.width));
  };
  const groups = alike(
    report,
    (run) => run,
    (run) => JSON.stringify(brokenOf(run).map((law) => [law.name, law.broken[0]])),
  );
  for (const { kernels, value } of groups) {
    if (brokenOf(value).length > 0) say(false, brokenSentence(kernels, value));
  }
  const fine = groups.find(({ value }) => brokenOf(value).length === 0)?.kernels ?? [];
  const wrong = report.runs.filter((run) => run.summary.mismatched > 0);
  for (const run of wrong) {
    if (!fine.includes(run.kernel)) continue;
    say(
      false,
      `${run.kernel} breaks no law, but ${run.summary.mismatched} of the file's expectations do not hold on it.`,
    );
  }
  const good = fine.filter((name) => !wrong.some((run) => run.kernel === name));
  if (good.length > 0) {
    const all = good.length === report.kernels.length;
    const subject = all && good.length > 1 ? 'All kernels' : listing(good);
    const verb = good.length === 1 ? 'keeps' : 'keep';
    const differ = report.differences.length;
    const tail = !all || differ > 0 ? '' : ', and they agree in everything';
    say(true, `${subject} ${verb} every law and every expectation${tail}.`);
  }
  return lines;
}

export function compareView(report: CompareReport, options: ViewOptions): Line[] {
  const about = clean(firstSentence(report.runs[0]?.about ?? ''));
  const head: Line[] = [
    [
      span(clean(report.file), 'head'),
      span(` on ${count(report.kernels.length, 'kernel')}`, 'dim'),
    ],
    ...(about === '' ? [] : paragraph([], about, 'dim', options.width)),
  ];
  const parts = [
    head,
    differenceLines(report, options),
    pictures(report, options),
    expectations(report, options),
    laws(report, options),
    verdict(report, options),
  ];
  return parts
    .filter((part) => part.length > 0)
    .flatMap((part, i) => (i === 0 ? part : [BLANK, ...part]));
}
