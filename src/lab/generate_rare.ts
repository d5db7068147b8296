/** Steps that a program has now and then: whole families of calls, and wrong arguments. */
import type { GenState } from './generate_state.ts';

type Family = (s: GenState) => void;

function brk(s: GenState): void {
  const r = s.random;
  const task = s.task();
  const name = s.made.get('brk')?.[0];
  if (name === undefined) {
    const made = s.name('b');
    s.made.set('brk', [made]);
    s.put(`t0: ${made} = brk(0)`);
    s.put(`t0: brk(${made}+${s.bytes(64)})`);
    s.areas.push({ start: 0, base: made, pages: 64, kind: 'anon', fd: '', task: 't0' });
    return;
  }
  s.put(`${task}: brk(${name}+${r.chance(80) ? s.bytes(r.below(130)) : r.below(500000)})`);
}

function segments(s: GenState): void {
  const r = s.random;
  const ids = s.made.get('shm') ?? [];
  s.made.set('shm', ids);
  if (ids.length === 0 || (ids.length < 3 && r.chance(20))) {
    const id = s.name('s');
    ids.push(id);
    const bytes = r.chance(80) ? s.bytes(s.pages()) : String(1 + r.below(200000));
    s.put(`t0: ${id} = shmget(IPC_PRIVATE, ${bytes}, IPC_CREAT|0600)`);
  }
  const id = r.pick(ids);
  const kind = r.below(10);
  if (kind < 7) {
    const pages = s.pages();
    const start = s.place(pages);
    const flags = r.pick(['0', '0', 'SHM_REMAP', 'SHM_RDONLY', 'SHM_RND']);
    const name = s.name('m');
    const chosen = r.chance(30);
    const task = s.task();
    s.put(`${task}: ${name} = shmat(${id}, ${chosen ? 'NULL' : s.address(start)}, ${flags})`);
    const base = chosen ? name : '';
    s.areas.push({ start: chosen ? 0 : start, base, pages, kind: 'shm', fd: '', task });
  } else if (kind < 9) {
    const area = r.pick(s.areas);
    s.put(`${s.taskOf(area)}: shmdt(${s.at(area, 0)})`);
  } else {
    s.put(`t0: shmctl(${id}, ${r.pick(['IPC_RMID', 'SHM_LOCK', 'SHM_UNLOCK'])}, NULL)`);
  }
}

function lockAll(s: GenState): void {
  const flags = s.random.pick([
    'MCL_CURRENT',
    'MCL_FUTURE',
    'MCL_CURRENT|MCL_FUTURE',
    'MCL_CURRENT|MCL_ONFAULT',
    'MCL_FUTURE|MCL_ONFAULT',
  ]);
  s.put(`${s.task()}: ${s.random.chance(60) ? `mlockall(${flags})` : 'munlockall()'}`);
}

function lockOnFault(s: GenState): void {
  const { area, at, pages } = s.range();
  const flags = s.random.pick(['MLOCK_ONFAULT', 'MLOCK_ONFAULT', '0', '2']);
  s.put(`${s.taskOf(area)}: mlock2(${at}, ${s.bytes(pages)}, ${flags})`);
}

function limits(s: GenState): void {
  const r = s.random;
  const what = r.pick(['RLIMIT_AS', 'RLIMIT_DATA', 'RLIMIT_MEMLOCK', 'RLIMIT_STACK']);
  const value = r.pick(['0', '64K', '1M', '4M', '16M', 'RLIM_INFINITY']);
  if (what === 'RLIMIT_AS' && (value === '0' || value === '64K')) return;
  s.put(`${s.task()}: setrlimit(${what}, {rlim_cur=${value}, rlim_max=RLIM_INFINITY})`);
}

function unprivileged(s: GenState): void {
  s.put(`${s.task()}: setresuid(-1, 1000, -1)`);
}

