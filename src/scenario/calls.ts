/**
 * The system calls that a program may name.
 *
 * The class says what a kernel does with a call: `memory`, `file` and `process` calls are executed;
 * `ignored` calls concern neither memory nor what memory calls depend on, so a log's arguments to
 * them are not even parsed.
 */
export type CallClass = 'memory' | 'file' | 'process' | 'ignored';

export interface CallInfo {
  readonly name: string;
  readonly class: CallClass;
  /** Names of the arguments in the kernel's order. */
  readonly params: readonly string[];
  /** Fewest and most arguments that a scenario may give. */
  readonly min: number;
  readonly max: number;
}

/** `name(a, b, [c])`: arguments in brackets may be left out. */
const MEMORY = `
  mmap(addr, len, prot, flags, [fd], [offset]) munmap(addr, len)
  mremap(addr, old_len, new_len, [flags], [new_addr]) mprotect(addr, len, prot)
  pkey_mprotect(addr, len, prot, pkey) pkey_alloc([flags], [access_rights]) pkey_free(pkey)
  madvise(addr, len, advice) process_madvise(pidfd, vec, vlen, advice, [flags]) brk(addr)
  mlock(addr, len) mlock2(addr, len, flags) munlock(addr, len) mlockall(flags) munlockall()
  msync(addr, len, flags) mincore(addr, len, [vec]) mseal(addr, len, [flags])
  remap_file_pages(addr, size, prot, pgoff, [flags]) userfaultfd(flags)
  mbind(addr, len, mode, nodemask, maxnode, [flags]) set_mempolicy(mode, [nodemask], [maxnode])
  get_mempolicy(mode, [nodemask], [maxnode], [addr], [flags])
  set_mempolicy_home_node(addr, len, home_node, [flags]) move_pages(pid, count, pages, [nodes],
  [status], [flags]) migrate_pages(pid, maxnode, old_nodes, new_nodes)
  shmget(key, size, shmflg) shmat(shmid, [addr], [shmflg]) shmdt(addr) shmctl(shmid, cmd, [buf])
  map_shadow_stack(addr, size, [flags]) process_mrelease(pidfd, [flags])
  process_vm_readv(pid, local_iov, liovcnt, remote_iov, riovcnt, [flags])
  process_vm_writev(pid, local_iov, liovcnt, remote_iov, riovcnt, [flags])`;

const FILE = `
  open(path, flags, [mode]) openat(dirfd, path, flags, [mode]) openat2(dirfd, path, how, [size])
  creat(path, mode) close(fd) close_range(first, last, [flags]) dup(fd) dup2(fd, new_fd)
  dup3(fd, new_fd, flags) fcntl(fd, cmd, [arg]) ftruncate(fd, length) truncate(path, length)
  fallocate(fd, mode, offset, len) read(fd, buf, count) write(fd, buf, count)
  pread64(fd, buf, count, offset) pwrite64(fd, buf, count, offset) readv(fd, iov, iovcnt)
  writev(fd, iov, iovcnt) preadv(fd, iov, iovcnt, offset, [offset_high])
  pwritev(fd, iov, iovcnt, offset, [offset_high]) preadv2(fd, iov, iovcnt, offset, [offset_high],
  [flags]) pwritev2(fd, iov, iovcnt, offset, [offset_high], [flags])
  lseek(fd, offset, whence) unlink(path) unlinkat(dirfd, path, [flags]) rename(old_path, new_path)
  renameat(old_dirfd, old_path, new_dirfd, new_path) renameat2(old_dirfd, old_path, new_dirfd,
  new_path, [flags]) link(old_path, new_path) linkat(old_dirfd, old_path, new_dirfd, new_path,
  [flags]) symlink(target, path) symlinkat(target, dirfd, path) mkdir(path, [mode])
  mkdirat(dirfd, path, [mode]) rmdir(path) chdir(path) fchdir(fd) fsync(fd) fdatasync(fd) sync()
  syncfs(fd) sync_file_range(fd, offset, nbytes, flags) readahead(fd, offset, count)
  fadvise64(fd, offset, len, advice) memfd_create(name, [flags]) memfd_secret([flags])
  copy_file_range(fd_in, off_in, fd_out, off_out, len, [flags])
  sendfile(out_fd, in_fd, offset, count) splice(fd_in, off_in, fd_out, off_out, len, [flags])
  ioctl(fd, cmd, [arg]) pipe(fds) pipe2(fds, [flags]) socket(family, type, protocol)
  socketpair(family, type, protocol, fds) accept(fd, addr, addrlen)
  accept4(fd, addr, addrlen, flags) eventfd(count) eventfd2(count, flags) epoll_create(size)
  epoll_create1(flags) timerfd_create(clockid, flags) signalfd(fd, mask, sizemask)
  signalfd4(fd, mask, sizemask, flags) inotify_init() inotify_init1(flags)
  perf_event_open(attr, pid, cpu, group_fd, flags) io_uring_setup(entries, params)
  mount(source, target, fstype, [flags], [data]) umount2(target, [flags])
  swapon(path, [flags]) swapoff(path) chroot(path) pivot_root(new_root, put_old)`;

