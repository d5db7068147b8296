/**
 * The steps that programs are made of, as a table: an action is a row. Addresses come from two
 * places: one where the largest folio is naturally aligned, one page off behind it. A step's text
 * is a line of a scenario.
 */
import { word } from '../base/index.ts';
import type { Bounds, Call, Kind } from './bounds.ts';

export const OP_READ = 0;
export const OP_WRITE = 1;
export const OP_MMAP = 2;
export const OP_MUNMAP = 3;
export const OP_MREMAP = 4;
export const OP_FORK = 5;
export const OP_EXIT = 6;
export const OP_MPROTECT = 7;
export const OP_MADVISE = 8;
export const OP_TRUNCATE = 9;
export const OP_PUNCH = 10;
export const OP_FAULT_AROUND = 11;
export const OP_SIZES = 12;
export const OP_UFFD = 13;
/** mremap in place: to fewer pages or to more. */
export const OP_RESIZE = 14;
/** A fault begins, or goes on by one phase (races). */
export const OP_FAULT = 15;
export const OP_PHASE = 16;

/** ioctls of userfaultfd: type 0xaa, and the number. */
export const UFFDIO_API = 0xaa3f;
export const UFFDIO_REGISTER = 0xaa00;
export const UFFDIO_COPY = 0xaa03;
export const UFFDIO_ZEROPAGE = 0xaa04;

export interface Action {
  readonly op: number;
  /** Task row that performs it; ANY_TASK: whichever is there. */
  readonly task: number;
  /** First page and number of pages that it is about; of files, page offsets. */
  readonly at: number;
  readonly pages: number;
  /** mmap: kind; mremap: destination; madvise, mprotect: the argument; files: which; CPU. */
  readonly arg: number;
  readonly flags: number;
  /** Without the task's name; '' for what has no line of its own. */
  readonly text: string;
  /** In words, for the kind of a violation. */
  readonly name: string;
}

/** What is about files and settings is the same whoever does it. */
export const ANY_TASK = 0;

/** Names of tasks by row. */
export const TASK_NAMES = ['', 'p', 'c', 'd', 'e', 'f', 'h', 'i', 'j'];
/** First page of the arena. */
export const ARENA_START = 16;

/** 4K, 16K; and addresses alike. */
export function sizeText(pages: number): string {
  return `${pages * 4}K`;
}

/** Files that programs use: the memfd and the file on ext4. */
export const FILE_MEMFD = 0;
export const FILE_DISK = 1;
export const FILE_NAMES = ['f', 'g'] as const;

const PROT_TEXT = ['PROT_NONE', 'PROT_READ', '', 'PROT_READ|PROT_WRITE'];

export function arenaPages(bounds: Bounds): number {
  return 2 * bounds.pages + 2;
}

/** First pages of the two places. */
export function places(bounds: Bounds): readonly number[] {
  return [ARENA_START, ARENA_START + bounds.pages + 1];
}

export function fileOfKind(kind: Kind): number {
  return kind.startsWith('memfd') ? FILE_MEMFD : kind.startsWith('disk') ? FILE_DISK : -1;
}

