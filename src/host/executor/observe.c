/*
 * What can be seen of the tasks from outside: pagemap, page flags and counts of the frames behind
 * it, which frames belong together (folios), the mappings, and on demand smaps and status.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define USER_END 0x7ffffffff000UL
#define PAGES_MAX (1u << 20) /* of one observation of one task; more is cut and said */

/* PAGE_* of src/scenario/transcript.ts. */
enum {
  PAGE_PRESENT = 1 << 0,
  PAGE_SWAP = 1 << 1,
  PAGE_FILE = 1 << 2,
  PAGE_EXCLUSIVE = 1 << 3,
  PAGE_UFFD_WP = 1 << 4,
  PAGE_GUARD = 1 << 5,
  PAGE_ZERO = 1 << 6,
  PAGE_HUGE = 1 << 7,
  PAGE_ANON = 1 << 8,
  PAGE_UPTODATE = 1 << 9,
  PAGE_DIRTY = 1 << 10,
  PAGE_SWAPBACKED = 1 << 11,
  PAGE_MLOCKED = 1 << 12,
  PAGE_THP = 1 << 13,
  PAGE_ANON_EXCLUSIVE = 1 << 14,
  PAGE_UNEVICTABLE = 1 << 15,
  PAGE_SWAPCACHE = 1 << 16,
  PAGE_SOFT_DIRTY = 1 << 17,
};

/* pagemap bit or page flag, and the bit that it becomes. */
static const struct {
  u8 from;
  u32 to;
} map_bits[] = {{63, PAGE_PRESENT},  {62, PAGE_SWAP},  {61, PAGE_FILE},      {56, PAGE_EXCLUSIVE},
                {57, PAGE_UFFD_WP}, {58, PAGE_GUARD}, {55, PAGE_SOFT_DIRTY}},
  flag_bits[] = {{12, PAGE_ANON},    {3, PAGE_UPTODATE}, {4, PAGE_DIRTY},         {14, PAGE_SWAPBACKED},
                 {33, PAGE_MLOCKED}, {22, PAGE_THP},     {18, PAGE_UNEVICTABLE},  {13, PAGE_SWAPCACHE}};
#define KPF_HEAD 15
#define KPF_TAIL 16
#define KPF_ZERO 24
/* In 6.18 this bit is PG_anon_exclusive of the folio's first page; elsewhere it means other things. */
#define KPF_OWNER_2 34
#define BIT(value, n) (((value) >> (n)) & 1)

