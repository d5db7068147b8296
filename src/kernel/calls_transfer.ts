/**
 * Vectored reads and writes, copies between descriptors, writeback and advice on files
 * (fs/read_write.c, fs/sync.c, 6.18).
 */
import { EBADF, EINVAL, type TaskRow, word } from '../base/index.ts';
import { FS_DISK, FS_HUGETLB, FS_SHMEM, INODE_DIRECTORY } from '../mm/fs_types.ts';
import { writebackRange } from '../mm/writeback.ts';
import { sizeLost } from './assume.ts';
import { positioned, read, write } from './calls_file.ts';
import { fileOf } from './fd_table.ts';
import type { CallTable, Handler, KernelState } from './state.ts';
import type { Piece } from './user_buffer.ts';
import { type Args, field, isInt, isStruct, type Outcome, type Value } from './values.ts';

const UIO_MAXIOV = 1024;
const OUTSIDE = 'bytes that move between descriptors are not part of memory';

/** `[{iov_base=…, iov_len=…}, …]`; undefined when it cannot be read. */
function pieces(value: Value | undefined): Piece[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const out: Piece[] = [];
  for (const item of value as readonly Value[]) {
    if (!isStruct(item)) return undefined;
    const base = item['iov_base'] ?? item['0'];
    const length = field(item, 'iov_len', '1');
    if (base === undefined || length === undefined) return undefined;
    const isKnown = isInt(base) || typeof base === 'string';
    out.push({ base: isKnown ? base : '', length: word.toNumber(length) });
  }
  return out;
}

/** readv, writev, and with `isPositioned` preadv and pwritev: one transfer of all the pieces. */
function vectored(transfer: typeof read, isPositioned: boolean): Handler {
  return (k, t, a) => {
    const buffer = pieces(a.values[1]);
    if (k.observed !== undefined) return inLog(k, t, a);
    if (buffer === undefined) return { unmodelled: 'a vector that stands in memory' };
    if (buffer.length > UIO_MAXIOV) return -EINVAL;
    const fd = a.int(0);
    return isPositioned
      ? positioned(k, t, fd, buffer, a.signed(3), transfer)
      : transfer(k, t, fd, buffer, -1);
  };
}

/** A log shows how many bytes went somewhere; what a file then holds and how long it is, it does not. */
function inLog(k: KernelState, t: TaskRow, a: Args): Outcome {
  const file = fileOf(k, t, a.int(0));
  if (file !== 0 && k.observed?.value !== undefined) sizeLost(k, file);
  return { ignored: OUTSIDE };
}

/** copy_file_range, sendfile, splice: in a log the target's size is lost. */
function copies(name: string, target: number): Handler {
  return (k, t, a) => {
    if (k.observed === undefined) return { unmodelled: `the call ${name}` };
    const file = fileOf(k, t, a.int(target));
    if (file !== 0 && (k.observed.value ?? 0) > 0) sizeLost(k, file);
    return { ignored: OUTSIDE };
  };
}

/** fsync and its like write dirty pages of a disk file. */
function sync(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const file = fileOf(k, t, a.int(0));
  if (file === 0) return k.observed === undefined ? -EBADF : { ignored: OUTSIDE };
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode]!;
  const isDirectory = (m.inode.flags[inode]! & INODE_DIRECTORY) !== 0;
  const syncs = kind === FS_DISK || kind === FS_SHMEM || kind === FS_HUGETLB || isDirectory;
  if (!syncs && k.observed === undefined) return -EINVAL;
  if (kind === FS_DISK) writebackRange(m, inode, 0, Number.POSITIVE_INFINITY);
  return 0;
}

function syncAll(k: KernelState): Outcome {
  const { m } = k;
  for (let inode = 1; inode < m.inode.used; inode++) {
    if (m.inode.kind[inode] === FS_DISK) writebackRange(m, inode, 0, Number.POSITIVE_INFINITY);
  }
  return 0;
}

/** Advice on the page cache of a file. */
function advises(name: string): Handler {
  return (k) => {
    if (k.observed === undefined) return { unmodelled: `the call ${name}` };
    return { ignored: 'which pages of a file are cached is not seen in a log' };
  };
}

export const TRANSFER_CALLS: CallTable = {
  readv: ['ua|u', vectored(read, false)],
  writev: ['ua|u', vectored(write, false)],
  preadv: ['uauu|u', vectored(read, true)],
  pwritev: ['uauu|u', vectored(write, true)],
  preadv2: ['uauu|uu', vectored(read, true)],
  pwritev2: ['uauu|uu', vectored(write, true)],
  copy_file_range: ['uauau|u', copies('copy_file_range', 2)],
  sendfile: ['uuau', copies('sendfile', 0)],
  splice: ['uauau|u', copies('splice', 2)],
  fsync: ['u', sync],
  fdatasync: ['u', sync],
  sync: ['', syncAll],
  syncfs: ['u', (k, t, a) => (fileOf(k, t, a.int(0)) === 0 ? sync(k, t, a) : syncAll(k))],
  sync_file_range: ['uuuu', advises('sync_file_range')],
  readahead: ['uuu', advises('readahead')],
  fadvise64: ['uuuu', advises('fadvise64')],
};
