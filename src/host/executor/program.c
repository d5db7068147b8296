/* Executes one program: decodes its steps, has the agents do them, reports what came back. */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VARS_MAX 4096
/* A reply that is this late is looked after: is the task asleep in its call? */
#define PATIENCE_MS 1
#define SYS_exit_group 231
#define SYS_mlockall 151
#define SYS_mount 165
#define SYS_shmget 29

static u64 vars[VARS_MAX];
static u64 here; /* address, in the agent, of the bytes of the argument that is being built */
static int stopped; /* the rest of the program makes no sense any more */

/* ---- expressions: code for a small stack machine ----------------------------------------- */

static u64 evaluate(struct reader *r) {
  u64 stack[64];
  u32 depth = 0;
  u32 words = take(r);
  if (words > (u64)(r->end - r->at)) r->bad = 1;
  const u32 *end = r->bad ? r->at : r->at + words;
  while (r->at < end && !r->bad) {
    u32 op = take(r);
    if (op == OP_IMM || op == OP_VAR || op == OP_TASK || op == OP_HERE) {
      u64 value;
      if (op == OP_IMM) value = take64(r);
      else if (op == OP_VAR) value = vars[take(r) % VARS_MAX];
      else if (op == OP_HERE) value = here;
      else value = (u64)tasks[take(r) % TASKS_MAX].pid;
      if (depth == 64) r->bad = 1;
      else stack[depth++] = value;
      continue;
    }
    if (depth < 1 || (op >= OP_ADD && depth < 2)) {
      r->bad = 1;
      break;
    }
    u64 right = stack[depth - 1];
    if (op >= OP_ADD) depth--;
    u64 *top = &stack[depth - 1];
    switch (op) {
    case OP_NEG: *top = -right; break;
    case OP_NOT: *top = ~right; break;
    case OP_ADD: *top += right; break;
    case OP_SUB: *top -= right; break;
    case OP_MUL: *top *= right; break;
    case OP_OR: *top |= right; break;
    case OP_AND: *top &= right; break;
    case OP_SHL: *top = right < 64 ? *top << right : 0; break;
    case OP_SHR: *top = right < 64 ? *top >> right : 0; break;
    default: r->bad = 1;
    }
  }
  r->at = end;
  return depth == 1 ? stack[0] : (r->bad = 1, 0);
}

/* A call's arguments; bytes (strings, structs, room for answers) go into the request. */
static int take_args(struct reader *r, u32 step, int task, struct request *request) {
  u64 address;
  u8 *bytes = request_bytes(&address, task);
  u64 used = 0, room = AREA_REQUEST_MAX - sizeof *request, sent = 0;
  u32 count = take(r);
  if (count > 6) r->bad = 1;
  for (u32 i = 0; i < count && !r->bad; i++) {
    if (take(r) == ARG_VALUE) {
      request->args[i] = evaluate(r);
      continue;
    }
    u32 size = take(r), given = take(r);
    const u8 *from = take_bytes(r, given);
    u32 patches = take(r);
    here = address + used;
    if (r->bad || given > size) return r->bad = 1, -1;
    int fits = used + size <= room;
    if (!fits) note(step, NOTE_TOO_LARGE, 0, "argument %u needs %u bytes, more than the executor has", i + 1, size);
    if (fits) {
      memcpy(bytes + used, from, given);
      memset(bytes + used + given, 0, size - given);
      request->args[i] = address + used;
    }
    for (u32 p = 0; p < patches && !r->bad; p++) {
      u32 offset = take(r), width = take(r);
      u64 value = evaluate(r);
      if (width > 8 || offset + width > size) r->bad = 1;
      else if (fits) memcpy(bytes + used + offset, &value, width);
    }
    if (!fits) return -1;
    /* What is sent must reach to the last byte that has a value; the zeros behind it count too. */
    used = (used + size + 15) & ~15UL;
    sent = used;
  }
  request->bytes = (u32)(sizeof *request + sent);
  request->span = (u32)(sizeof *request + sent);
  return r->bad ? -1 : 0;
}

/* ---- outcomes ---------------------------------------------------------------------------- */

/* Address of the access whose reply is reported; 0 for everything else. */
static u64 first;

