/**
 * The law `reverse-map` of the anon_vmas themselves: the chains that lead from a VMA to the folios
 * that it may map and back. A chain row that outlives its VMA would send a walk into freed memory;
 * a wrong count of users decides wrongly whether a fork may take an anon_vma over.
 * Source: mm/rmap.c unlink_anon_vmas(), anon_vma_clone(), __put_anon_vma(), 6.18.
 */
import type { Machine } from '../mm/mm_types.ts';
import type { Report } from './law.ts';
import { addressWords } from './words.ts';

/** What the chains of all VMAs come to, by anon_vma. */
export class ChainCount {
  /** VMAs whose own one it is; anon_vmas whose parent it is; 1 = some chain reaches it. */
  active = new Int32Array(64);
  children = new Int32Array(64);
  reached = new Uint8Array(64);
  /** The address space whose VMAs it is the own one of. */
  private owner = new Int32Array(64);
  private rows = 0;

  clear(rows: number): void {
    this.rows = rows;
    if (this.active.length < rows) {
      this.active = new Int32Array(rows * 2);
      this.children = new Int32Array(rows * 2);
      this.reached = new Uint8Array(rows * 2);
      this.owner = new Int32Array(rows * 2);
      return;
    }
    this.active.fill(0, 0, rows);
    this.children.fill(0, 0, rows);
    this.reached.fill(0, 0, rows);
    this.owner.fill(0, 0, rows);
  }

  /**
   * Follows a VMA's chain: its length, -1 if its own anon_vma is not in it, -2 if that is another
   * process's own one too: fork gives each its own, or one that nobody uses any more.
   */
  follow(m: Machine, v: number): number {
    const { anonVma, nextOfVma } = m.chain;
    const own = m.vma.anonVma[v]!;
    let length = 0;
    let holdsOwn = own === 0;
    for (let row = m.vma.chain[v]!; row !== 0 && length < m.chain.used; row = nextOfVma[row]!) {
      const a = anonVma[row]!;
      length++;
      if (a === own) holdsOwn = true;
      if (this.reached[a] !== 0) continue;
      this.reached[a] = 1;
      this.children[m.anonVma.parent[a]!]!++;
    }
    if (!holdsOwn) return -1;
    if (own === 0) return length;
    this.active[own]!++;
    const mm = m.vma.mm[v]!;
    if (this.owner[own] === 0) this.owner[own] = mm;
    return this.owner[own] === mm ? length : -2;
  }

  /** Calls `differs` for each anon_vma that some chain reaches; how many there are. */
  compare(m: Machine, differs: (a: number) => void): number {
    const { numActiveVmas, numChildren } = m.anonVma;
    let reached = 0;
    for (let a = 1; a < this.rows; a++) {
      if (this.reached[a] === 0) continue;
      reached++;
      if (numActiveVmas[a] !== this.active[a] || numChildren[a] !== this.children[a]) differs(a);
    }
    return reached;
  }
}

const PROBLEMS = ['a chain without its own anon_vma', "another process's anon_vma as its own"];

export class ChainLaws {
  private readonly m: Machine;
  private readonly report: Report;
  private readonly count = new ChainCount();

  constructor(m: Machine, report: Report) {
    this.m = m;
    this.report = report;
  }

  run(): void {
    const { m, count } = this;
    let links = 0;
    count.clear(m.anonVma.used);
    for (let mm = 1; mm < m.mm.used; mm++) {
      for (let v = m.mm.firstVma[mm]!; v !== 0; v = m.vma.next[v]!) links += this.chain(v);
    }
    this.equal('links of VMAs to anon_vmas', m.chain.live, links);
    const reached = count.compare(m, (a) => {
      const { numActiveVmas, numChildren } = m.anonVma;
      this.equal(`VMAs that anon_vma ${a} counts as its own`, numActiveVmas[a]!, count.active[a]!);
      this.equal(`children of anon_vma ${a}`, numChildren[a]!, count.children[a]!);
    });
    this.equal('anon_vmas', m.anonVma.live, reached);
    this.report.met('reverse-map', links);
  }

  /** Links of one VMA. */
  private chain(v: number): number {
    const { m, report } = this;
    const length = this.count.follow(m, v);
    if (length !== m.vma.chainLength[v] && report.break('reverse-map')) {
      const counted = `${m.vma.chainLength[v]!}, as it counts`;
      const found = length < 0 ? PROBLEMS[-1 - length]! : `${length} anon_vmas`;
      const due = length === -1 ? 'it among them' : length === -2 ? 'one of its own' : counted;
      const where = `VMA at ${addressWords(m.vma.start[v]!)}`;
      report.add('reverse-map', 0, -1, found, due, where);
    }
    return Math.max(length, 0);
  }

  private equal(what: string, found: number, due: number): void {
    if (found === due || !this.report.break('reverse-map')) return;
    this.report.add('reverse-map', 0, -1, `${found} ${what}`, `${due}`);
  }
}
