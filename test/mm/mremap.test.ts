import { describe, expect, it } from 'vitest';
import { bounds, call, FILES, layout, makeWorld, type World } from './world.ts';

const P = 4096;
const M2 = 512 * P;
const A = 0x40000000;
const B = 0x80000000;
const MAYMOVE = 1;
const FIXED = 3;
const DONTUNMAP = 5;

function map(w: World, at: number, pages: number, flags = 0x32, file: number = FILES.none): void {
  expect(call(w, 'mmap', at, pages * P, 3, flags, file, 0)).toBe(at);
}
function tables(w: World): number {
  return w.m.mm.tables[w.mm] ?? 0;
}
function contentAt(w: World, at: number): number {
  expect(call(w, 'read', at)).toBe(0);
  return w.m.task.minflt[w.task] ?? 0;
}

describe('mremap', () => {
  it('grows in place, and into what follows if that is like it', () => {
    const w = makeWorld();
    map(w, A, 2);
    map(w, A + 4 * P, 2);
    expect(call(w, 'mremap', A, 2 * P, 4 * P, 0, 0)).toBe(A);
    expect(bounds(w)).toBe('40000-40006');
    expect(call(w, 'mremap', A, 6 * P, 7 * P, 0, 0)).toBe(A);
    expect(call(w, 'mremap', A, 2 * P, 3 * P, 0, 0)).toBe(-12);
  });

  it('moves pages without faults', () => {
    const w = makeWorld();
    map(w, A, 4);
    for (let i = 0; i < 4; i++) call(w, 'write', A + i * P, 1);
    expect(call(w, 'mremap', A, 4 * P, 4 * P, FIXED, B + P)).toBe(B + P);
    const faults = w.m.task.minflt[w.task] ?? 0;
    for (let i = 1; i < 5; i++) expect(contentAt(w, B + i * P)).toBe(faults);
    expect(call(w, 'read', A)).toBe(2101);
    expect(w.m.mm.rssAnon[w.mm]).toBe(4);
  });

  it('moves whole page tables where both places are congruent', () => {
    const w = makeWorld();
    map(w, A, 1024);
    call(w, 'write', A, 1);
    call(w, 'write', A + M2, 1);
    const before = tables(w);
    // The new PMD table belongs to another GiB; the old one goes with the mapping.
    expect(call(w, 'mremap', A, 2 * M2, 2 * M2, FIXED, B)).toBe(B);
    expect(tables(w)).toBe(before);
    expect(call(w, 'mremap', B, 2 * M2, 2 * M2, FIXED, A + P)).toBe(A + P);
    expect(tables(w)).toBe(before + 1);
  });

  it('shrinks a moved mapping before it moves, and leaves the commit charge of 6.18 behind', () => {
    for (const [kernel, left] of [
      ['6.18', 3],
      ['6.11', 0],
    ] as const) {
      const w = makeWorld(kernel);
      map(w, A, 4);
      expect(call(w, 'mremap', A, 4 * P, P, FIXED, B)).toBe(B);
      expect(bounds(w)).toBe('80000-80001');
      call(w, 'munmap', B, P);
      expect(w.m.committed).toBe(left);
    }
  });

  it('with DONTUNMAP leaves the source empty and unlocked', () => {
    const w = makeWorld();
    map(w, A, 2, 0x2032);
    expect(w.m.mm.rssAnon[w.mm]).toBe(2);
    const at = call(w, 'mremap', A, 2 * P, 2 * P, DONTUNMAP, B);
    expect(at).toBe(B);
    expect(layout(w)).toEqual([
      '40000-40002 rd wr mr mw me ac',
      '80000-80002 rd wr mr mw me lo ac',
    ]);
    expect(w.m.mm.rssAnon[w.mm]).toBe(2);
    expect(w.m.mm.lockedVm[w.mm]).toBe(4);
  });

  it('of old length 0 maps shared memory a second time', () => {
    const w = makeWorld();
    map(w, A, 2, 0x31);
    call(w, 'write', A, 7);
    const at = call(w, 'mremap', A, 0, 2 * P, MAYMOVE, 0);
    expect(at).toBeGreaterThan(0);
    expect(call(w, 'read', at)).toBe(0);
    expect(w.m.mm.rssShmem[w.mm]).toBe(2);
  });

  it('moves several mappings in one call since 6.17, with the gaps between them', () => {
    const w = makeWorld();
    map(w, A, 2);
    map(w, A + 4 * P, 2);
    map(w, B + 2 * P, 1);
    expect(call(w, 'mremap', A, 6 * P, 6 * P, FIXED, B)).toBe(B);
    expect(bounds(w)).toBe('80000-80003 80004-80006');
  });

  it('before 6.17 refused that, after it had unmapped the destination', () => {
    const w = makeWorld('6.11');
    map(w, A, 2);
    map(w, A + 4 * P, 2);
    map(w, B + 2 * P, 1);
    expect(call(w, 'mremap', A, 6 * P, 6 * P, FIXED, B)).toBe(-14);
    expect(bounds(w)).toBe('40000-40002 40004-40006');
  });

  it('keeps commit charges in order', () => {
    const w = makeWorld();
    map(w, A, 8);
    call(w, 'mremap', A + 2 * P, 2 * P, 4 * P, MAYMOVE, 0);
    expect(w.m.committed).toBe(10);
    expect(layout(w).every((line) => line.endsWith(' ac'))).toBe(true);
    call(w, 'mremap', A + 4 * P, 2 * P, P, FIXED, B);
    call(w, 'munmap', 0, '7ffffffff000');
    expect(bounds(w)).toBe('');
    expect(w.m.mm.totalVm[w.mm]).toBe(0);
    expect(tables(w)).toBe(0);
  });
});
