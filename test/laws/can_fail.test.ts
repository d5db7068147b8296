/** Every law can fail: a machine is corrupted by hand, and the law says so. */
import { describe, expect, test } from 'vitest';
import { LAWS, type LawName } from '../../src/laws/index.ts';
import { headOf } from '../../src/mm/folio.ts';
import { PG_ANON_EXCLUSIVE, PG_PREMATURE } from '../../src/mm/page_flags.ts';
import { newTableRow } from '../../src/mm/pgalloc.ts';
import { makePte, PTE_P, PTE_UFFD_WP, PTE_W, ptePfn } from '../../src/mm/pgtable.ts';
import { VM_UFFD_MISSING, VM_UFFD_WP, VM_WRITE } from '../../src/mm/vm_flags.ts';
import { vmaLookup } from '../../src/mm/vma_tree.ts';
import { NR_FREE_PAGES, PGFAULT } from '../../src/mm/vmstat.ts';
import { A, RW, S, type World, written } from './world.ts';

/** Parent and child; private pages at A, a 64K shmem folio at S, both written by the parent. */
function busy(): { w: World; child: number } {
  const w = written(32);
  const child = w.fork(w.parent, 'child');
  w.store(child, A, 7);
  w.load(child, S + 3);
  expect(w.broken()).toEqual([]);
  expect(w.seen).toEqual([]);
  return { w, child };
}

type Corruption = readonly [law: LawName, what: string, corrupt: (w: World, child: number) => void];

