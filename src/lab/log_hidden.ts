/**
 * What strace does not print, or was not asked to, of a call that it shows: hints, random draws,
 * registrations with userfaultfd, touches of memory, rights. Filled in before the call is made.
 */
import { PMD_PAGES, type TaskRow, type U64, word } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { mayMoveAmongOthers } from '../mm/mremap.ts';
import { MAP_32BIT_BEGIN, MAP_32BIT_DRAW } from '../mm/settings.ts';
import { VM_DONTEXPAND, VM_MAYWRITE, VM_PFNMAP, VM_SHARED } from '../mm/vm_flags.ts';
import { findVmaIntersection, vmaLookup } from '../mm/vma_tree.ts';
import { type Identities, WHO } from './log_identity.ts';
import {
  asInt,
  type LogCall,
  MAP_32BIT,
  MAP_FIXED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  pagesOf,
  sourceOf,
  type Trial,
} from './log_trial.ts';

const EPERM = 1;
const EFAULT = 14;
const EINVAL = 22;

export class HiddenFacts {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #trial: Trial;
  readonly #identities: Identities;

  constructor(kernel: Kernel, trial: Trial, identities: Identities) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#trial = trial;
    this.#identities = identities;
  }

  /**
   * The call as it was made. strace does not print the address of a mremap with
   * MREMAP_DONTUNMAP alone, which the kernel takes for a hint and checks: it is filled in where the
   * result shows that it was not 0. Undefined where nothing is hidden.
   */
  hiddenHint(task: TaskRow, call: LogCall): LogCall | undefined {
    const { name, values, expected } = call;
    if (name !== 'mremap' || values.length > 4) return undefined;
    if ((asInt(values[3]).lo & 7) !== (MREMAP_DONTUNMAP | MREMAP_MAYMOVE)) return undefined;
    if (word.offsetOf(asInt(values[0])) !== 0) return undefined;
    const wrongSize = !word.equal(asInt(values[1]), asInt(values[2]));
    const filled = (hint: U64): LogCall => ({ ...call, values: [...values.slice(0, 4), hint] });
    if (expected.kind === 'value') {
      if (this.#trial.fits(task, call) !== false) return undefined;
      const hinted = filled(expected.value);
      return this.#trial.fits(task, hinted) === true ? hinted : undefined;
    }
    if (expected.kind !== 'errno' || expected.errno !== EINVAL || wrongSize) return undefined;
    const { start, end } = sourceOf(call);
    const v = findVmaIntersection(this.#m, this.#m.task.mm[task]!, start, end);
    const rigid = v !== 0 && (this.#m.vma.flags[v]! & (VM_DONTEXPAND | VM_PFNMAP)) !== 0;
    return rigid || end === start ? undefined : filled(word.u64(0, 1));
  }

  /**
   * EFAULT from mremap where the model sees one private mapping: which mappings merged depends on
   * which were touched, and a log does not show touches.
   */
  wasTouched(task: TaskRow, call: LogCall): boolean {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'errno' || expected.errno !== EFAULT) return false;
    const { start, end } = sourceOf(call);
    const pages = Math.min(end - start, pagesOf(asInt(values[2])));
    const m = this.#m;
    const v = vmaLookup(m, m.task.mm[task]!, start);
    if (v === 0 || pages < 2 || start + pages > m.vma.end[v]!) return false;
    const flags = m.vma.flags[v]!;
    return (flags & VM_SHARED) === 0 && (flags & VM_MAYWRITE) !== 0;
  }

  /** A fixed address below mmap_min_addr was refused: the task has no CAP_SYS_RAWIO. */
  mayNotMapLow(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (expected.kind !== 'errno' || expected.errno !== EPERM) return '';
    const fixed = asInt(values[3]).lo & (name === 'mmap' ? MAP_FIXED : MREMAP_FIXED);
    const target = name === 'mmap' ? values[0] : name === 'mremap' ? values[4] : undefined;
    if (target === undefined || fixed === 0) return '';
    if (word.pageOf(asInt(target)) * 4096 >= this.#m.settings.mmapMinAddr) return '';
    return this.#identities.unprivileged(task) ? WHO : '';
  }

  /**
   * MAP_32BIT searches upwards from a page that each call draws anew. The recorded address is right
   * when the search from one of them comes to it: that is the page itself or, where an address
   * above was aligned up, one of the 2 MiB below; at most the last that can be drawn.
   */
  drawLow(task: TaskRow, call: LogCall): void {
    if (call.name !== 'mmap' || (asInt(call.values[3]).lo & MAP_32BIT) === 0) return;
    const { settings } = this.#m;
    settings.map32Begin = MAP_32BIT_BEGIN;
    if (call.expected.kind !== 'value') return;
    const at = word.pageOf(call.expected.value);
    const last = MAP_32BIT_BEGIN + MAP_32BIT_DRAW - 1;
    for (const below of [0, 1, PMD_PAGES - 1]) {
      settings.map32Begin = Math.max(MAP_32BIT_BEGIN, Math.min(at - below, last));
      if (this.#trial.place(task, call) === at) return;
    }
  }

  /**
   * mremap refuses to move several mappings when one of them is registered with userfaultfd, and
   * ioctl(UFFDIO_REGISTER) is seldom traced. Where the model sees no other reason for EFAULT, and
   * the process holds a userfaultfd, the mappings of the range are taken to be registered.
   */
  armInvisibly(task: TaskRow, call: LogCall): string {
    const { name, values, expected } = call;
    if (name !== 'mremap' || expected.kind !== 'errno' || expected.errno !== EFAULT) return '';
    if (!this.#m.release.mremapMany) return '';
    const pages = pagesOf(asInt(values[1]));
    const fixed = (asInt(values[3]).lo & MREMAP_FIXED) !== 0;
    if (!fixed || pages !== pagesOf(asInt(values[2]))) return '';
    const { start, end } = sourceOf(call);
    const m = this.#m;
    const mm = m.task.mm[task]!;
    let v = findVmaIntersection(m, mm, start, end);
    if (v === 0 || m.vma.start[v]! > start || m.vma.end[v]! >= end) return '';
    for (; v !== 0 && m.vma.start[v]! < end; v = m.vma.next[v]!) {
      if (!mayMoveAmongOthers(m, v)) return '';
    }
    if (!this.#kernel.assumeRegistered(task, start, end)) return '';
    return 'what was registered with userfaultfd is not in the log';
  }
}
