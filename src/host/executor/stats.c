/*
 * Statistics of large folios: the files below hugepages-<size>kB/stats/, and /proc/vmstat. They count
 * for the whole machine.
 */
#include "inspector.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATS_MAX 600
#define VMSTAT_LINES 400
#define VMSTAT_LINE 64

static struct {
  int fd;
  char name[96];
  char last[24]; /* what it said when it was sent */
} stats[STATS_MAX];
static int stats_count = -1, vmstat_fd = -1;
static char vmstat_last[VMSTAT_LINES][VMSTAT_LINE];

/* What nobody compares: nothing is read back from swap in folios, and there is no zswap. */
static int is_left_out(const char *item) {
  return item[0] == '.' || !strncmp(item, "swpin", 5) || !strcmp(item, "zswpout");
}

static void open_size(const char *size) {
  char path[160];
  snprintf(path, sizeof path, THP "/%s/stats", size);
  int folder = open_file(path, O_RDONLY | O_DIRECTORY);
  DIR *dir = folder < 0 ? NULL : fdopendir(folder);
  for (struct dirent *entry; dir && (entry = readdir(dir)) && stats_count < STATS_MAX;) {
    if (is_left_out(entry->d_name)) continue;
    int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    stats[stats_count].fd = fd;
    snprintf(stats[stats_count++].name, sizeof stats[0].name, "%.40s/stats/%.40s", size, entry->d_name);
  }
  if (dir) closedir(dir);
}

static void open_stats(void) {
  stats_count = 0;
  int folder = open_file(THP, O_RDONLY | O_DIRECTORY);
  DIR *dir = folder < 0 ? NULL : fdopendir(folder);
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    if (!strncmp(entry->d_name, "hugepages-", 10)) open_size(entry->d_name);
  }
  if (dir) closedir(dir);
  vmstat_fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
}

/* Lines "name value" of what is not as it was when it was sent last; NONE comes first, with all. */
void put_stats(u32 step) {
  static char text[1 << 16], vmstat[1 << 15];
  if (stats_count < 0) open_stats();
  u64 size = 0;
  for (int i = 0; i < stats_count && size < sizeof text - 256; i++) {
    char value[24] = "";
    ssize_t n = pread(stats[i].fd, value, sizeof value - 1, 0);
    if (n <= 0 || (step != NONE && !strcmp(value, stats[i].last))) continue;
    memcpy(stats[i].last, value, sizeof value);
    size += (u64)snprintf(text + size, 256, "%s %s", stats[i].name, value);
  }
  ssize_t n = vmstat_fd < 0 ? 0 : pread(vmstat_fd, vmstat, sizeof vmstat - 1, 0);
  vmstat[n > 0 ? n : 0] = '\0';
  int i = 0;
  for (char *line = vmstat, *end; i < VMSTAT_LINES && (end = strchr(line, '\n')); line = end + 1, i++) {
    u64 length = (u64)(end - line);
    char *last = vmstat_last[i];
    if (length >= VMSTAT_LINE || size + length + 1 > sizeof text) continue;
    if (step != NONE && !strncmp(line, last, length) && !last[length]) continue;
    memcpy(last, line, length);
    last[length] = '\0';
    memcpy(text + size, line, length + 1);
    size += length + 1;
  }
  record_begin(REC_STATS);
  put(step);
  put((u32)size);
  put_bytes(text, size);
  record_end();
}
