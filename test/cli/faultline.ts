/** Runs the program as a user does: bin/faultline.js in a process of its own. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The program's file, for tests that run it beside themselves. */
export const PROGRAM = join(ROOT, 'bin/faultline.js');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface How {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export function faultline(args: readonly string[], how: How = {}): Ran {
  const env: NodeJS.ProcessEnv = { ...process.env, ...how.env };
  // The test runner's own wishes about colours are not ours.
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'COLORTERM']) {
    if (how.env?.[name] === undefined) delete env[name];
  }
  const ran: SpawnSyncReturns<string> = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env,
    input: how.input ?? '',
    maxBuffer: 1 << 28,
  });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

/** A folder for a test's files, gone at the end of `use`. */
export function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function withFolderWhile<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function fileIn(folder: string, name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A short scenario in which everything holds. */
export const GOOD = `# A page is written.
a = mmap(1M, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
write a
expect minflt == 1
`;

/** The same with an expectation that does not hold. */
export const BAD = GOOD.replace('== 1', '== 7');
