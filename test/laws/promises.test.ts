/**
 * What the laws say beyond single entries: chains, committed memory, locks, marks, what a fault or a
 * fork promises. Each is broken by hand once, and says so in words.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freeRow } from '../../src/base/index.ts';
import { LAWS, type LawName } from '../../src/laws/index.ts';
import { headOf } from '../../src/mm/folio.ts';
import { PG_DIRTY, PG_LOCKED, PG_MM_SHARED } from '../../src/mm/page_flags.ts';
import {
  MARKER_GUARD,
  MARKER_UFFD_WP,
  makeMarker,
  makePte,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_UFFD_WP,
  PTE_W,
  ptePfn,
} from '../../src/mm/pgtable.ts';
import {
  VM_EXEC,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
} from '../../src/mm/vm_flags.ts';
import { vmaLookup } from '../../src/mm/vma_tree.ts';
import { MTHP_ANON_FAULT_ALLOC, MTHP_ITEMS, PGFAULT } from '../../src/mm/vmstat.ts';
import { A, RW, S, type World, written } from './world.ts';

/** A process with private memory at A, 16K folios, and a shmem folio of 64K at S. */
function world(): World {
  const w = written(16);
  expect(w.broken()).toEqual([]);
  return w;
}

const vma = (w: World, vpn: number): number => vmaLookup(w.m, w.mm(w.parent), vpn);
const frame = (w: World, vpn: number): number => ptePfn(w.m.pt[w.slot(w.parent, vpn)]!);

type Corruption = readonly [law: LawName, words: string, corrupt: (w: World) => void];

const STATES: readonly Corruption[] = [
  [
    'containment',
    'the file has 4 pages, this is page 4',
    (w) => {
      const file = w.m.vma.file[vma(w, S)]!;
      w.m.inode.size[w.m.file.inode[file]!] = 4 * 4096;
      // Of tmpfs a folio that begins within the file may reach past its end: this one does not.
      w.m.page.index[headOf(w.m, frame(w, S))] = 4;
    },
  ],
  ['counters', 'Committed_AS', (w) => void w.m.committed++],
  ['counters', 'Committed_AS', (w) => void w.m.inode.charged[1]!--],
  ['mapcount', 'marked as mapped by several mms', (w) => mark(w, S, PG_MM_SHARED)],
  ['refcount', 'a locked folio', (w) => mark(w, S, PG_LOCKED)],
  ['reverse-map', 'links of VMAs', (w) => void w.m.chain.rows.live++],
  [
    'reverse-map',
    'counts as its own',
    (w) => void w.m.anonVma.numActiveVmas[w.m.vma.anonVma[vma(w, A)]!]!++,
  ],
  [
    'reverse-map',
    'children of anon_vma',
    (w) => void w.m.anonVma.numChildren[w.m.vma.anonVma[vma(w, A)]!]!--,
  ],
  [
    'reverse-map',
    'chain without its own',
    (w) => {
      const v = vma(w, A);
      w.m.vma.chain[v] = 0;
    },
  ],
  [
    'permission',
    'at most read, written: its file allows no more',
    (w) => {
      const v = vma(w, A);
      w.m.vma.flags[v] = (w.m.vma.flags[v]! | VM_EXEC) & ~(VM_EXEC << 4);
    },
  ],
  [
    'uffd',
    'a mark of write protection',
    (w) => {
      const slot = w.slot(w.parent, A);
      w.m.pt[slot] = (w.m.pt[slot]! | PTE_UFFD_WP) & ~PTE_W;
    },
  ],
  [
    'isolation',
    'page 3, stored to and clean',
    (w) => {
      const slot = w.slot(w.parent, S + 3);
      w.m.pt[slot] = w.m.pt[slot]! & ~PTE_D;
      const head = headOf(w.m, frame(w, S));
      w.m.page.flags[head] = w.m.page.flags[head]! & ~PG_DIRTY;
    },
  ],
];

function mark(w: World, vpn: number, flag: number): void {
  const head = headOf(w.m, frame(w, vpn));
  w.m.page.flags[head] = w.m.page.flags[head]! | flag;
}

