/**
 * SysV shared memory (ipc/shm.c, ipc/util.c, 6.18): segments, attaching, detaching.
 */
import {
  EACCES,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EPERM,
  type InodeRow,
  PAGE_SIZE,
  type TaskRow,
  type VmaRow,
  word,
} from '../base/index.ts';
import { filePut, newFile, shmemFileSetup } from '../mm/file.ts';
import { cacheHead, cacheNext, filePages } from '../mm/filemap.ts';
import { folioIndex, folioPages } from '../mm/folio.ts';
import {
  CAP_IPC_LOCK,
  CAP_IPC_OWNER,
  CAP_SYS_ADMIN,
  FMODE_READ,
  FMODE_WRITE,
  FS_HUGETLB,
  INODE_NORESERVE,
  INODE_SHM_DEST,
  INODE_SYSV,
  INODE_UNEVICTABLE,
  O_RDWR,
} from '../mm/fs_types.ts';
import { mmPopulate } from '../mm/gup.ts';
import { hugetlbFileSetup, hugetlbPages } from '../mm/hugetlb.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_SHARED,
  OVERCOMMIT_NEVER,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  WRAP_PAGES,
} from '../mm/mman.ts';
import { doMmap, type MmapRequest } from '../mm/mmap.ts';
import { unmapRange } from '../mm/munmap.ts';
import { PG_MLOCKED, PG_UNEVICTABLE } from '../mm/page_flags.ts';
import { capable } from '../mm/util.ts';
import { OPS_SHM } from '../mm/vm_flags.ts';
import { findVma, findVmaIntersection } from '../mm/vma_tree.ts';
import type { CallTable, KernelState, ShmSegment } from './state.ts';
import { copyBytes } from './user_copy.ts';
import { type Args, isInt, type Outcome } from './values.ts';

const IPC_PRIVATE = 0;
const IPC_CREAT = 0o1000;
const IPC_EXCL = 0o2000;
const SHM_HUGETLB = 0o4000;
const SHM_NORESERVE = 0o10000;
const SHM_RDONLY = 0o10000;
const SHM_RND = 0o20000;
const SHM_REMAP = 0o40000;
const SHM_EXEC = 0o100000;
const IPC_RMID = 0;
const IPC_SET = 1;
const IPC_STAT = 2;
const SHM_LOCK = 11;
const SHM_UNLOCK = 12;
/** IPC_INFO, SHM_STAT, SHM_INFO, SHM_STAT_ANY. */
const REPORTS = [3, 13, 14, 15];
/** Ids run to the end of this many slots before one is used again (ipc_min_cycle). */
const IPC_MIN_CYCLE = 64;
const SEQ_SHIFT = 15;

/** A segment that still exists: not destroyed, or marked so and still attached. */
function segment(k: KernelState, id: number): ShmSegment | undefined {
  const s = k.shm.get(id);
  if (s === undefined || s.file !== 0) return s;
  const { inode } = k.m;
  const alive = (inode.flags[s.inode]! & INODE_SYSV) !== 0 && inode.ino[s.inode] === id;
  if (alive && inode.refs[s.inode]! > 0) return s;
  k.shm.delete(id);
  return undefined;
}

/**
 * A log shows that a segment was refused: the caller is not privileged, and not its owner where the
 * owner would be let in. True when something was learned.
 */
export function learnSegmentRefusal(
  k: KernelState,
  t: TaskRow,
  name: string,
  a: Args,
  errno: number,
): boolean {
  const key = a.int(0);
  const found = name === 'shmget' ? [...k.shm.values()].find((x) => x.key === key) : k.shm.get(key);
  if (found === undefined || (name === 'shmget' && key === IPC_PRIVATE)) return false;
  const wanted =
    name === 'shmget'
      ? a.int(2) & 0o777
      : name === 'shmat' && (a.int(2) & SHM_RDONLY) === 0
        ? 0o666
        : 0o444;
  const { caps, euid } = k.m.task;
  if (errno === EACCES && !permitted(k, t, found, wanted)) return false;
  if (errno === EPERM && name !== 'shmctl') return false;
  caps[t] = 0;
  const owner = errno === EPERM ? found.uid === euid[t] : permitted(k, t, found, wanted);
  if (owner) euid[t] = NOBODY;
  return true;
}

