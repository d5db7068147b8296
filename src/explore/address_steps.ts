/** Steps that change an address space, and what they mean for contents. */
import { type U64, word } from '../base/index.ts';
import { sysMadvise } from '../mm/madvise.ts';
import type { Machine } from '../mm/mm_types.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } from '../mm/mman.ts';
import { sysMmap } from '../mm/mmap.ts';
import { sysMprotect } from '../mm/mprotect.ts';
import { sysMremap } from '../mm/mremap.ts';
import { sysMunmap } from '../mm/munmap.ts';
import { mfillAtomic, UFFD_COPY } from '../mm/userfaultfd.ts';
import { findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import { type Action, fileOfKind, UFFDIO_COPY, UFFDIO_REGISTER } from './alphabet.ts';
import type { Ghost } from './ghost.ts';
import type { World } from './world.ts';

const RW = word.fromNumber(3);

/** A word of a small number, made once. */
const WORDS: U64[] = [];
for (let i = 0; i < 512; i++) WORDS.push(word.fromPage(i));

function pages(n: number): U64 {
  return WORDS[n] ?? word.fromPage(n);
}

export class AddressSteps {
  private readonly world: World;
  private readonly m: Machine;
  private readonly ghost: Ghost;
  private readonly mmapFlags: U64[];

  constructor(world: World, ghost: Ghost) {
    this.world = world;
    this.m = world.m;
    this.ghost = ghost;
    this.mmapFlags = world.bounds.kinds.map((kind) => {
      const isPrivate = kind === 'anon' || kind.endsWith('private');
      const anon = fileOfKind(kind) < 0 ? MAP_ANONYMOUS : 0;
      return word.fromNumber((isPrivate ? MAP_PRIVATE : MAP_SHARED) | anon | MAP_FIXED);
    });
  }

  munmap(a: Action, mm: number): boolean {
    const { m } = this;
    if (findVmaIntersection(m, mm, a.at, a.at + a.pages) === 0) return false;
    sysMunmap(m, a.task, pages(a.at), pages(a.pages));
    this.ghost.forget(mm, a.at, a.pages);
    return true;
  }

  mprotect(a: Action, mm: number): boolean {
    const { m } = this;
    if (findVmaIntersection(m, mm, a.at, a.at + a.pages) === 0) return false;
    sysMprotect(m, a.task, pages(a.at), pages(a.pages), word.fromNumber(a.arg), -1);
    return true;
  }

  mmap(a: Action, mm: number): boolean {
    const { m } = this;
    if (findVmaIntersection(m, mm, a.at, a.at + a.pages) !== 0) return false;
    const kind = this.world.bounds.kinds[a.arg]!;
    const which = fileOfKind(kind);
    const got = sysMmap(m, a.task, {
      addr: pages(a.at),
      len: pages(a.pages),
      prot: RW,
      flags: this.mmapFlags[a.arg]!,
      file: which < 0 ? 0 : this.world.files[which]!,
      offset: word.ZERO,
    });
    if (got < 0) return false;
    this.ghost.forget(mm, a.at, a.pages);
    if (kind === 'shared') {
      const inode = m.file.inode[m.vma.file[vmaLookup(m, mm, a.at)]!]!;
      this.ghost.forgetFile(inode, 0);
    }
    return true;
  }

  /** A move of a range; `arg` is where to. */
  mremap(a: Action, mm: number): boolean {
    const { m } = this;
    if (!this.isWhole(mm, a.at, a.pages)) return false;
    const got = sysMremap(m, a.task, {
      addr: pages(a.at),
      oldLen: pages(a.pages),
      newLen: pages(a.pages),
      flags: word.fromNumber(a.flags),
      newAddr: pages(a.arg),
    });
    if (got >= 0) {
      this.ghost.move(mm, a.at, a.arg, a.pages);
      return true;
    }
    // Even a refused move may have unmapped its destination.
    for (let i = 0; i < a.pages; i++) {
      if (vmaLookup(m, mm, a.arg + i) === 0) this.ghost.forget(mm, a.arg + i, 1);
    }
    return true;
  }

  /** mremap() in place from `pages` to `arg` pages: what grows is new, what shrinks is gone. */
  resize(a: Action, mm: number): boolean {
    const { m } = this;
    const v = vmaLookup(m, mm, a.at);
    if (v === 0 || m.vma.end[v]! < a.at + a.pages) return false;
    const grows = a.arg > a.pages;
    // Only what ends there can grow.
    if (grows && m.vma.end[v]! !== a.at + a.pages) return false;
    const got = sysMremap(m, a.task, {
      addr: pages(a.at),
      oldLen: pages(a.pages),
      newLen: pages(a.arg),
      flags: word.ZERO,
      newAddr: word.ZERO,
    });
    if (got < 0) return false;
    const first = Math.min(a.pages, a.arg);
    this.ghost.forget(mm, a.at + first, Math.max(a.pages, a.arg) - first);
    return true;
  }

  /** The range has no hole, and is one mapping where the release moves no more than one. */
  private isWhole(mm: number, at: number, n: number): boolean {
    const { m } = this;
    let v = vmaLookup(m, mm, at);
    if (v === 0) return false;
    while (m.vma.end[v]! < at + n) {
      const next = m.vma.next[v]!;
      if (!m.release.mremapMany || next === 0 || m.vma.start[next] !== m.vma.end[v]) return false;
      v = next;
    }
    return true;
  }

  madvise(a: Action, mm: number): boolean {
    const { m } = this;
    if (findVmaIntersection(m, mm, a.at, a.at + a.pages) === 0) return false;
    sysMadvise(m, a.task, pages(a.at), pages(a.pages), a.arg);
    if (a.arg === 4) this.ghost.forget(mm, a.at, a.pages);
    return true;
  }

  /** An ioctl of the userfaultfd on a range: registration, a page of zeroes, a page with contents. */
  userfaultfd(a: Action, mm: number): boolean {
    const { m, world } = this;
    const v = vmaLookup(m, mm, a.at);
    if (v === 0) return false;
    // Registering again changes nothing; a page for a range that is not registered is refused.
    const isRegistered = m.vma.uffd[v] !== 0;
    if (isRegistered === (a.arg === UFFDIO_REGISTER)) return false;
    if (a.arg === UFFDIO_COPY) {
      const content = (): number => world.sm.steps + 1;
      const done = mfillAtomic(m, mm, a.at, a.pages, UFFD_COPY, false, content);
      if (done < 0) return false;
      this.ghost.put(mm, v, a.at);
      return true;
    }
    const range = { start: pages(a.at), len: pages(a.pages) };
    const mode = word.fromNumber(a.arg === UFFDIO_REGISTER ? 1 : 0);
    const args = [world.uffd, word.fromNumber(a.arg), { range, mode }];
    world.sm.kernel.syscall(a.task, 'ioctl', args);
    return true;
  }
}
