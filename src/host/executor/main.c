/*
 * faultline-executor: one launcher, one guard of the settings, one inspector a CPU.
 *
 *   executor serve LOCK WAIT_MS SCRATCH CPU...
 *   executor keep COMMAND...
 *   /init vm JOBS                               as the first process of a virtual machine
 *
 * Inspector i reads programs from descriptor 3 + 2i and answers to 4 + 2i; CPU -1 is not pinned.
 *
 * The launcher ends when its inspectors have; they end at the end of their input. An inspector is
 * the first process of its own process namespace: when it dies, the kernel kills what is in it.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void pin(int cpu) {
  cpu_set_t set;
  if (cpu < 0) return;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) fprintf(stderr, "faultline-executor: not pinned to CPU %d: %s\n", cpu, strerror(errno));
}

static void inspect(int guard, const char *scratch, int job, int cpu) {
  char root[480];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN); /* The end of the input ends us; a Ctrl-C goes to everyone. */
  pin(cpu);
  snprintf(root, sizeof root, "%s/room-%d", scratch, job);
  settings_start(guard);
  enter_room(root);
  watch_settings();
  settle_khugepaged();
  folios_start();
  start_zygote();
  say_ready();
  /* Whatever ends us but SIGKILL: a program's settings do not outlive it. */
  atexit(release_all_settings);
  struct reader r;
  while (read_frame(&r)) {
    u32 kind = take(&r);
    if (kind == FRAME_PROGRAM) {
      run_program(&r);
    } else if (kind == FRAME_SETTINGS) {
      report_settings(0, 0);
      send_frame();
    } else {
      break;
    }
  }
  exit(0);
}

static int start_inspector(int guard, const char *scratch, int job, int cpu) {
  int pid = fork();
  if (pid < 0) die("fork: %s", strerror(errno));
  if (pid) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (dup2(3 + 2 * job, 0) < 0 || dup2(4 + 2 * job, 1) < 0) die("descriptors of job %d are missing", job);
  for (int fd = 3; fd < 64; fd++)
    if (fd != guard) close(fd);
  if (unshare(CLONE_NEWPID | CLONE_NEWNS)) die("namespaces: %s (CONFIG_NAMESPACES, CONFIG_PID_NS)", strerror(errno));
  /* A kernel without SysV IPC has no namespaces of it either. */
  if (unshare(CLONE_NEWIPC) && errno != EINVAL) die("IPC namespace: %s", strerror(errno));
  int child = fork();
  if (child < 0) die("fork: %s", strerror(errno));
  if (child == 0) inspect(guard, scratch, job, cpu);
  close(0);
  close(1);
  close(guard);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Ends with the process that started it, whatever ends that one: `keep COMMAND...`. */
static int keep(char **command) {
  int parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return 1;
  execvp(command[0], command);
  fprintf(stderr, "faultline-executor: %s: %s\n", command[0], strerror(errno));
  return 127;
}

int serve(int argc, char **argv) {
  if (argc < 6 || strcmp(argv[1], "serve")) {
    fprintf(stderr, "usage: executor serve LOCK WAIT_MS SCRATCH CPU...\n");
    return 2;
  }
  const char *scratch = argv[4];
  int jobs = argc - 5;
  umask(0);
  signal(SIGINT, SIG_IGN);
  int guard_pid;
  int guard = start_guard(argv[2], atoi(argv[3]), &guard_pid);
  if (mkdir(scratch, 0755) && errno != EEXIST) die("%s: %s", scratch, strerror(errno));
  /* Out of the way of the jobs' descriptors, which may not all be open. */
  int moved = fcntl(guard, F_DUPFD_CLOEXEC, 32);
  if (moved < 0) die("descriptors: %s", strerror(errno));
  close(guard);
  int pids[16];
  if (jobs > 14) jobs = 14;
  for (int i = 0; i < jobs; i++) pids[i] = start_inspector(moved, scratch, i, atoi(argv[5 + i]));
  close(moved);
  for (int i = 0; i < jobs; i++) {
    close(3 + 2 * i);
    close(4 + 2 * i);
  }
  int worst = 0;
  for (int i = 0; i < jobs; i++) {
    int status = 0;
    while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status)) worst = 1;
  }
  remove_room(scratch);
  /* The guard sees the last of us gone and puts the settings back. */
  while (waitpid(guard_pid, NULL, 0) < 0 && errno == EINTR) continue;
  return worst;
}

int main(int argc, char **argv) {
  /* A kernel puts what it does not know of its command line before our arguments. */
  if (getpid() == 1 && argc > 2 && !strcmp(argv[argc - 2], "vm")) return run_as_init(atoi(argv[argc - 1]));
  if (argc > 2 && !strcmp(argv[1], "keep")) return keep(argv + 2);
  return serve(argc, argv);
}
