/** Each line was seen on 6.18.44: a call in a fixed world, and its errno. */
import { describe, expect, it } from 'vitest';
import { type ErrnoName, errnoName } from '../../src/base/index.ts';
import { call, FILES as F, makeWorld, type Word, type World } from './world.ts';

const P = 4096;
const A = 0x100000000;
const HOLE = 0x200000000;
const LOCKED = 0x300000000;
const SEALED = 0x400000000;
const SHM = 0x500000000;
const READ_ONLY = 0x600000000;
const STACK = 0x700000000;
const MAX = 'fffffffffffff000';

/** [0, 4) at A, a hole of two pages, [6, 8); a locked, a sealed, a shared, a read-only mapping. */
function world(): World {
  const w = makeWorld();
  call(w, 'mmap', A, 4 * P, 3, 0x32, F.none, 0);
  call(w, 'mmap', A + 6 * P, 2 * P, 3, 0x32, F.none, 0);
  call(w, 'mmap', LOCKED, 2 * P, 3, 0x2032, F.none, 0);
  call(w, 'mmap', SEALED, 2 * P, 1, 0x32, F.none, 0);
  call(w, 'mseal', SEALED, 2 * P, 0);
  call(w, 'mmap', SHM, 4 * P, 3, 0x11, F.memfd1M, 0);
  call(w, 'mmap', READ_ONLY, 2 * P, 1, 0x11, F.memfdReadOnly, 0);
  call(w, 'mmap', STACK, 2 * P, 3, 0x132, F.none, 0);
  return w;
}

type Case = readonly [ErrnoName | 'ok', string, ...Word[]];