function seals(s: GenState): void {
  const fd = s.random.pick(s.fds.length === 0 ? [undefined] : s.fds);
  if (fd === undefined) return;
  const seal = s.random.pick([
    'F_SEAL_SHRINK',
    'F_SEAL_GROW',
    'F_SEAL_WRITE',
    'F_SEAL_FUTURE_WRITE',
    'F_SEAL_SEAL',
  ]);
  s.put(`t0: fcntl(${fd.name}, ${s.random.chance(85) ? `F_ADD_SEALS, ${seal}` : 'F_GET_SEALS'})`);
}

/** With UFFD_FEATURE_SIGBUS nobody waits for a handler. */
function userfault(s: GenState): void {
  const r = s.random;
  let fd = s.made.get('uffd')?.[0];
  if (fd === undefined) {
    fd = s.name('u');
    s.made.set('uffd', [fd]);
    s.put(`t0: ${fd} = userfaultfd(O_NONBLOCK)`);
    s.put(`t0: ioctl(${fd}, UFFDIO_API, {api=UFFD_API, features=UFFD_FEATURE_SIGBUS})`);
  }
  const { at, pages } = s.range();
  const range = `{start=${at}, len=${s.bytes(pages)}}`;
  const kind = r.below(12);
  if (kind < 5) {
    const mode = r.pick([
      'UFFDIO_REGISTER_MODE_MISSING',
      'UFFDIO_REGISTER_MODE_MISSING',
      'UFFDIO_REGISTER_MODE_WP',
      'UFFDIO_REGISTER_MODE_MISSING|UFFDIO_REGISTER_MODE_WP',
      'UFFDIO_REGISTER_MODE_MINOR',
    ]);
    s.put(`t0: ioctl(${fd}, UFFDIO_REGISTER, {range=${range}, mode=${mode}})`);
  } else if (kind < 6) {
    s.put(`t0: ioctl(${fd}, UFFDIO_UNREGISTER, ${range})`);
  } else if (kind < 8) {
    const from = s.range().at;
    const copy = `{dst=${at}, src=${from}, len=${s.bytes(Math.min(pages, 20))}`;
    const mode = r.chance(80) ? '0' : 'UFFDIO_COPY_MODE_WP';
    s.put(`t0: ioctl(${fd}, UFFDIO_COPY, ${copy}, mode=${mode}})`);
  } else if (kind < 9) {
    s.put(`t0: ioctl(${fd}, UFFDIO_ZEROPAGE, {range=${range}, mode=0})`);
  } else if (kind < 11) {
    const mode = r.chance(70) ? 'UFFDIO_WRITEPROTECT_MODE_WP' : '0';
    s.put(`t0: ioctl(${fd}, UFFDIO_WRITEPROTECT, {range=${range}, mode=${mode}})`);
  } else {
    s.put(`t0: ioctl(${fd}, UFFDIO_CONTINUE, {range=${range}, mode=0})`);
  }
}

function thread(s: GenState): void {
  if (s.tasks.length >= 4) return;
  const name = s.newTask();
  const flags = 'CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD';
  s.put(`${s.task()}: ${name} = clone(${flags})`);
  s.tasks.push(name);
}

/** The parent waits until its child exits, so the child's steps follow at once. */
function vfork(s: GenState): void {
  const name = s.newTask();
  s.put(`t0: ${name} = vfork()`);
  for (let i = s.random.below(3); i > 0; i--) {
    const { at, pages } = s.range();
    const verb = s.random.pick(['read', 'write']);
    s.put(`${name}: ${verb} ${at} ${s.bytes(Math.min(pages, 100))}`);
  }
  s.put(`${name}: exit(0)`);
}

function forkAndReap(s: GenState): void {
  const name = s.newTask();
  const parent = s.task();
  s.put(`${parent}: ${name} = fork()`);
  const { at } = s.range();
  s.put(`${name}: ${s.random.pick(['read', 'write'])} ${at}`);
  s.put(`${name}: exit(0)`);
  if (s.random.chance(60)) s.put(`${parent}: wait4(${name}, NULL, 0, NULL)`);
}

