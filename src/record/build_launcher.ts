/**
 * The launcher is compiled with the machine's own `cc` when it is first needed, and kept in a cache;
 * of a user without a home, in the recording's own folder.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FLAGS = ['-O2', '-static'];
const LIMIT_MS = 60000;

function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base && base !== '' ? base : join(homedir(), '.cache'), 'faultline');
}

/** Beside this file, or in the package that it was built from. */
async function sourceFile(): Promise<string | undefined> {
  let at = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < 6; depth++) {
    for (const folder of ['launcher', join('src', 'record', 'launcher')]) {
      const path = join(at, folder, 'launcher.c');
      const found = await access(path).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
    at = dirname(at);
  }
  return undefined;
}

async function isWritable(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of the compiled launcher, or why there is none. */
export async function buildLauncher(
  spare: string,
): Promise<{ path: string } | { unavailable: string }> {
  const source = await sourceFile();
  if (source === undefined) return { unavailable: "the launcher's source is missing" };
  const compiler = process.env['CC'] || 'cc';
  const hash = createHash('sha256').update(compiler).update(FLAGS.join(' '));
  hash.update(await readFile(source));
  const folder = (await isWritable(cacheDirectory())) ? cacheDirectory() : spare;
  const path = join(folder, `launcher-${hash.digest('hex').slice(0, 16)}`);
  try {
    await access(path);
    return { path };
  } catch {
    // Not compiled yet.
  }
  let scratch = '';
  try {
    scratch = await mkdtemp(join(folder, 'build-'));
    const whole = join(scratch, 'launcher');
    await run(compiler, [...FLAGS, source, '-o', whole], { timeout: LIMIT_MS });
    // Renamed into place, so that two runs that compile at once both find a whole file.
    await rename(whole, path);
    return { path };
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') return { unavailable: `there is no C compiler ('${compiler}')` };
    const first = (stderr ?? '').split('\n').find((line) => line.includes('error')) ?? message;
    return { unavailable: `the launcher cannot be compiled: ${first.trim()}` };
  } finally {
    if (scratch !== '') await rm(scratch, { recursive: true, force: true });
  }
}

/** What the launcher wrote. */
export interface LaunchReport {
  readonly launcher: number;
  readonly child: number;
  /** Why the command could not be executed; 0: it was. */
  readonly errno: number;
  readonly thpDisabled: boolean;
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
    ended: exit !== undefined,
    code,
    signal,
    minflt,
    majflt,
    maxrss: maxrss * 1024,
    seconds: microseconds / 1e6,
  };
}
