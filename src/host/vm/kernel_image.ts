/**
 * What a file that is said to be a kernel is: a bzImage by its boot header
 * (Documentation/arch/x86/boot.rst), or something else, said in words.
 */
import { Buffer } from 'node:buffer';
import { open } from 'node:fs/promises';

export interface KernelImage {
  readonly path: string;
  /** As `uname -r` will say: "6.11.0-rc1-mine". */
  readonly release: string;
  /** The whole line of the header: release, who built it, when. */
  readonly version: string;
}

export interface NoImage {
  /** What is wrong with it; a sentence's part behind the path. */
  readonly reason: string;
  readonly hint?: string;
}

/** Offsets in the header. */
const BOOT_FLAG = 0x1fe;
const MAGIC = 0x202;
const PROTOCOL = 0x206;
const VERSION = 0x20e;
const LOAD_FLAGS = 0x211;
const XLOAD_FLAGS = 0x236;

const BOOT_FLAG_VALUE = 0xaa55;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
/** Protocol 2.12 has XLOAD_FLAGS (3.8). */
const PROTOCOL_MIN = 0x20c;

const BUILD_HINT = '`make bzImage` puts it at arch/x86/boot/bzImage';

/** Other files that people give, by their first bytes. */
const OTHERS: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x7f, 0x45, 0x4c, 0x46], 'an ELF file (vmlinux?)'],
  [[0x1f, 0x8b], 'a gzip file'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'an xz file'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'a zstd file'],
  [[0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e], 'an ar archive (a Debian package?)'],
];

function otherFile(head: Buffer): string {
  const found = OTHERS.find(([bytes]) => bytes.every((byte, i) => head[i] === byte));
  return found === undefined ? 'no kernel image' : `${found[1]}, no kernel image`;
}

async function headOf(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const OPEN_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'the file is a directory',
  EACCES: 'the file may not be read',
};

/** The setup code, and in it the version's text, is at most 64 sectors long. */
const HEAD_BYTES = 0x8000;

export async function readKernelImage(path: string): Promise<KernelImage | NoImage> {
  let head: Buffer;
  try {
    head = await headOf(path, HEAD_BYTES);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reason: OPEN_ERRORS[code ?? ''] ?? message };
  }
  const isImage =
    head.length > 0x260 &&
    head.readUInt16LE(BOOT_FLAG) === BOOT_FLAG_VALUE &&
    head.toString('latin1', MAGIC, MAGIC + 4) === 'HdrS';
  if (!isImage) return { reason: `the file is ${otherFile(head)}`, hint: BUILD_HINT };
  const protocol = head.readUInt16LE(PROTOCOL);
  if (protocol < PROTOCOL_MIN || (head[LOAD_FLAGS]! & LOADED_HIGH) === 0) {
    return { reason: 'the file is a kernel image of before Linux 3.8' };
  }
  if ((head.readUInt16LE(XLOAD_FLAGS) & XLF_KERNEL_64) === 0) {
    return { reason: 'the file is a 32-bit kernel; the executor is an x86-64 program' };
  }
  const at = head.readUInt16LE(VERSION) + 0x200;
  const end = head.indexOf(0, at);
  const version = head.toString('latin1', at, end < 0 ? at : end);
  return { path, release: version.split(' ')[0] ?? '', version };
}
