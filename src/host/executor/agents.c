/* Tasks: their processes, their pipes, requests and replies, and the end of them all. */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define PIDFD_THREAD O_EXCL

struct task tasks[TASKS_MAX + 1];
int step_limit_ms = 5000;

static int to_agent[TASKS_MAX], from_agent[TASKS_MAX], agent_in[TASKS_MAX];
static int zygote_to, zygote_from;
static u8 buffer[AREA_REQUEST_MAX];
static u8 answer[PAGE];

extern const u8 agent_image[], agent_image_end[];

static void move_fd(int from, int to) {
  if (dup2(from, to) < 0) die("descriptor %d: %s", to, strerror(errno));
}

/* The agent's file, padded so that its one segment ends at IMAGE_END. */
static int image_file(void) {
  int fd = memfd_create("faultline-agent", MFD_CLOEXEC);
  if (fd < 0) die("memfd_create: %s", strerror(errno));
  u64 size = (u64)(agent_image_end - agent_image);
  if (write(fd, agent_image, size) != (ssize_t)size) die("agent image: %s", strerror(errno));
  return fd;
}

static void limit(int resource, u64 soft, u64 hard) {
  struct rlimit r = {soft, hard};
  setrlimit(resource, &r);
}

/*
 * The zygote is an agent that executes nothing but clones: every program's first task is its copy.
 * It uses slot TASKS_MAX-1's descriptors only until it has copied itself; see start_first_task.
 */
void start_zygote(void) {
  int agent_out[TASKS_MAX];
  for (int i = 0; i < TASKS_MAX; i++) {
    int a[2], b[2];
    if (pipe2(a, O_CLOEXEC) || pipe2(b, O_CLOEXEC)) die("pipe: %s", strerror(errno));
    agent_in[i] = a[0];
    to_agent[i] = a[1];
    from_agent[i] = b[0];
    agent_out[i] = b[1];
  }
  int image = image_file();
  int pid = fork();
  if (pid < 0) die("fork: %s", strerror(errno));
  if (pid == 0) {
    int copies[2 * TASKS_MAX];
    /* First out of the way of the numbers that they must get, then to them. */
    for (int i = 0; i < TASKS_MAX; i++) {
      copies[2 * i] = fcntl(agent_in[i], F_DUPFD, 960);
      copies[2 * i + 1] = fcntl(agent_out[i], F_DUPFD, 960);
    }
    for (int i = 0; i < TASKS_MAX; i++) {
      move_fd(copies[2 * i], REQUEST_FD(i));
      move_fd(copies[2 * i + 1], REPLY_FD(i));
    }
    int file = fcntl(image, F_DUPFD_CLOEXEC, 960 + 2 * TASKS_MAX);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) move_fd(null, i);
    for (int i = 3; i < 900; i++) close(i);
    for (int i = 960; i < 960 + 2 * TASKS_MAX; i++) close(i);
    if (chdir("/work")) _exit(120);
    /* If memory runs out it is by the program under test. */
    int oom = open("/proc/self/oom_score_adj", O_WRONLY);
    if (write(oom, "1000", 4) < 0) _exit(122);
    close(oom);
    limit(RLIMIT_STACK, 8UL << 20, RLIM_INFINITY);
    limit(RLIMIT_NOFILE, 1024, 4096);
    limit(RLIMIT_MEMLOCK, 8UL << 20, 8UL << 20);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY);
    limit(RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY);
    personality(ADDR_NO_RANDOMIZE);
    umask(0);
    char number[] = {'0' + (TASKS_MAX - 1) / 10, '0' + (TASKS_MAX - 1) % 10, 0};
    char *argv[] = {"agent", number, NULL};
    char *envp[] = {NULL};
    syscall(SYS_execveat, file, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
    _exit(121);
  }
  for (int i = 0; i < TASKS_MAX; i++) close(agent_out[i]);
  close(image);
  zygote_to = to_agent[TASKS_MAX - 1];
  zygote_from = from_agent[TASKS_MAX - 1];
  tasks[ZYGOTE] = (struct task){.used = 1, .alive = 1, .pid = pid, .pidfd = -1, .pagemap = -1};
  struct pollfd wait = {zygote_from, POLLIN, 0};
  struct reply hello;
  if (poll(&wait, 1, 10000) != 1 || read(zygote_from, &hello, sizeof hello) != sizeof hello) {
    int status = 0;
    waitpid(pid, &status, WNOHANG);
    die("the agent did not start (status %x)", status);
  }
}

u8 *request_bytes(u64 *address, int task) {
  *address = AREAS_START + (u64)tasks[task].area * AREA_SIZE + AREA_REQUEST + sizeof(struct request);
  return buffer + sizeof(struct request);
}