static void put_outcome(u32 step, u32 flags, s64 result, const struct reply *reply) {
  int failed = reply == NULL || reply->op == REQ_CALL || reply->op == REQ_CLONE || reply->op == REQ_EXECVE;
  failed = failed && result < 0 && result >= -4095;
  int stores = reply && (reply->op == REQ_WRITE || reply->op == REQ_EXEC);
  if (reply && reply->signo) flags |= STEP_SIGNAL;
  else if (stores) flags |= 0; /* An access that loads nothing has no value. */
  else if (!(flags & (STEP_BLOCKED | STEP_LOST))) flags |= failed ? STEP_ERRNO : STEP_VALUE;
  u64 pages = reply && (flags & STEP_FAULTS) ? reply->pages : 0;
  u64 bits = reply && (flags & STEP_FAULTS) ? reply->bytes - sizeof *reply : 0;
  record_begin(REC_STEP);
  put(step);
  put(flags);
  put64((u64)result);
  put(failed ? (u32)-result : 0);
  put(reply ? reply->signo : 0);
  put(reply ? (u32)reply->code : 0);
  put64(reply ? reply->address : 0);
  put(reply ? (u32)reply->minflt : 0);
  put(reply ? (u32)reply->majflt : 0);
  put64(first);
  put((u32)pages);
  put((u32)bits);
  if (bits) put_bytes(reply->faulted, bits);
  record_end();
}

/* A value that is no result of a call: any 64 bits. */
static void put_value(u32 step, u64 value) {
  record_begin(REC_STEP);
  put(step);
  put(STEP_VALUE);
  put64(value);
  for (int i = 0; i < 11; i++) put(0);
  record_end();
}

static void lose(u32 step, int task, int why) {
  put_outcome(step, STEP_LOST, 0, NULL);
  if (why == -2) note(step, NOTE_TIME_LIMIT, 0, "the step did not end in %d ms", step_limit_ms);
  else note(step, NOTE_TASK_LOST, 0, "the task died in this step");
  if (why == -1) forget(task);
  stopped = 1;
}

static u64 access_of[TASKS_MAX];

static void finish(u32 step, int task, struct reply *reply) {
  int access = reply->op == REQ_READ || reply->op == REQ_WRITE || reply->op == REQ_EXEC;
  first = access ? access_of[task] : 0;
  put_outcome(step, access ? STEP_FAULTS : 0, reply->result, reply);
  first = 0;
}

/* Which variable gets the result; needed again when a blocked step ends late. */
static u32 bind_of_blocked[TASKS_MAX];

static void bind(u32 variable, s64 result, int failed) {
  if (variable != NONE) vars[variable % VARS_MAX] = failed ? ~0UL : (u64)result;
}

/* Replies of tasks that slept in their call and that the last step has woken. */
static void settle(void) {
  for (int i = 0; i < TASKS_MAX; i++) {
    if (!tasks[i].alive || !tasks[i].blocked) continue;
    u32 step = (u32)tasks[i].blocked - 1;
    struct reply *reply;
    int state = await_reply(i, &reply, 0);
    if (state == 0) continue;
    int vfork = tasks[i].vfork;
    tasks[i].blocked = 0;
    tasks[i].vfork = 0;
    if (state < 0) {
      lose(step, i, state);
    } else if (!vfork) {
      finish(step, i, reply);
      bind(bind_of_blocked[i], reply->result, reply->result < 0 && reply->result >= -4095);
    }
  }
}

/* Tasks that died by another task's doing. */
static void sweep(void) {
  for (int i = 0; i < TASKS_MAX; i++)
    if (tasks[i].alive && is_dead(i)) forget(i);
}

/* A signal works when its task next runs; with everyone else waiting that is at once. */
static void sweep_after_kill(void) {
  for (int tries = 0; tries < 20; tries++) {
    struct timespec pause = {0, 200000};
    sweep();
    nanosleep(&pause, NULL);
  }
}

/* ---- steps ------------------------------------------------------------------------------- */

struct step {
  u32 index, op, task, bind, child, level;
};

static int usable(const struct step *s) {
  struct task *t = &tasks[s->task];
  if (!t->alive) note(s->index, NOTE_NO_TASK, 0, "the task of this step does not exist");
  else if (t->blocked) note(s->index, NOTE_BUSY, 0, "the task is still blocked in step %d", t->blocked - 1);
  else return 1;
  put_outcome(s->index, STEP_LOST, 0, NULL);
  stopped = 1;
  return 0;
}

/* kill, tkill, tgkill, pidfd_send_signal */
static int is_kill(u64 nr) { return nr == 62 || nr == 200 || nr == 234 || nr == 424; }

