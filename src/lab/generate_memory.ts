/** Steps about address spaces that are rarer than mapping, moving and advising. */
import type { GenState } from './generate_state.ts';

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
  const to = r.chance(80) ? s.bytes(r.below(130)) : String(r.below(500000));
  s.put(`${task}: brk(${r.chance(95) ? `${name}+${to}` : '1M'})`);
}

/** Something just above the heap, which can then not grow. */
function brkBlocked(s: GenState): void {
  const r = s.random;
  const name = s.made.get('brk')?.[0];
  if (name === undefined) {
    brk(s);
    return;
  }
  const rest = 'PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0';
  const at = `${name}+${s.bytes(64 + r.below(70))}`;
  s.put(`${s.task()}: mmap((${at})&-4096, ${s.bytes(4)}, ${rest})`);
  s.put(`${s.task()}: brk(${name}+${s.bytes(50 + r.below(200))})`);
  s.put(`${s.task()}: brk(${r.pick(['0x7fffffffe000', '-4096', `${name}+64G`])})`);
}

function lockAll(s: GenState): void {
  const flags = s.random.pick([
    'MCL_CURRENT',
    'MCL_FUTURE',
    'MCL_FUTURE',
    'MCL_CURRENT|MCL_FUTURE',
    'MCL_CURRENT|MCL_ONFAULT',
    'MCL_FUTURE|MCL_ONFAULT',
    s.random.pick(['0', '8', 'MCL_ONFAULT']),
  ]);
  const task = s.task();
  const locks = s.random.chance(65) && !s.isVast();
  s.put(`${task}: ${locks ? `mlockall(${flags})` : 'munlockall()'}`);
}

function lockOnFault(s: GenState): void {
  const { area, at, pages } = s.range();
  const flags = s.random.pick(['MLOCK_ONFAULT', 'MLOCK_ONFAULT', '0', '2']);
  s.put(`${s.taskOf(area)}: mlock2(${at}, ${s.bytes(pages)}, ${flags})`);
}

function readers(s: GenState): void {
  const { area, at, pages } = s.range();
  const task = s.taskOf(area);
  const size = s.bytes(pages);
  s.put(
    s.random.pick([
      `${task}: mincore(${at}, ${size})`,
      `${task}: mincore(${at}, ${size}, ${s.range().at})`,
      `${task}: msync(${at}, ${size}, MS_SYNC)`,
      `${task}: msync(${at}, ${size}, MS_ASYNC)`,
      `${task}: msync(${at}, ${size}, MS_INVALIDATE)`,
      `${task}: getpid()`,
      `${task}: gettid()`,
      `${task}: getppid()`,
    ]),
  );
}

/** A sealed range, and what is then refused. */
function seal(s: GenState): void {
  const r = s.random;
  const { area, at, pages } = s.range();
  const task = s.taskOf(area);
  const size = s.bytes(pages);
  s.put(`${task}: mseal(${at}, ${size}, 0)`);
  if (r.chance(50)) return;
  const inside = s.bytes(Math.max(1, pages >> 1));
  const to = s.address(s.place(pages));
  const rest = 'PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0';
  s.put(
    `${task}: ${r.pick([
      `munmap(${at}, ${inside})`,
      `munmap(${at}-4K, ${s.bytes(pages + 2)})`,
      `mprotect(${at}, ${inside}, PROT_READ)`,
      `mprotect(${at}-8K, ${s.bytes(pages + 4)}, PROT_READ)`,
      `mremap(${at}, ${size}, ${inside}, 0)`,
      `mremap(${at}, ${size}, ${size}, MREMAP_MAYMOVE|MREMAP_FIXED, ${to})`,
      `mmap(${at}, ${inside}, ${rest})`,
      `madvise(${at}, ${size}, MADV_DONTNEED)`,
      `madvise(${at}, ${size}, MADV_DONTNEED)`,
      `mseal(${at}, ${inside}, 0)`,
    ])}`,
  );
}

function nonlinear(s: GenState): void {
  const r = s.random;
  const { area, at, pages } = s.range();
  const offset = r.below(20);
  const prot = r.chance(92) ? '0' : 'PROT_READ';
  const size = r.chance(95) ? s.bytes(pages) : '0';
  s.put(`${s.taskOf(area)}: remap_file_pages(${at}, ${size}, ${prot}, ${offset}, 0)`);
}

function stack(s: GenState): void {
  const r = s.random;
  const pages = 4 + r.below(12);
  const start = 300 + s.place(pages + 400);
  const name = s.name('m');
  const task = s.task();
  const kind = r.chance(90) ? 'MAP_PRIVATE|MAP_ANONYMOUS' : 'MAP_SHARED|MAP_ANONYMOUS';
  const locked = r.chance(85) ? '' : '|MAP_LOCKED';
  const rest = `PROT_READ|PROT_WRITE, ${kind}|MAP_GROWSDOWN|MAP_FIXED${locked}, -1, 0`;
  s.put(`${task}: ${name} = mmap(${s.address(start)}, ${s.bytes(pages)}, ${rest})`);
  s.areas.push({ start, base: '', pages, kind: 'anon', fd: '', task });
  const below = (): string => s.address(start - 1 - r.below(r.pick([3, 40, 290])));
  s.put(`${task}: write ${below()}`);
  if (r.chance(30)) {
    const down = `mprotect(${s.address(start)}, ${s.bytes(pages)}, PROT_READ|PROT_GROWSDOWN)`;
    s.put(`${task}: ${r.pick([`write ${below()}`, down])}`);
  }
}

