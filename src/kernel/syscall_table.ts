/**
 * All calls by name, and the names of x86-64 numbers that strace prints bare (`syscall_0x1ce`).
 */
import { ENDPOINT_CALLS } from './calls_endpoint.ts';
import { FD_CALLS } from './calls_fd.ts';
import { FILE_CALLS } from './calls_file.ts';
import { LIMIT_CALLS } from './calls_limits.ts';
import { MEMFD_CALLS } from './calls_memfd.ts';
import { MEMORY_CALLS } from './calls_memory.ts';
import { MOUNT_CALLS } from './calls_mount.ts';
import { OPEN_CALLS } from './calls_open.ts';
import { POLICY_CALLS } from './calls_policy.ts';
import { PROCESS_CALLS } from './calls_process.ts';
import { SHM_CALLS } from './calls_shm.ts';
import { TRANSFER_CALLS } from './calls_transfer.ts';
import { SIZE_CALLS } from './calls_truncate.ts';
import { UFFD_CALLS } from './calls_uffd.ts';
import type { CallSpec } from './state.ts';

const CALLS = new Map<string, CallSpec>(
  [
    MEMORY_CALLS,
    OPEN_CALLS,
    FD_CALLS,
    FILE_CALLS,
    SIZE_CALLS,
    MEMFD_CALLS,
    ENDPOINT_CALLS,
    TRANSFER_CALLS,
    POLICY_CALLS,
    PROCESS_CALLS,
    LIMIT_CALLS,
    SHM_CALLS,
    UFFD_CALLS,
    MOUNT_CALLS,
  ].flatMap((table) => Object.entries(table)),
);

/** Numbers of the calls above (arch/x86/entry/syscalls/syscall_64.tbl, 6.18). */
const NUMBERS: Readonly<Record<number, string>> = {
  0: 'read',
  1: 'write',
  2: 'open',
  3: 'close',
  8: 'lseek',
  9: 'mmap',
  10: 'mprotect',
  11: 'munmap',
  12: 'brk',
  16: 'ioctl',
  17: 'pread64',
  18: 'pwrite64',
  22: 'pipe',
  25: 'mremap',
  26: 'msync',
  27: 'mincore',
  28: 'madvise',
  29: 'shmget',
  30: 'shmat',
  31: 'shmctl',
  32: 'dup',
  33: 'dup2',
  39: 'getpid',
  41: 'socket',
  43: 'accept',
  53: 'socketpair',
  56: 'clone',
  57: 'fork',
  58: 'vfork',
  59: 'execve',
  60: 'exit',
  61: 'wait4',
  62: 'kill',
  67: 'shmdt',
  72: 'fcntl',
  74: 'fsync',
  75: 'fdatasync',
  76: 'truncate',
  77: 'ftruncate',
  80: 'chdir',
  81: 'fchdir',
  82: 'rename',
  83: 'mkdir',
  84: 'rmdir',
  85: 'creat',
  86: 'link',
  87: 'unlink',
  97: 'getrlimit',
  98: 'getrusage',
  102: 'getuid',
  104: 'getgid',
  105: 'setuid',
  106: 'setgid',
  107: 'geteuid',
  108: 'getegid',
  109: 'setpgid',
  110: 'getppid',
  112: 'setsid',
  113: 'setreuid',
  114: 'setregid',
  116: 'setgroups',
  117: 'setresuid',
  119: 'setresgid',
  122: 'setfsuid',
  123: 'setfsgid',
  125: 'capget',
  126: 'capset',
  135: 'personality',
  149: 'mlock',
  150: 'munlock',
  151: 'mlockall',
  152: 'munlockall',
  157: 'prctl',
  158: 'arch_prctl',
  160: 'setrlimit',
  165: 'mount',
  166: 'umount2',
  186: 'gettid',
  200: 'tkill',
  213: 'epoll_create',
  216: 'remap_file_pages',
  218: 'set_tid_address',
  231: 'exit_group',
  234: 'tgkill',
  247: 'waitid',
  253: 'inotify_init',
  257: 'openat',
  258: 'mkdirat',
  263: 'unlinkat',
  264: 'renameat',
  272: 'unshare',
  282: 'signalfd',
  283: 'timerfd_create',
  284: 'eventfd',
  285: 'fallocate',
  288: 'accept4',
  289: 'signalfd4',
  290: 'eventfd2',
  291: 'epoll_create1',
  292: 'dup3',
  293: 'pipe2',
  294: 'inotify_init1',
  302: 'prlimit64',
  306: 'syncfs',
  308: 'setns',
  316: 'renameat2',
  319: 'memfd_create',
  322: 'execveat',
  323: 'userfaultfd',
  325: 'mlock2',
  329: 'pkey_mprotect',
  330: 'pkey_alloc',
  331: 'pkey_free',
  424: 'pidfd_send_signal',
  434: 'pidfd_open',
  435: 'clone3',
  436: 'close_range',
  440: 'process_madvise',
  447: 'memfd_secret',
  462: 'mseal',
};

/** The call's own name: `syscall_0x1ce` is mseal. */
export function callName(name: string): string {
  const number = /^syscall_0x([0-9a-f]+)$/.exec(name);
  if (number === null) return name;
  return NUMBERS[Number.parseInt(number[1]!, 16)] ?? name;
}

export function findCall(name: string): CallSpec | undefined {
  return CALLS.get(callName(name));
}

/** Every call that the door executes. */
export function callNames(): readonly string[] {
  return [...CALLS.keys()];
}
