/** What the kernel counts of a running process, from one moment to another: the check of a recording. */
import { readFileSync } from 'node:fs';

interface Counts {
  readonly minflt: number;
  readonly majflt: number;
  /** kB: now, and the largest ever. */
  readonly rss: number;
  readonly peak: number;
}

/** Undefined when the process has ended. */
function countsOf(pid: number): Counts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name may hold anything; behind its bracket field 3 comes.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
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
  readonly #pid: number;
  readonly #first: Counts | undefined;
  readonly #begin = performance.now();
  #most = 0;

  constructor(pid: number) {
    this.#pid = pid;
    this.#first = countsOf(pid);
    this.look();
  }

  /** To be called now and then: the largest size is that of these moments. */
  look(): Counts | undefined {
    const now = countsOf(this.#pid);
    if (now !== undefined && now.rss > this.#most) this.#most = now.rss;
    return now;
  }

  /**
   * A line of the report (build_launcher.ts): the difference since the beginning. '' when the
   * process has ended meanwhile: nobody but its parent knows then.
   */
  report(): string {
    const last = this.look();
    const first = this.#first;
    if (first === undefined || last === undefined) return '';
    // A record that was set while we watched is exact; else we have only what we saw.
    const peak = last.peak > first.peak ? last.peak : this.#most;
    const microseconds = Math.round((performance.now() - this.#begin) * 1000);
    const faults = `${last.minflt - first.minflt} ${last.majflt - first.majflt}`;
    return `exit -1 0 ${faults} ${peak} ${microseconds}\n`;
  }
}
