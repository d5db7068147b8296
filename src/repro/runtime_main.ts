/**
 * C text of every reproducer, last part: settings that are put back, the directory in which files
 * live, the address space in which a scenario begins, and main().
 */
export const SETTINGS = String.raw`/* ---- settings: saved before they are written, put back at the end, whatever ends us ------- */

#define THP "/sys/kernel/mm/transparent_hugepage/"

static void read_setting(const char *path, char *value, size_t room)
{
	const char *text = text_of(fopen(path, "re"), "", ~0UL);

	snprintf(value, room, "%s", text ? text : "");
}

static int write_text(const char *path, const char *value)
{
	int error = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) < 0)
		error = errno;
	close(fd);
	return error;
}

static void put_back(void)
{
	for (int i = shared->saved - 1; i >= 0; i--) {
		char now[160];

		read_setting(shared->setting[i].path, now, sizeof(now));
		if (strcmp(now, shared->setting[i].value) &&
		    write_text(shared->setting[i].path, shared->setting[i].value))
			printf("# %s could not be put back to %s\n", shared->setting[i].path,
			       shared->setting[i].value);
	}
	shared->saved = 0;
}

/* A setting may start khugepaged, which then looks at all memory at once: let it pass. */
static void await_khugepaged(const char *before)
{
	char now[32];

	for (int i = 0; i < 30; i++) {
		struct timespec pause = { 0, 1000000 };

		nanosleep(&pause, NULL);
		read_setting(THP "khugepaged/full_scans", now, sizeof(now));
		if (strcmp(now, before))
			return;
	}
}

/* Writes a setting; 0, or the error. */
static int write_setting(const char *path, const char *value)
{
	char before[160], scans[32];
	int error;

	read_setting(path, before, sizeof(before));
	if (*before && shared->saved < 64) {
		int i = 0;

		while (i < shared->saved && strcmp(shared->setting[i].path, path))
			i++;
		if (i == shared->saved) {
			snprintf(shared->setting[i].path, sizeof(shared->setting[i].path), "%s", path);
			snprintf(shared->setting[i].value, sizeof(shared->setting[i].value), "%s", before);
			shared->saved++;
		}
	}
	read_setting(THP "khugepaged/full_scans", scans, sizeof(scans));
	error = write_text(path, value);
	if (!error && strcmp(before, value) &&
	    (strstr(path, "khugepaged/") || strstr(path, "page/enabled") ||
	     strstr(path, "page/shmem_enabled") || strstr(path, "2048kB/")))
		await_khugepaged(scans);
	return error;
}

/* A step "echo VALUE > PATH"; without the file or the right to write it the rest makes no sense. */
static __maybe_unused void setting(const char *path, const char *value, int due)
{
	int error = write_setting(path, value);

	if (!due && (error == EACCES || error == EPERM || error == ENOENT || error == EROFS))
		skip_rest("%s: %s", path, strerror(error));
	if (error != due)
		bad("writing gave \"%s\", expected \"%s\"", strerror(error), strerror(due));
}

/* What the expectations take for granted: the defaults of the model. */
static void assume(const char *path, const char *value, int obligatory)
{
	char now[160];
	int error;

	read_setting(path, now, sizeof(now));
	if (!*now && !obligatory)
		return;
	error = strcmp(now, value) ? write_setting(path, value) : 0;
	if (error)
		skip_rest("%s must be %s: %s", path, value, strerror(error));
}

static void assume_defaults(void)
{
	assume(THP "khugepaged/scan_sleep_millisecs", "4000000", 0);
	assume(THP "enabled", "madvise", 1);
	assume(THP "defrag", "madvise", 0);
	assume(THP "use_zero_page", "1", 0);
	assume(THP "shmem_enabled", "never", 0);
	for (int kb = 8; kb <= 2048; kb *= 2) {
		char path[128];

		snprintf(path, sizeof(path), THP "hugepages-%dkB/enabled", kb);
		assume(path, kb == 2048 ? "inherit" : "never", 0);
		snprintf(path, sizeof(path), THP "hugepages-%dkB/shmem_enabled", kb);
		assume(path, kb == 2048 ? "inherit" : "never", 0);
	}
	assume("/sys/kernel/debug/fault_around_bytes", "65536", 0);
	assume("/proc/sys/vm/overcommit_memory", "0", 0);
}
`;

