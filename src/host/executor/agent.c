/*
 * The agent: plays one task of a program. Freestanding: no libc, no thread-local storage, no heap,
 * no global that changes. All that it writes lies in its area (wire.h), whose pages are written
 * before a request is measured, so that the faults counted are those of the tested access alone.
 */
#include "wire.h"

#define HIDDEN __attribute__((visibility("hidden")))

#define SYS_read 0
#define SYS_write 1
#define SYS_munmap 11
#define SYS_rt_sigaction 13
#define SYS_sched_yield 24
#define SYS_madvise 28
#define SYS_clone 56
#define SYS_execve 59
#define SYS_wait4 61
#define SYS_exit_group 231
#define SYS_close_range 436
#define SYS_gettid 186
#define SYS_sigaltstack 131
#define SYS_getrusage 98
#define RUSAGE_THREAD 1
#define CLONE_VM 0x100

struct rusage {
  u64 times[4];
  u64 sizes[4];
  u64 minflt, majflt;
  u64 swaps, blocks_read;
  u64 rest[4];
};

/* The books, at AREA_BOOKS. */
struct area {
  u64 fixup;   /* where to go on after a signal; 0 when none is expected */
  u64 target;  /* address that is being executed */
  u32 fetching;
  u32 stepped; /* single-step traps since the jump */
  u32 task;
  u64 saved_rsp;
  u64 saved_rbp;
  u64 kernel_stack; /* where the kernel's stack began: what execve put there lies above */
  u64 signal_room;  /* bytes at the top of the signal stack that a signal takes */
  u64 scratch[4];
  struct {
    u32 signo;
    s64 code;
    u64 address;
    u64 error;
  } signal;
  struct rusage before, after;
};

_Static_assert(AREA_BOOKS + sizeof(struct area) <= AREA_REPLY, "books and reply overlap");
/* Pages of an access whose bits fit into a reply. */
#define SHORT_BITS ((AREA_REQUEST - AREA_REPLY - sizeof(struct reply)) * 8)
#define LONG_BITS ((PAGE - sizeof(struct reply)) * 8)