const FLAGS = [
  'MAP_PRIVATE|MAP_ANONYMOUS',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE',
  'MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT',
  'MAP_SHARED|MAP_ANONYMOUS|MAP_32BIT',
  'MAP_DROPPABLE|MAP_ANONYMOUS',
  'MAP_DROPPABLE|MAP_ANONYMOUS|MAP_FIXED',
  'MAP_DROPPABLE|MAP_ANONYMOUS|MAP_FIXED',
  'MAP_DROPPABLE|MAP_ANONYMOUS|MAP_LOCKED',
  'MAP_SHARED_VALIDATE|MAP_ANONYMOUS',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE|MAP_NONBLOCK|MAP_FIXED',
  'MAP_SHARED|MAP_ANONYMOUS|MAP_POPULATE',
  'MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE|MAP_FIXED',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_LOCKED|MAP_POPULATE|MAP_FIXED',
  'MAP_PRIVATE|MAP_ANONYMOUS|MAP_SYNC|MAP_FIXED',
];

function flagged(s: GenState): void {
  const r = s.random;
  const pages = s.pages();
  const start = s.place(pages);
  const name = s.name('m');
  const task = s.task();
  const prot = r.pick(['PROT_READ|PROT_WRITE', 'PROT_READ|PROT_WRITE|PROT_EXEC', 'PROT_WRITE']);
  const at = s.address(start);
  s.put(`${task}: ${name} = mmap(${at}, ${s.bytes(pages)}, ${prot}, ${r.pick(FLAGS)}, -1, 0)`);
  s.areas.push({ start: 0, base: name, pages, kind: 'anon', fd: '', task });
}

/** Files in flags and rights that their descriptor may not allow. */
function flaggedFile(s: GenState): void {
  const r = s.random;
  const fd = s.fds.length === 0 ? '99' : r.pick(s.fds).name;
  const pages = s.pages();
  const name = s.name('m');
  const start = s.place(pages);
  const prot = r.pick(['PROT_READ', 'PROT_READ|PROT_WRITE', 'PROT_READ|PROT_EXEC', 'PROT_WRITE']);
  const flags = r.pick([
    'MAP_SHARED',
    'MAP_PRIVATE',
    'MAP_SHARED_VALIDATE',
    'MAP_SHARED_VALIDATE|MAP_SYNC',
    'MAP_SHARED_VALIDATE|0x200000000',
    'MAP_SHARED|MAP_HUGETLB',
    'MAP_SHARED|MAP_GROWSDOWN',
    'MAP_PRIVATE|MAP_DENYWRITE',
    'MAP_DROPPABLE',
    '0',
  ]);
  const offset = r.pick(['0', '0', '0', s.bytes(r.below(20)), '2M', '0x7ffffffffffff000']);
  const rest = `${prot}, ${flags}|MAP_FIXED, ${fd}, ${offset}`;
  s.put(`t0: ${name} = mmap(${s.address(start)}, ${s.bytes(pages)}, ${rest})`);
  s.areas.push({ start: 0, base: name, pages, kind: 'memfd', fd, task: 't0' });
}

const PROCESS_ADVICE = [
  ...['MADV_COLD', 'MADV_PAGEOUT', 'MADV_WILLNEED', 'MADV_COLLAPSE', 'MADV_DONTNEED', 'MADV_FREE'],
  ...['MADV_GUARD_INSTALL', '77'],
];

/** Advice on memory of one's own or of a child, by a descriptor of the process. */
function otherAdvice(s: GenState): void {
  const r = s.random;
  let who = r.pick(['-10000', '-10000', '-10001', '99']);
  if (r.chance(50)) {
    who = s.name('p');
    s.put(`t0: ${who} = pidfd_open(${r.pick(s.tasks)}, 0)`);
  }
  const one = s.range();
  const two = s.range();
  const first = `{iov_base=${one.at}, iov_len=${s.bytes(one.pages)}}`;
  const second = `{iov_base=${two.at}, iov_len=${s.bytes(two.pages)}}`;
  const flags = r.chance(95) ? '0' : '1';
  const rest = `[${first}, ${second}], 2, ${r.pick(PROCESS_ADVICE)}, ${flags}`;
  s.put(`t0: process_madvise(${who}, ${rest})`);
}

/** Advice that needs memory of the right kind. */
function rareAdvice(s: GenState): void {
  const r = s.random;
  const { area, at, pages } = s.range();
  const advice = r.pick([
    ...['MADV_MERGEABLE', 'MADV_UNMERGEABLE', 'MADV_REMOVE', 'MADV_COLLAPSE', 'MADV_PAGEOUT'],
    ...['MADV_DOFORK', 'MADV_KEEPONFORK', 'MADV_POPULATE_WRITE', 'MADV_WIPEONFORK'],
  ]);
  const size = r.chance(90) ? s.bytes(pages) : '2M';
  s.put(`${s.taskOf(area)}: madvise(${at}, ${size}, ${advice})`);
}

function keys(s: GenState): void {
  const { area, at, pages } = s.range();
  const task = s.taskOf(area);
  s.put(
    `${task}: ${s.random.pick([
      'pkey_alloc(0, 0)',
      'pkey_alloc(1, 0)',
      'pkey_free(1)',
      `pkey_mprotect(${at}, ${s.bytes(pages)}, PROT_READ, -1)`,
      `pkey_mprotect(${at}, ${s.bytes(pages)}, PROT_READ, 0)`,
      `pkey_mprotect(${at}, ${s.bytes(pages)}, PROT_READ, 1)`,
    ])}`,
  );
}

export const MEMORY_FAMILIES = {
  brk,
  brkBlocked,
  lockAll,
  lockOnFault,
  readers,
  seal,
  nonlinear,
  stack,
  flagged,
  flaggedFile,
  otherAdvice,
  rareAdvice,
  keys,
} as const;
