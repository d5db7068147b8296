import { describe, expect, it } from 'vitest';
import { call, FILES, makeWorld, type World } from './world.ts';

const P = 4096;
const MB = 1 << 20;
const ANON = 0x22;
const SHARED_ANON = 0x21;
const BASE = 0x7ffff7fff000;

function anon(w: World, pages: number, hint = 0, flags = ANON): number {
  return call(w, 'mmap', hint, pages * P, 3, flags, FILES.none, 0);
}

describe('mmap without an address', () => {
  it('takes the highest hole, and a freed one again', () => {
    const w = makeWorld();
    const a = anon(w, 4);
    expect(a).toBe(BASE - 4 * P);
    const b = anon(w, 2);
    expect(b).toBe(a - 2 * P);
    expect(anon(w, 1)).toBe(b - P);
    call(w, 'munmap', b, 2 * P);
    expect(anon(w, 2)).toBe(b);
  });

  it('keeps the guard gap below a stack, and passes over smaller holes inside it', () => {
    const w = makeWorld();
    const stack = BASE - 16 * P;
    expect(anon(w, 4, stack, 0x132)).toBe(stack);
    expect(anon(w, 2, stack - 20 * P, 0x32)).toBe(stack - 20 * P);
    // Above the stack there is room for 12 pages; the gap of 256 pages below it stays free.
    expect(anon(w, 12)).toBe(BASE - 12 * P);
    expect(anon(w, 2)).toBe(stack - 256 * P - 2 * P);
  });

  it('aligns private memory of a multiple of 2 MiB, without a hint only', () => {
    const w = makeWorld();
    expect(anon(w, 1)).toBe(BASE - P);
    const huge = anon(w, 1024);
    expect(huge % (2 * MB)).toBe(0);
    expect(anon(w, 512)).toBe(huge - 2 * MB);
    expect(anon(w, 513) % (2 * MB)).not.toBe(0);
    const hint = 0x7f0000001000;
    expect(anon(w, 512, hint)).toBe(hint);
  });

  it('aligned any length from 2 MiB before 6.12', () => {
    const w = makeWorld('6.10');
    expect(anon(w, 1)).toBe(BASE - P);
    expect(anon(w, 513) % (2 * MB)).toBe(0);
  });

  it('aligns shared memory to the largest size that is enabled', () => {
    const w = makeWorld();
    expect(anon(w, 1)).toBe(BASE - P);
    expect(anon(w, 16, 0, SHARED_ANON)).toBe(BASE - 17 * P);
    w.m.settings.shmemAdvise = (1 << 4) | (1 << 2);
    const a = anon(w, 16, 0, SHARED_ANON);
    expect(a % (64 << 10)).toBe(0);
    // Eight pages are less than 64 KiB: they need no alignment and fill the hole that it left.
    expect(anon(w, 8, 0, SHARED_ANON)).toBe(BASE - 25 * P);
  });

  it('is congruent to the offset for a disk file that holds an aligned 2 MiB', () => {
    const w = makeWorld();
    expect(anon(w, 1)).toBe(BASE - P);
    const a = call(w, 'mmap', 0, 3 * MB, 1, 2, FILES.disk, MB);
    expect(a % (2 * MB)).toBe(MB);
    expect(call(w, 'mmap', 0, 3 * MB, 1, 2, FILES.tmpfs, MB)).toBe(a - 3 * MB);
  });

  it('searches from 1 GiB for MAP_32BIT', () => {
    const w = makeWorld();
    expect(anon(w, 4, 0, ANON | 0x40)).toBe(0x40000000);
    expect(anon(w, 4, 0, ANON | 0x40)).toBe(0x40004000);
  });
});

describe('a hint', () => {
  it('is rounded down, raised to mmap_min_addr, and ignored where something is', () => {
    const w = makeWorld();
    expect(anon(w, 2, 0x100000fff)).toBe(0x100000000);
    expect(anon(w, 1, 0x1000)).toBe(0x10000);
    expect(anon(w, 1, 1)).toBe(BASE - P);
    expect(anon(w, 2, 0x100001000)).toBe(BASE - 3 * P);
  });

  it('is ignored inside the guard gap of a stack', () => {
    const w = makeWorld();
    anon(w, 4, 0x100000000, 0x132);
    expect(anon(w, 1, 0x100000000 - 256 * P)).not.toBe(0x100000000 - 256 * P);
    expect(anon(w, 1, 0x100000000 - 257 * P)).toBe(0x100000000 - 257 * P);
  });
});

describe('brk', () => {
  it('moves, returns the old break when it cannot, and shrinks', () => {
    const w = makeWorld();
    const start = 0x10000000;
    expect(call(w, 'brk', 0)).toBe(start);
    expect(call(w, 'brk', start + 0x2800)).toBe(start + 0x2800);
    anon(w, 1, start + 0x10000, 0x32);
    expect(call(w, 'brk', start + 0x10000)).toBe(start + 0x2800);
    expect(call(w, 'brk', start + 0xf000)).toBe(start + 0xf000);
    expect(call(w, 'brk', start + 1)).toBe(start + 1);
    expect(call(w, 'brk', start - 1)).toBe(start + 1);
  });
});
