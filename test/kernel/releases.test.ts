/** What older kernels lack or answer otherwise, as 6.1.192 and 6.12.118 answered under emulation. */
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/lab/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const HEAD = `p: u = userfaultfd(O_NONBLOCK)
p: f = pidfd_open(p, 0)
p: m = mmap(1M, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)
`;

/** What the last line of a program comes to. */
function answer(kernel: string, line: string): string {
  const { program, diagnostics } = parseProgram(`${HEAD}${line}\n`, 'test.fl');
  expect(diagnostics).toEqual([]);
  const last = runProgram(program, { kernel }).steps.at(-1);
  return last?.errno ?? last?.result ?? '';
}

const SIZES = '/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled';

describe('a call on 6.1, on 6.12 and on 6.18', () => {
  it.each([
    ['p: mseal(m, 4K, 0)', 'ENOSYS', '0', '0'],
    ['p: memfd_secret(0)', 'ENOSYS', '5', '5'],
    ['p: memfd_create("n", MFD_EXEC)', 'EINVAL', '5', '5'],
    ['p: memfd_create("n", MFD_NOEXEC_SEAL)', 'EINVAL', '5', '5'],
    ['p: memfd_create("n", 0)', '5', '5', '5'],
    ['p: prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)', 'EINVAL', '0', '0'],
    ['p: prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)', 'EINVAL', '0', '0'],
    ['p: pidfd_open(p, 0x80)', 'EINVAL', '5', '5'],
    ['p: ftruncate(f, 4K)', 'EINVAL', 'EOPNOTSUPP', 'EOPNOTSUPP'],
    ['p: fallocate(f, 0, 0, 4K)', 'ENODEV', 'EPERM', 'EOPNOTSUPP'],
    ['p: pread64(f, m, 4, 0)', 'ESPIPE', 'EINVAL', 'EINVAL'],
    ['p: ioctl(u, UFFDIO_API, {api=UFFD_API, features=0})', '0', '0', '0'],
    ['p: ioctl(u, UFFDIO_API, {api=UFFD_API, features=UFFD_FEATURE_POISON})', 'EINVAL', '0', '0'],
    ['p: mmap(NULL, 2M, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)', ...aligned()],
    [`echo always > ${SIZES}`, 'ENOENT', '7', '7'],
  ])('%s', (line, older, middle, newer) => {
    expect([line, answer('6.1', line)]).toEqual([line, older]);
    expect([line, answer('6.12', line)]).toEqual([line, middle]);
    expect([line, answer('6.18', line)]).toEqual([line, newer]);
  });
});

/** The highest gap of 2 MiB, and the highest that is aligned. */
function aligned(): [string, string, string] {
  return ['0x7ffff7dff000', '0x7ffff7c00000', '0x7ffff7c00000'];
}

describe('smaps', () => {
  const flagsOf = (kernel: string, line: string, at: string) => {
    const read = 'cat /proc/p/smaps';
    const { program } = parseProgram(`p: getpid()\n${line}\n${read}\n`, 'test.fl');
    const text = runProgram(program, { kernel }).steps.at(-1)?.result ?? '';
    const block = text.slice(text.indexOf(at));
    return /VmFlags: (.*?) *\n/.exec(block)?.[1];
  };

  it('has no name for a lock on fault on 6.1, nor a mark of a stack', () => {
    const map = (more: string) =>
      `p: mmap(1M, 4K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED${more}, -1, 0)`;
    const locked = `${map('')}\np: mlock2(1M, 4K, MLOCK_ONFAULT)`;
    expect(flagsOf('6.1', locked, '00100000-')).toBe('rd wr mr mw me lo ?? ac');
    expect(flagsOf('6.18', locked, '00100000-')).toBe('rd wr mr mw me lo lf ac');
    expect(flagsOf('6.1', map('|MAP_STACK'), '00100000-')).toBe('rd wr mr mw me ac');
    expect(flagsOf('6.18', map('|MAP_STACK'), '00100000-')).toBe('rd wr mr mw me ac nh');
  });

  it('has no lock of secret memory on 6.12', () => {
    const secret =
      'p: f = memfd_secret(0)\np: ftruncate(f, 4K)\np: mmap(1M, 4K, PROT_READ, MAP_SHARED|MAP_FIXED, f, 0)';
    expect(flagsOf('6.12', secret, '00100000-')).toBe('rd sh mr mw ms dd');
    expect(flagsOf('6.18', secret, '00100000-')).toBe('rd sh mr mw ms lo dd');
  });
});