/** Only where a scenario names files. */
export const ROOM = `/* ---- a place of its own for files --------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *walk)
{
	(void)s;
	(void)type;
	(void)walk;
	return remove(path);
}

static void remove_room(void)
{
	if (*shared->room)
		nftw(shared->room, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* In a mount namespace of this program: nothing of the machine's directories is touched. */
static void enter_room(void)
{
	static const char *const dirs[] = { "/tmp", "/var/tmp", "/home", "/root", "/mnt" };
	const char *base = getenv("TMPDIR");
	char name[256];
	struct stat s;

	snprintf(name, sizeof(name), "%s/repro-XXXXXX", base ? base : ".");
	if (!mkdtemp(name) || !realpath(name, shared->room))
		skip_rest("no directory for files can be made here: %s", strerror(errno));
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip_rest("no mount namespace: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		char path[sizeof(shared->room) + 16];

		snprintf(path, sizeof(path), "%s/%zu", shared->room, i);
		if (stat(dirs[i], &s) == 0 && mkdir(path, 0777) == 0 &&
		    mount(path, dirs[i], NULL, MS_BIND, NULL))
			skip_rest("%s cannot be bound: %s", dirs[i], strerror(errno));
	}
	if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, NULL))
		skip_rest("/dev/shm: %s", strerror(errno));
}

/* The expectations are those of ext4 with large folios, and a disk with the usual readahead. */
static __maybe_unused void needs_ext4(void)
{
	char path[128];
	struct statfs fs;
	struct stat s;

	if (statfs("/tmp", &fs) || fs.f_type != 0xef53 || stat("/tmp", &s))
		skip_rest("files are to lie on ext4; say where by TMPDIR");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/bdi/read_ahead_kb", major(s.st_dev),
		 minor(s.st_dev));
	assume(path, "128", 0);
}
`;

