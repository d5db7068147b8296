/** Processes, descriptors across fork and exec, layouts, and what a log tells. */
import { expect, test } from 'vitest';
import { mmapBase } from '../../src/arch/index.ts';
import { word } from '../../src/base/index.ts';
import { unknownMapping } from '../../src/kernel/index.ts';
import { FS_SHMEM } from '../../src/mm/fs_types.ts';
import { VM_READ, VM_WRITE } from '../../src/mm/vm_flags.ts';
import { Driver } from './driver.ts';

const RW = 3;
const PRIV = 0x22;
const SHARED = 0x21;
const CLONE_VM = 0x100;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_THREAD = 0x10000;
const THREAD = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

function child(d: Driver, name: string, ...args: number[]): number {
  const pid = d.call(name, ...args);
  expect(pid).toBeGreaterThan(0);
  return d.kernel.taskByPid(pid);
}

test('the layout of a static program is that of setarch -R', () => {
  expect(mmapBase(8 * 1024 * 1024)).toBe(0x7ffff7fff);
  expect(mmapBase(Number.POSITIVE_INFINITY)).toBe(0x155555556);
  expect(mmapBase(0)).toBe(0x7ffff7fff);
  const d = new Driver();
  // The vdso takes the top eight pages.
  expect(d.call('mmap', 0, 4096, RW, PRIV, -1, 0)).toBe(0x7ffff7ff6000);
  expect(d.text('/proc/self/maps').split('\n').at(-3)).toMatch(/^7ffffffde000-7ffffffff000 rw-p/);
});

test('fork copies descriptors, threads share them, exec closes some', () => {
  const d = new Driver();
  const keep = d.call('memfd_create', 'keep', 0);
  const lose = d.call('memfd_create', 'lose', 1);
  expect([keep, lose]).toEqual([3, 4]);
  const thread = child(d, 'clone', THREAD);
  const forked = child(d, 'fork');
  d.as(thread, () => expect(d.call('close', keep)).toBe(0));
  expect(d.call('fcntl', keep, 1)).toBe(-9);
  d.as(forked, () => {
    expect(d.call('fcntl', keep, 1)).toBe(0);
    d.call('lseek', keep, 7, 0);
    d.kernel.addFile('/usr/bin/other', 4096);
    expect(d.call('execve', '/usr/bin/other')).toBe(0);
    expect(d.call('fcntl', lose, 1)).toBe(-9);
    expect(d.call('lseek', keep, 0, 1)).toBe(7);
    expect(d.text('/proc/self/comm')).toBe('other\n');
  });
});

test('a file without names lives as long as a descriptor or mapping does', () => {
  const d = new Driver();
  const { m } = d.kernel;
  const inodes = m.inode.live;
  const fd = d.call('memfd_create', 'x', 0);
  d.call('ftruncate', fd, 65536);
  const at = d.call('mmap', 0, 65536, RW, 1, fd, 0);
  expect(d.touch(at / 4096, 16)).toBe(0);
  d.call('close', fd);
  expect(d.status('RssShmem')).toBe('64 kB');
  const forked = child(d, 'fork');
  d.call('munmap', at, 65536);
  expect(m.inode.live).toBe(inodes + 1);
  d.as(forked, () => {
    expect(d.touch(at / 4096, 16)).toBe(0);
    d.raw('exit', 0);
  });
  expect(m.inode.live).toBe(inodes);
});

test('everything goes with the last process', () => {
  const d = new Driver();
  const { m } = d.kernel;
  const parent = d.task;
  const tables = m.vma.live;
  const other = d.spawn({ name: 'other' });
  d.as(other, () => {
    const at = d.call('mmap', 0, 1 << 21, RW, PRIV, -1, 0);
    d.call('madvise', at, 1 << 21, 14);
    expect(d.touch(at / 4096, 512)).toBe(0);
    const shared = d.call('mmap', 0, 1 << 20, RW, SHARED, -1, 0);
    expect(d.touch(shared / 4096, 256)).toBe(0);
    const thread = child(d, 'clone', THREAD);
    const grand = child(d, 'fork');
    d.as(grand, () => expect(d.touch(at / 4096, 10)).toBe(0));
    d.as(grand, () => d.raw('exit_group', 0));
    expect(d.call('wait4', -1, 0, 0, 0)).toBeGreaterThan(0);
    d.as(thread, () => d.raw('exit', 0));
    d.raw('exit_group', 3);
  });
  expect(m.task.alive[parent]).toBe(1);
  expect(m.vma.live).toBe(tables);
  expect(d.kernel.tasks()).toEqual([parent]);
  expect(m.anonVma.live).toBe(0);
});

