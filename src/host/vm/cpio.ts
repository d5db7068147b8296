/**
 * A cpio archive in the "newc" form, as the kernel unpacks it into its first root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst): for each entry a header of 110
 * ASCII characters, the name with a zero byte, the content; both filled up to 4 bytes.
 */
import { Buffer } from 'node:buffer';

export interface CpioEntry {
  /** Without a leading slash. Directories come before what is in them. */
  readonly name: string;
  /** File type and permissions, as st_mode has them. */
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Of a device. */
  readonly major?: number;
  readonly minor?: number;
}

export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFREG = 0o100000;

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** Zero bytes that are missing to a multiple of 4. */
function fill(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const put = (entry: CpioEntry, inode: number): void => {
    const name = Buffer.from(`${entry.name}\0`);
    const content = entry.content ?? new Uint8Array(0);
    const isDirectory = (entry.mode & 0o170000) === S_IFDIR;
    const header =
      MAGIC +
      [
        inode,
        entry.mode,
        0, // uid
        0, // gid
        isDirectory ? 2 : 1, // links
        0, // mtime: the same content gives the same archive
        content.length,
        0, // device of the archive's file system: major
        0, // and minor
        entry.major ?? 0,
        entry.minor ?? 0,
        name.length,
        0, // no checksum in this form
      ]
        .map(hex)
        .join('');
    parts.push(Buffer.from(header), name, fill(header.length + name.length));
    parts.push(content, fill(content.length));
  };
  entries.forEach((entry, i) => {
    put(entry, i + 1);
  });
  put({ name: TRAILER, mode: 0 }, 0);
  return Buffer.concat(parts);
}
