/** A trace in numbers: what happened how often, by whom, to how much memory. */
import type { Events } from './events.ts';
import type { Trace } from './meta.ts';
import {
  FAULT_KERNEL,
  FAULT_TAKEN,
  OP_EXEC,
  OP_LOST,
  OP_MAP,
  OP_NAMES,
  OP_PRESENT,
  OP_THREAD,
  OP_TOUCH,
  TOUCH_EXEC,
  TOUCH_READ,
  TOUCH_WRITE,
} from './ops.ts';

export interface ProcessSummary {
  readonly pid: number;
  /** The program that it executed last. */
  readonly image: string;
  readonly touches: number;
  /** Distinct pages touched, over all its programs together. */
  readonly pages: number;
  readonly calls: number;
}

export interface TraceSummary {
  readonly events: number;
  readonly seconds: number;
  readonly processes: number;
  readonly threads: number;
  readonly execs: number;
  readonly touches: {
    readonly all: number;
    readonly faults: number;
    readonly reads: number;
    readonly writes: number;
    readonly instructions: number;
    readonly unknown: number;
    readonly byKernel: number;
  };
  /** Distinct pages touched, each process by itself. */
  readonly pages: number;
  readonly lost: number;
  readonly byOp: Readonly<Record<string, number>>;
  /** Those that touched most pages come first. */
  readonly byProcess: readonly ProcessSummary[];
}

interface Counting {
  image: string;
  touches: number;
  calls: number;
  readonly pages: Set<number>;
}

const PAGE = 4096;

/** Counts a trace that comes in parts: what it keeps grows with the program's memory only. */
export class Summariser {
  readonly #counts = new Float64Array(OP_NAMES.length);
  readonly #processes = new Map<number, Counting>();
  readonly #touches = {
    all: 0,
    faults: 0,
    reads: 0,
    writes: 0,
    instructions: 0,
    unknown: 0,
    byKernel: 0,
  };
  #lost = 0;
  #rows = 0;
  #begin = 0;
  #end = 0;

  add(events: Events, names: readonly string[]): void {
    const { rows, op, pid, arg, arg2, vpn, offset, length, name, result } = events;
    if (rows === 0) return;
    if (this.#rows === 0) this.#begin = events.time[0]!;
    this.#end = events.time[rows - 1]!;
    this.#rows += rows;
    let last: Counting | undefined;
    let lastPid = -1;
    for (let row = 0; row < rows; row++) {
      const what = op[row]!;
      this.#counts[what]!++;
      if (pid[row] !== lastPid || last === undefined) {
        lastPid = pid[row]!;
        last = this.#processes.get(lastPid);
        if (last === undefined) {
          last = { image: '', touches: 0, calls: 0, pages: new Set() };
          this.#processes.set(lastPid, last);
        }
      }
      if (what === OP_TOUCH) {
        const access = arg[row]!;
        const how = arg2[row]!;
        this.#touches.all++;
        last.touches++;
        if ((how & FAULT_TAKEN) !== 0) this.#touches.faults++;
        if ((how & FAULT_KERNEL) !== 0) this.#touches.byKernel++;
        if ((access & TOUCH_EXEC) !== 0) this.#touches.instructions++;
        else if ((access & TOUCH_WRITE) !== 0) this.#touches.writes++;
        else if ((access & TOUCH_READ) !== 0) this.#touches.reads++;
        else this.#touches.unknown++;
        const end = vpn[row]! + Math.ceil((offset[row]! + length[row]!) / PAGE);
        for (let page = vpn[row]!; page < end; page++) last.pages.add(page);
      } else if (what === OP_EXEC) {
        last.image = names[name[row]!] ?? '';
      } else if (what === OP_LOST) {
        this.#lost += result[row]!;
      } else if (what === OP_MAP) {
        // Of a process that ran already the lowest file is its program.
        const text = names[name[row]!] ?? '';
        if (last.image === '' && text.startsWith('/')) last.image = text;
      } else if (what !== OP_PRESENT) {
        last.calls++;
      }
    }
  }

  /** `lost`: what the trace itself says of events that it lacks. */
  finish(lost: number): TraceSummary {
    const byOp: Record<string, number> = {};
    this.#counts.forEach((count, what) => {
      if (count > 0) byOp[OP_NAMES[what]!] = count;
    });
    const byProcess = [...this.#processes].map(([number, found]): ProcessSummary => {
      const { image, touches: touched, calls, pages } = found;
      return { pid: number, image, touches: touched, pages: pages.size, calls };
    });
    byProcess.sort((a, b) => b.pages - a.pages || a.pid - b.pid);
    return {
      events: this.#rows,
      seconds: (this.#end - this.#begin) / 1e9,
      processes: this.#processes.size,
      threads: this.#processes.size + this.#counts[OP_THREAD]!,
      execs: this.#counts[OP_EXEC]!,
      touches: this.#touches,
      pages: byProcess.reduce((sum, process) => sum + process.pages, 0),
      lost: Math.max(this.#lost, lost),
      byOp,
      byProcess,
    };
  }
}

export function summarise(trace: Trace): TraceSummary {
  const summariser = new Summariser();
  summariser.add(trace.events, trace.names);
  return summariser.finish(trace.meta.lost);
}
