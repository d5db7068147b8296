import { describe, expect, test } from 'vitest';
import { argsOf, complaints, parse, plain, stepsOf } from './helpers.ts';

const EXIT = '\n1 +++ exited with 0 +++\n';

/** The one call of a log. */
function call(line: string) {
  const { program, diagnostics } = parse(line + EXIT, 'x.log');
  expect(program.dialect).toBe('strace');
  expect(diagnostics).toEqual([]);
  return program.steps[0]!;
}

describe('prefixes', () => {
  test.each([
    ['17060 ', '17060', undefined],
    ['17060<my prog> ', '17060', undefined],
    ['[pid 17060] ', '17060', undefined],
    ['[pid   170] ', '170', undefined],
    ['[pid 170<comm>] ', '170', undefined],
    ['17060 12:00:01 ', '17060', 43201],
    ['17060 12:00:01.250000 ', '17060', 43201.25],
    ['17060 1700000000.123456 ', '17060', 1700000000.123456],
    ['17060      0.000123 ', '17060', 0.000123],
    ['17060 12:00:01 (+     0.000123) ', '17060', 43201],
    ['17060 [00007f2ce0d5a9b3] ', '17060', undefined],
    ['17060 [????????????????] ', '17060', undefined],
    ['17060 [   9] ', '17060', undefined],
    ['17060 [unconfined_u:unconfined_r:t:s0] ', '17060', undefined],
    ['17060 12:00:01 [   9] [00007f2ce0d5a9b3] ', '17060', 43201],
    ['12:00:01 ', '', 43201],
    ['     0.000123 ', '', 0.000123],
    ['1700000000.5 ', '', 1700000000.5],
    ['[00007f2ce0d5a9b3] ', '', undefined],
    ['', '', undefined],
  ])('%j', (prefix, task, time) => {
    const step = call(`${prefix}munmap(0x1000, 4096) = 0`);
    expect(step).toMatchObject({ task, text: 'munmap(0x1000, 4096) = 0' });
    expect(step.time).toBe(time);
    expect(step.at).toEqual({ line: 1, column: prefix.length + 1 });
  });
});

