/** What a check covers: kinds of memory, calls, and how much of each. */

/** What mmap(2) makes: private or shared; of nothing, of a memfd, of a file on ext4. */
export const KINDS = ['anon', 'shared', 'memfd', 'memfd-private', 'disk', 'disk-private'] as const;
export type Kind = (typeof KINDS)[number];

/** Groups of steps besides loads, stores and mmap. */
export const CALLS = [
  'munmap',
  'mremap',
  'dontunmap',
  'move_part',
  'resize',
  'fork',
  'exit',
  'mprotect',
  'dontneed',
  'hugepage',
  'populate',
  'truncate',
  'punch',
  'fault_around',
  'folio_sizes',
  'uffd',
] as const;
export type Call = (typeof CALLS)[number];

export interface Bounds {
  /** Processes alive in a program, the first included. */
  readonly tasks: number;
  /** Threads of the first process beside it, for races. */
  readonly threads: number;
  /** Pages of a mapping and of a file: the largest folio. A power of two. */
  readonly pages: number;
  /** Steps of a program. */
  readonly steps: number;
  readonly kinds: readonly Kind[];
  readonly calls: readonly Call[];
  /** Faults that may be at work at a time; 0: every access is one step. */
  readonly inFlight: number;
  /** States that differ only in which task is which are told apart. */
  readonly tellTasks?: boolean;
}

export const FOCUSES = ['default', 'shared', 'cow', 'files', 'uffd', 'races'] as const;
export type Focus = (typeof FOCUSES)[number];

const ONE: Bounds = {
  tasks: 2,
  threads: 0,
  pages: 4,
  steps: 5,
  kinds: ['anon', 'shared', 'memfd', 'memfd-private'],
  calls: [
    'munmap',
    'mremap',
    'move_part',
    'resize',
    'fork',
    'exit',
    'mprotect',
    'dontneed',
    'punch',
    'truncate',
  ],
  inFlight: 0,
};

export const PRESETS: Readonly<Record<Focus, Bounds>> = {
  default: ONE,
  shared: {
    ...ONE,
    steps: 6,
    kinds: ['shared', 'memfd'],
    calls: [
      'munmap',
      'mremap',
      'move_part',
      'resize',
      'fork',
      'exit',
      'dontneed',
      'punch',
      'truncate',
      'fault_around',
    ],
  },
  cow: {
    ...ONE,
    steps: 6,
    kinds: ['anon', 'memfd-private'],
    calls: [
      'munmap',
      'mremap',
      'dontunmap',
      'move_part',
      'resize',
      'fork',
      'exit',
      'mprotect',
      'dontneed',
      'hugepage',
    ],
  },
  files: {
    ...ONE,
    kinds: ['memfd', 'memfd-private', 'disk', 'disk-private'],
    calls: ['munmap', 'mremap', 'fork', 'punch', 'truncate', 'fault_around', 'dontneed'],
  },
  uffd: {
    ...ONE,
    tasks: 2,
    kinds: ['anon', 'shared', 'memfd'],
    calls: ['uffd', 'munmap', 'fork', 'dontneed', 'punch', 'fault_around'],
  },
  races: {
    ...ONE,
    tasks: 2,
    threads: 1,
    steps: 7,
    kinds: ['anon', 'memfd', 'memfd-private'],
    calls: ['fork', 'dontneed', 'punch'],
    inFlight: 2,
  },
};
