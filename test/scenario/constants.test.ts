import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERRNO, word } from '../../src/base/index.ts';
import {
  allConstantNames,
  constantNames,
  errnoNumber,
  findConstant,
  formatFlags,
} from '../../src/scenario/index.ts';

const hasCompiler =
  process.arch === 'x64' &&
  process.platform === 'linux' &&
  spawnSync('cc', ['-E', '-'], { input: '#include <linux/userfaultfd.h>\n#include <sys/mman.h>\n' })
    .status === 0;

const HEADERS = `#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
`;

/** What the C library defines otherwise than the kernel: O_LARGEFILE is 0, SIGRTMIN is the third. */
const LIBRARY = new Set(['O_LARGEFILE', 'SIGRTMIN', 'NULL']);

/** The system's values of those of our constants that its headers define as macros. */
function systemValues(): Map<string, string> {
  const dir = mkdtempSync(join(tmpdir(), 'faultline-constants-'));
  try {
    const names = allConstantNames().filter((name) => !LIBRARY.has(name));
    const lines = names.map(
      (name) => `#ifdef ${name}\nprintf("${name} %llx\\n", (unsigned long long)(${name}));\n#endif`,
    );
    const source = join(dir, 'c.c');
    writeFileSync(source, `${HEADERS}int main(void) {\n${lines.join('\n')}\nreturn 0; }\n`);
    execFileSync('cc', ['-w', source, '-o', join(dir, 'c')]);
    const output = execFileSync(join(dir, 'c'), { encoding: 'utf8' });
    return new Map(
      output
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test.skipIf(!hasCompiler)('constants are those of the system headers (needs cc on x86-64)', () => {
  const system = systemValues();
  const wrong: string[] = [];
  for (const [name, hex] of system) {
    const ours = findConstant(name)!;
    if (word.toHex(ours) !== `0x${hex}`) wrong.push(`${name}: ${word.toHex(ours)}, not 0x${hex}`);
  }
  expect(wrong).toEqual([]);
  // Newer constants are missing in older headers; most must be there, or nothing was compared.
  expect(system.size).toBeGreaterThan(550);
});

test('error numbers are those of base', () => {
  for (const [name, number] of Object.entries(ERRNO)) expect(errnoNumber(name)).toBe(number);
  expect(errnoNumber('EFOO')).toBe(0);
  expect(errnoNumber('PROT_EXEC')).toBe(0);
});

describe('names of values', () => {
  test.each([
    ['PROT_', 0, 'PROT_NONE'],
    ['PROT_', 7, 'PROT_READ|PROT_WRITE|PROT_EXEC'],
    ['MAP_', 0x22, 'MAP_PRIVATE|MAP_ANONYMOUS'],
    ['MAP_', 0x21, 'MAP_SHARED|MAP_ANONYMOUS'],
    ['MAP_', 0x03, 'MAP_SHARED_VALIDATE'],
    ['MAP_', 0x28, 'MAP_DROPPABLE|MAP_ANONYMOUS'],
    ['MAP_', 0x100012, 'MAP_PRIVATE|MAP_FIXED|MAP_FIXED_NOREPLACE'],
    ['MAP_', 0x54040022, 'MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|MAP_HUGE_2MB'],
    ['MAP_', 0x4c000000 + 0x8000000, 'MAP_HUGE_2MB'],
    ['MAP_', 0x4000000 * 3, '3<<MAP_HUGE_SHIFT'],
    ['MAP_', 0x200002, 'MAP_PRIVATE|0x200000'],
    ['MREMAP_', 7, 'MREMAP_MAYMOVE|MREMAP_FIXED|MREMAP_DONTUNMAP'],
    ['O_', 0x80000, 'O_RDONLY|O_CLOEXEC'],
    ['O_', 0x42, 'O_RDWR|O_CREAT'],
    ['MCL_', 0, '0'],
    ['MFD_', 0x5, 'MFD_CLOEXEC|MFD_HUGETLB'],
  ])('%s %i', (prefix, value, text) => {
    expect(formatFlags(prefix, word.fromNumber(value))).toBe(text);
  });

  test('exact values', () => {
    expect(constantNames('MADV_', word.fromNumber(25))).toEqual(['MADV_COLLAPSE']);
    expect(constantNames('MADV_', word.fromNumber(999))).toEqual([]);
    expect(constantNames('PR_SET_THP', word.fromNumber(41))).toEqual(['PR_SET_THP_DISABLE']);
    expect(constantNames('SIG', word.fromNumber(17))[0]).toBe('SIGCHLD');
  });

  test('every family of flags is printed so that it has the same value again', () => {
    for (const prefix of ['PROT_', 'MREMAP_', 'MCL_', 'MAP_', 'CLONE_', 'FALLOC_FL_', 'SHM_']) {
      for (let bit = 0; bit < 32; bit++) {
        const value = word.shl(word.u64(0, 1), bit);
        const text = formatFlags(prefix, value);
        let sum = word.ZERO;
        for (const part of text.split('|')) {
          const shift = part.split('<<');
          const known = findConstant(part) ?? word.parseDigits(part.slice(2), 16);
          const shifted = word.fromNumber(Number(shift[0]) * 2 ** 26);
          sum = word.or(sum, shift.length === 2 ? shifted : known!);
        }
        expect([text, word.toHex(sum)]).toEqual([text, word.toHex(value)]);
      }
    }
  });
});
