/** What a running process has already: its mappings, and which of their pages are populated. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { FileNames } from '../import/index.ts';
import {
  OP_MAP,
  OP_PRESENT,
  PRESENT_ANON,
  PRESENT_EXCLUSIVE,
  PRESENT_FILE,
  PRESENT_SWAPPED,
  PRESENT_WRITABLE,
  type TraceBuilder,
} from '../trace/index.ts';

const MAPS_LINE =
  /^([0-9a-f]+)-([0-9a-f]+) ([-r])([-w])([-x])([ps]) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;
/** Bits of the high word of a pagemap entry. */
const PM_PRESENT = 1 << 31;
const PM_SWAP = 1 << 30;
const PM_FILE = 1 << 29;
const PM_EXCLUSIVE = 1 << 24;
const PAGES_AT_ONCE = 1 << 16;

const pageOf = (hex: string): number => Number.parseInt(hex, 16) / 4096;

/** Undefined when there is no such process. */
export function commandOf(pid: number): string[] | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (words.at(-1) === '') words.pop();
    return words.length > 0 ? words : [readFileSync(`/proc/${pid}/comm`, 'utf8').trim()];
  } catch {
    return undefined;
  }
}

/** The process asked for no huge pages: PR_SET_THP_DISABLE. */
export function hasThpOff(pid: number): boolean {
  try {
    return /^THP_enabled:\s+0$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function bitsOf(high: number, isWritable: boolean): number {
  if ((high & PM_SWAP) !== 0) return PRESENT_ANON | PRESENT_SWAPPED;
  if ((high & PM_PRESENT) === 0) return 0;
  const isFile = (high & PM_FILE) !== 0;
  const isExclusive = (high & PM_EXCLUSIVE) !== 0;
  return (
    (isFile ? PRESENT_FILE : PRESENT_ANON) |
    (isExclusive ? PRESENT_EXCLUSIVE : 0) |
    (isExclusive && isWritable && !isFile ? PRESENT_WRITABLE : 0)
  );
}

/** Rows PRESENT for the populated runs of [start, end). */
function presentRows(
  builder: TraceBuilder,
  pid: number,
  pagemap: number,
  start: number,
  end: number,
  isWritable: boolean,
): void {
  const buffer = Buffer.alloc(Math.min(PAGES_AT_ONCE, end - start) * 8);
  let from = start;
  let bits = 0;
  const close = (to: number): void => {
    if (bits === 0 || to === from) return;
    const row = builder.add(0, pid, pid, OP_PRESENT, from, 0, (to - from) * 4096);
    builder.events.arg[row] = bits;
  };
  for (let at = start; at < end; ) {
    const wanted = Math.min(PAGES_AT_ONCE, end - at);
    const pages = readSync(pagemap, buffer, 0, wanted * 8, at * 8) >> 3;
    if (pages === 0) break;
    for (let i = 0; i < pages; i++) {
      const found = bitsOf(buffer.readInt32LE(i * 8 + 4), isWritable);
      if (found === bits) continue;
      close(at + i);
      from = at + i;
      bits = found;
    }
    at += pages;
  }
  close(end);
}

/** Appends MAP and PRESENT rows of a process, ascending; throws what /proc throws. */
export function attachRows(builder: TraceBuilder, files: FileNames, pid: number): void {
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const found = MAPS_LINE.exec(line);
      if (found === null || found[10] === '[vsyscall]') continue;
      const start = pageOf(found[1]!);
      const end = pageOf(found[2]!);
      const prot =
        (found[3] === 'r' ? 1 : 0) | (found[4] === 'w' ? 2 : 0) | (found[5] === 'x' ? 4 : 0);
      const name = files.place(found[10]!, found[8]!, Number(found[9]));
      const isAnon = name === '' || name === '[heap]' || name === '[stack]';
      const flags =
        (found[6] === 's' ? 1 : 2) | (isAnon ? 0x20 : 0) | (name === '[stack]' ? 0x100 : 0);
      const row = builder.add(0, pid, pid, OP_MAP, start, 0, (end - start) * 4096);
      builder.detail(row, prot, flags, isAnon ? 0 : pageOf(found[7]!), builder.name(name), 0);
      presentRows(builder, pid, pagemap, start, end, found[4] === 'w');
    }
  } finally {
    closeSync(pagemap);
  }
}