static int write_all(int fd, const void *bytes, u64 size) {
  u64 done = 0;
  while (done < size) {
    ssize_t n = write(fd, (const u8 *)bytes + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    done += (u64)n;
  }
  return 0;
}

int send_request(int task, struct request *request) {
  memcpy(buffer, request, sizeof *request);
  return write_all(task == ZYGOTE ? zygote_to : to_agent[task], buffer, request->bytes);
}

static int read_reply(int fd, struct reply **reply) {
  u64 have = 0;
  *reply = (struct reply *)answer;
  while (have < sizeof **reply || have < (*reply)->bytes) {
    ssize_t n = read(fd, answer + have, have < sizeof **reply ? sizeof **reply - have : (*reply)->bytes - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    have += (u64)n;
  }
  return 1;
}

/* 'S' when the thread sleeps in its call; 'R' and 'D' are busy, 'Z' and 0 are dead. */
static char state_of(int pid) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, line, sizeof line - 1);
  close(fd);
  if (n <= 0) return 0;
  line[n] = 0;
  char *end = strrchr(line, ')');
  return end ? end[2] : 0;
}

/*
 * A task that sleeps in its call waits for another task (a userfault, a child, a pipe): the state
 * tells, because whatever ends the wait makes the task runnable before the waker's call returns.
 */
int await_reply(int task, struct reply **reply, int patience) {
  struct pollfd wait[2] = {{from_agent[task], POLLIN, 0}, {tasks[task].pidfd, POLLIN, 0}};
  for (int waited = 0;; waited += patience) {
    int n = poll(wait, 2, patience);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0 && (wait[0].revents & POLLIN)) return read_reply(from_agent[task], reply);
    if (n > 0 && wait[1].revents) return -1;
    char state = state_of(tasks[task].pid);
    if (state == 'S' || (state == 'D' && tasks[task].vfork)) {
      /* The reply may have come between the poll and the look at the state. */
      if (poll(wait, 1, 0) == 1) continue;
      return 0;
    }
    if (state == 0 || state == 'Z' || state == 'X') return -1;
    if (waited >= step_limit_ms) return -2;
    if (patience == 0) patience = 1;
  }
}

int await_hello(int task, int *tid) {
  struct pollfd wait = {from_agent[task], POLLIN, 0};
  struct reply *reply;
  int n;
  do n = poll(&wait, 1, step_limit_ms);
  while (n < 0 && errno == EINTR);
  if (n != 1 || read_reply(from_agent[task], &reply) < 0) return -1;
  *tid = (int)reply->result;
  return 0;
}

int await_vfork(int task, int child, int *tid, struct reply **reply) {
  struct pollfd wait[2] = {{from_agent[child], POLLIN, 0}, {from_agent[task], POLLIN, 0}};
  int n;
  do n = poll(wait, 2, step_limit_ms);
  while (n < 0 && errno == EINTR);
  if (n > 0 && (wait[0].revents & POLLIN)) return await_hello(child, tid) < 0 ? -1 : 1;
  if (n > 0 && (wait[1].revents & POLLIN)) return read_reply(from_agent[task], reply) < 0 ? -1 : 0;
  return -1;
}

/*
 * A process's first thread may end before the others; its pidfd then says nothing until the last
 * one has ended, but it is a zombie at once.
 */
static int is_zombie_leader(int task) {
  int others = 0;
  if (tasks[task].process != task) return 0;
  for (int i = 0; i < TASKS_MAX; i++) others += i != task && tasks[i].alive && tasks[i].process == task;
  return others && state_of(tasks[task].pid) == 'Z';
}

/* A thread beside the first, where there is no pidfd for it (PIDFD_THREAD, before 6.9): its pidfd is the process's. */
static int is_gone_thread(int task) {
  int process = tasks[task].process;
  return process != task && syscall(SYS_tgkill, tasks[process].pid, tasks[task].pid, 0) < 0 && errno == ESRCH;
}

int is_dead(int task) {
  struct pollfd wait = {tasks[task].pidfd, POLLIN, 0};
  return (poll(&wait, 1, 0) == 1 && wait.revents) || is_zombie_leader(task) || is_gone_thread(task);
}

int await_death(int task) {
  struct pollfd wait = {tasks[task].pidfd, POLLIN, 0};
  for (int waited = 0; waited <= step_limit_ms; waited++) {
    if (poll(&wait, 1, 1) == 1) return 0;
    if (is_zombie_leader(task) || is_gone_thread(task)) return 0;
  }
  return -1;
}

