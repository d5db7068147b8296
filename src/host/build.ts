/**
 * The executor is compiled when it is first needed, with the machine's own `cc`, and kept in a
 * cache under the hash of its sources and of the compiler's name. Its sources ship with the
 * package.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const SOURCES = [
  ...['main.c', 'frames.c', 'agents.c', 'folios.c', 'observe.c', 'settings.c', 'rooms.c'],
  ...['stats.c', 'guard.c', 'program.c', 'keep.c', 'reads.c', 'facts.c', 'init.c'],
];
const OTHER = ['agent.c', 'agent.ld', 'image.S', 'wire.h', 'inspector.h'];

/**
 * The agent is freestanding and lies at an address beyond 2 GiB, so all that it refers to must be
 * relative to the instruction pointer (-fpie).
 */
const AGENT_FLAGS = [
  ...['-O2', '-ffreestanding', '-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fpie'],
  ...['-mno-red-zone', '-mgeneral-regs-only', '-fcf-protection=none', '-nostdlib', '-static'],
  ...['-no-pie', '-Wl,-z,noexecstack', '-Wl,--no-warn-rwx-segments', '-Wl,--build-id=none'],
];
const INSPECTOR_FLAGS = ['-O2', '-static'];
const COMPILE_LIMIT_MS = 120000;

export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base && base !== '' ? base : join(homedir(), '.cache'), 'faultline');
}

/** Where the sources are: beside this file, or in the package that it was built from. */
async function sourceDirectory(): Promise<string | undefined> {
  let at = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < 6; depth++) {
    for (const candidate of [join(at, 'executor'), join(at, 'src', 'host', 'executor')]) {
      try {
        await access(join(candidate, 'agent.c'));
        return candidate;
      } catch {
        // Not here; one level up, until the root.
      }
    }
    at = dirname(at);
  }
  return undefined;
}

/** Path of the compiled executor, or why there is none. */
export async function buildExecutor(): Promise<{ path: string } | { unavailable: string }> {
  const directory = await sourceDirectory();
  if (directory === undefined) return { unavailable: "the executor's sources are missing" };
  const compiler = process.env['CC'] || 'cc';
  const hash = createHash('sha256').update(compiler);
  hash.update(JSON.stringify([AGENT_FLAGS, INSPECTOR_FLAGS]));
  for (const name of [...SOURCES, ...OTHER]) hash.update(await readFile(join(directory, name)));
  const path = join(cacheDirectory(), `executor-${hash.digest('hex').slice(0, 16)}`);
  try {
    await access(path);
    return { path };
  } catch {
    // Not compiled yet.
  }
  let scratch = '';
  try {
    await mkdir(cacheDirectory(), { recursive: true });
    scratch = await mkdtemp(join(cacheDirectory(), 'build-'));
    const options = { cwd: directory, timeout: COMPILE_LIMIT_MS };
    const agent = join(scratch, 'agent');
    const whole = join(scratch, 'executor');
    await run(compiler, [...AGENT_FLAGS, '-T', 'agent.ld', 'agent.c', '-o', agent], options);
    const image = `-DAGENT="${agent}"`;
    await run(compiler, [...INSPECTOR_FLAGS, image, ...SOURCES, 'image.S', '-o', whole], options);
    // Renamed into place, so that two runs that compile at once both find a whole file.
    await rename(whole, path);
    return { path };
  } catch (error) {
    return { unavailable: compileError(compiler, error) };
  } finally {
    if (scratch !== '') await rm(scratch, { recursive: true, force: true });
  }
}

function compileError(compiler: string, error: unknown): string {
  const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
  if (code === 'ENOENT') return `there is no C compiler ('${compiler}')`;
  const first = (stderr ?? '').split('\n').find((line) => line.includes('error')) ?? message;
  return `the executor cannot be compiled: ${first.trim()}`;
}
