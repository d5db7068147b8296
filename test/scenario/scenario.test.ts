import { describe, expect, test } from 'vitest';
import { allCallNames, findCall } from '../../src/scenario/index.ts';
import { argsOf, complaints, lisp, parse, plain, stepsOf } from './helpers.ts';

const THREAD = `# Shared memory mapped, forked, moved by the child to an address that is not 16K-aligned.
#
# Second paragraph.

# Not part of the head.
kernel 6.18
memory 4G
echo always > /sys/kernel/mm/transparent_hugepage/hugepages-16kB/shmem_enabled
parent: a = mmap(64K, 16K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
parent: child = fork()
child:  b = mremap(a, 16K, 16K, MREMAP_MAYMOVE|MREMAP_FIXED, 68K)
parent: write a                         # one fault; a 16K folio
child:  write b                         # one fault; maps all four pages, not aligned
expect  child: minflt == 1              # faults taken by that task's last access
expect  /proc/child/status RssShmem == 16 kB
expect  child: page b+4K is parent: page a+4K
`;

test('the scenario of the design', () => {
  const { program, diagnostics } = parse(THREAD);
  expect(diagnostics).toEqual([]);
  expect(program).toMatchObject({
    dialect: 'scenario',
    kernel: '6.18',
    memory: 4 * 2 ** 30,
    torn: 0,
    about:
      'Shared memory mapped, forked, moved by the child to an address that is not 16K-aligned.\n\n' +
      'Second paragraph.',
  });
  expect(program.steps.map((s) => `${s.at.line}:${s.at.column} ${s.task}|${s.text}`)).toEqual([
    '8:1 |echo always > /sys/kernel/mm/transparent_hugepage/hugepages-16kB/shmem_enabled',
    '9:9 parent|a = mmap(64K, 16K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, 0)',
    '10:9 parent|child = fork()',
    '11:9 child|b = mremap(a, 16K, 16K, MREMAP_MAYMOVE|MREMAP_FIXED, 68K)',
    '12:9 parent|write a',
    '13:9 child|write b',
    '14:1 |expect  child: minflt == 1',
    '15:1 |expect  /proc/child/status RssShmem == 16 kB',
    '16:1 |expect  child: page b+4K is parent: page a+4K',
  ]);
  expect(program.steps[1]).toMatchObject({ bind: 'a', op: { kind: 'call', name: 'mmap' } });
});

