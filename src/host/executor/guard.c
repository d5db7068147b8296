/*
 * The guard: a process of its own session that holds the other end of a pipe. Before a setting is
 * written for the first time its old value comes through the pipe; when every writer is gone,
 * in whatever way, the guard puts the values back, newest first. A journal in the lock file serves
 * the next run if even the guard was killed.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAVED_MAX 256

static struct {
  char path[160], value[512];
} saved[SAVED_MAX];
static int saved_count;
static int lock_fd = -1;

static int read_value(const char *path, char *value, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, value, size - 1);
  close(fd);
  if (n < 0) return -1;
  value[n] = 0;
  return 0;
}

static void put_back(const char *path, const char *value) {
  char now[600];
  size_t length = strlen(value);
  if (read_value(path, now, sizeof now) == 0) {
    char *mark = strchr(now, '[');
    if (mark && !strncmp(mark + 1, value, length) && mark[1 + length] == ']') return;
    if (!mark && !strncmp(now, value, length) && (now[length] == '\n' || now[length] == 0)) return;
  }
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, value, length) < 0)
    fprintf(stderr, "faultline-executor: %s could not be put back to %s: %s\n", path, value, strerror(errno));
  close(fd);
}

static void remember(char *line) {
  char *space = strchr(line, ' ');
  if (!space || saved_count == SAVED_MAX) return;
  *space = 0;
  for (int i = 0; i < saved_count; i++)
    if (!strcmp(saved[i].path, line)) return;
  snprintf(saved[saved_count].path, sizeof saved[0].path, "%s", line);
  snprintf(saved[saved_count].value, sizeof saved[0].value, "%s", space + 1);
  saved_count++;
}

static void restore_all(void) {
  for (int i = saved_count - 1; i >= 0; i--) put_back(saved[i].path, saved[i].value);
}

static void boot_id(char *into, size_t size) {
  if (read_value("/proc/sys/kernel/random/boot_id", into, size)) snprintf(into, size, "unknown\n");
}

/* What a run that was killed together with its guard left in the journal is put back now. */
static void recover(void) {
  char id[64], line[800];
  boot_id(id, sizeof id);
  lseek(lock_fd, 0, SEEK_SET);
  FILE *file = fdopen(dup(lock_fd), "r");
  if (!file) return;
  if (fgets(line, sizeof line, file) && !strcmp(line, id)) {
    while (fgets(line, sizeof line, file)) {
      line[strcspn(line, "\n")] = 0;
      remember(line);
    }
    if (saved_count) {
      fprintf(stderr, "faultline-executor: putting back %d settings that an earlier run left\n", saved_count);
      restore_all();
    }
  }
  fclose(file);
  saved_count = 0;
}

static void begin_journal(void) {
  char id[64];
  boot_id(id, sizeof id);
  if (ftruncate(lock_fd, 0) || pwrite(lock_fd, id, strlen(id), 0) < 0)
    die("the lock file cannot be written: %s", strerror(errno));
  lseek(lock_fd, 0, SEEK_END);
}

static void guard_loop(int pipe_fd) {
  static char buffer[8192];
  size_t have = 0;
  for (;;) {
    ssize_t n = read(pipe_fd, buffer + have, sizeof buffer - 1 - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += (size_t)n;
    buffer[have] = 0;
    char *line = buffer;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
      int before = saved_count;
      size_t length = (size_t)(end - line) + 1;
      char copy[1024];
      snprintf(copy, sizeof copy, "%.*s", (int)length - 1, line);
      remember(copy);
      if (saved_count > before && write(lock_fd, line, length) < 0)
        fprintf(stderr, "faultline-executor: the journal cannot be written: %s\n", strerror(errno));
    }
    have -= (size_t)(line - buffer);
    memmove(buffer, line, have);
  }
  restore_all();
  begin_journal();
}

int start_guard(const char *lock_path, int wait_ms, int *guard_pid) {
  char side_effect[160] = "/proc/sys/vm/min_free_kbytes";
  char value[64];
  lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd < 0) die("lock file %s: %s", lock_path, strerror(errno));
  for (int waited = 0; flock(lock_fd, LOCK_EX | LOCK_NB); waited += 20) {
    struct timespec pause = {0, 20000000};
    if (waited >= wait_ms) die("another run holds %s", lock_path);
    nanosleep(&pause, NULL);
  }
  recover();
  begin_journal();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) die("pipe: %s", strerror(errno));
  int pid = fork();
  if (pid < 0) die("fork: %s", strerror(errno));
  if (pid == 0) {
    setsid();
    close(ends[1]);
    /* Descriptors of the run would keep its pipes open when it is gone; the error output stays. */
    for (int i = 0; i < 64; i++)
      if (i != 2 && i != ends[0] && i != lock_fd) close(i);
    int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (u32 i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    /* Switching THP on or off makes the kernel recompute this one. */
    if (read_value(side_effect, value, sizeof value) == 0) {
      value[strcspn(value, "\n")] = 0;
      snprintf(saved[0].path, sizeof saved[0].path, "%s", side_effect);
      snprintf(saved[0].value, sizeof saved[0].value, "%s", value);
      saved_count = 1;
    }
    guard_loop(ends[0]);
    _exit(0);
  }
  *guard_pid = pid;
  close(ends[0]);
  /* The guard alone holds the lock now: it ends when the settings are back. */
  close(lock_fd);
  return ends[1];
}
