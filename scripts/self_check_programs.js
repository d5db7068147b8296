// What scripts/self_check.js runs. Each command is one for sh, and ends by itself.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

function postgresFolder() {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort() : [];
  return versions.length > 0 ? join(root, versions.at(-1), 'bin') : '';
}

const pg = postgresFolder();

/** name, the program that it needs, and its command for sh. */
export const PROGRAMS = [
  ['pipeline', 'sort', 'seq 1 20000 | sort -r | head -n 5000 | tail -n 3'],
  ['sort', 'sort', 'seq 1 200000 > n; sort -R -S 8M n | sort -n -S 4M -o m; cmp n m'],
  ['awk', 'awk', "seq 1 20000 | awk '{ s[$1 % 97] += $1 } END { for (k in s) print k, s[k] }'"],
  [
    'python3',
    'python3',
    'python3 -c "import json,re; x=[list(range(i%50)) for i in range(20000)]; print(len(json.dumps(x)))"',
  ],
  [
    'node',
    'node',
    'node -e "const a=[];for(let i=0;i<3e5;i++)a.push({i});console.log(JSON.stringify(a).length)"',
  ],
  [
    'perl',
    'perl',
    'perl -e \'my %h; $h{$_ % 5000} .= "x" x 40 for 1..60000; print scalar(keys %h)\'',
  ],
  [
    'gcc',
    'gcc',
    'printf "#include <stdio.h>\\nint main(void){puts(\\"a\\");}" > a.c && gcc -O2 -o a a.c && ./a',
  ],
  [
    'git',
    'git',
    'git init -q . && seq 1 5000 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm a && git log -p',
  ],
  ['xz', 'xz', 'seq 1 50000 | xz -2 > n.xz && xz -dc n.xz | tail -n 1'],
  [
    'sqlite3',
    'sqlite3',
    'sqlite3 db "create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<20000) insert into t select x, x*x from c; create index i on t(b); select count(*) from t;"',
  ],
  [
    'redis',
    'redis-server',
    'redis-server --save "" --appendonly no --port 0 --unixsocket r.sock --daemonize no >/dev/null & for i in 1 2 3 4 5 6 7 8 9; do sleep 1; [ -S r.sock ] && break; done; redis-cli -s r.sock debug populate 20000; redis-cli -s r.sock shutdown nosave; wait',
  ],
  [
    'java',
    'java',
    'printf "class A{public static void main(String[] a){System.out.println(1);}}" > A.java && javac A.java && java -Xshare:off -Xmx64m A',
  ],
  [
    'java-threads',
    'java',
    `cat > B.java <<'END'
import java.util.stream.*;
public class B {
  public static void main(String[] a) throws Exception {
    Thread[] t = new Thread[4];
    for (int i = 0; i < 4; i++) { int n = i; t[i] = new Thread(() -> System.out.println(n + LongStream.range(0, 100000).boxed().map(x -> "" + x).mapToInt(String::length).sum())); t[i].start(); }
    for (Thread x : t) x.join();
    byte[][] keep = new byte[200][];
    for (int i = 0; i < 4000; i++) keep[i % 200] = new byte[100000];
    System.out.println(IntStream.range(0, 1000000).parallel().filter(x -> x % 7 == 0).count());
  }
}
END
javac B.java && java -XX:+UseG1GC -Xmx128m B && java -XX:+UseSerialGC -Xmx64m B`,
  ],
  [
    'shim',
    'python3',
    `printf '#!/bin/sh\nset -e\nexec "%s" "$@"\n' "$(command -v python3)" > python && chmod +x python && ./python -c '
import subprocess, sys, threading, mmap, multiprocessing
m = mmap.mmap(-1, 1 << 20); m[5:9] = b"abcd"
t = [threading.Thread(target=lambda: sum(range(200000))) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]
p = multiprocessing.get_context("fork").Process(target=lambda: m.write(b"x" * 5000)); p.start(); p.join()
print(subprocess.run([sys.executable, "-c", "import sqlite3, ctypes, zlib; print(len(zlib.compress(bytes(10**6))))"], capture_output=True, check=True).stdout)'`,
  ],
  [
    'perl-posix',
    'perl',
    `perl -MPOSIX -MSocket -e 'my @p = POSIX::pipe(); my $k = fork(); if (!$k) { POSIX::write($p[1], strftime("%Y", gmtime(0)), 4); POSIX::_exit(0) } waitpid($k, 0); POSIX::read($p[0], my $b, 4); my @s = map { floor($_ ** 1.5) . "k" x 100 } 1..40000; print "$b ", scalar(@s), "\n"'`,
  ],
  [
    'git-gc',
    'git',
    `git init -q . && git config user.name a && git config user.email a@b && for i in 1 2 3 4 5 6 7 8 9 10 11 12; do seq $i 3000 > f$((i % 5)); git add .; git commit -qm $i; done; git -c pack.threads=2 gc -q --aggressive && git fsck && git clone -q . copy && git -C copy log --stat | tail -n 3`,
  ],
  [
    'node-workers',
    'node',
    `cat > w.js <<'END'
const { Worker, isMainThread, workerData } = require('node:worker_threads');
if (isMainThread) {
  const shared = new SharedArrayBuffer(4 << 20);
  let left = 3;
  for (let i = 0; i < 3; i++) {
    const w = new Worker(__filename, { workerData: { i, shared }, resourceLimits: { maxOldGenerationSizeMb: 64 } });
    w.on('exit', () => { if (--left === 0) console.log(new Int32Array(shared)[0]); });
  }
} else {
  const a = [];
  for (let i = 0; i < 50000; i++) a.push({ i, s: 'x' + i });
  Atomics.add(new Int32Array(workerData.shared), 0, require('node:zlib').gzipSync(JSON.stringify(a)).length & 1023);
}
END
node w.js`,
  ],
  [
    'postgres',
    pg === '' ? 'postgres' : `${pg}/postgres`,
    `chown postgres . && setpriv --reuid=postgres --regid=postgres --clear-groups sh -c '
${pg}/initdb -D d -A trust --no-sync -U postgres >/dev/null
${pg}/postgres -D d -c listen_addresses= -c unix_socket_directories=$PWD -c fsync=off -c shared_buffers=64MB >/dev/null 2>&1 &
until ${pg}/pg_isready -q -h $PWD; do sleep 1; done
${pg}/psql -h $PWD -U postgres -c "create table t as select x, x * x as y from generate_series(1, 20000) x" -c "create index on t (y)" -c "set work_mem = 64; select count(*) from (select * from t order by y desc) s" -c "vacuum analyze t" -c "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select sum(y) from t"
kill -INT $!; wait'`,
  ],
  [
    'g++',
    'g++',
    'printf "#include <iostream>\\n#include <thread>\\n#include <vector>\\nint main(){std::vector<std::thread> t;for(int i=0;i<4;i++)t.emplace_back([]{std::vector<int>v(1000000);});for(auto&x:t)x.join();std::cout<<1;}" > a.cc && g++ -O1 -pthread -o a a.cc && ./a',
  ],
  [
    'make',
    'make',
    'printf "all: a b c d\\n%%:\\n\\tseq 1 20000 | sort -R | md5sum > \\$@\\n" > Makefile; make -j4',
  ],
  [
    'pool',
    'python3',
    `python3 -c '
import multiprocessing as mp
from multiprocessing import shared_memory
s = shared_memory.SharedMemory(create=True, size=1 << 20)
with mp.Pool(3) as p: print(sum(p.map(abs, range(10000))))
s.close(); s.unlink()'`,
  ],
  [
    'redis-save',
    'redis-server',
    'redis-server --save "" --appendonly no --port 0 --unixsocket r.sock --daemonize no >/dev/null & for i in 1 2 3 4 5 6 7 8 9; do sleep 1; [ -S r.sock ] && break; done; redis-cli -s r.sock debug populate 50000; redis-cli -s r.sock bgsave; sleep 2; redis-cli -s r.sock flushall; redis-cli -s r.sock shutdown nosave; wait',
  ],
];