const CASES: readonly Case[] = [
  ['EINVAL', 'mmap', 0, 0, 3, 0x22, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x22, F.none, 1],
  ['EBADF', 'mmap', 0, P, 3, 2, F.closed, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x40002, F.memfd1M, 0],
  ['ENOMEM', 'mmap', 0, 'fffffffffffff001', 3, 0x22, F.none, 0],
  ['ENOMEM', 'mmap', 0, '800000000000', 3, 0x22, F.none, 0],
  ['EINVAL', 'mmap', A + 1, P, 3, 0x32, F.none, 0],
  ['ENOMEM', 'mmap', '7ffffffff000', P, 3, 0x32, F.none, 0],
  ['EPERM', 'mmap', 'ffffffffffffffff', P, 3, 0x32, F.none, 0],
  ['EEXIST', 'mmap', A, P, 3, 0x100022, F.none, 0],
  ['ok', 'mmap', A + 4 * P, P, 3, 0x100022, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x20, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x23, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x121, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x2028, F.none, 0],
  ['EOVERFLOW', 'mmap', 0, P, 3, 2, F.memfd1M, '7ffffffffffff000'],
  ['ok', 'mmap', 0, P, 3, 2, F.devZero, '7ffffffffffff000'],
  ['EOPNOTSUPP', 'mmap', 0, P, 3, 0x80003, F.memfd1M, 0],
  ['EOPNOTSUPP', 'mmap', 0, P, 3, 0x100003, F.memfd1M, 0],
  ['EOPNOTSUPP', 'mmap', 0, P, 3, 0x80001, F.disk, 0],
  ['EACCES', 'mmap', 0, P, 3, 1, F.memfdReadOnly, 0],
  ['EACCES', 'mmap', 0, P, 1, 2, F.memfdWriteOnly, 0],
  ['ENODEV', 'mmap', 0, P, 1, 2, F.directory, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x102, F.memfd1M, 0],
  ['EPERM', 'mmap', 0, P, 3, 1, F.memfdSealed, 0],
  ['ENOMEM', 'mmap', 0, P, 3, 0x40022, F.none, 0],
  ['EINVAL', 'mmap', 0, P, 3, 0x40040022, F.none, 0],
  ['EPERM', 'mmap', SEALED, P, 3, 0x32, F.none, 0],
  ['ENOMEM', 'mmap', 0, '1000000000000', 3, 0x21, F.none, 0],
  ['ENOMEM', 'mmap', 0, '600000000000', 3, 0x22, F.none, 0],
  ['ok', 'mmap', 0, '600000000000', 3, 0x4022, F.none, 0],

  ['EINVAL', 'munmap', A + 1, P],
  ['EINVAL', 'munmap', A, 0],
  ['EINVAL', 'munmap', A, MAX],
  ['EINVAL', 'munmap', MAX, P],
  ['ok', 'munmap', HOLE, P],
  ['EPERM', 'munmap', SEALED, P],

  ['EINVAL', 'mprotect', A + 1, P, 1],
  ['ok', 'mprotect', HOLE, 0, 1],
  ['ENOMEM', 'mprotect', A, MAX, 1],
  ['EINVAL', 'mprotect', A, P, 16],
  ['EINVAL', 'mprotect', A, P, 0x3000001],
  ['EINVAL', 'mprotect', A, P, 0x1000001],
  ['ok', 'mprotect', STACK + P, P, 0x1000001],
  ['ENOMEM', 'mprotect', HOLE, P, 1],
  ['ENOMEM', 'mprotect', A, 8 * P, 1],
  ['EACCES', 'mprotect', READ_ONLY, P, 3],
  ['EPERM', 'mprotect', SEALED, P, 3],
  ['EINVAL', 'pkey_mprotect', A, P, 1, 0],
  ['ok', 'pkey_mprotect', A, P, 1, -1],

  ['EINVAL', 'madvise', A, 0, 99],
  ['EINVAL', 'madvise', A + 1, 0, 4],
  ['EINVAL', 'madvise', A, 'ffffffffffffffff', 4],
  ['ok', 'madvise', HOLE, 0, 4],
  ['ENOMEM', 'madvise', HOLE, P, 4],
  ['ENOMEM', 'madvise', A, 8 * P, 4],
  ['EINVAL', 'madvise', LOCKED, P, 4],
  ['ok', 'madvise', LOCKED, P, 24],
  ['EINVAL', 'madvise', LOCKED, P, 8],
  ['EINVAL', 'madvise', SHM, P, 8],
  ['EINVAL', 'madvise', LOCKED, P, 20],
  ['EINVAL', 'madvise', A, P, 9],
  ['EACCES', 'madvise', READ_ONLY, P, 9],
  ['ok', 'madvise', SHM, P, 9],
  ['EINVAL', 'madvise', SHM, P, 18],
  ['EINVAL', 'madvise', READ_ONLY, P, 23],
  ['ok', 'madvise', READ_ONLY, P, 22],
  ['ENOMEM', 'madvise', A, 8 * P, 23],
  ['EPERM', 'madvise', SEALED, P, 4],
  ['ok', 'madvise', SEALED, P, 14],
  ['EINVAL', 'madvise', LOCKED, P, 102],
  ['EINVAL', 'madvise', A, P, 100],

  ['EINVAL', 'mremap', A, P, P, 8, 0],
  ['EINVAL', 'mremap', A + 1, P, P, 1, 0],
  ['EINVAL', 'mremap', A, P, 0, 1, 0],
  ['EINVAL', 'mremap', A, P, '800000000000', 1, 0],
  ['EINVAL', 'mremap', A, P, P, 2, HOLE],
  ['EINVAL', 'mremap', A, P, P, 3, HOLE + 1],
  ['EINVAL', 'mremap', A, 2 * P, 2 * P, 3, A + P],
  ['EINVAL', 'mremap', A, P, 2 * P, 5, 0],
  ['EINVAL', 'mremap', A, 0, P, 1, 0],
  ['ENOMEM', 'mremap', SHM, 0, P, 0, 0],
  ['ok', 'mremap', SHM, 0, P, 1, 0],
  ['EFAULT', 'mremap', HOLE, P, 2 * P, 1, 0],
  ['EFAULT', 'mremap', A, 6 * P, 8 * P, 1, 0],
  ['ok', 'mremap', A, 6 * P, 6 * P, 0, 0],
  ['ENOMEM', 'mremap', A, P, 2 * P, 0, 0],
  ['EPERM', 'mremap', SEALED, P, P, 1, 0],
  ['EFAULT', 'mremap', HOLE, 2 * P, 2 * P, 3, 0x900000000],
  ['ok', 'mremap', A, 8 * P, 8 * P, 3, 0x900000000],

  ['ENOMEM', 'mlock', HOLE, P],
  ['ENOMEM', 'mlock', A, 8 * P],
  ['ok', 'mlock', A, 0],
  ['EINVAL', 'mlock2', A, P, 2],
  ['ok', 'mlock2', A, P, 1],
  ['ENOMEM', 'munlock', HOLE, P],
  ['EINVAL', 'mlockall', 0],
  ['EINVAL', 'mlockall', 4],
  ['EINVAL', 'mlockall', 8],

  ['EINVAL', 'mincore', A + 1, P],
  ['ENOMEM', 'mincore', HOLE, P],
  ['ENOMEM', 'mincore', '7ffffffff000', 2 * P],
  ['ok', 'mincore', A, 4 * P],
  ['EINVAL', 'msync', A, P, 8],
  ['EINVAL', 'msync', A, P, 5],
  ['EINVAL', 'msync', A + 1, P, 4],
  ['ENOMEM', 'msync', A, MAX, 4],
  ['ENOMEM', 'msync', A, 8 * P, 4],
  ['EBUSY', 'msync', LOCKED, P, 2],
  ['EINVAL', 'mseal', A, P, 1],
  ['EINVAL', 'mseal', A + 1, P, 0],
  ['ENOMEM', 'mseal', A, 8 * P, 0],
  ['ok', 'mseal', HOLE, 0, 0],
  ['EINVAL', 'rfp', A, P, 0, 0, 0],
  ['EINVAL', 'rfp', SHM, P, 1, 0, 0],
  ['ok', 'rfp', SHM, P, 0, 3, 0],
];

