/**
 * C text of every reproducer, first half: test output, the memory that all tasks share, and the
 * tasks. A task is a process or thread that waits for its turn, does one step and answers; between
 * two steps everything stands still.
 */
export const INCLUDES = `#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
`;

export const TASKS = String.raw`#define __maybe_unused __attribute__((__unused__))
#define PAGE 4096UL
#define K 1024UL
#define M (1024 * K)
#define G (1024 * M)
#define T (1024 * G)

#define KSFT_PASS 0
#define KSFT_FAIL 1
#define KSFT_SKIP 4

typedef uint64_t u64;
typedef int64_t s64;

/* ---- test output: TAP version 13, as in kselftest.h ------------------------------------- */

static int points, passed, failed;
static const char *point;	/* the step or expectation at work */
static int wrong;		/* what it has found wrong so far */
static jmp_buf given_up;
static char reason[256];	/* why the rest cannot be done */
static size_t bytes_used;	/* of a task's room for what arguments point to */

static void __attribute__((format(printf, 1, 2))) bad(const char *format, ...)
{
	va_list args;

	if (wrong++ > 8)
		return;
	printf("# %s\n#   ", point ? point : "before the first step");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static void __attribute__((format(printf, 1, 2), noreturn)) skip_rest(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	longjmp(given_up, 1);
}


static void begin(const char *text)
{
	point = text;
	wrong = 0;
	bytes_used = 0;
}

static void end(void)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++points, point);
	if (wrong)
		failed++;
	else
		passed++;
	point = NULL;
}

static __maybe_unused void skip(const char *text, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++points, text, why);
	passed++;
}

/* ---- tasks ------------------------------------------------------------------------------ */

enum op { CALL, LOAD, STORE, FETCH, CLONE };

struct task {
	const char *name;
	int turn;		/* futex: 1 while the task is to act */
	int pid, alive, blocked;
	struct request {
		enum op op;
		long nr;
		u64 arg[6];
		unsigned int first_number;
		struct task *child;
	} to_do;
	/* what came of it */
	s64 result;
	int signo, code;
	u64 address;
	unsigned int byte, number;
	long minflt, majflt;
	u64 target;		/* of an instruction that is being fetched */
	int trapped;
	sigjmp_buf out;
	char scratch[4096] __attribute__((aligned(4096)));	/* for accesses to practise on */
	char bytes[BYTES] __attribute__((aligned(64)));	/* structs and strings of a call */
	char stack[64 * K] __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

/* Mapped at the same address in every task, and never copied on write. */
static struct shared {
	struct task task[TASKS];
	struct task *acting;
	int observer;
	int saved;
	struct {
		char path[160], value[160];
	} setting[64];
	char room[256];
} *shared;

static void futex(int *word, int op, int value, long milliseconds)
{
	struct timespec limit = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	syscall(SYS_futex, word, op, value, op == FUTEX_WAIT ? &limit : NULL, NULL, 0);
}

static void touch(void *start, size_t size)
{
	for (char *p = start; p < (char *)start + size; p += PAGE)
		__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	struct task *t = shared->acting;

#ifdef REG_ERR
	ucontext_t *user = context;

	if (t->to_do.op == FETCH) {
		/* The first trap comes behind the jump: go on by one instruction. */
		if (signo == SIGTRAP && t->trapped++ == 0 &&
		    (u64)user->uc_mcontext.gregs[REG_RIP] == t->target)
			return;
		/* What the instruction did once it was fetched does not matter. */
		if (signo == SIGTRAP || !(user->uc_mcontext.gregs[REG_ERR] & 16))
			signo = 0;
	}
#else
	(void)context;
#endif
	t->signo = signo;
	t->code = info->si_code;
	t->address = (u64)info->si_addr;
	siglongjmp(t->out, 1);
}

/* Fetches one instruction at the address; the trap flag ends it, every register is harmless. */
static void fetch(struct task *t, u64 address)
{
	t->target = address;
	t->trapped = 0;
#ifdef __x86_64__
	asm volatile("mov %0, %%r11\n\tmov %1, %%rax\n\tmov %%rax, %%rbx\n\tmov %%rax, %%rcx\n\t"
		     "mov %%rax, %%rdx\n\tmov %%rax, %%rsi\n\tmov %%rax, %%rdi\n\t"
		     "mov %%rax, %%rbp\n\tmov %%rax, %%r8\n\tmov %%rax, %%r9\n\t"
		     "mov %%rax, %%r10\n\tmov %%rax, %%r12\n\tmov %%rax, %%r13\n\t"
		     "mov %%rax, %%r14\n\tmov %%rax, %%r15\n\t"
		     "sub $256, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tjmp *%%r11"
		     : : "r"(address), "r"(t->scratch + 256) : "memory");
	__builtin_unreachable();
#endif
}

static void try_fetch(struct task *t, u64 address)
{
	if (sigsetjmp(t->out, 0) == 0)
		fetch(t, address);
}

/* Touches the first byte of a range and of each further page in it. */
static void access_range(struct task *t, u64 start, u64 length)
{
	struct request *r = &t->to_do;

	for (u64 at = start; length != 0;) {
		volatile unsigned char *byte = (volatile unsigned char *)at;
		volatile unsigned int *number = (volatile unsigned int *)((at & ~(PAGE - 1)) + 4);

		if (r->op == STORE) {
			*byte = r->arg[2];
			*number = r->first_number ? r->first_number++ : 0;
		} else if (r->op == LOAD) {
			unsigned char seen = *byte;

			if (at == start) {
				t->byte = seen;
				t->number = *number;
			}
		} else {
			try_fetch(t, at);
			if (t->signo)
				return;
		}
		at = (at & ~(PAGE - 1)) + PAGE;
		if (at > start + length - 1 || at == 0)
			return;
	}
}

static int agent(void *arg);

static s64 act(struct task *t)
{
	struct request *r = &t->to_do;
	u64 *a = r->arg;

	if (r->op == CALL)
		return syscall(r->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r->op == CLONE)
		return clone(agent, r->child->stack + sizeof(r->child->stack), a[0], r->child, a[1],
			     a[2], a[3]);
	access_range(t, a[0], a[1]);
	return 0;
}

static void perform(struct task *t)
{
	struct rusage before, after;
	volatile s64 result = 0;

	t->signo = 0;
	getrusage(RUSAGE_THREAD, &before);
	if (sigsetjmp(t->out, 0) == 0)
		result = act(t);
	getrusage(RUSAGE_THREAD, &after);
	t->result = result == -1 ? -errno : result;
	t->minflt = after.ru_minflt - before.ru_minflt;
	t->majflt = after.ru_majflt - before.ru_majflt;
}

/* So that a step finds all that this program itself needs in place, and adds no fault. */
static void warm(struct task *t)
{
	struct request request = t->to_do;
	const struct request practice[] = {
		{ .op = CALL, .nr = SYS_close, .arg = { ~0UL } },
		{ .op = LOAD, .arg = { 1UL << 63, 1 } },	/* no address: a signal */
		{ .op = LOAD, .arg = { (u64)t->scratch, 1 } },
		{ .op = STORE, .arg = { (u64)t->scratch, 1 } },
		{ .op = FETCH, .arg = { (u64)t->scratch, 1 } },
	};

	touch(shared, sizeof(*shared));
	for (int i = 0; i < 5; i++) {
		t->to_do = practice[i];
		perform(t);
	}
	t->to_do = request;
}

static int agent(void *arg)
{
	struct task *t = arg;

	t->pid = syscall(SYS_gettid);
	__atomic_store_n(&t->alive, 1, __ATOMIC_SEQ_CST);
	futex(&t->alive, FUTEX_WAKE, 1, 0);
	for (;;) {
		while (__atomic_load_n(&t->turn, __ATOMIC_SEQ_CST) == 0) {
			futex(&t->turn, FUTEX_WAIT, 0, 1000);
			if (syscall(SYS_kill, shared->observer, 0) && errno == ESRCH)
				syscall(SYS_exit_group, 0);
		}
		warm(t);
		perform(t);
		__atomic_store_n(&t->turn, 0, __ATOMIC_SEQ_CST);
		futex(&t->turn, FUTEX_WAKE, 1, 0);
	}
	return 0;
}

/* 'S' asleep, 'Z' or 0 dead: the letter of /proc/PID/stat. */
static char state_of(struct task *t)
{
	char path[64], line[512] = "";
	FILE *file;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", t->pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return end ? end[2] : 0;
}

#define PATIENCE_MS 20000

/* Waits until the task has answered, sleeps in its call, or has died. */
static void await(struct task *t)
{
	t->blocked = 0;
	for (int waited = 0; __atomic_load_n(&t->turn, __ATOMIC_SEQ_CST) != 0; waited++) {
		char state;

		futex(&t->turn, FUTEX_WAIT, 1, 1);
		if (__atomic_load_n(&t->turn, __ATOMIC_SEQ_CST) == 0)
			break;
		state = state_of(t);
		if (state == 0 || state == 'Z' || state == 'X') {
			t->alive = 0;
			t->turn = 0;
		} else if (state == 'S' && waited > 2) {
			t->blocked = 1;
			return;
		} else if (waited > PATIENCE_MS) {
			bad("the step does not end");
			kill(t->pid, SIGKILL);
		}
	}
}

static void let_act(struct task *t)
{
	if (t->blocked)
		await(t);
	shared->acting = t;
	if (!t->alive)
		skip_rest("task %s has ended", t->name);
	if (t->blocked)
		skip_rest("task %s still waits in an earlier step", t->name);
	__atomic_store_n(&t->turn, 1, __ATOMIC_SEQ_CST);
	futex(&t->turn, FUTEX_WAKE, 1, 0);
	await(t);
}

/* A system call of a task. What its arguments point to lies in t->bytes. */
#define call(task, nr, ...) do_call(task, nr, (u64[6]){ __VA_ARGS__ })

static u64 do_call(struct task *t, long nr, const u64 *args)
{
	t->to_do = (struct request){ .op = CALL, .nr = nr };
	memcpy(t->to_do.arg, args, sizeof(t->to_do.arg));
	let_act(t);
	return t->result < 0 && t->result >= -4095 ? ~0UL : (u64)t->result;
}

static void *room_for(struct task *t, size_t size)
{
	void *room = t->bytes + bytes_used;

	bytes_used += (size + 15) & ~15UL;
	if (bytes_used > BYTES)
		skip_rest("the arguments of a call are too long");
	memset(room, 0, size);
	return room;
}

/* A string in the memory of all tasks, followed by zeros up to a size. */
static __maybe_unused u64 put_text(struct task *t, const char *text, size_t least)
{
	size_t length = strlen(text) + 1;

	return (u64)memcpy(room_for(t, length > least ? length : least), text, length);
}

static __maybe_unused u64 put_room(struct task *t, size_t size)
{
	return (u64)room_for(t, size);
}

/* A structure, or an array, of words of one width. */
static __maybe_unused u64 put_words(struct task *t, size_t width, size_t count, const u64 *words)
{
	char *room = room_for(t, count * width > 64 ? count * width : 64);

	for (size_t i = 0; i < count; i++)
		memcpy(room + i * width, &words[i], width);
	return (u64)room;
}

#define PUT(task, width, ...) \
	put_words(task, width, sizeof((u64[]){ __VA_ARGS__ }) / 8, (u64[]){ __VA_ARGS__ })

static __maybe_unused void load(struct task *t, u64 address, u64 length)
{
	t->to_do = (struct request){ .op = LOAD, .arg = { address, length } };
	let_act(t);
}

/* Stores the byte, and into each page a number of its own behind it. */
static __maybe_unused void store(struct task *t, u64 address, u64 length, unsigned int byte,
				 unsigned int first_number)
{
	t->to_do = (struct request){ .op = STORE, .arg = { address, length, byte } };
	t->to_do.first_number = first_number;
	let_act(t);
}

static __maybe_unused void execute(struct task *t, u64 address, u64 length)
{
	t->to_do = (struct request){ .op = FETCH, .arg = { address, length } };
	let_act(t);
}

/* fork and clone: the child goes on as a task of its own, on a stack of its own. */
static __maybe_unused struct task *spawn(struct task *t, int slot, const char *name, u64 flags)
{
	struct task *child = &shared->task[slot];

	child->name = name;
	child->pid = child->turn = child->alive = child->blocked = 0;
	t->to_do = (struct request){ .op = CLONE, .arg = { flags }, .child = child };
	let_act(t);
	for (int i = 0; i < 5000 && t->result > 0 && !__atomic_load_n(&child->alive, __ATOMIC_SEQ_CST);
	     i++)
		futex(&child->alive, FUTEX_WAIT, 0, 1);
	return child;
}
`;
