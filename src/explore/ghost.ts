/**
 * The ghost memory: what a load of each page is due to see. It follows the meaning of the calls and
 * not page tables; the law `isolation` compares the two.
 */
import { storeContent } from '../mm/memory.ts';
import { VM_MAYSHARE } from '../mm/vm_flags.ts';
import { ARENA_START } from './alphabet.ts';
import type { SmallMachine } from './small_machine.ts';

export class Ghost {
  private readonly sm: SmallMachine;

  constructor(sm: SmallMachine) {
    this.sm = sm;
  }

  /** A store that an entry allows: to the machine, and to what is due. */
  store(task: number, mm: number, v: number, vpn: number): void {
    const { sm } = this;
    const { m } = sm;
    storeContent(m, task, vpn, sm.steps + 1);
    this.put(mm, v, vpn);
  }

  /** The page holds what this step put there. */
  put(mm: number, v: number, vpn: number): void {
    const { sm } = this;
    const { m } = sm;
    const value = sm.steps + 1;
    if ((m.vma.flags[v]! & VM_MAYSHARE) === 0) {
      sm.ghostMm[mm * sm.options.arenaPages + vpn - ARENA_START] = value;
      return;
    }
    const inode = m.file.inode[m.vma.file[v]!]!;
    const index = m.vma.pgoff[v]! + vpn - m.vma.start[v]!;
    sm.ghostInode[inode * sm.options.arenaPages + index] = value;
  }

  forget(mm: number, at: number, n: number): void {
    const { ghostMm, options } = this.sm;
    const from = mm * options.arenaPages + at - ARENA_START;
    for (let i = from; i < from + n; i++) ghostMm[i] = 0;
  }

  forgetFile(inode: number, from: number): void {
    const { ghostInode, options } = this.sm;
    const base = inode * options.arenaPages;
    for (let i = base + from; i < base + options.arenaPages; i++) ghostInode[i] = 0;
  }

  move(mm: number, from: number, to: number, n: number): void {
    const { ghostMm, options } = this.sm;
    const base = mm * options.arenaPages - ARENA_START;
    for (let i = 0; i < n; i++) {
      ghostMm[base + to + i] = ghostMm[base + from + i]!;
      ghostMm[base + from + i] = 0;
    }
  }

  /** A forked address space has what its parent had. */
  copySpace(from: number, to: number): void {
    const { ghostMm, options } = this.sm;
    const n = options.arenaPages;
    ghostMm.copyWithin(to * n, from * n, from * n + n);
  }

  dropSpace(mm: number): void {
    this.forget(mm, ARENA_START, this.sm.options.arenaPages);
  }
}