/** A log shows that a caller who was not privileged disposes of another's segment: he is again. */
export function learnSegmentOwner(k: KernelState, t: TaskRow, a: Args): boolean {
  const found = k.shm.get(a.int(0));
  if (found === undefined || a.int(1) !== IPC_RMID) return false;
  const { caps, euid } = k.m.task;
  if (found.uid === euid[t] || capable(k.m, t, CAP_SYS_ADMIN)) return false;
  euid[t] = found.uid;
  if (found.uid === 0) caps[t] = k.creds.get(t)?.permitted ?? 0;
  return true;
}

/** Any user who is not the owner. */
const NOBODY = 65534;
/** High word of the first address that is no user memory. */
const KERNEL_HI = 0x8000;

/** ipcperms(): the mode bits that the caller has must hold all of `wanted` (0o444 and so on). */
function permitted(k: KernelState, t: TaskRow, s: ShmSegment, wanted: number): boolean {
  const own = s.uid === k.m.task.euid[t] ? s.mode >> 6 : s.mode;
  const asked = (wanted >> 6) | (wanted >> 3) | wanted;
  if ((asked & ~own & 7) === 0) return true;
  return capable(k.m, t, CAP_IPC_OWNER);
}

/** ipc_idr_alloc(): slots in a ring of at least 64; a new round gives a new sequence number. */
function newId(k: KernelState): number {
  const used = new Set([...k.shm.keys()].map((id) => id & ((1 << SEQ_SHIFT) - 1)));
  const ring = Math.min(
    k.m.settings.shmMni,
    Math.max(Math.floor((k.shm.size * 3) / 2), IPC_MIN_CYCLE),
  );
  let slot = k.shmNext;
  if (slot >= ring) {
    slot = 0;
    k.shmSeq++;
  }
  while (used.has(slot)) {
    slot++;
    if (slot >= ring) {
      slot = 0;
      k.shmSeq++;
    }
  }
  k.shmNext = slot + 1;
  return (k.shmSeq << SEQ_SHIFT) + slot;
}

function newSegment(k: KernelState, t: TaskRow, key: number, size: number, flags: number): Outcome {
  const { m } = k;
  if (size < 1 || size > m.settings.shmMax) return -EINVAL;
  if (k.observed?.errno === ENOSPC) return { ignored: 'segments of other processes' };
  const pages = Math.ceil(size / PAGE_SIZE);
  let total = pages;
  for (const s of k.shm.values()) total += Math.ceil(s.size / PAGE_SIZE);
  if (total > m.settings.shmAll || k.shm.size >= m.settings.shmMni) return -ENOSPC;
  if ((flags & SHM_HUGETLB) !== 0) return hugeSegment(k, t, key, size, flags);
  const free = (flags & SHM_NORESERVE) !== 0 && m.settings.overcommitMemory !== OVERCOMMIT_NEVER;
  const name = `/SYSV${(key >>> 0).toString(16).padStart(8, '0')}`;
  const file = shmemFileSetup(m, t, name, size, INODE_SYSV | (free ? INODE_NORESERVE : 0));
  if (file < 0) return file;
  const inode = m.file.inode[file]!;
  const id = k.observed?.value ?? newId(k);
  m.inode.ino[inode] = id;
  k.shm.set(id, { id, key, file, inode, size, mode: flags & 0o777, uid: m.task.euid[t]! });
  return id;
}

/** Pages are reserved at once, and the pool is empty; a log may show a kernel that had some. */
function hugeSegment(
  k: KernelState,
  t: TaskRow,
  key: number,
  size: number,
  flags: number,
): Outcome {
  const { m } = k;
  // vm.hugetlb_shm_group is 0, root's group, which a scenario's tasks never leave.
  const isRootGroup = k.observed === undefined || m.task.euid[t] === 0;
  if (!capable(m, t, CAP_IPC_LOCK) && !isRootGroup) return -EPERM;
  const pages = hugetlbPages(m, flags & ~MAP_NORESERVE);
  if (pages < 0) return -EINVAL;
  const id = k.observed?.value;
  if (id === undefined) return (flags & SHM_NORESERVE) === 0 ? -ENOMEM : { unmodelled: HUGE };
  const file = hugetlbFileSetup(m, t, Math.ceil(size / PAGE_SIZE / pages) * pages);
  const inode = m.file.inode[file]!;
  m.inode.flags[inode] = m.inode.flags[inode]! | INODE_SYSV;
  m.inode.ino[inode] = id;
  k.shm.set(id, { id, key, file, inode, size, mode: flags & 0o777, uid: m.task.euid[t]! });
  return { unmodelled: HUGE };
}