const CORRUPTIONS: readonly Corruption[] = [
  [
    'translation',
    'a shmem PTE moved by a page',
    (w) => {
      const slot = w.slot(w.parent, S + 5);
      w.m.pt[slot] = w.m.pt[slot]! + (1 << 5);
    },
  ],
  [
    'translation',
    'an anonymous page at another address',
    (w) => {
      const [a, b] = [w.slot(w.parent, A + 4), w.slot(w.parent, A + 5)];
      [w.m.pt[a], w.m.pt[b]] = [w.m.pt[b]!, w.m.pt[a]!];
    },
  ],
  [
    'translation',
    'a file page in anonymous memory',
    (w) => {
      w.m.pt[w.slot(w.parent, A + 5)] = w.m.pt[w.slot(w.parent, S + 5)]!;
    },
  ],
  [
    'translation',
    'a page-cache slot with the wrong page',
    (w) => {
      const pfn = ptePfn(w.m.pt[w.slot(w.parent, S + 5)]!);
      const at = w.m.pt.indexOf(pfn);
      w.m.pt[at] = pfn + 1;
    },
  ],
  [
    'containment',
    'an entry outside its VMA',
    (w) => {
      w.m.pt[w.slot(w.parent, A) + 64] = w.m.pt[w.slot(w.parent, A)]!;
    },
  ],
  [
    'containment',
    'a page table without a VMA',
    (w) => {
      const slot = w.m.mm.lastPmdTable[w.mm(w.parent)]! * 512 + 300;
      w.m.pt[slot] = newTableRow(w.m) << 2;
    },
  ],
  [
    'containment',
    'a wrong gap in the tree',
    (w) => {
      w.m.vma.gap[vmaLookup(w.m, w.mm(w.parent), S)]!++;
    },
  ],
  [
    'containment',
    'VMAs that overlap',
    (w) => {
      w.m.vma.end[vmaLookup(w.m, w.mm(w.parent), A)] = S + 4;
    },
  ],
  [
    'counters',
    'RSS by one',
    (w) => {
      w.m.mm.rssShmem[w.mm(w.parent)]!++;
    },
  ],
  [
    'counters',
    'total_vm',
    (w) => {
      w.m.mm.totalVm[w.mm(w.parent)]!--;
    },
  ],
  [
    'counters',
    'page tables',
    (w) => {
      w.m.mm.tables[w.mm(w.parent)]!++;
    },
  ],
  [
    'counters',
    'free memory',
    (w) => {
      w.m.vmstat[NR_FREE_PAGES]!--;
    },
  ],
  [
    'counters',
    'pages in the cache',
    (w) => {
      w.m.inode.nrPages[1]!++;
    },
  ],
  [
    'mapcount',
    'a page',
    (w) => {
      w.m.page.counts[ptePfn(w.m.pt[w.slot(w.parent, S + 5)]!)]!++;
    },
  ],
  [
    'mapcount',
    'a PTE that nobody counted',
    (w) => {
      w.m.pt[w.slot(w.parent, S + 40)] = w.m.pt[w.slot(w.parent, S + 8)]!;
    },
  ],
  [
    'mapcount',
    'the total of a large folio',
    (w) => {
      w.m.page.mapping[headOf(w.m, ptePfn(w.m.pt[w.slot(w.parent, S)]!)) + 1]!--;
    },
  ],
  [
    'mapcount',
    'the share of one mm',
    (w) => {
      w.m.page.index[headOf(w.m, ptePfn(w.m.pt[w.slot(w.parent, S)]!)) + 3]! += 3;
    },
  ],
  [
    'refcount',
    'one too many',
    (w) => {
      w.m.page.index[headOf(w.m, ptePfn(w.m.pt[w.slot(w.parent, S)]!)) + 1]!++;
    },
  ],
  [
    'refcount',
    'one too few',
    (w, child) => {
      w.m.page.counts[ptePfn(w.m.pt[w.slot(child, A)]!)]! -= 0x10000;
    },
  ],
  [
    'reverse-map',
    'a foreign anon_vma',
    (w, child) => {
      w.m.page.mapping[ptePfn(w.m.pt[w.slot(child, A)]!)] = -63;
    },
  ],
  [
    'reverse-map',
    'a VMA missing from i_mmap',
    (w) => {
      w.m.inode.firstVma[1] = w.m.vma.shareNext[w.m.inode.firstVma[1]!]!;
    },
  ],
  [
    'lifetime',
    'an entry of a free frame',
    (w) => {
      w.m.pt[w.slot(w.parent, A + 6)] = makePte(
        w.m.freeHead[0] || w.m.freeHead[1] || w.m.freeHead[2]!,
        RW,
      );
    },
  ],
  [
    'lifetime',
    'an entry beyond memory',
    (w) => {
      w.m.pt[w.slot(w.parent, A + 6)] = makePte(w.m.pages + 5, RW);
    },
  ],
  [
    'lifetime',
    'a folio that was put too often',
    (w) => {
      const head = headOf(w.m, ptePfn(w.m.pt[w.slot(w.parent, S)]!));
      w.m.page.flags[head] = w.m.page.flags[head]! | PG_PREMATURE;
    },
  ],
  [
    'permission',
    'writable in a read-only VMA',
    (w, child) => {
      w.m.vma.flags[vmaLookup(w.m, w.mm(child), A)]! &= ~VM_WRITE;
    },
  ],
  [
    'permission',
    'a page shared after fork, writable',
    (w) => {
      const slot = w.slot(w.parent, A + 5);
      w.m.pt[slot] = w.m.pt[slot]! | PTE_W;
    },
  ],
  [
    'permission',
    'PROT_NONE where the VMA has access',
    (w) => {
      const slot = w.slot(w.parent, A + 5);
      w.m.pt[slot] = (w.m.pt[slot]! & ~PTE_P) | PTE_W;
    },
  ],
  [
    'permission',
    'writable and write-protected by userfaultfd',
    (w, child) => {
      const slot = w.slot(child, A);
      w.m.pt[slot] = w.m.pt[slot]! | PTE_UFFD_WP;
    },
  ],
  [
    'permission',
    'a writable zero page',
    (w) => {
      w.m.pt[w.slot(w.parent, A + 30)] = makePte(w.m.zeroPfn, RW);
    },
  ],
  [
    'exclusivity',
    'a page of two processes',
    (w) => {
      const pfn = ptePfn(w.m.pt[w.slot(w.parent, A + 5)]!);
      w.m.page.flags[pfn] = w.m.page.flags[pfn]! | PG_ANON_EXCLUSIVE;
    },
  ],
  [
    'alignment',
    'a lost frame',
    (w, child) => {
      const pfn = ptePfn(w.m.pt[w.slot(child, A)]!);
      w.m.page.flags[pfn] = 0;
      w.m.page.counts[pfn] = 0;
    },
  ],
  [
    'alignment',
    'a tail page without its folio',
    (w) => {
      w.m.page.flags[ptePfn(w.m.pt[w.slot(w.parent, A + 5)]!)] = 0;
    },
  ],
  [
    'alignment',
    'a free block that is in no list',
    (w) => {
      for (let order = 0; order < 11; order++) w.m.freeHead[order] = 0;
    },
  ],
  [
    'alignment',
    'a free block over a frame in use',
    (w) => {
      const order = w.m.freeHead.findIndex((pfn, o) => o > 0 && pfn !== 0);
      w.m.page.counts[w.m.freeHead[order]! + 1] = 0x10001;
    },
  ],
];

