/**
 * A reproducer as the first process of a machine: compiled statically, packed as /init of an
 * initramfs. What compiles it is the machine's own `cc`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { cpioArchive, S_IFCHR, S_IFDIR, S_IFREG } from './vm/cpio.ts';

const run = promisify(execFile);
const compress = promisify(gzip);
const COMPILE_LIMIT_MS = 120000;

/** The archive's entries that every kernel wants: a console before /init has made anything. */
export async function initOf(program: Uint8Array): Promise<Uint8Array> {
  const archive = cpioArchive([
    { name: 'dev', mode: S_IFDIR | 0o755 },
    { name: 'dev/console', mode: S_IFCHR | 0o600, major: 5, minor: 1 },
    { name: 'proc', mode: S_IFDIR | 0o755 },
    { name: 'sys', mode: S_IFDIR | 0o755 },
    { name: 'init', mode: S_IFREG | 0o755, content: program },
  ]);
  return await compress(archive);
}

/** Compiles C text to an initramfs; or why that cannot be done. */
export async function buildInit(text: string): Promise<Uint8Array | { unavailable: string }> {
  const compiler = process.env['CC'] || 'cc';
  const scratch = await mkdtemp(join(tmpdir(), 'faultline-repro-'));
  try {
    const source = join(scratch, 'init.c');
    const program = join(scratch, 'init');
    await writeFile(source, text);
    const flags = ['-O2', '-static-pie', '-o', program, source];
    await run(compiler, flags, { timeout: COMPILE_LIMIT_MS });
    return await initOf(await readFile(program));
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    if (code === 'ENOENT') return { unavailable: `there is no C compiler '${compiler}'` };
    const line = (stderr ?? '').split('\n').find((l) => /error|cannot find/.test(l));
    return { unavailable: `'${compiler} -static-pie' failed${line ? `: ${line.trim()}` : ''}` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