/* Segments are numbered from 0 in each program; the kernel by itself goes on from the last one. */
static int next_segment;

static void number_segment(void) {
  static int fd = -1;
  char text[16];
  if (fd < 0) fd = open("/proc/sys/kernel/shm_next_id", O_WRONLY | O_CLOEXEC);
  int size = snprintf(text, sizeof text, "%d", next_segment);
  if (fd >= 0 && pwrite(fd, text, (size_t)size, 0) < 0) return;
}

static void do_request(const struct step *s, struct request *request) {
  struct reply *reply;
  int task = (int)s->task;
  access_of[task] = request->args[0];
  mark_call(task, request);
  if (request->op == REQ_CALL && request->nr == SYS_shmget) number_segment();
  if (send_request(task, request) < 0) return lose(s->index, task, -1);
  int state = await_reply(task, &reply, PATIENCE_MS);
  if (state == -1 && is_kill(request->nr)) {
    /* It killed itself: no result, as with exit. */
    put_outcome(s->index, STEP_LOST, 0, NULL);
    forget(task);
    return;
  }
  if (state < 0) return lose(s->index, task, state);
  if (state == 0) {
    tasks[task].blocked = (int)s->index + 1;
    bind_of_blocked[task] = s->bind;
    put_outcome(s->index, STEP_BLOCKED, 0, NULL);
    return;
  }
  if (request->op == REQ_CALL && request->nr == SYS_shmget && reply->result == next_segment) next_segment++;
  finish(s->index, task, reply);
  bind(s->bind, reply->result, reply->op == REQ_CALL && reply->result < 0 && reply->result >= -4095);
}

static void do_clone(const struct step *s, struct request *request) {
  int task = (int)s->task, child = (int)s->child, tid = 0;
  u64 flags = request->args[0];
  struct reply *reply;
  int area = tasks[task].area;
  if (flags & CLONE_VM) {
    area = free_area(task);
    if (area < 0) {
      note(s->index, NOTE_NO_AREA, 0, "more than %lu threads in one process", AREAS);
      put_outcome(s->index, STEP_LOST, 0, NULL);
      stopped = 1;
      return;
    }
  }
  mark_call(task, request);
  request->args[4] = s->child;
  request->args[5] = (u64)area;
  if (send_request(task, request) < 0) return lose(s->index, task, -1);
  if (flags & CLONE_VFORK) {
    int state = await_vfork(task, child, &tid, &reply);
    if (state < 0) return lose(s->index, task, -2);
    if (state == 1) {
      /* The parent sleeps until the child exits or executes; its result is known already. */
      tasks[task].blocked = (int)s->index + 1;
      tasks[task].vfork = 1;
      adopt(child, tid, task, flags, area);
      put_outcome(s->index, 0, tid, NULL);
      bind(s->bind, tid, 0);
      return;
    }
  } else {
    int state = await_reply(task, &reply, PATIENCE_MS);
    if (state <= 0) return lose(s->index, task, state ? state : -2);
  }
  s64 result = reply->result;
  finish(s->index, task, reply);
  bind(s->bind, result, result < 0);
  if (result < 0) return;
  if (await_hello(child, &tid) < 0) {
    note(s->index, NOTE_TASK_LOST, 0, "the new task did not start");
    stopped = 1;
    return;
  }
  adopt(child, tid, task, flags, area);
}

static void do_exit(const struct step *s, struct request *request) {
  int task = (int)s->task;
  int process = tasks[task].process;
  mark_call(task, request);
  if (send_request(task, request) < 0) return lose(s->index, task, -1);
  if (await_death(task) < 0) return lose(s->index, task, -2);
  put_outcome(s->index, 0, 0, NULL);
  forget(task);
  if (request->nr == SYS_exit_group)
    for (int i = 0; i < TASKS_MAX; i++)
      if (tasks[i].alive && tasks[i].process == process && await_death(i) == 0) forget(i);
  sweep();
}

