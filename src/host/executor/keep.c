/*
 * The first task of a program can play the next one too. A process costs a millisecond to make and
 * to end in a guest whose page tables are shadowed, more than the twenty steps of many a program.
 *
 * It is kept only when nothing that the program called leaves traces in a process but mappings,
 * descriptors and children; when these are gone; and when what can be seen of it is, byte for byte,
 * what was seen of a first task that was just made.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program has done what a process does not forget. */
static int marked;
/* Task 0 is alive and as good as new. */
static int kept;

/* A first task that was just made: its mappings, and lines of its status. */
static char first_maps[4096], first_status[1024];
static u64 first_maps_size;

/* Calls whose traces are mappings, descriptors, files and children, by number. */
static int is_forgotten(u64 nr) {
  static const u16 calls[] = {
      0,   1,   2,   3,   9,  10, 11, 16, 17, 18, 25, 26, 27, 28,          /* read .. madvise */
      29,  30,  31,  39,  61, 67, 77, 110, 149, 150, 186, 216, 257, 262, 285, /* shmget .. fallocate */
      319, 323, 325,                                                       /* memfd_create .. mlock2 */
  };
  for (u32 i = 0; i < sizeof calls / sizeof *calls; i++)
    if (calls[i] == nr) return 1;
  return 0;
}

/* Calls that change the caller's own process for good, and no other. */
static int is_own_matter(u64 nr) {
  static const u16 calls[] = {12, 60, 117, 151, 152, 157, 160, 231, 462}; /* brk .. mseal */
  for (u32 i = 0; i < sizeof calls / sizeof *calls; i++)
    if (calls[i] == nr) return 1;
  return 0;
}

void mark_call(int task, const struct request *request) {
  const u64 *a = request->args;
  if (request->op >= REQ_READ && request->op <= REQ_EXEC) return;
  if (request->op == REQ_CLONE) {
    if (a[0] & ~0xffUL) marked = 1; /* anything beside the signal: shared memory, a vfork */
    return;
  }
  if (request->op != REQ_CALL) marked = 1;
  else if (request->nr == 72) marked |= a[1] != 1033 && a[1] != 1034; /* fcntl: seals only */
  else if (!is_forgotten(request->nr) && (task == 0 || !is_own_matter(request->nr))) marked = 1;
}

void begin_marks(void) { marked = 0; }

/* Lines of status that tell what a process is, without its image's pages; 0 on failure. */
static int read_status(struct task *t, char *into, u32 room) {
  static const char *lines[] = {"VmSize:", "VmLck:", "VmPin:",   "RssFile:", "VmData:", "VmStk:",
                                "VmPTE:",  "VmSwap:", "Threads:", "Uid:",    "SigBlk:", "CapEff:"};
  char text[4096], *end;
  u32 anon, shared, used = 0;
  if (t->status < 0) t->status = open_task_file(t->pid, "status");
  ssize_t n = pread(t->status, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = 0;
  for (u32 i = 0; i < sizeof lines / sizeof *lines; i++) {
    char *line = strstr(text, lines[i]);
    if (!line || !(end = strchr(line, '\n')) || used + (u64)(end - line) + 80 > room) return 0;
    memcpy(into + used, line, (u64)(end - line) + 1);
    used += (u32)(end - line) + 1;
  }
  char *rss = strstr(text, "RssAnon:"), *shmem = strstr(text, "RssShmem:");
  if (!rss || !shmem) return 0;
  count_own_pages(t, &anon, &shared);
  snprintf(into + used, room - used, "%ld %ld\n", atol(rss + 8) - 4L * anon, atol(shmem + 9) - 4L * shared);
  return 1;
}

static u64 read_maps(struct task *t, char *into, u32 room) {
  ssize_t n = pread(t->maps, into, room, 0);
  return n < 0 ? 0 : (u64)n;
}

/* Of a first task that was just made; once is enough, for they are alike. */
void know_first_task(void) {
  if (first_maps_size) return;
  first_maps_size = read_maps(&tasks[0], first_maps, sizeof first_maps);
  if (!read_status(&tasks[0], first_status, sizeof first_status)) first_maps_size = 0;
}

static int is_as_new(void) {
  char maps[4096], status[1024];
  u64 size = read_maps(&tasks[0], maps, sizeof maps);
  if (size != first_maps_size || memcmp(maps, first_maps, size)) return 0;
  return read_status(&tasks[0], status, sizeof status) && !strcmp(status, first_status);
}

/* Start of the stack's mapping in a fresh first task. */
static u64 stack_start(void) {
  const char *at = memmem(first_maps, first_maps_size, "[stack]", 7);
  while (at && at > first_maps && at[-1] != '\n') at--;
  return at ? strtoul(at, NULL, 16) : 0;
}

/* Everyone but the first task is dead. True when it may play the next program. */
int keep_first_task(void) {
  struct request request = {.op = REQ_CLEAN, .flags = REQ_OWN_STACK};
  struct reply *reply;
  kept = 0;
  if (marked || !first_maps_size || !tasks[0].alive || tasks[0].blocked || is_dead(0)) return 0;
  request.bytes = request.span = sizeof request;
  request.args[0] = stack_start();
  if (!request.args[0] || send_request(0, &request) < 0) return 0;
  if (await_reply(0, &reply, 1) != 1 || reply->result != 0) return 0;
  return kept = is_as_new();
}

int has_kept_task(void) { return kept; }
void drop_kept_task(void) { kept = 0; }
