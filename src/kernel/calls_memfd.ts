/** memfd_create(2) and memfd_secret(2) (mm/memfd.c, mm/secretmem.c, 6.18). */
import { EACCES, EINVAL, ENODEV, ENOSYS, newRow, type TaskRow } from '../base/index.ts';
import { newFile, shmemFileSetup } from '../mm/file.ts';
import {
  F_SEAL_EXEC,
  F_SEAL_SEAL,
  FMODE_READ,
  FMODE_WRITE,
  FS_SECRET,
  INODE_MEMFD,
  INODE_NORESERVE,
  INODE_UNEVICTABLE,
  O_CLOEXEC,
  O_LARGEFILE,
  O_RDWR,
} from '../mm/fs_types.ts';
import { hugetlbFileSetup, hugetlbPages } from '../mm/hugetlb.ts';
import { internName } from '../mm/mm_types.ts';
import { install } from './fd_table.ts';
import type { CallTable, KernelState } from './state.ts';
import type { Args, Outcome } from './values.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const MFD_ALL = 31;

/** memfd_create(2). Source: mm/memfd.c, 6.18. */
function memfdCreate(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  let flags = a.int(1);
  const huge = (flags & MFD_HUGETLB) !== 0;
  if ((flags & ~(huge ? MFD_ALL | (0x3f << 26) : MFD_ALL)) !== 0) return -EINVAL;
  const isOlder = m.release.lacks.includes('MFD_EXEC');
  if (isOlder && (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) !== 0) return -EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -EINVAL;
  const policy = m.settings.memfdNoexec;
  if ((flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === 0)
    flags |= policy >= 1 ? MFD_NOEXEC_SEAL : MFD_EXEC;
  if ((flags & MFD_NOEXEC_SEAL) === 0 && policy >= 2) return -EACCES;
  const name = a.text(0);
  if (name === undefined) return { unmodelled: 'memfd_create with a name in memory' };
  if (name.length > 249) return -EINVAL;
  const file = memfdFile(k, t, name, flags);
  if (file < 0) return file;
  return install(k, t, file, (flags & MFD_CLOEXEC) !== 0);
}

function memfdFile(k: KernelState, t: TaskRow, name: string, flags: number): number {
  const { m } = k;
  let file: number;
  if ((flags & MFD_HUGETLB) !== 0) {
    const pages = hugetlbPages(m, flags);
    if (pages < 0) return -ENODEV;
    file = hugetlbFileSetup(m, t, 0);
    m.file.name[file] = internName(m, `/memfd:${name}`);
  } else {
    file = shmemFileSetup(m, t, `/memfd:${name}`, 0, INODE_MEMFD | INODE_NORESERVE);
    if (file < 0) return file;
  }
  const inode = m.file.inode[file]!;
  let seals = F_SEAL_SEAL;
  if ((flags & MFD_NOEXEC_SEAL) !== 0) {
    m.inode.mode[inode] = m.inode.mode[inode]! & ~0o111;
    seals = F_SEAL_EXEC;
  } else if ((flags & MFD_ALLOW_SEALING) !== 0) seals = 0;
  m.inode.seals[inode] = seals;
  m.file.flags[file] = m.file.flags[file]! | O_LARGEFILE;
  return file;
}

/** memfd_secret(2). Source: mm/secretmem.c, 6.18. */
function memfdSecret(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  if (m.release.lacks.includes('memfd_secret')) return -ENOSYS;
  if ((a.int(0) & ~O_CLOEXEC) !== 0) return -EINVAL;
  const inode = newRow(m.inode);
  m.inode.kind[inode] = FS_SECRET;
  m.inode.flags[inode] = INODE_UNEVICTABLE;
  m.inode.mode[inode] = 0o100600;
  m.inode.ino[inode] = k.nextIno++;
  const file = newFile(
    m,
    inode,
    FMODE_READ | FMODE_WRITE,
    O_RDWR | O_LARGEFILE,
    internName(m, '/secretmem'),
  );
  return install(k, t, file, a.int(0) !== 0);
}

export const MEMFD_CALLS: CallTable = {
  memfd_create: ['s|u', memfdCreate],
  memfd_secret: ['|u', memfdSecret],
};
