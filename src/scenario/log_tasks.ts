/**
 * Which task a line belongs to. With `-o FILE` every line names its task. Without, strace names it
 * only while it traces more than one: the lines of a process that is alone are bare, and so are
 * those of whichever process is left in the end. The process that bare lines begin with is called
 * '' throughout, also where a line gives its number.
 */
export class LogTasks {
  /** Number of the process that the log began with, once it is known. */
  #rootPid = '';
  #hasRoot = false;
  #any = false;
  readonly #live = new Set<string>();
  /** Numbers known to be other processes than the first. */
  readonly #children = new Set<string>();
  #lastPid: string | undefined;
  #lastTask = '';

  /**
   * `resumes` is the call that the line resumes, '' if none; `inProgress` is the call that the
   * first process has begun and not ended, '' if none.
   */
  taskOf(pid: string, resumes: string, inProgress: () => string): string {
    if (pid === this.#lastPid) return this.#lastTask;
    let task = pid;
    if (pid === '') {
      if (!this.#any) {
        this.#hasRoot = true;
        this.#live.add('');
      }
      if (this.#live.size === 1) task = this.#live.values().next().value ?? '';
    } else if (this.#hasRoot) {
      if (this.#rootPid === '' && this.#isRoot(pid, resumes, inProgress())) this.#rootPid = pid;
      if (pid === this.#rootPid) task = '';
      else this.child(pid);
    } else {
      this.#live.add(pid);
    }
    this.#any = true;
    this.#lastPid = pid;
    this.#lastTask = task;
    return task;
  }

  /** A process inside a call of its own can only go on by resuming it. */
  #isRoot(pid: string, resumes: string, inProgress: string): boolean {
    if (this.#children.has(pid)) return false;
    return inProgress === '' || inProgress === resumes;
  }

  /** A process that some call made or that strace says it attached to. */
  child(pid: string): void {
    if (!this.#hasRoot || pid === this.#rootPid) return;
    this.#children.add(pid);
    this.#live.add(pid);
    this.#lastPid = undefined;
  }

  exited(task: string): void {
    this.#live.delete(task);
    this.#lastPid = undefined;
  }
}