/* The program that is executed is the agent itself, whatever the path: a fresh address space. */
static void do_execve(const struct step *s, struct request *request) {
  int task = (int)s->task;
  int process = tasks[task].process;
  u64 address;
  u8 *bytes = request_bytes(&address, task);
  mark_call(task, request);
  struct {
    u64 argv[3], envp[1];
    char path[16], name[8], number[4];
  } image = {.path = "/proc/self/exe", .name = "agent"};
  snprintf(image.number, sizeof image.number, "%02u", s->task % 100);
  image.argv[0] = address + __builtin_offsetof(__typeof__(image), name);
  image.argv[1] = address + __builtin_offsetof(__typeof__(image), number);
  memcpy(bytes, &image, sizeof image);
  request->args[0] = address + __builtin_offsetof(__typeof__(image), path);
  request->args[1] = address;
  request->args[2] = address + __builtin_offsetof(__typeof__(image), envp);
  request->bytes = request->span = (u32)(sizeof *request + sizeof image);
  if (send_request(task, request) < 0) return lose(s->index, task, -1);
  struct reply *reply;
  int state = await_reply(task, &reply, PATIENCE_MS);
  if (state <= 0) return lose(s->index, task, state ? state : -2);
  if (reply->op != 0) {
    finish(s->index, task, reply);
    return;
  }
  int tid = (int)reply->result;
  put_outcome(s->index, 0, 0, NULL);
  bind(s->bind, 0, 0);
  for (int i = 0; i < TASKS_MAX; i++)
    if (i != task && tasks[i].alive && tasks[i].process == process) forget(i);
  /* Who shared the memory keeps it: the task alone has left it. */
  forget(task);
  adopt(task, tid, task, 0, 0);
}

static void take_path(struct reader *r, char *path, u32 size) {
  u32 parts = take(r), used = 0;
  path[0] = 0;
  for (u32 i = 0; i < parts && !r->bad; i++) {
    if (take(r) == 1) {
      used += (u32)snprintf(path + used, size - used, "%d", tasks[take(r) % TASKS_MAX].pid);
    } else {
      u32 length = take(r);
      const u8 *bytes = take_bytes(r, length);
      if (r->bad || used + length + 16 >= size) {
        r->bad = 1;
        return;
      }
      memcpy(path + used, bytes, length);
      used += length;
      path[used] = 0;
    }
  }
}

static int meets_image(u64 address, u64 length) {
  u64 end = address + length;
  return end >= address && address < IMAGE_END && end > IMAGE_START;
}

/* True for what would change the agent's image: what comes back then would mean nothing. */
static int aims_at_image(const struct request *request) {
  const u64 *a = request->args;
  if (request->op != REQ_CALL) return request->op <= REQ_EXEC && meets_image(a[0], a[1]);
  switch (request->nr) {
  case 9: /* mmap: MAP_FIXED; MAP_FIXED_NOREPLACE only finds the place taken */
    return (a[3] & 0x10) && meets_image(a[0], a[1]);
  case 25: /* mremap: the old range, and the new one of MREMAP_FIXED */
    return meets_image(a[0], a[1]) || ((a[3] & 2) && meets_image(a[4], a[2]));
  case 10: case 11: case 28: case 149: case 150: case 325: case 216: case 237: case 329: case 462:
    /* mprotect munmap madvise mlock munlock mlock2 remap_file_pages mbind pkey_mprotect mseal */
    return meets_image(a[0], a[1]);
  case 0: case 17: /* read, pread64 into memory of the program */
    return meets_image(a[1], a[2]) && a[1] < AREAS_START;
  case 30: /* shmat with SHM_REMAP */
    return (a[2] & 040000) && meets_image(a[1], PAGE);
  default:
    return 0;
  }
}

static int refuse_image(const struct step *s, const struct request *request) {
  if (!aims_at_image(request)) return 0;
  note(s->index, NOTE_OWN_MEMORY, 0, "the step aims at the executor's own memory, %lx-%lx", IMAGE_START,
       IMAGE_END);
  put_outcome(s->index, STEP_LOST, 0, NULL);
  stopped = 1;
  return 1;
}

