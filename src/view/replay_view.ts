/** `replay`: what a recorded program does to memory under other settings. */
import { orderKb } from '../base/index.ts';
import type { Census, ReplayReport } from '../replay/index.ts';
import { table } from './table.ts';
import { BLANK, clean, cut, type Line, line, paragraph, span } from './text.ts';
import { grouped } from './words.ts';

const PROCESSES_SHOWN = 8;
const KIND_WORDS: Readonly<Record<string, string>> = {
  anon: 'anonymous memory, first touch',
  shmem: 'shared memory',
  file: 'files',
  cow: 'copy on write',
  populate: 'populated by calls',
};

/** "16 kB", "2 MB": a folio's size. */
export function orderSize(order: number): string {
  const kb = orderKb(order);
  return kb >= 1024 ? `${kb / 1024} MB` : `${kb} kB`;
}

/** "137.6 MiB": amounts of memory, to be compared. */
export function mebibytes(bytes: number): string {
  const mib = bytes / 1048576;
  if (mib >= 10240) return `${(mib / 1024).toFixed(1)} GiB`;
  if (mib >= 100) return `${mib.toFixed(0)} MiB`;
  return mib >= 10 ? `${mib.toFixed(1)} MiB` : `${mib.toFixed(2)} MiB`;
}

export function share(value: number): string {
  return value > 0 && value < 0.001 ? '< 0.1 %' : `${(value * 100).toFixed(1)} %`;
}

function settingText(path: string, value: string): string {
  return `${path.replace('/sys/kernel/mm/transparent_hugepage/', '').replace('/sys/kernel/debug/', '').replace('/proc/sys/vm/', 'vm.')}=${value}`;
}

function head(path: string, report: ReplayReport, width: number): Line[] {
  const settings = report.settings.map(({ path: p, value }) => settingText(p, value));
  const lines: Line[] = [
    [
      span(cut(clean(path), Math.max(20, width - 60)), 'strong'),
      span(`  ${grouped(report.events)} events on ${report.kernel}`, 'dim'),
    ],
  ];
  const text =
    settings.length === 0 ? "the recording's own settings, THP allowed" : settings.join('  ');
  lines.push(...paragraph([span('settings  ', 'head')], text, 'plain', width));
  return lines;
}

function faults(report: ReplayReport, width: number): Line[] {
  const { byKind, byOrder, total, kernel, carried, saved, repeated, mapped } = report.faults;
  const orders = [...Array(10).keys()].filter((order) =>
    Object.values(byOrder).some((list) => list[order]! > 0),
  );
  const heads: Line[] = [
    line('faults', 'head'),
    line('all', 'head'),
    ...orders.map((order) => line(orderSize(order), 'head')),
  ];
  const rows: Line[][] = [heads];
  for (const [kind, count] of Object.entries(byKind)) {
    if (count === 0) continue;
    rows.push([
      line(KIND_WORDS[kind] ?? kind),
      line(grouped(count)),
      ...orders.map((order) => {
        const n = byOrder[kind]![order]!;
        return n === 0 ? line('·', 'dim') : line(grouped(n));
      }),
    ]);
  }
  rows.push([line('together', 'strong'), line(grouped(total), 'strong')]);
  const columns = [{}, ...Array(orders.length + 1).fill({ align: 'right' })];
  const notes = [`${grouped(kernel)} by the kernel`];
  if (report.recorded > 0) notes.push(`${grouped(report.recorded)} while recording`);
  if (saved > 0) notes.push(`${grouped(saved)} saved`);
  if (repeated > 0) notes.push(`${grouped(repeated)} tried twice by the kernel`);
  const shared = mapped.reduce((sum, n) => sum + n, 0);
  if (shared > 0) notes.push(`${grouped(shared)} of shared memory that was there`);
  if (carried > 0) notes.push(`${grouped(carried)} carried over`);
  return [...table(columns, rows, width), line(notes.join(', '), 'dim')];
}

const BARS = ' ▁▂▃▄▅▆▇█';

/** Memory over time in one line of bars. */
function bars(values: readonly number[], columns: number): string {
  const most = Math.max(...values, 1);
  let out = '';
  for (let c = 0; c < columns; c++) {
    const from = Math.floor((c * values.length) / columns);
    const to = Math.max(from + 1, Math.floor(((c + 1) * values.length) / columns));
    const peak = Math.max(...values.slice(from, to), 0);
    out += BARS[Math.ceil((peak / most) * 8)];
  }
  return out;
}