const PROCESS = `
  fork() vfork() clone([flags], [stack], [parent_tid], [child_tid], [tls]) clone3(args, [size])
  exit([status]) exit_group([status]) execve(path, argv, [envp])
  execveat(dirfd, path, argv, [envp], [flags]) wait4(pid, [wstatus], [options], [rusage])
  waitpid(pid, [wstatus], [options]) waitid(idtype, id, [infop], [options], [rusage])
  kill(pid, sig) tkill(tid, sig) tgkill(tgid, tid, sig) pidfd_open(pid, [flags])
  pidfd_send_signal(pidfd, sig, [info], [flags]) pidfd_getfd(pidfd, target_fd, [flags])
  prctl(option, [arg2], [arg3], [arg4], [arg5]) arch_prctl(code, [addr])
  setrlimit(resource, rlim) getrlimit(resource, [rlim]) prlimit64(pid, resource, [new_limit],
  [old_limit]) setuid(uid) setgid(gid) setreuid(ruid, euid) setregid(rgid, egid)
  setresuid(ruid, euid, suid) setresgid(rgid, egid, sgid) setfsuid(uid) setfsgid(gid)
  setgroups(size, [list]) capset(hdrp, datap) capget(hdrp, [datap]) personality(persona)
  getpid() gettid() getppid() getuid() geteuid() getgid() getegid() setsid() setpgid(pid, pgid)
  unshare(flags) setns(fd, nstype) ptrace(request, [pid], [addr], [data]) pause()
  set_tid_address(tidptr) getrusage(who, [usage])`;

/** Calls of x86-64 that are known and ignored. */
const IGNORED = `
  stat fstat lstat poll rt_sigaction rt_sigprocmask rt_sigreturn access select sched_yield nanosleep
  getitimer alarm setitimer connect sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname
  getpeername setsockopt getsockopt uname semget semop semctl msgget msgsnd msgrcv msgctl flock
  getdents getcwd readlink chmod fchmod chown fchown lchown umask gettimeofday sysinfo times syslog
  getpgrp getgroups getresuid getresgid getpgid getsid rt_sigpending rt_sigtimedwait rt_sigqueueinfo
  rt_sigsuspend sigaltstack utime mknod uselib ustat statfs fstatfs sysfs getpriority setpriority
  sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_get_priority_max
  sched_get_priority_min sched_rr_get_interval vhangup modify_ldt _sysctl adjtimex acct settimeofday
  reboot sethostname setdomainname iopl ioperm create_module init_module delete_module
  get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security
  setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
  removexattr lremovexattr fremovexattr time futex sched_setaffinity sched_getaffinity
  set_thread_area io_setup io_destroy io_getevents io_submit io_cancel get_thread_area
  lookup_dcookie epoll_ctl_old epoll_wait_old getdents64 restart_syscall semtimedop timer_create
  timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres
  clock_nanosleep epoll_wait epoll_ctl utimes vserver mq_open mq_unlink mq_timedsend mq_timedreceive
  mq_notify mq_getsetattr kexec_load add_key request_key keyctl ioprio_set ioprio_get
  inotify_add_watch inotify_rm_watch mknodat fchownat futimesat newfstatat readlinkat fchmodat
  fchmodat2 faccessat pselect6 ppoll set_robust_list get_robust_list tee vmsplice utimensat
  epoll_pwait timerfd_settime timerfd_gettime rt_tgsigqueueinfo recvmmsg fanotify_init fanotify_mark
  name_to_handle_at open_by_handle_at clock_adjtime sendmmsg getcpu kcmp finit_module sched_setattr
  sched_getattr seccomp getrandom kexec_file_load bpf membarrier statx io_pgetevents rseq
  io_uring_enter io_uring_register open_tree open_tree_attr move_mount fsopen fsconfig fsmount
  fspick faccessat2 epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule
  landlock_restrict_self futex_waitv cachestat futex_wake futex_wait futex_requeue statmount
  listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules setxattrat getxattrat listxattrat
  removexattrat file_getattr file_setattr uretprobe rt_sigprocmask`;

const CALLS = new Map<string, CallInfo>();

function addCalls(callClass: CallClass, table: string): void {
  for (const match of table.matchAll(/(\w+)\(([^)]*)\)/g)) {
    const name = match[1]!;
    const written = match[2]!.split(',').map((p) => p.trim());
    const params = written.filter((p) => p !== '').map((p) => p.replace(/[[\]]/g, ''));
    const min = written.filter((p) => p !== '' && !p.startsWith('[')).length;
    CALLS.set(name, { name, class: callClass, params, min, max: params.length });
  }
}

addCalls('memory', MEMORY);
addCalls('file', FILE);
addCalls('process', PROCESS);
for (const name of IGNORED.trim().split(/\s+/)) {
  CALLS.set(name, { name, class: 'ignored', params: [], min: 0, max: 6 });
}

export function findCall(name: string): CallInfo | undefined {
  return CALLS.get(name);
}

/** Every known call's name, for suggestions and completion. */
export function allCallNames(): readonly string[] {
  return [...CALLS.keys()];
}

/**
 * The class of a call in a log. A call by number (`syscall_0x1ce`) may be a memory call that strace
 * is too old to know, so it counts as one; any other unknown name is ignored.
 */
export function callClass(name: string): CallClass {
  const info = CALLS.get(name);
  if (info !== undefined) return info.class;
  return name.startsWith('syscall_') ? 'memory' : 'ignored';
}

/** Names of arguments that strace prints but the kernel's prototype does not have. */
const ARGUMENT_ALIASES = new Set([
  'child_stack',
  'parent_tidptr',
  'child_tidptr',
  'stack_size',
  'exit_signal',
]);

export function isArgumentName(call: CallInfo, name: string): boolean {
  return call.params.includes(name) || ARGUMENT_ALIASES.has(name);
}

/** Calls whose result is a new task. */
export function createsTask(name: string): boolean {
  return name === 'fork' || name === 'vfork' || name === 'clone' || name === 'clone3';
}
