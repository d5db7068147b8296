/*
 * Maps one of each kind of memory in an area at 1 TiB, and prints what /proc says of it: the golden
 * text for test/kernel/readout.test.ts, which makes the same calls on the model.
 *
 *   cc -O1 -w -o area area.c && sudo ./area > area.txt      (x86-64, Linux 6.18, THP=madvise)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE 0x10000000000UL
#define AT(mib) ((char *)(BASE + ((unsigned long)(mib) << 20)))
#define K 1024UL

static void *map(int mib, unsigned long len, int prot, int flags, int fd, long off)
{
	void *p = mmap(AT(mib), len, prot, flags | MAP_FIXED, fd, off);
	if (p == MAP_FAILED)
		perror("mmap"), exit(1);
	return p;
}

static void touch(char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		p[i * 4096] = 1;
}

static int peek(char *p, int pages)
{
	int sum = 0;
	for (int i = 0; i < pages; i++)
		sum += *(volatile char *)(p + i * 4096);
	return sum;
}

static void dump(const char *who, int mibs)
{
	char line[4096];
	FILE *f = fopen("/proc/self/smaps", "r");
	int on = 0;
	printf("== smaps of %s\n", who);
	while (fgets(line, sizeof line, f)) {
		unsigned long start;
		if (sscanf(line, "%lx-", &start) == 1 && strchr(line, '-') && line[8] != ':') {
			char *dash = strchr(line, '-');
			if (dash && dash - line <= 16)
				on = start >= BASE && start < BASE + ((unsigned long)mibs << 20);
		}
		if (on)
			fputs(line, stdout);
	}
	fclose(f);
	printf("== pages of %s\n", who);
	int pm = open("/proc/self/pagemap", O_RDONLY), kf = open("/proc/kpageflags", O_RDONLY),
	    kc = open("/proc/kpagecount", O_RDONLY);
	char now[64], run[64] = "";
	unsigned long first = 0, next = 0;
	for (unsigned long v = BASE / 4096; v < BASE / 4096 + mibs * 256UL; v++) {
		uint64_t e = 0, fl = 0, c = 0;
		pread(pm, &e, 8, v * 8);
		if (!e)
			continue;
		uint64_t pfn = e & ((1UL << 55) - 1);
		if (e >> 63) {
			pread(kf, &fl, 8, pfn * 8);
			pread(kc, &c, 8, pfn * 8);
		}
		/* LRU, ACTIVE, REFERENCED and IDLE depend on batches and on other jobs. */
		fl &= ~(1UL << 5 | 1UL << 6 | 1UL << 2 | 1UL << 25 | 1UL << 35);
		snprintf(now, sizeof now, "%04lx %09lx %lu", (long)(e >> 48), (long)fl, (long)c);
		if (strcmp(now, run) || v != next) {
			if (*run)
				printf("%lx-%lx %s\n", first - BASE / 4096, next - BASE / 4096, run);
			strcpy(run, now);
			first = v;
		}
		next = v + 1;
	}
	if (*run)
		printf("%lx-%lx %s\n", first - BASE / 4096, next - BASE / 4096, run);
	fflush(stdout);
}

int main(void)
{
	int rw = PROT_READ | PROT_WRITE, priv = MAP_PRIVATE | MAP_ANONYMOUS, sh = MAP_SHARED | MAP_ANONYMOUS;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	map(0, 64 * K, rw, priv, -1, 0);
	touch(AT(0), 4);
	peek(AT(0) + 16 * K, 2);
	mprotect(AT(0) + 32 * K, 8 * K, PROT_READ);
	map(1, 64 * K, rw, sh, -1, 0);
	touch(AT(1), 3);
	int fd = memfd_create("gold", 0);
	ftruncate(fd, 64 * K);
	map(2, 32 * K, rw, MAP_SHARED, fd, 0);
	touch(AT(2), 2);
	map(3, 32 * K, rw, MAP_PRIVATE, fd, 0);
	touch(AT(3), 1);
	peek(AT(3) + 4096, 1);
	map(4, 16 * K, PROT_READ, MAP_SHARED, fd, 8 * K);
	map(5, 32 * K, rw, priv | MAP_NORESERVE | MAP_STACK, -1, 0);
	map(6, 32 * K, rw, priv, -1, 0);
	mlock(AT(6), 16 * K);
	map(7, 32 * K, PROT_NONE, priv, -1, 0);
	map(8, 2048 * K, rw, priv, -1, 0);
	madvise(AT(8), 2048 * K, MADV_HUGEPAGE);
	touch(AT(8) + 8192, 1);
	map(10, 4096 * K, rw, priv, -1, 0);
	madvise(AT(10), 4096 * K, MADV_HUGEPAGE);
	peek(AT(10), 1);
	touch(AT(12), 1);
	map(14, 64 * K, rw, priv, -1, 0);
	touch(AT(14), 8);
	madvise(AT(14) + 8 * K, 8 * K, 102 /* MADV_GUARD_INSTALL */);
	madvise(AT(14), 4 * K, MADV_DONTNEED);
	map(15, 16 * K, rw, priv, -1, 0);
	madvise(AT(15), 4 * K, MADV_DONTFORK);
	madvise(AT(15) + 8 * K, 4 * K, MADV_WIPEONFORK);
	touch(AT(15), 4);
	map(16, 16 * K, rw, MAP_ANONYMOUS | 8 /* MAP_DROPPABLE */, -1, 0);
	touch(AT(16), 1);
	map(17, 16 * K, PROT_READ | PROT_EXEC, priv, -1, 0);
	syscall(462 /* mseal */, AT(17), 4 * K, 0);
	map(18, 16 * K, rw, priv | MAP_GROWSDOWN, -1, 0);
	touch(AT(18), 1);
	map(19, 16 * K, rw, priv, -1, 0);
	madvise(AT(19), 4 * K, MADV_SEQUENTIAL);
	madvise(AT(19) + 4 * K, 4 * K, MADV_RANDOM);
	madvise(AT(19) + 8 * K, 4 * K, MADV_DONTDUMP);
	madvise(AT(19) + 12 * K, 4 * K, MADV_NOHUGEPAGE);
	dump("parent", 20);
	int up[2], down[2];
	char c;
	pipe(up), pipe(down);
	fflush(stdout);
	if (fork() == 0) {
		touch(AT(0), 1);
		touch(AT(1) + 8192, 2);
		touch(AT(8) + 8192, 1);
		dump("child", 20);
		write(up[1], "x", 1);
		read(down[0], &c, 1);
		_exit(0);
	}
	read(up[0], &c, 1);
	dump("parent after fork", 20);
	write(down[1], "x", 1);
	wait(NULL);
	touch(AT(0), 2);
	dump("parent after exit", 2);
	return 0;
}
