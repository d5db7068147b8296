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

static void make_directory(const char *path, mode_t mode) {
  if (mkdir(path, mode) && errno != EEXIST) die("%s: %s", path, strerror(errno));
  chmod(path, mode);
}

static void make_device(const char *path, unsigned minor) {
  if (mknod(path, S_IFCHR | 0666, 1 << 8 | minor) && errno != EEXIST) die("%s: %s", path, strerror(errno));
}

void enter_room(const char *root) {
  static const char *dirs[] = {"/work", "/tmp", "/dev", "/dev/shm", "/mnt", "/home", "/root", "/var", "/var/tmp"};
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) die("private mounts: %s", strerror(errno));
  make_directory(root, 0777);
  /* A mount point of its own, so that the room's mounts can be told from the machine's. */
  if (mount(root, root, NULL, MS_BIND, NULL)) die("%s: %s", root, strerror(errno));
  if (chroot(root) || chdir("/")) die("%s: %s", root, strerror(errno));
  for (u32 i = 0; i < sizeof dirs / sizeof *dirs; i++) make_directory(dirs[i], 0777);
  /* As everywhere: a name in them belongs to the owner of its file. /dev/shm is so by itself. */
  make_directory("/tmp", 01777);
  make_directory("/var/tmp", 01777);
  make_directory("/proc", 0755);
  if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, NULL)) die("tmpfs: %s", strerror(errno));
  if (mount("proc", "/proc", "proc", 0, NULL)) die("proc: %s", strerror(errno));
  make_device("/dev/zero", 5);
  make_device("/dev/null", 3);
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

void remove_room(const char *path) {
  empty_directory(AT_FDCWD, path);
  rmdir(path);
}

static void undo_mounts(void) {
  /* Later mounts come later in the file; start again after each one that is taken away. */
  for (int tries = 0; tries < 64; tries++) {
    char line[1024], where[600], last[600] = "";
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
      if (sscanf(line, "%*s %*s %*s %*s %599s", where) != 1) continue;
      if (strcmp(where, "/") && strcmp(where, "/proc") && strcmp(where, "/dev/shm")) strcpy(last, where);
    }
    fclose(file);
    if (!last[0]) return;
    if (umount2(last, MNT_DETACH)) {
      note(0, NOTE_LEFT, errno, "%s stays mounted: %s", last, strerror(errno));
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

/* A directory of the room that programs write to; kept open, because most programs leave it empty. */
static void empty_kept(int *fd, const char *name) {
  char entries[2048];
  if (*fd < 0) *fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0 || lseek(*fd, 0, SEEK_SET)) return;
  /* "." and ".." take 24 bytes each; more bytes are more names. */
  if (getdents64(*fd, entries, sizeof entries) > 48) empty_directory(AT_FDCWD, name);
}

void clean_room(u32 flags) {
  static const char *dirs[] = {"/work", "/tmp", "/dev/shm", "/mnt", "/home", "/root", "/var/tmp"};
  static int fds[] = {-1, -1, -1, -1, -1, -1, -1};
  if (flags & PROGRAM_MOUNTS) undo_mounts();
  if (flags & (PROGRAM_FILES | PROGRAM_MOUNTS))
    for (u32 i = 0; i < sizeof dirs / sizeof *dirs; i++) empty_kept(&fds[i], dirs[i]);
  if (flags & PROGRAM_SHM) remove_segments();
}