static void run_step(struct reader *r, const struct step *s) {
  struct request request = {.bytes = sizeof request, .span = sizeof request};
  char path[1024];
  int ready = s->op == STEP_NOP || s->op == STEP_ECHO || s->op == STEP_CAT || s->op == STEP_EVAL || usable(s);
  if (!ready) return;
  switch (s->op) {
  case STEP_NOP:
    put_outcome(s->index, 0, 0, NULL);
    return;
  case STEP_EVAL:
    put_value(s->index, evaluate(r));
    return;
  case STEP_PEEK: {
    s64 byte = peek((int)s->task, evaluate(r));
    put_outcome(s->index, 0, byte, NULL);
    return;
  }
  case STEP_CALL:
  case STEP_EXIT:
  case STEP_CLONE:
  case STEP_EXECVE:
    request.op = s->op == STEP_CLONE ? REQ_CLONE : s->op == STEP_EXECVE ? REQ_EXECVE : REQ_CALL;
    request.nr = take(r);
    if (take_args(r, s->index, (int)s->task, &request) < 0) {
      put_outcome(s->index, STEP_LOST, 0, NULL);
      stopped = 1;
      return;
    }
    if (refuse_image(s, &request)) return;
    if (request.nr == SYS_mlockall) request.flags |= REQ_TOUCH_IMAGE;
    /* The kernel copies a whole page of options, whatever their length. */
    if (request.nr == SYS_mount) request.span += PAGE;
    if (s->op == STEP_CLONE) return do_clone(s, &request);
    if (s->op == STEP_EXIT) return do_exit(s, &request);
    if (s->op == STEP_EXECVE) return do_execve(s, &request);
    do_request(s, &request);
    if (is_kill(request.nr)) sweep_after_kill();
    return;
  case STEP_ACCESS:
    request.op = REQ_READ + take(r) % 3;
    request.args[0] = evaluate(r);
    request.args[1] = evaluate(r);
    request.args[2] = evaluate(r);
    if (!r->bad && !refuse_image(s, &request)) do_request(s, &request);
    return;
  case STEP_ECHO: {
    take_path(r, path, sizeof path);
    u32 size = take(r);
    const u8 *value = take_bytes(r, size);
    if (!r->bad) {
      int error = write_setting(s->index, path, value, size);
      put_outcome(s->index, 0, error ? error : (s64)size, NULL);
    }
    return;
  }
  case STEP_CAT:
    take_path(r, path, sizeof path);
    if (!r->bad) put_outcome(s->index, 0, cat_file(s->index, path), NULL);
    return;
  default:
    r->bad = 1;
  }
}

/* Process numbers of a program always begin at 100: they are results that a program may print. */
static void reset_pids(void) {
  static int fd = -1;
  if (fd < 0) fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && pwrite(fd, "99", 2, 0) < 0) return;
}

void run_program(struct reader *r) {
  u32 id = take(r);
  u32 limit = take(r);
  u32 flags = take(r);
  u32 steps = take(r);
  step_limit_ms = limit ? (int)limit : 5000;
  stopped = 0;
  next_segment = 0;
  memset(vars, 0, sizeof vars);
  record_begin(REC_BEGIN);
  put(id);
  record_end();
  /* Settings change while no program's process is there. */
  if (has_kept_task() && (flags & (PROGRAM_HOLD | PROGRAM_LAYOUT) || !(flags & PROGRAM_REUSE))) {
    drop_kept_task();
    end_program(0);
  }
  if (flags & PROGRAM_HOLD) release_settings();
  report_settings(0, (flags & PROGRAM_KEPT) != 0);
  if (flags & PROGRAM_STATS) put_stats(NONE);
  occupy_khugepaged();
  reset_pids();
  start_first_task();
  begin_marks();
  if (flags & PROGRAM_REUSE) know_first_task();
  if (flags & PROGRAM_LAYOUT) observe(NONE, OBSERVE_FULL);
  u32 done = 0;
  for (; done < steps && !stopped && !r->bad; done++) {
    u32 size = take(r);
    const u32 *next = r->at + size;
    struct step s = {.index = done};
    u32 *words[] = {&s.op, &s.task, &s.bind, &s.child, &s.level};
    for (int i = 0; i < 5; i++) *words[i] = take(r);
    if (s.task >= TASKS_MAX - 1 || (s.child >= TASKS_MAX - 1 && s.child != NONE) || next > r->end) {
      r->bad = 1;
      break;
    }
    run_step(r, &s);
    if (r->at > next) r->bad = 1;
    r->at = next;
    settle();
    settle_lists();
    if (stopped) continue;
    observe(done, (int)s.level);
    if (flags & PROGRAM_STATS) put_stats(done);
  }
  if (r->bad) die("a malformed program (step %u)", done);
  end_program((flags & PROGRAM_REUSE) != 0 && !stopped);
  clean_room(flags);
  if (flags & PROGRAM_HOLD) hold_settings();
  undo_settings();
  report_settings(1, 0);
  record_begin(REC_END);
  put(done);
  record_end();
  send_frame();
}
