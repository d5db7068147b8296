/** `calibrate`: what faults cost here, beside the defaults. */
import type { CostModel } from '../advise/index.ts';
import { orderSize } from './replay_view.ts';
import { table } from './table.ts';
import { BLANK, clean, type Line, line } from './text.ts';

/** "2,580 ns", "227 µs". */
function nanoseconds(ns: number): string {
  if (ns >= 100_000) return `${(ns / 1000).toFixed(0)} µs`;
  if (ns >= 10_000) return `${(ns / 1000).toFixed(1)} µs`;
  return ns >= 100 ? `${ns.toFixed(0)} ns` : `${ns.toFixed(2)} ns`;
}

export function costsView(here: CostModel, other: CostModel, path: string, width: number): Line[] {
  const rows: Line[][] = [
    [line('cost', 'head'), line('here', 'head'), line('default', 'head'), line('')],
  ];
  const add = (what: string, of: (costs: CostModel) => number, note = ''): void => {
    rows.push([
      line(what),
      line(nanoseconds(of(here))),
      line(nanoseconds(of(other)), 'dim'),
      line(note, 'dim'),
    ]);
  };
  for (const order of [0, 2, 4, 9]) {
    const note = here.measured.includes(order) ? '' : 'from the others';
    add(`anonymous fault, ${orderSize(order)}`, (costs) => costs.anon[order]!, note);
  }
  add('shared memory fault, 4 kB', (costs) => costs.shmem[0]!);
  add('shared memory that is there, 4 kB', (costs) => costs.shmemMapped[0]!);
  add('shared memory that is there, 2 MB', (costs) => costs.shmemMapped[9]!);
  add('file fault, 16 pages', (costs) => costs.file);
  add('copy on write', (costs) => costs.cow);
  add('clearing 4 kB', (costs) => costs.zeroByte * 4096);
  add('TLB miss of a 4 kB page', (costs) => costs.tlbMiss, 'beyond that of a 2 MB page');
  return [
    line(clean(here.machine), 'strong'),
    ...table([{}, { align: 'right' }, { align: 'right' }, { elastic: true }], rows, width),
    BLANK,
    line(`kept in ${clean(path)}; advise uses it`, 'dim'),
  ];
}
