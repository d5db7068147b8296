/** A recording, from the first look at what may be recorded to the trace. */
import { closeSync, existsSync, openSync, statfsSync, unlinkSync } from 'node:fs';
import type { Diagnostic } from '../base/index.ts';
import { reasonOf, traceDiagnostic } from '../store/index.ts';
import { emptyMeta, TraceBuilder, type TraceMeta, type TraceNote } from '../trace/index.ts';
import { commandOf, hasThpOff } from './attach.ts';
import { buildLauncher, type LaunchReport, parseLaunchReport } from './build_launcher.ts';
import { recordDiagnostic } from './codes.ts';
import { commandFault, findCommand } from './command.ts';
import { type Converted, convertRaw } from './convert.ts';
import { buildPreload, removePreload } from './every_touch.ts';
import { areAllNever, thisMachine, thpSettings } from './machine.ts';
import { STRACE_FLAGS } from './merge_strace.ts';
import {
  BUFFER_PAGES,
  BUFFER_PAGES_SMALL,
  type PerfRights,
  perfRights,
  tracepointFlags,
} from './perf_tool.ts';
import { makeRaw, type RawFolder, readReport, removeRaw, writeStart } from './raw_folder.ts';
import { type PerfEnd, runPerf } from './run_perf.ts';
import { RunningTree } from './running.ts';
import { sizeFiles, ThpGuard } from './thp_guard.ts';

export interface RecordOptions {
  readonly command: readonly string[];
  /** Attach to this process, with its descendants, in place of a command. */
  readonly pid?: number;
  readonly output: string;
  /** "faultline 0.1.0". */
  readonly tool: string;
  /** 0: until the command ends. */
  readonly seconds: number;
  /**
   * Switch huge pages off for the whole machine, and back on afterwards; and have each first touch
   * of shared memory fault.
   */
  readonly precise: boolean;
  readonly unprivileged: boolean;
  readonly stdoutToStderr: boolean;
  readonly onProgress: (text: string) => void;
}

export interface Recorded extends Converted {
  /** The command's own, 128 + n for signal n; undefined when it did not run to its end. */
  readonly exitCode: number | undefined;
}

/** A way to record, ready to go. */
interface Plan {
  readonly rights: Exclude<PerfRights, { kind: 'none' }>;
  readonly launcher: string | undefined;
  /** Library that the command preloads. */
  readonly preload: string | undefined;
  readonly raw: RawFolder;
  /** `options.pid` with its descendants; undefined for a command. */
  readonly running: RunningTree | undefined;
}

const NOTHING = { rows: 0, meta: undefined, exitCode: undefined };

function failed(...diagnostics: Diagnostic[]): Recorded {
  return { ...NOTHING, diagnostics };
}

/** Undefined when the trace can be written there; nothing is changed by asking. */
function outputFault(path: string): Diagnostic | undefined {
  try {
    const isNew = !existsSync(path);
    closeSync(openSync(path, 'a'));
    if (isNew) unlinkSync(path);
    return undefined;
  } catch (error) {
    const message = `the trace cannot be written: ${reasonOf(error)}`;
    return traceDiagnostic('error', 'TRC007', path, message);
  }
}

/** Less than this much room is none. */
const LEAST_FREE = 1 << 17;

function isDiskFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < LEAST_FREE;
}

type Ready = { readonly plan: Plan; readonly found: Diagnostic[] };

