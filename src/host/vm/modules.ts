/**
 * Modules for a kernel that does not have what a virtual machine needs built in (as distributors'
 * kernels): found beside the image, or where the running system keeps them.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { KernelImage } from './kernel_image.ts';

export interface KernelModule {
  /** File name: "virtio_pci.ko.xz". */
  readonly name: string;
  readonly content: Uint8Array;
}

/** In the order in which they must be loaded; each is left out where it is built in. */
const WANTED = [
  ...['virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci'],
  ...['virtio_console', 'virtio_blk', 'crc16', 'crc32c_generic', 'libcrc32c', 'mbcache', 'jbd2'],
  'ext4',
];

/** A module's name as `modprobe` takes it: - and _ are the same. */
function plainName(file: string): string {
  return file.replace(/\.ko(\..*)?$/, '').replaceAll('-', '_');
}

async function filesBelow(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!/\.ko(\.(xz|gz|zst))?$/.test(entry.name)) continue;
    found.set(plainName(entry.name), join(entry.parentPath ?? entry.path, entry.name));
  }
  return found;
}

/** Trees that may have the modules of an image: beside it, below the root that it lies in, here. */
function candidates(image: KernelImage): string[] {
  const beside = dirname(image.path);
  return [
    join(beside, 'modules', image.release),
    join(beside, '..', 'lib', 'modules', image.release),
    join(beside, '..', 'usr', 'lib', 'modules', image.release),
    join('/lib/modules', image.release),
  ];
}

/** No modules at all is no error: what is needed may be built in. */
export async function findModules(image: KernelImage): Promise<KernelModule[]> {
  for (const directory of candidates(image)) {
    let files: Map<string, string>;
    try {
      files = await filesBelow(directory);
    } catch {
      continue;
    }
    const paths = WANTED.map((name) => files.get(name)).filter((path) => path !== undefined);
    return await Promise.all(
      paths.map(async (path) => ({
        name: path.slice(path.lastIndexOf('/') + 1),
        content: await readFile(path),
      })),
    );
  }
  return [];
}