int open_task_file(int pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void close_files(struct task *t) {
  int *all[] = {&t->pagemap, &t->maps, &t->smaps, &t->status};
  for (int i = 0; i < 4; i++) {
    if (*all[i] >= 0) close(*all[i]);
    *all[i] = -1;
  }
}

/* Files of a task's memory; again after execve, when the memory is another one. */
void reopen(int task) {
  struct task *t = &tasks[task];
  close_files(t);
  t->pagemap = open_task_file(t->pid, "pagemap");
  t->maps = open_task_file(t->pid, "maps");
  forget_observation(task);
}

void adopt(int task, int pid, int parent, u64 flags, int area) {
  struct task *t = &tasks[task];
  int thread = (flags & CLONE_THREAD) != 0;
  u8 *last = t->last;
  u32 room = t->last_room;
  *t = (struct task){.used = 1, .alive = 1, .pid = pid, .area = area, .last = last, .last_room = room};
  t->process = thread ? tasks[parent].process : task;
  t->memory = (flags & CLONE_VM) ? tasks[parent].memory : task;
  t->pagemap = t->maps = t->smaps = t->status = -1;
  t->pidfd = (int)syscall(SYS_pidfd_open, pid, PIDFD_THREAD);
  /* Before 6.9: of the whole process, which dies with its last thread. */
  if (t->pidfd < 0) t->pidfd = (int)syscall(SYS_pidfd_open, tasks[t->process].pid, 0);
  if (t->memory == task) reopen(task);
}

/* An area of the agent's image that no living thread of the same memory runs on; -1 if none. */
int free_area(int task) {
  u32 taken = 0;
  for (int i = 0; i < TASKS_MAX; i++)
    if (tasks[i].alive && tasks[i].memory == tasks[task].memory) taken |= 1u << tasks[i].area;
  for (int area = 1; area < (int)AREAS; area++)
    if (!(taken & (1u << area))) return area;
  return -1;
}

void forget(int task) {
  struct task *t = &tasks[task];
  t->alive = 0;
  t->blocked = 0;
  if (t->pidfd >= 0) close(t->pidfd);
  t->pidfd = -1;
  int heir = -1;
  for (int i = 0; i < TASKS_MAX; i++)
    if (i != task && tasks[i].alive && tasks[i].memory == task && t->memory == task)
      if (heir < 0) heir = i;
  if (heir >= 0) {
    for (int i = 0; i < TASKS_MAX; i++)
      if (tasks[i].alive && tasks[i].memory == task) tasks[i].memory = heir;
    reopen(heir);
  }
  close_files(t);
  forget_observation(task);
}

/* The one that played the last program is as good as a new one. */
static int go_on_with_kept(void) {
  drop_kept_task();
  tasks[0].used = 1;
  forget_observation(0);
  return tasks[0].pid;
}

int start_first_task(void) {
  if (has_kept_task()) return go_on_with_kept();
  struct request request = {.op = REQ_CLONE, .flags = REQ_OWN_STACK};
  request.bytes = request.span = sizeof request;
  /* A child of ours, not of the zygote: we reap it. */
  request.args[0] = SIGCHLD | CLONE_PARENT;
  request.args[4] = 0;
  request.args[5] = ~0UL;
  if (send_request(ZYGOTE, &request) < 0) die("the zygote is gone");
  int tid;
  struct reply *reply;
  if (await_hello(0, &tid) < 0) die("the first task did not start");
  if (read_reply(zygote_from, &reply) < 0 || reply->result < 0) die("the zygote cannot fork");
  adopt(0, tid, ZYGOTE, 0, 0);
  return tid;
}

static void drain(int fd) {
  struct pollfd wait = {fd, POLLIN, 0};
  while (poll(&wait, 1, 0) == 1 && (wait.revents & POLLIN))
    if (read(fd, answer, sizeof answer) <= 0) return;
}

/*
 * A process number is given back a moment after its process was reaped, and the next program's
 * numbers depend on it. F_SETOWN tells: it looks for the number alone, not for a process.
 */
static void await_free_number(int pid) {
  for (int tries = 0; tries < 2000 && fcntl(to_agent[0], F_SETOWN, pid) == 0; tries++) {
    struct timespec pause = {0, 20000};
    nanosleep(&pause, NULL);
  }
  fcntl(to_agent[0], F_SETOWN, 0);
}

/* A task that is done with; what is left of it in our books is cleared by clear_books(). */
static void end_task(int task) {
  if (await_death(task) < 0) die("task %d (pid %d) cannot be killed", task, tasks[task].pid);
  forget(task);
}

/*
 * Children of dead tasks have become ours: the inspector is the first process of its namespace.
 * A process can be reaped a moment after the last of its threads is seen dead, so we wait for it.
 */
static void reap(int from) {
  for (int i = from; i < TASKS_MAX; i++)
    if (tasks[i].used && tasks[i].process == i) waitid(P_PID, (id_t)tasks[i].pid, NULL, WEXITED | __WALL);
  for (;;) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) < 0 || info.si_pid == 0) break;
    if (info.si_pid == tasks[ZYGOTE].pid) die("the zygote died");
  }
}

static void clear_books(int from) {
  for (int i = from; i < TASKS_MAX; i++)
    if (tasks[i].used) await_free_number(tasks[i].pid);
  for (int i = from; i < TASKS_MAX; i++) {
    if (tasks[i].used) {
      drain(from_agent[i]);
      drain(agent_in[i]);
    }
    tasks[i].used = 0;
  }
}

/* Nothing of the program may be alive or unread when the next one starts, but its first task. */
int end_program(int reuse) {
  int first = reuse ? 1 : 0;
  for (int i = first; i < TASKS_MAX; i++)
    if (tasks[i].alive) kill(tasks[i].pid, SIGKILL);
  for (int i = first; i < TASKS_MAX; i++)
    if (tasks[i].alive) end_task(i);
  if (reuse && keep_first_task()) {
    reap(1);
    clear_books(1);
    return 1;
  }
  if (tasks[0].alive) {
    kill(tasks[0].pid, SIGKILL);
    end_task(0);
  }
  reap(0);
  clear_books(0);
  return 0;
}
