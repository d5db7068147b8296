/** `advise`: the table of settings, the front, and the lines that set a machine. */
import type { AdviceReport, Judged } from '../advise/index.ts';
import { mebibytes, share } from './replay_view.ts';
import { type Column, table } from './table.ts';
import { BLANK, clean, cut, type Line, line, paragraph, span } from './text.ts';
import { grouped } from './words.ts';

/** "1.23 s", "45.6 ms". */
export function duration(ns: number): string {
  if (ns >= 1e10) return `${(ns / 1e9).toFixed(1)} s`;
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(2)} s`;
  return ns >= 1e8 ? `${(ns / 1e6).toFixed(0)} ms` : `${(ns / 1e6).toFixed(1)} ms`;
}

function signed(value: number): string {
  const text = (value * 100).toFixed(1);
  return value > 0.0005 ? `+${text} %` : value < -0.0005 ? `${text} %` : '0 %';
}

const COLUMNS: readonly Column[] = [
  {},
  { elastic: true },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
  { align: 'right' },
];

function heads(): Line[] {
  const words = ['', 'setting', 'faults', 'time', 'peak memory', 'bloat', 'by 2M', 'in 64K'];
  return words.map((word) => line(word, 'head'));
}

function row(one: Judged, isBest: boolean, isOver: boolean): Line[] {
  const style = isBest ? 'strong' : one.front ? 'plain' : 'dim';
  const isFull = !fits(one);
  const mark = isBest ? span('→', 'ok') : one.front ? span('*', 'note') : span(' ');
  return [
    [mark],
    line(clean(one.name), style),
    line(grouped(one.faults.total), style),
    line(duration(one.cost.total), style),
    isFull
      ? line(`> ${mebibytes(one.peak.memory)}`, 'bad')
      : line(mebibytes(one.peak.memory), style),
    line(isFull ? '' : signed(one.bloat), isOver ? 'warn' : style),
    line(share(one.census.thpShare), style),
    line(share(one.census.contpteShare), style),
  ];
}

/** As advise/front.ts has it, of which only types are needed here. */
function fits(one: Judged): boolean {
  return one.faults.noMemory === 0;
}

const FULL_NOTE =
  '> The machine has less memory than this needs: faults and time are those up to there, the rest as recorded.';

export function adviceTable(report: AdviceReport, width: number): Line[] {
  const rows = report.settings.map((one) =>
    row(one, one.name === report.recommendation, one.bloat > report.maxBloat),
  );
  const notes =
    '→ recommended, * on the front: nothing else is faster with as little memory. Time is that of faults, of clearing memory and of TLB misses; bloat is the peak against 4K pages.';
  const lines = [
    ...table(COLUMNS, [heads(), ...rows], width),
    BLANK,
    ...paragraph([], notes, 'dim', width),
  ];
  if (!report.settings.every(fits)) lines.push(...paragraph([], FULL_NOTE, 'warn', width));
  return lines;
}

function gain(report: AdviceReport, width: number): Line[] {
  const best = report.settings.find((one) => one.name === report.recommendation);
  const reference = report.settings[0];
  if (best === undefined || reference === undefined) {
    const text = 'None: under no setting does the trace fit into the memory of its machine.';
    return paragraph([span('advice  ', 'head')], text, 'plain', width);
  }
  const limit = `${(report.maxBloat * 100).toFixed(report.maxBloat < 0.01 ? 1 : 0)} %`;
  if (best.name === reference.name) {
    const text = `Leave it at 4K pages: no setting is faster with at most ${limit} more memory.`;
    return paragraph([span('advice  ', 'head')], text, 'plain', width);
  }
  const faults = 1 - best.faults.total / Math.max(1, reference.faults.total);
  const saved = reference.cost.total - best.cost.total;
  const words = [
    `${best.name}: ${grouped(best.faults.total)} faults instead of ${grouped(reference.faults.total)} (${share(faults)} fewer)`,
    `some ${duration(saved)} less in them`,
    `${signed(best.bloat)} of memory at the peak (the limit is ${limit})`,
  ];
  const lines = paragraph([span('advice  ', 'head')], `${words.join(', ')}.`, 'plain', width);
  const { predicted } = best;
  if (predicted !== null) {
    const text = `minflt ${grouped(predicted.minflt)}, max RSS ${mebibytes(predicted.maxrss)}`;
    lines.push([span('expect  ', 'head'), span(text)]);
  }
  return lines;
}

function commands(report: AdviceReport): Line[] {
  const { apply, undo } = report.commands;
  if (report.recommendation === '') return [];
  if (apply.length === 0) return [BLANK, line('This machine is set so already.', 'dim')];
  return [
    BLANK,
    line('to apply it, as root:', 'head'),
    ...apply.map((text) => line(`  ${text}`)),
    line('to undo it:', 'head'),
    ...undo.map((text) => line(`  ${text}`)),
  ];
}

export function adviseView(report: AdviceReport, width: number): Line[] {
  const { trace, command, events, recorded, costs, costsFrom } = report;
  const what = `${grouped(events)} events, ${grouped(recorded)} faults recorded, ${report.settings.length} settings on ${report.kernel}`;
  const lines: Line[] = [
    [
      span(cut(clean(trace), width), 'strong'),
      span(`  ${cut(clean(command.join(' ')), 60)}`, 'dim'),
    ],
    line(what, 'dim'),
    line(
      `costs: ${costs.machine}${costsFrom === '' ? ' (`faultline calibrate` measures this machine)' : ''}`,
      'dim',
    ),
    BLANK,
    ...adviceTable(report, width),
    BLANK,
    ...gain(report, width),
    ...commands(report),
  ];
  if (report.warnings.length > 0) lines.push(BLANK);
  for (const { text } of report.warnings) {
    lines.push(...paragraph([span('! ', 'warn')], clean(text), 'plain', width));
  }
  return lines;
}

/** One setting's line while the others are still running. */
export function outcomeLine(
  name: string,
  faults: number,
  memory: number,
  done: number,
  total: number,
): string {
  return `${done} of ${total}  ${clean(name)}: ${grouped(faults)} faults, ${mebibytes(memory)}`;
}
