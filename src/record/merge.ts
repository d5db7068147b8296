/** Rows of two sources become one trace. */
import type { TraceWriter } from '../store/index.ts';
import { type Events, OP_PRESENT, OP_TOUCH, type Trace, TraceBuilder } from '../trace/index.ts';

/** Rows that arrive from perf, put among those of another source. */
export interface Merge {
  readonly names: readonly string[];
  /** `origin` is perf's clock at time 0 of the rows, in seconds. */
  append(events: Events, names: readonly string[], origin: number): void;
  end(): void;
}

/** Appends a row of other names; its number. */
export function copyRow(
  out: TraceBuilder,
  events: Events,
  names: readonly string[],
  row: number,
): number {
  const at = out.add(
    events.time[row]!,
    events.pid[row]!,
    events.tid[row]!,
    events.op[row]!,
    events.vpn[row]!,
    events.offset[row]!,
    events.length[row]!,
  );
  out.detail(
    at,
    events.arg[row]!,
    events.arg2[row]!,
    events.pgoff[row]!,
    out.name(names[events.name[row]!] ?? ''),
    events.result[row]!,
  );
  return at;
}

/**
 * Of processes that ran already: first what they had (`start`), then what perf saw. Their pages were
 * read while perf recorded, so that none is missing; one that was touched meanwhile is in both, and
 * its touch counts.
 *
 *     perf    |-- touch A -- munmap B -- touch C ---------- touch D --- …
 *     pages      read A, C          until here ^             touch D comes behind
 *     trace   MAP…, PRESENT without A and C | touch A | munmap B | touch C | touch D …
 */
export function mergeStart(start: Trace, writer: TraceWriter): Merge {
  const out = new TraceBuilder();
  const readUntil = start.events.time[0]!;
  let early: TraceBuilder | undefined = new TraceBuilder();
  /** By process. */
  const touched = new Map<number, Set<number>>();
  for (let row = 0; row < start.events.rows; row++) {
    const pid = start.events.pid[row]!;
    if (!touched.has(pid)) touched.set(pid, new Set());
  }
  const flush = (): void => {
    writer.append(out.events, 0, out.rows, out.names);
    out.clear();
  };
  /** The runs of a PRESENT row that no touch interrupts. */
  const present = (row: number): void => {
    const { pid, vpn, length } = start.events;
    const pages = touched.get(pid[row]!)!;
    const first = vpn[row]!;
    const end = first + length[row]! / 4096;
    for (let from = first; from < end; from++) {
      if (pages.has(from)) continue;
      let to = from + 1;
      while (to < end && !pages.has(to)) to++;
      const at = copyRow(out, start.events, start.names, row);
      out.events.time[at] = 0;
      out.events.vpn[at] = from;
      out.events.length[at] = (to - from) * 4096;
      from = to;
    }
  };
  const begin = (held: TraceBuilder): void => {
    early = undefined;
    for (let row = 0; row < start.events.rows; row++) {
      if (start.events.op[row] === OP_PRESENT) present(row);
      else out.events.time[copyRow(out, start.events, start.names, row)] = 0;
    }
    for (let row = 0; row < held.rows; row++) copyRow(out, held.events, held.names, row);
  };
  return {
    names: out.names,
    append(events, names, origin) {
      for (let row = 0; row < events.rows; row++) {
        if (early !== undefined && origin * 1e9 + events.time[row]! > readUntil) begin(early);
        copyRow(early ?? out, events, names, row);
        if (early === undefined || events.op[row] !== OP_TOUCH) continue;
        touched.get(events.pid[row]!)?.add(events.vpn[row]!);
      }
      flush();
    },
    end() {
      if (early !== undefined) begin(early);
      flush();
    },
  };
}
