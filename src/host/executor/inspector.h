/*
 * The inspector: takes programs from a pipe, has agents execute them, looks at their memory from
 * outside after each step, and answers with frames of records. One inspector a CPU.
 *
 * Words are 32 bits, little-endian; a 64-bit value is its low and its high word. A frame is one
 * word (bytes that follow) and its content.
 */
#ifndef FAULTLINE_INSPECTOR_H
#define FAULTLINE_INSPECTOR_H

#define _GNU_SOURCE
#include <sys/types.h>
#include "wire.h"

/* Kinds of request frames (first word). */
enum { FRAME_PROGRAM = 1, FRAME_SETTINGS, FRAME_QUIT };

/* Steps of a program. */
enum { STEP_NOP = 0, STEP_CALL, STEP_ACCESS, STEP_ECHO, STEP_CAT, STEP_CLONE, STEP_EXIT, STEP_EXECVE, STEP_EVAL, STEP_PEEK };

/* Operators of an expression's code; IMM, VAR and TASK are followed by words. */
enum { OP_IMM = 0, OP_VAR, OP_TASK, OP_NEG, OP_NOT, OP_ADD, OP_SUB, OP_MUL, OP_OR, OP_AND, OP_SHL, OP_SHR, OP_HERE };

/* Kinds of call arguments. */
enum { ARG_VALUE = 0, ARG_BYTES };

/* Flags of a program. */
enum { PROGRAM_FILES = 1, PROGRAM_MOUNTS = 2, PROGRAM_SHM = 4, PROGRAM_STATS = 8, PROGRAM_LAYOUT = 16, PROGRAM_HOLD = 32, PROGRAM_KEPT = 64, PROGRAM_REUSE = 128 };

enum { OBSERVE_NONE = 0, OBSERVE_PAGES, OBSERVE_FULL };

/* No index of a step, no variable. */
#define NONE 0xffffffffu

/* Records of a response frame: {type, bytes, content padded to whole words}. */
enum {
  REC_BEGIN = 1, /* id */
  REC_STEP,      /* index, flags, value, errno, signo, code, address, minflt, majflt, pages, bits */
  REC_OUTPUT,    /* index, text */
  REC_TASK,      /* index, task, flags, then what the flags say */
  REC_STATS,     /* index or NONE, text: one "name value" a line, of what has changed */
  REC_SETTINGS,  /* 0 before / 1 after, text: one "path value" a line */
  REC_NOTE,      /* index, code, errno, text */
  REC_END,       /* steps that were executed */
  REC_READY,     /* text: facts about this inspector */
  REC_CONFIG,    /* bytes of /proc/config.gz */
};

/* No flag: the step has no result, because its task has ended by it. */
enum { STEP_VALUE = 1, STEP_ERRNO = 2, STEP_SIGNAL = 4, STEP_BLOCKED = 8, STEP_LOST = 16, STEP_FAULTS = 32 };
enum { TASK_SAME_PAGES = 1, TASK_SAME_TEXT = 2, TASK_FULL = 4, TASK_LIKE = 8, TASK_CUT = 16 };

/* Notes: what went wrong in a program, as seen from here. */
enum {
  NOTE_TASK_LOST = 1, /* a task died although the program did not tell it to */
  NOTE_TIME_LIMIT,    /* a step did not end in its time */
  NOTE_BUSY,          /* a step for a task that is still blocked in an earlier call */
  NOTE_NO_TASK,       /* a step for a task that does not exist (its fork failed, or it exited) */
  NOTE_REFUSED,       /* a setting that cannot be read or written */
  NOTE_TOO_LARGE,     /* an argument or an observation exceeds a limit of the executor */
  NOTE_NO_AREA,       /* more threads in one process than the agent has areas for */
  NOTE_LEFT,          /* something of the program could not be cleaned up */
  NOTE_OWN_MEMORY,    /* a step aims at the agent's image */
};

struct task {
  int used;      /* a process or thread plays it */
  int alive;
  int blocked;   /* index of the step whose reply is still due, plus 1 */
  int vfork;     /* it is blocked until its child exits or executes */
  int pid;       /* thread id */
  int process;   /* index of the task whose process it belongs to (shares its memory and reaping) */
  int memory;    /* index of the first task with the same address space */
  int area;      /* of the agent image that it runs on */
  int pidfd;
  int pagemap;
  int maps, smaps, status;
  u8 *last;      /* last observation that was sent, for "same as before" */
  u32 last_pages, last_text, last_size, last_room;
};

