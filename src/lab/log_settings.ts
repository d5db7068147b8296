/**
 * Settings of the machine that a log does not show and its addresses and errors do: huge pages of
 * shmem (which align mappings), file systems that are mounted noexec.
 */
import { type TaskRow, word } from '../base/index.ts';
import { fileOf } from '../kernel/fd_table.ts';
import type { Kernel } from '../kernel/index.ts';
import type { Machine } from '../mm/mm_types.ts';
import { HUGE_ADVISE, HUGE_DENY, HUGE_NEVER } from '../mm/settings.ts';
import { asInt, type LogCall, MAP_ANONYMOUS, type Trial } from './log_trial.ts';

const ALIGNED = 'how shmem_enabled is set is not in the log';
const MOUNTED = 'how the file system is mounted is not in the log';

export class AddressSettings {
  readonly #kernel: Kernel;
  readonly #m: Machine;
  readonly #trial: Trial;

  constructor(kernel: Kernel, trial: Trial) {
    this.#kernel = kernel;
    this.#m = kernel.m;
    this.#trial = trial;
  }

  #fileOf(task: TaskRow, call: LogCall): number {
    if (call.name !== 'mmap' || (asInt(call.values[3]).lo & MAP_ANONYMOUS) !== 0) return 0;
    return fileOf(this.#kernel.state, task, word.toInt32(asInt(call.values[4])));
  }

  /**
   * An address that other settings would give: sets them. '' when none does. To be called with
   * nothing of the call done.
   */
  explain(task: TaskRow, call: LogCall): string {
    if (call.name !== 'mmap') return '';
    const file = this.#fileOf(task, call);
    const sb = file === 0 ? 0 : this.#m.inode.sb[this.#m.file.inode[file]!]!;
    const { settings } = this.#m;
    const fits = (): boolean => this.#trial.fits(task, call) === true;
    if (sb !== 0 && sb !== this.#m.shmMount) {
      const { huge } = this.#m.sb;
      const was = huge[sb]!;
      huge[sb] = was === HUGE_NEVER ? HUGE_ADVISE : HUGE_NEVER;
      if (fits()) return MOUNTED;
      huge[sb] = was;
    }
    const { shmemEnabled, shmemMountHuge, shmemAdvise, shmemAlways, shmemWithin } = settings;
    for (const mount of [HUGE_ADVISE, HUGE_NEVER]) {
      settings.shmemEnabled = mount;
      settings.shmemMountHuge = mount;
      if (fits()) return ALIGNED;
    }
    settings.shmemAlways = 0;
    settings.shmemWithin = 0;
    for (const order of file === 0 ? ORDERS : []) {
      settings.shmemAdvise = order === 0 ? 0 : 1 << order;
      if (fits()) return ALIGNED;
    }
    settings.shmemEnabled = HUGE_DENY;
    if (fits()) return ALIGNED;
    Object.assign(settings, {
      shmemEnabled,
      shmemMountHuge,
      shmemAdvise,
      shmemAlways,
      shmemWithin,
    });
    return '';
  }

  /** PROT_EXEC was refused: the file system is mounted so. '' when it was known to be. */
  mountedNoexec(task: TaskRow, call: LogCall): string {
    const file = this.#fileOf(task, call);
    const sb = file === 0 ? 0 : this.#m.inode.sb[this.#m.file.inode[file]!]!;
    const { noexec } = this.#m.sb;
    if (sb === 0 || sb === this.#kernel.state.rootSb || noexec[sb] !== 0) return '';
    noexec[sb] = 1;
    return MOUNTED;
  }
}

/** Orders of shmem that move the alignment, none first. */
const ORDERS = [0, 9, 8, 7, 6, 5, 4, 3, 2];
