/** A machine for a trace: its memory, its facts, its settings. */
import { Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import type { Release } from '../mm/release_types.ts';
import type { Settings } from '../mm/settings.ts';
import type { TraceMeta } from '../trace/index.ts';

/** One file written before the first event: an absolute path below /sys or /proc. */
export interface SettingWrite {
  readonly path: string;
  readonly value: string;
}

const GIB = 1024 ** 3;
/** Where the trace does not say how much memory there was. */
const DEFAULT_MEMORY = 16 * GIB;
/** The frame table of more would cost more than it tells. */
const MOST_MEMORY = 256 * GIB;
const LEAST_MEMORY = 64 * 1024 ** 2;

export const THP_ROOT = '/sys/kernel/mm/transparent_hugepage/';

/** What the recording's machine was set to. */
export function recordedSettings(meta: TraceMeta): SettingWrite[] {
  return Object.entries(meta.settings).map(([name, value]) => ({
    path: name.startsWith('/') ? name : THP_ROOT + name,
    value,
  }));
}

export interface Booted {
  readonly kernel: Kernel;
  /** Writes that the machine refused. */
  readonly refused: readonly SettingWrite[];
}

/** A machine as the trace's, with `writes` made on top of what was set while recording. */
export function bootFor(
  meta: TraceMeta,
  release: Release,
  writes: readonly SettingWrite[],
  reuse?: Machine,
): Booted {
  const told = meta.machine.memory > 0 ? meta.machine.memory : DEFAULT_MEMORY;
  const memoryBytes = Math.min(Math.max(told, LEAST_MEMORY), MOST_MEMORY);
  const kernel = Kernel.boot({
    release,
    memoryBytes,
    contents: false,
    firstPid: 2,
    ...(reuse === undefined ? {} : { reuse }),
  });
  const { m } = kernel;
  m.settings.totalRam = Math.floor(told / 4096);
  m.settings.anonReadsAllocate = meta.machine.noZeroPage ? 1 : 0;
  // A file of another release, or of another machine's sizes, is not here: nothing to write.
  for (const { path, value } of recordedSettings(meta)) kernel.writeFile(path, value);
  const refused = writes.filter(({ path, value }) => kernel.writeFile(path, value) !== 0);
  m.unmodelled = '';
  return { kernel, refused };
}

/** The settings that decide where a mapping goes (shmem_get_unmapped_area()). */
export function placementOf(s: Settings): string {
  return [
    s.shmemEnabled,
    s.shmemMountHuge,
    s.shmemAlways,
    s.shmemWithin,
    s.shmemAdvise,
    s.shmemInherit,
  ].join(' ');
}