/* ---- wire.c: frames and records */
struct reader {
  const u32 *at, *end;
  int bad;
};
u32 take(struct reader *r);
u64 take64(struct reader *r);
const u8 *take_bytes(struct reader *r, u32 bytes);
int read_frame(struct reader *r); /* 0 at the end of the input */
void record_begin(u32 type);
void put(u32 word);
void put64(u64 value);
void put_bytes(const void *bytes, u64 size);
void record_end(void);
void send_frame(void);
void note(u32 step, u32 code, int error, const char *format, ...) __attribute__((format(printf, 4, 5)));
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* ---- agents.c: tasks, their pipes and their requests */
extern struct task tasks[TASKS_MAX + 1];
#define ZYGOTE TASKS_MAX
void start_zygote(void);
int start_first_task(void);
u8 *request_bytes(u64 *address_in_agent, int task); /* where bytes of a call's arguments go */
int send_request(int task, struct request *request);
/* Waits for a reply: 1 it is there, 0 blocked, -1 the task died, -2 time is over. */
int await_reply(int task, struct reply **reply, int patience_ms);
int await_hello(int task, int *tid);
int await_vfork(int task, int child, int *tid, struct reply **reply); /* 1 child, 0 reply, -1 */
int await_death(int task);
int is_dead(int task);
void adopt(int task, int pid, int parent, u64 flags, int area);
int free_area(int task);
void forget(int task);
void reopen(int task);
int end_program(int reuse); /* 1: the first task plays the next program too */
int open_task_file(int pid, const char *name);
extern int step_limit_ms;

/* ---- keep.c: the first task of one program plays the next one */
void begin_marks(void);
void mark_call(int task, const struct request *request);
void know_first_task(void);
int keep_first_task(void);
int has_kept_task(void);
void drop_kept_task(void);

/*
 * ---- reads.c: many small reads in one call; files are to be opened with O_NONBLOCK, and to have
 * all the bytes that are wanted
 */
void reads_start(const int *fds, u32 count);
void want_read(int fd, void *into, u32 size, u64 at, s64 *got);
void do_reads(void);

/* ---- folios.c: frames, and which belong together */
#define BIT(value, n) (((value) >> (n)) & 1)
struct frame {
  u64 flags, count; /* kpageflags, kpagecount */
};
struct folio {
  u64 head;
  u32 era, number, order;
};
void folios_start(void);
void forget_frames(void); /* and number folios anew */
void want_frame(u64 pfn);
void read_frames(void); /* all that are wanted */
struct frame frame_at(u64 pfn);
const struct folio *folio_of(u64 pfn, u64 flags);

/* ---- observe.c: what can be seen of the tasks */
s64 peek(int task, u64 address); /* the byte that a load would see, without a fault; or -errno */
void settle_lists(void); /* after each step, looked at or not */
void observe(u32 step, int level);
void occupy_khugepaged(void); /* before each program */
int has_pagemap_scan(void);
void forget_observation(int task);
void count_own_pages(struct task *t, u32 *anon, u32 *shared);

/* ---- settings.c: files below /sys and /proc, and their guard */
#define THP "/sys/kernel/mm/transparent_hugepage"
int open_file(const char *path, int flags);
void settings_start(int guard_fd); /* before enter_room */
void watch_settings(void);         /* after it */
void settle_khugepaged(void);
int write_setting(u32 step, const char *path, const u8 *value, u32 size);
int cat_file(u32 step, const char *path);
void report_settings(int after, int kept);
void undo_settings(void); /* what the program wrote gets its old value again */
void hold_settings(void); /* what the program wrote stays until the next program that holds */
void release_settings(void);
void release_all_settings(void);

/* ---- stats.c */
void put_stats(u32 step);

/* ---- rooms.c: namespaces, scratch directory, cleaning */
void enter_room(const char *root);
void clean_room(u32 program_flags);
void remove_room(const char *path); /* from outside, when everyone has left */

/* ---- program.c */
void run_program(struct reader *r);

/* ---- facts.c */
void say_ready(void);

/* ---- main.c, init.c */
int serve(int argc, char **argv);
int run_as_init(int jobs);
/* What a virtual machine sends first through the port that it has chosen; frames follow. */
#define VM_HELLO "faultline executor\n"

/* ---- guard.c: the process that puts settings back whatever happens */
int start_guard(const char *lock_path, int wait_ms, int *pid); /* the pipe to tell it what was changed */

#endif
