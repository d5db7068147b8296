/*
 * The executor as the first process of a virtual machine. It brings up what programs and the
 * inspector need (file systems, a disk, the port that frames come through), starts the executor
 * proper as it is started on any machine, and powers off when that has ended.
 *
 * The initramfs has /init (this program), /dev/console, and in /modules the modules that the kernel
 * image does not have built in, in the order of their names, and /settings. Device nodes are made from what sysfs
 * says, so that neither devtmpfs nor udev is needed.
 */
#include "inspector.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH "/scratch"
#define PORT_PREFIX "faultline."
#define PORTS_WAIT_MS 3000
#define JOBS_MAX 8
#define MODULE_INIT_COMPRESSED_FILE 4

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "faultline-init: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
}

static void power_off(void) {
  sync();
  reboot(LINUX_REBOOT_CMD_POWER_OFF);
  /* Without ACPI that only halts; the emulator ends at a reboot too. */
  reboot(LINUX_REBOOT_CMD_RESTART);
  for (;;) pause();
}

/* The last words are what the machine's owner is told. */
#define give_up(...) (say("cannot go on: " __VA_ARGS__), power_off())

static int mount_at(const char *type, const char *where) {
  mkdir(where, 0755);
  return mount(type, where, type, 0, NULL) ? -errno : 0;
}

static void pause_ms(int ms) {
  struct timespec time = {0, ms * 1000000L};
  nanosleep(&time, NULL);
}

/* First line of a file; empty when there is none. */
static void read_line(const char *path, char *line, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, line, room - 1);
  if (fd >= 0) close(fd);
  line[n > 0 ? n : 0] = 0;
  line[strcspn(line, "\n")] = 0;
}

/* Makes the node of the device that a directory of sysfs stands for. */
static int make_node(const char *sys, const char *node, mode_t type) {
  char path[300], number[32];
  unsigned major_number, minor_number;
  snprintf(path, sizeof path, "%s/dev", sys);
  read_line(path, number, sizeof number);
  if (sscanf(number, "%u:%u", &major_number, &minor_number) != 2) return 0;
  return mknod(node, type | 0600, makedev(major_number, minor_number)) == 0 || errno == EEXIST;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void load_modules(void) {
  char *names[64];
  int count = 0;
  DIR *dir = opendir("/modules");
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir)) && count < 64;)
    if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
  closedir(dir);
  qsort(names, (size_t)count, sizeof *names, by_name);
  for (int i = 0; i < count; i++) {
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", names[i]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int compressed = strstr(names[i], ".ko.") != NULL;
    if (syscall(SYS_finit_module, fd, "", compressed ? MODULE_INIT_COMPRESSED_FILE : 0) && errno != EEXIST)
      say("module %s: %s", names[i], strerror(errno));
    close(fd);
    free(names[i]);
  }
}

/* The settings that every run begins with: lines of "path value". */
static void write_settings(void) {
  char line[300];
  FILE *file = fopen("/settings", "re");
  while (file && fgets(line, sizeof line, file)) {
    char *value = strchr(line, ' ');
    if (!value) continue;
    *value++ = 0;
    value[strcspn(value, "\n")] = 0;
    int fd = open(line, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, value, strlen(value)) < 0) say("%s: %s", line, strerror(errno));
    if (fd >= 0) close(fd);
  }
  if (file) fclose(file);
}

/* The virtio port of a job, by the name that the emulator gave it; -1 while it is not there. */
static int open_port(int job) {
  char sys[300], name[64], node[64];
  int fd = -1;
  DIR *dir = opendir("/sys/class/virtio-ports");
  for (struct dirent *entry; dir && fd < 0 && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(sys, sizeof sys, "/sys/class/virtio-ports/%.100s/name", entry->d_name);
    read_line(sys, name, sizeof name);
    if (strncmp(name, PORT_PREFIX, sizeof PORT_PREFIX - 1)) continue;
    if (atoi(name + sizeof PORT_PREFIX - 1) != job) continue;
    snprintf(sys, sizeof sys, "/sys/class/virtio-ports/%.100s", entry->d_name);
    snprintf(node, sizeof node, "/dev/port-%d", job);
    if (make_node(sys, node, S_IFCHR)) fd = open(node, O_RDWR);
  }
  if (dir) closedir(dir);
  return fd;
}