describe('arguments', () => {
  test.each([
    [
      'mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)',
      ['NULL', '8192', '(| PROT_READ PROT_WRITE)', '(| MAP_PRIVATE MAP_ANONYMOUS)', '-1', '0'],
    ],
    [
      'mmap(0x7f, 1, PROT_READ, MAP_SHARED|0x800, 3</usr/lib/libc.so.6>, 0x1000)',
      ['0x7f', '1', 'PROT_READ', '(| MAP_SHARED 0x800)', '3</usr/lib/libc.so.6>', '0x1000'],
    ],
    [
      'mmap(NULL, 1, PROT_READ, MAP_SHARED|0x4000000 /* MAP_??? */, 3, 0)',
      ['NULL', '1', 'PROT_READ', '(| MAP_SHARED 0x4000000)', '3', '0'],
    ],
    [
      'mmap(NULL, 0x2000, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0)',
      ['NULL', '0x2000', '0x3', '0x22', '-1', '0'],
    ],
    [
      'mmap(NULL, 2097152, PROT_READ, MAP_PRIVATE|MAP_HUGETLB|21<<MAP_HUGE_SHIFT, -1, 0)',
      [
        'NULL',
        '2097152',
        'PROT_READ',
        '(| (| MAP_PRIVATE MAP_HUGETLB) (<< 21 MAP_HUGE_SHIFT))',
        '-1',
        '0',
      ],
    ],
    [
      'mmap(NULL, 1, PROT_READ, MAP_NEW|MAP_PRIVATE, 3, 0)',
      ['NULL', '1', 'PROT_READ', '(| ?MAP_NEW MAP_PRIVATE)', '3', '0'],
    ],
    [
      'openat(AT_FDCWD</a (b)>, "/x\\"y", O_RDONLY|O_CLOEXEC)',
      ['-100</a (b)>', '"/x\\"y"', '(| O_RDONLY O_CLOEXEC)'],
    ],
    ['close(3<socket:[123]>)', ['3<socket:[123]>']],
    ['close(3<TCP:[127.0.0.1:5->127.0.0.1:6]>)', ['3<TCP:[127.0.0.1:5->127.0.0.1:6]>']],
    ['close(3</dev/null<char 1:3>>)', ['3</dev/null<char 1:3>>']],
    ['close(4</memfd:name (deleted)>)', ['4</memfd:name (deleted)>']],
    ['close(4</memfd:a\\74\\76b>(deleted))', ['4</memfd:a<>b (deleted)>']],
    ['close(3</tmp/odd->)', ['3</tmp/odd->']],
    [
      'execve("/usr/bin/gcc", ["gcc", "-O2"...], 0x7ffd71b7d678 /* 35 vars */)',
      ['"/usr/bin/gcc"', '["gcc" "-O2"...]', '0x7ffd71b7d678'],
    ],
    [
      'prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY})',
      ['0', 'RLIMIT_STACK', 'NULL', '{rlim_cur=(* 8192 1024) rlim_max=RLIM64_INFINITY}'],
    ],
    [
      'clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7fb6)',
      ['child_stack=NULL', 'flags=(| CLONE_CHILD_SETTID SIGCHLD)', 'child_tidptr=0x7fb6'],
    ],
    [
      'clone3({flags=CLONE_VM, stack_size=0x7fff80} => {parent_tid=[28758]}, 88)',
      ['{flags=CLONE_VM stack_size=0x7fff80}', '88'],
    ],
    [
      'wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], WNOHANG, NULL)',
      ['-1', '[{?WIFEXITED(s) && WEXITSTATUS(s) == 0}]', 'WNOHANG', 'NULL'],
    ],
    ['mincore(0x7f0000, 8192, [1, 0])', ['0x7f0000', '8192', '[1 0]']],
    [
      'ioctl(5, UFFDIO_API, {api=0xaa, features=0 => features=0x7ff, ioctls=1<<_UFFDIO_REGISTER})',
      ['5', 'UFFDIO_API', '{api=0xaa features=0 ioctls=(<< 1 _UFFDIO_REGISTER)}'],
    ],
    [
      'syscall_0x1ce(0x7f7864000000, 0x1000, 0, 0, 0, 0)',
      ['0x7f7864000000', '0x1000', '0', '0', '0', '0'],
    ],
    ['write(3, "\\x41\\x42\\303\\251"..., 8192)', ['3', '"ABé"...', '8192']],
    ['readv(3, [{iov_base="a", iov_len=1}, ...], 2)', ['3', '[{iov_base="a" iov_len=1} ...]', '2']],
    ['madvise(0x7f, 4096, 0x66 /* MADV_??? */)', ['0x7f', '4096', '0x66']],
    ['kill(17061<comm>, SIGKILL)', ['17061<comm>', 'SIGKILL']],
    ['getpid()', []],
    ['getrandom("\\x4d", 8, GRND_NONBLOCK)', []],
    ['futex_waitv2(what{ever, 3)', undefined],
    ['prctl(PR_CAPBSET_READ, 0x29 /* CAP_??? */)', ['PR_CAPBSET_READ', '0x29']],
    ['personality(0xffffffff)', ['0xffffffff']],
    ['brk(@weird #thing)', ['?@weird #thing']],
  ])('%s', (text, args) => {
    if (args === undefined) {
      expect(parse(`1 ${text} = 0${EXIT}`, 'x.log').program.torn).toBe(1);
      return;
    }
    expect(argsOf(call(`1 ${text} = 0`))).toEqual(args);
  });

  test('are the same however often and in whatever order they are read', () => {
    const steps = parse(`1 brk(0x1000) = 0x1000\n1 brk(0x2000) = 0x2000${EXIT}`, 'x.log').program
      .steps;
    const [first, second] = steps.map((s) => (s.op.kind === 'call' ? s.op : undefined));
    const firstArgs = plain(first?.args);
    expect(plain(second?.args)).not.toEqual(firstArgs);
    expect(plain(first?.args)).toEqual(firstArgs);
    expect(plain(first)).toEqual({ kind: 'call', name: 'brk', args: firstArgs });
    expect(first?.args[0]?.value.at).toEqual({ line: 1, column: 7 });
  });
});

