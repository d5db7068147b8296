/** The final maps: each task's mappings, those that have pages as a picture. */
import { folioName, type RunReport, type TaskReport } from '../lab/index.ts';
import { FolioBook } from './folio_book.ts';
import { folioLines, legendLines, signsOf } from './legend.ts';
import {
  commonplaceLines,
  isCommonplace,
  type Mapping,
  mappingKey,
  mappingLine,
  mappingsOf,
} from './mappings.ts';
import {
  columnsUsed,
  type Geometry,
  geometry,
  isLong,
  type MapArea,
  mapRows,
  misaligned,
  ruler,
} from './page_map.ts';
import { taskName } from './task_names.ts';
import {
  append,
  BLANK,
  clean,
  count,
  cutLine,
  type Line,
  type Span,
  span,
  textWidth,
  wrapLine,
} from './text.ts';
import { addressOf, bytesSize, pagesSize, vpnOf } from './words.ts';

export interface ViewOptions {
  readonly width: number;
  /** Show everything, however long. */
  readonly all: boolean;
  /** Mappings that are left out, by `mappingKey`; tasks are told briefly then. */
  readonly omit?: ReadonlySet<string>;
}

/** Without --all: rows of one mapping, and mappings without pages of one task. */
const ROWS_MAX = 24;
const EMPTY_MAX = 12;
const INDENT = 4;

function taskLines(task: TaskReport, width: number, brief: boolean): Line[] {
  const { anon, file, shmem, swap } = task.rss;
  const kinds = [
    ['anon', anon],
    ['file', file],
    ['shmem', shmem],
    ['swap', swap],
  ] as const;
  const size = (bytes: number): string => (brief ? pagesSize(bytes / 4096) : bytesSize(bytes));
  const parts = kinds.filter(([, bytes]) => bytes !== 0).map(([k, b]) => `${k} ${size(b)}`);
  const faults = [count(task.minflt, 'fault')];
  if (task.majflt > 0) faults.push(`${task.majflt} major`);
  const name = clean(task.name);
  const head: Span[] = [span(name, 'head')];
  if (name !== String(task.pid) && !brief) head.push(span(`  pid ${task.pid}`, 'dim'));
  if (task.exited) return [[...head, span(`  has exited, ${faults.join(', ')}`, 'dim')]];
  const rss = parts.length === 0 ? '0' : parts.join(brief ? ' ' : ' + ');
  const [first, ...rest] = wrapLine(
    [...head, span(`  RSS ${rss}`), span(`  ${faults.join(', ')}`)],
    width - 2,
  );
  return [first!, ...rest.map((l): Line => [span('  '), ...l])];
}

/** Addresses of each task at which a law was broken. */
function brokenAddresses(report: RunReport): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const law of report.laws) {
    for (const { task, address } of law.broken) {
      if (address === '') continue;
      const name = taskName(report, task);
      const set = found.get(name) ?? new Set();
      set.add(addressOf(vpnOf(address)));
      found.set(name, set);
    }
  }
  return found;
}

export class MapsView {
  readonly #report: RunReport;
  readonly #options: ViewOptions;
  readonly #book: FolioBook;
  readonly #broken: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #mappings: ReadonlyMap<TaskReport, readonly Mapping[]>;
  readonly #geometry: Geometry;

  constructor(report: RunReport, options: ViewOptions) {
    this.#report = report;
    this.#options = options;
    this.#book = new FolioBook(report.tasks);
    this.#broken = brokenAddresses(report);
    const { omit } = options;
    const shown = (task: TaskReport): Mapping[] =>
      mappingsOf(task).filter((m) => omit?.has(mappingKey(task, m)) !== true);
    this.#mappings = new Map(report.tasks.map((task) => [task, shown(task)]));
    const areas: MapArea[] = [];
    for (const mappings of this.#mappings.values()) {
      for (const { area } of mappings) if (area.pages.length > 0 && !isLong(area)) areas.push(area);
    }
    const cells = this.#book.cellWidth(areas.flatMap((area) => area.pages));
    this.#geometry = geometry(areas, cells, options.width, INDENT);
  }

