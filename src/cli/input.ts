/**
 * Reading what the user names: a file or `-`. Whatever stands there, the answer is a text or a
 * diagnostic; a file is never read further than a string can hold.
 */
import { constants, isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { totalmem } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import type { Diagnostic } from '../base/index.ts';
import { type Parsed, parseProgram } from '../scenario/index.ts';

export const CLI_CODES = {
  CLI001: 'a file that cannot be opened or read',
  CLI002: 'a directory or device in place of a file',
  CLI003: 'a file that is too large',
  CLI004: 'an unknown kernel',
  CLI005: 'a setting that the kernel refuses',
  CLI006: 'the real kernel cannot be asked',
  CLI007: 'no modelled kernel stands for the one here',
  CLI008: 'a file or directory that cannot be written',
  CLI009: 'a scenario for a machine of another size',
  CLI010: 'a variant that is no variant',
  CLI011: 'a C program that cannot be compiled here',
  CLI012: 'a checkpoint of another check, or none',
  CLI013: 'a recording that cannot answer',
  CLI014: 'statistics that others moved',
} as const;

export type CliCode = keyof typeof CLI_CODES;

/** Longest string of this engine, less what decoding may need. */
const BYTES_MAX = Math.min(constants.MAX_STRING_LENGTH, 1 << 29) - 1024;
/** Inputs of this size need more heap than the engine takes by itself. */
const LARGE_BYTES = 1 << 26;
const CHUNK = 1 << 20;

export function cliError(code: CliCode, file: string, message: string, hint?: string): Diagnostic {
  const found = { severity: 'error' as const, code, file, line: 0, column: 0, message };
  return hint === undefined ? found : { ...found, hint };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EISDIR: 'this is a directory, not a file',
  EMFILE: 'too many open files',
  ENXIO: 'nothing is behind this device',
};

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? `cannot be read (${code === '' ? String(error) : code})`;
}

function tooLarge(file: string, bytes: number): Diagnostic {
  const shown = bytes > 0 ? `${Math.round(bytes / 1048576)} MB, ` : '';
  const message = `this file is too large: ${shown}at most ${BYTES_MAX >> 20} MB can be read`;
  return cliError('CLI003', file, message, 'cut the log: `head -n 1000000 LOG`');
}

/** Reads until the end or the limit: sizes of pipes and of files in /proc are not known before. */
function readAll(fd: number, expected: number): Buffer | undefined {
  let buffer = Buffer.allocUnsafe(Math.max(expected + 1, CHUNK));
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      const grown = Buffer.allocUnsafe(Math.min(BYTES_MAX + 1, buffer.length * 2));
      buffer.copy(grown, 0, 0, length);
      buffer = grown;
    }
    const read = readSome(fd, buffer, length);
    if (read === 0) return buffer.subarray(0, length);
    length += read;
    if (length > BYTES_MAX) return undefined;
  }
}

/** A pipe that was made non-blocking by another process says EAGAIN: wait and ask again. */
function readSome(fd: number, buffer: Buffer, offset: number): number {
  for (;;) {
    try {
      return readSync(fd, buffer, offset, buffer.length - offset, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** Text as UTF-8 if it is that, else byte by byte, so that a place in it is a place in the file. */
function decode(buffer: Buffer): string {
  return isUtf8(buffer) ? buffer.toString('utf8') : buffer.toString('latin1');
}

export const STDIN_NAME = '<stdin>';

export function readInput(path: string): string | Diagnostic {
  const isStdin = path === '-';
  const name = isStdin ? STDIN_NAME : path;
  let fd = 0;
  try {
    if (path.includes('\0')) return cliError('CLI001', name, 'the name holds a NUL');
    if (!isStdin) fd = openSync(path, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) {
      return cliError('CLI002', name, 'this is a directory, not a file', 'name the files in it');
    }
    if (stat.isBlockDevice()) return cliError('CLI002', name, 'this is a device, not a file');
    if (stat.size > BYTES_MAX) return tooLarge(name, stat.size);
    const buffer = readAll(fd, stat.size);
    if (buffer === undefined) return tooLarge(name, 0);
    if (buffer.length > LARGE_BYTES) allowHeap();
    return decode(buffer);
  } catch (error) {
    return cliError('CLI001', name, reasonOf(error));
  } finally {
    if (fd > 0) closeSync(fd);
  }
}

/** Lets the heap grow to three quarters of the machine, for logs of hundreds of megabytes. */
function allowHeap(): void {
  const megabytes = Math.floor((totalmem() * 0.75) / 1048576);
  setFlagsFromString(`--max-old-space-size=${megabytes}`);
}

/** A program with its diagnostics; no program where nothing may run. */
export interface Loaded {
  readonly file: string;
  readonly program: Parsed['program'] | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function loadProgram(path: string): Loaded {
  const file = path === '-' ? STDIN_NAME : path;
  const text = readInput(path);
  if (typeof text !== 'string') return { file, program: undefined, diagnostics: [text] };
  const { program, diagnostics } = parseProgram(text, file);
  const isBad = diagnostics.some((d) => d.severity === 'error');
  return { file, program: isBad ? undefined : program, diagnostics };
}
