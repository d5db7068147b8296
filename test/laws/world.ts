/** A booted machine with a few tasks, driven by the model's own functions, for tests of laws. */
import { newRow, type TaskRow, type Vpn, word } from '../../src/base/index.ts';
import { LawBook, type Violation } from '../../src/laws/index.ts';
import { bootMachine } from '../../src/mm/boot.ts';
import { dupMmap } from '../../src/mm/fork.ts';
import { sysMadvise } from '../../src/mm/madvise.ts';
import {
  ACCESS_OK,
  ACCESS_READ,
  ACCESS_WRITE,
  access,
  loadContent,
  storeContent,
} from '../../src/mm/memory.ts';
import { internName, type Machine } from '../../src/mm/mm_types.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/mman.ts';
import { sysMmap } from '../../src/mm/mmap.ts';
import { sysMprotect } from '../../src/mm/mprotect.ts';
import { sysMremap } from '../../src/mm/mremap.ts';
import { exitMmap, sysMunmap } from '../../src/mm/munmap.ts';
import { pteSlot } from '../../src/mm/pgalloc.ts';
import { PTE_A, PTE_D, PTE_P, PTE_W } from '../../src/mm/pgtable.ts';
import { findKernel } from '../../src/mm/release.ts';

export class World {
  readonly m: Machine;
  readonly book: LawBook;
  /** Violations of single accesses and of values, as they came. */
  readonly seen: Violation[] = [];
  readonly parent: TaskRow;

  constructor(kernel = '6.18', pages = 16384) {
    const release = findKernel(kernel);
    if (release === undefined) throw new Error(`no kernel ${kernel}`);
    this.m = bootMachine({ release, pages, contents: true });
    this.parent = this.task('parent', newRow(this.m.mm));
    this.m.mm.mmapBase[this.mm(this.parent)] = 0x7ffff7fff;
    this.book = new LawBook(this.m);
  }

  private task(name: string, mm: number): TaskRow {
    const { m } = this;
    const task = newRow(m.task);
    const sig = newRow(m.sig);
    m.mm.users[mm]!++;
    m.task.mm[task] = mm;
    m.task.sig[task] = sig;
    m.task.alive[task] = 1;
    m.task.pid[task] = 100 + task;
    m.task.name[task] = internName(m, name);
    for (const [column, values] of Object.entries(m.sig)) {
      if (values instanceof Float64Array && /(Cur|Max)$/.test(column)) values[sig] = Infinity;
    }
    return task;
  }

  mm(task: TaskRow): number {
    return this.m.task.mm[task]!;
  }

  fork(task: TaskRow, name: string): TaskRow {
    const mm = newRow(this.m.mm);
    if (dupMmap(this.m, task, mm, this.mm(task)) !== 0) throw new Error('fork failed');
    const child = this.task(name, mm);
    this.book.called({ kind: 'forked', parent: this.mm(task), child: mm });
    return child;
  }

  exit(task: TaskRow): void {
    exitMmap(this.m, this.mm(task));
    this.m.task.alive[task] = 0;
    this.m.mm.users[this.mm(task)]!--;
    this.book.called();
  }

  /** Maps `pages` at `at`, fixed. */
  map(
    task: TaskRow,
    at: Vpn,
    pages: number,
    shared: boolean,
    prot = PROT_READ | PROT_WRITE,
  ): number {
    const flags = MAP_FIXED | MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
    const result = sysMmap(this.m, task, {
      addr: word.fromPage(at),
      len: word.fromPage(pages),
      prot: word.fromNumber(prot),
      flags: word.fromNumber(flags),
      file: 0,
      offset: word.ZERO,
    });
    this.book.called({ kind: 'dropped', mm: this.mm(task), start: at, pages });
    return result;
  }

  unmap(task: TaskRow, at: Vpn, pages: number): number {
    const result = sysMunmap(this.m, task, word.fromPage(at), word.fromPage(pages));
    this.book.called({ kind: 'dropped', mm: this.mm(task), start: at, pages });
    return result;
  }

  mremap(task: TaskRow, from: Vpn, to: Vpn, pages: number): number {
    const result = sysMremap(this.m, task, {
      addr: word.fromPage(from),
      oldLen: word.fromPage(pages),
      newLen: word.fromPage(pages),
      flags: word.fromNumber(3),
      newAddr: word.fromPage(to),
    });
    if (result >= 0) this.book.called({ kind: 'moved', mm: this.mm(task), from, to, pages });
    else this.book.called();
    return result;
  }

  protect(task: TaskRow, at: Vpn, pages: number, prot: number): number {
    const [addr, len] = [word.fromPage(at), word.fromPage(pages)];
    const result = sysMprotect(this.m, task, addr, len, word.fromNumber(prot), -1);
    this.book.called({ kind: 'none' });
    return result;
  }

  advise(task: TaskRow, at: Vpn, pages: number, advice: number): number {
    const result = sysMadvise(this.m, task, word.fromPage(at), word.fromPage(pages), advice);
    this.book.called();
    return result;
  }

  private touch(task: TaskRow, vpn: Vpn, kind: number): number {
    this.book.before(task, vpn, kind);
    const result = access(this.m, task, vpn, kind);
    this.seen.push(...this.book.after(task, vpn, kind, result));
    return result;
  }

  store(task: TaskRow, vpn: Vpn, value: number): number {
    const result = this.touch(task, vpn, ACCESS_WRITE);
    if (result !== ACCESS_OK) return result;
    storeContent(this.m, task, vpn, value);
    this.book.stored(task, vpn, value);
    return result;
  }

  load(task: TaskRow, vpn: Vpn): number {
    const result = this.touch(task, vpn, ACCESS_READ);
    if (result !== ACCESS_OK) return result;
    this.seen.push(...this.book.loaded(task, vpn, loadContent(this.m, task, vpn)));
    return result;
  }

  /** Slot of the PTE of a page, to read it or to corrupt it. */
  slot(task: TaskRow, vpn: Vpn): number {
    return pteSlot(this.m, this.mm(task), vpn);
  }

  /** Names of the laws that the state breaks now, sorted. */
  broken(): string[] {
    return [...new Set(this.book.check().map((v) => v.law))].sort();
  }

  /** Names of the laws that accesses broke so far. */
  brokenByAccess(): string[] {
    return [...new Set(this.seen.map((v) => v.law))].sort();
  }
}

/** Private memory, and shared memory, of `written()`. */
export const A = 0x1000;
export const S = 0x4000;
export const RW = PTE_P | PTE_W | PTE_A | PTE_D;

/** One process that wrote eight pages at A, in folios of 16K, and `shared` pages at S, of 64K. */
export function written(shared: number): World {
  const w = new World();
  w.m.settings.shmemAlways = 1 << 4;
  w.m.settings.anonAlways = 1 << 2;
  w.map(w.parent, A, 64, false);
  w.map(w.parent, S, 64, true);
  for (let i = 0; i < 8; i++) w.store(w.parent, A + i, 100 + i);
  for (let i = 0; i < shared; i++) w.store(w.parent, S + i, 200 + i);
  return w;
}
