/**
 * A notation for reports in tests. Pages of a mapping are words, from its start on:
 *
 *   `A0 A1`  pages 0 and 1 of folio A, whose order `folios` gives;  `a0` the same, read-only
 *   `.`      not mapped      `.*240` so many of them      `A0*16` pages 0 to 15
 *   `z`      zero page       `g` guard marker            `s` swap entry
 *   `P` `p`  an anonymous page that is a folio of its own; `F` `f` a page of the page cache
 *   `[A0*512]`  the same pages, mapped by one PMD
 */

import type {
  LawReport,
  LawViolation,
  PageReport,
  RunReport,
  StepReport,
  TaskReport,
  VmaReport,
  WhyReport,
} from '../../src/lab/index.ts';
import { vpnOf } from '../../src/view/words.ts';

interface FolioKind {
  readonly order: number;
  readonly anon: boolean;
}

export type Folios = Readonly<Record<string, FolioKind>>;

export interface MappingText {
  readonly start: string;
  readonly pages: string;
  readonly prot?: string;
  readonly file?: string;
  readonly flags?: string;
  readonly offset?: string;
}

/** Hands out canonical folio numbers: letters in order of first appearance over the report. */
export class Pages {
  readonly #folios: Folios;
  readonly #numbers = new Map<string, number>();
  #single = 0;

  constructor(folios: Folios = {}) {
    this.#folios = folios;
  }