describe('steps', () => {
  const access = (text: string) => {
    const step = stepsOf(`a = brk(0)\n${text}`)[1]!;
    if (step.op.kind !== 'access') throw new Error('no access');
    const { op } = step;
    const parts = [op.access, lisp(op.address)];
    if (op.length) parts.push(lisp(op.length));
    if (op.value) parts.push(`store ${lisp(op.value)}`);
    if (step.expected) parts.push(`expect ${JSON.stringify(plain(step.expected))}`);
    return parts.join(' | ');
  };
  test.each([
    ['read a', 'read | $a'],
    ['write a+4K', 'write | (+ $a 4K)'],
    ['exec 0x1000 8K', 'exec | 0x1000 | 8K'],
    ['write a + 4K 16K = 99', 'write | (+ $a 4K) | 16K | store 99'],
    ['write a (4K)', 'write | $a | 4K'],
    ['write a=1', 'write | $a | store 1'],
    ['read a = 7', 'read | $a | expect {"kind":"value","text":"7","value":{"hi":0,"lo":7}}'],
    ['\tread\ta\t', 'read | $a'],
  ])('%s', (text, form) => expect(access(text)).toBe(form));

  test.each([
    ['echo always > /sys/x', { kind: 'echo', value: 'always', path: '/sys/x' }],
    ['echo  3 4  >/sys/x # why', { kind: 'echo', value: '3 4', path: '/sys/x' }],
    ['echo "a # > b" > "/sys/x y"', { kind: 'echo', value: 'a # > b', path: '/sys/x y' }],
    ['echo > /sys/x', { kind: 'echo', value: '', path: '/sys/x' }],
    ['cat /proc/self/maps', { kind: 'cat', path: '/proc/self/maps' }],
    ['cat /tmp/a#b', { kind: 'cat', path: '/tmp/a#b' }],
  ])('%s', (text, op) => expect(stepsOf(text)[0]?.op).toEqual(op));

  test.each([
    ['= 0', { kind: 'value', text: '0', value: { hi: 0, lo: 0 } }],
    ['= 0x7f8464379000', { kind: 'value', value: { hi: 0x7f84, lo: 0x64379000 } }],
    ['= -1', { kind: 'value', value: { hi: 0xffffffff, lo: 0xffffffff } }],
    ['= -1 ENOMEM (Cannot allocate memory)', { kind: 'errno', errno: 12, name: 'ENOMEM' }],
    ['= -ENOMEM', { kind: 'errno', errno: 12, name: 'ENOMEM' }],
    ['= ?', { kind: 'none' }],
    ['= ? ERESTARTSYS (To be restarted)', { kind: 'none' }],
    ['= 3</tmp/x>', { kind: 'value', text: '3', path: '/tmp/x' }],
    ['= a+4K', { kind: 'expr', text: 'a+4K' }],
    ['= 0 <0.000012>', { kind: 'value', text: '0' }],
    ['= 0x1 (flags FD_CLOEXEC)', { kind: 'value', text: '0x1' }],
  ])('result %s', (text, expected) => {
    expect(stepsOf(`a = brk(0)\nbrk(a) ${text}`)[1]?.expected).toMatchObject(expected);
  });

  test('names of arguments', () => {
    const steps = stepsOf('c = clone(flags=CLONE_VM|SIGCHLD, child_stack=NULL)\nc: getpid()');
    expect(argsOf(steps[0])).toEqual(['flags=(| CLONE_VM SIGCHLD)', 'child_stack=NULL']);
  });

  test('every call takes its fewest and its most arguments, and no other number', () => {
    for (const name of allCallNames()) {
      const call = findCall(name)!;
      if (call.class === 'ignored') continue;
      const args = (n: number) => Array(n).fill('0').join(', ');
      expect(complaints(`${name}(${args(call.min)})`)).toEqual([]);
      expect(complaints(`${name}(${args(call.max)})`)).toEqual([]);
      expect(complaints(`${name}(${args(call.max + 1)})`)[0]).toContain('SCN005');
      if (call.min > 0) expect(complaints(`${name}(${args(call.min - 1)})`)[0]).toContain('SCN005');
    }
  });

  test('a step of a bound task, of a process by number, and lines of strace mixed in', () => {
    const steps = stepsOf(`a = mmap(0, 4K, 3, MAP_PRIVATE|MAP_ANONYMOUS)
17060 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_WONDER, 3</tmp/#12 (deleted)>, 0) = 0x7f0000000000
[pid 17060] write a
17060 wait4(-1,  <unfinished ...>
17061 12:00:01.5 brk(NULL) = 0x5000 <0.000004>
17060 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 17061
17060 --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---
17060 +++ killed by SIGSEGV (core dumped) +++
wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 17061
expect 17060: minflt == 1`);
    expect(steps.map((s) => `${s.task} ${s.op.kind}`)).toEqual([
      ' call',
      '17060 call',
      '17060 access',
      '17061 call',
      '17060 call',
      '17060 signal',
      '17060 exited',
      ' call',
      ' expect',
    ]);
    expect(argsOf(steps[1])[3]).toBe('(| MAP_PRIVATE ?MAP_WONDER)');
    expect(argsOf(steps[1])[4]).toBe('3</tmp/#12 (deleted)>');
    expect(steps[3]?.time).toBe(43201.5);
  });
});

test('a long log to which an expectation is added is a scenario', () => {
  const log = '17060 brk(NULL) = 0x1000\n'.repeat(900);
  expect(parse(log, 'x.log').program.dialect).toBe('strace');
  const { program, diagnostics } = parse(`${log}expect 17060: minflt == 0\n`, 'x.log');
  expect(diagnostics).toEqual([]);
  expect(program.dialect).toBe('scenario');
  expect(program.steps).toHaveLength(901);
});

