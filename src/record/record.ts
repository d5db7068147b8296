/**
 * A recording: perf writes its own file beside the trace while the program runs; afterwards it
 * becomes the trace. If this process is killed in between, perf's file is still there, and
 * `faultline import FILE.perf.data` makes the trace of it.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Diagnostic } from '../base/index.ts';
import { FileNames, LogImport } from '../import/index.ts';
import { TraceWriteError, TraceWriter, traceDiagnostic } from '../store/index.ts';
import {
  emptyMeta,
  TraceBuilder,
  type TraceFile,
  type TraceMeta,
  type TraceNote,
} from '../trace/index.ts';
import { attachRows, commandOf } from './attach.ts';
import { buildLauncher, type LaunchReport, parseLaunchReport } from './build_launcher.ts';
import { importStream } from './import_stream.ts';
import { thisMachine, thpSettings, withFacts } from './machine.ts';
import { mergeStrace, STRACE_FLAGS } from './merge_strace.ts';
import {
  BUFFER_PAGES,
  BUFFER_PAGES_SMALL,
  type PerfRights,
  perfRights,
  SCRIPT_FLAGS,
  SCRIPT_FLAGS_SOFTWARE,
  tracepointFlags,
} from './perf_tool.ts';
import { type PerfEnd, runPerf, sizeOf } from './run_perf.ts';
import { sizeFiles, ThpGuard } from './thp_guard.ts';

export interface RecordOptions {
  readonly command: readonly string[];
  /** Attach to this process in place of a command. */
  readonly pid?: number;
  readonly output: string;
  /** "faultline 0.1.0". */
  readonly tool: string;
  /** 0: until the command ends. */
  readonly seconds: number;
  /** Switch huge pages off for the whole machine, and back on afterwards. */
  readonly precise: boolean;
  readonly unprivileged: boolean;
  readonly stdoutToStderr: boolean;
  readonly onProgress: (text: string) => void;
}

export interface Recorded {
  /** Rows in the trace; 0: there is none. */
  readonly rows: number;
  readonly meta: TraceMeta | undefined;
  /** The command's own, 128 + n for signal n; undefined when it did not run to its end. */
  readonly exitCode: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** A way to record, ready to go. */
interface Plan {
  readonly rights: Exclude<PerfRights, { kind: 'none' }>;
  readonly launcher: string | undefined;
  readonly data: string;
  readonly report: string;
  readonly log: string;
}

function failed(code: 'REC001' | 'REC002' | 'REC003', message: string, hint?: string): Recorded {
  const base = { severity: 'error' as const, code, file: 'record', line: 0, column: 0, message };
  const diagnostics = [hint === undefined ? base : { ...base, hint }];
  return { rows: 0, meta: undefined, exitCode: undefined, diagnostics };
}

export const RECORD_CODES = {
  REC001: 'a command or process that cannot be recorded',
  REC002: 'perf is missing or may not record here',
  REC003: 'a recording that failed',
  REC004: 'a recording with less in it than was asked for',
} as const;

function warning(message: string, hint?: string): Diagnostic {
  const base = { severity: 'warning' as const, code: 'REC004', file: 'record', line: 0, column: 0 };
  return hint === undefined ? { ...base, message } : { ...base, message, hint };
}

/** Undefined when a shell would find the command; else what is wrong with it. */
export function commandFault(command: string): string | undefined {
  const candidates = command.includes('/')
    ? [command]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder || '.', command));
  let found = false;
  for (const path of candidates) {
    try {
      if (!statSync(path).isFile()) continue;
      found = true;
      accessSync(path, constants.X_OK);
      return undefined;
    } catch {
      // Not here.
    }
  }
  return found
    ? `'${command}' cannot be executed: permission denied`
    : `there is no command '${command}'`;
}

