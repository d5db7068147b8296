// The programs of the proof: real ones, each a command line that ends by itself. `prepare` makes
// what a run reads; `reset` puts it back before each run.
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

function which(command) {
  try {
    return execFileSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

/** The interpreter itself, not a wrapper script in front of it. */
function python() {
  if (which('python3') === '') return '';
  const ask = ['-c', 'import sys; print(sys.executable)'];
  return execFileSync('python3', ask, { encoding: 'utf8' }).trim();
}

function postgresFolder() {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort() : [];
  return versions.length > 0 ? join(root, versions.at(-1), 'bin') : '';
}

/** Deterministic text: a linear congruential generator. */
function lines(count, make) {
  let state = 12345;
  const out = [];
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    out.push(make(state, i));
  }
  return `${out.join('\n')}\n`;
}

const PYTHON = `
x = [i * i for i in range(3000000)]
d = {i: str(i) for i in range(600000)}
y = sorted(x, key=lambda v: -v)
del x
print(len(d), len(y))
`;

const NODE = `
const rows = [];
for (let i = 0; i < 400000; i++) rows.push({ i, text: 'row ' + i, next: [i, i + 1] });
const table = new Float64Array(4e6).fill(1);
let sum = 0;
for (const row of rows) sum += row.text.length + table[row.i];
console.log(sum);
`;

export function workloads(folder) {
  const pg = postgresFolder();
  const interpreter = python();
  /** pgbench of so many clients, 6,000 transactions together. */
  const postgres = (name, about, clients) => ({
    name,
    recordings: clients > 1 ? 9 : 1,
    runs: clients > 1 ? 9 : 3,
    about: `PostgreSQL, 1 GB of shared_buffers, pgbench with ${about}`,
    // Its processes read pages of one shared memory, and each read maps pages around it.
    precise: true,
    missing: pg === '' ? 'postgresql' : which('setpriv') === '' ? 'util-linux' : '',
    prepare() {
      const data = join(folder, 'pg-template');
      rmSync(data, { recursive: true, force: true });
      mkdirSync(data);
      owned(folder);
      owned(data);
      asPostgres([join(pg, 'initdb'), '-D', data, '-A', 'trust', '--no-sync', '-U', 'postgres']);
      const server = `${pg}/postgres -D ${data} -c fsync=off -c listen_addresses= -c unix_socket_directories=${folder} >/dev/null 2>&1 &
        until ${pg}/pg_isready -q -h ${folder}; do sleep 0.2; done
        ${pg}/createdb -h ${folder} -U postgres bench
        ${pg}/pgbench -i -q -s 40 -h ${folder} -U postgres bench >/dev/null 2>&1
        ${pg}/psql -q -h ${folder} -U postgres bench -c 'vacuum analyze' -c checkpoint
        kill -INT $!; wait`;
      asPostgres(['sh', '-c', server]);
    },
    reset() {
      const data = join(folder, 'pg-data');
      rmSync(data, { recursive: true, force: true });
      cpSync(join(folder, 'pg-template'), data, { recursive: true });
      execFileSync('chown', ['-R', 'postgres:', data]);
      execFileSync('chmod', ['700', data]);
      // In the page cache in every run alike.
      execFileSync('sh', ['-c', `cat $(find ${data} -type f) >/dev/null`]);
    },
    command: [
      ...['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', 'sh', '-c'],
      `${pg}/postgres -D ${folder}/pg-data -c shared_buffers=1GB -c huge_pages=off -c fsync=off \
        -c autovacuum=off -c listen_addresses= -c unix_socket_directories=${folder} >/dev/null 2>&1 &
       server=$!
       sleep 3
       ${pg}/pgbench -n -h ${folder} -U postgres -c ${clients} -j 1 -t ${6000 / clients} --random-seed=1 bench >/dev/null 2>&1
       kill -INT $server
       wait $server`,
    ],
  });
  const programs = [
    {
      name: 'python',
      about: 'python3: lists of 3,000,000 numbers, a dictionary of 600,000 strings',
      missing: interpreter === '' ? 'python3' : '',
      command: [interpreter, '-c', PYTHON],
    },
    {
      name: 'node',
      about: 'node: 400,000 objects and 32 MB of numbers',
      missing: '',
      // Whether its marking ends before or after one more scavenge is the clock's choice, and how much
      // of it a helper thread does.
      recordings: 9,
      runs: 9,
      command: [process.execPath, '--random-seed=1', '-e', NODE],
    },
    {
      name: 'node-schedule',
      about: 'the same, with the schedule of its collector fixed, not its threads',
      missing: '',
      recordings: 6,
      runs: 6,
      command: [process.execPath, '--predictable-gc-schedule', '--random-seed=1', '-e', NODE],
    },
    {
      name: 'node-1',
      about: 'the same with one thread, which makes it deterministic',
      missing: '',
      command: [process.execPath, '--single-threaded', '--random-seed=1', '-e', NODE],
    },
    {
      name: 'sort',
      about: 'sort: 2,000,000 lines in memory, one thread',
      missing: which('sort') === '' ? 'coreutils' : '',
      prepare() {
        writeFileSync(
          join(folder, 'lines'),
          lines(2000000, (x, i) => `${x} line ${i}`),
        );
      },
      command: ['sort', '-S', '300M', '--parallel=1', '-o', '/dev/null', join(folder, 'lines')],
    },
    {
      name: 'redis',
      about: 'redis-server: 100,000 keys of 300 bytes set by redis-benchmark',
      missing: which('redis-server') === '' ? 'redis-server' : '',
      command: [
        'sh',
        '-c',
        `redis-server --port 0 --unixsocket ${folder}/redis.sock --save '' --daemonize no >/dev/null &
         sleep 1
         redis-benchmark -s ${folder}/redis.sock -n 300000 -r 100000 -d 300 -t set -q >/dev/null
         redis-cli -s ${folder}/redis.sock shutdown nosave >/dev/null
         wait`,
      ],
    },
    postgres('postgres', 'one client', 1),
    // Which of them touches a buffer first is the scheduler's choice: another one in every session.
    postgres('postgres-2', 'two clients', 2),
    {
      name: 'gcc',
      about: 'gcc -O2 of a file of 400 functions',
      missing: which('gcc') === '' ? 'gcc' : '',
      prepare() {
        const body = (x, i) =>
          `int f${i}(int a, int b) { int s = ${x % 1000}; for (int k = 0; k < a; k++) ` +
          `s += (k ^ b) * ${(x >> 8) % 97} + (s >> ${x % 7}); return s > b ? s - f${Math.max(0, i - 1)}(b, a - 1) : s; }`;
        writeFileSync(join(folder, 'functions.c'), lines(400, body));
      },
      command: ['gcc', '-O2', '-c', join(folder, 'functions.c'), '-o', join(folder, 'functions.o')],
    },
  ];
  return programs;

  function owned(path) {
    const [uid, gid] = ['-u', '-g'].map((flag) =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })),
    );
    chownSync(path, uid, gid);
  }

  function asPostgres(command) {
    const flags = ['--reuid=postgres', '--regid=postgres', '--clear-groups'];
    execFileSync('setpriv', [...flags, ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
}