describe('tasks', () => {
  test('the first task named is the initial one', () => {
    expect(complaints('write 0\nmain: write 0\nmain: kid = fork()\nkid: write 0')).toEqual([]);
    expect(complaints('expect main: minflt == 0\nmain: write 0')).toEqual([]);
    expect(complaints('kid = fork()\nmain: write 0\nkid: write 0')).toEqual([]);
  });
  test.each(['fork()', 'vfork()', 'clone(CLONE_VM|SIGCHLD)', 'clone3({flags=CLONE_VM})'])(
    '%s makes one',
    (call) => {
      expect(complaints(`main: t1 = ${call}\nt1: write 0\nmain: kill(t1, SIGKILL)`)).toEqual([]);
    },
  );
  test.each([
    [
      'main: write 0\nmian: write 0',
      "2:1: error: there is no task 'mian' yet; did you mean 'main'?",
    ],
    ['main: a = brk(0)\na: write 0', "2:1: error: there is no task 'a' yet"],
    [
      'main: child = fork()\nexpect chidl: vmas == 1',
      "2:8: error: there is no task 'chidl' yet; did you mean 'child'?",
    ],
    [
      'main: child = fork()\ncat /proc/chidl/maps',
      "2:11: error: there is no task 'chidl' yet; did you mean 'child'?",
    ],
    [
      'main: child = fork()\nexpect /proc/chidl/status Rss == 1',
      "2:14: error: there is no task 'chidl'",
    ],
    [
      'child = fork()\nchidl: write 0',
      "2:1: error: there is no task 'chidl' yet; did you mean 'child'?",
    ],
  ])('%j', (text, complaint) => {
    const found = complaints(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(complaint);
  });
});

describe('lines that cannot be understood', () => {
  test.each([
    [
      'a = mmapp(NULL, 4K)',
      "1:5: error: Linux on x86-64 has no call 'mmapp'; did you mean 'mmap'?",
    ],
    ['sbrk(0)', "did you mean 'brk'?"],
    ['wirte 0', "1:1: error: 'wirte' begins no step; did you mean 'write'?"],
    ['main: raed 0', "1:7: error: 'raed' begins no step; did you mean 'read'?"],
    ['expct x == 1', "did you mean 'expect'?"],
    ['munmap(0)', '1:1: error: munmap() takes 2 arguments, not 1; munmap(addr, len)'],
    ['mmap(lenn=3, 1, 1, 1)', "1:6: error: mmap() has no argument 'lenn'; did you mean 'len'?"],
    ['munmap(0, 4K) = -1 EINVL', "1:20: error: 'EINVL' is no error number; did you mean 'EINVAL'?"],
    ['munmap(0, 4K) = ENOMEM', "write '= -1 ENOMEM'"],
    ['munmap(0, 4K) == 0', '1:16: error: expected a value'],
    ['munmap(0, 4K) = 0 x', "1:19: error: unexpected 'x' behind the result"],
    ['munmap(0, 4K);', "1:14: error: unexpected ';' behind the call; a step needs no semicolon"],
    ['a = 5', "1:5: error: expected a call behind 'a =', found '5'"],
    ['NULL = brk(0)', "1:1: error: 'NULL' is a constant and cannot be bound"],
    ['page = brk(0)', "1:1: error: 'page' has a meaning of its own"],
    ['write = brk(0)', "1:1: error: 'write' has a meaning of its own"],
    ['order: write 0', "1:1: error: 'order' has a meaning of its own"],
    ['write 0 4K 4K', "1:12: error: unexpected '4K' behind the write"],
    ['exec 0 = 1', '1:8: error: exec has no value'],
    ['write', '1:6: error: expected a value, found the end of the line'],
    ['echo 3 /sys/x', "1:14: error: expected '>'"],
    ['echo 3 >> /sys/x', "1:8: error: expected '>', found '>'"],
    ['echo 3 > sys/x', '1:10: error: a path must begin with /'],
    ['echo 3 >', '1:9: error: expected a path'],
    ['cat /a /b', "1:8: error: unexpected '/' behind the path"],
    ['kernel', "1:1: error: expected a kernel's name"],
    ['kernel 6.18\nkernel 6.11\nread 0', "2:1: error: 'kernel' is given twice"],
    ['read 0\nmemory 4G', "2:1: error: 'memory' must stand before the first step"],
    ['memory 0\nread 0', '1:1: error: expected a size'],
    ['memory 4G 5\nread 0', "1:11: error: unexpected '5' behind the size"],
    ['// comment\nread 0', "1:1: error: expected a step, found '/'; comments begin with #"],
    ['read 0\n17060 mmap(NULL, 81', '2:7: error: this is no complete line of strace'],
    ['read 0\n17060 <... brk resumed>) = 0', '2:7: error: the beginning of this brk() is not'],
  ])('%j', (text, complaint) => {
    const found = complaints(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(complaint);
  });

  test('a bad step binds its name, so that one slip makes one message', () => {
    expect(complaints('a = mmapp(NULL, 4K)\nwrite a\na: write 0')).toHaveLength(1);
  });

  test('every bad line is reported, up to a number', () => {
    const { diagnostics } = parse('read 0\n' + 'wirte 0\n'.repeat(200));
    expect(diagnostics).toHaveLength(51);
    expect(diagnostics[49]?.line).toBe(51);
    expect(diagnostics[50]).toMatchObject({
      severity: 'error',
      code: 'SCN019',
      message: '150 more like these are not shown',
    });
  });

  test('CRLF, a byte order mark, tabs and a missing last newline are fine', () => {
    const steps = stepsOf('\ufeff# x\r\n\ta = brk(0)\r\n\r\nwrite a\r\nread a');
    expect(steps.map((s) => s.text)).toEqual(['a = brk(0)', 'write a', 'read a']);
  });
});

describe('files that are no program', () => {
  const zeros = '\0'.repeat(5000);
  test.each([
    ['', ': error: this file is empty'],
    ['\n \n\t\n', ': error: this file is empty'],
    ['# only\n# comments\n', ': error: this file has no steps'],
    ['kernel 6.18\n', ': error: this file has no steps'],
    [zeros, '1:1: error: this file is binary'],
    ['\x7fELF\x02\x01\x01\0\0\0\0'.repeat(90), '1:1: error: this file is binary'],
    ['\ufffd\ufffdab\ufffd'.repeat(90), '1:1: error: this file is binary'],
    ['root:x:0:0:root:/root:/bin/bash\n'.repeat(30), '1: error: this is neither'],
    ['Dear Sir or Madam,\nplease find below.\n', '1: error: this is neither'],
    ['{"json": true}\n', '1: error: this is neither'],
  ])('%#', (text, complaint) => {
    const found = complaints(text, 'x');
    expect(found).toHaveLength(1);
    expect(`:${found[0]}`).toContain(complaint);
  });
});
