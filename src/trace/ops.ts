/**
 * What happened to a program's memory: the operations of a trace, and which column of an event
 * holds what. A column that is not named in an operation's row is 0.
 *
 * Every event has `time` (ns since the recording began), `pid` and `tid` (of who did it) and `op`.
 * An *address* is the pair `vpn` (page number) and `offset` (byte in that page). `result` is a page
 * number, another value, or a negative errno: a call that failed stays in the trace, because
 * a replay must not do it. Lengths are bytes as the program gave them, not rounded. Numbers of
 * flags, protections and advice are those of Linux on x86-64.
 *
 * | op          | vpn, offset        | length      | arg        | arg2         | pgoff       | name | result |
 * | ----------- | ------------------ | ----------- | ---------- | ------------ | ----------- | ---- | ------ |
 * | TOUCH       | first byte         | bytes, >= 1 | TOUCH_READ… | FAULT_…     |             |      |        |
 * | MAP         | start              | bytes       | PROT_*     | MAP_*        | file page   | file |        |
 * | PRESENT     | start              | bytes       | PRESENT_*  |              |             |      |        |
 * | MMAP        | address asked for  | bytes       | PROT_*     | MAP_*        | file page   | file | start page or -errno |
 * | MUNMAP      | start              | bytes       |            |              |             |      | 0 or -errno |
 * | MREMAP      | old start          | old bytes   | page offset of the new address | MREMAP_* | new length, pages | | new start page or -errno |
 * | MPROTECT    | start              | bytes       | PROT_*     | key, else -1 |             |      | 0 or -errno |
 * | MADVISE     | start              | bytes       | MADV_*     |              |             |      | 0 or -errno |
 * | BRK         | break asked for, 0 |             |            | byte in the result's page | |     | page of the new break |
 * | MLOCK       | start              | bytes       | MLOCK_* of mlock2 |       |             |      | 0 or -errno |
 * | MUNLOCK     | start              | bytes       |            |              |             |      | 0 or -errno |
 * | MLOCKALL    |                    |             | MCL_*      |              |             |      | 0 or -errno |
 * | MUNLOCKALL  |                    |             |            |              |             |      | 0 or -errno |
 * | SHMGET      |                    | bytes asked | key        | flags        |             | file | id or -errno |
 * | SHMAT       | address asked for  | of segment, 0 = unknown | id | SHM_*    |             | file | start page or -errno |
 * | SHMDT       | start              |             |            |              |             |      | 0 or -errno |
 * | SHMCTL      |                    |             | id         | IPC_* command|             |      | value or -errno |
 * | FTRUNCATE   |                    | new size    |            |              |             | file | 0 or -errno |
 * | FALLOCATE   | -, byte in `pgoff` | bytes       | FALLOC_*   |              | first page  | file | 0 or -errno |
 * | PRCTL       |                    |             | option     | 2nd argument |             |      | value or -errno |
 * | FORK        |                    |             |            | CLONE_*, -1 = unknown |    |      | child's pid |
 * | THREAD      |                    |             |            | CLONE_*, -1 = unknown |    |      | new tid |
 * | EXEC        |                    |             |            |              |             | image |       |
 * | THREAD_EXIT |                    |             |            |              |             |      |        |
 * | EXIT        |                    |             | exit code, -1 = unknown | signal |       |      |        |
 * | LOST        |                    |             |            |              |             |      | events lost up to here |
 *
 * - TOUCH is one access, or the fault that one access took. It means every page of
 *   `[address, address + length)` once, in ascending order.
 * - MAP is a mapping that was there when the process began (exec) or was attached to (`--pid`).
 *   The MAP events of a program follow its EXEC, ascending. MAP_PRIVATE or MAP_SHARED is always
 *   set; MAP_GROWSDOWN marks the stack. Names as in maps: a path, "[heap]", "[stack]", "[vdso]".
 *   A MAP of "[heap]" says where the break began.
 * - PRESENT is a range of populated pages at the time of `--pid`, after the MAP that holds it.
 * - EXEC ends the address space that `pid` had. FORK with CLONE_VM (vfork, posix_spawn) gives the
 *   child no address space of its own: what it does until its EXEC happens in its parent's.
 * - EXIT is the end of the process, THREAD_EXIT that of one of its threads but the last.
 * - MMAP of anonymous memory has name 0. A shared anonymous mapping may have a name, unique to that
 *   object, when the recorder saw one.
 */
export const OP_NONE = 0;
export const OP_TOUCH = 1;
export const OP_MAP = 2;
export const OP_PRESENT = 3;
export const OP_MMAP = 4;
export const OP_MUNMAP = 5;
export const OP_MREMAP = 6;
export const OP_MPROTECT = 7;
export const OP_MADVISE = 8;
export const OP_BRK = 9;
export const OP_MLOCK = 10;
export const OP_MUNLOCK = 11;
export const OP_MLOCKALL = 12;
export const OP_MUNLOCKALL = 13;
export const OP_SHMGET = 14;
export const OP_SHMAT = 15;
export const OP_SHMDT = 16;
export const OP_SHMCTL = 17;
export const OP_FTRUNCATE = 18;
export const OP_FALLOCATE = 19;
export const OP_PRCTL = 20;
export const OP_FORK = 21;
export const OP_THREAD = 22;
export const OP_EXEC = 23;
export const OP_THREAD_EXIT = 24;
export const OP_EXIT = 25;
export const OP_LOST = 26;

/** By number; the file writes these. */
export const OP_NAMES = [
  'none',
  'touch',
  'map',
  'present',
  'mmap',
  'munmap',
  'mremap',
  'mprotect',
  'madvise',
  'brk',
  'mlock',
  'munlock',
  'mlockall',
  'munlockall',
  'shmget',
  'shmat',
  'shmdt',
  'shmctl',
  'ftruncate',
  'fallocate',
  'prctl',
  'fork',
  'thread',
  'exec',
  'thread_exit',
  'exit',
  'lost',
] as const;

/** TOUCH, `arg`: how the memory was accessed. A fault's kind says so exactly. */
export const TOUCH_READ = 1;
export const TOUCH_WRITE = 2;
export const TOUCH_EXEC = 4;

/** TOUCH, `arg2`. An access that is not known to have faulted (lackey) has FAULT_NONE. */
export const FAULT_NONE = 0;
/** This access took a page fault in the recording. */
export const FAULT_TAKEN = 1;
/** The fault came from the kernel's own access to user memory (copy_to_user and its like). */
export const FAULT_KERNEL = 2;
/** The kernel found an entry that forbids the access, not a missing one. */
export const FAULT_PROTECTION = 4;

/**
 * MADVISE, `arg`: no advice of Linux's. From here on each first touch in this mapping took a fault,
 * and each first write behind a read: it was registered with userfaultfd for write protection, and
 * so had no fault-around (`record --precise`). The call itself was refused.
 */
export const MADV_EVERY_TOUCH = 0x466c;

/** PRESENT, `arg`. */
export const PRESENT_ANON = 1;
export const PRESENT_FILE = 2;
/** Mapped by one page table only (pagemap's bit 56). */
export const PRESENT_EXCLUSIVE = 4;
/** Part of a huge page that is mapped as one. */
export const PRESENT_HUGE = 8;
export const PRESENT_SWAPPED = 16;
export const PRESENT_WRITABLE = 32;
