/**
 * anon_vma: who may map an anonymous folio (mm/rmap.c, 6.18). A folio belongs to one anon_vma; a
 * VMA has a chain of the anon_vmas whose folios it may map: its own and, after fork, those of its
 * forebears. Merging VMAs and finding all PTEs of a folio both depend on it.
 */
import { type AnonVmaRow, ENOMEM, freeRow, newRow, type Row, type VmaRow } from '../base/index.ts';
import type { Machine } from './mm_types.ts';
import { VM_ACCESS_FLAGS, VM_MAYBE_GUARD, VM_SOFTDIRTY } from './vm_flags.ts';

/** anon_vma_chain_link(). */
function link(m: Machine, v: VmaRow, a: AnonVmaRow): void {
  const row = newRow(m.chain);
  const { vma, anonVma, nextOfVma, prevOfAnon, nextOfAnon } = m.chain;
  vma[row] = v;
  anonVma[row] = a;
  nextOfVma[row] = m.vma.chain[v]!;
  m.vma.chain[v] = row;
  m.vma.chainLength[v]!++;
  const first = m.anonVma.firstChain[a]!;
  prevOfAnon[row] = 0;
  nextOfAnon[row] = first;
  if (first !== 0) prevOfAnon[first] = row;
  m.anonVma.firstChain[a] = row;
}

function unlinkRow(m: Machine, row: Row): void {
  const { anonVma, prevOfAnon, nextOfAnon } = m.chain;
  const before = prevOfAnon[row]!;
  const after = nextOfAnon[row]!;
  if (before !== 0) nextOfAnon[before] = after;
  else m.anonVma.firstChain[anonVma[row]!] = after;
  if (after !== 0) prevOfAnon[after] = before;
  freeRow(m.chain, row);
}

/** The neighbour's anon_vma when the two VMAs could be merged but for it. */
function reusable(m: Machine, old: VmaRow, a: VmaRow, b: VmaRow): AnonVmaRow {
  const { start, end, pgoff, flags, flags2, file, anonVma, chainLength } = m.vma;
  const compatible =
    end[a] === start[b] &&
    file[a] === file[b] &&
    ((flags[a]! ^ flags[b]!) & ~(VM_ACCESS_FLAGS | VM_SOFTDIRTY | VM_MAYBE_GUARD)) === 0 &&
    flags2[a] === flags2[b] &&
    pgoff[b] === pgoff[a]! + (end[a]! - start[a]!);
  if (!compatible || chainLength[old] !== 1) return 0;
  return anonVma[old]!;
}

/**
 * Gives a VMA an anon_vma before its first anonymous page: a mergeable neighbour's, or a new one.
 * Source: mm/rmap.c __anon_vma_prepare(), mm/vma.c find_mergeable_anon_vma(), 6.18.
 */
export function anonVmaPrepare(m: Machine, v: VmaRow): number {
  if (m.vma.anonVma[v] !== 0) return 0;
  const next = m.vma.next[v]!;
  const prev = m.vma.prev[v]!;
  let a = next !== 0 ? reusable(m, next, v, next) : 0;
  if (a === 0 && prev !== 0) a = reusable(m, prev, prev, v);
  if (a === 0) {
    a = newRow(m.anonVma);
    m.anonVma.root[a] = a;
    m.anonVma.parent[a] = a;
    m.anonVma.numChildren[a] = 1;
  }
  m.vma.anonVma[v] = a;
  link(m, v, a);
  m.anonVma.numActiveVmas[a]!++;
  return 0;
}

/**
 * Lets `dst` map whatever `src` may map. A VMA that has no anon_vma of its own takes over one that
 * no VMA uses any more, if it has at most one child.
 * Source: mm/rmap.c anon_vma_clone(), 6.18.
 */
export function anonVmaClone(m: Machine, dst: VmaRow, src: VmaRow): number {
  for (let row = m.vma.chain[src]!; row !== 0; row = m.chain.nextOfVma[row]!) {
    const a = m.chain.anonVma[row]!;
    link(m, dst, a);
    if (
      m.vma.anonVma[dst] === 0 &&
      m.vma.anonVma[src] !== 0 &&
      m.anonVma.numChildren[a]! < 2 &&
      m.anonVma.numActiveVmas[a] === 0
    ) {
      m.vma.anonVma[dst] = a;
    }
  }
  const own = m.vma.anonVma[dst]!;
  if (own !== 0) m.anonVma.numActiveVmas[own]!++;
  return 0;
}

/**
 * A forked VMA: the parent's chain and an anon_vma of its own.
 * Source: mm/rmap.c anon_vma_fork(), 6.18.
 */
export function anonVmaFork(m: Machine, child: VmaRow, parent: VmaRow): number {
  const from = m.vma.anonVma[parent]!;
  if (from === 0) return 0;
  m.vma.anonVma[child] = 0;
  const error = anonVmaClone(m, child, parent);
  if (error !== 0) return error;
  if (m.vma.anonVma[child] !== 0) return 0;
  const a = newRow(m.anonVma);
  if (a === 0) return -ENOMEM;
  m.anonVma.root[a] = m.anonVma.root[from]!;
  m.anonVma.parent[a] = from;
  m.anonVma.numChildren[from]!++;
  m.anonVma.numActiveVmas[a] = 1;
  m.vma.anonVma[child] = a;
  link(m, child, a);
  return 0;
}

/**
 * Takes a VMA out of all anon_vmas; those that nobody maps any more go.
 * Source: mm/rmap.c unlink_anon_vmas(), 6.18.
 */
export function unlinkAnonVmas(m: Machine, v: VmaRow): void {
  if (m.vma.chainLength[v] === 0) return;
  let empty: AnonVmaRow[] | undefined;
  let row = m.vma.chain[v]!;
  while (row !== 0) {
    const next = m.chain.nextOfVma[row]!;
    const a = m.chain.anonVma[row]!;
    unlinkRow(m, row);
    if (m.anonVma.firstChain[a] === 0) {
      m.anonVma.numChildren[m.anonVma.parent[a]!]!--;
      if (empty === undefined) empty = [a];
      else empty.push(a);
    }
    row = next;
  }
  const own = m.vma.anonVma[v]!;
  if (own !== 0) m.anonVma.numActiveVmas[own]!--;
  m.vma.anonVma[v] = 0;
  m.vma.chain[v] = 0;
  m.vma.chainLength[v] = 0;
  if (empty !== undefined) for (const a of empty) freeRow(m.anonVma, a);
}
