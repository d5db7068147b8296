/**
 * Vectored reads and writes, copies between descriptors, writeback and advice on files. The vectored
 * ones are their plain forms, piece by piece (fs/read_write.c do_iter_readv_writev(), 6.18).
 */
import { EBADF, EFAULT, EINVAL, type TaskRow, word } from '../base/index.ts';
import { FS_DISK, FS_HUGETLB, FS_SHMEM, INODE_DIRECTORY } from '../mm/fs_types.ts';
import { writebackRange } from '../mm/writeback.ts';
import { sizeLost } from './assume.ts';
import { FILE_CALLS } from './calls_file.ts';
import { fileOf } from './fd_table.ts';
import { isUserRange } from './file_io.ts';
import type { CallTable, Handler, KernelState } from './state.ts';
import { Args, field, isInt, isStruct, type Outcome, toResult, type Value } from './values.ts';

const OUTSIDE = 'bytes that move between descriptors are not part of memory';

interface Piece {
  readonly base: Value;
  readonly length: number;
}

/** `[{iov_base=…, iov_len=…}, …]`; undefined when it cannot be read. */
function pieces(value: Value | undefined): Piece[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const out: Piece[] = [];
  for (const item of value as readonly Value[]) {
    if (!isStruct(item)) return undefined;
    const base = item['iov_base'] ?? item['0'];
    const length = field(item, 'iov_len', '1');
    if (base === undefined || length === undefined) return undefined;
    out.push({ base, length: word.toNumber(length) });
  }
  return out;
}

/** readv, writev, preadv, pwritev: `plain` for each piece, until one falls short. */
function vectored(plain: 'read' | 'write' | 'pread64' | 'pwrite64'): Handler {
  const call = FILE_CALLS[plain]![1];
  const positioned = plain.startsWith('p');
  return (k, t, a) => {
    const list = pieces(a.values[1]);
    if (k.observed !== undefined) return inLog(k, t, a);
    if (list === undefined) return { unmodelled: `${plain} with a vector that stands in memory` };
    if (list.length > 1024) return -EINVAL;
    // What is wrong with the descriptor or the position comes first, then every buffer is looked at.
    const none: Value[] = [a.values[0]!, word.ZERO, word.ZERO];
    if (positioned) none.push(word.fromNumber(a.signed(3)));
    const refused = toResult(call(k, t, new Args(none)));
    if (!('value' in refused)) return refused;
    for (const { base, length } of list) {
      if (isInt(base) && !isUserRange(base, length)) return -EFAULT;
    }
    let done = 0;
    for (const { base, length } of list) {
      const fd = a.values[0]!;
      const args: Value[] = [fd, base, word.fromNumber(length)];
      if (positioned) args.push(word.fromNumber(a.signed(3) + done));
      const result = toResult(call(k, t, new Args(args)));
      if (!('value' in result)) return done > 0 ? done : result;
      const n = word.toNumber(result.value);
      done += n;
      if (n < length) break;
    }
    return done;
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
  readv: ['ua|u', vectored('read')],
  writev: ['ua|u', vectored('write')],
  preadv: ['uauu|u', vectored('pread64')],
  pwritev: ['uauu|u', vectored('pwrite64')],
  preadv2: ['uauu|uu', vectored('pread64')],
  pwritev2: ['uauu|uu', vectored('pwrite64')],
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
