/** The thread's sequence on every kernel, judged by the laws. */
import { describe, expect, test } from 'vitest';
import { MADV_DONTNEED } from '../../src/mm/mman.ts';
import { World } from './world.ts';

const A = 0x10;
const B = 0x1011;

/** 16K shared anonymous memory, moved by the child to an address that is not 16K-aligned. */
function thread(kernel: string): { world: World; child: number } {
  const world = new World(kernel);
  world.m.settings.shmemAlways = 1 << 2;
  world.map(world.parent, A, 4, true);
  const child = world.fork(world.parent, 'child');
  world.mremap(child, A, B, 4);
  for (let i = 0; i < 4; i++) world.store(world.parent, A + i, 10 + i);
  return { world, child };
}

describe('fork, mremap, write', () => {
  test.each(['6.1', '6.10', '6.11', '6.12', '6.18'])('%s keeps every law', (kernel) => {
    const { world, child } = thread(kernel);
    expect(world.store(child, B, 99)).toBe(0);
    for (let i = 0; i < 4; i++) world.load(child, B + i);
    for (let i = 0; i < 4; i++) world.load(world.parent, A + i);
    expect(world.broken()).toEqual([]);
    expect(world.seen).toEqual([]);
    world.unmap(child, B, 4);
    world.exit(child);
    world.exit(world.parent);
    expect(world.book.check()).toEqual([]);
  });

  test.each(['shmem-mthp-v1', 'shmem-mthp-v1-guarded'])('%s breaks translation', (kernel) => {
    const { world, child } = thread(kernel);
    world.store(child, B, 99);
    const wrong = world.book.check(['translation']);
    expect(wrong[0]!.message).toBe(
      'law translation: child 0x1011000: found page 1 of folio (shmem inode 1, pages 0-3), due page 0',
    );
    expect(world.broken()).toEqual(['refcount', 'translation']);
    for (let i = 0; i < 4; i++) world.load(child, B + i);
    expect(world.brokenByAccess()).toEqual(['isolation']);
  });

  test.each(['shmem-mthp-v1', 'shmem-mthp-v1-guarded'])('%s frees what is mapped', (kernel) => {
    const { world, child } = thread(kernel);
    world.store(child, B, 99);
    for (let round = 0; round < 2; round++) {
      world.advise(world.parent, A, 4, MADV_DONTNEED);
      world.store(world.parent, A, 1);
    }
    expect(world.broken()).toContain('lifetime');
  });
});

/** The range is populated but for one page: v1 and 6.11 fault there for ever, 6.18 maps one page. */
describe('a write beside mapped pages of the same folio', () => {
  test.each([
    ['6.10', []],
    ['shmem-mthp-v1', ['progress']],
    ['shmem-mthp-v1-guarded', ['progress']],
    ['6.11', ['progress']],
    ['6.18', []],
  ])('%s', (kernel, broken) => {
    const world = new World(kernel);
    world.m.settings.shmemAlways = 1 << 2;
    world.map(world.parent, A, 4, true);
    world.store(world.parent, A, 1);
    world.advise(world.parent, A + 2, 1, MADV_DONTNEED);
    world.store(world.parent, A + 2, 3);
    expect(world.brokenByAccess()).toEqual(broken);
  });
});
