/**
 * The charts of a page of advice, as SVG text. They are drawn by Observable Plot into a document
 * without a browser; colours are the page's variables, so that one drawing serves light and dark.
 */
import type * as PlotLibrary from '@observablehq/plot';
import type { AdviceReport, HeatBand, HeatMap, Judged } from '../advise/index.ts';
import { orderSize } from '../view/index.ts';

/** Wide for a desk and for paper, narrow for a phone. */
export type Size = 'wide' | 'narrow';
const WIDTHS: Readonly<Record<Size, number>> = { wide: 760, narrow: 360 };

const MIB = 1048576;

/** What draws; loaded when there is something to draw, because that takes a while. */
export interface Kit {
  readonly Plot: typeof PlotLibrary;
  readonly newDocument: () => Document;
}

export async function loadKit(): Promise<Kit> {
  const [Plot, { parseHTML }] = await Promise.all([
    import('@observablehq/plot'),
    import('linkedom'),
  ]);
  const newDocument = (): Document =>
    parseHTML('<!doctype html><html><body></body></html>').document as unknown as Document;
  return { Plot, newDocument };
}

function draw({ Plot, newDocument }: Kit, size: Size, options: PlotLibrary.PlotOptions): string {
  const document = newDocument();
  const width = WIDTHS[size];
  const figure = Plot.plot({
    document,
    width,
    marginLeft: 52,
    marginBottom: 36,
    marginRight: 16,
    style: { background: 'none', color: 'inherit', overflow: 'visible' },
    ...options,
  });
  figure.setAttribute(
    'viewBox',
    `0 0 ${figure.getAttribute('width')} ${figure.getAttribute('height')}`,
  );
  figure.removeAttribute('width');
  figure.removeAttribute('height');
  figure.setAttribute('role', 'img');
  return figure.outerHTML;
}

/** Settings worth a line of their own: the reference, the advice, the front between them. */
export function shownSettings(report: AdviceReport): Judged[] {
  const { settings, recommendation } = report;
  const chosen = settings.filter((one, i) => i === 0 || one.name === recommendation || one.front);
  if (chosen.length <= MOST_LINES) return chosen;
  const step = (chosen.length - 1) / (MOST_LINES - 1);
  const picked = new Set(
    Array.from({ length: MOST_LINES }, (_, i) => chosen[Math.round(i * step)]!),
  );
  return chosen.filter((one) => picked.has(one) || one.name === recommendation);
}

/** As many as there are colours that can be told apart. */
const MOST_LINES = 7;

/** The page's colour of the n-th line. */
export function lineColour(n: number): string {
  return `var(--line-${n % 8})`;
}

/** Resident anonymous and shared memory over the time of the recording. */
export function memoryOverTime(kit: Kit, report: AdviceReport, size: Size): string {
  const { Plot } = kit;
  const shown = shownSettings(report);
  const points = shown.flatMap(({ name, series }) =>
    series.time.map((time, i) => ({
      name,
      seconds: time / 1e9,
      mib: (series.anon[i]! + series.shmem[i]!) / MIB,
    })),
  );
  return draw(kit, size, {
    height: size === 'wide' ? 300 : 240,
    x: { label: 'seconds since the recording began' },
    y: { label: 'MiB', grid: true, zero: true },
    color: { domain: shown.map((one) => one.name), range: shown.map((_, i) => lineColour(i)) },
    marks: [
      Plot.ruleY([0]),
      Plot.line(points, {
        x: 'seconds',
        y: 'mib',
        stroke: 'name',
        strokeWidth: 1.6,
        curve: 'step-after',
        title: 'name',
      }),
    ],
  });
}

/** Every setting by what it takes and what it gives; the front is a line. */
export function faultsAgainstMemory(kit: Kit, report: AdviceReport, size: Size): string {
  const { Plot } = kit;
  const points = report.settings.map((one) => ({
    name: one.name,
    mib: one.peak.memory / MIB,
    faults: Math.max(1, one.faults.total),
    front: one.front,
    best: one.name === report.recommendation,
    title: `${one.name}\n${one.faults.total} faults, ${(one.peak.memory / MIB).toFixed(1)} MiB`,
  }));
  const front = points.filter((point) => point.front).sort((a, b) => a.mib - b.mib);
  const named = points.filter((point) => point.best || point === points[0]);
  const middle =
    (Math.min(...points.map(({ mib }) => mib)) + Math.max(...points.map(({ mib }) => mib))) / 2;
  /** A name lies towards the middle, where there is room for it. */
  const names = (isRight: boolean) =>
    Plot.text(
      named.filter(({ mib }) => mib > middle === isRight),
      {
        x: 'mib',
        y: 'faults',
        text: (d) => (d.best ? `${d.name} (advised)` : d.name),
        dx: isRight ? -4 : 10,
        dy: isRight ? -16 : -8,
        textAnchor: isRight ? 'end' : 'start',
        fill: 'currentColor',
        stroke: 'var(--page)',
        strokeWidth: 4,
      },
    );
  return draw(kit, size, {
    height: size === 'wide' ? 340 : 300,
    marginLeft: 60,
    marginTop: 26,
    x: {
      label: 'peak memory, MiB',
      grid: true,
      nice: true,
      insetRight: 20,
    },
    y: { type: 'log', label: 'faults', grid: true, nice: true, tickFormat: '~s' },
    marks: [
      Plot.line(front, { x: 'mib', y: 'faults', stroke: 'var(--accent)', strokeDasharray: '4 3' }),
      Plot.dot(points, {
        x: 'mib',
        y: 'faults',
        r: 4,
        fill: (d) => (d.front ? 'var(--accent)' : 'var(--faint)'),
        stroke: 'var(--page)',
        title: 'title',
      }),
      Plot.dot(
        points.filter((point) => point.best),
        { x: 'mib', y: 'faults', r: 8, stroke: 'var(--accent)', strokeWidth: 2, title: 'title' },
      ),
      names(false),
      names(true),
    ],
  });
}

