/** C text of every reproducer, third part: checks of one step, and the operands of expectations. */
export const CHECKS = String.raw`/* ---- checks of the step that was just done ----------------------------------------------- */

static const char *error_name(s64 result)
{
	return result < 0 && result >= -4095 ? strerror(-result) : "no error";
}

static __maybe_unused int has_returned(void)
{
	if (shared->acting->blocked)
		bad("the task sleeps, and has not returned");
	else if (!shared->acting->alive)
		bad("the task has ended");
	else
		return 1;
	return 0;
}

static __maybe_unused void returns(u64 value)
{
	struct task *t = shared->acting;

	if (has_returned() && (u64)t->result != value)
		bad("returned 0x%" PRIx64 " (%s), expected 0x%" PRIx64, t->result, error_name(t->result),
		    value);
}

/* A number that nobody can foretell: of a process, of a segment. */
static __maybe_unused void succeeds(void)
{
	struct task *t = shared->acting;

	if (has_returned() && t->result < 0)
		bad("failed: %s", error_name(t->result));
}

static __maybe_unused void fails(int error)
{
	struct task *t = shared->acting;

	if (has_returned() && t->result != -error)
		bad("returned 0x%" PRIx64 " (%s), expected %s", t->result, error_name(t->result),
		    strerror(error));
}

/* The task is not to come back: it exits, or was killed. */
static __maybe_unused void does_not_return(void)
{
	struct task *t = shared->acting;

	if (t->alive && !t->blocked)
		bad("returned 0x%" PRIx64 ", expected not to return", t->result);
}

static __maybe_unused void sleeps(void)
{
	if (!shared->acting->blocked)
		bad("the task goes on, expected to sleep");
}

static __maybe_unused void faults(long minflt, long majflt)
{
	struct task *t = shared->acting;

	if (!has_returned())
		return;
	if (t->minflt != minflt || t->majflt != majflt)
		bad("%ld minor and %ld major faults, expected %ld and %ld", t->minflt, t->majflt, minflt,
		    majflt);
}

static __maybe_unused void no_signal(void)
{
	struct task *t = shared->acting;

	if (has_returned() && t->signo)
		bad("signal %d (%s), code %d at 0x%" PRIx64, t->signo, strsignal(t->signo), t->code,
		    t->address);
}

static __maybe_unused void signals(int signo, int code, u64 address)
{
	struct task *t = shared->acting;

	if (!has_returned())
		return;
	if (t->signo != signo || t->code != code || t->address != address)
		bad("signal %d, code %d at 0x%" PRIx64 ", expected %d, %d at 0x%" PRIx64, t->signo, t->code,
		    t->address, signo, code, address);
}

/* What a load has seen: the number of its first page, and the byte where one is known. */
static __maybe_unused void loads(unsigned int number, int byte)
{
	struct task *t = shared->acting;

	no_signal();
	if (has_returned() && !t->signo && (t->number != number || (byte >= 0 && t->byte != (unsigned)byte)))
		bad("loaded number %u, byte %u, expected %u, %d", t->number, t->byte, number, byte);
}

static __maybe_unused void loads_byte(int byte)
{
	struct task *t = shared->acting;

	no_signal();
	if (has_returned() && !t->signo && t->byte != (unsigned)byte)
		bad("loaded %u, expected %d", t->byte, byte);
}

/* ---- operands of expectations ------------------------------------------------------------ */

static __maybe_unused u64 pid(struct task *t) { return t->pid; }

static __maybe_unused s64 order(struct task *t, u64 address)
{
	u64 word = page_word(t, address), pages;

	if (!(word & PM_PRESENT) || is_zero_page(word))
		return NONE;
	folio_of(word & PM_PFN, &pages);
	return 63 - __builtin_clzl(pages);
}

static __maybe_unused s64 page_index(struct task *t, u64 address)
{
	u64 word = page_word(t, address), pages;

	if (!(word & PM_PRESENT) || is_zero_page(word))
		return NONE;
	return (word & PM_PFN) - folio_of(word & PM_PFN, &pages);
}

static __maybe_unused s64 mapcount(struct task *t, u64 address)
{
	u64 word = page_word(t, address);

	if (!(word & PM_PRESENT))
		return NONE;
	return is_zero_page(word) ? 0 : (s64)word_of("/proc/kpagecount", word & PM_PFN);
}

/* The frame, so that two pages can be compared. */
static __maybe_unused s64 page(struct task *t, u64 address)
{
	u64 word = page_word(t, address);

	return word & PM_PRESENT ? (s64)(word & PM_PFN) : NONE;
}

/* Pages of a range that have an entry. */
static __maybe_unused u64 mapped(struct task *t, u64 address, u64 length)
{
	u64 count = 0;

	for (u64 at = address & ~(PAGE - 1); at < address + length; at += PAGE)
		count += (page_word(t, at) & PM_PRESENT) != 0;
	return count;
}

static __maybe_unused u64 pages_of(u64 address, u64 length)
{
	return ((address & (PAGE - 1)) + length + PAGE - 1) / PAGE;
}

static __maybe_unused s64 vmas(struct task *t)
{
	static struct range seen[4096];

	/* The stack, which is among this program's own, counts as one. */
	return mappings(t, seen, 4096) + 1;
}

/* The byte that the task loads; its books stay those of its last step. */
static __maybe_unused s64 value(struct task *t, u64 address)
{
	s64 result = t->result, seen;
	long minflt = t->minflt, majflt = t->majflt;
	int signo = t->signo;

	load(t, address, 1);
	seen = t->signo ? NONE : t->byte;
	t->result = result;
	t->minflt = minflt;
	t->majflt = majflt;
	t->signo = signo;
	return seen;
}

/* The line "NAME: 12 kB" or "NAME 12" of a file; with no name, the file's only value. */
static const char *text_of(FILE *file, const char *name, u64 address)
{
	static char line[1024];
	size_t length = strlen(name);
	u64 start, end;
	int inside = address == ~0UL;
	const char *found = NULL;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *bracket = strchr(line, '['), *rest = line + length;

		line[strcspn(line, "\n")] = 0;
		if (address != ~0UL && sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = address >= start && address < end;
		if (!inside)
			continue;
		if (!*name) {
			found = line;
			if (bracket && strchr(bracket, ']')) {
				*strchr(bracket, ']') = 0;
				found = bracket + 1;
			}
		} else if (!strncmp(line, name, length) && strchr(": \t", *rest)) {
			found = rest + strspn(rest, ": \t");
		}
	}
	if (file)
		fclose(file);
	for (char *last = found ? strchr(found, 0) : NULL; last && last > found && last[-1] == ' ';)
		*--last = 0;
	return found;
}

static s64 number_of(const char *text) { return text ? strtoll(text, NULL, 0) : NONE; }

/* A file; of /proc/vmstat, what each CPU still keeps to itself is added first. */
static FILE *open_file(const char *path)
{
	FILE *refresh = strcmp(path, "/proc/vmstat") ? NULL : fopen("/proc/sys/vm/stat_refresh", "re");

	if (refresh) {
		fgetc(refresh);
		fclose(refresh);
	}
	return fopen(path, "re");
}

static __maybe_unused s64 field(const char *path, const char *name)
{
	return number_of(text_of(open_file(path), name, ~0UL));
}

static __maybe_unused const char *field_text(const char *path, const char *name)
{
	const char *text = text_of(open_file(path), name, ~0UL);

	return text ? text : "none";
}

static __maybe_unused s64 smaps(struct task *t, u64 address, const char *name)
{
	return number_of(text_of(open_proc(t, "smaps"), name, address));
}

static __maybe_unused const char *smaps_text(struct task *t, u64 address, const char *name)
{
	const char *text = text_of(open_proc(t, "smaps"), name, address);
	char *soft_dirty = text ? strstr(text, " sd") : NULL;

	if (soft_dirty)
		*soft_dirty = 0;
	return text ? text : "none";
}

static __maybe_unused u64 own_size(void)
{
	u64 size = 0;

	for (int i = 0; i < own_count; i++)
		if (own[i].start < 1UL << 63)
			size += own[i].end - own[i].start;
	return size;
}

/* /proc/PID/NAME of a task */
static __maybe_unused const char *proc_path(struct task *t, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%.40s", t->pid, name);
	return path;
}

/* A field of status in kB, without what this program itself takes. */
static __maybe_unused s64 status(struct task *t, const char *name)
{
	s64 kb = number_of(text_of(open_proc(t, "status"), name, ~0UL));
	s64 counts[3];

	if (kb == NONE)
		return kb;
	own_pages(t, counts);
	if (!strcmp(name, "RssAnon"))
		return kb - counts[0] * 4;
	if (!strcmp(name, "RssShmem"))
		return kb - counts[1] * 4;
	if (!strcmp(name, "RssFile"))
		return kb - counts[2] * 4;
	if (!strcmp(name, "VmRSS"))
		return kb - (counts[0] + counts[1] + counts[2]) * 4;
	if (!strcmp(name, "VmSize"))
		return kb - (s64)(own_size() / 1024);
	return !strcmp(name, "VmPTE") ? kb - own_tables : kb;
}

static __maybe_unused const char *signal_of(struct task *t)
{
	static char text[32];
	const char *code = t->signo == SIGSEGV ? (t->code == SEGV_MAPERR ? "MAPERR" : "ACCERR") :
		t->code == BUS_ADRERR ? "ADRERR" : "AR";

	if (!t->signo)
		return "none";
	snprintf(text, sizeof(text), "SIG%s/%s", t->signo == SIGSEGV ? "SEGV" : "BUS", code);
	return text;
}

static __maybe_unused s64 minflt(struct task *t) { return t->minflt; }
static __maybe_unused s64 majflt(struct task *t) { return t->majflt; }
static __maybe_unused s64 result(struct task *t) { return t->result; }

static int holds(s64 left, const char *op, s64 right)
{
	if (left == NONE || right == NONE)
		return (!strcmp(op, "==") && left == right) || (!strcmp(op, "!=") && left != right);
	switch (*op) {
	case '=': return left == right;
	case '!': return left != right;
	case '<': return op[1] ? left <= right : left < right;
	default: return op[1] ? left >= right : left > right;
	}
}

static const char *value_text(s64 value, char *into)
{
	if (value == NONE)
		return "none";
	sprintf(into, value > 65535 ? "0x%" PRIx64 : "%" PRId64, value);
	return into;
}

static __maybe_unused void expect(const char *text, s64 left, const char *op, s64 right)
{
	char words[2][32];

	begin(text);
	if (!holds(left, op, right))
		bad("%s %s %s does not hold", value_text(left, words[0]), op, value_text(right, words[1]));
	end();
}

static __maybe_unused void expect_text(const char *text, const char *left, const char *op,
				       const char *right)
{
	/* A signal without its code stands for any code. */
	size_t length = !strncmp(right, "SIG", 3) && !strchr(right, '/') ? strlen(right) : 0;
	int same = length ? !strncmp(left, right, length) && (!left[length] || left[length] == '/') :
		!strcmp(left, right);

	begin(text);
	if (same != (*op == '='))
		bad("\"%s\" %s \"%s\" does not hold", left, op, right);
	end();
}
`;
