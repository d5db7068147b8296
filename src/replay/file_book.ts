/**
 * The files that a trace names, as inodes of the modelled machine. Every name is one object, opened
 * once for reading and writing. What a disk file holds is taken to be in the page cache: a trace
 * does not tell, and a recording is made on a warm machine; pages come in one by one, where the
 * accesses are.
 */
import { type FileRow, type InodeRow, newRow, type VmaRow, type Vpn } from '../base/index.ts';
import type { KernelState } from '../kernel/index.ts';
import { newFile } from '../mm/file.ts';
import { cacheGet, cacheReadFolio } from '../mm/filemap.ts';
import {
  FMODE_LSEEK,
  FMODE_READ,
  FMODE_WRITE,
  FS_DISK,
  FS_OPAQUE,
  FS_SHMEM,
  INODE_MEMFD,
  INODE_NORESERVE,
  INODE_SHARED_ANON,
  INODE_SYSV,
  O_RDWR,
} from '../mm/fs_types.ts';
import { internName, type Machine } from '../mm/mm_types.ts';
import { PG_WRITTEN } from '../mm/page_flags.ts';
import { SGP_FALLOC, shmemGetFolio, shmemResult } from '../mm/shmem.ts';
import { VM_SHARED } from '../mm/vm_flags.ts';
import type { FileKind, Trace } from '../trace/index.ts';

/** Size of an object of unknown size: no access lies behind its end. */
const UNKNOWN_SIZE = 2 ** 40;

export class FileBook {
  readonly #trace: Trace;
  readonly #k: KernelState;
  readonly #kinds = new Map<string, { kind: FileKind; size: number }>();
  /** By row of the trace's names. */
  readonly #files = new Map<number, FileRow>();

  constructor(trace: Trace, k: KernelState) {
    this.#trace = trace;
    this.#k = k;
    for (const { name, kind, size } of trace.meta.files) this.#kinds.set(name, { kind, size });
  }

  kind(name: number): FileKind {
    const text = this.#trace.names[name] ?? '';
    const told = this.#kinds.get(text)?.kind;
    if (told !== undefined) return told;
    if (text.startsWith('/memfd:')) return 'memfd';
    if (text.startsWith('/SYSV')) return 'sysv';
    if (text.startsWith('/dev/zero')) return 'shared-anon';
    if (text.startsWith('/dev/shm/')) return 'tmpfs';
    if (text.startsWith('/dev/')) return 'device';
    return 'file';
  }

  /** The description of a named object; made when it is first asked for. */
  open(name: number): FileRow {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const file = this.#make(name);
    this.#files.set(name, file);
    return file;
  }

  inode(name: number): InodeRow {
    return this.#k.m.file.inode[this.open(name)]!;
  }

  #make(name: number): FileRow {
    const { m } = this.#k;
    const text = this.#trace.names[name] ?? '';
    const kind = this.kind(name);
    const inode = newRow(m.inode);
    const shmem = kind === 'tmpfs' || kind === 'memfd' || kind === 'shared-anon' || kind === 'sysv';
    const disk = kind === 'file' || kind === 'unknown';
    m.inode.kind[inode] = shmem ? FS_SHMEM : disk ? FS_DISK : FS_OPAQUE;
    m.inode.sb[inode] = kind === 'tmpfs' ? tmpfs(this.#k) : shmem ? m.shmMount : this.#k.rootSb;
    m.inode.flags[inode] = INODE_NORESERVE | flagOf(kind);
    // An object of the kernel's own mount has no name: shmem_anon_vm_ops.
    m.inode.nlink[inode] = shmem && kind !== 'tmpfs' ? 0 : 1;
    const size = this.#kinds.get(text)?.size ?? -1;
    m.inode.size[inode] = size < 0 ? UNKNOWN_SIZE : size;
    m.inode.mode[inode] = 0o100777;
    m.inode.ino[inode] = this.#k.nextIno++;
    const id = internName(m, text);
    m.inode.name[inode] = id;
    return newFile(m, inode, FMODE_READ | FMODE_WRITE | FMODE_LSEEK, O_RDWR, id);
  }
}

function flagOf(kind: FileKind): number {
  if (kind === 'memfd') return INODE_MEMFD;
  if (kind === 'shared-anon') return INODE_SHARED_ANON;
  return kind === 'sysv' ? INODE_SYSV : 0;
}

function tmpfs(k: KernelState): number {
  return k.mounts.find((mount) => mount.path === '/dev/shm')?.sb ?? k.m.shmMount;
}

/**
 * Before an access at `vpn`: the file's pages around it are in the page cache, as far as a
 * fault-around may look. An access behind the end that we know shows that the file has grown.
 */
export function fillCache(m: Machine, v: VmaRow, vpn: Vpn): void {
  const { start, end, pgoff, file } = m.vma;
  const inode = m.file.inode[file[v]!]!;
  const window = m.settings.faultAroundPages;
  const first = Math.max(vpn - (vpn % window), start[v]!);
  const shift = pgoff[v]! - start[v]!;
  const index = vpn + shift;
  if ((index + 1) * 4096 > m.inode.size[inode]! + 4095) m.inode.size[inode] = (index + 1) * 4096;
  const last = Math.min(first + window, end[v]!, Math.ceil(m.inode.size[inode]! / 4096) - shift);
  for (let at = first; at < last; at++) cachePage(m, inode, at + shift);
  if (index < first + shift || index >= last + shift) cachePage(m, inode, index);
}

function cachePage(m: Machine, inode: InodeRow, index: number): void {
  if (cacheGet(m, inode, index) === 0) cacheReadFolio(m, inode, index, 0);
}

/** What write(2) put into a tmpfs file before it is read through a mapping: the page is there. */
export function fillTmpfs(m: Machine, v: VmaRow, vpn: Vpn): void {
  const { start, pgoff, file, flags } = m.vma;
  if ((flags[v]! & VM_SHARED) !== 0) return;
  const inode = m.file.inode[file[v]!]!;
  allocateShmem(m, inode, vpn - start[v]! + pgoff[v]!, 1);
}

/** fallocate(2), or write(2), of pages of a shmem object. */
export function allocateShmem(m: Machine, inode: InodeRow, first: number, pages: number): void {
  for (let at = first; at < first + pages; ) {
    if (shmemGetFolio(m, inode, at, (first + pages) * 4096, SGP_FALLOC, 0, 0) !== 0) return;
    const pfn = shmemResult.pfn;
    m.page.flags[pfn] = m.page.flags[pfn]! | PG_WRITTEN;
    at += Math.max(1, shmemResult.allocated);
  }
}
