/** A process that runs already, with its descendants: what is done of them before, while and after perf records. */
import { writeFileSync } from 'node:fs';
import type { Diagnostic } from '../base/index.ts';
import { FileNames } from '../import/index.ts';
import { TraceBuilder, type TraceMeta } from '../trace/index.ts';
import { attachRows, commandOf } from './attach.ts';
import { recordDiagnostic } from './codes.ts';
import { type RawFolder, writeStart } from './raw_folder.ts';
import { treeOf } from './tree.ts';
import { ProcessWatch } from './watch.ts';

export class RunningTree {
  readonly #pid: number;
  #pids: readonly number[];
  #watch: ProcessWatch | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#pids = treeOf(pid);
  }

  /** The process first. perf follows what these fork from its start on. */
  get pids(): readonly number[] {
    return this.#pids;
  }

  /**
   * perf refuses a list of which one process has ended. False: none has. Those that have lived so
   * long stay, so that it can be asked again and again; what was born meanwhile is late.
   */
  dropEnded(): boolean {
    const living = new Set(treeOf(this.#pid));
    const stay = this.#pids.filter((each) => living.has(each) && commandOf(each) !== undefined);
    const hasEnded = stay.length < this.#pids.length && stay[0] === this.#pid;
    if (hasEnded) this.#pids = stay;
    return hasEnded;
  }

  /** perf records: their mappings and pages are written to the folder's start. */
  attached(raw: RawFolder, start: TraceMeta, found: Diagnostic[]): void {
    this.#watch = new ProcessWatch(this.#pids);
    const rows = new TraceBuilder();
    const files = new FileNames();
    const warn = (message: string): void => {
      found.push(recordDiagnostic('REC004', message));
    };
    for (const each of this.#pids) {
      try {
        attachRows(rows, files, each);
      } catch (error) {
        const isGone = each !== this.#pid && commandOf(each) === undefined;
        if (!isGone) {
          warn(`the pages of process ${each} cannot be read: ${(error as Error).message}`);
        }
      }
    }
    const late = treeOf(this.#pid).filter((each) => !this.#pids.includes(each));
    if (late.length > 0) {
      warn(
        `born while perf was starting, these processes may lack their beginning: ${late.join(', ')}`,
      );
    }
    try {
      const [seconds, nanoseconds] = process.hrtime();
      rows.events.time.fill(seconds * 1e9 + nanoseconds, 0, rows.rows);
      writeStart(raw, { ...start, files: [...files.files.values()] }, rows);
    } catch (error) {
      warn(`what process ${this.#pid} has cannot be written: ${(error as Error).message}`);
    }
  }

  /** To be called now and then: the largest size is that of these moments. */
  look(): void {
    this.#watch?.look();
  }

  /** perf records no longer. */
  detached(raw: RawFolder): void {
    try {
      writeFileSync(raw.report, this.#watch?.report() ?? '');
    } catch {
      // A full disk: there is nothing to compare with then.
    }
  }
}
