/** Steps about SysV segments and mounts of tmpfs. */
import type { GenState } from './generate_state.ts';

function make(s: GenState, ids: string[]): void {
  const r = s.random;
  const id = s.name('s');
  const bytes = r.chance(80) ? s.bytes(s.pages()) : String(1 + r.below(200000));
  const flags = r.pick(['IPC_CREAT|0600', 'IPC_CREAT|0600', 'IPC_CREAT|0644', 'IPC_CREAT|0400']);
  const more = r.chance(90) ? '' : r.pick(['|SHM_NORESERVE', '|SHM_HUGETLB', '|IPC_EXCL']);
  const key = r.chance(85) ? 'IPC_PRIVATE' : '4711';
  s.put(`t0: ${id} = shmget(${key}, ${bytes}, ${flags}${more})`);
  if (more === '|SHM_HUGETLB') return;
  ids.push(id);
}

function attach(s: GenState, id: string): void {
  const r = s.random;
  const pages = s.pages();
  const start = s.place(pages);
  const flags = r.pick(['0', '0', '0', 'SHM_REMAP', 'SHM_RDONLY', 'SHM_RND', 'SHM_EXEC']);
  const name = s.name('m');
  const chosen = r.chance(30);
  const task = s.task();
  const at = chosen ? 'NULL' : s.address(start) + (r.chance(6) ? '+100' : '');
  s.put(`${task}: ${name} = shmat(${id}, ${at}, ${flags})`);
  const base = chosen ? name : '';
  s.areas.push({ start: chosen ? 0 : start, base, pages, kind: 'shm', fd: '', task });
}

function segments(s: GenState): void {
  const r = s.random;
  const ids = s.made.get('shm') ?? [];
  s.made.set('shm', ids);
  if (ids.length === 0 || (ids.length < 3 && r.chance(20))) make(s, ids);
  if (ids.length === 0) return;
  const id = r.pick(ids);
  const kind = r.below(20);
  if (kind < 13) attach(s, id);
  else if (kind < 17) {
    const area = r.pick(s.areas);
    s.put(`${s.taskOf(area)}: shmdt(${s.at(area, 0)}${r.chance(5) ? '+1' : ''})`);
  } else {
    const command = r.pick(['IPC_RMID', 'IPC_RMID', 'SHM_LOCK', 'SHM_LOCK', 'SHM_UNLOCK']);
    s.put(`${s.task()}: shmctl(${id}, ${command}, NULL)`);
  }
}

/** Wrong arguments and keys. */
function oddSegments(s: GenState): void {
  const r = s.random;
  const ids = s.made.get('shm') ?? [];
  const id = ids.length === 0 ? '0' : r.pick(ids);
  const { at } = s.range();
  s.put(
    `${s.task()}: ${r.pick([
      'shmget(IPC_PRIVATE, 0, IPC_CREAT|0600)',
      'shmget(IPC_PRIVATE, 1T, IPC_CREAT|0600)',
      'shmget(IPC_PRIVATE, -1, IPC_CREAT|0600)',
      'shmget(4711, 4K, 0)',
      'shmget(4711, 4K, 0600)',
      'shmget(4711, 4G, 0)',
      'shmget(4711, 4K, IPC_CREAT|IPC_EXCL|0600)',
      'shmget(4712, 4K, 0600)',
      'shmat(-1, NULL, 0)',
      'shmat(9999, NULL, 0)',
      `shmat(${id}, NULL, SHM_REMAP)`,
      `shmat(${id}, 100, SHM_RND|SHM_REMAP)`,
      `shmat(${id}, 0x7ffffffff000, 0)`,
      `shmat(${id}, 0xfffffffffffff000, 0)`,
      `shmctl(${id}, IPC_STAT, ${at})`,
      `shmctl(${id}, IPC_STAT, NULL)`,
      `shmctl(${id}, 77, NULL)`,
      'shmctl(9999, IPC_RMID, NULL)',
      'shmctl(-1, IPC_RMID, NULL)',
    ])}`,
  );
}

const HUGE = ['always', 'within_size', 'advise', 'never'];

/** A tmpfs with large folios of its own choice, small or not. */
function hugeMount(s: GenState): void {
  const r = s.random;
  if (s.made.has('mount')) {
    remount(s);
    return;
  }
  s.made.set('mount', ['/mnt']);
  const size = r.chance(30) ? r.pick([',size=1M', ',size=300K', ',nr_blocks=64', ',size=1%']) : '';
  const flags = r.chance(85) ? '0' : 'MS_NOEXEC';
  s.put(`t0: mount("none", "/mnt", "tmpfs", ${flags}, "huge=${r.pick(HUGE)}${size}")`);
  const name = s.name('f');
  const pages = s.pages();
  s.put(`t0: ${name} = open("/mnt/${name}", O_RDWR|O_CREAT, 0600)`);
  s.put(`t0: ftruncate(${name}, ${s.bytes(pages)})`);
  s.fds.push({ name, kind: 'tmpfs', pages, path: `/mnt/${name}` });
}

/** Other options for the mount, or wrong ones. */
function remount(s: GenState): void {
  const r = s.random;
  s.put(
    `${s.task()}: ${r.pick([
      `mount("none", "/mnt", "tmpfs", MS_REMOUNT, "huge=${r.pick(HUGE)}")`,
      `mount("none", "/mnt", "tmpfs", MS_REMOUNT, "huge=${r.pick(HUGE)}")`,
      'mount("none", "/mnt", "tmpfs", MS_REMOUNT, "size=4K")',
      'mount("none", "/mnt", "tmpfs", MS_REMOUNT, "size=64M")',
      'mount("none", "/home", "tmpfs", 0, "huge=sometimes")',
      'mount("none", "/home", "tmpfs", 0, "huge=deny")',
      'mount("none", "/home", "tmpfs", 0, "size=x")',
      'mount("none", "/home", "tmpfs", 0, "nr_blocks=x")',
      'mount("none", "/home", "tmpfs", 0, "colour=red")',
      'umount2("/mnt", 0)',
      'umount2("/var", 0)',
    ])}`,
  );
}

export const SEGMENT_FAMILIES = { segments, oddSegments, hugeMount } as const;