const HUGE = 'SysV segments of hugetlb pages';

function shmget(k: KernelState, t: TaskRow, a: Args): Outcome {
  const key = a.int(0);
  const size = a.num(1);
  const flags = a.int(2);
  if (key === IPC_PRIVATE) return newSegment(k, t, key, size, flags);
  for (const id of [...k.shm.keys()]) {
    const s = segment(k, id);
    if (s === undefined || s.key !== key) continue;
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return -EEXIST;
    if (s.size < size) return -EINVAL;
    if (!permitted(k, t, s, flags & 0o777)) return -EACCES;
    return s.id;
  }
  if ((flags & IPC_CREAT) !== 0) return newSegment(k, t, key, size, flags);
  // A segment of before the log, of unknown size, is made when the log shows that it was found.
  if (k.observed?.value !== undefined) return newSegment(k, t, key, Math.max(size, 1), 0o666);
  return -ENOENT;
}

/** do_shmat(). Returns an address or -errno. */
function shmat(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const id = a.int(0);
  const flags = a.int(2);
  if (id < 0) return -EINVAL;
  let addr = a.u64(1);
  let mapFlags = MAP_SHARED;
  if (addr.hi !== 0 || addr.lo !== 0) {
    if (word.offsetOf(addr) !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL;
      addr = word.fromPage(word.pageOf(addr));
      if (addr.hi === 0 && addr.lo === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL;
    }
    mapFlags |= MAP_FIXED;
  } else if ((flags & SHM_REMAP) !== 0) return -EINVAL;
  const readOnly = (flags & SHM_RDONLY) !== 0;
  let prot = readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  let mode = readOnly ? 0o444 : 0o666;
  if ((flags & SHM_EXEC) !== 0) {
    prot |= PROT_EXEC;
    mode |= 0o111;
  }
  const s = segment(k, id);
  if (s === undefined) return -EINVAL;
  if (!permitted(k, t, s, mode)) return -EACCES;
  const huge = m.inode.kind[s.inode] === FS_HUGETLB;
  const fmode = readOnly ? FMODE_READ : FMODE_READ | FMODE_WRITE;
  const name = m.inode.name[s.inode]!;
  const file = newFile(m, s.inode, fmode, readOnly ? 0 : O_RDWR, name);
  const request: MmapRequest = {
    addr,
    len: word.fromNumber(m.inode.size[s.inode]!),
    prot,
    flags: mapFlags | (huge ? MAP_NORESERVE : 0),
    highFlags: false,
    file,
    pgoff: 0,
    populate: 0,
  };
  const at = attach(k, t, request, (flags & SHM_REMAP) !== 0);
  filePut(m, file);
  if (at >= 0 && request.populate !== 0) mmPopulate(m, t, at, at + request.populate, true);
  return at < 0 ? at : { value: word.fromPage(at) };
}

function attach(k: KernelState, t: TaskRow, r: MmapRequest, remap: boolean): number {
  const { m } = k;
  if ((r.flags & MAP_FIXED) !== 0 && !remap) {
    const start = word.pageOf(r.addr);
    const bytes = word.toNumber(r.len);
    if (start + Math.floor(bytes / PAGE_SIZE) >= WRAP_PAGES) return -EINVAL;
    const end = start + Math.ceil(bytes / PAGE_SIZE);
    if (findVmaIntersection(m, m.task.mm[t]!, start, end) !== 0) return -EINVAL;
  }
  return doMmap(m, t, r);
}

/** A mapping of a segment: with its own operations, or of a hugetlb one that a log shows. */
function isShm(k: KernelState, v: VmaRow): boolean {
  const { m } = k;
  if (m.vma.ops[v] === OPS_SHM) return true;
  return (m.inode.flags[m.file.inode[m.vma.file[v]!]!]! & INODE_SYSV) !== 0;
}

/** ksys_shmdt(): the pieces of one segment that still lie as they were attached. */
function shmdt(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const addr = a.u64(0);
  if (word.offsetOf(addr) !== 0) return -EINVAL;
  const start = word.pageOf(addr);
  const mm = m.task.mm[t]!;
  let file = 0;
  let size = 0;
  for (let v = findVma(m, mm, start); v !== 0; ) {
    const next = m.vma.next[v]!;
    if (file !== 0 && m.vma.end[v]! - start > size) break;
    const attached = isShm(k, v) && m.vma.start[v]! - start === m.vma.pgoff[v];
    if (attached && (file === 0 || m.vma.file[v] === file)) {
      if (file === 0) {
        file = m.vma.file[v]!;
        size = Math.ceil(m.inode.size[m.file.inode[file]!]! / PAGE_SIZE);
      }
      unmapRange(m, mm, v, m.vma.start[v]!, m.vma.end[v]!);
    }
    v = next;
  }
  return file === 0 ? -EINVAL : 0;
}

function attached(k: KernelState, inode: InodeRow): boolean {
  return k.m.inode.firstVma[inode] !== 0;
}

function shmctl(k: KernelState, t: TaskRow, a: Args): Outcome {
  const { m } = k;
  const id = a.int(0);
  const cmd = a.int(1) & ~0x100;
  if (cmd < 0 || id < 0) return -EINVAL;
  if (REPORTS.includes(cmd)) return { ignored: 'what shmctl reports of the system' };
  if (![IPC_RMID, IPC_SET, IPC_STAT, SHM_LOCK, SHM_UNLOCK].includes(cmd)) return -EINVAL;
  const s = segment(k, id);
  if (s === undefined) return -EINVAL;
  const owner = s.uid === m.task.euid[t];
  switch (cmd) {
    case IPC_STAT:
      return shmStat(k, t, s, a);
    case SHM_LOCK:
    case SHM_UNLOCK:
      return shmLock(k, t, s, cmd === SHM_LOCK);
  }
  if (!owner && !capable(m, t, CAP_SYS_ADMIN)) return -EPERM;
  if (cmd === IPC_SET) return { ignored: 'owners of segments beyond the first' };
  const { file } = s;
  if (file === 0) return 0;
  s.key = IPC_PRIVATE;
  s.file = 0;
  m.inode.flags[s.inode] = m.inode.flags[s.inode]! | INODE_SHM_DEST;
  if (!attached(k, s.inode)) k.shm.delete(id);
  filePut(m, file);
  return 0;
}

/** IPC_STAT: the segment's description goes to the caller's memory; its first word is the key. */
function shmStat(k: KernelState, t: TaskRow, s: ShmSegment, a: Args): Outcome {
  if (!permitted(k, t, s, 0o444)) return -EACCES;
  const to = a.values[2];
  if (!isInt(to)) return a.has(2) ? 0 : -EFAULT;
  if (k.observed !== undefined) return a.isZero(2) || to.hi >= KERNEL_HI ? -EFAULT : 0;
  const bytes = new Uint8Array(SHMID_DS_BYTES);
  new DataView(bytes.buffer).setInt32(0, s.key, true);
  return copyBytes(k.m, t, to, bytes) ? 0 : -EFAULT;
}

/** sizeof(struct shmid64_ds). */
const SHMID_DS_BYTES = 112;

function shmLock(k: KernelState, t: TaskRow, s: ShmSegment, on: boolean): Outcome {
  const { m } = k;
  const limit = m.sig.memlockCur[m.task.sig[t]!]!;
  if (!capable(m, t, CAP_IPC_LOCK)) {
    if (s.uid !== m.task.euid[t]) return -EPERM;
    if (on && limit === 0) return -EPERM;
  }
  const flags = m.inode.flags[s.inode]!;
  m.inode.flags[s.inode] = on ? flags | INODE_UNEVICTABLE : flags & ~INODE_UNEVICTABLE;
  if (!on && (flags & INODE_UNEVICTABLE) !== 0) rescue(m, s.inode);
  return 0;
}

/** shmem_unlock_mapping(): pages that nothing else locks are evictable again. */
function rescue(m: Machine, inode: InodeRow): void {
  const end = filePages(m, inode);
  for (let at = cacheNext(m, inode, 0, end); at >= 0; at = cacheNext(m, inode, at, end)) {
    const head = cacheHead(m, inode, at);
    const f = m.page.flags[head]!;
    if ((f & PG_MLOCKED) === 0) m.page.flags[head] = f & ~PG_UNEVICTABLE;
    at = folioIndex(m, head) + folioPages(m, head);
  }
}

export const SHM_CALLS: CallTable = {
  shmget: ['uuu', shmget],
  shmat: ['u|uu', shmat],
  shmdt: ['u', shmdt],
  shmctl: ['uu|a', shmctl],
};
