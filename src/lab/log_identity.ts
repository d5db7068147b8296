/**
 * Who a task is: a log begins without telling its user and capabilities, and calls that change them
 * are often not traced. The model begins with root; a refusal for lack of a right shows another.
 */
import type { TaskRow } from '../base/index.ts';
import type { Kernel } from '../kernel/index.ts';
import { CAP_ALL } from '../mm/fs_types.ts';
import type { Machine } from '../mm/mm_types.ts';

/** What is noted of a result that only another caller explains. */
export const WHO = 'who the caller is is not in the log';

/** Any user that is not root (`nobody`). */
const SOMEBODY = 65534;

interface Identity {
  readonly caps: number;
  readonly euid: number;
}

export class Identities {
  readonly #m: Machine;

  constructor(kernel: Kernel) {
    this.#m = kernel.m;
  }

  #of(task: TaskRow): Identity {
    return { caps: this.#m.task.caps[task]!, euid: this.#m.task.euid[task]! };
  }

  #become(task: TaskRow, who: Identity): void {
    this.#m.task.caps[task] = who.caps;
    this.#m.task.euid[task] = who.euid;
  }

  /** True when it was privileged. */
  unprivileged(task: TaskRow): boolean {
    if (this.#m.task.caps[task] === 0) return false;
    this.#m.task.caps[task] = 0;
    return true;
  }

  /**
   * Runs `attempt` as others than the task was taken for, until one succeeds; the task then stays
   * that. `refused`: the log shows a refusal, so someone with fewer rights is looked for.
   */
  find(task: TaskRow, refused: boolean, attempt: () => boolean): boolean {
    const was = this.#of(task);
    const others: readonly Identity[] = refused
      ? [
          { caps: 0, euid: was.euid },
          { caps: 0, euid: SOMEBODY },
        ]
      : [
          { caps: was.caps, euid: 0 },
          { caps: 0, euid: SOMEBODY },
          { caps: CAP_ALL, euid: 0 },
        ];
    for (const who of others) {
      if (who.caps === was.caps && who.euid === was.euid) continue;
      this.#become(task, who);
      if (attempt()) return true;
    }
    this.#become(task, was);
    return false;
  }
}