describe('a state that is wrong elsewhere', () => {
  test.each(STATES)('%s: %s', (law, words, corrupt) => {
    const w = world();
    corrupt(w);
    const caught = w.book.check([law]).map((v) => v.message);
    expect(caught.some((message) => message.includes(words))).toBe(true);
  });

  test('a link that outlives its VMA', () => {
    const w = world();
    const v = vma(w, A);
    const row = w.m.vma.chain[v]!;
    w.unmap(w.parent, A, 64);
    expect(w.broken()).toEqual([]);
    w.map(w.parent, A, 4, false);
    w.store(w.parent, A, 1);
    const own = w.m.vma.chain[vma(w, A)]!;
    expect(row).toBe(own);
    w.m.chain.rows.live++;
    expect(w.broken().join()).toContain('reverse-map');
    w.m.chain.rows.live--;
    freeRow(w.m.chain, own);
    expect(w.broken().join()).toContain('reverse-map');
  });
});

test('reverse-map: two processes with one own anon_vma', () => {
  const w = world();
  const child = w.fork(w.parent, 'child');
  const own = vma(w, A);
  const other = vmaLookup(w.m, w.mm(child), A);
  w.m.vma.anonVma[other] = w.m.vma.anonVma[own]!;
  const told = w.book.check(['reverse-map']).map((v) => v.message);
  expect(told.join()).toContain("another process's anon_vma as its own, due one of its own");
});

describe('an access that does what it may not', () => {
  /** Laws broken by an access of `vpn` that takes one fault and does `meddle`. */
  function broken(w: World, kind: number, vpn: number, result: number, meddle: () => void) {
    w.book.before(w.parent, vpn, kind);
    w.m.vmstat[PGFAULT]! += 1;
    w.m.task.minflt[w.parent]! += result === 0 ? 1 : 0;
    meddle();
    return w.book.after(w.parent, vpn, kind, result).map((v) => v.message);
  }
  const readonly = (w: World, vpn: number): number => {
    const slot = w.slot(w.parent, vpn);
    w.m.pt[slot] = w.m.pt[slot]! & ~PTE_W;
    return slot;
  };

  test('counters: a fault counted twice, or never', () => {
    const w = world();
    const slot = readonly(w, A);
    const twice = broken(w, 1, A, 0, () => {
      w.m.task.minflt[w.parent]! += 1;
      w.m.pt[slot] = w.m.pt[slot]! | PTE_W;
    });
    expect(twice.join()).toContain('2 faults counted, due at most 1');
    readonly(w, A);
    const never = broken(w, 1, A, 0, () => {
      w.m.task.minflt[w.parent]! -= 1;
      w.m.pt[slot] = w.m.pt[slot]! | PTE_W;
    });
    expect(never.join()).toContain('0 faults counted');
  });

  test('progress: two faults for one store', () => {
    const w = world();
    readonly(w, A);
    const found = broken(w, 1, A, 0, () => {
      w.m.vmstat[PGFAULT]! += 1;
      w.m.task.minflt[w.parent]! += 1;
    });
    expect(found.join()).toContain('2 faults for one access');
  });

  test('permission: a guard region lets an access through', () => {
    const w = world();
    const slot = w.slot(w.parent, A + 20);
    w.m.pt[slot] = makeMarker(MARKER_GUARD);
    const found = broken(w, 0, A + 20, 0, () => {
      w.m.pt[slot] = makePte(w.m.zeroPfn, PTE_P | PTE_A);
    });
    expect(found.join()).toContain('SIGSEGV: a guard region');
  });

  test('uffd: a missing page is filled without its handler', () => {
    const w = world();
    const v = vma(w, A);
    w.m.vma.flags[v] = w.m.vma.flags[v]! | VM_UFFD_MISSING;
    const slot = w.slot(w.parent, A + 20);
    const found = broken(w, 0, A + 20, 0, () => {
      w.m.pt[slot] = makePte(w.m.zeroPfn, PTE_P | PTE_A);
    });
    expect(found.join()).toContain('a wait for the handler: the page is missing');
  });

  test('uffd: a store to a write-protected page goes through', () => {
    const w = world();
    const v = vma(w, A);
    w.m.vma.flags[v] = w.m.vma.flags[v]! | VM_UFFD_WP;
    const slot = readonly(w, A + 1);
    w.m.pt[slot] = w.m.pt[slot]! | PTE_UFFD_WP;
    const found = broken(w, 1, A + 1, 0, () => {
      w.m.pt[slot] = (w.m.pt[slot]! & ~PTE_UFFD_WP) | PTE_W;
    });
    expect(found.join()).toContain('the page is write-protected');
  });

  test('uffd: a marker of write protection is forgotten', () => {
    const w = world();
    const v = vma(w, S);
    w.m.vma.flags[v] = w.m.vma.flags[v]! | VM_UFFD_WP;
    const slot = w.slot(w.parent, S + 20);
    w.m.pt[slot] = makeMarker(MARKER_UFFD_WP);
    const found = broken(w, 0, S + 20, 0, () => {
      w.m.pt[slot] = w.m.pt[w.slot(w.parent, S + 4)]! & ~PTE_W;
    });
    expect(found.join()).toContain('a write-protected page: its marker said so');
  });

  test('residency: a folio of a size that is forbidden here', () => {
    const w = world();
    const v = vma(w, A);
    const [from, to] = [w.slot(w.parent, A), w.slot(w.parent, A + 20)];
    w.m.vma.flags[v] = w.m.vma.flags[v]! | VM_NOHUGEPAGE;
    const found = broken(w, 1, A + 20, 0, () => {
      for (let i = 0; i < 4; i++) w.m.pt[to + i] = w.m.pt[from + i]!;
      w.m.mthp[2 * MTHP_ITEMS + MTHP_ANON_FAULT_ALLOC]! += 1;
    });
    expect(found.join()).toContain('a size that advice and sysfs allow here');
  });

  test('counters: a folio that no statistic counted', () => {
    const w = world();
    const [from, to] = [w.slot(w.parent, A), w.slot(w.parent, A + 20)];
    const found = broken(w, 1, A + 20, 0, () => {
      for (let i = 0; i < 4; i++) w.m.pt[to + i] = w.m.pt[from + i]!;
    });
    expect(found.join()).toContain('hugepages-16kB anon_fault_alloc 0 more, due 1');
  });

  test('exclusivity: a page that nobody else has is copied', () => {
    const w = world();
    const slot = readonly(w, A);
    const found = broken(w, 1, A, 0, () => {
      w.m.pt[slot] = makePte(frame(w, A + 5), RW);
    });
    expect(found.join()).toContain('law exclusivity');
  });
});

