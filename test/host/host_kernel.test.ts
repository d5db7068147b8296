/** The real kernel executes programs: results, faults, signals, tasks, files, settings. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PAGE_PRESENT, PAGE_ZERO } from '../../src/scenario/transcript.ts';
import { ask, codes, describeHost, faults, results } from './support.ts';

const THP = '/sys/kernel/mm/transparent_hugepage';

await describeHost('host', (host) => {
  it('maps the whole folio at an address that is not aligned to it', async () => {
    const t = await ask(
      host,
      `echo always > ${THP}/hugepages-16kB/shmem_enabled
       parent: a = mmap(64K, 16K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       parent: child = fork()
       child: b = mremap(a, 16K, 16K, MREMAP_MAYMOVE|MREMAP_FIXED, 1M+4K)
       parent: write a
       child: write b = 99
       expect child: minflt == 1
       expect /proc/child/status RssShmem == 16 kB
       expect child: page b+4K is parent: page a+4K
       expect parent: value a == 99
       expect child: index b+8K == 2
       expect child: order b == 2
       expect child: b 16K mapped
       expect child: a unmapped
       expect child: vmas == 2`,
    );
    expect(codes(t)).toEqual([]);
    expect(t.expectations.slice(6).map((e) => e?.holds)).toEqual(Array(9).fill(true));
    expect(t.observations[5]?.map((task) => task.task)).toEqual(['parent', 'child']);
    const [parent, child] = t.observations[5]!;
    expect(child?.pages.folio.slice(0, 4)).toEqual(parent?.pages.folio.slice(0, 4));
    expect(child?.pages.vpn.slice(0, 4)).toEqual([0x101, 0x102, 0x103, 0x104]);
    expect(readFileSync(`${THP}/hugepages-16kB/shmem_enabled`, 'utf8')).toBe(
      readFileSync(`${THP}/hugepages-32kB/shmem_enabled`, 'utf8'),
    );
  });

  it('tells an expectation that does not hold', async () => {
    const t = await ask(host, 'p: read 0\nexpect p: signal == none\nexpect p: signal == SIGSEGV');
    expect(t.expectations.map((e) => e?.holds)).toEqual([undefined, false, true]);
  });

  it('counts the faults of the tested access and no others', async () => {
    const t = await ask(
      host,
      `p: a = mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: write a 16K
       p: read a 32K
       p: c = fork()
       p: write a 8K
       c: write a 16K
       c: write a 16K
       p: madvise(a, 64K, MADV_POPULATE_WRITE)`,
    );
    // After the fork both sides copy or reuse each page once; populate: 2 CoW, 4 zero pages, 8 new.
    expect(faults(t)).toEqual([0, 4, 4, 0, 2, 4, 0, 14]);
    expect(t.outcomes[2]?.faultedVpns).toEqual([0x40004, 0x40005, 0x40006, 0x40007]);
    const zero = t.observations[2]![0]!.pages;
    expect(zero.bits.slice(4, 8).every((b) => (b & PAGE_PRESENT) !== 0)).toBe(true);
    const { anonReadsAllocate } = host.info();
    expect(zero.bits.slice(4, 8).some((b) => (b & PAGE_ZERO) !== 0)).toBe(!anonReadsAllocate);
    const second = anonReadsAllocate ? [5, 6, 7, 8] : [0, 0, 0, 0];
    expect(zero.folio.slice(0, 8)).toEqual([1, 2, 3, 4, ...second]);
  });

  it('keeps its own memory out of what is seen', async () => {
    const t = await ask(
      host,
      `p: mlockall(MCL_CURRENT)
       p: munlockall()
       p: x = brk(0)
       p: brk(x+4K)
       p: write x`,
      { observe: 'full' },
    );
    const stack = t.layout.stackEndVpn - t.layout.stackStartVpn;
    expect(t.layout.initial.pages.vpn).toEqual([t.layout.stackEndVpn - 1]);
    expect(faults(t)).toEqual([stack - 1, 0, 0, 0, 1]);
    const [locked] = t.observations[0]!;
    expect(locked?.rss).toEqual({ anon: stack * 4, file: 0, shmem: 0, swap: 0 });
    expect(locked?.vmLck).toBe(stack * 4);
    expect(locked?.vmSize).toBe(stack * 4);
    expect(t.layout.initial.vmPte).toBe(12);
    const [heap] = t.observations[4]!;
    expect(heap?.vmas.map((v) => v.name)).toEqual(['[heap]', '[stack]']);
    expect(heap?.vmas[0]?.smaps?.['Rss']).toBe(4);
    expect(heap?.vmas[0]?.vmFlags).toContain('wr');
    // A page table of each level below the top for the heap, which lies in an entry of its own.
    expect(heap?.vmPte).toBe(24);
  });

  it('gives addresses and process numbers that never change', async () => {
    const text = `p: me = getpid()
       p: a = mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
       p: b = brk(0)
       p: c = fork()
       p: d = fork()`;
    const first = await ask(host, text);
    const second = await ask(host, text);
    expect(results(first)).toEqual(['0x64', '0x7ffff7ffe000', '0x558000000000', '0x65', '0x66']);
    expect(first.layout.mmapTopVpn).toBe(0x7ffff7fff);
    expect(first.layout.brkVpn).toBe(0x558000000);
    expect(second.outcomes).toEqual(first.outcomes);
    expect(second.observations).toEqual(first.observations);
  });

  it('catches signals with their code and address', async () => {
    const t = await ask(
      host,
      `p: a = mmap(1G, 12K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: read a 16K
       p: write a
       p: exec a
       p: f = memfd_create("x", 0)
       p: ftruncate(f, 4K)
       p: b = mmap(2G, 8K, PROT_READ|PROT_EXEC, MAP_SHARED|MAP_FIXED, f, 0)
       p: read b 8K
       p: exec b
       p: exec b+4K
       p: exec 0
       p: read 0xffffffffffffffff`,
    );
    expect(results(t)).toEqual([
      '0x40000000',
      'SIGSEGV/MAPERR',
      'SIGSEGV/ACCERR',
      'SIGSEGV/ACCERR',
      '0x3',
      '0x0',
      '0x80000000',
      'SIGBUS/ADRERR',
      '-',
      'SIGBUS/ADRERR',
      'SIGSEGV/MAPERR',
      'SIGSEGV/MAPERR',
    ]);
    expect(t.outcomes[1]?.signal?.address).toEqual({ hi: 0, lo: 0x40003000 });
    expect(t.outcomes[1]?.faultedVpns).toEqual([0x40000, 0x40001, 0x40002]);
  });

  it('runs threads, vfork, execve, exit and wait', async () => {
    const t = await ask(
      host,
      `p: a = mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: t = clone(CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD)
       t: write a = 7
       p: read a
       t: exit(0)
       p: v = vfork()
       v: write a = 8
       v: exit(0)
       p: read a
       p: x = fork()
       x: execve("/bin/true", [], [])
       x: read a
       p: kill(x, SIGKILL)
       p: wait4(x)
       p: wait4(v)
       p: wait4(-1)
       p: y = fork()
       p: exit(0)
       y: read a`,
    );
    expect(results(t).slice(1)).toEqual(
      `0x65 - 0x7 0x0 0x66 - 0x0 0x8 0x67 0x0 SIGSEGV/MAPERR 0x0 0x67 0x66 ECHILD 0x68 0x0 0x8`.split(
        ' ',
      ),
    );
    expect(codes(t)).toEqual([]);
    const thread = t.observations[2]!;
    expect(thread[1]?.pages).toEqual(thread[0]?.pages);
    expect(t.observations[18]?.map((task) => task.task)).toEqual(['y']);
  });

  it('lets a task wait for another one', async () => {
    const t = await ask(
      host,
      `p: u = userfaultfd(O_NONBLOCK)
       p: ioctl(u, UFFDIO_API, {api=0xaa, features=0})
       p: a = mmap(1G, 8K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: s = mmap(2G, 4K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: write s = 42
       p: ioctl(u, UFFDIO_REGISTER, {range={start=a, len=8K}, mode=UFFDIO_REGISTER_MODE_MISSING})
       p: t = clone(CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD)
       t: getpid()
       p: c = fork()
       t: wait4(c)
       c: exit(3)
       t: read a
       p: ioctl(u, UFFDIO_COPY, {dst=a, src=s, len=4K, mode=0})
       p: read a`,
    );
    expect(codes(t)).toEqual([]);
    expect(t.blockedSteps).toEqual([9, 11]);
    expect(results(t)[9]).toBe('0x66');
    expect(results(t)[11]).toBe('0x2a');
    expect(results(t)[13]).toBe('0x2a');
  });

  it('refuses a step for a task that is blocked, or gone', async () => {
    const busy = await ask(host, 'p: pause()\np: read 0\np: read 0');
    expect(codes(busy)).toEqual(['HOST008']);
    expect(busy.notes[0]?.line).toBe(2);
    const gone = await ask(host, 'p: c = fork()\nc: exit(0)\nc: read 0');
    expect(codes(gone)).toEqual(['HOST009']);
    const dead = await ask(host, 'p: munmap(0, 0x7ffffffff000)\np: read 0');
    expect(codes(dead)).toEqual(['HOST017']);
    const self = await ask(host, 'p: me = getpid()\np: kill(me, SIGKILL)');
    expect(codes(self)).toEqual([]);
  });

  it('keeps files in a room of their own and empties it', async () => {
    const write = `p: f = open("/tmp/faultline-test", O_RDWR|O_CREAT)
       p: write(f, "hello", 8192)
       p: a = mmap(NULL, 8K, PROT_READ, MAP_PRIVATE, f, 0)
       p: read a 8K
       p: g = open("/dev/shm/faultline-test", O_RDWR|O_CREAT)
       p: mkdir("/mnt/t", 0755)
       p: mount("none", "/mnt/t", "tmpfs", 0, "huge=always")
       p: h = open("/mnt/t/z", O_RDWR|O_CREAT)
       p: ftruncate(h, 4M)
       p: d = mmap(1G, 4M, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, h, 0)
       p: write d
       p: id = shmget(5, 64K, 0600|IPC_CREAT|IPC_EXCL)`;
    const first = await ask(host, write, { observe: 'full' });
    const second = await ask(host, write, { observe: 'full' });
    expect(codes(first)).toEqual([]);
    expect(results(first).slice(0, 2)).toEqual(['0x3', '0x2000']);
    expect(results(first)[3]).toBe('0x68');
    expect(results(second)).toEqual(results(first));
    expect(existsSync('/tmp/faultline-test')).toBe(false);
    const { vmas, pages } = first.observations[10]![0]!;
    expect(vmas.map((v) => v.name)).toEqual(['/mnt/t/z', '/tmp/faultline-test', '[stack]']);
    expect(pages.order[0]).toBe(9);
    expect(vmas[0]?.smaps?.['ShmemPmdMapped']).toBe(2048);
    const after = await ask(host, 'p: open("/tmp/faultline-test", O_RDONLY)\np: rmdir("/mnt/t")');
    expect(results(after)).toEqual(['ENOENT', 'ENOENT']);
  });

  it('says what it does not do', async () => {
    expect(codes(await ask(host, 'p: swapoff("/x")'))).toEqual(['HOST002']);
    expect(codes(await ask(host, 'echo 1 > /sys/power/disk'))).toEqual(['HOST010']);
    expect(codes(await ask(host, 'echo 1 > /proc/sys/kernel/panic'))).toEqual(['HOST010']);
    expect(codes(await ask(host, 'p: write(1, "x", 1M)'))).toEqual(['HOST011']);
    const bad = await ask(host, `echo sometimes > ${THP}/enabled`);
    expect([results(bad), codes(bad)]).toEqual([['EINVAL'], []]);
  });

  it('reads files', async () => {
    const t = await ask(
      host,
      `cat ${THP}/hpage_pmd_size
       cat /proc/sys/vm/max_map_count
       p: c = fork()
       cat /proc/c/status
       cat /proc/self/maps`,
    );
    expect(t.outcomes[0]?.output).toBe('2097152\n');
    expect(t.outcomes[1]?.output).toMatch(/^\d+\n$/);
    expect(t.outcomes[3]?.output).toContain('Pid:\t101\n');
    expect(t.outcomes[4]?.output).toContain('[stack]');
  });

  it('measures statistics when asked', async () => {
    const size = 'hugepages-64kB/stats/anon_fault_alloc';
    const t = await ask(
      host,
      `echo always > ${THP}/hugepages-64kB/enabled
       p: a = mmap(1G, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
       p: write a`,
      { observe: 'pages', stats: true },
    );
    expect(t.stats[2]!.get(size)! - t.stats[1]!.get(size)!).toBeGreaterThanOrEqual(1);
    expect(t.stats[2]!.get('pgfault')).toBeGreaterThan(0);
    expect(t.observations[2]![0]!.pages.order.slice(0, 16)).toEqual(Array(16).fill(4));
  });
});