function readers(s: GenState): void {
  const { area, at, pages } = s.range();
  const task = s.taskOf(area);
  const size = s.bytes(pages);
  s.put(
    s.random.pick([
      `${task}: mincore(${at}, ${size})`,
      `${task}: msync(${at}, ${size}, MS_SYNC)`,
      `${task}: msync(${at}, ${size}, MS_ASYNC)`,
      `${task}: msync(${at}, ${size}, MS_INVALIDATE)`,
      `${task}: getpid()`,
      `${task}: gettid()`,
    ]),
  );
}

function seal(s: GenState): void {
  const { area, at, pages } = s.range();
  s.put(`${s.taskOf(area)}: mseal(${at}, ${s.bytes(pages)}, 0)`);
}

function nonlinear(s: GenState): void {
  const { area, at, pages } = s.range();
  const offset = s.random.below(20);
  s.put(`${s.taskOf(area)}: remap_file_pages(${at}, ${s.bytes(pages)}, 0, ${offset}, 0)`);
}

function process(s: GenState): void {
  const task = s.task();
  s.put(
    s.random.pick([
      `${task}: prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)`,
      `${task}: prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0)`,
      `${task}: prctl(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0)`,
      `${task}: prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)`,
    ]),
  );
}

function stack(s: GenState): void {
  const r = s.random;
  const pages = 4 + r.below(12);
  const start = 300 + s.place(pages + 400);
  const name = s.name('m');
  const task = s.task();
  const flags = 'MAP_PRIVATE|MAP_ANONYMOUS|MAP_GROWSDOWN|MAP_FIXED';
  const rest = `PROT_READ|PROT_WRITE, ${flags}, -1, 0`;
  s.put(`${task}: ${name} = mmap(${s.address(start)}, ${s.bytes(pages)}, ${rest})`);
  s.areas.push({ start, base: '', pages, kind: 'anon', fd: '', task });
  s.put(`${task}: write ${s.address(start - 1 - r.below(r.pick([3, 40, 290])))}`);
}

function hugeMount(s: GenState): void {
  if (s.made.has('mount')) return;
  s.made.set('mount', ['/mnt']);
  const r = s.random;
  const huge = r.pick(['always', 'within_size', 'advise', 'never']);
  const size = r.chance(30) ? ',size=1M' : '';
  s.put(`t0: mount("none", "/mnt", "tmpfs", 0, "huge=${huge}${size}")`);
  const name = s.name('f');
  const pages = s.pages();
  s.put(`t0: ${name} = open("/mnt/${name}", O_RDWR|O_CREAT, 0600)`);
  s.put(`t0: ftruncate(${name}, ${s.bytes(pages)})`);
  s.fds.push({ name, kind: 'tmpfs', pages });
}

function flagged(s: GenState): void {
  const r = s.random;
  const pages = s.pages();
  const start = s.place(pages);
  const name = s.name('m');
  const task = s.task();
  const flags = r.pick([
    'MAP_PRIVATE|MAP_ANONYMOUS',
    'MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE',
    'MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE',
    'MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT',
    'MAP_DROPPABLE|MAP_ANONYMOUS',
    'MAP_DROPPABLE|MAP_ANONYMOUS|MAP_FIXED',
    'MAP_SHARED_VALIDATE|MAP_ANONYMOUS',
    'MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB',
    'MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE|MAP_NONBLOCK|MAP_FIXED',
    'MAP_SHARED|MAP_ANONYMOUS|MAP_POPULATE',
  ]);
  const prot = r.pick(['PROT_READ|PROT_WRITE', 'PROT_READ|PROT_WRITE|PROT_EXEC', 'PROT_WRITE']);
  s.put(
    `${task}: ${name} = mmap(${s.address(start)}, ${s.bytes(pages)}, ${prot}, ${flags}, -1, 0)`,
  );
  s.areas.push({ start: 0, base: name, pages, kind: 'anon', fd: '', task });
}