describe('a child that has what is not inherited', () => {
  const child = (w: World, meddle: (mm: number) => void): string => {
    const task = w.fork(w.parent, 'child');
    const mm = w.mm(task);
    meddle(mm);
    const told = w.book.called({ kind: 'forked', parent: w.mm(w.parent), child: mm });
    return told.map((v) => v.message).join();
  };

  test('nothing is wrong', () => {
    expect(child(world(), () => {})).toBe('');
  });

  test('a lock, a used entry, a dirty one of a file, a mapping too few', () => {
    const w = world();
    const found = child(w, (mm) => {
      const v = vmaLookup(w.m, mm, A);
      w.m.vma.flags[v] = w.m.vma.flags[v]! | VM_LOCKED;
    });
    expect(found).toContain('locks are not inherited');
    const other = world();
    expect(child(other, (mm) => used(other, mm))).toContain('the child has not used it');
  });

  /** The child's entry at A becomes young. */
  function used(w: World, mm: number): void {
    const task = w.m.task.mm.indexOf(mm);
    const slot = w.slot(task, A);
    w.m.pt[slot] = w.m.pt[slot]! | PTE_A;
  }
});

test('docs/laws.md says what the laws say', () => {
  const text = readFileSync(new URL('../../docs/laws.md', import.meta.url), 'utf8');
  for (const { name, judges, always, sometimes } of LAWS) {
    expect(text).toContain(`| \`${name}\` | ${judges} | ${always} | ${sometimes} |`);
    expect(text).toContain(`- **${name}.** `);
  }
});
