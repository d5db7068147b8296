/** Steps about descriptors and names: what is opened, copied, closed, sought, sealed, removed. */
import type { GenFile, GenState } from './generate_state.ts';

function someFile(s: GenState): GenFile | undefined {
  return s.fds.length === 0 ? undefined : s.random.pick(s.fds);
}

const ODD_SEALS = ['F_SEAL_EXEC', '0x100', 'F_SEAL_WRITE|F_SEAL_GROW|F_SEAL_SHRINK'];

function seals(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  if (file === undefined) return;
  const seal = r.pick([
    ...['F_SEAL_SHRINK', 'F_SEAL_GROW', 'F_SEAL_WRITE', 'F_SEAL_FUTURE_WRITE', 'F_SEAL_SEAL'],
    r.pick(ODD_SEALS),
  ]);
  s.put(`t0: fcntl(${file.name}, ${r.chance(85) ? `F_ADD_SEALS, ${seal}` : 'F_GET_SEALS'})`);
}

/** A second description of a file, with other rights. */
function reopen(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  if (file?.path === undefined) return;
  const name = s.name('f');
  const flags = r.pick([
    ...[
      'O_RDONLY',
      'O_RDONLY',
      'O_WRONLY',
      'O_RDWR|O_APPEND',
      'O_RDWR|O_TRUNC',
      'O_PATH',
      'O_RDWR',
    ],
    ...['O_RDWR|O_CREAT|O_EXCL', 'O_RDONLY|O_DIRECTORY', '3', 'O_RDWR|O_CLOEXEC'],
  ]);
  s.put(`t0: ${name} = open("${file.path}", ${flags}, 0600)`);
  // What could not be opened is -1, which later steps may use as well.
  s.fds.push({ ...file, name });
}

/** What is no file with pages, has pages of its own kind, or has no name. */
function special(s: GenState): void {
  const r = s.random;
  const name = s.name('f');
  const call = r.pick([
    'open("/dev/zero", O_RDWR)',
    'open("/dev/zero", O_RDWR)',
    'open("/dev/null", O_RDWR)',
    'open("/tmp", O_RDONLY)',
    'open("/tmp/none", O_RDONLY)',
    'open("/tmp", O_RDWR)',
    'open("/tmp", O_RDWR|O_CREAT, 0600)',
    'open("/tmp/x", O_RDWR|O_CREAT|O_DIRECTORY, 0600)',
    'open("/dev/shm", O_RDWR|O_TMPFILE, 0600)',
    'open("/tmp", O_RDWR|O_TMPFILE, 0600)',
    'open("/tmp", O_RDONLY|O_TMPFILE, 0600)',
    'open("", O_RDONLY)',
    'memfd_secret(0)',
    'memfd_secret(0)',
    'memfd_secret(1)',
    'memfd_create("n", MFD_NOEXEC_SEAL)',
    'memfd_create("n", MFD_EXEC|MFD_ALLOW_SEALING)',
    'memfd_create("n", MFD_NOEXEC_SEAL|MFD_EXEC)',
    'memfd_create("n", MFD_HUGETLB)',
    'memfd_create("n", MFD_CLOEXEC|MFD_ALLOW_SEALING)',
    'memfd_create("n", 0x100)',
    'creat("/tmp/c", 0600)',
    'epoll_create1(0)',
  ]);
  s.put(`t0: ${name} = ${call}`);
  const pages = s.pages();
  // The name of a file without a name tells its inode's number, which is the file system's matter.
  if (call.includes('TMPFILE')) return;
  if (r.chance(70)) s.put(`t0: ftruncate(${name}, ${s.bytes(pages)})`);
  s.fds.push({ name, kind: 'memfd', pages });
}

function duplicates(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  if (file === undefined) return;
  const name = s.name('f');
  const call = r.pick([
    `dup(${file.name})`,
    `dup2(${file.name}, ${10 + r.below(20)})`,
    `dup2(${file.name}, ${r.pick(s.fds).name})`,
    `dup3(${file.name}, ${10 + r.below(20)}, O_CLOEXEC)`,
    `dup3(${file.name}, ${file.name}, 0)`,
    `dup2(${file.name}, -1)`,
    'dup(99)',
    `fcntl(${file.name}, F_DUPFD, ${r.below(40)})`,
    `fcntl(${file.name}, F_DUPFD_CLOEXEC, ${r.below(40)})`,
    `fcntl(${file.name}, F_DUPFD, -1)`,
  ]);
  s.put(`t0: ${name} = ${call}`);
  s.fds.push({ ...file, name });
}

function flagsOf(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  const fd = file?.name ?? '99';
  s.put(
    `t0: ${r.pick([
      `fcntl(${fd}, F_GETFL)`,
      `fcntl(${fd}, F_GETFD)`,
      `fcntl(${fd}, F_SETFD, FD_CLOEXEC)`,
      `fcntl(${fd}, F_SETFL, O_APPEND)`,
      `fcntl(${fd}, F_SETFL, 0)`,
      'fcntl(99, F_GETFD)',
      'close(99)',
      `close_range(${20 + r.below(5)}, 30, 0)`,
      'close_range(8, 30, 4)',
      'close_range(30, 20, 0)',
      'close_range(20, 30, 8)',
    ])}`,
  );
}

function close(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  if (file === undefined) return;
  s.put(`t0: close(${file.name})`);
  if (r.chance(90)) s.fds.splice(s.fds.indexOf(file), 1);
}