const FAMILIES: readonly Family[] = [
  ...[brk, segments, segments, segments, lockAll, lockOnFault, limits, unprivileged, seals],
  ...[userfault, userfault, userfault, userfault, userfault, userfault, thread, vfork, forkAndReap],
  ...[readers, readers, seal, nonlinear, process, stack, hugeMount, hugeMount, flagged, flagged],
];

export function rareStep(s: GenState): void {
  s.random.pick(FAMILIES)(s);
}

/** Wrong or odd arguments: the errno must agree too. */
export function oddStep(s: GenState): void {
  const r = s.random;
  const { area, at, pages } = s.range();
  const size = s.bytes(pages);
  const task = s.taskOf(area);
  const rw = 'PROT_READ|PROT_WRITE';
  s.put(
    r.pick([
      `${task}: munmap(${at}+1, ${size})`,
      `${task}: munmap(${at}, 0)`,
      `${task}: munmap(${at}, -4096)`,
      `${task}: munmap(${at}, ${size}+1)`,
      `${task}: mprotect(${at}+1, ${size}, PROT_READ)`,
      `${task}: mprotect(${at}, 0, PROT_READ)`,
      `${task}: mprotect(${at}, ${size}, PROT_READ|PROT_GROWSDOWN)`,
      `${task}: mprotect(${at}, ${size}, 0x100)`,
      `${task}: madvise(${at}, ${size}, 77)`,
      `${task}: madvise(${at}+1, ${size}, MADV_DONTNEED)`,
      `${task}: madvise(${at}, ${size}+1, MADV_DONTNEED)`,
      `${task}: madvise(${at}, 0, MADV_HUGEPAGE)`,
      `${task}: madvise(${at}, -1, MADV_COLD)`,
      `${task}: mremap(${at}, ${size}, 0, MREMAP_MAYMOVE)`,
      `${task}: mremap(${at}, ${size}, ${size}, MREMAP_FIXED, ${at})`,
      `${task}: mremap(${at}, ${size}, ${size}, MREMAP_MAYMOVE|MREMAP_FIXED, ${at}+4K)`,
      `${task}: mremap(${at}+1, ${size}, ${size}, MREMAP_MAYMOVE)`,
      `${task}: mremap(${at}, ${size}, ${size}, 16)`,
      `${task}: mremap(${at}, ${size}, ${size}+64K, MREMAP_MAYMOVE|MREMAP_DONTUNMAP)`,
      `${task}: mremap(${at}, 0, ${size}, MREMAP_MAYMOVE)`,
      `${task}: msync(${at}, ${size}, MS_SYNC|MS_ASYNC)`,
      `${task}: msync(${at}+1, ${size}, MS_SYNC)`,
      `${task}: mincore(${at}+1, ${size})`,
      `${task}: mlock(${at}+1, ${size})`,
      `${task}: mseal(${at}+1, ${size}, 0)`,
      `${task}: mseal(${at}, ${size}, 1)`,
      `${task}: mmap(${at}, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
      `${task}: mmap(${at}+1, ${size}, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`,
      `${task}: mmap(${at}, ${size}, PROT_READ, MAP_ANONYMOUS, -1, 0)`,
      `${task}: mmap(${at}, ${size}, PROT_READ, MAP_SHARED, -1, 0)`,
      `${task}: mmap(${at}, ${size}, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 100)`,
      `${task}: mmap(0x7ffffffff000, ${size}, ${rw}, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`,
      `${task}: mmap(4K, ${size}, ${rw}, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)`,
      `${task}: mmap(NULL, 0x7fffffff0000, ${rw}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
      `${task}: mmap(NULL, 64G, ${rw}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
      `${task}: mmap(NULL, ${size}, ${rw}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`,
      `${task}: mmap(NULL, ${size}, ${rw}, MAP_SHARED|MAP_ANONYMOUS, -1, 0)`,
      `${task}: brk(0)`,
    ]),
  );
}