  #number(name: string): number {
    const number = this.#numbers.get(name) ?? this.#numbers.size + 1;
    this.#numbers.set(name, number);
    return number;
  }

  #page(vpn: number, word: string, step: number, huge: boolean): PageReport {
    const name = word[0]!.toUpperCase();
    const base: PageReport = {
      address: `0x${vpn.toString(16)}000`,
      present: true,
      frame: 64,
      folio: 0,
      index: 0,
      order: 0,
      anon: true,
      writable: /[A-Z]/.test(word[0]!),
      dirty: false,
      mapcount: 1,
      ...(huge ? { huge } : {}),
    };
    if (word === 'z') return { ...base, writable: false, zero: true, anon: false };
    if (word === 'g') return { ...base, present: false, guard: true };
    if (word === 's') return { ...base, present: false };
    if (name === 'P' || name === 'F') {
      this.#single++;
      return { ...base, folio: this.#number(`single ${this.#single}`), anon: name === 'P' };
    }
    const kind = this.#folios[name];
    if (kind === undefined) throw new Error(`folio ${name} is not declared`);
    const index = Number(word.slice(1) || 0) + step;
    return { ...base, folio: this.#number(name), index, ...kind };
  }

  read(start: string, text: string): { pages: PageReport[]; count: number } {
    const pages: PageReport[] = [];
    let vpn = vpnOf(start);
    for (const token of text.split(' ')) {
      const huge = token.startsWith('[');
      const [word, times] = token.replace(/[[\]]/g, '').split('*');
      for (let i = 0; i < Number(times ?? 1); i++, vpn++) {
        if (word !== '.') pages.push(this.#page(vpn, word!, i, huge));
      }
    }
    return { pages, count: vpn - vpnOf(start) };
  }

  task(name: string, mappings: readonly MappingText[], more: Partial<TaskReport> = {}): TaskReport {
    const vmas: VmaReport[] = [];
    const pages: PageReport[] = [];
    for (const m of mappings) {
      const read = this.read(m.start, m.pages);
      vmas.push({
        start: m.start,
        end: `0x${(vpnOf(m.start) + read.count).toString(16)}000`,
        prot: m.prot ?? 'rw-p',
        flags: m.flags ?? 'rd wr mr mw me ac',
        offset: m.offset ?? '0x0',
        ...(m.file === undefined ? {} : { file: m.file }),
      });
      pages.push(...read.pages);
    }
    return {
      name,
      pid: 1000,
      vmas,
      pages,
      rss: { anon: 0, file: 0, shmem: 0, swap: 0 },
      minflt: 0,
      majflt: 0,
      exited: false,
      ...more,
    };
  }
}

export function step(
  line: number,
  task: string,
  text: string,
  more: Partial<StepReport> = {},
): StepReport {
  return { line, task, text, result: '0', minflt: 0, majflt: 0, verdict: 'unchecked', ...more };
}

export function law(
  name: string,
  exercised: number,
  broken: Partial<LawViolation>[] = [],
): LawReport {
  const full = broken.map((v) => ({
    law: name,
    line: 1,
    task: '',
    address: '',
    found: '',
    due: '',
    message: '',
    ...v,
  }));
  return { name, exercised, broken: full };
}

export function run(more: Partial<RunReport>): RunReport {
  const steps = more.steps ?? [];
  const count = (verdict: string): number => steps.filter((s) => s.verdict === verdict).length;
  return {
    kernel: '6.18',
    file: 'test.fl',
    dialect: 'scenario',
    about: '',
    steps,
    summary: {
      steps: steps.length,
      matched: count('matched'),
      mismatched: count('mismatched'),
      assumed: count('assumed'),
      unchecked: count('unchecked'),
      ignored: count('ignored'),
    },
    tasks: [],
    stats: {},
    laws: [],
    diagnostics: [],
    partial: false,
    ...more,
  };
}

/** Reports that between them use every sign a picture has. */
export function everything(): RunReport {
  const p = new Pages({
    A: { order: 2, anon: false },
    B: { order: 4, anon: true },
    C: { order: 9, anon: true },
    D: { order: 0, anon: true },
    E: { order: 2, anon: true },
  });
  return run({
    about: 'Every sign of the pictures is used. A second sentence is not shown.',
    steps: [
      step(0, 'main', 'echo always > /sys/kernel/mm/transparent_hugepage/enabled', { result: '7' }),
      step(
        2,
        'main',
        'a = mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)',
        {
          result: '0x7f0000000000',
        },
      ),
      step(3, 'main', 'write a', { minflt: 1 }),
      step(4, 'main', 'read 0', {
        result: '?',
        signal: { name: 'SIGSEGV', code: 'MAPERR', address: '0x0' },
      }),
      step(5, 'main', 'munmap(1, 4K) = -1 EINVAL', {
        result: '-1 EINVAL',
        errno: 'EINVAL',
        expected: '-1 EINVAL',
        verdict: 'matched',
      }),
      step(6, 'child', 'cat /proc/self/status', { result: 'Name:\tx\nVmRSS:\t   16 kB\n' }),
      step(7, 'child', 'expect child: minflt == 2', {
        result: '1',
        expected: '== 2',
        verdict: 'mismatched',
      }),
      step(8, 'child', 'madvise(a, 4K, 99)', { majflt: 2, note: 'advice 99 is not modelled' }),
      step(9, 'child', 'getpid()', { verdict: 'ignored' }),
      step(10, 'child', 'brk(NULL)', { result: '0x5000', verdict: 'assumed' }),
    ],
    tasks: [
      p.task(
        'main',
        [
          {
            start: '0x10000',
            pages: 'A0 A1 A2 A3 . . z g s D',
            file: '/dev/zero (deleted)',
            prot: 'rw-s',
          },
          { start: '0x7f0000000000', pages: 'B0*16', flags: 'rd wr hg lo' },
          { start: '0x7f0000200000', pages: '[C0*512] .*240 P p F f . D .*64' },
          {
            start: '0x7f0000601000',
            pages: 'e0 e1 e2 e3 .',
            prot: 'r--p',
            file: '/usr/lib/x',
            offset: '0x3000',
          },
          { start: '0x7f0000700000', pages: '.*16', file: '/usr/lib/libc.so.6' },
          { start: '0x7f0000710000', pages: '.*16', file: '/usr/lib/libc.so.6' },
          { start: '0x7f0000720000', pages: '.*4' },
          { start: '0x7ffffffde000', pages: '.*33', file: '[stack]', flags: 'gd' },
        ],
        { rss: { anon: 2195456, file: 16384, shmem: 16384, swap: 4096 }, minflt: 12, majflt: 1 },
      ),
      p.task(
        'child',
        [{ start: '0x11000', pages: 'A0 A1 a2 A3 d', file: '/dev/zero (deleted)', prot: 'rw-s' }],
        { pid: 1001, rss: { anon: 4096, file: 0, shmem: 16384, swap: 0 }, minflt: 1 },
      ),
      p.task('gone', [], { pid: 1002, exited: true, minflt: 3 }),
    ],
    stats: { pgfault: 12345, thp_fault_alloc: 1, zero: 0 },
    laws: [
      law('translation', 7, [
        {
          line: 3,
          task: '1001',
          address: '0x12000',
          found: 'page 1 of folio A',
          due: 'page 0 of folio A',
        },
      ]),
      law('progress', 2, [{ line: 4, message: 'an access took 1000 faults and did not end' }]),
      law('counters', 9),
      law('uffd', 0),
    ],
    partial: true,
  });
}

export function whyFixture(): WhyReport {
  const rule = 'include/linux/huge_mm.h thp_vma_allowable_orders()';
  return {
    file: 'test.fl',
    kernel: '6.18',
    task: 'child',
    address: '0x11000',
    state: 'page 0 of a 16 kB folio of the page cache',
    faults: [
      {
        line: 3,
        task: 'parent',
        text: 'write a',
        what: 'write fault at 0x10000',
        decisions: [
          {
            size: '',
            outcome: 'note',
            text: 'write fault at 0x10000',
            source: 'mm/memory.c handle_mm_fault()',
          },
          {
            size: '2 MB',
            outcome: 'refused',
            text: 'the VMA does not hold an aligned block of this size',
            source: rule,
          },
          { size: '64 kB', outcome: 'refused', text: 'hugepages-64kB is "never"', source: rule },
          {
            size: '16 kB',
            outcome: 'taken',
            text: 'maps all 4 pages of the folio',
            source: 'mm/memory.c finish_fault()',
          },
        ],
      },
    ],
    diagnostics: [],
  };
}