static inline s64 call6(u64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  s64 result;
  register u64 r10 asm("r10") = d;
  register u64 r8 asm("r8") = e;
  register u64 r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#define call3(nr, a, b, c) call6(nr, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

static inline struct area *area_at(u64 base) { return (struct area *)(base + AREA_BOOKS); }
static inline u64 base_of(struct area *area) { return (u64)area - AREA_BOOKS; }

static void touch(u64 start, u64 end) {
  for (u64 p = start & ~(PAGE - 1); p < end; p += PAGE) asm volatile("lock orb $0,(%0)" ::"r"(p) : "memory");
}

/* ---- signals ---------------------------------------------------------------------------- */

asm(".globl restorer\n"
    "restorer: mov $15,%eax\n syscall\n");
HIDDEN void restorer(void);

/* Indexes of registers in ucontext's gregs (x86-64). */
enum { REG_RSP = 15, REG_RIP = 16, REG_EFL = 17, REG_ERR = 19, GREGS = 5 };
#define TRAP_FLAG 0x100UL
#define SIGTRAP 5
#define SIGBUS 7
#define SIGSEGV 11
#define FAULT_OF_FETCH 0x10

static void on_signal(int signo, void *info, void *context) {
  u64 here;
  asm volatile("mov %%rsp,%0" : "=r"(here));
  struct area *area = area_at(here & ~(AREA_SIZE - 1));
  u64 *regs = (u64 *)context + GREGS;
  if (area->fixup == 0) { /* Not ours: let it kill the task, with the signal as the reason. */
    call3(SYS_exit_group, 128 + signo, 0, 0);
  }
  if (area->fetching) {
    /* The first trap comes after the jump and before the fetch: go on by one instruction. */
    if (signo == SIGTRAP && area->stepped++ == 0 && regs[REG_RIP] == area->target) return;
    regs[REG_EFL] &= ~TRAP_FLAG;
    regs[REG_RSP] = area->saved_rsp;
    /* Whatever the one instruction did after it was fetched is no concern of the program. */
    if ((signo != SIGSEGV && signo != SIGBUS) || !(regs[REG_ERR] & FAULT_OF_FETCH)) signo = 0;
  }
  area->signal.signo = signo;
  area->signal.code = ((int *)info)[2];
  area->signal.address = ((u64 *)info)[2];
  regs[REG_RIP] = area->fixup;
}

static void set_signal_stack(struct area *area) {
  struct {
    u64 sp, flags, size;
  } stack = {base_of(area) + AREA_SIGNAL_STACK, 0, AREA_SIGNAL_STACK_SIZE};
  call3(SYS_sigaltstack, &stack, 0, 0);
}

static void set_handlers(void) {
  static const int signals[] = {4, SIGTRAP, SIGBUS, 8, SIGSEGV};
  struct {
    void *handler;
    u64 flags;
    void *restorer;
    u64 mask;
  } action = {on_signal, 0x4 /* SIGINFO */ | 0x04000000 /* RESTORER */ | 0x08000000 /* ONSTACK */ |
                             0x40000000 /* NODEFER */, restorer, 0};
  for (u32 i = 0; i < sizeof signals / sizeof *signals; i++)
    call6(SYS_rt_sigaction, signals[i], (u64)&action, 0, 8, 0, 0);
  action.handler = (void *)1; /* SIG_IGN */
  call6(SYS_rt_sigaction, 13, (u64)&action, 0, 8, 0, 0); /* SIGPIPE */
  call6(SYS_rt_sigaction, 25, (u64)&action, 0, 8, 0, 0); /* SIGXFSZ */
}

/* ---- accesses --------------------------------------------------------------------------- */

static u32 load(struct area *area, u64 address) {
  u32 value = 0;
  asm volatile("lea 1f(%%rip),%%rax\n mov %%rax,%[fixup]\n movzbl (%[p]),%[v]\n 1: movq $0,%[fixup]"
               : [v] "+r"(value), [fixup] "=m"(area->fixup)
               : [p] "r"(address)
               : "rax", "memory");
  return value;
}

static void store(struct area *area, u64 address, u8 value) {
  asm volatile("lea 1f(%%rip),%%rax\n mov %%rax,%[fixup]\n movb %[v],(%[p])\n 1: movq $0,%[fixup]"
               : [fixup] "=m"(area->fixup)
               : [p] "r"(address), [v] "q"(value)
               : "rax", "memory");
}

/*
 * Fetches one instruction at `address`. The page's bytes are whatever the program put there, so
 * they run for one instruction at most (trap flag), with every register aimed at scratch memory.
 */
static void fetch(struct area *area, u64 address) {
  area->target = address;
  area->fetching = 1;
  area->stepped = 0;
  asm volatile(
      "lea 1f(%%rip),%%rax\n mov %%rax,%c[fixup](%%rdi)\n"
      "sub $128,%%rsp\n"
      "mov %%rbp,%c[rbp](%%rdi)\n mov %%rsp,%c[rsp](%%rdi)\n"
      "mov %%rsi,%%r11\n"
      "lea %c[scratch](%%rdi),%%rax\n"
      "mov %%rax,%%rbx\n mov %%rax,%%rcx\n mov %%rax,%%rdx\n mov %%rax,%%rsi\n mov %%rax,%%rdi\n"
      "mov %%rax,%%rbp\n mov %%rax,%%r8\n mov %%rax,%%r9\n mov %%rax,%%r10\n mov %%rax,%%r12\n"
      "mov %%rax,%%r13\n mov %%rax,%%r14\n mov %%rax,%%r15\n"
      "pushf\n orl $0x100,(%%rsp)\n popf\n"
      "jmp *%%r11\n"
      "1: mov %%rsp,%%rdi\n and $-65536,%%rdi\n add %[books],%%rdi\n"
      "mov %c[rbp](%%rdi),%%rbp\n movq $0,%c[fixup](%%rdi)\n"
      "add $128,%%rsp\n cld\n"
      : "+D"(area), "+S"(address)
      : [fixup] "i"(__builtin_offsetof(struct area, fixup)),
        [rbp] "i"(__builtin_offsetof(struct area, saved_rbp)),
        [rsp] "i"(__builtin_offsetof(struct area, saved_rsp)),
        [scratch] "i"(__builtin_offsetof(struct area, scratch)), [books] "i"(AREA_BOOKS)
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
        "memory");
  area->fetching = 0;
}

static inline void count_faults(struct rusage *into) { call3(SYS_getrusage, RUSAGE_THREAD, into, 0); }

/* The last byte, not the end: a range may reach to the top of the address space. */
static u64 last_of(const struct request *request) {
  u64 last = request->args[0] + request->args[1] - 1;
  return last < request->args[0] ? ~0UL : last;
}

static u64 bits_of(const struct request *request) {
  if (request->args[1] == 0) return 0;
  u64 pages = last_of(request) / PAGE - request->args[0] / PAGE + 1;
  return pages < LONG_BITS ? pages : LONG_BITS;
}

/* Grows with whatever has a disk read, waited for or not. */
static u64 blocks_read(const struct rusage *use) { return use->majflt + use->blocks_read; }

/* Of the time stamp counter: longer than a disk takes to answer, half a millisecond or more. */
#define DISK_TICKS 2000000

/*
 * A fault that had pages read from a disk (a major one, or one that met the mark of readahead) returns
 * when its own page is there, a call that reads ahead without waiting at all. The others come when the
 * disk answers, and until then fault-around passes them over: the next touch or call waits for them. A
 * task that sleeps counts as blocked (agents.c), so this one stays awake.
 */
static void wait_for_disk(void) {
  u64 begin = __builtin_ia32_rdtsc();
  while (__builtin_ia32_rdtsc() - begin < DISK_TICKS) call3(SYS_sched_yield, 0, 0, 0);
}

/* Touches the first byte of the range and of every further page in it; stops at a signal. */
static void access_range(struct area *area, struct request *request, struct reply *reply) {
  u64 address = request->args[0], last = last_of(request), most = bits_of(request);
  if (most == 0) return;
  for (u64 i = 0; i < most; i += 8) reply->faulted[i / 8] = 0;
  u64 faults = area->before.minflt + area->before.majflt;
  u64 reads = blocks_read(&area->before);
  u64 page = 0;
  for (u64 p = address; area->signal.signo == 0;) {
    u32 value = 0;
    if (request->op == REQ_READ) value = load(area, p);
    else if (request->op == REQ_WRITE) store(area, p, value = (u8)request->args[2]);
    else fetch(area, p);
    if (page == 0) reply->result = value;
    count_faults(&area->after);
    u64 now = area->after.minflt + area->after.majflt;
    if (now != faults && page < most) reply->faulted[page / 8] |= (u8)(1 << (page % 8));
    faults = now;
    u64 read = blocks_read(&area->after);
    if (read != reads) wait_for_disk();
    reads = read;
    page++;
    p = (p & ~(PAGE - 1)) + PAGE;
    if (p > last || p == 0) break;
  }
  reply->pages = page;
  u64 bits = page < most ? page : most;
  reply->bytes = sizeof *reply + (u32)((bits + 7) / 8);
}

/* ---- clone and execve ------------------------------------------------------------------- */

/*
 * clone(2), then getrusage in the parent before anything is written: the stores that follow break
 * copy-on-write of the agent's own pages and are not the program's faults. A child on a stack of
 * its own finds {r12, rbx = its area, return address = start_thread} there.
 */
asm(".globl clone_counted\n"
    "clone_counted: push %rbx\n push %r12\n"
    "mov %r9,%rbx\n mov %rcx,%r10\n mov $56,%eax\n syscall\n"
    "test %rax,%rax\n jz 1f\n"
    "mov %rax,%r12\n mov $98,%eax\n mov $1,%edi\n mov %rbx,%rsi\n syscall\n"
    "mov %r12,%rax\n"
    "1: pop %r12\n pop %rbx\n ret\n"
    ".globl start_thread\n"
    "start_thread: mov %rbx,%rdi\n xor %ebp,%ebp\n call serve\n");
HIDDEN s64 clone_counted(u64 flags, u64 stack, u64 ptid, u64 ctid, u64 tls, struct rusage *after);
HIDDEN void start_thread(void);
HIDDEN void serve(struct area *area);

static void say(struct area *area, struct reply *reply) {
  u64 done = 0;
  while (done < reply->bytes) {
    s64 n = call3(SYS_write, REPLY_FD(area->task), (u64)reply + done, reply->bytes - done);
    if (n <= 0) call3(SYS_exit_group, 125, 0, 0);
    done += (u64)n;
  }
}

static void say_hello(struct area *area) {
  struct reply *reply = (struct reply *)(base_of(area) + AREA_REPLY);
  *reply = (struct reply){.bytes = sizeof *reply, .result = call3(SYS_gettid, 0, 0, 0)};
  say(area, reply);
}

/* Lays out the area of a child that shares the memory; its stack pointer, 0 for a fork. */
static u64 prepare_thread(struct area *area, struct request *request) {
  if (!(request->args[0] & CLONE_VM)) return 0;
  u64 base = AREAS_START + request->args[5] * AREA_SIZE;
  touch(base, base + PAGE);
  struct area *child = area_at(base);
  child->task = (u32)request->args[4];
  child->signal_room = area->signal_room;
  child->fixup = 0;
  u64 *top = (u64 *)(base + AREA_STACK_TOP - 64);
  top[0] = 0;
  top[1] = (u64)child;
  top[2] = (u64)start_thread;
  return (u64)top;
}

/* Returns 0 in a child with memory of its own, which goes on in its copy of the parent's area. */
static s64 do_clone(struct area *area, struct request *request, u64 stack) {
  u32 task = (u32)request->args[4];
  s64 result = clone_counted(request->args[0], stack, request->args[1], request->args[2],
                             request->args[3], &area->after);
  if (result == 0) {
    area->task = task;
    /* A program's first task does not share the stack's page with the zygote. */
    if (request->flags & REQ_OWN_STACK) touch(area->kernel_stack, STACK_END);
    say_hello(area);
  }
  return result;
}

/* ---- between two programs --------------------------------------------------------------- */

/* Descriptors, mappings and children of the last program; 0, or what could not be done. */
static s64 clean(struct area *area, u64 stack) {
  s64 error = call3(SYS_close_range, 3, REQUEST_FD(0) - 1, 0);
  if (error == 0) error = call3(SYS_munmap, 0, IMAGE_START, 0);
  if (error == 0) error = call3(SYS_munmap, IMAGE_END, stack - IMAGE_END, 0);
  if (error) return error;
  s64 child;
  do child = call6(SYS_wait4, ~0UL, 0, 0x40000001 /* WNOHANG, __WALL */, 0, 0, 0);
  while (child > 0);
  touch(area->kernel_stack, STACK_END);
  return child == -10 /* ECHILD */ ? 0 : -1;
}

/* ---- the loop --------------------------------------------------------------------------- */

static void receive(struct area *area, struct request *request) {
  u64 have = 0, want = sizeof *request;
  while (have < want) {
    s64 n = call3(SYS_read, REQUEST_FD(area->task), (u64)request + have,
                  have < sizeof *request ? AREA_REQUEST_MAX - have : want - have);
    if (n <= 0) call3(SYS_exit_group, 125, 0, 0);
    have += (u64)n;
    if (have >= sizeof *request) want = request->bytes;
  }
}

/* What answering will write to must not fault while it is measured. */
static struct reply *prepare(struct area *area, struct request *request) {
  u64 base = base_of(area), reply = base + AREA_REPLY;
  touch(base, base + PAGE);
  touch((u64)request, (u64)request + request->span + 1);
  if (request->flags & REQ_TOUCH_IMAGE) touch(IMAGE_START, IMAGE_END);
  if (request->op >= REQ_READ && request->op <= REQ_EXEC) {
    touch(base + AREA_SIZE - area->signal_room, base + AREA_SIZE);
    if (bits_of(request) > SHORT_BITS) {
      reply = base + AREA_LONG_REPLY;
      touch(reply, reply + PAGE);
    }
  }
  return (struct reply *)reply;
}

void serve(struct area *area) {
  u64 base = base_of(area);
  struct request *request = (struct request *)(base + AREA_REQUEST);
  if (base != AREAS_START) {
    set_signal_stack(area);
    say_hello(area);
  }
  for (;;) {
    receive(area, request);
    struct reply *reply = prepare(area, request);
    *reply = (struct reply){.op = request->op, .bytes = sizeof *reply};
    area->signal.signo = 0;
    u64 *a = request->args;
    u64 stack = request->op == REQ_CLONE ? prepare_thread(area, request) : 0;
    count_faults(&area->before);
    if (request->op == REQ_CALL) {
      reply->result = call6(request->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
      count_faults(&area->after);
      if (blocks_read(&area->after) != blocks_read(&area->before)) wait_for_disk();
    } else if (request->op == REQ_CLONE) {
      s64 result = do_clone(area, request, stack);
      if (result == 0) continue;
      reply->result = result;
      if (result < 0) count_faults(&area->after);
    } else if (request->op == REQ_CLEAN) {
      reply->result = clean(area, a[0]);
    } else if (request->op == REQ_EXECVE) {
      reply->result = call3(SYS_execve, a[0], a[1], a[2]);
      count_faults(&area->after);
    } else {
      access_range(area, request, reply);
    }
    reply->signo = area->signal.signo;
    reply->code = area->signal.code;
    reply->address = area->signal.address;
    reply->minflt = area->after.minflt - area->before.minflt;
    reply->majflt = area->after.majflt - area->before.majflt;
    say(area, reply);
  }
}

HIDDEN extern u8 code_end[];
/* What on_signal() itself takes, with room to spare. */
#define HANDLER_ROOM 512

/* ---- start ------------------------------------------------------------------------------ */

/*
 * argv: name, task number in two digits. The kernel's stack keeps what execve put there and is not
 * used; the vdso is unmapped, so that the first hole for mmap begins at mmap_base.
 */
__attribute__((used)) static void start(u64 *stack) {
  u64 argc = stack[0];
  char *number = (char *)stack[2];
  u64 *p = stack + argc + 2;
  while (*p) p++;
  u64 vdso = 0, signal_room = 2048;
  for (p++; p[0]; p += 2) {
    if (p[0] == 33) vdso = p[1];        /* AT_SYSINFO_EHDR */
    if (p[0] == 51) signal_room = p[1]; /* AT_MINSIGSTKSZ: what the kernel puts there */
  }
  call3(SYS_madvise, IMAGE_START, IMAGE_END - IMAGE_START, 15 /* MADV_NOHUGEPAGE */);
  touch(IMAGE_START, (u64)code_end);
  touch(AREAS_START, AREAS_START + PAGE);
  /* What the start has mapped around them from the image's file is shared memory: not ours. */
  u64 behind = ((u64)code_end + PAGE - 1) & ~(PAGE - 1);
  call3(SYS_madvise, behind, AREAS_START - behind, 4 /* MADV_DONTNEED */);
  call3(SYS_madvise, AREAS_START + PAGE, IMAGE_END - AREAS_START - PAGE, 4);
  struct area *area = area_at(AREAS_START);
  area->signal_room = signal_room + HANDLER_ROOM;
  area->task = (u32)((number[0] - '0') * 10 + (number[1] - '0'));
  if (vdso) {
    /* vvar and its clock pages lie below the vdso: at most 8 pages; the vdso has 2. */
    call3(SYS_munmap, vdso - 8 * PAGE, 12 * PAGE, 0);
  }
  area->kernel_stack = (u64)stack;
  set_handlers();
  set_signal_stack(area);
  say_hello(area);
  serve(area);
}

asm(".globl _start\n"
    "_start: mov %rsp,%rdi\n"
    "movabs $" "0x557ffff80000+0x980" ",%rsp\n"
    "call start\n");
