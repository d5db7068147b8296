/** The launcher, which runs the command with huge pages off, and what it wrote. */
import { type Built, compiled } from './compiled.ts';

export function buildLauncher(spare: string): Promise<Built> {
  return compiled('launcher', ['-O2', '-static'], spare);
}

/** What the launcher wrote. */
export interface LaunchReport {
  readonly launcher: number;
  readonly child: number;
  /** Why the command could not be executed; 0: it was. */
  readonly errno: number;
  readonly thpDisabled: boolean;
  /** The library of `--precise` was preloaded. */
  readonly preloads: boolean;
  readonly ended: boolean;
  readonly code: number;
  readonly signal: number;
  readonly minflt: number;
  readonly majflt: number;
  readonly maxrss: number;
  readonly seconds: number;
}

export function parseLaunchReport(text: string): LaunchReport {
  const words = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const [key, ...values] = line.split(' ');
    if (key) words.set(key, values.map(Number));
  }
  const exit = words.get('exit');
  const [code = -1, signal = 0, minflt = 0, majflt = 0, maxrss = 0, microseconds = 0] = exit ?? [];
  return {
    launcher: words.get('pid')?.[0] ?? -1,
    child: words.get('child')?.[0] ?? -1,
    errno: words.get('errno')?.[0] ?? 0,
    thpDisabled: words.has('pid') && !words.has('thp'),
    preloads: words.has('preload'),
    ended: exit !== undefined,
    code,
    signal,
    minflt,
    majflt,
    maxrss: maxrss * 1024,
    seconds: microseconds / 1e6,
  };
}
