/** Steps that change a file under its mappings. */

import type { Machine } from '../mm/mm_types.ts';
import { punchHole, truncateSetsize } from '../mm/truncate.ts';
import { VM_MAYSHARE } from '../mm/vm_flags.ts';
import type { Action } from './alphabet.ts';
import type { Ghost } from './ghost.ts';
import type { SmallMachine } from './small_machine.ts';
import type { World } from './world.ts';

export class FileSteps {
  private readonly world: World;
  private readonly m: Machine;
  private readonly sm: SmallMachine;
  private readonly ghost: Ghost;

  constructor(world: World, ghost: Ghost) {
    this.world = world;
    this.m = world.m;
    this.sm = world.sm;
    this.ghost = ghost;
  }

  truncate(a: Action): boolean {
    const { m, sm } = this;
    const inode = m.file.inode[this.world.files[a.arg]!]!;
    if (m.inode.size[inode] === a.pages * 4096) return false;
    if (this.world.races.hasLockedFolio(inode, a.pages, sm.options.arenaPages)) return false;
    truncateSetsize(m, inode, a.pages * 4096);
    this.ghost.forgetFile(inode, a.pages);
    // Private copies beyond the end go too.
    for (let v = m.inode.firstVma[inode]!; v !== 0; v = m.vma.shareNext[v]!) {
      if ((m.vma.flags[v]! & VM_MAYSHARE) !== 0) continue;
      const from = Math.max(m.vma.start[v]!, m.vma.start[v]! + a.pages - m.vma.pgoff[v]!);
      if (from < m.vma.end[v]!) this.ghost.forget(m.vma.mm[v]!, from, m.vma.end[v]! - from);
    }
    return true;
  }

  punch(a: Action): boolean {
    const { m, sm } = this;
    const inode = m.file.inode[this.world.files[a.arg]!]!;
    if (m.inode.nrPages[inode] === 0) return false;
    if (this.world.races.hasLockedFolio(inode, a.at, a.at + a.pages)) return false;
    punchHole(m, inode, a.at * 4096, (a.at + a.pages) * 4096);
    const at = inode * sm.options.arenaPages + a.at;
    sm.ghostInode.fill(0, at, at + a.pages);
    return true;
  }
}
