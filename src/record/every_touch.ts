/**
 * The library that `--precise` preloads (launcher/every_touch.c), where every user of the recorded
 * tree may read it: a database's server is none that may look into root's cache.
 */
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Built, compiled } from './compiled.ts';

/** Not where a mapping of a program goes by itself: all of these lie as they would without it. */
const ADDRESS = 0x200000000000;
/** Faults in these pages are no part of the program: left out, and not counted. */
export const PRELOAD_PAGES = { start: ADDRESS / 4096, end: ADDRESS / 4096 + 16 };
const FLAGS = [
  ...['-O2', '-shared', '-fPIC', '-nostdlib', `-Wl,-Ttext-segment=0x${ADDRESS.toString(16)}`],
  ...['-Wl,-z,norelro', '-Wl,-z,noseparate-code', '-Wl,--hash-style=gnu'],
];

/** A folder of its own, to be removed by removePreload(). */
export async function buildPreload(spare: string): Promise<Built> {
  const built = await compiled('every_touch', FLAGS, spare);
  if ('unavailable' in built) return built;
  const folder = mkdtempSync(join(tmpdir(), 'faultline-'));
  const path = join(folder, 'every_touch.so');
  chmodSync(folder, 0o755);
  copyFileSync(built.path, path);
  chmodSync(path, 0o755);
  return { path };
}

export function removePreload(path: string): void {
  rmSync(join(path, '..'), { recursive: true, force: true });
}
