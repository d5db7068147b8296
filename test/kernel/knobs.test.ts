/**
 * Writes to sysfs and sysctl files, and what they read: the answers of a real 6.18
 * (golden/knobs.py, golden/knobs.txt) and what the source says of those that would change it.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errnoName } from '../../src/base/index.ts';
import { Driver } from './driver.ts';

const golden = readFileSync(new URL('./golden/knobs.txt', import.meta.url), 'utf8');
const THP = '/sys/kernel/mm/transparent_hugepage/';

/** Python's repr of a short string. */
function unquote(text: string): string {
  return text.slice(1, -1).replaceAll('\\n', '\n').replaceAll('\\t', '\t');
}

function answer(errno: number): string {
  return errno === 0 ? '0' : `-${errnoName(errno)}`;
}

test('writes are answered as a real kernel answers them', () => {
  const { kernel } = new Driver();
  const wrong: string[] = [];
  for (const line of golden.trimEnd().split('\n')) {
    const [path = '', text = '', expected = ''] = line.split('\t');
    if (text === '') {
      const file = kernel.readFile(path);
      const got = 'text' in file ? file.text : JSON.stringify(file);
      if (got !== unquote(expected)) wrong.push(`${path} reads ${got}, not ${expected}`);
      continue;
    }
    const got = answer(kernel.writeFile(path, unquote(text)));
    if (got !== expected) wrong.push(`${path} ${text}: ${got}, not ${expected}`);
  }
  expect(wrong).toEqual([]);
});

test('choices are shown in brackets, and sizes keep one choice each', () => {
  const { kernel } = new Driver();
  const set = (file: string, text: string): string => answer(kernel.writeFile(THP + file, text));
  const get = (file: string): string => {
    const read = kernel.readFile(THP + file);
    return 'text' in read ? read.text : '';
  };
  expect(set('enabled', 'always\n')).toBe('0');
  expect(get('enabled')).toBe('[always] madvise never\n');
  for (const word of ['always', 'inherit', 'madvise', 'never']) {
    expect(set('hugepages-64kB/enabled', word)).toBe('0');
    const all = 'always inherit madvise never\n'.replace(word, `[${word}]`);
    expect(get('hugepages-64kB/enabled')).toBe(all);
    expect(get('hugepages-32kB/enabled')).toBe('always inherit madvise [never]\n');
  }
  for (const word of ['always', 'inherit', 'within_size', 'advise', 'never']) {
    expect(set('hugepages-8kB/shmem_enabled', word)).toBe('0');
    const all = 'always inherit within_size advise never\n'.replace(word, `[${word}]`);
    expect(get('hugepages-8kB/shmem_enabled')).toBe(all);
  }
  expect(get('hugepages-2048kB/enabled')).toBe('always [inherit] madvise never\n');
});

test('force needs 2 MiB alone to inherit; deny and force leave the mount as it is', () => {
  const { kernel } = new Driver();
  const set = (file: string, text: string): string => answer(kernel.writeFile(THP + file, text));
  const s = kernel.m.settings;
  expect(set('shmem_enabled', 'advise')).toBe('0');
  expect(s.shmemMountHuge).toBe(s.shmemEnabled);
  expect(set('hugepages-64kB/shmem_enabled', 'inherit')).toBe('0');
  expect(set('shmem_enabled', 'force')).toBe('-EINVAL');
  expect(set('hugepages-64kB/shmem_enabled', 'never')).toBe('0');
  const mount = s.shmemMountHuge;
  expect(set('shmem_enabled', 'force')).toBe('0');
  expect(s.shmemMountHuge).toBe(mount);
  expect(set('hugepages-64kB/shmem_enabled', 'inherit')).toBe('-EINVAL');
  expect(set('shmem_enabled', 'deny')).toBe('0');
  expect(s.shmemMountHuge).toBe(mount);
});

test('fault_around_bytes rounds down to a power of two and takes any base', () => {
  const { kernel } = new Driver();
  const path = '/sys/kernel/debug/fault_around_bytes';
  const cases: [string, string, string][] = [
    ['4096\n', '0', '4096\n'],
    ['0x10000', '0', '65536\n'],
    ['0\n', '0', '4096\n'],
    ['1', '0', '4096\n'],
    ['70000', '0', '65536\n'],
    ['2097152', '0', '2097152\n'],
    ['2101248', '-EINVAL', '2097152\n'],
    ['x', '-EINVAL', '2097152\n'],
  ];
  for (const [text, expected, after] of cases) {
    expect(answer(kernel.writeFile(path, text)), text).toBe(expected);
    expect(kernel.readFile(path)).toEqual({ text: after });
  }
});

test('a caller without privilege reads but does not write; some files are for root only', () => {
  const d = new Driver();
  const user = d.spawn({ uid: 1000, name: 'user' });
  expect(answer(d.kernel.writeFile(`${THP}enabled`, 'never', user))).toBe('-EACCES');
  expect(d.kernel.readFile(`${THP}enabled`, user)).toEqual({
    text: 'always [madvise] never\n',
  });
  const extent = { offset: 0, length: 8 };
  expect(d.kernel.readFile('/proc/kpageflags', user, extent)).toEqual({ errno: 13 });
  expect('bytes' in d.kernel.readFile('/proc/self/pagemap', user, extent)).toBe(true);
});

test('older kernels lack the files that came later', () => {
  const old = new Driver({ kernelName: '6.10' });
  expect(old.kernel.readFile(`${THP}hugepages-64kB/shmem_enabled`)).toEqual({ errno: 2 });
  expect(old.kernel.readFile(`${THP}hugepages-64kB/stats/nr_anon`)).toEqual({ errno: 2 });
  expect(old.kernel.readFile(`${THP}hugepages-8kB/stats/split`)).toEqual({ errno: 2 });
  expect('text' in old.kernel.readFile(`${THP}hugepages-64kB/enabled`)).toBe(true);
});