struct page_region {
  u64 start, end, categories;
};
struct pm_scan_arg {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
  u64 inverted, mask, anyof, returned;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
enum { SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_HUGE = 1 << 6 };

static int kpageflags = -1, kpagecount = -1;
static int has_scan;

void observe_start(void) {
  kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
  kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
  if (kpageflags < 0 || kpagecount < 0)
    die("/proc/kpageflags, /proc/kpagecount: %s (CONFIG_PROC_PAGE_MONITOR)", strerror(errno));
}

int has_pagemap_scan(void) {
  struct page_region region;
  struct pm_scan_arg arg = {.size = sizeof arg, .start = PAGE, .end = 2 * PAGE, .vec = (u64)&region,
                            .vec_len = 1, .anyof = SCAN_PRESENT, .returned = SCAN_HUGE};
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  has_scan = fd >= 0 && ioctl(fd, PAGEMAP_SCAN, &arg) >= 0;
  if (fd >= 0) close(fd);
  return has_scan;
}

/* ---- columns of the pages of one task, in the order of the record ------------------------ */

enum { VPN_LOW, VPN_HIGH, BITS, FOLIO, PLACE, COUNT, COLUMNS };
static u32 *columns[COLUMNS];
static u32 pages, pages_room;
static int cut;

static void page_row(u64 vpn, u32 bits, u32 folio, u32 place, u32 count) {
  if (pages == PAGES_MAX) {
    cut = 1;
    return;
  }
  if (pages == pages_room) {
    pages_room = pages_room ? pages_room * 2 : 4096;
    for (int i = 0; i < COLUMNS; i++) {
      columns[i] = realloc(columns[i], pages_room * sizeof(u32));
      if (!columns[i]) die("no memory for observations");
    }
  }
  u32 row[COLUMNS] = {(u32)vpn, (u32)(vpn >> 32), bits, folio, place, count};
  for (int i = 0; i < COLUMNS; i++) columns[i][pages] = row[i];
  pages++;
}

/* ---- folios ------------------------------------------------------------------------------ */

/* Open addressing; an entry of an older era is free. Grows while it is more than half full. */
struct folio {
  u64 head;
  u32 era, number, order;
};
static struct folio *folios;
static u32 folio_room, era, folio_count;

static u64 flags_of(u64 pfn) {
  u64 value = 0;
  if (pread(kpageflags, &value, 8, (off_t)(pfn * 8)) != 8) return 0;
  return value;
}

/*
 * A folio of order o begins at a multiple of 2^o, and between its head and a tail there are only
 * tails: clearing low bits one by one, the first head met is the folio's own.
 */
static u64 head_of(u64 pfn) {
  for (u32 o = 1; o <= 18; o++) {
    u64 at = pfn & ~((1UL << o) - 1);
    if (BIT(flags_of(at), KPF_HEAD)) return at;
  }
  return pfn;
}

/* Page head + 2^o is a tail exactly when the folio is larger than order o. */
static u32 order_of(u64 head) {
  u32 o = 1;
  while (o < 18 && BIT(flags_of(head + (1UL << o)), KPF_TAIL)) o++;
  return o;
}

static u32 slot_of(u64 head) {
  u32 at = (u32)((head * 0x9e3779b97f4a7c15UL) >> 32) & (folio_room - 1);
  while (folios[at].era == era && folios[at].head != head) at = (at + 1) & (folio_room - 1);
  return at;
}

static void grow_folios(void) {
  struct folio *old = folios;
  u32 count = folio_room;
  folio_room = count ? count * 2 : 4096;
  folios = calloc(folio_room, sizeof *folios);
  if (!folios) die("no memory for observations");
  for (u32 i = 0; i < count; i++)
    if (old[i].era == era) folios[slot_of(old[i].head)] = old[i];
  free(old);
}

static const struct folio *folio_at(u64 head, int large) {
  if (2 * folio_count >= folio_room) grow_folios();
  struct folio *folio = &folios[slot_of(head)];
  if (folio->era != era) *folio = (struct folio){head, era, ++folio_count, large ? order_of(head) : 0};
  return folio;
}

/* ---- one task ---------------------------------------------------------------------------- */

#define CHUNK 4096
static u64 entries[CHUNK], flags[CHUNK * 4], counts[CHUNK * 4];

static void put_page(u64 vpn, u64 entry, int huge, u64 flag, u64 count) {
  u32 bits = huge ? PAGE_HUGE : 0;
  for (u32 i = 0; i < sizeof map_bits / sizeof *map_bits; i++)
    if (BIT(entry, map_bits[i].from)) bits |= map_bits[i].to;
  if (!(bits & PAGE_PRESENT)) {
    page_row(vpn, bits, 0, 0, 0);
    return;
  }
  if (BIT(flag, KPF_ZERO)) {
    page_row(vpn, bits | PAGE_ZERO, 0, 0, 0);
    return;
  }
  for (u32 i = 0; i < sizeof flag_bits / sizeof *flag_bits; i++)
    if (BIT(flag, flag_bits[i].from)) bits |= flag_bits[i].to;
  if ((bits & PAGE_ANON) && BIT(flag, KPF_OWNER_2)) bits |= PAGE_ANON_EXCLUSIVE;
  u64 pfn = entry & ((1UL << 55) - 1);
  u64 head = BIT(flag, KPF_TAIL) ? head_of(pfn) : pfn;
  const struct folio *folio = folio_at(head, BIT(flag, KPF_TAIL) || BIT(flag, KPF_HEAD));
  page_row(vpn, bits, folio->number, (u32)(pfn - head) | folio->order << 24, (u32)count);
}

/* Reads flags and counts of neighbouring frames together: one call for a group that lies close. */
static void put_chunk(u64 vpn, u32 n, int huge) {
  for (u32 i = 0; i < n;) {
    if (!BIT(entries[i], 63)) {
      /* Where soft-dirty is tracked, holes have that bit and no other. */
      if (BIT(entries[i], 62)) put_page(vpn + i, entries[i], huge, 0, 0);
      i++;
      continue;
    }
    u64 low = entries[i] & ((1UL << 55) - 1), high = low;
    u32 end = i + 1;
    for (; end < n && BIT(entries[end], 63); end++) {
      u64 pfn = entries[end] & ((1UL << 55) - 1);
      u64 l = pfn < low ? pfn : low, h = pfn > high ? pfn : high;
      if (h - l >= 2 * (end - i) + 16 || h - l >= CHUNK * 4) break;
      low = l;
      high = h;
    }
    u64 size = (high - low + 1) * 8;
    if (pread(kpageflags, flags, size, (off_t)(low * 8)) != (ssize_t)size) memset(flags, 0, size);
    if (pread(kpagecount, counts, size, (off_t)(low * 8)) != (ssize_t)size) memset(counts, 0, size);
    for (; i < end; i++) {
      u64 at = (entries[i] & ((1UL << 55) - 1)) - low;
      put_page(vpn + i, entries[i], huge, flags[at], counts[at]);
    }
  }
}

static void put_region(int pagemap, u64 start, u64 end, int huge) {
  for (u64 vpn = start / PAGE; vpn < end / PAGE;) {
    u64 want = end / PAGE - vpn;
    if (want > CHUNK) want = CHUNK;
    ssize_t got = pread(pagemap, entries, want * 8, (off_t)(vpn * 8));
    if (got <= 0) return;
    put_chunk(vpn, (u32)got / 8, huge);
    vpn += (u64)got / 8;
  }
}

static void put_foreign(int pagemap, u64 start, u64 end, int huge) {
  if (end <= IMAGE_START || start >= IMAGE_END) {
    put_region(pagemap, start, end, huge);
    return;
  }
  if (start < IMAGE_START) put_region(pagemap, start, IMAGE_START, huge);
  if (end > IMAGE_END) put_region(pagemap, IMAGE_END, end, huge);
}

static u8 *text;
static u64 text_size, text_room;

static void add_file(int fd) {
  u64 at = 0;
  for (;;) {
    if (text_room - text_size < 65536) {
      text_room = text_room * 2 + 131072;
      text = realloc(text, text_room);
      if (!text) die("no memory for observations");
    }
    ssize_t n = pread(fd, text + text_size, text_room - text_size, (off_t)at);
    if (n <= 0) return;
    text_size += (u64)n;
    at += (u64)n;
  }
}

/* Without PAGEMAP_SCAN (before 6.7): the mappings tell where to look; PMD mappings stay unknown. */
static void scan_by_maps(struct task *t) {
  u64 from = text_size;
  add_file(t->maps);
  for (u64 at = from; at < text_size;) {
    u8 *line = text + at;
    u8 *newline = memchr(line, '\n', text_size - at);
    u64 start, end;
    if (!newline) break;
    if (sscanf((char *)line, "%lx-%lx", &start, &end) == 2 && end <= USER_END)
      put_foreign(t->pagemap, start, end, 0);
    at = (u64)(newline - text) + 1;
  }
  text_size = from;
}

static void scan_range(struct task *t, u64 from, u64 to) {
  static struct page_region regions[1024];
  while (has_scan && from < to) {
    struct pm_scan_arg arg = {.size = sizeof arg, .start = from, .end = to, .vec = (u64)regions,
                              .vec_len = 1024, .anyof = SCAN_PRESENT | SCAN_SWAPPED,
                              .returned = SCAN_HUGE};
    long n = ioctl(t->pagemap, PAGEMAP_SCAN, &arg);
    if (n < 0) {
      if (errno == ENOTTY || errno == EINVAL) has_scan = 0;
      break;
    }
    for (long i = 0; i < n; i++)
      put_region(t->pagemap, regions[i].start, regions[i].end, (regions[i].categories & SCAN_HUGE) != 0);
    from = arg.walk_end;
  }
}

/* The agent's image is the executor's own affair and is left out. */
static void scan(struct task *t) {
  scan_range(t, 0, IMAGE_START);
  scan_range(t, IMAGE_END, USER_END);
  if (!has_scan) scan_by_maps(t);
}

void forget_observation(int task) {
  tasks[task].last_size = 0;
  tasks[task].last_pages = tasks[task].last_text = 0;
}

static int open_of(int pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/* Pages of the agent's image that are present, by kind: they are not the program's. */
static void put_own_pages(struct task *t) {
  u32 anon = 0, file = 0;
  ssize_t got = pread(t->pagemap, entries, (IMAGE_END - IMAGE_START) / PAGE * 8, IMAGE_START / PAGE * 8);
  for (ssize_t i = 0; i < got / 8; i++)
    if (BIT(entries[i], 63)) {
      if (BIT(entries[i], 61)) file++;
      else anon++;
    }
  put(anon);
  put(file);
}

static void observe_memory(u32 step, int task, int level) {
  struct task *t = &tasks[task];
  pages = 0;
  text_size = 0;
  cut = 0;
  scan(t);
  if (level == OBSERVE_FULL) {
    if (t->smaps < 0) t->smaps = open_of(t->pid, "smaps");
    add_file(t->smaps);
    u64 smaps_size = text_size;
    add_file(t->status);
    (void)smaps_size;
  } else {
    add_file(t->maps);
  }
  u32 page_bytes = pages * COLUMNS * 4;
  int same_pages = t->last_size && t->last_pages == page_bytes;
  for (int i = 0; same_pages && i < COLUMNS; i++)
    if (memcmp(t->last + (u64)i * pages * 4, columns[i], pages * 4)) same_pages = 0;
  int same_text = t->last_size && t->last_text == text_size && !memcmp(t->last + t->last_pages, text, text_size);
  record_begin(REC_TASK);
  put(step);
  put((u32)task);
  put((same_pages ? TASK_SAME_PAGES : 0) | (same_text ? TASK_SAME_TEXT : 0) |
      (level == OBSERVE_FULL ? TASK_FULL : 0) | (cut ? TASK_CUT : 0));
  if (level == OBSERVE_FULL) put_own_pages(t);
  if (!same_pages) {
    put(pages);
    for (int i = 0; i < COLUMNS; i++) put_bytes(columns[i], pages * 4);
  }
  if (!same_text) {
    put((u32)text_size);
    put_bytes(text, text_size);
  }
  record_end();
  if (same_pages && same_text) return;
  u64 size = page_bytes + text_size + 1;
  if (size > t->last_room) {
    t->last_room = (u32)(size * 2);
    t->last = realloc(t->last, t->last_room);
    if (!t->last) die("no memory for observations");
  }
  for (int i = 0; i < COLUMNS; i++) memcpy(t->last + (u64)i * pages * 4, columns[i], pages * 4);
  memcpy(t->last + page_bytes, text, text_size);
  t->last_pages = page_bytes;
  t->last_text = (u32)text_size;
  t->last_size = (u32)size;
}

/*
 * A present page is read through /proc/PID/mem, which takes no fault for it; a page of a file that
 * is not mapped yet is read from the file; untouched private memory holds zeros.
 */
s64 peek(int task, u64 address) {
  struct task *t = &tasks[tasks[task].memory];
  u64 entry = 0, start, end, offset, inode = 0;
  char perms[8] = "", path[100];
  u8 byte = 0;
  text_size = 0;
  add_file(t->maps);
  int found = 0;
  for (u64 at = 0; at < text_size && !found;) {
    u8 *newline = memchr(text + at, '\n', text_size - at);
    if (!newline) break;
    if (sscanf((char *)text + at, "%lx-%lx %7s %lx %*s %lu", &start, &end, perms, &offset, &inode) == 5)
      found = start <= address && address < end;
    at = (u64)(newline - text) + 1;
  }
  if (!found || perms[0] != 'r') return -EFAULT;
  if (pread(t->pagemap, &entry, 8, (off_t)(address / PAGE * 8)) != 8) return -EFAULT;
  if (entry == 0 && inode == 0 && perms[3] == 'p') return 0;
  if (entry != 0) snprintf(path, sizeof path, "/proc/%d/mem", t->pid);
  else snprintf(path, sizeof path, "/proc/%d/map_files/%lx-%lx", t->pid, start, end);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t n = pread(fd, &byte, 1, (off_t)(entry != 0 ? address : offset + (address - start)));
  int error = errno;
  close(fd);
  return n == 1 ? byte : n < 0 ? -error : -EFAULT;
}

/*
 * The kernel puts folios on its lists, and marks them locked, in batches of some fifteen for each
 * CPU, which hold a reference meanwhile: page flags and what depends on reference counts would
 * hang on how full a batch happens to be. MADV_COLD empties this CPU's batches first
 * (madvise_cold, 6.18), and the tasks run on this CPU too.
 */
void settle_lists(void) {
  static u8 *page;
  if (!page) page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(page, PAGE, MADV_COLD);
}

/*
 * khugepaged looks at memory at once when the list of processes that it serves was empty before. We
 * are always in it, so that it sleeps for its period (khugepaged_wait_event, 6.18).
 */
void occupy_khugepaged(void) {
  static u8 *room;
  if (!room) room = mmap(NULL, 4UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return;
  madvise(room, 4UL << 20, MADV_NOHUGEPAGE);
  /* Only memory that was written to can be collapsed (thp_vma_allowable_orders, 6.18). */
  room[0] = 1;
  madvise(room, 4UL << 20, MADV_HUGEPAGE);
  /* We stay in its list, and it finds nothing to do. */
  madvise(room, 4UL << 20, MADV_NOHUGEPAGE);
}

void observe(u32 step, int level) {
  if (level == OBSERVE_NONE) return;
  era++;
  folio_count = 0;
  for (int i = 0; i < TASKS_MAX; i++) {
    struct task *t = &tasks[i];
    if (!t->alive) continue;
    if (t->memory == i) {
      observe_memory(step, i, level);
      continue;
    }
    record_begin(REC_TASK);
    put(step);
    put((u32)i);
    put(TASK_LIKE);
    put((u32)t->memory);
    record_end();
  }
}
