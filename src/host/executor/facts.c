/*
 * What this machine is and what its kernel has, told once when the executor has started: lines of
 * "name value", and the kernel's configuration as /proc/config.gz gives it.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static char text[4096];
static u64 size;

static void fact(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fact(const char *format, ...) {
  va_list args;
  va_start(args, format);
  size += (u64)vsnprintf(text + size, sizeof text - size, format, args);
  va_end(args);
}

/* The text behind a name at the start of a line of a file. */
static void field_of(const char *path, const char *name, char *value, size_t room) {
  char line[256];
  value[0] = 0;
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, strlen(name))) continue;
    snprintf(value, room, "%s", line + strlen(name) + strspn(line + strlen(name), " \t"));
    value[strcspn(value, "\n")] = 0;
    break;
  }
  if (file) fclose(file);
}

/* A file of sysfs about a device, `form` with its numbers. */
static int tell_of_device(const char *name, const char *form, dev_t device) {
  char path[100], value[32];
  snprintf(path, sizeof path, form, major(device), minor(device));
  int fd = open_file(path, O_RDONLY);
  ssize_t n = fd < 0 ? 0 : read(fd, value, sizeof value - 1);
  if (fd >= 0) close(fd);
  if (n > 0) fact("%s %.*s", name, (int)n, value);
  return n > 0;
}

/* How the device below the programs' files reads: a partition has its disk's queue. */
static void tell_disk(void) {
  struct stat work;
  if (stat("/work", &work)) return;
  tell_of_device("read_ahead_kb", "/sys/class/bdi/%u:%u/read_ahead_kb", work.st_dev);
  if (!tell_of_device("max_sectors_kb", "/sys/dev/block/%u:%u/queue/max_sectors_kb", work.st_dev))
    tell_of_device("max_sectors_kb", "/sys/dev/block/%u:%u/../queue/max_sectors_kb", work.st_dev);
}

/* The lowest page that mmap() gives to a hint: mmap_min_addr, and what the kernel adds to it. */
static void tell_lowest_hint(void) {
  u8 *low = mmap((void *)PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (low == MAP_FAILED) return;
  if ((u64)low < 1 << 20) fact("lowest_hint %lu\n", (u64)low);
  munmap(low, PAGE);
}

static int has_call(long nr, long a, long b, long c) {
  long result = syscall(nr, a, b, c);
  if (result >= 0 && (nr == 319 || nr == 323)) close((int)result);
  return !(result < 0 && errno == ENOSYS);
}

/* Is an advice known for anonymous memory? */
static int has_advice(int advice) {
  void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int known = page != MAP_FAILED && !(madvise(page, PAGE, advice) && errno == EINVAL);
  munmap(page, PAGE);
  return known;
}

/* Does a mapping with guard regions say so? */
static void tell_guard_marks(void) {
  char line[300];
  u64 start;
  int inside = 0;
  u8 *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (page == MAP_FAILED) return;
  if (madvise(page, PAGE, 102 /* MADV_GUARD_INSTALL */) == 0) {
    FILE *file = fopen("/proc/self/smaps", "re");
    while (file && fgets(line, sizeof line, file)) {
      if (strchr(line, '-') && sscanf(line, "%lx-", &start) == 1) inside = start == (u64)page;
      if (inside && !strncmp(line, "VmFlags:", 8)) fact("guard_marks %d\n", strstr(line, " gu") != NULL);
    }
    if (file) fclose(file);
  }
  munmap(page, PAGE);
}

static void put_config(void) {
  int fd = open("/proc/config.gz", O_RDONLY | O_CLOEXEC);
  static u8 bytes[1 << 19];
  u64 have = 0;
  ssize_t n;
  if (fd < 0) return;
  while (have < sizeof bytes && (n = read(fd, bytes + have, sizeof bytes - have)) > 0) have += (u64)n;
  close(fd);
  record_begin(REC_CONFIG);
  put((u32)have);
  put_bytes(bytes, have);
  record_end();
}

void say_ready(void) {
  struct statfs work, shm;
  struct utsname kernel;
  char value[128];
  size = 0;
  if (statfs("/work", &work)) memset(&work, 0, sizeof work);
  if (statfs("/dev/shm", &shm)) memset(&shm, 0, sizeof shm);
  uname(&kernel);
  fact("pid %d\nrelease %s\nversion %s\n", getpid(), kernel.release, kernel.version);
  fact("work %lx\nshm %lx\nimage %lx %lx\n", (u64)work.f_type, (u64)shm.f_type, IMAGE_START, IMAGE_END);
  field_of("/proc/meminfo", "MemTotal:", value, sizeof value);
  fact("memory_kb %lu\n", strtoul(value, NULL, 10));
  field_of("/proc/self/status", "CapEff:", value, sizeof value);
  fact("capabilities %s\n", value);
  tell_disk();
  tell_lowest_hint();
  fact("has_pagemap_scan %d\n", has_pagemap_scan());
  fact("has_userfaultfd %d\n", has_call(323, 0, 0, 0));
  fact("has_memfd %d\n", has_call(319, (long)"probe", 0, 0));
  fact("has_sysvipc %d\n", has_call(29, 0, 0, 0));
  fact("has_mseal %d\n", has_call(462, 0, 0, 0));
  fact("has_guard %d\n", has_advice(102));
  fact("has_madvise %d\n", has_advice(4));
  fact("has_next_id %d\n", access("/proc/sys/kernel/shm_next_id", W_OK) == 0);
  tell_guard_marks();
  record_begin(REC_READY);
  put((u32)size);
  put_bytes(text, size);
  record_end();
  put_config();
  send_frame();
}