  /** A task's line and its mappings. */
  task(task: TaskReport): Line[] {
    const { width, all, omit } = this.#options;
    const lines = taskLines(task, width, omit !== undefined);
    if (task.exited) return lines;
    const mappings = this.#mappings.get(task) ?? [];
    const full = mappings.filter((m) => m.area.pages.length > 0);
    const used = full.reduce((max, m) => Math.max(max, columnsUsed(m.area, this.#geometry)), 0);
    const common = all ? [] : mappings.filter(isCommonplace);
    const empty = mappings.filter((m) => m.area.pages.length === 0 && !common.includes(m));
    const hidden = new Set(all ? [] : empty.slice(EMPTY_MAX));
    let rulerDue = used > 0;
    for (const mapping of mappings) {
      const { vma, area } = mapping;
      if (hidden.has(mapping) || common.includes(mapping)) continue;
      const pages = area.end - area.start;
      const style = area.pages.length === 0 ? 'dim' : 'plain';
      if (vma === undefined) {
        const text = `  ${addressOf(area.start)}-${addressOf(area.end)}  pages outside every mapping`;
        lines.push([span(text, 'bad')]);
      } else lines.push(mappingLine(vma, pages, style, width));
      if (area.pages.length === 0) continue;
      if (rulerDue && columnsUsed(area, this.#geometry) > 0) {
        lines.push(ruler(this.#geometry, used));
        rulerDue = false;
      }
      append(lines, this.#picture(task, area));
    }
    if (hidden.size > 0) {
      const text = `  and ${count(hidden.size, 'mapping')} without pages (--all shows them)`;
      lines.push([span(text, 'dim')]);
    }
    lines.push(...commonplaceLines(common, width));
    return lines;
  }

  #picture(task: TaskReport, area: MapArea): Line[] {
    const { width, all } = this.#options;
    const broken = this.#broken.get(task.name);
    const isBroken = (address: string): boolean => broken?.has(address) === true;
    const rows = mapRows(area, this.#geometry, this.#book, isBroken);
    const pad = ' '.repeat(INDENT);
    const more = rows.length - ROWS_MAX;
    if (more > 4 && !all) {
      rows.length = ROWS_MAX;
      rows.push([span(`${pad}… ${more} rows more (--all shows them)`, 'dim')]);
    }
    const crooked = misaligned(area);
    for (const { folio, order, start } of crooked.slice(0, 3)) {
      const size = pagesSize(1 << order);
      const text = `${pad}/ ${folioName(folio)} begins at ${start}`;
      const tail = `, not a multiple of ${size}`;
      const fits = textWidth(text) + textWidth(tail) <= width;
      rows.push(cutLine([span(fits ? text + tail : `${text}, ${size}`, 'warn')], width));
    }
    if (crooked.length > 3) {
      rows.push([span(`${pad}/ and ${crooked.length - 3} more folios like it`, 'warn')]);
    }
    return rows;
  }

  /** All tasks, a blank line between two; those that have exited on one line each. */
  tasks(): Line[] {
    const lines: Line[] = [];
    for (const task of this.#report.tasks) {
      if (lines.length > 0) lines.push(BLANK);
      append(lines, this.task(task));
    }
    return lines;
  }

  /** The signs in use, with what they mean. */
  signs(): Map<string, string> {
    const areas = [...this.#mappings].flatMap(([task, m]) => (task.exited ? [] : m));
    const pages = areas.flatMap(({ area }) => area.pages);
    const crooked = areas.some(({ area }) => misaligned(area).length > 0);
    return signsOf(pages, this.#book, { crooked, broken: this.#broken.size > 0 });
  }

  legend(): Line[] {
    return legendLines(this.signs(), this.#options.width);
  }

  folios(): Line[] {
    return folioLines(this.#book, this.#options.all, this.#options.width);
  }
}
