/**
 * C text of every reproducer, second part: what can be seen of the tasks from outside, and the check
 * of all mappings after each step. The observer looks at /proc/PID/{maps,pagemap,mem} while all
 * tasks stand still.
 */
export const LOOK = `/* ---- looking at a task from outside ------------------------------------------------------ */

#define NONE INT64_MIN
#define PM_PRESENT (1UL << 63)
#define PM_SWAP (1UL << 62)
#define PM_FILE (1UL << 61)
#define PM_GUARD (1UL << 58)
#define PM_SOFT_DIRTY (1UL << 55)
#define PM_PFN ((1UL << 55) - 1)
#define KPF_SWAPBACKED (1UL << 14)
#define KPF_HEAD (1UL << 15)
#define KPF_TAIL (1UL << 16)
#define KPF_ZERO (1UL << 24)

struct range {
	u64 start, end;
	char perms[8];
};

static struct range own[512];	/* mappings of this program itself */
static int own_count;
static u64 top;			/* where mmap() without an address begins to look for room */
static int zero_page;		/* reads of anonymous memory map the zero page */
static s64 own_tables;		/* page tables of this program, kB */
static u64 own_data;		/* what it has of RLIMIT_DATA, bytes */

static u64 word_of(const char *file, u64 index)
{
	u64 word = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &word, 8, index * 8) != 8)
		word = 0;
	if (fd >= 0)
		close(fd);
	return word;
}

static FILE *open_proc(struct task *t, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", t->pid, name);
	return fopen(path, "re");
}

/* Words of pagemap, 0 for what cannot be read. */
static void page_words(struct task *t, u64 start, u64 pages, u64 *words)
{
	char path[64];
	int fd;

	memset(words, 0, pages * 8);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, words, pages * 8, start / PAGE * 8) < 0)
		memset(words, 0, pages * 8);
	for (u64 i = 0; i < pages; i++)
		words[i] &= ~PM_SOFT_DIRTY;
	if (fd >= 0)
		close(fd);
}

static u64 page_word(struct task *t, u64 address)
{
	u64 word;

	page_words(t, address, 1, &word);
	return word;
}

static u64 kpage_flags(u64 pfn)
{
	static int fd = -1;
	u64 word = 0;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &word, 8, pfn * 8) != 8)
		return 0;
	return word;
}

static int is_zero_page(u64 word) { return kpage_flags(word & PM_PFN) & KPF_ZERO ? 1 : 0; }

/* First page of the folio, and how many pages it has. */
static u64 folio_of(u64 pfn, u64 *pages)
{
	u64 head = pfn;

	*pages = 1;
	if (!(kpage_flags(pfn) & (KPF_HEAD | KPF_TAIL)))
		return pfn;
	while (!(kpage_flags(head) & KPF_HEAD) && head > 0 && pfn - head < 512)
		head--;
	while (kpage_flags(head + *pages) & KPF_TAIL)
		++*pages;
	return head;
}

/* Mappings of a task that are not this program's own. */
static int mappings(struct task *t, struct range *into, int room)
{
	FILE *file = open_proc(t, "maps");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof(line), file) && count < room) {
		struct range *r = &into[count];
		int mine = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &r->start, &r->end, r->perms) != 3)
			continue;
		for (int i = 0; i < own_count && !mine; i++)
			mine = r->start < own[i].end && r->end > own[i].start;
		if (!mine && r->start < 1UL << 63)
			count++;
	}
	if (file)
		fclose(file);
	return count;
}

/* A program that lies in a tmpfs is itself such memory. */
static int is_shmem(u64 word) { return kpage_flags(word & PM_PFN) & KPF_SWAPBACKED ? 1 : 0; }

/* Pages of this program's own that a task has: [0] anonymous, [1] shmem, [2] files. */
static void own_pages(struct task *t, s64 counts[3])
{
	static u64 words[4096];

	counts[0] = counts[1] = counts[2] = 0;
	for (int i = 0; i < own_count; i++) {
		if (own[i].perms[0] == '-' || own[i].start >= 1UL << 63)
			continue;
		for (u64 at = own[i].start; at < own[i].end; at += sizeof(words) / 8 * PAGE) {
			u64 left = (own[i].end - at) / PAGE;
			u64 pages = left < 4096 ? left : 4096;

			page_words(t, at, pages, words);
			for (u64 p = 0; p < pages; p++) {
				if (!(words[p] & PM_PRESENT) || is_zero_page(words[p]))
					continue;
				counts[!(words[p] & PM_FILE) ? 0 : is_shmem(words[p]) ? 1 : 2]++;
			}
		}
	}
}

/* ---- what is expected of the mappings, and the check after each step ---------------------- */

/*
 * One mapping of a task. Its frames are told from the first page on:
 *   3       folio 3, which is a single page        3-6     folios 3 to 6, a single page each
 *   3/16K:0-2  pages 0 to 2 of folio 3, of 16K     .12     twelve pages that are not mapped
 *   z4      four times the zero page               g1 s1   guard marker, other marker
 * and its contents: 7 and 7-9 numbers that this program stored, =65 a byte, z8 zeros, .12 nothing.
 */
struct mapping {
	struct task *task;
	u64 start, pages;
	char perms[8];
	const char *frames, *numbers;
};

static struct mapping expected[4096];
static int expected_count;

static __maybe_unused void gone(struct task *t, u64 start)
{
	for (int i = 0; i < expected_count; i++)
		if (expected[i].task == t && expected[i].start == start)
			expected[i] = expected[--expected_count];
}

/* Nothing more is expected of the mappings of a task. */
static __maybe_unused void forget(struct task *t)
{
	for (int i = expected_count - 1; i >= 0; i--)
		if (expected[i].task == t)
			expected[i] = expected[--expected_count];
}

/* The task is to be dead. */
static __maybe_unused void ended(struct task *t)
{
	char state = 'R';

	forget(t);
	for (int i = 0; i < 1000 && state && state != 'Z'; i++) {
		struct timespec pause = { 0, 1000000 };

		state = state_of(t);
		if (state && state != 'Z')
			nanosleep(&pause, NULL);
	}
	if (state && state != 'Z')
		bad("%s lives, expected it to be dead", t->name);
	t->alive = 0;
}

static __maybe_unused void maps(struct task *t, u64 start, u64 pages, const char *perms,
				const char *frames, const char *numbers)
{
	struct mapping *m;

	gone(t, start);
	m = &expected[expected_count++];
	*m = (struct mapping){ t, start, pages, "", frames, numbers };
	snprintf(m->perms, sizeof(m->perms), "%s", perms);
}

struct known {
	u64 number, first_pfn, pages;
};

static struct known known[65536];
static int known_count;

static int by_pfn(const void *a, const void *b)
{
	u64 x = ((const struct known *)a)->first_pfn, y = ((const struct known *)b)->first_pfn;

	return x < y ? -1 : x > y;
}

/* The same folio everywhere, and of the right size; distinctness is seen to at the end. */
static const char *check_frame(u64 word, u64 number, u64 index, u64 folio_pages)
{
	static char found[128];
	u64 pages, first;
	int i;

	if (!(word & PM_PRESENT))
		return word & PM_SWAP ? "a marker" : "not mapped";
	first = folio_of(word & PM_PFN, &pages);
	if (is_zero_page(word))
		return "the zero page";
	if (pages != folio_pages) {
		snprintf(found, sizeof(found), "a page of a folio of %" PRIu64 "K", pages * 4);
		return found;
	}
	if ((word & PM_PFN) - first != index) {
		snprintf(found, sizeof(found), "page %" PRIu64 " of a folio", (word & PM_PFN) - first);
		return found;
	}
	for (i = known_count - 1; i >= 0 && known[i].number != number; i--)
		continue;
	if (i >= 0)
		return known[i].first_pfn == first ? NULL : "a page of another folio";
	if (known_count < 65536)
		known[known_count++] = (struct known){ number, first, pages };
	return NULL;
}

static void wrong_page(const struct mapping *m, u64 page, const char *found, const char *due)
{
	bad("%s: 0x%" PRIx64 " is %s, expected %.60s", m->task->name, m->start + page * PAGE, found, due);
}

static u64 check_run(const struct mapping *m, const char *token, const u64 *words, u64 page)
{
	u64 count = 1, first, last, size = 4, index = 0;
	char *rest;

	if (strchr(".zgs", *token)) {
		count = strtoull(token + 1, NULL, 10);
		for (u64 p = page; p < page + count && p < m->pages; p++) {
			u64 w = words[p];
			const char *is = !w ? "not mapped" : w & PM_PRESENT ?
				(is_zero_page(w) ? "the zero page" : "mapped") :
				w & PM_GUARD ? "a guard" : "a marker";
			int good = *token == '.' ? !w : *token == 'z' ? (w & PM_PRESENT) && is_zero_page(w) :
				*token == 'g' ? !(w & PM_PRESENT) && (w & PM_GUARD) : !(w & PM_PRESENT) && w;

			if (!good)
				wrong_page(m, p, is, *token == '.' ? "nothing" : token);
		}
		return count;
	}
	first = last = strtoull(token, &rest, 10);
	if (*rest == '/') {
		size = strtoull(rest + 1, &rest, 10);
		index = strtoull(rest + 2, &rest, 10);
		count = (*rest == '-' ? strtoull(rest + 1, NULL, 10) : index) - index + 1;
	} else if (*rest == '-') {
		last = strtoull(rest + 1, NULL, 10);
		count = last - first + 1;
	}
	for (u64 i = 0; i < count && page + i < m->pages; i++) {
		const char *found = size > 4 ? check_frame(words[page + i], first, index + i, size / 4) :
			check_frame(words[page + i], first + i, 0, 1);

		if (found)
			wrong_page(m, page + i, found, token);
	}
	return count;
}

static void check_number(const struct mapping *m, int fd, u64 page, const char *token, u64 due)
{
	unsigned char head[8] = { 0 };
	unsigned int number;
	u64 seen;

	if (pread(fd, head, sizeof(head), m->start + page * PAGE) != sizeof(head))
		return;
	memcpy(&number, head + 4, sizeof(number));
	seen = *token == '=' ? head[0] : number;
	if (seen != due || (*token == 'z' && head[0]))
		bad("%s: 0x%" PRIx64 " holds number %u, byte %u, expected %.40s", m->task->name,
		    m->start + page * PAGE, number, head[0], token);
}

static void check_numbers(const struct mapping *m)
{
	char path[64], token[64];
	const char *at = m->numbers;
	u64 page = 0;
	int used, fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", m->task->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (; fd >= 0 && page < m->pages && sscanf(at, "%63s%n", token, &used) == 1; at += used) {
		int counted = strchr(".z=", *token) != NULL;
		char *rest;
		u64 value = strtoull(token + counted, &rest, 10);
		u64 count = *token == '=' ? (*rest == '*' ? strtoull(rest + 1, NULL, 10) : 1) :
			counted ? value : *rest == '-' ? strtoull(rest + 1, NULL, 10) - value + 1 : 1;

		for (u64 i = 0; i < count && *token != '.'; i++)
			check_number(m, fd, page + i, token, *token == 'z' ? 0 : *token == '=' ? value : value + i);
		page += count;
	}
	if (fd >= 0)
		close(fd);
}

/* Of mappings of gigabytes the first is looked at. */
#define PAGES_MAX 262144

static void check_mapping(const struct mapping *mapping)
{
	static u64 words[PAGES_MAX];
	struct mapping m = *mapping;
	const char *at = m.frames;
	char token[64];
	u64 page = 0;
	int used;

	if (m.pages > PAGES_MAX)
		m.pages = PAGES_MAX;
	page_words(m.task, m.start, m.pages, words);
	for (; page < m.pages && sscanf(at, "%63s%n", token, &used) == 1; at += used)
		page += check_run(&m, token, words, page);
	check_numbers(&m);
}

static void check_all(void)
{
	static struct range seen[4096];

	known_count = 0;
	for (int i = 0; i < TASKS; i++) {
		struct task *t = &shared->task[i];
		int count = 0, due = 0;

		for (int e = 0; e < expected_count; e++)
			due += expected[e].task == t;
		if (due == 0 || !t->alive)
			continue;
		count = mappings(t, seen, 4096);
		if (count != due)
			bad("%s has %d mappings, expected %d", t->name, count, due);
		for (int e = 0; e < expected_count; e++) {
			struct mapping *m = &expected[e];
			int found = 0;

			for (int s = 0; s < count && m->task == t && !found; s++)
				found = seen[s].start == m->start && !strcmp(seen[s].perms, m->perms) &&
					seen[s].end == m->start + m->pages * PAGE;
			if (m->task == t && !found)
				bad("%s: no mapping 0x%" PRIx64 "-0x%" PRIx64 " %s", t->name, m->start,
				    m->start + m->pages * PAGE, m->perms);
			else if (m->task == t)
				check_mapping(m);
		}
	}
	qsort(known, known_count, sizeof(*known), by_pfn);
	for (int i = 1; i < known_count; i++)
		if (known[i - 1].first_pfn == known[i].first_pfn)
			bad("folios %" PRIu64 " and %" PRIu64 " are one folio", known[i - 1].number,
			    known[i].number);
}

/* The end of a step: everything that is expected of any task is looked at. */
static __maybe_unused void done(void)
{
	check_all();
	end();
}
`;
