/*
 * The benchmark's counterpart on the real kernel: the same touches and the same operations.
 *   twin anon N REPS | shmem N REPS | read N REPS | ops FILE BASE REPS
 * Prints the median nanoseconds of processor time for one event; of ops also a hash of results and the faults taken.
 * Huge pages are switched off for this process alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#define PAGE 4096L
#define FIELDS 5
#define REPS_MAX 64

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), ascending);
	return v[n / 2];
}

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *map(long pages, int flags, int fd)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void touch_all(const char *mode, long pages, int reps)
{
	double ns[REPS_MAX];
	int shared = strcmp(mode, "anon") != 0, reads = strcmp(mode, "read") == 0;

	for (int r = 0; r < reps; r++) {
		int fd = reads ? memfd_create("bench", 0) : -1;
		long taken;
		double start;
		volatile char *p;

		if (reads) {
			volatile char *full;

			if (fd < 0 || ftruncate(fd, pages * PAGE) != 0)
				die("memfd");
			full = map(pages, MAP_SHARED, fd);
			for (long i = 0; i < pages; i++)
				full[i * PAGE] = 1;
			munmap((void *)full, pages * PAGE);
		}
		p = map(pages, reads ? MAP_SHARED : MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), fd);
		taken = faults();
		start = now();
		for (long i = 0; i < pages; i++) {
			if (reads)
				(void)p[i * PAGE];
			else
				p[i * PAGE] = 1;
		}
		ns[r] = now() - start;
		taken = faults() - taken;
		ns[r] /= taken > 0 ? taken : 1;
		munmap((void *)p, pages * PAGE);
		if (fd >= 0)
			close(fd);
	}
	printf("{\"ns\":%.1f}\n", median(ns, reps));
}

static int32_t result_of(long value, char *base)
{
	if (value < 0 && value >= -4095)
		return (int32_t)value;
	return (int32_t)((value - (long)base) / PAGE);
}

static int32_t execute(const int32_t *op, char *base)
{
	char *at = base + op[1] * PAGE;
	size_t len = op[2] * PAGE;
	void *p;

	switch (op[0]) {
	case 0:
		*(volatile char *)at = 1;
		return 0;
	case 1:
		(void)*(volatile char *)at;
		return 0;
	case 2:
		p = mmap(at, len, op[3] & 3, MAP_FIXED | MAP_ANONYMOUS | (op[3] & 4 ? MAP_SHARED : MAP_PRIVATE), -1, 0);
		return result_of(p == MAP_FAILED ? -errno : (long)p, base);
	case 3:
		return munmap(at, len) ? -errno : 0;
	case 4:
		return mprotect(at, len, op[3]) ? -errno : 0;
	case 5:
		p = mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, base + op[4] * PAGE);
		return result_of(p == MAP_FAILED ? -errno : (long)p, base);
	default:
		return madvise(at, len, op[3]) ? -errno : 0;
	}
}

static void run_ops(const char *path, char *base, int reps)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	double ns[REPS_MAX];
	uint32_t hash = 0;
	long count, taken = 0;
	const int32_t *ops;

	if (fd < 0 || fstat(fd, &st) != 0)
		die(path);
	ops = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (ops == MAP_FAILED)
		die(path);
	count = st.st_size / (FIELDS * sizeof(*ops));
	for (int r = 0; r < reps; r++) {
		double start;

		hash = 0;
		taken = faults();
		start = now();
		for (long i = 0; i < count; i++)
			hash = hash * 31 + (uint32_t)execute(ops + i * FIELDS, base);
		ns[r] = (now() - start) / count;
		taken = faults() - taken;
		munmap(base, 1024 * PAGE);
	}
	printf("{\"ns\":%.1f,\"hash\":%d,\"faults\":%ld}\n", median(ns, reps), (int32_t)hash, taken);
}

int main(int argc, char **argv)
{
	int ops = argc == 5 && strcmp(argv[1], "ops") == 0;
	int reps = argc > 3 ? atoi(argv[argc - 1]) : 0;

	if ((argc != 4 && !ops) || reps < 1 || reps > REPS_MAX) {
		fprintf(stderr, "usage: twin anon|shmem|read N REPS | ops FILE BASE REPS\n");
		return 2;
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (ops)
		run_ops(argv[2], (char *)strtoul(argv[3], NULL, 0), reps);
	else
		touch_all(argv[1], atol(argv[2]), reps);
	return 0;
}
