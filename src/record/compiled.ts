/**
 * The programs in C that a recording needs: compiled with the machine's own `cc` when they are first
 * needed, and kept in a cache; of a user without a home, in the recording's own folder.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LIMIT_MS = 60000;

function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base && base !== '' ? base : join(homedir(), '.cache'), 'faultline');
}

/** Beside this file, or in the package that it was built from. */
async function sourceFile(name: string): Promise<string | undefined> {
  let at = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < 6; depth++) {
    for (const folder of ['launcher', join('src', 'record', 'launcher')]) {
      const path = join(at, folder, name);
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

export type Built = { readonly path: string } | { readonly unavailable: string };

/** Path of the compiled `name`.c, or why there is none; `spare`: a folder for where no cache is. */
export async function compiled(
  name: string,
  flags: readonly string[],
  spare: string,
): Promise<Built> {
  const source = await sourceFile(`${name}.c`);
  if (source === undefined) return { unavailable: `the source of the ${name} is missing` };
  const compiler = process.env['CC'] || 'cc';
  const hash = createHash('sha256').update(compiler).update(flags.join(' '));
  hash.update(await readFile(source));
  const folder = (await isWritable(cacheDirectory())) ? cacheDirectory() : spare;
  const path = join(folder, `${name}-${hash.digest('hex').slice(0, 16)}`);
  try {
    await access(path);
    return { path };
  } catch {
    // Not compiled yet.
  }
  let scratch = '';
  try {
    scratch = await mkdtemp(join(folder, 'build-'));
    const whole = join(scratch, name);
    await run(compiler, [...flags, source, '-o', whole], { timeout: LIMIT_MS });
    // Renamed into place, so that two runs that compile at once both find a whole file.
    await rename(whole, path);
    return { path };
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') return { unavailable: `there is no C compiler ('${compiler}')` };
    const first = (stderr ?? '').split('\n').find((line) => line.includes('error')) ?? message;
    return { unavailable: `the ${name} cannot be compiled: ${first.trim()}` };
  } finally {
    if (scratch !== '') await rm(scratch, { recursive: true, force: true });
  }
}
