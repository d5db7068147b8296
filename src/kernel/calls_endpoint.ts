/**
 * Descriptors without pages: pipes, sockets, events. They matter for the numbers that other
 * descriptors get, and for what mmap(2) says to them.
 */
import { type TaskRow, word } from '../base/index.ts';
import { filePut } from '../mm/file.ts';
import { FS_OPAQUE, O_CLOEXEC, O_NONBLOCK, O_RDWR, O_WRONLY } from '../mm/fs_types.ts';
import { closeFd, installAt, installFd, rawFile } from './fd_table.ts';
import { describe, plainInode } from './namespace.ts';
import type { CallTable, Handler, KernelState } from './state.ts';
import { type Args, isInt, type Outcome } from './values.ts';

const OUTSIDE = 'pipes, sockets and events are not part of memory';

/** A description without pages, at the lowest free number. */
function plainFd(
  k: KernelState,
  t: TaskRow,
  name: string,
  flags: number,
  cloexec: boolean,
): number {
  const inode = plainInode(k, name, false);
  if (MAPPABLE.test(name)) k.m.inode.kind[inode] = FS_OPAQUE;
  const file = describe(k, inode, name, flags);
  const fd = installFd(k, t, file, cloexec);
  if (fd < 0) filePut(k.m, file);
  return fd;
}

/** What has an mmap operation that is not modelled. */
const MAPPABLE = /^anon_inode:\[(io_uring|perf_event)/;

/** A descriptor for something without pages. */
function endpoint(
  k: KernelState,
  t: TaskRow,
  name: string,
  cloexec: boolean,
  flags = O_RDWR,
): Outcome {
  const fd = plainFd(k, t, name.endsWith(']') ? name : `${name}:[${k.nextIno++}]`, flags, cloexec);
  const told = k.observed?.value;
  if (k.observed === undefined || fd < 0) return fd;
  const file = rawFile(k, t, fd);
  if (told === undefined) closeFd(k, t, fd);
  else if (told !== fd) {
    k.m.file.refs[file]!++;
    installAt(k, t, told, file, cloexec);
    closeFd(k, t, fd);
  }
  return { ignored: OUTSIDE };
}

/** pipe(2), socketpair(2): two ends; a log shows their numbers in an array. */
function pair(
  k: KernelState,
  t: TaskRow,
  a: Args,
  at: number,
  name: string,
  flags: number,
): Outcome {
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const shown = a.values[at];
  const told = k.observed !== undefined && Array.isArray(shown) ? shown : [];
  const observed = k.observed;
  k.observed = undefined;
  const ends = [0, O_WRONLY].map((mode) =>
    endpoint(k, t, name, cloexec, name === 'pipe' ? mode | (flags & O_NONBLOCK) : O_RDWR),
  );
  k.observed = observed;
  ends.forEach((fd, i) => {
    const number = told[i];
    if (typeof fd !== 'number' || fd < 0 || !isInt(number)) return;
    const wanted = word.toInt32(number);
    if (wanted === fd) return;
    const file = rawFile(k, t, fd);
    k.m.file.refs[file]!++;
    installAt(k, t, wanted, file, cloexec);
    closeFd(k, t, fd);
  });
  const failed = ends.find((fd) => typeof fd === 'number' && fd < 0);
  if (observed !== undefined) return { ignored: OUTSIDE };
  return failed ?? 0;
}

/** A call that makes one descriptor; the flags are argument `at`, -1 for none. */
function makes(name: string, at: number): Handler {
  return (k, t, a) => endpoint(k, t, name, at >= 0 && (a.int(at) & O_CLOEXEC) !== 0);
}

export const ENDPOINT_CALLS: CallTable = {
  pipe: ['a', (k, t, a) => pair(k, t, a, 0, 'pipe', 0)],
  pipe2: ['a|u', (k, t, a) => pair(k, t, a, 0, 'pipe', a.int(1))],
  socketpair: ['uuua', (k, t, a) => pair(k, t, a, 3, 'socket', a.int(1))],
  socket: ['uuu', makes('socket', 1)],
  accept: ['u|aa', makes('socket', -1)],
  accept4: ['u|aau', makes('socket', 3)],
  eventfd: ['u', makes('anon_inode:[eventfd]', -1)],
  eventfd2: ['u|u', makes('anon_inode:[eventfd]', 1)],
  epoll_create: ['u', makes('anon_inode:[eventpoll]', -1)],
  epoll_create1: ['|u', makes('anon_inode:[eventpoll]', 0)],
  timerfd_create: ['u|u', makes('anon_inode:[timerfd]', 1)],
  signalfd: ['uaa', makes('anon_inode:[signalfd]', -1)],
  signalfd4: ['uaa|u', makes('anon_inode:[signalfd]', 3)],
  inotify_init: ['', makes('anon_inode:[inotify]', -1)],
  inotify_init1: ['|u', makes('anon_inode:[inotify]', 0)],
  perf_event_open: ['auuu|u', makes('anon_inode:[perf_event]', -1)],
  io_uring_setup: ['u|a', makes('anon_inode:[io_uring]', -1)],
};