export class Alphabet {
  readonly actions: Action[] = [];
  private readonly bounds: Bounds;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
    for (let t = 1; t <= bounds.tasks + bounds.threads; t++) this.task(t);
  }

  private has(call: Call): boolean {
    return this.bounds.calls.includes(call);
  }

  private add(
    op: number,
    task: number,
    name: string,
    text: string,
    at = 0,
    pages = 0,
    arg = 0,
    flags = 0,
  ): void {
    this.actions.push({ op, task, name, text, at, pages, arg, flags });
  }

  private task(t: number): void {
    const { bounds } = this;
    const n = bounds.pages;
    const both = places(bounds);
    both.forEach((place, i) => {
      this.accesses(t, place);
      for (const [k, kind] of bounds.kinds.entries()) this.mmap(t, place, kind, k);
      this.ranges(t, place, both[1 - i]!);
    });
    if (this.has('fork')) this.add(OP_FORK, t, 'fork', 'fork()');
    if (this.has('exit')) this.add(OP_EXIT, t, 'exit', 'exit_group(0)');
    if (t === 1) this.world(n);
  }

  private accesses(t: number, place: number): void {
    const concurrent = this.bounds.inFlight > 0;
    // Concurrent faults on two pages of a folio show what those on four do.
    const touched = concurrent ? Math.min(2, this.bounds.pages) : this.bounds.pages;
    for (let vpn = place; vpn < place + touched; vpn++) {
      for (const op of [OP_READ, OP_WRITE]) {
        const name = op === OP_READ ? 'read' : 'write';
        const text = `${name} ${sizeText(vpn)}`;
        if (concurrent) this.add(OP_FAULT, t, `${name} fault`, text, vpn, 1, op);
        else this.add(op, t, name, text, vpn, 1);
      }
    }
  }

  private mmap(t: number, place: number, kind: Kind, k: number): void {
    const isAnon = kind === 'anon' || kind === 'shared';
    const isPrivate = kind === 'anon' || kind.endsWith('private');
    const file = fileOfKind(kind);
    const flags = `${isPrivate ? 'MAP_PRIVATE' : 'MAP_SHARED'}${isAnon ? '|MAP_ANONYMOUS' : ''}`;
    const fd = file < 0 ? '-1' : FILE_NAMES[file];
    const n = this.bounds.pages;
    const text = `mmap(${sizeText(place)}, ${sizeText(n)}, PROT_READ|PROT_WRITE, ${flags}|MAP_FIXED, ${fd}, 0)`;
    this.add(OP_MMAP, t, 'mmap', text, place, n, k);
  }

  /** Calls on a mapping: on all of it, and on a part that cuts a large folio. */
  private ranges(t: number, place: number, other: number): void {
    const n = this.bounds.pages;
    const half = Math.max(1, n >> 1);
    if (this.has('munmap')) {
      this.munmap(t, place, n);
      if (n > 1) this.munmap(t, place + half, n - half);
      if (n > 2) this.munmap(t, place, 1);
    }
    if (this.has('mremap')) this.mremap(t, place, n, other, 0);
    if (this.has('dontunmap')) this.mremap(t, place, n, other, 4);
    if (n > 1) {
      // Half of a folio, to where it is not naturally aligned.
      if (this.has('move_part')) this.mremap(t, place, half, other + 1, 0);
      if (this.has('resize')) {
        this.resize(t, place, n, half);
        this.resize(t, place, half, n);
      }
    }
    if (this.has('mprotect')) {
      for (const prot of [1, 3]) this.mprotect(t, place, n, prot);
      if (n > 1) this.mprotect(t, place + half, n - half, 1);
    }
    if (this.has('dontneed')) {
      this.madvise(t, place, n, 4, 'MADV_DONTNEED');
      if (n > 1) this.madvise(t, place + 1, 1, 4, 'MADV_DONTNEED');
    }
    if (this.has('hugepage')) {
      this.madvise(t, place, n, 14, 'MADV_HUGEPAGE');
      this.madvise(t, place, n, 15, 'MADV_NOHUGEPAGE');
    }
    if (this.has('populate')) this.madvise(t, place, n, 23, 'MADV_POPULATE_WRITE');
    if (this.has('uffd') && t === 1) this.userfaultfd(place, n);
  }

  private munmap(t: number, at: number, pages: number): void {
    this.add(OP_MUNMAP, t, 'munmap', `munmap(${sizeText(at)}, ${sizeText(pages)})`, at, pages);
  }

  private mremap(t: number, from: number, n: number, to: number, extra: number): void {
    const flags = `MREMAP_MAYMOVE|MREMAP_FIXED${extra === 0 ? '' : '|MREMAP_DONTUNMAP'}`;
    const text = `mremap(${sizeText(from)}, ${sizeText(n)}, ${sizeText(n)}, ${flags}, ${sizeText(to)})`;
    this.add(OP_MREMAP, t, 'mremap', text, from, n, to, 3 | extra);
  }

  private resize(t: number, at: number, from: number, to: number): void {
    const text = `mremap(${sizeText(at)}, ${sizeText(from)}, ${sizeText(to)}, 0)`;
    this.add(OP_RESIZE, t, to > from ? 'mremap (grow)' : 'mremap (shrink)', text, at, from, to);
  }

  private mprotect(t: number, at: number, pages: number, prot: number): void {
    const text = `mprotect(${sizeText(at)}, ${sizeText(pages)}, ${PROT_TEXT[prot]})`;
    this.add(OP_MPROTECT, t, 'mprotect', text, at, pages, prot);
  }

  private madvise(t: number, at: number, pages: number, advice: number, name: string): void {
    const text = `madvise(${sizeText(at)}, ${sizeText(pages)}, ${name})`;
    this.add(OP_MADVISE, t, `madvise(${name})`, text, at, pages, advice);
  }

  /** Registration for missing pages, and the handler's answers: a page of zeroes, a page of its own. */
  private userfaultfd(place: number, n: number): void {
    const range = (at: number, pages: number): string =>
      `{range={start=${sizeText(at)}, len=${sizeText(pages)}}, mode=`;
    const register = `ioctl(u, UFFDIO_REGISTER, ${range(place, n)}UFFDIO_REGISTER_MODE_MISSING})`;
    this.add(OP_UFFD, 1, 'UFFDIO_REGISTER', register, place, n, UFFDIO_REGISTER);
    const zero = `ioctl(u, UFFDIO_ZEROPAGE, ${range(place + 1, 1)}0})`;
    this.add(OP_UFFD, 1, 'UFFDIO_ZEROPAGE', zero, place + 1, 1, UFFDIO_ZEROPAGE);
    const copy = `ioctl(u, UFFDIO_COPY, {dst=${sizeText(place)}, src=s, len=4K, mode=0})`;
    this.add(OP_UFFD, 1, 'UFFDIO_COPY', copy, place, 1, UFFDIO_COPY);
  }

  /** Steps that are about files and settings: any task does them. */
  private world(n: number): void {
    const files = new Set(this.bounds.kinds.map(fileOfKind));
    for (const file of [FILE_MEMFD, FILE_DISK]) {
      if (!files.has(file)) continue;
      const fd = FILE_NAMES[file]!;
      if (this.has('truncate')) {
        for (const pages of [n >> 1, n]) {
          const text = `ftruncate(${fd}, ${sizeText(pages)})`;
          this.add(OP_TRUNCATE, ANY_TASK, 'ftruncate', text, 0, pages, file);
        }
      }
      if (this.has('punch')) {
        const mode = 'FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE';
        const text = `fallocate(${fd}, ${mode}, 4K, 4K)`;
        this.add(OP_PUNCH, ANY_TASK, 'hole punch', text, 1, 1, file);
      }
    }
    if (this.has('fault_around')) {
      for (const pages of [1, 16]) {
        const text = `echo ${pages * 4096} > /sys/kernel/debug/fault_around_bytes`;
        this.add(OP_FAULT_AROUND, ANY_TASK, 'fault_around_bytes', text, 0, pages);
      }
    }
    if (this.has('folio_sizes')) {
      for (const value of ['always', 'never']) {
        for (const file of ['enabled', 'shmem_enabled']) {
          const text = `echo ${value} > ${sizesPath(n, file)}`;
          const arg = file === 'enabled' ? 0 : 1;
          this.add(OP_SIZES, ANY_TASK, file, text, 0, n, arg, value === 'always' ? 1 : 0);
        }
      }
    }
    for (let cpu = 0; cpu < this.bounds.inFlight; cpu++) {
      this.add(OP_PHASE, ANY_TASK, 'next phase', '', 0, 0, cpu);
    }
  }
}

export function sizesPath(pages: number, file: string): string {
  return `/sys/kernel/mm/transparent_hugepage/hugepages-${pages * 4}kB/${file}`;
}

/** A page number as the 64-bit word that calls take. */
export const pageWord = (page: number): ReturnType<typeof word.fromPage> => word.fromPage(page);
