/*
 * Executes a list of system calls (calls.txt, one a line) on the real kernel and prints it with the
 * results. test/kernel/calls.test.ts executes the same list on the model.
 *
 *   cc -O1 -w -o calls calls.c && ./calls < calls.txt > new && mv new calls.txt     (as root)
 *
 * A line: [name =] call argument...  [-> result]. Arguments are numbers (0x.., 12, 64K, 2M), names,
 * "text", or {n,n,..} for an array of 64-bit words. `touch A`, `peek A`: a store, a load; the result
 * is 0 or the signal. uffd_* are ioctls of a userfaultfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

static const struct { const char *name; int nr; } calls[] = {
#define C(n) { #n, SYS_##n }
	C(read), C(write), C(open), C(openat), C(creat), C(close), C(close_range), C(lseek), C(mmap), C(munmap),
	C(mprotect), C(mremap), C(madvise), C(brk), C(mincore), C(msync), C(mlock), C(munlock), C(mlockall), C(munlockall),
	C(dup), C(dup2), C(dup3), C(fcntl), C(ftruncate), C(truncate), C(fallocate), C(unlink), C(unlinkat), C(mkdir), C(rmdir),
	C(rename), C(link), C(memfd_create), C(pipe2), C(eventfd2), C(socket), C(pread64), C(pwrite64), C(fsync),
	C(shmget), C(shmat), C(shmdt), C(shmctl), C(prctl), C(setrlimit), C(prlimit64), C(userfaultfd), C(mount), C(umount2),
	C(setresuid), C(setuid), C(pkey_alloc), C(pkey_mprotect), C(pkey_free), C(mlock2), C(remap_file_pages), C(epoll_create1), C(personality),
	C(getuid), C(geteuid),
	{ "memfd_secret", 447 }, { "mseal", 462 }, { "process_madvise", 440 },
};

static struct { char name[32]; long value; } vars[256];
static int nvars;
static sigjmp_buf env;
static char *const errs[140] = {
#define E(n) [n] = #n
	E(EPERM), E(ENOENT), E(ESRCH), E(EBADF), E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(EBUSY), E(EEXIST), E(ENODEV),
	E(ENOTDIR), E(EISDIR), E(EINVAL), E(EMFILE), E(ENOTTY), E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(ENOSYS), E(EIDRM), E(EOVERFLOW),
	E(EOPNOTSUPP), E(ERANGE), E(ENOTEMPTY),
};

static void hit(int sig) { siglongjmp(env, sig); }

static long number(const char *s)
{
	char *end;
	for (int i = 0; i < nvars; i++)
		if (!strcmp(vars[i].name, s))
			return vars[i].value;
	if (strchr(s + 1, '+')) {
		char left[64];
		strcpy(left, s);
		char *plus = strchr(left + 1, '+');
		*plus = 0;
		return number(left) + number(plus + 1);
	}
	long v = strtoul(s, &end, 0);
	if (*s == '-')
		v = strtol(s, &end, 0);
	if (*end == 'K')
		v <<= 10;
	if (*end == 'M')
		v <<= 20;
	if (*end == 'G')
		v <<= 30;
	return v;
}

static long argument(char *s)
{
	if (*s == '"') {
		char *copy = strdup(s + 1);
		copy[strlen(copy) - 1] = 0;
		return (long)copy;
	}
	if (*s == '{') {
		uint64_t *words = calloc(16, 8);
		int n = 0;
		for (char *p = strtok(s + 1, ",}"); p; p = strtok(NULL, ",}"))
			words[n++] = number(p);
		return (long)words;
	}
	return number(s);
}

static long run(const char *name, long *a)
{
	if (!strcmp(name, "touch") || !strcmp(name, "peek")) {
		int sig = sigsetjmp(env, 1);
		if (sig)
			return sig;
		if (*name == 't')
			*(volatile char *)a[0] = a[1];
		else
			return *(volatile unsigned char *)a[0] + 1000;
		return 0;
	}
	if (!strcmp(name, "uffd_api")) {
		struct uffdio_api x = { .api = a[1], .features = a[2] };
		return ioctl(a[0], UFFDIO_API, &x);
	}
	if (!strcmp(name, "uffd_register")) {
		struct uffdio_register x = { .range = { a[1], a[2] }, .mode = a[3] };
		return ioctl(a[0], UFFDIO_REGISTER, &x);
	}
	if (!strcmp(name, "uffd_unregister")) {
		struct uffdio_range x = { a[1], a[2] };
		return ioctl(a[0], UFFDIO_UNREGISTER, &x);
	}
	if (!strcmp(name, "uffd_copy")) {
		struct uffdio_copy x = { .dst = a[1], .src = a[2], .len = a[3], .mode = a[4] };
		return ioctl(a[0], UFFDIO_COPY, &x);
	}
	if (!strcmp(name, "uffd_zeropage")) {
		struct uffdio_zeropage x = { .range = { a[1], a[2] }, .mode = a[3] };
		return ioctl(a[0], UFFDIO_ZEROPAGE, &x);
	}
	if (!strcmp(name, "uffd_wp")) {
		struct uffdio_writeprotect x = { .range = { a[1], a[2] }, .mode = a[3] };
		return ioctl(a[0], UFFDIO_WRITEPROTECT, &x);
	}
	if (!strcmp(name, "uffd_continue")) {
		struct uffdio_continue x = { .range = { a[1], a[2] }, .mode = a[3] };
		return ioctl(a[0], UFFDIO_CONTINUE, &x);
	}
	for (int i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(calls[i].name, name))
			return syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	fprintf(stderr, "no call %s\n", name);
	exit(1);
}

int main(void)
{
	static char line[4096], text[4096];
	struct sigaction sa = { .sa_handler = hit, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &sa, 0);
	umask(022);
	close_range(3, 1000, 0);
	chdir("/tmp");
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *arrow = strstr(line, " -> ");
		if (arrow)
			*arrow = 0;
		strcpy(text, line);
		if (*line == '#' || !*line) {
			printf("%s\n", line);
			continue;
		}
		char *words[16];
		int n = 0;
		char *p = line;
		while (*p && n < 16) {
			while (*p == ' ')
				p++;
			if (!*p)
				break;
			words[n++] = p;
			if (*p == '"')
				p = strchr(p + 1, '"') + 1;
			else
				p += strcspn(p, " ");
			if (*p)
				*p++ = 0;
		}
		int at = n > 1 && !strcmp(words[1], "=") ? 2 : 0;
		long a[6] = { 0 };
		for (int i = at + 1; i < n && i - at - 1 < 6; i++)
			a[i - at - 1] = argument(words[i]);
		errno = 0;
		long r = run(words[at], a);
		int e = errno;
		if (at) {
			int v = 0;
			while (v < nvars && strcmp(vars[v].name, words[0]))
				v++;
			strcpy(vars[v].name, words[0]);
			vars[v].value = r;
			nvars += v == nvars;
		}
		if (r == -1 && e)
			printf("%s -> -%s\n", text, e < 140 && errs[e] ? errs[e] : "?");
		else if (r > 65536 || r < -4096)
			printf("%s -> 0x%lx\n", text, r);
		else
			printf("%s -> %ld\n", text, r);
		fflush(stdout);
	}
	return 0;
}
