/*
 * Files below /sys and /proc: settings that a program writes (their old values go to the guard
 * first), files that it reads, and the settings that decide what memory management does, read
 * before and after each program so that a change by someone else is noticed.
 */
#include "inspector.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KHUGEPAGED_SCANS THP "/khugepaged/full_scans"
#define WATCHED_MAX 96

static struct {
  char path[128];
  int fd; /* -1: opened for each look, because it cannot be read at a place (debugfs) */
} watched[WATCHED_MAX];
static u32 watched_count;
static int guard = -1;
static int sys_directory = -1;

/*
 * We live in the room, whose /proc is that of our namespaces; it has no /sys, so that no program
 * can write to it past the guard. Ours was opened before we moved in.
 */
int open_file(const char *path, int flags) {
  char work[1100];
  if (!strncmp(path, "/sys/", 5)) return openat(sys_directory, path + 5, flags | O_CLOEXEC);
  if (path[0] == '/') return open(path, flags | O_CLOEXEC);
  snprintf(work, sizeof work, "/work/%s", path);
  return open(work, flags | O_CLOEXEC);
}

static void watch(const char *path) {
  if (watched_count == WATCHED_MAX) return;
  int fd = open_file(path, O_RDONLY);
  if (fd < 0) return;
  snprintf(watched[watched_count].path, sizeof watched[0].path, "%s", path);
  char byte;
  if (pread(fd, &byte, 1, 0) < 0) {
    close(fd);
    fd = -1;
  }
  watched[watched_count++].fd = fd;
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

void settings_start(int guard_fd) {
  guard = guard_fd;
  sys_directory = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (sys_directory < 0) die("/sys: %s", strerror(errno));
}

void watch_settings(void) {
  static const char *fixed[] = {
      THP "/enabled", THP "/defrag", THP "/shmem_enabled", THP "/use_zero_page",
      THP "/shrink_underused", THP "/khugepaged/defrag", THP "/khugepaged/max_ptes_none",
      THP "/khugepaged/max_ptes_swap", THP "/khugepaged/max_ptes_shared", "/proc/sys/vm/max_map_count",
      "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/mmap_min_addr", "/proc/sys/vm/nr_hugepages",
      "/proc/sys/vm/legacy_va_layout", "/sys/kernel/debug/fault_around_bytes",
      "/sys/kernel/mm/ksm/run"};
  for (u32 i = 0; i < sizeof fixed / sizeof *fixed; i++) watch(fixed[i]);
  int sizes[32], count = 0;
  int thp = open_file(THP, O_RDONLY | O_DIRECTORY);
  DIR *dir = thp < 0 ? NULL : fdopendir(thp);
  for (struct dirent *entry; dir && (entry = readdir(dir)) && count < 32;)
    if (sscanf(entry->d_name, "hugepages-%dkB", &sizes[count]) == 1) count++;
  if (dir) closedir(dir);
  qsort(sizes, (size_t)count, sizeof *sizes, by_number);
  for (int i = 0; i < count; i++) {
    char path[128];
    snprintf(path, sizeof path, THP "/hugepages-%dkB/enabled", sizes[i]);
    watch(path);
    snprintf(path, sizeof path, THP "/hugepages-%dkB/shmem_enabled", sizes[i]);
    watch(path);
  }
}

/* A setting's file shows all values with the chosen one in brackets, or the value alone. */
static u64 chosen(char *value, ssize_t n) {
  if (n < 0) n = 0;
  value[n] = 0;
  char *open_bracket = strchr(value, '['), *close_bracket = strchr(value, ']');
  if (open_bracket && close_bracket > open_bracket) {
    *close_bracket = 0;
    memmove(value, open_bracket + 1, strlen(open_bracket + 1) + 1);
  }
  value[strcspn(value, "\n")] = 0;
  return strlen(value);
}

static void read_chosen(const char *path, char *value, size_t room) {
  int fd = open_file(path, O_RDONLY);
  ssize_t n = fd < 0 ? 0 : read(fd, value, room - 1);
  if (fd >= 0) close(fd);
  chosen(value, n);
}

/* `kept`: nobody has written a setting since the report after the last program, which holds still. */
void report_settings(int after, int kept) {
  static char text[WATCHED_MAX * 256];
  static u64 size;
  if (size == 0) kept = 0;
  if (!kept) size = 0;
  for (u32 i = 0; !kept && i < watched_count; i++) {
    char value[256];
    if (watched[i].fd < 0) read_chosen(watched[i].path, value, sizeof value);
    else chosen(value, pread(watched[i].fd, value, sizeof value - 1, 0));
    size += (u64)snprintf(text + size, sizeof text - size, "%s %.120s\n", watched[i].path, value);
    if (size > sizeof text - 256) break;
  }
  record_begin(REC_SETTINGS);
  put((u32)after);
  put((u32)size);
  put_bytes(text, size);
  record_end();
}

/* What may be written: settings that the guard can put back, and files of the tasks. */
static int is_writable_setting(const char *path) {
  static const char *trees[] = {THP "/", "/sys/kernel/mm/ksm/", "/sys/kernel/mm/lru_gen/",
                                "/sys/kernel/debug/fault_around_bytes", "/proc/sys/vm/"};
  if (strstr(path, "/../") || strstr(path, "/./")) return 0;
  for (u32 i = 0; i < sizeof trees / sizeof *trees; i++)
    if (!strncmp(path, trees[i], strlen(trees[i]))) return 1;
  return 0;
}

/* Some setting lets khugepaged run (hugepage_pmd_enabled, 6.18). */
static int has_khugepaged(void) {
  char top[128], size[128];
  read_chosen(THP "/hugepages-2048kB/enabled", size, sizeof size);
  if (!strcmp(size, "always") || !strcmp(size, "madvise")) return 1;
  read_chosen(THP "/enabled", top, sizeof top);
  if (!strcmp(size, "inherit") && strcmp(top, "never")) return 1;
  read_chosen(THP "/shmem_enabled", top, sizeof top);
  read_chosen(THP "/hugepages-2048kB/shmem_enabled", size, sizeof size);
  if (!strcmp(top, "deny")) return 0;
  if (!strcmp(size, "inherit")) return strcmp(top, "never") != 0;
  return size[0] && strcmp(size, "never");
}

/*
 * A setting that starts khugepaged has it look at all memory at once: the program waits until it has
 * been through, and its own memory is not there yet. It is the nicest of all tasks, so that on a
 * machine with one CPU it comes only while everyone waits.
 */
static void await_khugepaged(const char *before) {
  char now[32];
  for (int tries = 0; tries < 1000; tries++) {
    struct timespec pause = {0, 300000};
    nanosleep(&pause, NULL);
    read_chosen(KHUGEPAGED_SCANS, now, sizeof now);
    if (strcmp(now, before)) return;
  }
}

/* The first process in its list wakes it: that is us, and it has been through when programs come. */
void settle_khugepaged(void) {
  char scans[32];
  read_chosen(KHUGEPAGED_SCANS, scans, sizeof scans);
  occupy_khugepaged();
  if (scans[0] && has_khugepaged()) await_khugepaged(scans);
}

static int write_file(const char *path, const void *value, u32 size);

/* Each write to this one wakes khugepaged at once, so it is written once and put back at the end. */
#define KHUGEPAGED_SLEEP THP "/khugepaged/scan_sleep_millisecs"

static int write_watched(const char *path, const void *value, u32 size) {
  char scans[32];
  if (!strcmp(path, KHUGEPAGED_SLEEP)) {
    read_chosen(KHUGEPAGED_SCANS, scans, sizeof scans);
    int failed = write_file(path, value, size);
    if (!failed && has_khugepaged()) await_khugepaged(scans);
    return failed;
  }
  int concerns = !strncmp(path, THP, sizeof THP - 1) && strstr(path, "enabled");
  int before = concerns ? has_khugepaged() : 1;
  if (!before) read_chosen(KHUGEPAGED_SCANS, scans, sizeof scans);
  int error = write_file(path, value, size);
  if (!before && has_khugepaged()) {
    occupy_khugepaged();
    await_khugepaged(scans);
  }
  return error;
}

static int write_file(const char *path, const void *value, u32 size) {
  int fd = open_file(path, O_WRONLY);
  if (fd < 0) return -errno;
  ssize_t n = write(fd, value, size);
  int error = n < 0 ? -errno : 0;
  close(fd);
  return error;
}

/* Settings that the running program has written, with what they were before, oldest first. */
static struct {
  char path[160], value[512];
} undo[64];
static int undo_count;
/* Of these, the ones that are held for the programs to come (PROGRAM_HOLD). */
static int held_count;

/* Before the first write the old value is known to the guard, and to the end of the program. */
static void save_setting(u32 step, const char *path) {
  char message[1024], value[512];
  for (int i = held_count; i < undo_count; i++)
    if (!strcmp(undo[i].path, path)) return;
  int fd = open_file(path, O_RDONLY);
  if (fd < 0) return;
  ssize_t n = read(fd, value, sizeof value - 1);
  close(fd);
  if (n <= 0 || n >= (ssize_t)sizeof value - 1) return;
  chosen(value, n);
  int size = snprintf(message, sizeof message, "%s %s\n", path, value);
  if (size < (int)sizeof message && write(guard, message, (size_t)size) != size)
    die("the guard of the settings is gone");
  if (undo_count == 64) {
    note(step, NOTE_TOO_LARGE, 0, "more than 64 settings; %s keeps its value until the run ends", path);
    return;
  }
  snprintf(undo[undo_count].path, sizeof undo[0].path, "%s", path);
  snprintf(undo[undo_count].value, sizeof undo[0].value, "%s", value);
  undo_count++;
}

static void undo_down_to(int count) {
  while (undo_count > count) {
    undo_count--;
    int error = write_watched(undo[undo_count].path, undo[undo_count].value, (u32)strlen(undo[undo_count].value));
    if (error)
      note(0, NOTE_LEFT, -error, "%s could not be put back to %s", undo[undo_count].path, undo[undo_count].value);
  }
}

void undo_settings(void) { undo_down_to(held_count); }

void hold_settings(void) { held_count = undo_count; }

/* What was held before is put back, for the program that holds next. */
void release_settings(void) {
  held_count = 0;
  undo_down_to(undo_count > 0 && !strcmp(undo[0].path, KHUGEPAGED_SLEEP));
}

void release_all_settings(void) {
  held_count = 0;
  undo_down_to(0);
}

static int has_value(const char *path, const u8 *value, u32 size) {
  char now[64];
  int fd = open_file(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t n = read(fd, now, sizeof now);
  close(fd);
  return n == (ssize_t)size && !memcmp(now, value, size);
}

/*
 * A watched setting has this value already: writing it once more would change nothing. `force` may be
 * refused all the same, when sizes have been set since.
 */
static int is_chosen(const char *path, const u8 *value, u32 size) {
  char now[256];
  if (size && value[size - 1] == '\n') size--;
  if (size == 5 && !memcmp(value, "force", size)) return 0;
  for (u32 i = 0; i < watched_count; i++) {
    if (strcmp(watched[i].path, path)) continue;
    ssize_t n = watched[i].fd < 0 ? 0 : pread(watched[i].fd, now, sizeof now - 1, 0);
    return n > 0 && chosen(now, n) == size && !memcmp(now, value, size);
  }
  return 0;
}

int write_setting(u32 step, const char *path, const u8 *value, u32 size) {
  int setting = is_writable_setting(path);
  if (setting && is_chosen(path, value, size)) return 0;
  if (!setting && (!strncmp(path, "/sys/", 5) || !strncmp(path, "/proc/sys", 9))) {
    note(step, NOTE_REFUSED, EPERM, "%s is not a setting that the executor writes", path);
    return -EPERM;
  }
  if (setting) save_setting(step, path);
  if (!strcmp(path, KHUGEPAGED_SLEEP) && has_value(path, value, size)) return 0;
  int error = write_watched(path, value, size);
  if (error == -EPERM || error == -EACCES || error == -ENOENT || error == -EROFS)
    note(step, NOTE_REFUSED, -error, "%s cannot be written: %s", path, strerror(-error));
  return error;
}

int cat_file(u32 step, const char *path) {
  static char text[1 << 20];
  int fd = open_file(path, O_RDONLY);
  if (fd < 0) {
    int error = errno;
    if (error == EPERM || error == EACCES)
      note(step, NOTE_REFUSED, error, "%s cannot be read: %s", path, strerror(error));
    return -error;
  }
  u64 size = 0;
  ssize_t n;
  while (size < sizeof text && (n = read(fd, text + size, sizeof text - size)) > 0) size += (u64)n;
  int error = errno;
  close(fd);
  if (n < 0) return -error;
  if (size == sizeof text) note(step, NOTE_TOO_LARGE, 0, "%s is cut after 1 MiB", path);
  record_begin(REC_OUTPUT);
  put(step);
  put((u32)size);
  put_bytes(text, size);
  record_end();
  return 0;
}