/* A port that nobody listens to yet reads as ended. */
static void await_listener(int fd) {
  for (int waited = 0; waited < PORTS_WAIT_MS; waited += 5) {
    struct pollfd port = {fd, POLLIN, 0};
    if (poll(&port, 1, 0) >= 0 && !(port.revents & POLLHUP)) return;
    pause_ms(5);
  }
}

static int open_serial(void) {
  struct termios raw;
  if (!make_node("/sys/class/tty/ttyS1", "/dev/ttyS1", S_IFCHR)) return -1;
  int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
  if (fd < 0 || tcgetattr(fd, &raw)) return -1;
  cfmakeraw(&raw);
  cfsetspeed(&raw, B115200);
  raw.c_cflag |= CLOCAL | CREAD;
  return tcsetattr(fd, TCSANOW, &raw) ? -1 : fd;
}

/* Opens the ports of all jobs, or of one on a serial line; returns how many there are. */
static int open_ports(int jobs, int *ports) {
  int count = 0;
  for (int waited = 0; count < jobs && waited < PORTS_WAIT_MS; waited += 20) {
    int fd = open_port(count);
    if (fd >= 0) {
      await_listener(fd);
      ports[count++] = fd;
      continue;
    }
    pause_ms(20);
  }
  if (count > 0) return count;
  ports[0] = open_serial();
  if (ports[0] < 0)
    give_up("no virtio ports (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_CONSOLE) and no ttyS1 (CONFIG_SERIAL_8250)");
  say("no virtio port; frames go over ttyS1");
  return 1;
}

/* Where the programs' files lie: the disk that came with the machine, else memory. */
static void mount_scratch(void) {
  mkdir(SCRATCH, 0755);
  for (int waited = 0; waited < 500 && access("/sys/block/vda", F_OK); waited += 20) pause_ms(20);
  if (!make_node("/sys/block/vda", "/dev/vda", S_IFBLK)) say("no disk (CONFIG_VIRTIO_BLK)");
  else if (mount("/dev/vda", SCRATCH, "ext4", MS_NOATIME, NULL)) say("ext4: %s (CONFIG_EXT4_FS)", strerror(errno));
  else return;
  if (mount("tmpfs", SCRATCH, "tmpfs", 0, NULL))
    give_up("tmpfs: %s (CONFIG_TMPFS, CONFIG_SHMEM)", strerror(errno));
}

static void need(const char *type, const char *where, const char *option) {
  int error = mount_at(type, where);
  if (error) give_up("%s: %s (%s)", type, strerror(-error), option);
}

/* Each job's inspector reads from 3 + 2i and writes to 4 + 2i; the console stays the error output. */
static void place_ports(const int *ports, int count) {
  int away[JOBS_MAX];
  for (int i = 0; i < count; i++) away[i] = fcntl(ports[i], F_DUPFD, 100);
  for (int i = 0; i < count; i++) {
    static const char hello[] = VM_HELLO;
    if (write(away[i], hello, sizeof hello - 1) < 0) say("port %d: %s", i, strerror(errno));
    dup2(away[i], 3 + 2 * i);
    dup2(away[i], 4 + 2 * i);
    close(away[i]);
  }
}

int run_as_init(int jobs) {
  int ports[JOBS_MAX];
  if (jobs < 1) jobs = 1;
  if (jobs > JOBS_MAX) jobs = JOBS_MAX;
  umask(0);
  mkdir("/dev", 0755);
  need("proc", "/proc", "CONFIG_PROC_FS");
  need("sysfs", "/sys", "CONFIG_SYSFS");
  if (mount_at("debugfs", "/sys/kernel/debug") < 0) say("no debugfs (CONFIG_DEBUG_FS)");
  mount_at("tracefs", "/sys/kernel/tracing");
  load_modules();
  mount_scratch();
  write_settings();
  int count = open_ports(jobs, ports);
  int pid = fork();
  if (pid == 0) {
    char *args[8 + JOBS_MAX] = {"executor", "serve", "/lock", "0", SCRATCH "/run"};
    static char numbers[JOBS_MAX][4];
    for (int i = 0; i < count; i++) {
      snprintf(numbers[i], sizeof numbers[i], "%d", i);
      args[5 + i] = numbers[i];
    }
    place_ports(ports, count);
    for (int i = 3 + 2 * count; i < 64; i++) close(i);
    _exit(serve(5 + count, args));
  }
  for (int status; wait(&status) != pid || !(WIFEXITED(status) || WIFSIGNALED(status));) continue;
  power_off();
  return 1;
}
