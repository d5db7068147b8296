/**
 * Concurrent faults: each is begun on a processor, and goes on by one phase at a time, with steps of
 * others between. Between two phases a fault holds what the kernel holds there:
 *
 *   mmap_lock or VMA lock, shared   from its first phase to its end; not while it is to begin anew
 *   folio lock                      from PHASE_BACKING to the end of PHASE_FINISH (PG_LOCKED)
 *   page-table lock                 inside a phase only: phases are atomic
 *
 * A step that needs what another holds is not possible until that is given back; so waiting needs no
 * state of its own. An access ends with the fault after which its entry allows it. A fault that ended
 * without that (another processor was first, or took the page away) begins anew.
 */
import { cacheGet, cacheNext } from '../mm/filemap.ts';
import { folioIndex, folioPages, headOf } from '../mm/folio.ts';
import { beginFault, faultPhase, leafEntry, markTouched } from '../mm/memory.ts';
import { PG_LOCKED } from '../mm/page_flags.ts';
import { PTE_P, PTE_W } from '../mm/pgtable.ts';
import { VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { vmaLookup } from '../mm/vma_tree.ts';
import {
  FAULT_FLAG_TRIED,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  PHASE_BACKING,
  PHASE_BEGIN,
  VM_FAULT_ERROR,
  VM_FAULT_NEXT,
  VM_FAULT_RETRY,
  VM_FAULT_UFFD_WAIT,
  type Vmf,
} from '../mm/vmf.ts';
import { LAW_PROGRESS } from './law_bits.ts';
import type { World } from './world.ts';

/** Faults that an access may take when nobody else runs. */
const FAULTS_ALONE = 6;
/** A slot that no depth of a program reaches. */
const SCRATCH_SLOT = 255;

const DONE = 0;
/** The same access faults again. */
const AGAIN = 1;
const NEXT = 2;
/** A signal, or a wait for a userfaultfd handler: the access is over. */
const OVER = 3;

export class Races {
  private readonly world: World;
  private readonly vmfs: readonly Vmf[];

  constructor(world: World) {
    this.world = world;
    this.vmfs = world.sm.vmfs;
  }

  /** The task waits for its fault. */
  isBusy(task: number): boolean {
    for (const vmf of this.vmfs) if (vmf.task === task) return true;
    return false;
  }

  /** A fault holds the address space's lock shared: who wants it alone must wait. */
  isReadLocked(mm: number): boolean {
    for (const vmf of this.vmfs) {
      if (vmf.task !== 0 && vmf.mm === mm && vmf.phase !== PHASE_BEGIN) return true;
    }
    return false;
  }

  /** Some folio of the file from page `from` on is locked by a fault. */
  hasLockedFolio(inode: number, from: number, end: number): boolean {
    const { m } = this.world;
    if (this.vmfs.length === 0) return false;
    for (let at = cacheNext(m, inode, 0, end); at >= 0; at = cacheNext(m, inode, at, end)) {
      const head = headOf(m, cacheGet(m, inode, at));
      at = folioIndex(m, head) + folioPages(m, head);
      if (at > from && (m.page.flags[head]! & PG_LOCKED) !== 0) return true;
    }
    return false;
  }

  private isAllowed(mm: number, vpn: number, write: boolean): boolean {
    const entry = leafEntry(this.world.m, mm, vpn);
    return write ? (entry & (PTE_P | PTE_W)) === (PTE_P | PTE_W) : (entry & PTE_P) !== 0;
  }

  /** A task touches a page: at once where the entry allows it, else a fault begins. */
  begin(task: number, vpn: number, write: boolean): boolean {
    const { world } = this;
    const mm = world.m.task.mm[task]!;
    if (this.isAllowed(mm, vpn, write)) {
      if (!write) return false;
      this.store(task, mm, vpn);
      return true;
    }
    if (vmaLookup(world.m, mm, vpn) === 0) return false;
    const vmf = this.vmfs.find((one) => one.task === 0);
    if (vmf === undefined) return false;
    const flags = FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0);
    beginFault(world.m, vmf, task, 0, vpn, flags);
    vmf.mm = mm;
    this.finishStep(vmf, this.phase(vmf));
    return true;
  }

  /** The next phase of the fault on a processor; false when there is none or it must wait. */
  advance(cpu: number): boolean {
    const vmf = this.vmfs[cpu];
    if (vmf === undefined || vmf.task === 0) return false;
    if (vmf.phase === PHASE_BACKING && this.waitsForFolio(vmf)) return false;
    this.finishStep(vmf, this.phase(vmf));
    return true;
  }

  /** ->fault locks the folio that it finds; another fault may hold it. */
  private waitsForFolio(vmf: Vmf): boolean {
    const { m } = this.world;
    const v = vmf.vma;
    const inode = m.file.inode[m.vma.file[v]!]!;
    const pfn = cacheGet(m, inode, m.vma.pgoff[v]! + vmf.vpn - m.vma.start[v]!);
    return pfn !== 0 && (m.page.flags[headOf(m, pfn)]! & PG_LOCKED) !== 0;
  }

  /** Runs a phase, judged as an access of its own: what one phase does is atomic. */
  private phase(vmf: Vmf): number {
    const { world } = this;
    const { m } = world;
    const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0;
    const { task, vpn, flags } = vmf;
    if (vmf.phase === PHASE_BEGIN) {
      const mm = m.task.mm[task]!;
      const v = vmaLookup(m, mm, vpn);
      if (v === 0 || !mayAccess(m.vma.flags[v]!, write)) return OVER;
      beginFault(m, vmf, task, v, vpn, flags);
    }
    world.watch.before(vmf.mm, vpn);
    const ret = faultPhase(m, vmf);
    world.broken |= world.watch.after(vmf.mm, vpn, write);
    if ((ret & VM_FAULT_NEXT) !== 0) return NEXT;
    world.counts.met(LAW_PROGRESS, 1);
    if ((ret & (VM_FAULT_ERROR | VM_FAULT_UFFD_WAIT)) !== 0) return OVER;
    if ((ret & VM_FAULT_RETRY) !== 0) {
      beginFault(m, vmf, task, 0, vpn, flags | FAULT_FLAG_TRIED);
      vmf.mm = m.task.mm[task]!;
      return AGAIN;
    }
    if (this.isAllowed(vmf.mm, vpn, write)) return DONE;
    beginFault(m, vmf, task, 0, vpn, flags & ~FAULT_FLAG_TRIED);
    vmf.mm = m.task.mm[task]!;
    return AGAIN;
  }

  /** What a phase came to, for the access behind it. */
  private finishStep(vmf: Vmf, came: number): void {
    const { world } = this;
    if (came === NEXT) return;
    if (came === AGAIN) {
      if (!this.endsAlone(vmf)) world.broken |= 1 << LAW_PROGRESS;
      return;
    }
    const { task, mm, vpn } = vmf;
    const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0;
    if (came === DONE && write) this.store(task, mm, vpn);
    idle(vmf);
  }

  /** The processor stores where the entry allows it, and marks the entry. */
  private store(task: number, mm: number, vpn: number): void {
    const { world } = this;
    markTouched(world.m, task, vpn, true);
    world.ghost.store(task, mm, vmaLookup(world.m, mm, vpn), vpn);
  }

  /** The access ends when nobody else runs: tried on a copy of the state. */
  private endsAlone(vmf: Vmf): boolean {
    const { world } = this;
    const { sm } = world;
    const { broken } = world;
    sm.save(SCRATCH_SLOT);
    let ended = false;
    for (let faults = 0; faults < FAULTS_ALONE && !ended; ) {
      if (vmf.phase === PHASE_BACKING && this.waitsForFolio(vmf)) {
        // It waits for another fault, which will end: nothing is proved, nothing is wrong.
        ended = true;
        break;
      }
      const came = this.phase(vmf);
      if (came === AGAIN) faults++;
      else if (came !== NEXT) ended = true;
    }
    sm.restore(SCRATCH_SLOT);
    world.broken = broken;
    return ended;
  }

  /** Faults at work, for the laws: they hold references. */
  get faults(): readonly Vmf[] {
    return this.vmfs;
  }
}

function mayAccess(flags: number, write: boolean): boolean {
  return (flags & (write ? VM_WRITE : VM_READ | VM_WRITE)) !== 0;
}

function idle(vmf: Vmf): void {
  vmf.task = 0;
  vmf.mm = 0;
  vmf.vma = 0;
  vmf.vpn = 0;
  vmf.flags = 0;
  vmf.phase = PHASE_BEGIN;
  vmf.pmdSlot = 0;
  vmf.pteSlot = 0;
  vmf.origPte = 0;
  vmf.page = 0;
  vmf.cowPage = 0;
  vmf.folio = 0;
  vmf.order = 0;
  vmf.orders = 0;
  vmf.gathered = 0;
}
