/*
 * The frames behind mapped pages: their flags and counts, and which of them belong together. Folios
 * are numbered 1, 2, ... in order of first appearance in one look at all tasks.
 */
#include "inspector.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KPF_HEAD 15
#define KPF_TAIL 16
#define ORDER_MAX 18

static int kpageflags = -1, kpagecount = -1;

void folios_start(void) {
  kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (kpageflags < 0 || kpagecount < 0) die("/proc/kpageflags, /proc/kpagecount: %s (CONFIG_PROC_PAGE_MONITOR)", strerror(errno));
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const int fds[] = {kpageflags, kpagecount, pagemap};
  reads_start(fds, 3);
  close(pagemap);
}

/* ---- frames: wanted one by one, read together ------------------------------------------- */

/* Frames that lie this close are read in one call: some needless ones cost less than a call. */
#define GAP 16

/* Neighbouring frames: `count` words of flags and counts from `at` on. */
struct run {
  u64 low;
  u32 count, at;
  s64 got_flags, got_counts;
};
static u64 *wanted;
static struct run *runs;
static u64 *flags, *counts;
static u32 wanted_count, wanted_room, run_count, frames_room;

static void *room_for(void *old, u32 count, size_t size) {
  void *room = realloc(old, count * size);
  if (!room) die("no memory for observations");
  return room;
}

static void number_folios_anew(void);

void forget_frames(void) {
  wanted_count = 0;
  run_count = 0;
  number_folios_anew();
}

void want_frame(u64 pfn) {
  if (wanted_count == wanted_room) {
    wanted_room = wanted_room ? wanted_room * 2 : 4096;
    wanted = room_for(wanted, wanted_room, sizeof *wanted);
    runs = room_for(runs, wanted_room, sizeof *runs);
  }
  wanted[wanted_count++] = pfn;
}

static int by_number(const void *a, const void *b) {
  u64 x = *(const u64 *)a, y = *(const u64 *)b;
  return (x > y) - (x < y);
}

static void make_room(u32 count) {
  if (count <= frames_room) return;
  frames_room = count * 2;
  flags = room_for(flags, frames_room, sizeof *flags);
  counts = room_for(counts, frames_room, sizeof *counts);
}

static void read_runs(void) {
  for (u32 i = 0; i < run_count; i++) {
    struct run *run = &runs[i];
    want_read(kpageflags, flags + run->at, run->count * 8, run->low * 8, &run->got_flags);
    want_read(kpagecount, counts + run->at, run->count * 8, run->low * 8, &run->got_counts);
  }
  do_reads();
  for (u32 i = 0; i < run_count; i++) {
    struct run *run = &runs[i];
    if (run->got_flags != run->count * 8) memset(flags + run->at, 0, run->count * 8);
    if (run->got_counts != run->count * 8) memset(counts + run->at, 0, run->count * 8);
  }
}

/* Each run has one frame more than is wanted: it tells whether a large folio ends before it. */
void read_frames(void) {
  u32 used = 0;
  qsort(wanted, wanted_count, sizeof *wanted, by_number);
  for (u32 i = 0, next; i < wanted_count; i = next) {
    for (next = i + 1; next < wanted_count && wanted[next] - wanted[next - 1] <= GAP;) next++;
    struct run *run = &runs[run_count++];
    *run = (struct run){.low = wanted[i], .count = (u32)(wanted[next - 1] - wanted[i]) + 2, .at = used};
    used += run->count;
  }
  make_room(used);
  read_runs();
}

/* The place of a frame among those that were read; -1 for another one. */
static s64 place_of(u64 pfn) {
  static u32 last;
  if (last < run_count && pfn - runs[last].low < runs[last].count) return runs[last].at + (s64)(pfn - runs[last].low);
  u32 low = 0, high = run_count;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (runs[middle].low <= pfn) low = middle + 1;
    else high = middle;
  }
  if (low == 0 || pfn - runs[low - 1].low >= runs[low - 1].count) return -1;
  last = low - 1;
  return runs[last].at + (s64)(pfn - runs[last].low);
}

struct frame frame_at(u64 pfn) {
  s64 at = place_of(pfn);
  return at < 0 ? (struct frame){0, 0} : (struct frame){flags[at], counts[at]};
}

static u64 flags_of(u64 pfn) {
  u64 value = 0;
  s64 at = place_of(pfn);
  if (at >= 0) return flags[at];
  if (pread(kpageflags, &value, 8, (off_t)(pfn * 8)) != 8) return 0;
  return value;
}

/* ---- folios ----------------------------------------------------------------------------- */

/* Open addressing; an entry of an older era is free. Grows while it is more than half full. */
static struct folio *folios;
static u32 folio_room, era, folio_count;
/* The folio that was asked for last: its other pages mostly follow. */
static struct folio latest;

static void number_folios_anew(void) {
  era++;
  folio_count = 0;
  latest = (struct folio){0};
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

/*
 * A folio of order o begins at a multiple of 2^o, and between its head and a tail there are only
 * tails: clearing low bits one by one, the first head met is the folio's own.
 */
static u64 head_of(u64 pfn) {
  for (u32 o = 1; o <= ORDER_MAX; o++) {
    u64 at = pfn & ~((1UL << o) - 1);
    if (BIT(flags_of(at), KPF_HEAD)) return at;
  }
  return pfn;
}

/* Page head + 2^o is a tail exactly when the folio is larger than order o. */
static u32 order_of(u64 head) {
  u32 o = 1;
  while (o < ORDER_MAX && BIT(flags_of(head + (1UL << o)), KPF_TAIL)) o++;
  return o;
}

const struct folio *folio_of(u64 pfn, u64 flag) {
  if (latest.number && pfn - latest.head < 1UL << latest.order) return &latest;
  if (2 * folio_count >= folio_room) grow_folios();
  u64 head = BIT(flag, KPF_TAIL) ? head_of(pfn) : pfn;
  struct folio *folio = &folios[slot_of(head)];
  if (folio->era != era) {
    u32 order = BIT(flag, KPF_TAIL) || BIT(flag, KPF_HEAD) ? order_of(head) : 0;
    *folio = (struct folio){head, era, ++folio_count, order};
  }
  latest = *folio;
  return &latest;
}