export async function record(options: RecordOptions): Promise<Recorded> {
  const { pid } = options;
  const wrong = pid === undefined ? commandFault(options.command[0] ?? '') : undefined;
  if (wrong !== undefined) return failed('REC001', wrong);
  if (pid !== undefined && commandOf(pid) === undefined) {
    return failed('REC001', `there is no process ${pid}`);
  }
  const rights = perfRights();
  if (rights.kind === 'none') return failed('REC002', rights.why, rights.hint);
  const software = { kind: 'software' as const, why: 'it was asked for' };
  const used = options.unprivileged ? software : rights;
  if (pid !== undefined && used.kind === 'software') {
    return failed('REC002', `a running process cannot be recorded: ${used.why}`, 'run as root');
  }
  const found: Diagnostic[] = [];
  if (rights.kind === 'tracepoints' && rights.mounted) {
    found.push({
      ...warning('tracefs was not mounted; it is now, at /sys/kernel/tracing'),
      severity: 'note',
    });
  }
  const built = pid === undefined ? await buildLauncher() : undefined;
  if (built !== undefined && 'unavailable' in built) {
    found.push(
      warning(
        `huge pages are not switched off for the command (${built.unavailable}): first touches inside huge pages do not show`,
        'install a C compiler, or use --precise',
      ),
    );
  }
  // The trace's place is tried before the program runs.
  let writer: TraceWriter;
  try {
    writer = new TraceWriter(options.output, emptyMeta('tracepoints', options.tool));
  } catch (error) {
    if (!(error instanceof TraceWriteError)) throw error;
    const message = `the trace cannot be written: ${error.message}`;
    const diagnostic = traceDiagnostic('error', 'TRC007', options.output, message);
    return { rows: 0, meta: undefined, exitCode: undefined, diagnostics: [diagnostic] };
  }
  const scratch = mkdtempSync(join(tmpdir(), 'faultline-record-'));
  const plan: Plan = {
    rights: used,
    launcher: built !== undefined && 'path' in built ? built.path : undefined,
    data: `${options.output}.perf.data`,
    report: join(scratch, 'report'),
    log: join(scratch, 'strace'),
  };
  try {
    return await recordWith(options, plan, writer, found);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function perfArgs(options: RecordOptions, plan: Plan): string[] {
  const { rights, launcher } = plan;
  const args = ['record', '-q', '-d', '-o', plan.data];
  if (rights.kind === 'tracepoints') args.push('-m', String(BUFFER_PAGES), ...tracepointFlags());
  else
    args.push('-c', '1', '-m', String(BUFFER_PAGES_SMALL), '-k', 'realtime', '-e', 'page-faults:u');
  if (options.pid !== undefined) return [...args, '-p', String(options.pid)];
  args.push('--');
  if (launcher !== undefined) args.push(launcher, plan.report, options.precise ? '-' : 'd');
  if (rights.kind === 'software') args.push('strace', ...STRACE_FLAGS, '-o', plan.log);
  return [...args, ...options.command];
}

async function recordWith(
  options: RecordOptions,
  plan: Plan,
  writer: TraceWriter,
  found: Diagnostic[],
): Promise<Recorded> {
  const settings = thpSettings();
  let guard: ThpGuard | undefined;
  if (options.precise) {
    try {
      guard = new ThpGuard(sizeFiles());
      guard.set(Object.fromEntries(sizeFiles().map((path) => [path, 'never'])));
    } catch (error) {
      await guard?.release();
      return failed(
        'REC002',
        `--precise cannot set huge pages: ${(error as Error).message}`,
        'run as root',
      );
    }
  }
  const files = new FileNames();
  const before = new TraceBuilder();
  const date = new Date().toISOString();
  let end: PerfEnd;
  try {
    end = await runPerf({
      args: perfArgs(options, plan),
      data: plan.data,
      stdoutToStderr: options.stdoutToStderr,
      seconds: options.seconds,
      onProgress: (seconds, bytes) =>
        options.onProgress(
          `recording: ${seconds.toFixed(1)} s, ${(bytes / 1048576).toFixed(1)} MB`,
        ),
      onStart: () => {
        if (options.pid === undefined) return;
        try {
          attachRows(before, files, options.pid);
        } catch (error) {
          found.push(
            warning(
              `the pages of process ${options.pid} cannot be read: ${(error as Error).message}`,
            ),
          );
        }
      },
    });
  } finally {
    await guard?.release();
  }
  const report = readReport(plan.report);
  if (report.errno !== 0) {
    writer.abandon();
    return failed('REC001', `'${options.command[0]}' cannot be executed (errno ${report.errno})`);
  }
  if (sizeOf(plan.data) === 0) {
    writer.abandon();
    const why = end.failure === '' ? `perf ended with code ${end.code}` : end.failure;
    return failed('REC003', `perf recorded nothing: ${why}`);
  }
  const done = await convert(options, plan, report, writer, {
    before,
    files,
    settings,
    date,
    found,
  });
  if (done.rows > 0) rmSync(plan.data, { force: true });
  const exitCode = exitCodeOf(report, end);
  return { ...done, exitCode };
}

function readReport(path: string): LaunchReport {
  try {
    return parseLaunchReport(readFileSync(path, 'utf8'));
  } catch {
    return parseLaunchReport('');
  }
}

function exitCodeOf(report: LaunchReport, end: PerfEnd): number | undefined {
  if (report.ended) return report.signal > 0 ? 128 + report.signal : report.code;
  if (end.interrupted !== undefined) return end.interrupted === 'SIGINT' ? 130 : 143;
  return undefined;
}

interface Context {
  readonly before: TraceBuilder;
  readonly files: FileNames;
  readonly settings: Record<string, string>;
  readonly date: string;
  readonly found: Diagnostic[];
}

async function convert(
  options: RecordOptions,
  plan: Plan,
  report: LaunchReport,
  writer: TraceWriter,
  context: Context,
): Promise<Omit<Recorded, 'exitCode'>> {
  const { found, before, files } = context;
  const isSoftware = plan.rights.kind === 'software';
  const flags = isSoftware ? SCRIPT_FLAGS_SOFTWARE : SCRIPT_FLAGS;
  const perf = spawn('perf', ['script', '-i', plan.data, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  perf.stderr.on('data', (piece: Buffer) => {
    if (said.length < 65536) said += piece.toString('utf8');
  });
  const code = new Promise<number>((resolve) =>
    perf.on('close', (status) => resolve(status ?? -1)),
  );
  // Children of a shell's interrupt must not end with it: perf script reads to the end.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  const launchers = [report.launcher, ...(isSoftware ? [report.child] : [])].filter(
    (pid) => pid > 0,
  );
  const log = new LogImport(plan.data, { kind: 'perf', launchers, ignoreEarlyMaps: true });
  try {
    if (before.rows > 0) writer.append(before.events, 0, before.rows, before.names);
    if (before.rows > 0) writer.flush(before.names);
    const total = sizeOf(plan.data);
    const into = isSoftware ? mergeStrace(plan.log, writer) : undefined;
    const done = await importStream(
      perf.stdout,
      log,
      () => writer,
      (_bytes, rows) =>
        options.onProgress(`reading ${(total / 1048576).toFixed(0)} MB: ${rows} events`),
      into,
    );
    const status = await code;
    if (status !== 0) {
      found.push(
        warning(`perf script ended with code ${status}: ${said.trim().split('\n').at(-1) ?? ''}`),
      );
    }
    const { facts } = done;
    for (const each of done.diagnostics) if (each.severity !== 'note') found.push(each);
    const lost = facts?.lost ?? 0;
    if (lost > 0) {
      found.push(
        warning(
          `${lost} events were lost: perf could not write as fast as they came; up to that many faults or calls are missing from the trace`,
          'record on an idle machine or a smaller load',
        ),
      );
    }
    const meta = metaOf(options, plan, report, context, {
      lost,
      files: [...files.files.values(), ...(facts?.files ?? [])].map(withFacts),
      notes: facts?.notes ?? [],
    });
    if (writer.rows === 0) {
      writer.abandon();
      found.push(
        ...failed('REC003', 'the recording is empty: the command had no event').diagnostics,
      );
      return { rows: 0, meta: undefined, diagnostics: found };
    }
    writer.close(into?.names ?? log.builder?.names ?? [''], meta);
    return { rows: writer.rows, meta, diagnostics: found };
  } catch (error) {
    perf.kill();
    if (!(error instanceof TraceWriteError)) throw error;
    const rest = error.kept > 0 ? `; its first ${error.kept} events are good` : '';
    const message = `the trace cannot be written: ${error.message}${rest}`;
    const hint = `perf's own file is kept: \`faultline import ${plan.data}\``;
    found.push(traceDiagnostic('error', 'TRC007', options.output, message, hint));
    return { rows: 0, meta: undefined, diagnostics: found };
  } finally {
    process.off('SIGINT', ignore);
  }
}

function metaOf(
  options: RecordOptions,
  plan: Plan,
  report: LaunchReport,
  context: Context,
  facts: { lost: number; files: readonly TraceFile[]; notes: readonly TraceNote[] },
): TraceMeta {
  const { pid } = options;
  const isSoftware = plan.rights.kind === 'software';
  const mode = pid !== undefined ? 'attached' : isSoftware ? 'unprivileged' : 'tracepoints';
  const thpDisabled = options.precise || report.thpDisabled;
  const notes = facts.notes.filter((note) => !isSoftware || note.code !== 'no-calls');
  const add = (code: string, text: string): void => {
    notes.push({ code, text });
  };
  if (facts.lost > 0) add('lost', `${facts.lost} events were lost while it was recorded.`);
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
  if (pid === undefined && !report.ended) {
    add('interrupted', 'The recording was stopped before the command ended.');
  }
  const measured = report.ended
    ? {
        minflt: report.minflt,
        majflt: report.majflt,
        maxrss: report.maxrss,
        seconds: report.seconds,
        exitCode: report.signal > 0 ? 128 + report.signal : report.code,
      }
    : null;
  const command = pid === undefined ? [...options.command] : (commandOf(pid) ?? [`${pid}`]);
  return {
    ...emptyMeta(mode, options.tool),
    ...{ command, date: context.date, machine: thisMachine(), settings: context.settings },
    ...{ thpDisabled, lost: facts.lost, measured: isSoftware ? null : measured },
    ...{ files: facts.files, notes },
  };
}