/** What the memory near the peak is made of. */
export function folioOrders(kit: Kit, report: AdviceReport, size: Size): string {
  const { Plot } = kit;
  const orders = new Set<number>();
  const bars = report.settings.flatMap(({ name, census }) =>
    census.anonByOrder.flatMap((anon, order) => {
      const bytes = anon + census.shmemByOrder[order]!;
      if (bytes === 0) return [];
      orders.add(order);
      return [{ name, order, mib: bytes / MIB }];
    }),
  );
  const present = [...orders].sort((a, b) => a - b);
  const longest = Math.max(...report.settings.map((one) => one.name.length));
  return draw(kit, size, {
    height: 40 + report.settings.length * 20,
    marginLeft: Math.min(size === 'wide' ? 290 : 132, 16 + longest * 6),
    x: { label: 'MiB', grid: true },
    y: {
      label: null,
      domain: report.settings.map((one) => one.name),
      tickFormat: (name: string) => (size === 'wide' ? name : shorten(name, 20)),
    },
    color: {
      domain: present,
      range: present.map((order) => `var(--order-${order})`),
    },
    marks: [
      Plot.barX(bars, {
        x: 'mib',
        y: 'name',
        fill: 'order',
        inset: 0.5,
        title: (d) => `${d.name}: ${d.mib.toFixed(1)} MiB in folios of ${orderSize(d.order)}`,
      }),
    ],
  });
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** The orders that any setting has, for the legend. */
export function ordersShown(report: AdviceReport): number[] {
  return Array.from({ length: 10 }, (_, order) => order).filter((order) =>
    report.settings.some(
      ({ census }) => census.anonByOrder[order]! + census.shmemByOrder[order]! > 0,
    ),
  );
}

/** Shades of the map, by powers of the largest count. */
export const SHADES = 5;

function shade(touches: number, most: number): number {
  const share = Math.log1p(touches) / Math.log1p(most);
  return Math.min(SHADES - 1, Math.floor(share * SHADES));
}

export function bandName({ pid, start, pages }: HeatBand): string {
  const mib = pages / 256;
  const much = mib >= 1 ? `${mib.toFixed(0)} MiB` : `${pages * 4} kB`;
  return `pid ${pid}, 0x${start.toString(16)}000, ${much}`;
}

/** Where and when memory was touched first. */
export function firstTouches(kit: Kit, heat: HeatMap, size: Size): string {
  const { Plot } = kit;
  const most = heat.cells.reduce((max, [, , touches]) => Math.max(max, touches), 1);
  const width = (heat.to - heat.from) / heat.columns / 1e9;
  const begin = heat.from / 1e9;
  const cells = heat.cells.map(([row, column, touches]) => ({
    x1: begin + column * width,
    x2: begin + (column + 1) * width,
    y1: row,
    y2: row + 1,
    shade: shade(touches, most),
  }));
  // A name is two rows high.
  const names = heat.bands.filter((band) => band.rows >= (size === 'wide' ? 3 : 5));
  return draw(kit, size, {
    height: 60 + heat.rows * 5,
    marginLeft: size === 'wide' ? 208 : 16,
    x: { label: 'seconds since the recording began' },
    y: { axis: null, domain: [0, heat.rows], reverse: false },
    color: {
      domain: Array.from({ length: SHADES }, (_, i) => i),
      range: Array.from({ length: SHADES }, (_, i) => `var(--heat-${i})`),
    },
    marks: [
      Plot.rect(cells, { x1: 'x1', x2: 'x2', y1: 'y1', y2: 'y2', fill: 'shade' }),
      Plot.ruleY(heat.bands.slice(1), { y: 'first', stroke: 'var(--rule)' }),
      Plot.text(names, {
        y: (band) => band.first + band.rows / 2,
        frameAnchor: size === 'wide' ? 'left' : 'right',
        dx: size === 'wide' ? -8 : -4,
        textAnchor: 'end',
        text: (band) => (size === 'wide' ? bandName(band) : `0x${band.start.toString(16)}000`),
        fill: 'currentColor',
        stroke: 'var(--page)',
        strokeWidth: 3,
        fontSize: 10,
      }),
    ],
  });
}
