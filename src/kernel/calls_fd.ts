/**
 * close, dup, fcntl and the seals of a memfd (fs/file.c, fs/fcntl.c, mm/memfd.c memfd_fcntl(), 6.18).
 */
import { EBADF, EBUSY, EINVAL, EPERM, type FileRow, type TaskRow } from '../base/index.ts';
import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FMODE_PATH,
  FMODE_WRITE,
  FS_HUGETLB,
  FS_SHMEM,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
} from '../mm/fs_types.ts';
import { VM_MAYWRITE, VM_SHARED } from '../mm/vm_flags.ts';
import { closeFd, dupFrom, dupTo, rawFile, setCloexec, tableOf } from './fd_table.ts';
import type { CallTable, KernelState } from './state.ts';
import type { Args, Outcome } from './values.ts';

const IGNORED_FDS = 'which descriptors a program inherited is not known';

/** A call on descriptors; in a log, the number it returned is taken over. */
function inLog(k: KernelState, t: TaskRow, from: number, cloexec: boolean, done: Outcome): Outcome {
  const fd = k.observed?.value;
  if (k.observed === undefined || typeof done !== 'number') return done;
  if (fd !== undefined && fd !== done) {
    if (done >= 0) closeFd(k, t, done);
    if (rawFile(k, t, from) !== 0) dupTo(k, t, from, fd, cloexec);
  }
  return { ignored: IGNORED_FDS };
}

function closeRange(k: KernelState, t: TaskRow, a: Args): number {
  const first = a.num(0);
  const last = a.num(1);
  const flags = a.int(2);
  if ((flags & ~6) !== 0 || first > last) return -EINVAL;
  const { entries } = tableOf(k, t);
  const end = Math.min(last, entries.length - 1);
  for (let fd = first; fd <= end; fd++) {
    if ((flags & 4) !== 0) setCloexec(k, t, fd, true);
    else closeFd(k, t, fd);
  }
  return 0;
}

const SETTABLE = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

/** memfd_add_seals(). */
function addSeals(k: KernelState, file: FileRow, wanted: number): number {
  const { m } = k;
  if ((m.file.mode[file]! & FMODE_WRITE) === 0) return -EPERM;
  if ((wanted & ~0x3f) !== 0) return -EINVAL;
  const inode = m.file.inode[file]!;
  const kind = m.inode.kind[inode];
  if (kind !== FS_SHMEM && kind !== FS_HUGETLB) return -EINVAL;
  const old = m.inode.seals[inode]!;
  if ((old & F_SEAL_SEAL) !== 0) return -EPERM;
  let seals = wanted;
  if ((seals & F_SEAL_EXEC) !== 0 && (m.inode.mode[inode]! & 0o111) !== 0) {
    seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
  }
  if ((seals & F_SEAL_WRITE) !== 0 && (old & F_SEAL_WRITE) === 0) {
    for (let v = m.inode.firstVma[inode]!; v !== 0; v = m.vma.shareNext[v]!) {
      const both = VM_SHARED | VM_MAYWRITE;
      if ((m.vma.flags[v]! & both) === both) return -EBUSY;
    }
  }
  m.inode.seals[inode] = old | seals;
  return 0;
}

function fcntl(k: KernelState, t: TaskRow, a: Args): Outcome {
  const fd = a.int(0);
  const { m } = k;
  const file = rawFile(k, t, fd);
  if (file === 0) return -EBADF;
  const arg = a.int(2);
  const cmd = a.int(1);
  const path = (m.file.mode[file]! & FMODE_PATH) !== 0;
  if (path && ![0, 1, 2, 3, 1030].includes(cmd)) return -EBADF;
  switch (cmd) {
    case 0:
      return dupFrom(k, t, fd, arg, false);
    case 1030:
      return dupFrom(k, t, fd, arg, true);
    case 1:
      return tableOf(k, t).entries[fd]!.cloexec ? 1 : 0;
    case 2:
      setCloexec(k, t, fd, (arg & 1) !== 0);
      return 0;
    case 3:
      return m.file.flags[file]!;
    case 4:
      m.file.flags[file] = (m.file.flags[file]! & ~SETTABLE) | (arg & SETTABLE);
      return 0;
    case 1033:
      return addSeals(k, file, arg);
    case 1034: {
      const inode = m.file.inode[file]!;
      const kind = m.inode.kind[inode];
      return kind === FS_SHMEM || kind === FS_HUGETLB ? m.inode.seals[inode]! : -EINVAL;
    }
  }
  return { ignored: 'locks, leases and owners of descriptors' };
}

/** fcntl; in a log, duplicates get the number that the log shows. */
function fcntlCall(k: KernelState, t: TaskRow, a: Args): Outcome {
  const done = fcntl(k, t, a);
  const cmd = a.int(1);
  if (k.observed === undefined) return done;
  if (cmd === 0 || cmd === 1030) return inLog(k, t, a.int(0), cmd === 1030, done);
  return cmd === 1033 && rawFile(k, t, a.int(0)) !== 0 ? done : { ignored: IGNORED_FDS };
}

export const FD_CALLS: CallTable = {
  close: [
    'u',
    (k, t, a) => {
      const done = closeFd(k, t, a.int(0));
      return k.observed === undefined ? done : { ignored: IGNORED_FDS };
    },
  ],
  close_range: ['uuu', closeRange],
  dup: ['u', (k, t, a) => inLog(k, t, a.int(0), false, dupFrom(k, t, a.int(0), 0, false))],
  dup2: [
    'uu',
    (k, t, a) => {
      const same = rawFile(k, t, a.int(0)) === 0 ? -EBADF : a.int(0);
      const done = a.int(0) === a.int(1) ? same : dupTo(k, t, a.int(0), a.int(1), false);
      return k.observed === undefined ? done : { ignored: IGNORED_FDS };
    },
  ],
  dup3: [
    'uuu',
    (k, t, a) => {
      if ((a.int(2) & ~O_CLOEXEC) !== 0 || a.int(0) === a.int(1)) return -EINVAL;
      const done = dupTo(k, t, a.int(0), a.int(1), a.int(2) !== 0);
      return k.observed === undefined ? done : { ignored: IGNORED_FDS };
    },
  ],
  fcntl: ['uu|a', fcntlCall],
};
