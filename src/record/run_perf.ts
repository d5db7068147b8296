/** perf record, from its start to its end, however that comes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';

export interface PerfRun {
  readonly args: readonly string[];
  /** Where perf writes: its growth is the progress. */
  readonly data: string;
  /** The command's stdout goes to stderr: stdout is for a document of ours. */
  readonly stdoutToStderr: boolean;
  /** Stops the recording after this many seconds; 0: when the command ends. */
  readonly seconds: number;
  readonly onProgress: (seconds: number, bytes: number) => void;
  /** Called when perf has begun. */
  readonly onStart?: () => void;
}

export interface PerfEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The signal that asked us to stop. */
  readonly interrupted: NodeJS.Signals | undefined;
  /** What perf wrote to stderr, where the command's own goes too; '' if that was not kept. */
  readonly failure: string;
}

const TICK_MS = 250;
const START_MS = 400;

export function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

export function runPerf(run: PerfRun): Promise<PerfEnd> {
  const stdio = ['inherit', run.stdoutToStderr ? 2 : 'inherit', 'inherit'] as const;
  const child: ChildProcess = spawn('perf', [...run.args], { stdio: [...stdio] });
  const begin = performance.now();
  let interrupted: NodeJS.Signals | undefined;
  // The terminal's Ctrl-C reaches perf and the command by itself.
  const onInterrupt = (): void => {
    interrupted ??= 'SIGINT';
  };
  const onTerminate = (signal: NodeJS.Signals): void => {
    interrupted ??= signal;
    child.kill('SIGINT');
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  process.on('SIGHUP', onTerminate);
  const tick = setInterval(() => {
    const seconds = (performance.now() - begin) / 1000;
    run.onProgress(seconds, sizeOf(run.data));
    if (run.seconds > 0 && seconds >= run.seconds) child.kill('SIGINT');
  }, TICK_MS);
  const started = setTimeout(() => run.onStart?.(), START_MS);
  return new Promise((resolve) => {
    const end = (result: Omit<PerfEnd, 'interrupted'>): void => {
      clearInterval(tick);
      clearTimeout(started);
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      process.off('SIGHUP', onTerminate);
      resolve({ ...result, interrupted });
    };
    child.on('error', (error) => end({ code: null, signal: null, failure: error.message }));
    child.on('exit', (code, signal) => end({ code, signal, failure: '' }));
  });
}
