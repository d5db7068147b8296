import { describe, expect, it } from 'vitest';
import { bounds, call, FILES, layout, makeWorld, type World } from './world.ts';

const P = 4096;
const RW = 3;
const ANON_FIXED = 0x32;
const SHARED_ANON_FIXED = 0x31;
const NORESERVE = 0x4000;
const MAYMOVE_FIXED = 3;

/** Private anonymous memory at [first, first + pages) pages above 1 MiB. */
function map(w: World, first: number, pages: number, flags = ANON_FIXED, prot = RW): void {
  const at = 0x100000 + first * P;
  expect(call(w, 'mmap', at, pages * P, prot, flags, FILES.none, 0)).toBe(at);
}
function write(w: World, page: number): void {
  expect(call(w, 'write', 0x100000 + page * P, 1)).toBe(0);
}

describe('a new mapping', () => {
  it('joins both neighbours', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 4, 2);
    map(w, 2, 2);
    expect(bounds(w)).toBe('100-106');
  });

  it('joins a faulted neighbour, and only the left one of two that were faulted apart', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 4, 2);
    write(w, 0);
    write(w, 4);
    map(w, 2, 2);
    expect(bounds(w)).toBe('100-104 104-106');
  });

  it('does not join where commit accounting differs', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 2, 2, ANON_FIXED | NORESERVE);
    expect(bounds(w)).toBe('100-102 102-104');
  });

  it('never joins another shared anonymous mapping', () => {
    const w = makeWorld();
    map(w, 0, 2, SHARED_ANON_FIXED);
    map(w, 2, 2, SHARED_ANON_FIXED);
    expect(bounds(w)).toBe('100-102 102-104');
  });

  it('joins a file mapping only where the file goes on', () => {
    const w = makeWorld();
    const file = FILES.memfd1M;
    call(w, 'mmap', 0x100000, 2 * P, RW, 0x11, file, 0);
    call(w, 'mmap', 0x102000, 2 * P, RW, 0x11, file, 2 * P);
    call(w, 'mmap', 0x104000, 2 * P, RW, 0x11, file, 9 * P);
    expect(bounds(w)).toBe('100-104 104-106');
  });

  it('in a fork child joins what was never faulted, not what was', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 8, 2);
    write(w, 0);
    call(w, 'fork');
    map(w, 2, 2);
    map(w, 10, 2);
    expect(bounds(w)).toBe('100-102 102-104 108-10c');
  });
});

describe('a changed mapping', () => {
  it('is split off and joins again when the change is undone', () => {
    const w = makeWorld();
    map(w, 0, 6);
    write(w, 3);
    for (const [change, undo] of [
      [
        ['mprotect', 0x102000, P, 1],
        ['mprotect', 0x102000, P, RW],
      ],
      [
        ['madvise', 0x102000, P, 10],
        ['madvise', 0x102000, P, 11],
      ],
      [
        ['mlock', 0x102000, P],
        ['munlock', 0x102000, P],
      ],
    ] as const) {
      expect(call(w, ...change)).toBe(0);
      expect(bounds(w)).toBe('100-102 102-103 103-106');
      expect(call(w, ...undo)).toBe(0);
      expect(bounds(w)).toBe('100-106');
    }
  });

  it('gives its part to the neighbour that has the property already', () => {
    const w = makeWorld();
    map(w, 0, 8);
    call(w, 'mprotect', 0x104000, 4 * P, 1);
    call(w, 'mprotect', 0x102000, 2 * P, 1);
    expect(bounds(w)).toBe('100-102 102-108');
    call(w, 'mprotect', 0x102000, 3 * P, RW);
    expect(bounds(w)).toBe('100-105 105-108');
  });

  it('keeps the mark of guard regions through merges', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 2, 2, ANON_FIXED, 1);
    expect(call(w, 'madvise', 0x100000, P, 102)).toBe(0);
    expect(call(w, 'mprotect', 0x102000, 2 * P, RW)).toBe(0);
    expect(layout(w)).toEqual(['100-104 rd wr mr mw me gu ac']);
  });
});

describe('a moved mapping', () => {
  it('merges at its new place if it was never faulted', () => {
    const w = makeWorld();
    map(w, 0, 2);
    map(w, 8, 2);
    expect(call(w, 'mremap', 0x108000, 2 * P, 2 * P, MAYMOVE_FIXED, 0x102000)).toBe(0x102000);
    expect(bounds(w)).toBe('100-104');
  });

  it('does not if it was, and merges again when it is moved back', () => {
    const w = makeWorld();
    map(w, 0, 4);
    write(w, 0);
    write(w, 3);
    call(w, 'mremap', 0x102000, 2 * P, 2 * P, MAYMOVE_FIXED, 0x110000);
    call(w, 'mremap', 0x110000, 2 * P, 2 * P, MAYMOVE_FIXED, 0x120000);
    expect(bounds(w)).toBe('100-102 120-122');
    call(w, 'mremap', 0x120000, 2 * P, 2 * P, MAYMOVE_FIXED, 0x102000);
    expect(bounds(w)).toBe('100-104');
  });
});

describe('max_map_count', () => {
  it('lets a process reach one mapping more than the limit, and not split then', () => {
    const w = makeWorld();
    w.m.settings.maxMapCount = 4;
    for (let i = 0; i < 5; i++) map(w, i * 4, 3, ANON_FIXED, i % 2 === 0 ? RW : 1);
    expect(call(w, 'mmap', 0x140000, P, RW, ANON_FIXED, 0, 0)).toBe(-12);
    expect(call(w, 'munmap', 0x101000, P)).toBe(-12);
    expect(call(w, 'mprotect', 0x101000, P, 1)).toBe(-12);
    expect(call(w, 'madvise', 0x101000, P, 10)).toBe(-11);
    expect(call(w, 'munmap', 0x100000, P)).toBe(0);
  });
});
