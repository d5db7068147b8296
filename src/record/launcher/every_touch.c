/*
 * Preloaded into the programs of `record --precise`: shared memory whose every first touch faults.
 *
 * A read fault of shared memory maps the pages around it as well, and what the program does with
 * these takes no fault. A mapping that is registered with userfaultfd for write protection is mapped
 * page by page (uffd_disable_fault_around()); and as nothing in it is ever protected, nobody ever
 * waits for a message. That first writes to pages that were read fault too is welcome.
 *
 * The recording is told of each registered range by an madvise() that the kernel refuses: MARK.
 *
 * Linked without libraries of its own: it runs with the program's libc, and is loaded at an address
 * where no mapping of the program would go, so that all of these lie where they would without it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Advice that no kernel knows (src/trace/ops.ts MADV_EVERY_TOUCH). */
#define MARK 0x466c
#define TMPFS_MAGIC 0x01021994

/* Of kernels newer than some machine's headers. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_SHMEM (1ull << 12)
#define FEATURE_WP_ASYNC (1ull << 15)

/* Where programs do not expect their next descriptor. */
#define HIGH_DESCRIPTOR 500

#define RANGES 240

/* One page of data, with all that a child copies: the whole cost of a fork. */
static struct {
	int uffd;
	unsigned count;
	struct {
		unsigned long start, length;
	} range[RANGES];
} shared __attribute__((aligned(4096))) = {.uffd = -1};

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
	__attribute__((weak));
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void)) __attribute__((weak));

static int opened(void) {
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0) return -1;
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_SHMEM | FEATURE_WP_ASYNC};
	if (ioctl(fd, UFFDIO_API, &api) != 0) {
		close(fd);
		return -1;
	}
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
	if (high < 0) return fd;
	close(fd);
	return high;
}

/* 0 when the range is registered now. */
static int watch(unsigned long start, unsigned long length) {
	if (shared.uffd < 0 && (shared.uffd = opened()) < 0) return -1;
	struct uffdio_register how = {.range = {start, length}, .mode = UFFDIO_REGISTER_MODE_WP};
	if (ioctl(shared.uffd, UFFDIO_REGISTER, &how) != 0) return -1;
	syscall(SYS_madvise, start, length, MARK);
	return 0;
}

/* A forked child's mappings are registered with nobody. */
static void in_child(void) {
	if (shared.count == 0) return;
	int error = errno;
	if (shared.uffd >= 0) close(shared.uffd);
	shared.uffd = -1;
	for (unsigned i = 0; i < shared.count; i++)
		if (shared.range[i].length != 0) watch(shared.range[i].start, shared.range[i].length);
	errno = error;
}

__attribute__((constructor)) static void begin(void) {
	if (__register_atfork) __register_atfork(0, 0, in_child, 0);
	else if (pthread_atfork) pthread_atfork(0, 0, in_child);
}

static int is_shmem(int flags, int fd) {
	struct statfs found;
	if ((flags & MAP_SHARED) == 0 || (flags & MAP_HUGETLB) != 0) return 0;
	if ((flags & MAP_ANONYMOUS) != 0) return 1;
	return fstatfs(fd, &found) == 0 && found.f_type == TMPFS_MAGIC;
}

/*
 * A program may lay out its shared memory by addresses (PostgreSQL's log buffers are aligned to 8 kB
 * of them), and where large folios are on, the kernel aligns the whole mapping to 16 kB at least.
 * So that both agree, the mapping becomes a little longer: it ends where it would, and begins at a
 * multiple of 16 kB.
 */
#define ALIGNMENT 16384ul

static unsigned long aligned_length(unsigned long length, int flags, int fd, off_t offset) {
	unsigned long at = syscall(SYS_mmap, 0, length, PROT_NONE, flags | MAP_NORESERVE, fd, offset);
	if ((void *)at == MAP_FAILED) return length;
	syscall(SYS_munmap, at, length);
	return length + at % ALIGNMENT;
}

void *mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset) {
	int error = errno;
	int is_ours = is_shmem(flags, fd);
	unsigned long bytes = (length + 4095) & ~4095ul;
	if (is_ours && !address && length >= ALIGNMENT) bytes = aligned_length(bytes, flags, fd, offset);
	else if (!is_ours) bytes = length;
	errno = error;
	void *got = (void *)syscall(SYS_mmap, address, bytes, prot, flags, fd, offset);
	if (got == MAP_FAILED || !is_ours) return got;
	error = errno;
	if (watch((unsigned long)got, bytes) == 0) {
		unsigned at = __atomic_fetch_add(&shared.count, 1, __ATOMIC_RELAXED) % RANGES;
		shared.range[at].start = (unsigned long)got;
		shared.range[at].length = bytes;
		if (shared.count > RANGES) shared.count = RANGES;
	}
	errno = error;
	return got;
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

int munmap(void *address, size_t length) {
	unsigned long start = (unsigned long)address, end = start + length;
	for (unsigned i = 0; i < shared.count; i++) {
		unsigned long from = shared.range[i].start, to = from + shared.range[i].length;
		if (from < start || from >= end) continue;
		shared.range[i].length = 0;
		/* Its end too, of which the program does not know. */
		if (from == start && to > end && to - end < ALIGNMENT) length = to - start;
	}
	return syscall(SYS_munmap, address, length);
}
