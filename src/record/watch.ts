/** What the kernel counts of running processes, from one moment to another: the check of a recording. */
import { readFileSync } from 'node:fs';

interface Counts {
  readonly minflt: number;
  readonly majflt: number;
  /** kB: now, and the largest ever. */
  readonly rss: number;
  readonly peak: number;
}

/** Of a process that has ended too, until its parent has waited for it; then undefined. */
function countsOf(pid: number): Counts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name may hold anything; behind its bracket field 3 comes.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Of itself and of the children that it waited for.
    const minflt = Number(fields[7]) + Number(fields[8]);
    const majflt = Number(fields[9]) + Number(fields[10]);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kb = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { minflt, majflt, rss: kb('VmRSS'), peak: kb('VmHWM') };
  } catch {
    return undefined;
  }
}

export class ProcessWatch {
  readonly #pids: readonly number[];
  readonly #first = new Map<number, Counts>();
  readonly #begin = performance.now();
  #most = 0;

  /** A process and its descendants. */
  constructor(pids: readonly number[]) {
    this.#pids = pids;
    for (const pid of pids) {
      const counts = countsOf(pid);
      if (counts !== undefined) this.#first.set(pid, counts);
    }
    this.look();
  }

  /** To be called now and then: the largest size is that of these moments. */
  look(): Map<number, Counts> {
    // One that its parent waits for between our reading of the parent and of itself would be in
    // neither. Where nobody went between two readings, whoever is absent had gone before the last.
    for (let before = -1; ; ) {
      const found = new Map<number, Counts>();
      for (const pid of this.#first.keys()) {
        const now = countsOf(pid);
        if (now === undefined) continue;
        found.set(pid, now);
        if (now.rss > this.#most) this.#most = now.rss;
      }
      if (found.size === before) return found;
      before = found.size;
    }
  }

  /**
   * A line of the report (build_launcher.ts): the difference since the beginning. '' when the
   * process is gone: nobody but its parent knows then. A descendant that is gone is in its
   * parent's counts with all that it ever took, of which its own beginning is taken away.
   */
  report(): string {
    const last = this.look();
    const root = this.#pids[0]!;
    if (!this.#first.has(root) || !last.has(root)) return '';
    let minflt = 0;
    let majflt = 0;
    // A record that was set while we watched is exact; else we have only what we saw.
    let peak = this.#most;
    for (const [pid, first] of this.#first) {
      const now = last.get(pid);
      minflt += (now?.minflt ?? 0) - first.minflt;
      majflt += (now?.majflt ?? 0) - first.majflt;
      if (now !== undefined && now.peak > first.peak) peak = Math.max(peak, now.peak);
    }
    const microseconds = Math.round((performance.now() - this.#begin) * 1000);
    return `exit -1 0 ${minflt} ${majflt} ${peak} ${microseconds}\n`;
  }
}
