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
#define KPF_ZERO 24
/* In 6.18 this bit is PG_anon_exclusive of the folio's first page; elsewhere it means other things. */
#define KPF_OWNER_2 34

struct page_region {
  u64 start, end, categories;
};
struct pm_scan_arg {
  u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
  u64 inverted, mask, anyof, returned;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
enum { SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_HUGE = 1 << 6 };

#define PFN_MASK ((1UL << 55) - 1)

static int has_scan;

int has_pagemap_scan(void) {
  struct page_region region;
  struct pm_scan_arg arg = {.size = sizeof arg, .start = PAGE, .end = 2 * PAGE, .vec = (u64)&region,
                            .vec_len = 1, .anyof = SCAN_PRESENT, .returned = SCAN_HUGE};
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  has_scan = fd >= 0 && ioctl(fd, PAGEMAP_SCAN, &arg) >= 0;
  if (fd >= 0) close(fd);
  return has_scan;
}

/* ---- what the tasks have mapped: page numbers and their pagemap entries ------------------- */

/* In an entry's bits that pagemap leaves at 0: the page is mapped by a PMD. */
#define ENTRY_HUGE (1UL << 59)

static u64 *vpns, *entries;
static u32 rows, rows_room;
static int cut;

static void add_row(u64 vpn, u64 entry) {
  if (rows == PAGES_MAX) {
    cut = 1;
    return;
  }
  if (rows == rows_room) {
    rows_room = rows_room ? rows_room * 2 : 4096;
    vpns = realloc(vpns, rows_room * sizeof *vpns);
    entries = realloc(entries, rows_room * sizeof *entries);
    if (!vpns || !entries) die("no memory for observations");
  }
  vpns[rows] = vpn;
  entries[rows++] = entry;
}

/* ---- one task ---------------------------------------------------------------------------- */

#define CHUNK 4096

static void put_region(int pagemap, u64 start, u64 end, int huge) {
  static u64 words[CHUNK];
  for (u64 vpn = start / PAGE; vpn < end / PAGE;) {
    u64 want = end / PAGE - vpn;
    if (want > CHUNK) want = CHUNK;
    ssize_t got = pread(pagemap, words, want * 8, (off_t)(vpn * 8));
    if (got <= 0) return;
    for (ssize_t i = 0; i < got / 8; i++)
      /* Where soft-dirty is tracked, holes have that bit and no other. */
      if (words[i] >> 62) add_row(vpn + (u64)i, words[i] | (huge ? ENTRY_HUGE : 0));
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

#define VSYSCALL 11

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
    /* The last line of maps on x86-64, where the kernel has that page at all. */
    if (n >= VSYSCALL && !memcmp(text + text_size - VSYSCALL, "[vsyscall]\n", VSYSCALL)) return;
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

/* Regions that lie this close are read together: a hole costs less than a call. */
#define HOLE_PAGES 64

/*
 * What is to be read of all tasks: regions of their pagemaps, into `words` one behind the other. All
 * is read in one call.
 */
struct area_read {
  u64 vpn, count, at;
  s64 got;
  int huge;
};
static struct area_read *areas;
static u32 area_count, area_room;
static u64 *words, words_used, words_room;

static void want_area(u64 start, u64 end, int huge) {
  u64 count = (end - start) / PAGE;
  if (start >= end) return;
  if (words_used + count > PAGES_MAX) {
    cut = 1;
    return;
  }
  if (area_count == area_room) {
    area_room = area_room ? area_room * 2 : 256;
    areas = realloc(areas, area_room * sizeof *areas);
    if (!areas) die("no memory for observations");
  }
  areas[area_count++] = (struct area_read){start / PAGE, count, words_used, 0, huge};
  words_used += count;
}

static void want_foreign(u64 start, u64 end, int huge) {
  if (end <= IMAGE_START || start >= IMAGE_END) {
    want_area(start, end, huge);
    return;
  }
  if (start < IMAGE_START) want_area(start, IMAGE_START, huge);
  if (end > IMAGE_END) want_area(IMAGE_END, end, huge);
}

/* Which pages are there. Without PAGEMAP_SCAN that is found out later, from the mappings. */
static void find_areas(struct task *t) {
  static struct page_region regions[1024];
  u64 from = 0;
  while (has_scan && from < USER_END) {
    struct pm_scan_arg arg = {.size = sizeof arg, .start = from, .end = USER_END, .vec = (u64)regions,
                              .vec_len = 1024, .anyof = SCAN_PRESENT | SCAN_SWAPPED,
                              .returned = SCAN_HUGE};
    long n = ioctl(t->pagemap, PAGEMAP_SCAN, &arg);
    if (n < 0) {
      if (errno == ENOTTY || errno == EINVAL) has_scan = 0;
      break;
    }
    for (long i = 0, next; i < n; i = next) {
      for (next = i + 1; next < n; next++)
        if (regions[next].categories != regions[i].categories ||
            regions[next].start - regions[next - 1].end > HOLE_PAGES * PAGE)
          break;
      want_foreign(regions[i].start, regions[next - 1].end, (regions[i].categories & SCAN_HUGE) != 0);
    }
    from = arg.walk_end;
  }
}

static void add_areas(u32 first, u32 end) {
  for (u32 a = first; a < end; a++)
    for (s64 i = 0; i < areas[a].got / 8; i++) {
      u64 word = words[areas[a].at + (u64)i];
      /* Where soft-dirty is tracked, holes have that bit and no other. */
      if (word >> 62) add_row(areas[a].vpn + (u64)i, word | (areas[a].huge ? ENTRY_HUGE : 0));
    }
}

void forget_observation(int task) {
  tasks[task].last_size = 0;
  tasks[task].last_pages = tasks[task].last_text = 0;
}

/* Pages of the agent's image that are present, by kind: they are not the program's. */
void count_own_pages(struct task *t, u32 *anon_pages, u32 *shared) {
  u64 words[(IMAGE_END - IMAGE_START) / PAGE];
  u32 anon = 0, file = 0;
  ssize_t got = pread(t->pagemap, words, sizeof words, IMAGE_START / PAGE * 8);
  for (ssize_t i = 0; i < got / 8; i++)
    if (BIT(words[i], 63)) {
      if (BIT(words[i], 61)) file++;
      else anon++;
    }
  *anon_pages = anon;
  *shared = file;
}

static void put_own_pages(struct task *t) {
  u32 anon, shared;
  count_own_pages(t, &anon, &shared);
  put(anon);
  put(shared);
}

/* The columns of the pages of one task, in the order of the record. */
enum { VPN_LOW, VPN_HIGH, BITS, FOLIO, PLACE, COUNT, COLUMNS };

static void fill_row(u32 *column, u32 stride, u32 row) {
  u64 vpn = vpns[row], entry = entries[row];
  u32 bits = entry & ENTRY_HUGE ? PAGE_HUGE : 0, folio_number = 0, place = 0, count = 0;
  for (u32 i = 0; i < sizeof map_bits / sizeof *map_bits; i++)
    if (BIT(entry, map_bits[i].from)) bits |= map_bits[i].to;
  if (bits & PAGE_PRESENT) {
    u64 pfn = entry & PFN_MASK;
    struct frame frame = frame_at(pfn);
    if (BIT(frame.flags, KPF_ZERO)) {
      bits |= PAGE_ZERO;
    } else {
      for (u32 i = 0; i < sizeof flag_bits / sizeof *flag_bits; i++)
        if (BIT(frame.flags, flag_bits[i].from)) bits |= flag_bits[i].to;
      if ((bits & PAGE_ANON) && BIT(frame.flags, KPF_OWNER_2)) bits |= PAGE_ANON_EXCLUSIVE;
      const struct folio *folio = folio_of(pfn, frame.flags);
      folio_number = folio->number;
      place = (u32)(pfn - folio->head) | folio->order << 24;
      count = (u32)frame.count;
    }
  }
  u32 words[COLUMNS] = {(u32)vpn, (u32)(vpn >> 32), bits, folio_number, place, count};
  for (u32 i = 0; i < COLUMNS; i++) column[i * stride] = words[i];
}

/* A task's part of the rows and of the text, and what is true of all of it. */
struct view {
  u32 first, pages, area, area_end;
  u64 text_at, text_size;
  int cut;
};

/* What is to be read of a task, and what can be said when it was. */
static void look(int task, struct view *v) {
  cut = 0;
  v->area = area_count;
  find_areas(&tasks[task]);
  v->area_end = area_count;
  v->cut = cut;
}

static void see(int task, int level, struct view *v) {
  struct task *t = &tasks[task];
  v->first = rows;
  v->text_at = text_size;
  cut = 0;
  if (has_scan) add_areas(v->area, v->area_end);
  else scan_by_maps(t);
  if (level == OBSERVE_FULL) {
    if (t->smaps < 0) t->smaps = open_task_file(t->pid, "smaps");
    add_file(t->smaps);
    if (t->status < 0) t->status = open_task_file(t->pid, "status");
    add_file(t->status);
  } else {
    add_file(t->maps);
  }
  v->pages = rows - v->first;
  v->text_size = text_size - v->text_at;
  v->cut |= cut;
}

static void read_all(const struct view *views) {
  if (words_used > words_room) {
    words_room = words_used * 2;
    words = realloc(words, words_room * sizeof *words);
    if (!words) die("no memory for observations");
  }
  for (int i = 0; i < TASKS_MAX; i++) {
    if (!tasks[i].alive || tasks[i].memory != i) continue;
    for (u32 a = views[i].area; a < views[i].area_end; a++)
      want_read(tasks[i].pagemap, words + areas[a].at, (u32)(areas[a].count * 8), areas[a].vpn * 8, &areas[a].got);
  }
  do_reads();
}

static void report(u32 step, int task, int level, const struct view *v) {
  static u32 *columns;
  static u32 room;
  struct task *t = &tasks[task];
  u32 page_bytes = v->pages * COLUMNS * 4;
  if (page_bytes > room) {
    room = page_bytes * 2;
    columns = realloc(columns, room);
    if (!columns) die("no memory for observations");
  }
  for (u32 i = 0; i < v->pages; i++) fill_row(columns + i, v->pages, v->first + i);
  const u8 *words = text + v->text_at;
  int same_pages = t->last_size && t->last_pages == page_bytes && !memcmp(t->last, columns, page_bytes);
  int same_text = t->last_size && t->last_text == v->text_size && !memcmp(t->last + t->last_pages, words, v->text_size);
  record_begin(REC_TASK);
  put(step);
  put((u32)task);
  put((same_pages ? TASK_SAME_PAGES : 0) | (same_text ? TASK_SAME_TEXT : 0) |
      (level == OBSERVE_FULL ? TASK_FULL : 0) | (v->cut ? TASK_CUT : 0));
  if (level == OBSERVE_FULL) put_own_pages(t);
  if (!same_pages) {
    put(v->pages);
    put_bytes(columns, page_bytes);
  }
  if (!same_text) {
    put((u32)v->text_size);
    put_bytes(words, v->text_size);
  }
  record_end();
  if (same_pages && same_text) return;
  u64 size = page_bytes + v->text_size + 1;
  if (size > t->last_room) {
    t->last_room = (u32)(size * 2);
    t->last = realloc(t->last, t->last_room);
    if (!t->last) die("no memory for observations");
  }
  memcpy(t->last, columns, page_bytes);
  memcpy(t->last + page_bytes, words, v->text_size);
  t->last_pages = page_bytes;
  t->last_text = (u32)v->text_size;
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

/* First all tasks' entries, then the frames behind them together, then a record for each task. */
void observe(u32 step, int level) {
  struct view views[TASKS_MAX];
  if (level == OBSERVE_NONE) return;
  rows = 0;
  text_size = 0;
  area_count = 0;
  words_used = 0;
  forget_frames();
  for (int i = 0; i < TASKS_MAX; i++)
    if (tasks[i].alive && tasks[i].memory == i) look(i, &views[i]);
  read_all(views);
  for (int i = 0; i < TASKS_MAX; i++)
    if (tasks[i].alive && tasks[i].memory == i) see(i, level, &views[i]);
  for (u32 i = 0; i < rows; i++)
    if (BIT(entries[i], 63)) want_frame(entries[i] & PFN_MASK);
  read_frames();
  for (int i = 0; i < TASKS_MAX; i++) {
    if (!tasks[i].alive) continue;
    if (tasks[i].memory == i) {
      report(step, i, level, &views[i]);
      continue;
    }
    record_begin(REC_TASK);
    put(step);
    put((u32)i);
    put(TASK_LIKE);
    put((u32)tasks[i].memory);
    record_end();
  }
}
