/** System calls of x86-64: their numbers, and which of their arguments point to memory. */
import { word } from '../base/index.ts';
import type { CallInfo } from './calls.ts';
import type { Arg, Expr } from './program.ts';

const NUMBERS = `
  mmap=9 munmap=11 mremap=25 mprotect=10 pkey_mprotect=329 pkey_alloc=330 pkey_free=331
  madvise=28 process_madvise=440 brk=12 mlock=149 mlock2=325 munlock=150 mlockall=151
  munlockall=152 msync=26 mincore=27 mseal=462 remap_file_pages=216 userfaultfd=323 mbind=237
  set_mempolicy=238 get_mempolicy=239 set_mempolicy_home_node=450 move_pages=279
  migrate_pages=256 shmget=29 shmat=30 shmdt=67 shmctl=31 map_shadow_stack=453
  process_mrelease=448 process_vm_readv=310 process_vm_writev=311 open=2 openat=257 openat2=437
  creat=85 close=3 close_range=436 dup=32 dup2=33 dup3=292 fcntl=72 ftruncate=77 truncate=76
  fallocate=285 read=0 write=1 pread64=17 pwrite64=18 readv=19 writev=20 preadv=295 pwritev=296
  preadv2=327 pwritev2=328 lseek=8 unlink=87 unlinkat=263 rename=82 renameat=264 renameat2=316
  link=86 linkat=265 symlink=88 symlinkat=266 mkdir=83 mkdirat=258 rmdir=84 chdir=80 fchdir=81
  fsync=74 fdatasync=75 sync=162 syncfs=306 sync_file_range=277 readahead=187 fadvise64=221
  memfd_create=319 memfd_secret=447 copy_file_range=326 sendfile=40 splice=275 ioctl=16 pipe=22
  pipe2=293 socket=41 socketpair=53 accept=43 accept4=288 eventfd=284 eventfd2=290
  epoll_create=213 epoll_create1=291 timerfd_create=283 signalfd=282 signalfd4=289
  inotify_init=253 inotify_init1=294 perf_event_open=298 io_uring_setup=425 mount=165
  umount2=166 umount=166 fork=57 vfork=58 clone=56 clone3=435 exit=60 exit_group=231 execve=59
  execveat=322 wait4=61 waitpid=61 waitid=247 kill=62 tkill=200 tgkill=234 pidfd_open=434
  pidfd_send_signal=424 pidfd_getfd=438 prctl=157 arch_prctl=158 setrlimit=160 getrlimit=97
  prlimit64=302 setuid=105 setgid=106 setreuid=113 setregid=114 setresuid=117 setresgid=119
  setfsuid=122 setfsgid=123 setgroups=116 capset=126 capget=125 personality=135 getpid=39
  gettid=186 getppid=110 getuid=102 geteuid=107 getgid=104 getegid=108 setsid=112 setpgid=109
  unshare=272 pause=34 set_tid_address=218 getrusage=98`;

/**
 * Calls that are known and not done: they would reach beyond the room in which programs live, or
 * take the task away from the executor.
 */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ['swapon', 'it would change the whole machine'],
  ['swapoff', 'it would change the whole machine'],
  ['chroot', 'programs live in a directory of their own already'],
  ['pivot_root', 'programs live in a directory of their own already'],
  ['setns', 'programs live in namespaces of their own already'],
  ['ptrace', 'it would stop the task that the executor waits for'],
  ['sync', 'it would wait for the whole machine'],
]);

const BY_NAME = new Map(
  [...NUMBERS.matchAll(/(\w+)=(\d+)/g)].map((m) => [m[1]!, Number(m[2])] as const),
);

/** The number of a call; `syscall_0x1ce` names it itself. */
export function callNumber(name: string): number | undefined {
  const own = /^syscall_(0x[0-9a-f]+|\d+)$/.exec(name);
  return own ? Number(own[1]) : BY_NAME.get(name);
}

/**
 * Arguments that the call writes to: parameter name, and which argument or number says how many
 * bytes. Where a scenario gives an address there, the address is used; else room is made.
 */
type Room = number | { readonly count: string; readonly times: number };

export const OUTPUTS: ReadonlyMap<string, Room> = new Map<string, Room>([
  ['mincore.vec', { count: 'len', times: 1 / 4096 }],
  ['read.buf', { count: 'count', times: 1 }],
  ['pread64.buf', { count: 'count', times: 1 }],
  ['get_mempolicy.mode', 8],
  ['get_mempolicy.nodemask', 128],
  ['shmctl.buf', 256],
  ['pipe.fds', 8],
  ['pipe2.fds', 8],
  ['socketpair.fds', 8],
  ['wait4.wstatus', 8],
  ['waitpid.wstatus', 8],
  ['wait4.rusage', 144],
  ['waitid.infop', 128],
  ['waitid.rusage', 144],
  ['getrlimit.rlim', 16],
  ['prlimit64.old_limit', 16],
  ['capget.datap', 24],
  ['getrusage.usage', 144],
  ['io_uring_setup.params', 128],
  ['move_pages.status', { count: 'count', times: 4 }],
  ['accept.addr', 128],
  ['accept.addrlen', 8],
  ['accept4.addr', 128],
  ['accept4.addrlen', 8],
]);

/** Width in bytes of the words of a struct or array argument, where it is not 8. */
export const NARROW: ReadonlyMap<string, number> = new Map([
  ['setgroups.list', 4],
  ['move_pages.nodes', 4],
  ['capset.hdrp', 4],
  ['capset.datap', 4],
  ['capget.hdrp', 4],
]);

/** Number of bytes that a string argument must have at least: `write(fd, "x", 4096)`. */
export const COUNTED: ReadonlyMap<string, string> = new Map([
  ['write.buf', 'count'],
  ['pwrite64.buf', 'count'],
]);

const at = { line: 0, column: 0 };
const minusOne: Expr = { kind: 'int', value: word.fromNumber(-1), text: '-1', at };
const readWrite: Expr = { kind: 'int', value: word.fromNumber(0o666), text: '0666', at };

/** Values of arguments that may be left out, where they are not 0. */
export const DEFAULTS: ReadonlyMap<string, Expr> = new Map([
  ['mmap.fd', minusOne],
  ['open.mode', readWrite],
  ['openat.mode', readWrite],
]);

/** strace's names of arguments that differ from the call table's. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['child_stack', 'stack'],
  ['parent_tidptr', 'parent_tid'],
  ['child_tidptr', 'child_tid'],
]);

/** Arguments in the order of the call's parameters; undefined where one is left out. */
export function inOrder(call: CallInfo, args: readonly Arg[]): (Expr | undefined)[] {
  const placed: (Expr | undefined)[] = call.params.map(() => undefined);
  let next = 0;
  for (const arg of args) {
    const name = arg.name === undefined ? undefined : (ALIASES.get(arg.name) ?? arg.name);
    const named = name === undefined ? -1 : call.params.indexOf(name);
    const index = named >= 0 ? named : next;
    placed[index] = arg.value;
    next = index + 1;
  }
  return placed;
}

/** Fields of structs and arrays one after the other, nested ones in place. */
export function flatten(expr: Expr, into: Expr[] = []): Expr[] {
  if (expr.kind === 'struct') for (const field of expr.fields) flatten(field.value, into);
  else if (expr.kind === 'array') for (const item of expr.items) flatten(item, into);
  else into.push(expr);
  return into;
}

/** True when the expression denotes a number (and not a string, struct or array). */
export function isNumber(expr: Expr): boolean {
  const { kind } = expr;
  return kind !== 'string' && kind !== 'struct' && kind !== 'array' && kind !== 'nested';
}
