/** The law `counters`: every counter that a user can read equals what there is to be counted. */
import type { InodeRow, MmRow } from '../base/index.ts';
import { FS_SHMEM } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';
import {
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_EXEC,
  VM_LOCKED,
  VM_SHARED,
  VM_STACK,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import {
  MTHP_ITEMS,
  MTHP_NR_ANON,
  MTHP_NR_ANON_PARTIALLY_MAPPED,
  NR_ANON_MAPPED,
  NR_ANON_THPS,
  NR_FILE_DIRTY,
  NR_FILE_MAPPED,
  NR_FILE_PAGES,
  NR_FILE_PMDMAPPED,
  NR_FILE_THPS,
  NR_FREE_PAGES,
  NR_MLOCK,
  NR_PAGETABLE,
  NR_SHMEM,
  NR_SHMEM_PMDMAPPED,
  NR_SHMEM_THPS,
  VMSTAT_NAMES,
} from '../mm/vmstat.ts';
import type { Census } from './census.ts';
import type { FrameTotals } from './folio_laws.ts';
import type { Report } from './law.ts';
import { addressWords, inodeWords } from './words.ts';

/** From a VM_READ, VM_WRITE, VM_EXEC to its VM_MAY…. */
const MAY_SHIFT = 4;

/** How much of a wrong count is known, and how much the calls since the last check may have added. */
interface Leak {
  lost: number;
  mayLose: number;
}

/**
 * Counts that the kernel itself loses since mremap was rewritten (6.15; both seen on 6.18.44). One
 * that shrinks and moves leaves its charge in Committed_AS behind (mm/mremap.c vrm_calc_charge());
 * MREMAP_DONTUNMAP of locked memory adds it to locked_vm and unlocks the old place without taking
 * it off (vrm_stat_account(), dontunmap_complete()).
 */
export class Leaks {
  readonly commit: Leak = { lost: 0, mayLose: 0 };
  readonly locked = new Map<MmRow, Leak>();

  lockedOf(mm: MmRow): Leak {
    let leak = this.locked.get(mm);
    if (leak === undefined) {
      leak = { lost: 0, mayLose: 0 };
      this.locked.set(mm, leak);
    }
    return leak;
  }
}

/** What a counter should say that says `found`, where `due` is there: with what is lost by now. */
function withLoss(leak: Leak | undefined, found: number, due: number): number {
  if (leak === undefined) return due;
  const more = found - due - leak.lost;
  if (more > 0 && more <= leak.mayLose) leak.lost += more;
  leak.mayLose = 0;
  return due + leak.lost;
}

export class CounterLaws {
  private accounted = 0;
  private leaks = new Leaks();
  private readonly m: Machine;
  private readonly census: Census;
  private readonly report: Report;
  private compared = 0;

  constructor(m: Machine, census: Census, report: Report) {
    this.m = m;
    this.census = census;
    this.report = report;
  }

  run(totals: FrameTotals, leaks: Leaks): void {
    this.leaks = leaks;
    const { m } = this;
    for (let mm = 1; mm < m.mm.used; mm++) {
      if (m.mm.users[mm] !== 0 || m.mm.firstVma[mm] !== 0 || m.mm.pgd[mm] !== 0) this.space(mm);
      else leaks.locked.delete(mm);
    }
    let charged = 0;
    for (let inode = 1; inode < m.inode.used; inode++) {
      charged += m.inode.charged[inode]!;
      const pages = this.census.inodePages[inode]!;
      this.equal('page-cache pages', m.inode.nrPages[inode]!, pages, 0, () => inodeWords(m, inode));
      this.sharers(inode);
    }
    this.machine(totals);
    this.committed(this.accounted + charged);
    this.report.met('counters', this.compared);
  }

  private equal(what: string, found: number, due: number, task: number, of?: () => string): void {
    if (due !== 0) this.compared++;
    if (found === due || !this.report.break('counters')) return;
    this.report.add(
      'counters',
      task,
      -1,
      `${what} ${found}`,
      `${due}`,
      of === undefined ? '' : of(),
    );
  }

  /** Committed_AS: the pages of VMAs that are accounted, and the charges of shared objects. */
  private committed(pages: number): void {
    const { committed } = this.m;
    const due = withLoss(this.leaks.commit, committed, pages);
    this.equal('Committed_AS (pages)', committed, due, 0);
  }

  private space(mm: MmRow): void {
    const { m, census } = this;
    const c = m.mm;
    const task = census.taskOf[mm] ?? 0;
    const real = census.mms[mm]!;
    this.equal('RssAnon (pages)', c.rssAnon[mm]!, real.rssAnon, task);
    this.equal('RssFile (pages)', c.rssFile[mm]!, real.rssFile, task);
    this.equal('RssShmem (pages)', c.rssShmem[mm]!, real.rssShmem, task);
    this.equal('swap entries', c.swapEntries[mm]!, real.swapEntries, task);
    this.equal('page tables (VmPTE)', c.tables[mm]!, real.tables, task);
    let count = 0;
    let total = 0;
    let locked = 0;
    let data = 0;
    let exec = 0;
    let stack = 0;
    let last = 0;
    const { start, end, flags, next, prev } = m.vma;
    let before = 0;
    for (let v = c.firstVma[mm]!; v !== 0; v = next[v]!) {
      const n = end[v]! - start[v]!;
      const f = flags[v]!;
      count++;
      total += n;
      if ((f & VM_LOCKED) !== 0) locked += n;
      if ((f & (VM_EXEC | VM_WRITE | VM_STACK)) === VM_EXEC) exec += n;
      else if ((f & VM_STACK) !== 0) stack += n;
      else if ((f & (VM_WRITE | VM_SHARED | VM_STACK)) === VM_WRITE) data += n;
      if ((f & VM_ACCOUNT) !== 0) this.accounted += n;
      if (n <= 0 || start[v]! < last || prev[v] !== before) this.disorder(task, v);
      this.gap(task, v);
      if ((f & ~(f >> MAY_SHIFT) & VM_ACCESS_FLAGS) !== 0) this.mayNot(task, v);
      last = end[v]!;
      before = v;
    }
    this.equal('VMAs', c.mapCount[mm]!, count, task);
    this.equal('total_vm', c.totalVm[mm]!, total, task);
    const lockedDue = withLoss(this.leaks.locked.get(mm), c.lockedVm[mm]!, locked);
    this.equal('locked_vm', c.lockedVm[mm]!, lockedDue, task);
    this.equal('data_vm', c.dataVm[mm]!, data, task);
    this.equal('exec_vm', c.execVm[mm]!, exec, task);
    this.equal('stack_vm', c.stackVm[mm]!, stack, task);
  }

  private disorder(task: number, v: number): void {
    if (!this.report.break('containment')) return;
    const { start, end } = this.m.vma;
    const found = `VMA ${addressWords(start[v]!)}-${addressWords(end[v]!)} out of order`;
    this.report.add('containment', task, start[v]!, found, 'VMAs in ascending order, disjoint');
  }

  /** What a mapping was made without (VM_MAY…: a read-only or noexec file) it never gets. */
  private mayNot(task: number, v: number): void {
    if (!this.report.break('permission')) return;
    const { start, flags } = this.m.vma;
    const found = `a mapping that may be ${rights(flags[v]!)}`;
    const due = `at most ${rights(flags[v]! >> MAY_SHIFT)}: its file allows no more`;
    this.report.add('permission', task, start[v]!, found, due);
  }

  /** The tree's largest free gap below any VMA of a subtree, by which holes are found. */
  private gap(task: number, v: number): void {
    const { start, end, prev, left, right, gap } = this.m.vma;
    const own = start[v]! - end[prev[v]!]!;
    const below = Math.max(
      left[v] === 0 ? 0 : gap[left[v]!]!,
      right[v] === 0 ? 0 : gap[right[v]!]!,
    );
    const due = Math.max(own, below);
    if (gap[v] === due || !this.report.break('containment')) return;
    const found = `a largest gap of ${gap[v]!} pages`;
    this.report.add('containment', task, start[v]!, found, `${due}`);
  }

  /** i_mmap of an inode: exactly the VMAs that map it. */
  private sharers(inode: InodeRow): void {
    const { m, report } = this;
    const { mm, file, shareNext } = m.vma;
    let listed = 0;
    for (let v = m.inode.firstVma[inode]!; v !== 0 && listed <= m.vma.used; v = shareNext[v]!) {
      listed++;
      if (mm[v] !== 0 && m.file.inode[file[v]!] === inode) continue;
      if (report.break('reverse-map')) {
        const found = `VMA row ${v} in the list of the VMAs that map it`;
        report.add('reverse-map', 0, -1, found, 'a VMA of this inode', inodeWords(m, inode));
      }
    }
    let due = 0;
    for (const v of this.fileVmas(inode)) if (v !== 0) due++;
    report.met('reverse-map', due === 0 ? 0 : 1);
    if (listed === due || !report.break('reverse-map')) return;
    report.add('reverse-map', 0, -1, `${listed} VMAs in i_mmap`, `${due}`, inodeWords(m, inode));
  }

  private byInode: Map<InodeRow, number[]> | null = null;

  private fileVmas(inode: InodeRow): readonly number[] {
    if (this.byInode === null) {
      const { m } = this;
      this.byInode = new Map();
      for (let mm = 1; mm < m.mm.used; mm++) {
        for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) {
          if (m.vma.file[v] === 0) continue;
          const owner = m.file.inode[m.vma.file[v]!]!;
          const list = this.byInode.get(owner);
          if (list === undefined) this.byInode.set(owner, [v]);
          else list.push(v);
        }
      }
    }
    return this.byInode.get(inode) ?? [];
  }

  private machine(t: FrameTotals): void {
    const { m, census } = this;
    let tables = 0;
    for (let mm = 1; mm < m.mm.used; mm++) tables += census.mms[mm]!.tables;
    const due: readonly (readonly [number, number])[] = [
      [NR_ANON_MAPPED, t.anonMapped],
      [NR_FILE_MAPPED, t.fileMapped],
      [NR_FILE_PAGES, t.filePages],
      [NR_FILE_DIRTY, t.dirtyPages],
      [NR_SHMEM, t.shmemPages],
      [NR_SHMEM_THPS, t.shmemThps],
      [NR_SHMEM_PMDMAPPED, t.shmemPmdMapped],
      [NR_FILE_THPS, t.fileThps],
      [NR_FILE_PMDMAPPED, t.filePmdMapped],
      [NR_ANON_THPS, t.anonThps],
      [NR_PAGETABLE, tables],
      [NR_FREE_PAGES, t.freePages],
      [NR_MLOCK, t.mlocked],
    ];
    for (const [item, value] of due) this.equal(VMSTAT_NAMES[item]!, m.vmstat[item]!, value, 0);
    for (let order = 1; order <= 9; order++) {
      const base = order * MTHP_ITEMS;
      const size = `hugepages-${4 << order}kB`;
      this.equal(`${size} nr_anon`, m.mthp[base + MTHP_NR_ANON]!, t.anonFolios[order]!, 0);
      const partial = m.mthp[base + MTHP_NR_ANON_PARTIALLY_MAPPED]!;
      this.equal(`${size} nr_anon_partially_mapped`, partial, t.anonPartial[order]!, 0);
    }
    this.superblocks();
  }

  /** Blocks in use on each tmpfs are the page-cache pages of its inodes. */
  private superblocks(): void {
    const { m, census } = this;
    const used: number[] = [];
    for (let inode = 1; inode < m.inode.used; inode++) {
      const sb = m.inode.sb[inode]!;
      if (m.inode.kind[inode] !== FS_SHMEM) continue;
      used[sb] = (used[sb] ?? 0) + census.inodePages[inode]!;
    }
    for (let sb = 1; sb < m.sb.used; sb++) {
      if (m.sb.kind[sb] !== FS_SHMEM) continue;
      this.equal(`tmpfs ${sb} blocks in use`, m.sb.usedBlocks[sb]!, used[sb] ?? 0, 0);
    }
  }
}

function rights(flags: number): string {
  const words = ['read', 'written', 'executed'].filter((_, i) => (flags & (1 << i)) !== 0);
  return words.length === 0 ? 'not accessed' : words.join(', ');
}
