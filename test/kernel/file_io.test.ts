/** What write(2), fallocate(2) and truncation leave in the page cache. */
import { expect, test } from 'vitest';
import { cacheGet } from '../../src/mm/filemap.ts';
import { folioOrder, folioPages, headOf } from '../../src/mm/folio.ts';
import { NR_FREE_PAGES } from '../../src/mm/vmstat.ts';
import { Driver } from './driver.ts';

const K = 1024;
const CREATE = 0o102;

/** Sizes in pages of the folios that cache pages [0, n), 0 for a hole. */
function folios(d: Driver, fd: number, n: number): number[] {
  const { m } = d.kernel;
  const entry = d.kernel.state.tables.get(m.task.files[d.task]!)!.entries[fd]!;
  const inode = m.file.inode[entry.file]!;
  const out: number[] = [];
  for (let i = 0; i < n; ) {
    const pfn = cacheGet(m, inode, i);
    if (pfn === 0) out.push(0);
    else out.push(folioPages(m, headOf(m, pfn)));
    i += pfn === 0 ? 1 : 1 << folioOrder(m, headOf(m, pfn));
  }
  return out;
}

function mounted(huge: string): Driver {
  const d = new Driver();
  d.call('mkdir', '/mnt/t', 0o700);
  expect(d.call('mount', 'none', '/mnt/t', 'tmpfs', 0, `huge=${huge}`)).toBe(0);
  return d;
}

test('tmpfs huge=always: a write of 64K allocates 2 MiB', () => {
  const d = mounted('always');
  const fd = d.call('open', '/mnt/t/f', CREATE, 0o600);
  expect(d.call('write', fd, 'x', 64 * K)).toBe(64 * K);
  expect(folios(d, fd, 512)).toEqual([512]);
});

test('tmpfs huge=within_size: a write of 100K at 12K makes folios of 16, 8 and 4 pages', () => {
  const d = mounted('within_size');
  const fd = d.call('open', '/mnt/t/f', CREATE, 0o600);
  expect(d.call('pwrite64', fd, 'x', 100 * K, 12 * K)).toBe(100 * K);
  expect(folios(d, fd, 28)).toEqual([16, 8, 4]);
});

test('tmpfs without huge=, and memfd: single pages', () => {
  const d = mounted('never');
  const fd = d.call('open', '/mnt/t/f', CREATE, 0o600);
  expect(d.call('write', fd, 'x', 16 * K)).toBe(16 * K);
  expect(folios(d, fd, 5)).toEqual([1, 1, 1, 1, 0]);
  const memfd = d.call('memfd_create', 'm', 0);
  expect(d.call('fallocate', memfd, 0, 4096, 8 * K)).toBe(0);
  expect(folios(d, memfd, 4)).toEqual([0, 1, 1, 0]);
});

test('size= is a limit: ENOSPC after what fitted', () => {
  const d = new Driver();
  d.call('mkdir', '/mnt/t', 0o700);
  expect(d.call('mount', 'none', '/mnt/t', 'tmpfs', 0, 'size=16k')).toBe(0);
  const fd = d.call('open', '/mnt/t/f', CREATE, 0o600);
  expect(d.call('write', fd, 'x', 64 * K)).toBe(16 * K);
  expect(d.call('write', fd, 'x', 1)).toBe(-28);
  expect(d.call('ftruncate', fd, 4096)).toBe(0);
  expect(d.call('pwrite64', fd, 'x', 4096, 8 * K)).toBe(4096);
});

test('bytes written are seen by mappings, bytes stored by read', () => {
  const d = new Driver();
  for (const path of ['/dev/shm/f', '/tmp/f']) {
    const fd = d.call('open', path, CREATE, 0o600);
    expect(d.call('write', fd, `A${'.'.repeat(4095)}B`, 4097)).toBe(4097);
    const at = d.call('mmap', 0, 8 * K, 3, 1, fd, 0) / 4096;
    expect(d.touch(at, 2, 0)).toBe(0);
    expect([d.kernel.load(d.task, at), d.kernel.load(d.task, at + 1)]).toEqual([65, 66]);
    d.kernel.store(d.task, at, 67);
    const buffer = d.call('mmap', 0, 8 * K, 3, 0x22, -1, 0) / 4096;
    const before = d.kernel.m.task.minflt[d.task]!;
    expect(d.call('pread64', fd, buffer * 4096, 8 * K, 0)).toBe(4097);
    // The copy takes one fault a page of the buffer.
    expect(d.kernel.m.task.minflt[d.task]! - before).toBe(2);
    expect([d.kernel.load(d.task, buffer), d.kernel.load(d.task, buffer + 1)]).toEqual([67, 66]);
    d.call('close', fd);
  }
});

test('an unlinked file of the disk keeps its pages while it is open', () => {
  const d = new Driver();
  const { m } = d.kernel;
  const fd = d.call('open', '/tmp/gone', CREATE, 0o600);
  d.call('write', fd, 'x', 64 * K);
  const free = m.vmstat[NR_FREE_PAGES]!;
  expect(d.call('unlink', '/tmp/gone')).toBe(0);
  expect(m.vmstat[NR_FREE_PAGES]).toBe(free);
  d.call('close', fd);
  expect(m.vmstat[NR_FREE_PAGES]).toBe(free + 16);
});
