/**
 * The disk for programs' files: an ext4 image, because scenarios' paths such as /tmp/x are on ext4
 * in the model. Where mkfs.ext4 is missing the machine has none, and its files lie in memory.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const DISK_BYTES = 512 * 2 ** 20;
const LIMIT_MS = 30000;
/** Debian has it where users' PATH does not look. */
const PATHS = ['/usr/sbin', '/sbin'];

/** True when the image is there. It is sparse: it takes what is written to it. */
export async function makeDisk(path: string): Promise<boolean> {
  const file = await open(path, 'w');
  await file.truncate(DISK_BYTES);
  await file.close();
  const env = { ...process.env, PATH: [process.env['PATH'] ?? '', ...PATHS].join(':') };
  try {
    // No lazy work that the kernel would do in the background while programs run.
    const lazy = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
    await run('mkfs.ext4', ['-q', '-F', '-E', lazy, path], { env, timeout: LIMIT_MS });
    return true;
  } catch {
    return false;
  }
}