function memory(report: ReplayReport, width: number): Line[] {
  const { peak, census, series, predicted, measured } = report;
  const total = series.anon.map((anon, i) => anon + series.shmem[i]!);
  const parts = [`anonymous ${mebibytes(peak.anon)}`];
  if (peak.shmem > 0) parts.push(`shared ${mebibytes(peak.shmem)}`);
  const columns = [{}, { align: 'right' as const }, { elastic: true }];
  const rows: Line[][] = [
    [
      line('memory at its peak', 'head'),
      line(mebibytes(peak.memory)),
      line(parts.join(', '), 'dim'),
    ],
    [
      line('of it never needed'),
      line(mebibytes(census.waste)),
      line(
        `${share(census.waste / Math.max(1, peak.memory))} in pages that no access of the trace touched`,
        'dim',
      ),
    ],
    [
      line('largest process'),
      line(mebibytes(peak.rss)),
      line('resident, files included as far as the trace shows them', 'dim'),
    ],
    [line('mapped by PMDs'), line(share(census.thpShare)), line('of the mapped memory', 'dim')],
    [
      line('in runs of 64 kB'),
      line(share(census.contpteShare)),
      line('aligned, of one folio: what contpte can map as one entry', 'dim'),
    ],
  ];
  if (predicted !== null && measured !== null) {
    rows.push([
      line('predicted minflt', 'head'),
      line(grouped(predicted.minflt)),
      line(`measured while recording: ${grouped(measured.minflt)}`, 'dim'),
    ]);
    rows.push([
      line('predicted max RSS', 'head'),
      line(mebibytes(predicted.maxrss)),
      line(`measured while recording: ${mebibytes(measured.maxrss)}`, 'dim'),
    ]);
  }
  const lines = table(columns, rows, width);
  if (total.length > 1) {
    const wide = Math.min(width - 10, 100);
    lines.push([span('over time ', 'head'), span(bars(total, wide), 'note')]);
  }
  return lines;
}

function folios(census: Census, width: number): Line[] {
  const rows: Line[][] = [
    [line('folios', 'head'), line('anonymous', 'head'), line('shared', 'head')],
  ];
  census.anonByOrder.forEach((anon, order) => {
    const shmem = census.shmemByOrder[order]!;
    if (anon + shmem === 0) return;
    const cell = (bytes: number): Line => (bytes === 0 ? line('·', 'dim') : line(mebibytes(bytes)));
    rows.push([line(orderSize(order)), cell(anon), cell(shmem)]);
  });
  if (rows.length === 1) return [];
  return table([{ align: 'right' }, { align: 'right' }, { align: 'right' }], rows, width);
}

function processes(report: ReplayReport, width: number): Line[] {
  const { processes: list } = report;
  const rows: Line[][] = [
    [
      line('process', 'head'),
      line('faults', 'head'),
      line('max RSS', 'head'),
      line('program', 'head'),
    ],
  ];
  for (const { pid, program, faults: n, rss } of list.slice(0, PROCESSES_SHOWN)) {
    rows.push([
      line(String(pid)),
      line(grouped(n)),
      line(mebibytes(rss)),
      line(cut(clean(program), Math.max(20, width - 40)), 'dim'),
    ]);
  }
  const lines = table(
    [{ align: 'right' }, { align: 'right' }, { align: 'right' }, {}],
    rows,
    width,
  );
  const more = list.length - PROCESSES_SHOWN;
  if (more > 0) lines.push(line(`and ${more} more ${more === 1 ? 'process' : 'processes'}`, 'dim'));
  return lines;
}

function statistics(report: ReplayReport, width: number): Line[] {
  const rows = Object.entries(report.stats)
    .filter(([name]) => name.startsWith('hugepages-') || /thp_|pgfault/.test(name))
    .map(([name, value]) => [line(name, 'dim'), line(grouped(value))]);
  return table([{}, { align: 'right' }], rows, width);
}

export function replayView(
  path: string,
  report: ReplayReport,
  width: number,
  all: boolean,
): Line[] {
  const blocks = [
    head(path, report, width),
    faults(report, width),
    memory(report, width),
    folios(report.census, width),
    processes(report, width),
    all ? statistics(report, width) : [],
    report.warnings.flatMap(({ text }) =>
      paragraph([span('! ', 'warn')], clean(text), 'plain', width),
    ),
  ].filter((block) => block.length > 0);
  return blocks.flatMap((block, i) => (i === 0 ? block : [BLANK, ...block]));
}