test('wait reaps zombies, and says ECHILD and WNOHANG', () => {
  const d = new Driver();
  expect(d.call('wait4', -1, 0, 0, 0)).toBe(-10);
  const a = child(d, 'fork');
  const pid = d.kernel.m.task.pid[a]!;
  expect(d.call('wait4', -1, 0, 1, 0)).toBe(0);
  expect(d.call('wait4', pid + 1, 0, 0, 0)).toBe(-10);
  expect(d.raw('wait4', -1, 0, 0, 0)).toHaveProperty('unmodelled');
  d.as(a, () => d.raw('exit_group', 0));
  expect(d.text(`/proc/${pid}/status`)).toMatch(/^State:\tZ \(zombie\)$/m);
  expect(d.call('wait4', pid, 0, 0, 0)).toBe(pid);
  expect(d.call('wait4', pid, 0, 0, 0)).toBe(-10);
  const b = child(d, 'fork');
  expect(d.call('kill', d.kernel.m.task.pid[b]!, 0)).toBe(0);
  expect(d.call('kill', d.kernel.m.task.pid[b]!, 9)).toBe(0);
  expect(d.call('wait4', -1, 0, 0, 0)).toBeGreaterThan(pid);
  expect(d.call('kill', 99999, 0)).toBe(-3);
});

test('vfork shares memory until exec', () => {
  const d = new Driver();
  const at = d.call('mmap', 0, 4096, RW, PRIV, -1, 0) / 4096;
  const v = child(d, 'vfork');
  d.as(v, () => expect(d.kernel.store(v, at, 9)).toBe(0));
  expect(d.kernel.load(d.task, at)).toBe(9);
  d.as(v, () => expect(d.call('execve', '/bin/true')).toBe(0));
  expect(d.kernel.access(v, at, 0)).not.toBe(0);
  expect(d.kernel.load(d.task, at)).toBe(9);
});

test('limits reach mmap and are inherited', () => {
  const d = new Driver();
  const limit = { rlim_cur: word.fromNumber(16 << 20), rlim_max: word.fromNumber(16 << 20) };
  expect(d.call('setrlimit', 9, limit)).toBe(0);
  expect(d.call('mmap', 0, 32 << 20, RW, PRIV, -1, 0)).toBe(-12);
  const forked = child(d, 'fork');
  d.as(forked, () => expect(d.call('mmap', 0, 32 << 20, RW, PRIV, -1, 0)).toBe(-12));
  expect(d.text('/proc/self/limits')).toMatch(/^Max address space {9}16777216 +16777216 +bytes/m);
});

test('setuid takes capabilities away, seteuid for a while', () => {
  const d = new Driver();
  const low = 0x8000;
  expect(d.call('mmap', low, 4096, RW, PRIV | 0x10, -1, 0)).toBe(low);
  expect(d.call('mmap', 0, 4096, RW, PRIV | 0x10, -1, 0)).toBe(0);
  expect(d.call('setresuid', -1, 1000, -1)).toBe(0);
  expect(d.call('mmap', 0, 4096, RW, PRIV | 0x10, -1, 0)).toBe(-1);
  expect(d.call('setresuid', -1, 0, -1)).toBe(0);
  expect(d.call('mmap', 0, 4096, RW, PRIV | 0x10, -1, 0)).toBe(0);
  expect(d.call('setuid', 1000)).toBe(0);
  expect(d.call('setuid', 0)).toBe(-1);
});

test('a log tells what the model cannot know', () => {
  const d = new Driver({ unknownImages: true });
  const t = d.task;
  const { kernel } = d;
  kernel.observe({ value: 17 });
  const fdcwd = word.fromNumber(-100);
  const opened = kernel.syscall(t, 'openat', [fdcwd, '/dev/shm/seen', word.ZERO]);
  expect(opened).toHaveProperty('ignored');
  kernel.observe({ value: 4242 });
  expect(kernel.syscall(t, 'fork', [])).toHaveProperty('ignored');
  expect(kernel.taskByPid(4242)).not.toBe(0);
  kernel.observe(undefined);
  // A file of unknown size: no SIGBUS is predicted where nothing is known.
  const at = d.call('mmap', 0, 8192, 1, 1, 17, 0);
  expect(at).toBeGreaterThan(0);
  kernel.assumeOpen(t, 30, '/somewhere', 2, { kind: FS_SHMEM, size: 8192 });
  expect(d.call('mmap', 0, 8192, RW, 1, 30, 0)).toBeGreaterThan(0);
  kernel.assumeBrk(t, 0x555555600000);
  expect(d.call('brk', 0)).toBe(0x555555600000);
  kernel.assumeMapping(t, unknownMapping(0x555555500, 0x555555510, VM_READ | VM_WRITE));
  expect(d.call('mprotect', 0x555555500000, 4096, 1)).toBe(0);
  expect(d.call('getpid')).toBe(kernel.m.task.pid[t]);
});

test('what the model has not is named', () => {
  const d = new Driver();
  expect(d.raw('bpf', 1, 0)).toEqual({ unmodelled: 'the call bpf' });
  expect(d.raw('mmap', 0)).toEqual({ unmodelled: 'mmap takes 4 arguments, here are 1' });
  expect(d.raw('mmap', 'x', 1, 1, 1)).toEqual({
    unmodelled: 'argument 1 of mmap is not a number',
  });
  expect(d.call('syscall_0x1ce', 0x10000, 0, 0)).toBe(0);
  expect(d.kernel.readFile('/proc/self/environ')).toEqual({ errno: 2 });
  expect(d.kernel.m.unmodelled).toBe('the file /proc/self/environ');
});
