/**
 * A recording before it is a trace: a folder beside the trace, `app.parquet.recording/`, with all
 * that the trace will be made of. It is complete at every moment, so that after a `kill -9`, or on
 * a full disk, `faultline import` makes the same trace of it; and it is gone when the trace is there.
 *
 *     start.parquet   a trace: what is known at the start. Of a running process its MAP and PRESENT
 *                     rows, whose time is CLOCK_MONOTONIC when they had been read
 *     perf.data       perf's own, in the form for pipes
 *     strace.log      of a recording without rights
 *     report          the launcher's, or ours of a process that ran already (build_launcher.ts)
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readTrace, TraceWriter } from '../store/index.ts';
import type { Trace, TraceBuilder, TraceMeta } from '../trace/index.ts';

export const RAW_SUFFIX = '.recording';

export interface RawFolder {
  readonly path: string;
  readonly start: string;
  readonly perf: string;
  readonly strace: string;
  readonly report: string;
}

export function rawFolder(path: string): RawFolder {
  return {
    path,
    start: join(path, 'start.parquet'),
    perf: join(path, 'perf.data'),
    strace: join(path, 'strace.log'),
    report: join(path, 'report'),
  };
}

export function isRawFolder(path: string): boolean {
  return existsSync(rawFolder(path).start);
}

/** Throws what the file system throws; EEXIST when an earlier recording was left there. */
export function makeRaw(output: string): RawFolder {
  const raw = rawFolder(output + RAW_SUFFIX);
  mkdirSync(raw.path);
  return raw;
}

export function removeRaw(raw: RawFolder): void {
  rmSync(raw.path, { recursive: true, force: true });
}

/** Throws TraceWriteError. */
export function writeStart(raw: RawFolder, meta: TraceMeta, rows: TraceBuilder): void {
  const writer = new TraceWriter(raw.start, meta);
  writer.append(rows.events, 0, rows.rows, rows.names);
  writer.close(rows.names, meta);
}

export async function readStart(raw: RawFolder): Promise<Trace | undefined> {
  return (await readTrace(raw.start)).trace;
}

export function readReport(raw: RawFolder): string {
  try {
    return readFileSync(raw.report, 'utf8');
  } catch {
    return '';
  }
}
