/**
 * One process on a booted machine with a few files open, and its calls with plain numbers: addresses
 * and lengths are bytes, or hexadecimal strings where they do not fit a double.
 */
import { newRow, type U64, word } from '../../src/base/index.ts';
import { bootMachine } from '../../src/mm/boot.ts';
import { sysBrk } from '../../src/mm/brk.ts';
import { newFile } from '../../src/mm/file.ts';
import { dupMmap } from '../../src/mm/fork.ts';
import * as fs from '../../src/mm/fs_types.ts';
import { sysMadvise } from '../../src/mm/madvise.ts';
import * as memory from '../../src/mm/memory.ts';
import { sysMincore } from '../../src/mm/mincore.ts';
import { sysMlock, sysMlock2, sysMlockall, sysMunlock, sysMunlockall } from '../../src/mm/mlock.ts';
import type { Machine } from '../../src/mm/mm_types.ts';
import { sysMmap } from '../../src/mm/mmap.ts';
import { sysMprotect } from '../../src/mm/mprotect.ts';
import { sysMremap } from '../../src/mm/mremap.ts';
import { sysMseal } from '../../src/mm/mseal.ts';
import { sysMsync } from '../../src/mm/msync.ts';
import { sysMunmap } from '../../src/mm/munmap.ts';
import { findKernel } from '../../src/mm/release.ts';
import { sysRemapFilePages } from '../../src/mm/remap_file_pages.ts';
import { vmFlagCodes } from '../../src/mm/task_mmu.ts';

export type Word = number | string;

export interface World {
  readonly m: Machine;
  task: number;
  mm: number;
  /** Open descriptions by number; see FILES. */
  readonly files: readonly number[];
}

/** Indexes into World.files. */
export const FILES = {
  none: 0,
  memfd1M: 1,
  memfd8M: 2,
  tmpfs: 3,
  disk: 4,
  diskReadOnly: 5,
  memfdReadOnly: 6,
  devZero: 7,
  directory: 8,
  memfdWriteOnly: 9,
  memfdSealed: 10,
  closed: 11,
} as const;

export function toWord(x: Word): U64 {
  if (typeof x === 'number') return word.fromNumber(x);
  const parsed = word.parseDigits(x, 16);
  if (parsed === undefined) throw new Error(`not hexadecimal: ${x}`);
  return parsed;
}

/** A process with CAP_* and no limits but a stack of 8 MiB; nothing is mapped. */
export function makeWorld(kernel = '6.18'): World {
  const release = findKernel(kernel);
  if (release === undefined) throw new Error(`no kernel ${kernel}`);
  const m = bootMachine({ release, pages: 1 << 16, contents: true });
  m.settings.totalRam = 1 << 23;
  const mm = newRow(m.mm);
  const sig = newRow(m.sig);
  const task = newRow(m.task);
  m.task.mm[task] = mm;
  m.task.sig[task] = sig;
  m.task.caps[task] = fs.CAP_ALL;
  m.task.alive[task] = 1;
  for (const limit of [
    m.sig.asCur,
    m.sig.asMax,
    m.sig.dataCur,
    m.sig.dataMax,
    m.sig.stackMax,
    m.sig.memlockCur,
    m.sig.memlockMax,
  ]) {
    limit[sig] = Number.POSITIVE_INFINITY;
  }
  m.sig.stackCur[sig] = 8 << 20;
  m.mm.users[mm] = 1;
  m.mm.mmapBase[mm] = 0x7ffff7fff;
  m.mm.brkStart[mm] = 0x10000000;
  m.mm.brk[mm] = 0x10000000;
  return { m, mm, task, files: openFiles(m) };
}

function openFiles(m: Machine): number[] {
  const mount = (kind: number): number => {
    const sb = newRow(m.sb);
    m.sb.kind[sb] = kind;
    return sb;
  };
  const inode = (kind: number, sb: number, size: number, flags: number, nlink: number): number => {
    const row = newRow(m.inode);
    m.inode.kind[row] = kind;
    m.inode.sb[row] = sb;
    m.inode.size[row] = size;
    m.inode.flags[row] = flags;
    m.inode.nlink[row] = nlink;
    m.inode.mode[row] = 0o100600;
    m.inode.refs[row] = 1;
    m.inode.ino[row] = 5000 + row;
    return row;
  };
  const memfd = fs.INODE_MEMFD | fs.INODE_NORESERVE;
  const a = inode(fs.FS_SHMEM, m.shmMount, 1 << 20, memfd, 0);
  const b = inode(fs.FS_SHMEM, m.shmMount, 8 << 20, memfd, 0);
  const disk = mount(fs.FS_DISK);
  const t = inode(fs.FS_SHMEM, mount(fs.FS_SHMEM), 4 << 20, fs.INODE_NORESERVE, 1);
  const k = inode(fs.FS_DISK, disk, 4 << 20, 0, 1);
  const zero = inode(fs.FS_ZERO, 0, 0, 0, 1);
  const directory = inode(fs.FS_NO_MMAP, 0, 4096, fs.INODE_DIRECTORY, 1);
  const sealed = inode(fs.FS_SHMEM, m.shmMount, 1 << 20, memfd, 0);
  m.inode.seals[sealed] = fs.F_SEAL_FUTURE_WRITE;
  const r = fs.FMODE_READ;
  const rw = fs.FMODE_READ | fs.FMODE_WRITE;
  const open = (row: number, mode: number): number => newFile(m, row, mode, 0, 0);
  return [
    0,
    open(a, rw),
    open(b, rw),
    open(t, rw),
    open(k, rw),
    open(k, r),
    open(a, r),
    open(zero, rw),
    open(directory, r),
    open(a, fs.FMODE_WRITE),
    open(sealed, rw),
    -9,
  ];
}

