/** The folder of a recording becomes a trace: at its end, or by `faultline import` after a crash. */
import { spawn } from 'node:child_process';
import type { Diagnostic } from '../base/index.ts';
import { LogImport } from '../import/index.ts';
import { TraceWriteError, TraceWriter, traceDiagnostic } from '../store/index.ts';
import type { Trace, TraceFile, TraceMeta, TraceNote } from '../trace/index.ts';
import { type LaunchReport, parseLaunchReport } from './build_launcher.ts';
import { recordDiagnostic } from './codes.ts';
import { PRELOAD_PAGES } from './every_touch.ts';
import { type Imported, importStream } from './import_stream.ts';
import { withFacts } from './machine.ts';
import { type Merge, mergeStart } from './merge.ts';
import { mergeStrace } from './merge_strace.ts';
import { SCRIPT_FLAGS, SCRIPT_FLAGS_SOFTWARE } from './perf_tool.ts';
import { type RawFolder, readReport, readStart } from './raw_folder.ts';
import { sizeOf } from './run_perf.ts';

export interface ConvertOptions {
  readonly output: string;
  /** Sentences on how the recording ended, where that limits it. */
  readonly notes: readonly TraceNote[];
  readonly onProgress: (text: string) => void;
}

export interface Converted {
  /** Rows in the trace; 0: there is none. */
  readonly rows: number;
  readonly meta: TraceMeta | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The command was told to execute this many programs before its own. */
function execsBefore(mode: TraceMeta['mode'], report: LaunchReport): number {
  if (mode === 'attached' || report.launcher > 0) return 0;
  return mode === 'unprivileged' ? 2 : 1;
}

const NO_BEGINNING = 'the recording has faults of the command, but not where it was executed';

export async function convertRaw(raw: RawFolder, options: ConvertOptions): Promise<Converted> {
  const start = await readStart(raw);
  if (start === undefined) {
    const message = `'${raw.path}' is no recording: it has no start.parquet`;
    return { rows: 0, meta: undefined, diagnostics: [recordDiagnostic('REC003', message)] };
  }
  const report = parseLaunchReport(readReport(raw));
  let writer: TraceWriter;
  try {
    writer = new TraceWriter(options.output, start.meta);
  } catch (error) {
    return { rows: 0, meta: undefined, diagnostics: [writeFault(error, raw, options.output)] };
  }
  try {
    let read = await readPerf(raw, start, report, writer, options);
    const found = [...read.diagnostics];
    const notes = [...options.notes];
    // Cut off, it may lack the command's exec: that was in the buffer of another processor.
    const isTorn = options.notes.length > 0 && report.child > 0 && !read.isCut;
    if (isTorn && writer.rows === 0) {
      read = await readPerf(raw, start, report, writer, options, [report.child]);
      if (writer.rows > 0) {
        found.push(recordDiagnostic('REC004', `${NO_BEGINNING}: its mappings are unknown`));
        notes.push({
          code: 'no-exec',
          text: `T${NO_BEGINNING.slice(1)}: its mappings are unknown.`,
        });
      }
    }
    const lost = read.facts?.lost ?? 0;
    if (lost > 0) {
      const message = `${lost} events were lost: perf could not write as fast as they came; up to that many faults or calls are missing from the trace`;
      const hint = 'record on an idle machine or a smaller load';
      found.push(recordDiagnostic('REC004', message, hint));
    }
    if (writer.rows === 0 || read.facts === undefined) {
      writer.abandon();
      found.push(recordDiagnostic('REC003', 'the recording is empty: the command had no event'));
      return { rows: 0, meta: undefined, diagnostics: found };
    }
    const meta = metaOf(start.meta, report, lost, read, notes);
    writer.close(read.names, meta);
    return { rows: writer.rows, meta, diagnostics: found };
  } catch (error) {
    return { rows: 0, meta: undefined, diagnostics: [writeFault(error, raw, options.output)] };
  }
}

function writeFault(error: unknown, raw: RawFolder, output: string): Diagnostic {
  if (!(error instanceof TraceWriteError)) throw error;
  const rest = error.kept > 0 ? `; its first ${error.kept} events are good` : '';
  const message = `the trace cannot be written: ${error.message}${rest}`;
  const hint = `nothing that was recorded is lost: \`faultline import ${raw.path} -o FILE\``;
  return traceDiagnostic('error', 'TRC007', output, message, hint);
}

interface PerfRead extends Imported {
  readonly names: readonly string[];
  /** Reading was interrupted. */
  readonly isCut: boolean;
}

function mergeFor(raw: RawFolder, start: Trace, writer: TraceWriter): Merge | undefined {
  if (start.meta.mode === 'unprivileged') return mergeStrace(raw.strace, writer);
  return start.events.rows > 0 ? mergeStart(start, writer) : undefined;
}

async function readPerf(
  raw: RawFolder,
  start: Trace,
  report: LaunchReport,
  writer: TraceWriter,
  options: ConvertOptions,
  begun: readonly number[] = [],
): Promise<PerfRead> {
  const isSoftware = start.meta.mode === 'unprivileged';
  const flags = isSoftware ? SCRIPT_FLAGS_SOFTWARE : SCRIPT_FLAGS;
  // In a group of its own: the terminal's Ctrl-C, which ends the recording, may come once more.
  const perf = spawn('perf', ['script', '-i', raw.perf, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  perf.stderr.on('data', (piece: Buffer) => {
    if (said.length < 65536) said += piece.toString('utf8');
  });
  const ended = new Promise<number | string>((resolve) => {
    perf.on('error', (error) => resolve(error.message));
    perf.on('close', (status, signal) => resolve(status ?? signal ?? -1));
  });
  let isCut = false;
  const stop = (): void => {
    isCut = true;
    perf.kill('SIGTERM');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const launchers = [report.launcher, ...(isSoftware ? [report.child] : [])];
  const log = new LogImport(raw.perf, {
    kind: 'perf',
    launchers: launchers.filter((pid) => pid > 0),
    execsBefore: execsBefore(start.meta.mode, report),
    ignoreEarlyMaps: true,
    begun,
    ...(report.preloads ? { ownPages: PRELOAD_PAGES } : {}),
  });
  const merge = mergeFor(raw, start, writer);
  const megabytes = Math.ceil(sizeOf(raw.perf) / 1048576);
  try {
    const { facts, diagnostics } = await importStream(
      perf.stdout,
      log,
      () => writer,
      (_bytes, rows) => options.onProgress(`reading ${megabytes} MB: ${rows} events`),
      merge,
    );
    const found: Diagnostic[] = diagnostics.filter((each) => each.severity !== 'note');
    const status = await ended;
    if (isCut) {
      const hint = `\`faultline import ${raw.path}\` reads all of it`;
      found.push(recordDiagnostic('REC004', 'reading was interrupted: the trace has less', hint));
    } else if (status !== 0) {
      const last = said.trim().split('\n').at(-1) ?? '';
      const how = typeof status === 'number' ? `with code ${status}` : `by ${status}`;
      found.push(recordDiagnostic('REC004', `perf script ended ${how}: ${last}`));
    }
    const names = merge?.names ?? log.builder?.names ?? [''];
    return { facts, diagnostics: found, names, isCut };
  } catch (error) {
    perf.kill();
    throw error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

function metaOf(
  start: TraceMeta,
  report: LaunchReport,
  lost: number,
  read: PerfRead,
  ending: readonly TraceNote[],
): TraceMeta {
  const isSoftware = start.mode === 'unprivileged';
  const isAttached = start.mode === 'attached';
  const thpDisabled = start.thpDisabled || (!isAttached && report.thpDisabled);
  const facts = read.facts?.notes ?? [];
  const notes = [
    ...start.notes,
    ...facts.filter((note) => !isSoftware || note.code !== 'no-calls'),
  ];
  const add = (code: string, text: string): void => {
    notes.push({ code, text });
  };
  if (lost > 0) add('lost', `${lost} events were lost while it was recorded.`);
  if (!thpDisabled) {
    add(
      'thp-not-disabled',
      'Huge pages were not off: first touches inside a huge page do not show.',
    );
  }
  if (isSoftware) {
    add(
      'user-faults-only',
      'It has no faults of the kernel itself: memory that only read() and its like fill is missing.',
    );
  }
  notes.push(...ending);
  if (read.isCut) add('cut', 'Not all of the recording was read.');
  const measured =
    report.ended && !isSoftware
      ? {
          minflt: report.minflt - (read.facts?.own ?? 0),
          majflt: report.majflt,
          maxrss: report.maxrss,
          seconds: report.seconds,
          exitCode: report.signal > 0 ? 128 + report.signal : report.code,
        }
      : null;
  const files = new Map<string, TraceFile>();
  for (const file of [...start.files, ...(read.facts?.files ?? [])]) {
    if (!files.has(file.name)) files.set(file.name, withFacts(file));
  }
  return { ...start, thpDisabled, lost, measured, files: [...files.values()], notes };
}
