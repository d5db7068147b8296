/*
 * What the inspector and the agents say to each other, over one pair of pipes for each task.
 *
 * An agent is the process (or thread) that plays one task of a program. It does one request at a
 * time and answers with one reply; between the two nothing of it runs, so that the inspector can
 * look at its memory from outside while it stands still.
 */
#ifndef FAULTLINE_WIRE_H
#define FAULTLINE_WIRE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

#define PAGE 4096UL

/*
 * The agent's image: one private file mapping, readable, writable and executable, that ends at a
 * 512 GiB boundary. All pages that it uses are written at the start and so are anonymous: a fork
 * copies them, nothing of it faults later, and its page tables are its own (one of each level).
 *
 *   IMAGE_START  code and constants
 *   AREAS_START  AREAS areas of AREA_SIZE bytes, one for each thread of the process
 *   IMAGE_END    start of the heap (brk)
 */
#define IMAGE_END 0x558000000000UL
#define AREA_SIZE 0x10000UL
#define AREAS 8UL
#define AREAS_START (IMAGE_END - AREAS * AREA_SIZE)
#define IMAGE_START (AREAS_START - 0x10000UL)

/*
 * Offsets inside an area; it is aligned to its size, so that a stack pointer tells the area. A
 * process that plays a task touches as few pages as can be, for each costs a fault or two: stack,
 * books, an ordinary reply and an ordinary request share one page.
 */
#define AREA_STACK_TOP 0x980UL
#define AREA_BOOKS 0x980UL
#define AREA_REPLY 0xb80UL
#define AREA_REQUEST 0xc80UL /* header and its bytes, up to 9 pages */
#define AREA_REQUEST_MAX 0x9000UL
#define AREA_LONG_REPLY 0xb000UL /* one page, for an access to many pages */
#define AREA_SIGNAL_STACK 0xc000UL /* four pages; the topmost are used */
#define AREA_SIGNAL_STACK_SIZE 0x4000UL

#define TASKS_MAX 24
/* Descriptor numbers in an agent: far above those that a program gets (3, 4, ...). */
#define REQUEST_FD(task) (900 + 2 * (task))
#define REPLY_FD(task) (901 + 2 * (task))

enum {
  REQ_CALL = 1, /* nr, args */
  REQ_READ,     /* args: address, length */
  REQ_WRITE,    /* args: address, length, byte */
  REQ_EXEC,     /* args: address, length */
  REQ_CLONE,    /* args: flags, ptid, ctid, tls, task of the child, area of the child or ~0 */
  REQ_EXECVE,   /* args: path (or 0: the agent itself), argv, envp */
  REQ_CLEAN,    /* args: start of the stack; what a program left behind goes */
};

#define REQ_TOUCH_IMAGE 1 /* write to every page of the image first (mlockall) */
#define REQ_OWN_STACK 2   /* the pages of the stack that are in use are written to */
#define STACK_END 0x7ffffffff000UL

struct request {
  u32 op;
  u32 flags;
  u32 bytes; /* of header and the bytes that follow it */
  u32 span;  /* bytes of the request buffer that the call may write to */
  u64 nr;
  u64 args[6];
};

struct reply {
  u32 op; /* of the request; 0 says hello: a new task, or a task after execve */
  u32 bytes;
  s64 result; /* as the kernel returns it: -errno for an error; hello: the thread's id */
  u32 signo;
  s64 code;
  u64 address;
  u64 minflt;
  u64 majflt;
  u64 pages; /* of the access that were reached */
  u8 faulted[]; /* a bit for each page of an access: it took a fault */
};

#endif