describe('a corrupted state is caught', () => {
  test.each(CORRUPTIONS)('%s: %s', (law, _what, corrupt) => {
    const { w, child } = busy();
    corrupt(w, child);
    const caught = w.book.check([law]);
    expect(caught.length).toBeGreaterThan(0);
    expect(caught[0]!.message).toMatch(/^law [a-z-]+: .*found .+, due .+/);
  });
});

/** One fault was taken and counted. */
function took(w: World, task: number): void {
  w.m.vmstat[PGFAULT]! += 1;
  w.m.task.minflt[task]! += 1;
}

describe('a corrupted access is caught', () => {
  /** Runs an access by hand: `meddle` stands for what a wrong fault path would do. */
  function faulty(kind: number, vpn: number, meddle: (w: World, child: number) => void): string[] {
    const { w, child } = busy();
    w.book.before(child, vpn, kind);
    took(w, child);
    meddle(w, child);
    return w.book.after(child, vpn, kind, 0).map((v) => v.law);
  }

  test('no-overwrite: a neighbour gets another frame', () => {
    const laws = faulty(1, A + 20, (w, child) => {
      w.m.pt[w.slot(child, A + 20)] = w.m.pt[w.slot(child, A + 1)]!;
      w.m.pt[w.slot(child, A + 1)] = w.m.pt[w.slot(child, A + 2)]!;
    });
    expect(laws).toContain('no-overwrite');
  });

  test('no-overwrite: the touched page of a shared mapping is exchanged', () => {
    const laws = faulty(1, S + 3, (w, child) => {
      // Present but read-only, so that the access is one that faults.
      w.m.pt[w.slot(child, S + 3)] = makePte(ptePfn(w.m.pt[w.slot(child, S + 4)]!), PTE_P);
    });
    expect(laws).toEqual([]);
    const { w, child } = busy();
    const slot = w.slot(child, S + 3);
    w.m.pt[slot] = w.m.pt[slot]! & ~PTE_W;
    w.book.before(child, S + 3, 1);
    took(w, child);
    w.m.pt[slot] = w.m.pt[slot]! + 32;
    expect(w.book.after(child, S + 3, 1, 0).map((v) => v.law)).toEqual(['no-overwrite']);
  });

  test('residency: pages of other folios come along', () => {
    const laws = faulty(1, A + 20, (w, child) => {
      for (let i = 20; i < 24; i++)
        w.m.pt[w.slot(child, A + i)] = w.m.pt[w.slot(child, A + 2 * (i - 20))]!;
    });
    expect(laws).toContain('residency');
  });

  test('uffd: an armed VMA gets a whole folio', () => {
    const { w, child } = busy();
    w.m.vma.flags[vmaLookup(w.m, w.mm(child), S)]! |= VM_UFFD_MISSING | VM_UFFD_WP;
    w.book.before(child, S + 20, 1);
    took(w, child);
    for (let i = 16; i < 32; i++) w.m.pt[w.slot(child, S + i)] = w.m.pt[w.slot(w.parent, S + i)]!;
    expect(w.book.after(child, S + 20, 1, 0).map((v) => v.law)).toEqual(['uffd']);
  });

  test('progress: an access that never ends', () => {
    const { w, child } = busy();
    w.book.before(child, S + 20, 1);
    w.m.vmstat[13]! += 64;
    const stuck = w.book.after(child, S + 20, 1, 7);
    expect(stuck.map((v) => v.law)).toEqual(['progress']);
    expect(stuck[0]!.message).toContain('64 faults');
  });

  test('isolation: a load that does not see the last store', () => {
    const { w, child } = busy();
    expect(w.book.loaded(child, S + 3, 203)).toEqual([]);
    expect(w.book.loaded(child, S + 3, 204)[0]!.message).toBe(
      'law isolation: child 0x4003000: found value 204, due value 203, last stored to page 3 of shmem inode 1',
    );
    expect(w.book.loaded(child, A, 7)).toEqual([]);
    expect(w.book.loaded(w.parent, A, 7).map((v) => v.law)).toEqual(['isolation']);
    expect(w.book.loaded(w.parent, A + 50, 1).map((v) => v.law)).toEqual(['isolation']);
  });
});

test('every law has a corruption above', () => {
  const access: LawName[] = ['no-overwrite', 'residency', 'uffd', 'progress', 'isolation'];
  access.push('inheritance'); // promises.test.ts
  const covered = new Set<LawName>([...CORRUPTIONS.map(([law]) => law), ...access]);
  expect(LAWS.map((law) => law.name).filter((name) => !covered.has(name))).toEqual([]);
});