/** si_code and signal of an access as 1000 + 100 * signal + code; 0 when it went through. */
function accessResult(kind: number): number {
  switch (kind) {
    case memory.ACCESS_OK:
      return 0;
    case memory.ACCESS_SEGV_MAPERR:
      return 2101;
    case memory.ACCESS_SEGV_ACCERR:
      return 2102;
    case memory.ACCESS_BUS_ADRERR:
      return 1702;
    default:
      return 1000 + kind;
  }
}

function bytesOf(page: number): number {
  return page < 0 ? page : page * 4096;
}

/** Executes one call by name. Addresses come back in bytes, errors negative. */
export function call(w: World, name: string, ...words: readonly Word[]): number {
  const { m, task } = w;
  const a = words.map(toWord);
  const at = (i: number): U64 => a[i] ?? word.ZERO;
  const int = (i: number): number => at(i).lo | 0;
  switch (name) {
    case 'mmap': {
      const file = w.files[at(4).lo] ?? 0;
      return bytesOf(
        sysMmap(m, task, {
          addr: at(0),
          len: at(1),
          prot: at(2),
          flags: at(3),
          file,
          offset: at(5),
        }),
      );
    }
    case 'munmap':
      return sysMunmap(m, task, at(0), at(1));
    case 'mprotect':
      return sysMprotect(m, task, at(0), at(1), at(2), -1);
    case 'pkey_mprotect':
      return sysMprotect(m, task, at(0), at(1), at(2), int(3));
    case 'madvise':
      return sysMadvise(m, task, at(0), at(1), int(2));
    case 'mremap':
      return bytesOf(
        sysMremap(m, task, {
          addr: at(0),
          oldLen: at(1),
          newLen: at(2),
          flags: at(3),
          newAddr: at(4),
        }),
      );
    case 'mlock':
      return sysMlock(m, task, at(0), at(1));
    case 'mlock2':
      return sysMlock2(m, task, at(0), at(1), int(2));
    case 'munlock':
      return sysMunlock(m, task, at(0), at(1));
    case 'mlockall':
      return sysMlockall(m, task, int(0));
    case 'munlockall':
      return sysMunlockall(m, task);
    case 'msync':
      return sysMsync(m, task, at(0), at(1), int(2));
    case 'mseal':
      return sysMseal(m, task, at(0), at(1), at(2));
    case 'mincore':
      return sysMincore(m, task, at(0), at(1), null, true);
    case 'brk':
      return sysBrk(m, task, at(0));
    case 'rfp':
      return sysRemapFilePages(m, task, at(0), at(1), at(2), at(3), at(4));
    case 'read':
    case 'write': {
      const kind = name === 'write' ? memory.ACCESS_WRITE : memory.ACCESS_READ;
      const vpn = word.pageOf(at(0));
      const got = memory.access(m, task, vpn, kind);
      if (got === memory.ACCESS_OK && name === 'write') {
        memory.storeContent(m, task, vpn, int(1));
      }
      return accessResult(got);
    }
    case 'rlimit': {
      const sig = m.task.sig[task] ?? 0;
      const limits = new Map([
        [2, m.sig.dataCur],
        [3, m.sig.stackCur],
        [8, m.sig.memlockCur],
        [9, m.sig.asCur],
      ]);
      const column = limits.get(int(0));
      if (column === undefined) throw new Error('no such limit');
      column[sig] = word.toNumber(at(1));
      return 0;
    }
    case 'dropcaps':
      m.task.caps[task] = 0;
      return 0;
    case 'fork': {
      const child = newRow(m.mm);
      m.mm.users[child] = 1;
      const row = newRow(m.task);
      m.task.mm[row] = child;
      m.task.sig[row] = m.task.sig[task] ?? 0;
      m.task.caps[row] = m.task.caps[task] ?? 0;
      m.task.alive[row] = 1;
      const error = dupMmap(m, task, child, w.mm);
      w.mm = child;
      w.task = row;
      return error;
    }
    default:
      throw new Error(`no call ${name}`);
  }
}

/** "start-end flags" of every mapping, addresses in pages, hexadecimal. */
export function layout(w: World): string[] {
  const { m } = w;
  const lines: string[] = [];
  for (let v = m.mm.firstVma[w.mm] ?? 0; v !== 0; v = m.vma.next[v] ?? 0) {
    const start = (m.vma.start[v] ?? 0).toString(16);
    const end = (m.vma.end[v] ?? 0).toString(16);
    lines.push(`${start}-${end} ${vmFlagCodes(m, v).join(' ')}`);
  }
  return lines;
}

/** The same without flags: "10-14 18-19". */
export function bounds(w: World): string {
  return layout(w)
    .map((line) => line.slice(0, line.indexOf(' ')))
    .join(' ');
}
