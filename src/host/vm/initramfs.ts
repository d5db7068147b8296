/** The first root file system of a virtual machine: the executor as /init, modules, settings. */
import type { Buffer } from 'node:buffer';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { cpioArchive, S_IFCHR, S_IFDIR, S_IFREG } from './cpio.ts';
import type { KernelModule } from './modules.ts';

const compress = promisify(gzip);

const THP = '/sys/kernel/mm/transparent_hugepage';

/**
 * What kernels are distributed with differs; a run begins with the defaults of the model. Files
 * that a kernel does not have are passed over.
 */
const SETTINGS: readonly (readonly [path: string, value: string])[] = [
  [`${THP}/enabled`, 'madvise'],
  [`${THP}/defrag`, 'madvise'],
  [`${THP}/shmem_enabled`, 'never'],
  [`${THP}/use_zero_page`, '1'],
  ['/proc/sys/vm/overcommit_memory', '0'],
  ['/sys/kernel/mm/ksm/run', '0'],
  ['/sys/block/vda/queue/read_ahead_kb', '128'],
  // Nothing else runs there, and what it prints of its own accord must not be lost in it.
  ['/proc/sys/kernel/printk', '5'],
];

export interface InitramfsParts {
  readonly executor: Uint8Array;
  readonly modules: readonly KernelModule[];
}

export async function initramfs({ executor, modules }: InitramfsParts): Promise<Buffer> {
  const settings = SETTINGS.map(([path, value]) => `${path} ${value}\n`).join('');
  const archive = cpioArchive([
    { name: 'dev', mode: S_IFDIR | 0o755 },
    { name: 'dev/console', mode: S_IFCHR | 0o600, major: 5, minor: 1 },
    { name: 'init', mode: S_IFREG | 0o755, content: executor },
    { name: 'settings', mode: S_IFREG | 0o644, content: new TextEncoder().encode(settings) },
    { name: 'modules', mode: S_IFDIR | 0o755 },
    ...modules.map(({ name, content }, i) => ({
      name: `modules/${String(i).padStart(2, '0')}-${name}`,
      mode: S_IFREG | 0o644,
      content,
    })),
  ]);
  return await compress(archive, { level: 1 });
}