export const MAIN = String.raw`/* ---- the address space in which the scenario begins --------------------------------------- */

static u64 heap;		/* where brk() begins, where the model's begins */

static void own_maps(struct task *t)
{
	own_count = 0;
	own_count = mappings(t, own, 512);
}

static __maybe_unused void not_ours(u64 start, u64 length)
{
	for (int i = 0; i < own_count; i++)
		if (start < own[i].end && start + length > own[i].start && own[i].start < TOP_LOWEST)
			skip_rest("this program itself lies at 0x%" PRIx64 ": compile it with -pie",
				  own[i].start);
}

#define SHARED_NONE MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE

/*
 * mmap() without an address looks for room from the top down. All room above "top" is taken, and
 * top lies in its 512G as the model's does: then the kernel's choices are the model's, moved.
 */
static void take_the_top(struct task *t)
{
	u64 lowest = ~0UL, keeper;

	own_maps(t);
	for (int i = own_count - 1; i >= 0; i--)
		if (own[i].start >= TOP_LOWEST && own[i].start < 1UL << 47)
			lowest = own[i].start;
	top = (lowest & ~(512 * G - 1)) - 512 * G + (MODEL_TOP & (512 * G - 1));
	call(t, SYS_mmap, top, lowest - top, PROT_NONE, SHARED_NONE, -1, 0);
	if (shared->acting->result < 0)
		skip_rest("no room at the top of the address space: %s", error_name(t->result));
	for (int i = 0; i + 1 < own_count; i++) {
		u64 end = own[i].end, next = own[i + 1].start;

		if (own[i].start >= lowest && next < 1UL << 47 && next > end)
			call(t, SYS_mmap, end, next - end - (i + 2 < own_count ? 0 : 2 * M), PROT_NONE,
			     SHARED_NONE, -1, 0);
	}
	/* A stand-in for the model's stack, whose page tables count. */
	keeper = top + 128 * M - 33 * PAGE;
	call(t, SYS_munmap, keeper, 33 * PAGE);
	call(t, SYS_mmap, keeper, 33 * PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	store(t, keeper + 32 * PAGE, 1, 1, 0);
}

/* The heap goes on at a boundary of 1G, as if it began there; what lies before it stays ours. */
static __maybe_unused void move_heap(struct task *t)
{
	u64 old, end;

	call(t, SYS_brk, 0);
	old = t->result;
	end = (old + PAGE - 1) & ~(PAGE - 1);
	heap = (old + G) & ~(G - 1);
	call(t, SYS_brk, heap);
	if ((u64)t->result != heap)
		skip_rest("the heap cannot be moved");
	call(t, SYS_munmap, end, heap - end);
}

static __maybe_unused void needs_release(const char *release)
{
	struct utsname name;
	size_t length = strlen(release);

	uname(&name);
	if (strncmp(name.release, release, length) || (name.release[length] >= '0' && name.release[length] <= '9'))
		skip_rest("the scenario is for Linux %s, this is %s", release, name.release);
}

static __maybe_unused void needs_memory(u64 bytes)
{
	u64 kb = field("/proc/meminfo", "MemTotal");

	if (kb * K > bytes || kb * K < bytes - bytes / 8)
		skip_rest("the scenario is for a machine of %" PRIu64 " kB, this one has %" PRIu64, bytes / 1024,
			  kb);
}

/*
 * The C library has the kernel write to a word of each thread whenever it is scheduled, which after
 * a fork is a fault. Neither function nor variable need exist.
 */
extern const ptrdiff_t __rseq_offset __attribute__((weak));

static void stop_rseq(void)
{
	char *thread;

	if (!&__rseq_offset)
		return;
	asm("mov %%fs:0, %0" : "=r"(thread));
	for (unsigned int size = 32; size <= 256; size += 4)
		if (syscall(334 /* rseq */, thread + __rseq_offset, size, 1, 0x53053053) == 0)
			return;
}

static struct task *first_task(const char *name)
{
	struct task *t = &shared->task[0];
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	t->name = name;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &fault, NULL);
	stop_rseq();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	fflush(stdout);
	if (clone(agent, t->stack + sizeof(t->stack), SIGCHLD, t) < 0)
		skip_rest("clone: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_DFL);
	while (!__atomic_load_n(&t->alive, __ATOMIC_SEQ_CST))
		futex(&t->alive, FUTEX_WAIT, 0, 1);
	call(t, SYS_close_range, 3, ~0U, 0);
	call(t, SYS_personality, ADDR_NO_RANDOMIZE);
	take_the_top(t);
	if (USES_BRK)
		move_heap(t);
	own_maps(t);
	own_data = number_of(text_of(open_proc(t, "status"), "VmData", ~0UL)) * K;
	own_tables = number_of(text_of(open_proc(t, "status"), "VmPTE", ~0UL)) - 12;
	return t;
}

/* Some machines map a fresh page where others map the zero page. */
static int maps_zero_page(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct task self = { .pid = getpid() };
	u64 word;

	if (p == MAP_FAILED || *(volatile char *)p)
		return 0;
	word = page_word(&self, (u64)p);
	munmap(p, PAGE);
	return is_zero_page(word);
}

/* ---- main --------------------------------------------------------------------------------- */

static int observe(void)
{
	cpu_set_t cpu;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shared->observer = getpid();
	/* One CPU, so that no page waits in the batches of another. */
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	if (setjmp(given_up) == 0) {
		needs();
		zero_page = maps_zero_page();
		assume_defaults();
		scenario();
	} else {
		if (wrong && point)
			end();
		while (points < POINTS)
			printf("ok %d # SKIP %s\n", ++points, reason);
	}
	for (int i = 0; i < TASKS; i++)
		if (shared->task[i].pid > 0)
			kill(shared->task[i].pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		continue;
	printf("# %d passed, %d failed, %d skipped\n", passed, failed, POINTS - passed - failed);
	fflush(stdout);
	return failed ? KSFT_FAIL : *reason ? KSFT_SKIP : KSFT_PASS;
}

static pid_t observer;

static void stop(int signo)
{
	(void)signo;
	kill(observer, SIGKILL);
}

static int nothing_to_do(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return KSFT_SKIP;
}

/* The first process does nothing but wait, and then puts back what was changed. */
static int run(void)
{
	int status = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	if (sysconf(_SC_PAGESIZE) != PAGE)
		return nothing_to_do("needs pages of 4K");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED)
		return nothing_to_do("no shared memory");
	/* Page frames are told to root alone; so are settings. */
	if (geteuid() != 0 || !kpage_flags(0) + !word_of("/proc/self/pagemap", (u64)shared / PAGE) > 1)
		return nothing_to_do("needs root, and /proc/kpageflags");
	if (!(word_of("/proc/self/pagemap", (u64)shared / PAGE) & PM_PFN))
		return nothing_to_do("needs root: /proc/PID/pagemap shows no page frames");
	printf("1..%d\n", POINTS);
	fflush(stdout);
	observer = fork();
	if (observer == 0)
		_exit(observe());
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGHUP, stop);
	while (waitpid(observer, &status, 0) < 0 && errno == EINTR)
		continue;
	put_back();
	leave();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("Bail out! ended by signal %d\n", WTERMSIG(status));
	return KSFT_FAIL;
}
`;

export const PLAIN_MAIN = `
int main(void)
{
	return run();
}
`;

/** The first process of a machine: it makes its world, runs the test and powers off. */
export const INIT_MAIN = String.raw`
static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	mount(type, where, type, 0, NULL);
}

int main(void)
{
	int status = KSFT_FAIL;
	pid_t child;

	if (getpid() != 1)
		return run();
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("devtmpfs", "/dev");
	mount_at("tmpfs", "/dev/shm");
	mkdir("/tmp", 01777);
	mkdir("/mnt", 0755);
	chdir("/");
	for (int fd = 0; fd < 3; fd++)
		if (open("/dev/console", O_RDWR) < 0)
			break;
	child = fork();
	if (child == 0)
		exit(run());
	waitpid(child, &status, 0);
	printf("# exit code %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : KSFT_FAIL);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
`;