describe('results', () => {
  test.each([
    [
      '= 0x7fc83c20d000',
      { kind: 'value', value: { hi: 0x7fc8, lo: 0x3c20d000 }, text: '0x7fc83c20d000' },
    ],
    ['= 3', { kind: 'value', value: { hi: 0, lo: 3 }, text: '3' }],
    ['= 3</etc/passwd>', { kind: 'value', text: '3', path: '/etc/passwd' }],
    ['= 3</memfd:x>(deleted)', { kind: 'value', text: '3', path: '/memfd:x (deleted)' }],
    ['= -1 ENOMEM (Cannot allocate memory)', { kind: 'errno', errno: 12, name: 'ENOMEM' }],
    ['= -1 EINVAL (Invalid argument) (INJECTED)', { kind: 'errno', errno: 22 }],
    ['= -1 EINVAL (Invalid argument) <0.000012>', { kind: 'errno', errno: 22 }],
    ['= -1 EWHATEVER (Unknown)', { kind: 'errno', errno: 0, name: 'EWHATEVER' }],
    ['= -1 (errno 1000)', { kind: 'errno', errno: 1000, name: 'errno 1000' }],
    ['= -1', { kind: 'value', text: '-1' }],
    ['= ?', { kind: 'none' }],
    ['= ? ERESTARTSYS (To be restarted if SA_RESTART is set)', { kind: 'none' }],
    ['= ? <unavailable>', { kind: 'none' }],
    ['= 0 (Timeout)', { kind: 'value', text: '0' }],
    ['= 0x38000 (flags O_RDONLY|O_LARGEFILE)', { kind: 'value', text: '0x38000' }],
    ['= 1 ([{fd=3, revents=POLLIN}])', { kind: 'value', text: '1' }],
    ["= 123 /* 456 in strace's PID NS */", { kind: 'value', text: '123' }],
    ['     = 17 <0.000012>', { kind: 'value', text: '17' }],
  ])('%s', (text, expected) => {
    expect(call(`1 munmap(0, 1) ${text}`).expected).toMatchObject(expected);
  });
});

describe('events', () => {
  test.each([
    [
      '--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---',
      { kind: 'signal', signal: 'SIGSEGV', code: 'SEGV_MAPERR', address: { hi: 0, lo: 16 } },
    ],
    [
      '--- SIGBUS {si_signo=SIGBUS, si_code=BUS_ADRERR, si_addr=NULL} ---',
      { kind: 'signal', signal: 'SIGBUS', code: 'BUS_ADRERR', address: { hi: 0, lo: 0 } },
    ],
    ['--- SIGCHLD (Child exited) @ 0 (0) ---', { kind: 'signal', signal: 'SIGCHLD' }],
    ['+++ exited with 3 +++', { kind: 'exited', status: 3 }],
    ['+++ killed by SIGSEGV (core dumped) +++', { kind: 'exited', killedBy: 'SIGSEGV' }],
    ['+++ superseded by execve in pid 17 +++', { kind: 'exited', supersededBy: '17' }],
  ])('%s', (text, op) => {
    expect(call(`1 ${text}`)).toMatchObject({ task: '1', text, op });
    expect(call(`1 ${text}`).op).toEqual(op);
  });

  test.each([
    ['strace: Process 17 attached', "strace's own messages"],
    ['--- stopped by SIGSTOP ---', 'stops by job control'],
    [' > /usr/lib/libc.so.6(mmap+0x13) [0x1234]', 'lines of stack traces'],
    [' | 00000  7f 45 4c 46  .ELF |', 'lines of hex dumps'],
    ['# a remark', 'comments'],
  ])('%s is left out with a note', (text, what) => {
    const { program, diagnostics } = parse(`${text}\n1 brk(NULL) = 0x1000${EXIT}`, 'x.log');
    expect(program.steps).toHaveLength(2);
    expect(program.torn).toBe(0);
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ severity: 'note', code: 'LOG004', line: 1 });
    expect(diagnostics[0]?.message).toContain(what);
  });

  test('a 32-bit process is a warning', () => {
    for (const line of [
      'strace: [ Process PID=7 runs in 32 bit mode. ]',
      '[ Process PID=7 runs in x32 mode. ]',
    ]) {
      const found = parse(`${line}\n1 brk(NULL) = 0x1000${EXIT}`, 'x.log').diagnostics;
      expect(found).toMatchObject([{ severity: 'warning', code: 'LOG005', line: 1 }]);
    }
  });

  test('a summary is left out, also one that is cut', () => {
    const summary =
      '% time     seconds  usecs/call     calls    errors syscall\n------ ---\n  0.00    0.000000           0         2           brk\n';
    const whole = parse(
      `1 brk(NULL) = 0x1000${EXIT}${summary}100.00    0.010000                  2           total\n`,
      'x.log',
    );
    expect(whole.program.steps).toHaveLength(2);
    expect(whole.diagnostics).toMatchObject([{ code: 'LOG004', severity: 'note' }]);
    expect(parse(`${summary}1 brk(NULL) = 0x1000${EXIT}`, 'x.log').program.steps).toHaveLength(2);
  });
});