describe('errno', () => {
  it.each(CASES)('%s: %s %s %s %s %s %s %s', (expected, name, ...words) => {
    const result = call(world(), name, ...words);
    expect(result < 0 ? errnoName(result) : 'ok').toBe(expected);
  });

  it('of limits', () => {
    const w = world();
    const size = (w.m.mm.totalVm[w.mm] ?? 0) * P;
    call(w, 'rlimit', 9, size + 2 * P);
    expect(call(w, 'mmap', 0, 3 * P, 3, 0x22, F.none, 0)).toBe(-12);
    // What a fixed mapping replaces counts for it.
    expect(call(w, 'mmap', A, 4 * P, 3, 0x32, F.none, 0)).toBe(A);
    call(w, 'rlimit', 8, 2 * P);
    call(w, 'dropcaps');
    expect(call(w, 'mmap', 0, P, 3, 0x2022, F.none, 0)).toBe(-11);
    expect(call(w, 'mlock', A, P)).toBe(-12);
    expect(call(w, 'mlock', LOCKED, 2 * P)).toBe(0);
    call(w, 'rlimit', 8, 0);
    expect(call(w, 'mmap', 0, P, 3, 0x2022, F.none, 0)).toBe(-1);
    expect(call(w, 'mlock', A, P)).toBe(-1);
  });

  it('of the lowest addresses', () => {
    const w = world();
    expect(call(w, 'mmap', 0, P, 3, 0x32, F.none, 0)).toBe(0);
    call(w, 'dropcaps');
    expect(call(w, 'mmap', 0, P, 3, 0x32, F.none, 0)).toBe(-1);
    expect(call(w, 'mmap', 0x1000, P, 3, 0x32, F.none, 0)).toBe(0x1000);
  });
});
