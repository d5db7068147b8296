/*
 * Many small reads at once. An observation reads hundreds of places in files of /proc; where a call
 * costs more than what it does (a guest whose calls are traced), io_uring does them all in one call.
 * Without it, or where it would need a thread of its own, they are done one by one.
 */
#include "inspector.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 256u

static int ring = -1;
static u32 *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;

/* Reads that wait for do_reads(). */
static struct wanted {
  int fd;
  u32 size;
  u64 at;
  void *into;
  s64 *got;
} wanted[ENTRIES];
static u32 wanted_count;

static void *map(u64 size, u64 offset) {
  void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, (off_t)offset);
  return found == MAP_FAILED ? NULL : found;
}

static int open_ring(void) {
  struct io_uring_params p = {0};
  ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
  if (ring < 0) return 0;
  u8 *sq = map(p.sq_off.array + p.sq_entries * 4, IORING_OFF_SQ_RING);
  u8 *cq = map(p.cq_off.cqes + p.cq_entries * sizeof *cqes, IORING_OFF_CQ_RING);
  sqes = map(p.sq_entries * sizeof *sqes, IORING_OFF_SQES);
  if (!sq || !cq || !sqes) return 0;
  sq_tail = (u32 *)(sq + p.sq_off.tail);
  sq_mask = (u32 *)(sq + p.sq_off.ring_mask);
  sq_array = (u32 *)(sq + p.sq_off.array);
  cq_head = (u32 *)(cq + p.cq_off.head);
  cq_tail = (u32 *)(cq + p.cq_off.tail);
  cq_mask = (u32 *)(cq + p.cq_off.ring_mask);
  cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
  return 1;
}

static void close_ring(void) {
  if (ring >= 0) close(ring);
  ring = -1;
}

static s64 read_alone(const struct wanted *w) {
  ssize_t n;
  do n = pread(w->fd, w->into, w->size, (off_t)w->at);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static void read_each(void) {
  for (u32 i = 0; i < wanted_count; i++) *wanted[i].got = read_alone(&wanted[i]);
}

static void submit(void) {
  u32 tail = *sq_tail;
  for (u32 i = 0; i < wanted_count; i++, tail++) {
    struct io_uring_sqe *sqe = &sqes[tail & *sq_mask];
    *sqe = (struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = wanted[i].fd, .off = wanted[i].at,
                                 .addr = (u64)wanted[i].into, .len = wanted[i].size, .user_data = i};
    sq_array[tail & *sq_mask] = tail & *sq_mask;
  }
  __atomic_store_n(sq_tail, tail, __ATOMIC_RELEASE);
}

/* The kernel's answers that are there; a read that it did not do is done by hand. */
static u32 reap(void) {
  u32 head = *cq_head, count = 0;
  for (; head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE); head++, count++) {
    const struct io_uring_cqe *cqe = &cqes[head & *cq_mask];
    struct wanted *w = &wanted[cqe->user_data % ENTRIES];
    *w->got = cqe->res < 0 ? read_alone(w) : cqe->res;
  }
  __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
  return count;
}

void do_reads(void) {
  /* Two calls are not dearer than a ring. */
  if (ring < 0 || wanted_count <= 2) {
    read_each();
  } else {
    submit();
    for (u32 sent = 0, done = 0; done < wanted_count;) {
      long n = syscall(SYS_io_uring_enter, ring, wanted_count - sent, wanted_count - done, IORING_ENTER_GETEVENTS, NULL, 0);
      if (n < 0 && errno != EINTR && errno != EAGAIN) die("io_uring: %s", strerror(errno));
      if (n > 0) sent += (u32)n;
      done += reap();
    }
  }
  wanted_count = 0;
}

/* `got` becomes the bytes that were read, or -errno, at the latest by do_reads(). */
void want_read(int fd, void *into, u32 size, u64 at, s64 *got) {
  if (wanted_count == ENTRIES) do_reads();
  *got = -EIO;
  wanted[wanted_count++] = (struct wanted){fd, size, at, into, got};
}

static u32 threads(void) {
  u32 count = 0;
  DIR *dir = opendir("/proc/self/task");
  for (struct dirent *entry; dir && (entry = readdir(dir));) count += entry->d_name[0] != '.';
  if (dir) closedir(dir);
  return count;
}

/*
 * A read that would have to wait, or that gives fewer bytes than were wanted, is handed to a thread,
 * which would take one of the numbers that programs' processes get. Files that were opened with
 * O_NONBLOCK are read at once; this is tried.
 */
void reads_start(const int *fds, u32 count) {
  static u8 room[8][64];
  static s64 got[8];
  if (!open_ring()) {
    close_ring();
    return;
  }
  for (u32 i = 0; i < count && i < 8; i++) want_read(fds[i], room[i], 16, 0, &got[i]);
  do_reads();
  int fine = threads() == 1;
  for (u32 i = 0; i < count && i < 8; i++) fine = fine && got[i] > 0;
  if (!fine) close_ring();
}
