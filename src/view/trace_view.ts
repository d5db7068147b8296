/** `trace info`: what a trace is about, in numbers, and what it cannot tell. */
import type { TraceMeta, TraceMode, TraceSummary } from '../trace/index.ts';
import { table } from './table.ts';
import { BLANK, clean, cut, type Line, line, paragraph, span } from './text.ts';
import { bytesSize, grouped, pagesSize } from './words.ts';

const MODES: Readonly<Record<TraceMode, string>> = {
  tracepoints: 'recorded with tracepoints: every fault and every call',
  unprivileged: "recorded without rights: faults of user mode, and strace's calls",
  attached: 'recorded of a running process, with tracepoints',
  'import-perf': 'imported from the text of perf script',
  'import-strace': 'imported from a log of strace',
  'import-lackey': "imported from Valgrind lackey's output",
};

const PROCESSES_SHOWN = 12;

function seconds(value: number): string {
  return value >= 100
    ? `${value.toFixed(0)} s`
    : value >= 1
      ? `${value.toFixed(2)} s`
      : `${(value * 1000).toFixed(2)} ms`;
}

function facts(
  path: string,
  bytes: number,
  meta: TraceMeta,
  summary: TraceSummary,
): [string, string][] {
  const { machine, measured } = meta;
  const rows: [string, string][] = [
    ['trace', `${path}, ${bytesSize(bytes)}, schema ${meta.schema}, by ${meta.tool}`],
    ['source', MODES[meta.mode] ?? meta.mode],
    ['command', meta.command.join(' ')],
  ];
  if (meta.date !== '') rows.push(['date', meta.date]);
  if (machine.kernel !== '') {
    const memory = `${(machine.memory / 2 ** 30).toFixed(1)} GiB`;
    rows.push([
      'machine',
      `Linux ${machine.kernel}, ${machine.arch}, ${machine.cpus} CPUs (${machine.cpu}), ${memory}`,
    ]);
  }
  rows.push(
    [
      'events',
      `${grouped(summary.events)} in ${seconds(summary.seconds)}, ${(bytes / Math.max(1, summary.events)).toFixed(1)} bytes each`,
    ],
    [
      'processes',
      `${grouped(summary.processes)}, ${grouped(summary.threads)} threads, ${grouped(summary.execs)} programs executed`,
    ],
  );
  const { touches } = summary;
  const unknown = touches.unknown > 0 ? `, ${grouped(touches.unknown)} unknown` : '';
  const kinds = `${grouped(touches.writes)} writes, ${grouped(touches.reads)} reads, ${grouped(touches.instructions)} of instructions${unknown}`;
  const kernel = touches.byKernel > 0 ? `; ${grouped(touches.byKernel)} by the kernel` : '';
  rows.push(
    [
      'touches',
      `${grouped(touches.all)}, ${grouped(touches.faults)} of them faults: ${kinds}${kernel}`,
    ],
    ['memory', `${grouped(summary.pages)} pages touched (${pagesSize(summary.pages)})`],
  );
  if (measured !== null) {
    const counted = `${grouped(measured.minflt)} minor and ${grouped(measured.majflt)} major faults`;
    const ended = measured.exitCode < 0 ? '' : `, exit code ${measured.exitCode}`;
    rows.push([
      'measured',
      `${counted}, largest process ${bytesSize(measured.maxrss)}, ${seconds(measured.seconds)}${ended}`,
    ]);
  }
  rows.push(['lost', summary.lost === 0 ? 'nothing' : `${grouped(summary.lost)} events`]);
  return rows;
}

export function traceInfoView(
  path: string,
  bytes: number,
  meta: TraceMeta,
  summary: TraceSummary,
  width: number,
): Line[] {
  const lines: Line[] = [];
  for (const [name, value] of facts(path, bytes, meta, summary)) {
    const isBad = name === 'lost' && summary.lost > 0;
    lines.push(
      ...paragraph([span(name.padEnd(11), 'head')], clean(value), isBad ? 'bad' : 'plain', width),
    );
  }
  const calls = Object.entries(summary.byOp).filter(([op]) => op !== 'touch');
  if (calls.length > 0) {
    const text = calls.map(([op, count]) => `${op} ${grouped(count)}`).join(', ');
    lines.push(...paragraph([span('others'.padEnd(11), 'head')], text, 'plain', width));
  }
  if (summary.byProcess.length > 0) lines.push(BLANK, ...processes(summary, width));
  if (meta.notes.length > 0) {
    lines.push(BLANK, line('What this trace cannot tell', 'head'));
    for (const { text } of meta.notes)
      lines.push(...paragraph([span('  · ', 'warn')], clean(text), 'plain', width));
  }
  return lines;
}

function processes(summary: TraceSummary, width: number): Line[] {
  const shown = summary.byProcess.slice(0, PROCESSES_SHOWN);
  const head: Line[] = ['process', 'pages', 'touches', 'calls', 'program'].map((text) => [
    span(text, 'head'),
  ]);
  const imageMost = Math.max(20, width - 44);
  const rows = shown.map(({ pid, pages, touches, calls, image }): Line[] => [
    line(String(pid)),
    line(grouped(pages)),
    line(grouped(touches)),
    line(grouped(calls)),
    line(cut(clean(image), imageMost)),
  ]);
  const right = { align: 'right' as const };
  const lines = table([right, right, right, right, { elastic: true }], [head, ...rows], width);
  const more = summary.byProcess.length - shown.length;
  return more > 0 ? [...lines, line(`  and ${grouped(more)} more processes`, 'dim')] : lines;
}