describe('calls in two halves', () => {
  const steps = (text: string) =>
    stepsOf(text, 'x.log').map((s) => `${s.at.line}-${s.endLine ?? s.at.line} ${s.task} ${s.text}`);

  test('stand where they end', () => {
    expect(
      steps(`1 wait4(2,  <unfinished ...>
2 brk(NULL) = 0x1000
1 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 2 <0.1>
`),
    ).toEqual([
      '2-2 2 brk(NULL) = 0x1000',
      '1-3 1 wait4(2, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 2 <0.1>',
    ]);
  });

  test('but a call that makes a task stands where it begins', () => {
    const text = `1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
2 brk(NULL) = 0x1000
1 <... clone resumed>, child_tidptr=0x7f) = 2
`;
    expect(steps(text)).toEqual([
      '1-3 1 clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x7f) = 2',
      '2-2 2 brk(NULL) = 0x1000',
    ]);
    const first = stepsOf(text, 'x.log')[0];
    expect(first?.unfinished).toBeUndefined();
    expect(first?.expected).toMatchObject({ kind: 'value', text: '2' });
    expect(argsOf(first)).toEqual(['child_stack=NULL', 'flags=SIGCHLD', 'child_tidptr=0x7f']);
  });

  test('never ending ones stand where their task ends, or at the end', () => {
    const text = `1 mmap(NULL, 4096,  <unfinished ...>
2 exit_group(0 <unfinished ...>
1 +++ killed by SIGKILL +++
2 <... exit_group resumed>)             = ?
2 +++ exited with 0 +++
3 pause( <unfinished ...>
4 fork( <unfinished ...>
`;
    expect(steps(text)).toEqual([
      '1-1 1 mmap(NULL, 4096, <unfinished ...>',
      '3-3 1 +++ killed by SIGKILL +++',
      '2-4 2 exit_group(0)             = ?',
      '5-5 2 +++ exited with 0 +++',
      '7-7 4 fork( <unfinished ...>',
      '6-6 3 pause( <unfinished ...>',
    ]);
    const found = stepsOf(text, 'x.log');
    expect(found.map((s) => s.unfinished ?? false)).toEqual([
      true,
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(found[0]?.expected).toEqual({ kind: 'none' });
    expect(argsOf(found[0])).toEqual(['NULL', '4096']);
  });

  test('resumed only to be left again', () => {
    expect(
      steps(`1 futex(0x7f, FUTEX_WAIT, 2 <unfinished ...>
1 <... futex resumed> <unfinished ...>) = ?
1 +++ exited with 0 +++
`),
    ).toEqual(['1-2 1 futex(0x7f, FUTEX_WAIT, 2) = ?', '3-3 1 +++ exited with 0 +++']);
  });

  test('execve by another thread ends under the number of the leader', () => {
    const found = stepsOf(
      `1 pause( <unfinished ...>
2 execve("/bin/true", ["true"], 0x7f /* 3 vars */ <pid changed to 1 ...>
1 <... pause resumed>) = ?
1 +++ superseded by execve in pid 2 +++
1 <... execve resumed>) = 0
1 brk(NULL) = 0x1000
`,
      'x.log',
    );
    expect(found.map((s) => `${s.task} ${s.text.slice(0, 12)}`)).toEqual(
      ['1 pause() = ?', '1 +++ supersed', '1 execve("/bin', '1 brk(NULL) = '].map((s) =>
        s.slice(0, 14),
      ),
    );
    expect(found[1]?.op).toEqual({ kind: 'exited', supersededBy: '2' });
    expect(found[2]).toMatchObject({ endLine: 5, at: { line: 2 } });
  });

  test('an end without a beginning is torn', () => {
    const { program, diagnostics } = parse(
      `1 <... read resumed>) = 3\n1 brk(NULL) = 0x1000${EXIT}`,
      'x.log',
    );
    expect(program.torn).toBe(1);
    expect(diagnostics).toMatchObject([
      { severity: 'warning', code: 'LOG003', line: 1, column: 3 },
    ]);
  });
});

describe('torn lines', () => {
  test.each([
    ['17058 mmap(NULL, 8192, PROT_READ|PRO', 7],
    ['ATE|MAP_ANONYMOUS, -1, 0) = 0x7f786425b000', 1],
    ['17058 mmap(NULL, 8192, PROT_READ|17058 brk(NULL) = 0x5000', 7],
    ['17058 close(3)      17058 brk(NULL) = 0x5000', 7],
    ['17058 close(3) = 17058 brk(NULL) = 0x5000', 7],
    ['17058 close(3) = ', 7],
    ['17058 close(3) = -', 7],
    ['17058 openat(AT_FDCWD, "/usr/li', 7],
    ['17058 --- SIGSEGV {si_signo', 7],
    ['17058 +++ exited w', 7],
    ['17058 +++ something +++', 7],
    ['17058 <... read', 7],
    ['170', 1],
    ['hello, world', 1],
    ['\0\0\0\0\0\0\0', 1],
  ])('%j', (line, column) => {
    const log = `${'1 brk(NULL) = 0x1000\n'.repeat(9)}${line}\n1 brk(0x3000) = 0x3000${EXIT}`;
    const { program, diagnostics } = parse(log, 'x.log');
    expect(program.torn).toBe(1);
    expect(program.steps).toHaveLength(11);
    expect(diagnostics).toMatchObject([{ severity: 'warning', code: 'LOG001', line: 10, column }]);
  });

  const cut = (last: string) => parse(`1 brk(NULL) = 0x1000\n1 ${last}`, 'x.log');
  test.each([
    'mmap(NULL, 1, 1, 2, -1, 0) = 0x7f78',
    'openat(AT_FDCWD, "x", O_RDONLY) = 1',
    'mmap(NULL, 1, 1, 2, -1, 0) = 0',
    'brk(0) = -1 ENOM',
  ])('a result that the end of the file may have cut: %s', (last) => {
    const { program, diagnostics } = cut(last);
    expect(program.torn).toBe(1);
    expect(program.steps).toHaveLength(2);
    expect(program.steps[1]?.expected).toBeUndefined();
    expect(diagnostics).toMatchObject([{ severity: 'warning', code: 'LOG002', line: 2 }]);
  });
  test.each([
    'munmap(0, 1) = 0',
    'exit_group(0) = ?',
    'brk(0) = -1 ENOMEM (Cannot allocate memory)',
    '+++ exited with 0 +++',
  ])('an end without a newline that cannot have been cut: %s', (last) =>
    expect(cut(last)).toMatchObject({ program: { torn: 0 }, diagnostics: [] }),
  );

  test('a log of torn lines only has no steps', () => {
    const found = complaints('1 mmap(NULL, 81\n1 brk(NU\n', 'x.log');
    expect(found.at(-1)).toContain('error: this log has no complete line');
  });
});

describe('whose line it is', () => {
  const owners = (text: string) =>
    stepsOf(text, 'x.log').map((s) => `${s.task}:${s.text.slice(0, 5)}`);
  test('a process that is alone writes no number', () => {
    expect(
      parse(
        `execve("./a", ["./a"], 0x7f) = 0
clone(child_stack=NULL, flags=SIGCHLDstrace: Process 12 attached
, child_tidptr=0x7f) = 12
[pid 11] brk(NULL) = 0x1000
[pid 12] getpid() = 12
[pid 11] exit_group(0) = ?
[pid 11] +++ exited with 0 +++
munmap(0, 1) = 0
+++ exited with 0 +++
`,
        'x.log',
      ).program.steps.map((s) => `${s.at.line} ${s.task}:${s.text.slice(0, 5)}`),
    ).toEqual([
      '1 :execv',
      '2 :clone',
      '4 :brk(N',
      '5 12:getpi',
      '6 :exit_',
      '7 :+++ e',
      '8 12:munma',
      '9 12:+++ e',
    ]);
  });
  test('a clone3 that is broken by a message', () => {
    const found = stepsOf(
      `execve("./a", ["./a"], 0x7f) = 0
clone3({flags=CLONE_VM, child_tid=0x7f}strace: Process 12 attached
 => {parent_tid=[12]}, 88) = 12
[pid 12] brk(NULL) = 0x1000
`,
      'x.log',
      ['LOG004'],
    );
    expect(found.map((s) => s.task)).toEqual(['', '', '12']);
    expect(argsOf(found[1])).toEqual(['{flags=CLONE_VM child_tid=0x7f}', '88']);
    expect(found[1]?.expected).toMatchObject({ kind: 'value', text: '12' });
  });
  test('also where the child is seen before its parent goes on', () => {
    expect(
      owners(`execve("./a", ["./a"], 0x7f) = 0
vfork( <unfinished ...>
[pid 12] brk(NULL) = 0x1000
[pid 11] <... vfork resumed>) = 12
[pid 12] +++ exited with 0 +++
brk(NULL) = 0x2000
`),
    ).toEqual([':execv', ':vfork', '12:brk(N', '12:+++ e', ':brk(N']);
  });
  test('with numbers throughout, numbers are kept', () => {
    expect(owners('11 brk(NULL) = 0x1000\n11 fork() = 12\n12 brk(NULL) = 0x1000\n')).toEqual([
      '11:brk(N',
      '11:fork(',
      '12:brk(N',
    ]);
  });
});
