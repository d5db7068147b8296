/**
 * The unprivileged mode has two logs of one run: perf's faults and process events, strace's calls.
 * Both have the clock of the day, so that their rows can be put in one order.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { ImportReport, Lines, StraceImporter } from '../import/index.ts';
import type { TraceWriter } from '../store/index.ts';
import {
  OP_EXEC,
  OP_EXIT,
  OP_FORK,
  OP_THREAD,
  OP_THREAD_EXIT,
  TraceBuilder,
} from '../trace/index.ts';
import { copyRow, type Merge } from './merge.ts';

export const STRACE_FLAGS = [
  ...['-f', '-y', '-qq', '--absolute-timestamps=unix,ns'],
  ...['-e', 'trace=memory,process,shmget,shmat,shmdt,shmctl,ftruncate,fallocate,prctl'],
];

const CHUNK = 1 << 20;
/** What perf tells better: it knows images and the order of forks. */
const FROM_PERF = new Set([OP_FORK, OP_THREAD, OP_EXEC, OP_THREAD_EXIT, OP_EXIT]);

function readStrace(path: string, origin: number): TraceBuilder {
  const importer = new StraceImporter(new ImportReport(path), { origin });
  const lines = new Lines(
    (line, number) => importer.line(line, number),
    () => undefined,
  );
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return importer.builder;
  }
  const buffer = Buffer.alloc(CHUNK);
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
    lines.push(buffer.toString('latin1', 0, read));
  }
  closeSync(fd);
  lines.end();
  importer.finish();
  return importer.builder;
}

export function mergeStrace(path: string, writer: TraceWriter): Merge {
  const out = new TraceBuilder();
  let calls: TraceBuilder | undefined;
  let next = 0;
  const callsUntil = (time: number): void => {
    if (calls === undefined) return;
    const { events, names } = calls;
    for (; next < events.rows && events.time[next]! <= time; next++) {
      if (!FROM_PERF.has(events.op[next]!)) copyRow(out, events, names, next);
    }
  };
  const flush = (): void => {
    writer.append(out.events, 0, out.rows, out.names);
    out.clear();
  };
  return {
    names: out.names,
    append(events, names, origin) {
      calls ??= readStrace(path, origin);
      for (let row = 0; row < events.rows; row++) {
        callsUntil(events.time[row]!);
        copyRow(out, events, names, row);
      }
      flush();
    },
    end() {
      callsUntil(Number.POSITIVE_INFINITY);
      flush();
    },
  };
}
