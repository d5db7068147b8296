/*
 * What page faults cost on this machine, in nanoseconds, as one JSON object. It changes no setting:
 * large folios are asked for by madvise(), and those that the machine does not give are not in the
 * answer. Numbers are medians of ROUNDS.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, HUGE = 2 << 20, ROUNDS = 7, AREA = 64 << 20, CHASE = 256 << 20 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static long faults(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return use.ru_minflt;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *list)
{
	qsort(list, ROUNDS, sizeof(*list), ascending);
	return list[ROUNDS / 2];
}

/* An area that begins at a multiple of 2 MiB. */
static char *map(size_t size, int flags, int fd, int advice)
{
	char *at = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	at += -(uintptr_t)at % HUGE;
	if (advice >= 0)
		madvise(at, size, advice);
	return at;
}

/* Touches every page; nanoseconds for each fault, and the pages that a fault gave. */
static double touch(char *at, size_t size, int write, double *pages)
{
	volatile char *p = at;
	long before = faults();
	double begin = now();
	long taken;

	for (size_t i = 0; i < size; i += PAGE) {
		if (write)
			p[i] = 1;
		else
			(void)p[i];
	}
	begin = now() - begin;
	taken = faults() - before;
	*pages = (double)size / PAGE / (taken ? taken : 1);
	return begin / (taken ? taken : 1);
}

static void measure(const char *name, int flags, int fd, int advice, int write)
{
	double ns[ROUNDS], pages = 1;

	for (int i = 0; i < ROUNDS; i++) {
		char *raw = mmap(NULL, AREA + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		char *at = raw + (-(uintptr_t)raw % HUGE);

		if (raw == MAP_FAILED)
			die("mmap");
		if (mmap(at, AREA, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
			die(name);
		if (advice >= 0)
			madvise(at, AREA, advice);
		ns[i] = touch(at, AREA, write, &pages);
		munmap(raw, AREA + HUGE);
	}
	printf("\"%s\":{\"ns\":%.1f,\"pages\":%.2f},\n", name, median(ns), pages);
}

/* Shared memory that another process has touched: the fault maps what is there. */
static void measureMapped(const char *name, int advice)
{
	double ns[ROUNDS], pages = 1;

	for (int i = 0; i < ROUNDS; i++) {
		char *raw = mmap(NULL, AREA + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		char *at = raw + (-(uintptr_t)raw % HUGE);
		int status;
		pid_t child;

		if (raw == MAP_FAILED)
			die("mmap");
		if (mmap(at, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			die(name);
		madvise(at, AREA, advice);
		child = fork();
		if (child < 0)
			die("fork");
		if (child == 0) {
			memset(at, 1, AREA);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			die("waitpid");
		ns[i] = touch(at, AREA, 1, &pages);
		munmap(raw, AREA + HUGE);
	}
	printf("\"%s\":{\"ns\":%.1f,\"pages\":%.2f},\n", name, median(ns), pages);
}

/* A file in the page cache, without a name. */
static int cachedFile(void)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	static char block[1 << 20];
	int fd;

	snprintf(path, sizeof(path), "%s/faultline-calibrate-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		die(path);
	unlink(path);
	memset(block, 1, sizeof(block));
	for (int i = 0; i < AREA / (int)sizeof(block); i++)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			die("write");
	return fd;
}

static double zeroing(void)
{
	double ns[ROUNDS];
	char *at = map(AREA, MAP_PRIVATE | MAP_ANONYMOUS, -1, MADV_HUGEPAGE);

	memset(at, 1, AREA);
	for (int i = 0; i < ROUNDS; i++) {
		ns[i] = now();
		memset(at, 0, AREA);
		__asm__ volatile("" ::"r"(at) : "memory");
		ns[i] = (now() - ns[i]) / AREA;
	}
	return median(ns);
}

/* One dependent load in each page, in random order: nanoseconds a load. */
static double chase(int advice)
{
	enum { COUNT = CHASE / PAGE };
	char *at = map(CHASE, MAP_PRIVATE | MAP_ANONYMOUS, -1, advice);
	uint32_t *order = malloc(COUNT * sizeof(*order));
	uint32_t seed = 1;
	double ns[ROUNDS];
	void **p;

	for (uint32_t i = 0; i < COUNT; i++)
		order[i] = i;
	for (uint32_t i = COUNT - 1; i > 0; i--) {
		seed = seed * 1664525 + 1013904223;
		uint32_t j = (uint32_t)(((uint64_t)seed * (i + 1)) >> 32), kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
	/* Another cache line in each page, so that they do not all compete for one set. */
#define CELL(i) ((void **)(at + (size_t)order[i] * PAGE + order[i] % 64 * 64))
	for (uint32_t i = 0; i < COUNT; i++)
		*CELL(i) = CELL((i + 1) % COUNT);
	p = CELL(0);
	for (int round = 0; round < ROUNDS; round++) {
		ns[round] = now();
		for (int i = 0; i < COUNT; i++)
			p = *p;
		ns[round] = (now() - ns[round]) / COUNT;
	}
	__asm__ volatile("" ::"r"(p) : "memory");
	munmap(at, CHASE);
	free(order);
	return median(ns);
}

int main(void)
{
	int fd;
	double small, large;

	printf("{\n");
	measure("anon", MAP_PRIVATE | MAP_ANONYMOUS, -1, MADV_NOHUGEPAGE, 1);
	measure("anonHuge", MAP_PRIVATE | MAP_ANONYMOUS, -1, MADV_HUGEPAGE, 1);
	measure("shmem", MAP_SHARED | MAP_ANONYMOUS, -1, MADV_NOHUGEPAGE, 1);
	measure("shmemHuge", MAP_SHARED | MAP_ANONYMOUS, -1, MADV_HUGEPAGE, 1);
	measureMapped("shmemMapped", MADV_NOHUGEPAGE);
	measureMapped("shmemMappedHuge", MADV_HUGEPAGE);
	fd = cachedFile();
	measure("file", MAP_SHARED, fd, -1, 0);
	measure("cow", MAP_PRIVATE, fd, -1, 1);
	small = chase(MADV_NOHUGEPAGE);
	large = chase(MADV_HUGEPAGE);
	printf("\"zeroByte\":%.4f,\n\"load4k\":%.2f,\n\"load2m\":%.2f\n}\n", zeroing(), small, large);
	return 0;
}
