/** perf record, from its start to its end, however that comes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

export interface PerfRun {
  /** Behind `perf record -o -`. */
  readonly args: readonly string[];
  /** The file that perf's stdout is; its growth is the progress. */
  readonly data: string;
  /** The command's stdout, which it gets as descriptor 3, is our stderr: stdout has a document. */
  readonly stdoutToStderr: boolean;
  /** A running process is watched: events are off until perf is asked for them. */
  readonly attaches: boolean;
  /** Exists when the command is about to begin; '' where nothing tells. */
  readonly startedFile: string;
  /** Stops the recording this long after its start; 0: when the command ends. */
  readonly seconds: number;
  readonly onProgress: (seconds: number, bytes: number) => void;
  /** Called once, when perf records a running process, and when it no longer does. */
  readonly onAttached: () => void;
  readonly onDetached: () => void;
}

export interface PerfEnd {
  readonly code: number | null;
  /** It recorded, or the command was about to begin. */
  readonly hasStarted: boolean;
  /** What asked us to stop: a signal, or the time that was given. */
  readonly stopped: NodeJS.Signals | 'time' | undefined;
  /** Why perf could not be started; what it says itself goes to our stderr. */
  readonly failure: string;
}

const TICK_MS = 100;
/** Of a command descriptor 3 is its stdout; a process that runs already has none. */
const CONTROL = 3;
const ACKNOWLEDGE = 4;
/** perf of Linux 5.10 and later. Without events at the start it takes what is there before. */
const CONTROL_FLAGS = ['-D', '-1', '--control', `fd:${CONTROL},${ACKNOWLEDGE}`];

export function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/**
 * Into its stdout perf writes the form that it has for pipes: it begins with the formats of all
 * tracepoints, so that whatever there is can be read, also when perf was killed or the disk is full.
 */
export function runPerf(run: PerfRun): Promise<PerfEnd> {
  const data = openSync(run.data, 'w', 0o600);
  const args = ['record', '-o', '-', ...(run.attaches ? CONTROL_FLAGS : []), ...run.args];
  const stdout = run.stdoutToStderr ? 2 : 1;
  const more = run.attaches ? (['pipe', 'pipe'] as const) : [stdout];
  const child: ChildProcess = spawn('perf', args, {
    stdio: ['inherit', data, 'inherit', ...more],
  });
  closeSync(data);
  const begin = performance.now();
  let started = -1;
  let stopped: PerfEnd['stopped'];
  const start = (): void => {
    if (started >= 0) return;
    started = performance.now();
    if (run.attaches) run.onAttached();
  };
  // perf that could not begin has closed its end; its exit says what there is to say.
  const ask = run.attaches ? (child.stdio[CONTROL] as Writable) : undefined;
  ask?.on('error', () => undefined);
  ask?.write('enable\n');
  const answers = child.stdio[ACKNOWLEDGE] as Readable | undefined;
  answers?.on('data', () => {
    if (stopped === undefined) {
      start();
      return;
    }
    run.onDetached();
    child.kill('SIGINT');
  });
  const stop = (why: NodeJS.Signals | 'time'): void => {
    const isFirst = stopped === undefined;
    stopped ??= why;
    // perf takes its time to end: what it no longer sees must not be counted either.
    if (started >= 0 && isFirst && ask?.writable === true) ask.write('disable\n');
    else child.kill('SIGINT');
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  const tick = setInterval(() => {
    const now = performance.now();
    if (!run.attaches && (run.startedFile === '' || existsSync(run.startedFile))) start();
    run.onProgress((now - (started < 0 ? begin : started)) / 1000, sizeOf(run.data));
    if (run.seconds > 0 && started >= 0 && now - started >= run.seconds * 1000) stop('time');
  }, TICK_MS);
  return new Promise((resolve) => {
    const end = (code: number | null, failure: string): void => {
      clearInterval(tick);
      for (const signal of signals) process.off(signal, stop);
      resolve({ code, hasStarted: started >= 0, stopped, failure });
    };
    child.on('error', (error) => end(null, error.message));
    child.on('exit', (code) => end(code, ''));
  });
}