/** All that can be wrong before anything runs. */
async function prepare(options: RecordOptions): Promise<Ready | Recorded> {
  const { pid, command, output } = options;
  const wrong = pid === undefined ? commandFault(command[0] ?? '') : undefined;
  if (wrong !== undefined) return failed(recordDiagnostic('REC001', wrong));
  if (pid !== undefined && commandOf(pid) === undefined) {
    return failed(recordDiagnostic('REC001', `there is no process ${pid}`));
  }
  const allowed = perfRights();
  if (allowed.kind === 'none') return failed(recordDiagnostic('REC002', allowed.why, allowed.hint));
  const software = { kind: 'software' as const, why: 'it was asked for' };
  const rights = options.unprivileged ? software : allowed;
  if (rights.kind === 'software') {
    if (pid !== undefined) {
      const message = `a running process cannot be recorded: ${rights.why}`;
      return failed(recordDiagnostic('REC002', message, 'run as root'));
    }
    if (findCommand('strace') === undefined) {
      const message = `without tracepoints (${rights.why}) the calls come from strace, which is not installed`;
      return failed(recordDiagnostic('REC002', message, 'Debian: apt install strace'));
    }
  }
  const fault = outputFault(output);
  if (fault !== undefined) return failed(fault);
  let raw: RawFolder;
  try {
    raw = makeRaw(output);
  } catch (error) {
    const path = `${output}.recording`;
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      return failed(
        traceDiagnostic('error', 'TRC007', path, `cannot be written: ${reasonOf(error)}`),
      );
    }
    const message = `a recording that was not finished lies at '${path}'`;
    const hint = `\`faultline import ${path}\` makes the trace of it; then remove it`;
    return failed(recordDiagnostic('REC003', message, hint));
  }
  const found: Diagnostic[] = [];
  if (allowed.kind === 'tracepoints' && allowed.mounted) {
    const message = 'tracefs was not mounted; it is now, at /sys/kernel/tracing';
    found.push(recordDiagnostic('REC005', message));
  }
  const built = pid === undefined ? await buildLauncher(raw.path) : undefined;
  if (built !== undefined && 'unavailable' in built && !options.precise) {
    const message = `huge pages are not switched off for the command (${built.unavailable}): first touches inside huge pages do not show`;
    const hint = 'install a C compiler, or use --precise';
    found.push(recordDiagnostic('REC004', message, hint));
  }
  const launcher = built !== undefined && 'path' in built ? built.path : undefined;
  let preload: string | undefined;
  if (options.precise && launcher !== undefined) {
    const library = await buildPreload(raw.path);
    if ('path' in library) preload = library.path;
    else {
      const message = `first touches of shared memory hide behind fault-around (${library.unavailable})`;
      found.push(recordDiagnostic('REC004', message));
    }
  }
  const running = pid === undefined ? undefined : new RunningTree(pid);
  return { plan: { rights, launcher, preload, raw, running }, found };
}

function perfArgs(options: RecordOptions, plan: Plan): string[] {
  const { rights, launcher, preload, raw } = plan;
  const args = ['-q', '-d'];
  if (rights.kind === 'tracepoints') args.push('-m', String(BUFFER_PAGES), ...tracepointFlags());
  else
    args.push('-c', '1', '-m', String(BUFFER_PAGES_SMALL), '-k', 'realtime', '-e', 'page-faults:u');
  // The clock that RunningTree notes.
  if (plan.running !== undefined) {
    return [...args, '-k', 'monotonic', '-p', plan.running.pids.join(',')];
  }
  args.push('--');
  // perf's stdout is its data: the command has its own as descriptor 3.
  if (launcher === undefined) args.push('sh', '-c', 'exec "$@" >&3 3>&-', 'sh');
  else {
    const letters = options.precise ? 'o' : 'do';
    args.push(launcher, raw.report, preload === undefined ? letters : `${letters}:${preload}`);
  }
  if (rights.kind === 'software') args.push('strace', ...STRACE_FLAGS, '-o', raw.strace);
  return [...args, ...options.command];
}

export async function record(options: RecordOptions): Promise<Recorded> {
  const ready = await prepare(options);
  if ('rows' in ready) return ready;
  try {
    return await recordPlanned(options, ready);
  } finally {
    if (ready.plan.preload !== undefined) removePreload(ready.plan.preload);
  }
}

async function recordPlanned(options: RecordOptions, { plan, found }: Ready): Promise<Recorded> {
  const { raw } = plan;
  const start = startMeta(options, plan);
  try {
    writeStart(raw, start, new TraceBuilder(1));
  } catch (error) {
    removeRaw(raw);
    return failed(traceDiagnostic('error', 'TRC007', raw.path, (error as Error).message));
  }
  let guard: ThpGuard | undefined;
  if (options.precise) {
    try {
      guard = new ThpGuard(sizeFiles());
      guard.set(Object.fromEntries(sizeFiles().map((path) => [path, 'never'])));
    } catch (error) {
      await guard?.release();
      removeRaw(raw);
      const message = `--precise cannot set huge pages: ${(error as Error).message}`;
      return failed(recordDiagnostic('REC002', message, 'run as root'));
    }
  }
  let end: PerfEnd;
  try {
    end = await run(options, plan, start, found);
  } finally {
    await guard?.release();
  }
  return await finish(options, plan, end, found);
}

