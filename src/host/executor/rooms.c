/*
 * The room in which programs live: its own process, mount and IPC namespaces and a scratch
 * directory as root, so that paths such as /tmp/x and /dev/shm/x touch nothing of the machine.
 */
#include "inspector.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

char room_root[512];
char room_proc[512];

static void in_room(char *into, size_t size, const char *path) { snprintf(into, size, "%s%s", room_root, path); }

static void make_directory(const char *path, mode_t mode) {
  char full[600];
  in_room(full, sizeof full, path);
  if (mkdir(full, mode) && errno != EEXIST) die("%s: %s", full, strerror(errno));
  chmod(full, mode);
}

static void mount_there(const char *type, const char *path, unsigned long flags) {
  char full[600];
  in_room(full, sizeof full, path);
  if (mount(type, full, type, flags, NULL)) die("mounting %s: %s", type, strerror(errno));
}

void enter_room(const char *root) {
  snprintf(room_root, sizeof room_root, "%s", root);
  snprintf(room_proc, sizeof room_proc, "%.500s/proc", root);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) die("private mounts: %s", strerror(errno));
  static const char *dirs[] = {"", "/work", "/tmp", "/dev", "/dev/shm", "/mnt", "/home", "/root", "/var", "/var/tmp"};
  for (u32 i = 0; i < sizeof dirs / sizeof *dirs; i++) make_directory(dirs[i], 0777);
  make_directory("/proc", 0755);
  mount_there("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV);
  mount_there("proc", "/proc", 0);
  char full[600];
  in_room(full, sizeof full, "/dev/zero");
  if (mknod(full, S_IFCHR | 0666, 1 << 8 | 5) && errno != EEXIST) die("%s: %s", full, strerror(errno));
  in_room(full, sizeof full, "/dev/null");
  if (mknod(full, S_IFCHR | 0666, 1 << 8 | 3) && errno != EEXIST) die("%s: %s", full, strerror(errno));
}

/* Removes what is in a directory; keeps the directory. */
static void empty_directory(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  DIR *dir = fdopendir(fd);
  if (!dir) {
    close(fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (unlinkat(fd, entry->d_name, 0) == 0) continue;
    empty_directory(fd, entry->d_name);
    unlinkat(fd, entry->d_name, AT_REMOVEDIR);
  }
  closedir(dir);
}

static void undo_mounts(void) {
  /* Later mounts come later in the file; start again after each one that is taken away. */
  for (int tries = 0; tries < 64; tries++) {
    char line[1024], last[600] = "";
    char path[600];
    snprintf(path, sizeof path, "%s/self/mountinfo", room_proc);
    FILE *file = fopen(path, "re");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
      char where[600];
      if (sscanf(line, "%*s %*s %*s %*s %599s", where) != 1) continue;
      size_t length = strlen(room_root);
      if (strncmp(where, room_root, length) || where[length] != '/') continue;
      if (!strcmp(where + length, "/proc") || !strcmp(where + length, "/dev/shm")) continue;
      snprintf(last, sizeof last, "%s", where);
    }
    fclose(file);
    if (!last[0]) return;
    if (umount2(last, MNT_DETACH)) {
      note(0, NOTE_LEFT, errno, "%s stays mounted: %s", last + strlen(room_root), strerror(errno));
      return;
    }
  }
}

static void remove_segments(void) {
  struct shm_info info;
  int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
  for (int i = 0; i <= highest; i++) {
    struct shmid_ds segment;
    int id = shmctl(i, SHM_STAT, &segment);
    if (id >= 0) shmctl(id, IPC_RMID, NULL);
  }
}

void clean_room(u32 flags) {
  if (flags & PROGRAM_MOUNTS) undo_mounts();
  if (flags & (PROGRAM_FILES | PROGRAM_MOUNTS)) {
    static const char *dirs[] = {"work", "tmp", "dev/shm", "mnt", "home", "root", "var/tmp"};
    int root = open(room_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (u32 i = 0; i < sizeof dirs / sizeof *dirs; i++) empty_directory(root, dirs[i]);
    close(root);
  }
  if (flags & PROGRAM_SHM) remove_segments();
}