/** Reading and writing where the description stands. */
function streams(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  if (file === undefined) return;
  const { at, pages } = s.range();
  const fd = file.name;
  const bytes = s.bytes(Math.min(pages, 20));
  const offset = s.bytes(r.below(file.pages));
  const other = s.range().at;
  const vector = `[{iov_base=${at}, iov_len=${bytes}}, {iov_base=${other}, iov_len=4K}]`;
  const long = file.kind === 'disk' && r.chance(10) ? '700K' : bytes;
  const calls = [
    `pread64(${fd}, ${at}, ${long}, ${offset})`,
    `lseek(${fd}, ${offset}, SEEK_SET)`,
    `read(${fd}, ${at}, ${bytes})`,
    `write(${fd}, ${at}, ${bytes})`,
    `readv(${fd}, ${vector}, 2)`,
    `writev(${fd}, ${vector}, 2)`,
    `preadv(${fd}, ${vector}, 2, ${offset})`,
    `pwritev(${fd}, ${vector}, 2, ${offset})`,
    `fsync(${fd})`,
    r.pick([
      `lseek(${fd}, -1, SEEK_SET)`,
      `lseek(${fd}, 0, 9)`,
      `lseek(${fd}, 4K, SEEK_CUR)`,
      `pread64(${fd}, ${at}, ${bytes}, -1)`,
      `pwrite64(${fd}, 0x7ffffffff000, 4K, 0)`,
      `read(${fd}, 0, 100)`,
      `read(99, ${at}, 100)`,
      `write(99, ${at}, 100)`,
      'fsync(99)',
    ]),
  ];
  for (let i = 1 + r.below(3); i > 0; i--) s.put(`t0: ${r.pick(calls)}`);
}

/** Pages of a disk file are written, dropped and read again. */
function disk(s: GenState): void {
  const r = s.random;
  const pages = 1 + r.below(r.pick([16, 64, 300]));
  const fd = s.name('f');
  const path = `/tmp/${fd}`;
  s.put(`t0: ${fd} = open("${path}", O_RDWR|O_CREAT, 0600)`);
  s.put(`t0: ftruncate(${fd}, ${s.bytes(pages)})`);
  const start = s.place(pages);
  const name = s.name('m');
  const share = r.pick(['MAP_SHARED', 'MAP_SHARED', 'MAP_PRIVATE']);
  const rest = `PROT_READ|PROT_WRITE, ${share}|MAP_FIXED, ${fd}, 0`;
  const size = s.bytes(pages);
  const at = s.address(start);
  s.put(`t0: ${name} = mmap(${at}, ${size}, ${rest})`);
  s.areas.push({ start, base: '', pages, kind: 'disk', fd, task: 't0' });
  s.fds.push({ name: fd, kind: 'disk', pages, path });
  const inside = (): string => s.address(start + r.below(pages));
  const steps = [
    `write ${inside()} ${s.bytes(1 + r.below(20))}`,
    `fsync(${fd})`,
    `madvise(${at}, ${size}, MADV_PAGEOUT)`,
    `read ${inside()} ${s.bytes(1 + r.below(20))}`,
    `pwrite64(${fd}, "data", 4, ${s.bytes(r.below(pages))})`,
    `pread64(${fd}, ${inside()}, 4K, ${s.bytes(r.below(pages))})`,
  ];
  for (const step of steps) if (r.chance(60)) s.put(`t0: ${step}`);
}

/** Names come and go; the file stays as long as somebody holds it. */
function names(s: GenState): void {
  const r = s.random;
  const file = someFile(s);
  const path = file?.path ?? '/tmp/none';
  const bytes = s.bytes(r.below((file?.pages ?? 4) + 8));
  s.put(
    `${r.chance(80) ? 't0' : s.task()}: ${r.pick([
      `unlink("${path}")`,
      `unlink("${path}")`,
      `truncate("${path}", ${bytes})`,
      `truncate("${path}", ${bytes})`,
      `truncate("${path}", -1)`,
      'truncate("/tmp", 0)',
      'truncate("/tmp/none", 0)',
      `rename("${path}", "${path}r")`,
      `link("${path}", "${path}l")`,
      `unlink("${path}l")`,
      `rename("${path}", "${r.pick(s.fds)?.path ?? '/tmp/none'}")`,
      'rename("/tmp/none", "/tmp/other")',
      'unlink("/tmp")',
      'rmdir("/tmp/none")',
      `rmdir("${path}")`,
      'mkdir("/tmp/d", 0700)',
      `rename("${path}", "/tmp/d/x")`,
      'unlink("")',
    ])}`,
  );
}

/** Sizes and blocks, with arguments that are refused. */
function oddFile(s: GenState): void {
  const r = s.random;
  const fd = someFile(s)?.name ?? '99';
  s.put(
    `t0: ${r.pick([
      `ftruncate(${fd}, -1)`,
      'ftruncate(99, 0)',
      'fallocate(99, 0, 0, 4K)',
      `fallocate(${fd}, 0, -1, 4K)`,
      `fallocate(${fd}, 0, 0, 0)`,
      `fallocate(${fd}, FALLOC_FL_PUNCH_HOLE, 0, 4K)`,
      `fallocate(${fd}, 0x1000, 0, 4K)`,
      `fallocate(${fd}, FALLOC_FL_ZERO_RANGE, 4K, 8K)`,
      `fallocate(${fd}, FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE, 4K, 64K)`,
      `fallocate(${fd}, 0, 0x7fffffffffff0000, 0x7fffffffffff0000)`,
      `pwrite64(${fd}, "data", 4, -1)`,
    ])}`,
  );
}

export const FILE_FAMILIES = {
  seals,
  reopen,
  special,
  duplicates,
  flagsOf,
  close,
  streams,
  disk,
  names,
  oddFile,
} as const;