/** perf runs, and of a process that runs already the pages are read. */
async function run(
  options: RecordOptions,
  plan: Plan,
  start: TraceMeta,
  found: Diagnostic[],
): Promise<PerfEnd> {
  const { raw, launcher, running } = plan;
  for (;;) {
    const end = await runPerf({
      args: perfArgs(options, plan),
      data: raw.perf,
      stdoutToStderr: options.stdoutToStderr,
      attaches: running !== undefined,
      startedFile: launcher === undefined ? '' : raw.report,
      seconds: options.seconds,
      onProgress: (seconds, bytes) => {
        running?.look();
        const megabytes = (bytes / 1048576).toFixed(1);
        options.onProgress(`recording: ${seconds.toFixed(1)} s, ${megabytes} MB`);
      },
      onAttached: () => running?.attached(raw, start, found),
      onDetached: () => running?.detached(raw),
    });
    const hasRecorded = end.hasStarted || end.stopped !== undefined || end.code === 0;
    if (hasRecorded || running?.dropEnded() !== true) return end;
  }
}

function startMeta(options: RecordOptions, plan: Plan): TraceMeta {
  const { pid, command, tool, precise } = options;
  const isSoftware = plan.rights.kind === 'software';
  const mode = pid !== undefined ? 'attached' : isSoftware ? 'unprivileged' : 'tracepoints';
  const settings = thpSettings();
  return {
    ...emptyMeta(mode, tool),
    command: pid === undefined ? [...command] : (commandOf(pid) ?? [`${pid}`]),
    date: new Date().toISOString(),
    machine: thisMachine(),
    settings,
    thpDisabled: precise || areAllNever(settings) || plan.running?.pids.every(hasThpOff) === true,
  };
}

async function finish(
  options: RecordOptions,
  plan: Plan,
  end: PerfEnd,
  found: Diagnostic[],
): Promise<Recorded> {
  const { raw } = plan;
  const { command, output, pid, onProgress } = options;
  const report = parseLaunchReport(readReport(raw));
  if (report.errno !== 0) {
    removeRaw(raw);
    const message = `'${command[0]}' cannot be executed (errno ${report.errno})`;
    return failed(recordDiagnostic('REC001', message));
  }
  const isFull = end.code !== 0 && isDiskFull(raw.path);
  const notes: TraceNote[] = [];
  if (isFull) {
    const message = 'the disk is full: perf could not write all of the recording';
    found.push(recordDiagnostic('REC004', message));
    notes.push({ code: 'disk-full', text: 'The disk was full: the recording lacks its end.' });
  }
  if (end.stopped !== undefined && end.stopped !== 'time') {
    const seconds = report.seconds > 0 ? ` after ${report.seconds.toFixed(1)} s` : '';
    const message = `interrupted${seconds}: the trace has what was recorded until then`;
    found.push(recordDiagnostic('REC006', message));
  }
  if (end.stopped !== undefined && pid === undefined) {
    const text = 'The recording was stopped before the command ended.';
    notes.push({ code: 'interrupted', text });
  }
  const exitCode = exitCodeOf(options, end, report);
  const done = await convertRaw(raw, { output, notes, onProgress });
  const diagnostics = [...found, ...done.diagnostics];
  if (done.rows === 0 && end.code !== 0 && end.stopped === undefined && !report.ended) {
    const why = end.failure === '' ? `perf ended with code ${end.code}` : end.failure;
    diagnostics.push(recordDiagnostic('REC003', `perf recorded nothing: ${why}`));
  }
  const isKept = done.diagnostics.some((each) => each.code === 'TRC007');
  if (!isKept) removeRaw(raw);
  return { ...done, diagnostics, exitCode };
}

const SIGNAL_NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGTERM: 15,
};

/**
 * The command's own code, 128 + n for signal n. It ended by our wish when the time was over, and
 * Ctrl-C is how one leaves a running process: 0.
 */
function exitCodeOf(
  options: RecordOptions,
  end: PerfEnd,
  report: LaunchReport,
): number | undefined {
  if (options.pid !== undefined || end.stopped === 'time') return 0;
  if (report.ended && report.signal === 0) return report.code;
  if (end.stopped !== undefined) return 128 + (SIGNAL_NUMBERS[end.stopped] ?? 2);
  if (report.ended) return 128 + report.signal;
  return end.code ?? undefined;
}
