/**
 * Births, programs and ends of processes, as perf tells them:
 *
 *     FORK, then task_newtask        FORK or THREAD, with the flags of the second
 *     COMM exec … sched_process_exec EXEC and the image: perf_exec.ts
 *     EXIT                           THREAD_EXIT, or EXIT of a process's last thread
 *
 * Whoever started the recording is *hidden*: what it does, and its children until they execute
 * a program, is no part of the trace.
 */
import { OP_EXIT, OP_FORK, OP_THREAD, OP_THREAD_EXIT } from '../trace/index.ts';
import { addMap, ExecImage, type ImageMap } from './perf_exec.ts';
import type { PerfLog } from './perf_log.ts';
import type { OpenCalls } from './perf_open_calls.ts';

const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_GROWSDOWN = 0x100;

const MMAP2 =
  /^ (-?\d+)\/(-?\d+): \[(?:0x)?([0-9a-f]+)\((?:0x)?([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) \d+\]: ([-r][-w][-x])([sp]) (.*)$/;
const PAIRS = /^\((\d+):(\d+)\):\((\d+):(\d+)\)/;
const EARLY_COMM = /:(\d+)\/(\d+)$/;

export interface PerfOptions {
  /** Processes whose own doings are no part of the trace, nor their children's before an exec. */
  readonly launchers?: readonly number[];
  /** Children of launchers whose exec is not in the log: theirs is what they do from their birth on. */
  readonly begun?: readonly number[];
  /** So many programs are executed, one by the other, before the first that counts. */
  readonly execsBefore?: number;
  /** Mappings that perf reports of a process that ran already are known from elsewhere. */
  readonly ignoreEarlyMaps?: boolean;
  /** Faults in these pages are the recorder's own. */
  readonly ownPages?: { readonly start: number; readonly end: number };
}

interface Task {
  readonly threads: Set<number>;
  exec: ExecImage | undefined;
  image: string;
}

interface Fork {
  readonly pid: number;
  readonly tid: number;
  readonly child: number;
  readonly isThread: boolean;
}

export class PerfProcesses {
  readonly #log: PerfLog;
  readonly #calls: OpenCalls;
  readonly #options: PerfOptions;
  readonly #tasks = new Map<number, Task>();
  readonly #hidden: Set<number>;
  #execsBefore: number;
  /** Until its flags are known. */
  #fork: Fork | undefined;
  #command: readonly string[] = [];
  #hasMaps = false;

  constructor(log: PerfLog, calls: OpenCalls, options: PerfOptions) {
    this.#log = log;
    this.#calls = calls;
    this.#options = options;
    this.#hidden = new Set(options.launchers);
    this.#execsBefore = options.execsBefore ?? 0;
  }

  get command(): readonly string[] {
    return this.#command;
  }

  /** The log has mappings. */
  get hasMaps(): boolean {
    return this.#hasMaps;
  }

  hides(pid: number): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(pid);
  }

  /**
   * Before a row of `pid`. A fault that the kernel takes while it makes an image belongs to the
   * image, and is given back to be put there.
   */
  imageFor(pid: number, isKernelFault: boolean): ExecImage | undefined {
    if (this.#fork !== undefined) this.#endFork(-1);
    const task = this.#tasks.get(pid);
    if (task?.exec === undefined) return undefined;
    if (isKernelFault) return task.exec;
    this.#endExec(pid, task);
    return undefined;
  }

  /** Before a system call of `pid`: its image is complete. */
  calls(pid: number): void {
    const task = this.#tasks.get(pid);
    if (task?.exec !== undefined) this.#endExec(pid, task);
  }

  #task(pid: number): Task {
    let task = this.#tasks.get(pid);
    if (task === undefined) {
      task = { threads: new Set([pid]), exec: undefined, image: '' };
      this.#tasks.set(pid, task);
    }
    return task;
  }

  #endExec(pid: number, task: Task): void {
    const { exec } = task;
    task.exec = undefined;
    if (exec !== undefined && !this.#hidden.has(pid)) {
      exec.emit(this.#log.builder, this.#log.now(), pid, task.image);
    }
  }

  /** PERF_RECORD_COMM: of a thread that was there before. */
  named(text: string): void {
    const found = this.#log.isEarly ? EARLY_COMM.exec(text) : null;
    if (found !== null) this.#task(Number(found[1])).threads.add(Number(found[2]));
  }

  /** PERF_RECORD_COMM exec. */
  execBegins(): void {
    const { pid } = this.#log.head;
    if (this.#execsBefore > 0) {
      this.#execsBefore--;
      this.#hidden.add(pid);
    } else if (this.#options.launchers?.includes(pid) !== true) {
      this.#hidden.delete(pid);
    }
    const task = this.#task(pid);
    task.threads.clear();
    task.threads.add(pid);
    task.exec = new ExecImage();
    task.image = '';
    this.#calls.forget(pid);
  }

  /** sched:sched_process_exec. */
  execEnds(text: string): void {
    const { pid } = this.#log.head;
    const image = /filename=(.*) pid=\d+ old_pid=\d+/.exec(text)?.[1] ?? '';
    const task = this.#tasks.get(pid);
    if (task === undefined) return;
    task.image = image;
    if (this.#command.length === 0 && !this.#hidden.has(pid)) this.#command = [image];
    if (task.exec !== undefined) this.#endExec(pid, task);
  }

  /** PERF_RECORD_MMAP2; false when the text has another form. */
  mapped(text: string): boolean {
    const { tid } = this.#log.head;
    const found = MMAP2.exec(text);
    if (found === null) return false;
    const pid = Number(found[1]);
    if (pid < 0 || this.#hidden.has(pid)) return true;
    this.#hasMaps = true;
    const start = Number.parseInt(found[3]!, 16) / 4096;
    const pages = Number.parseInt(found[4]!, 16) / 4096;
    const name = this.#log.files.place(found[10]!, found[6]!, Number(found[7]));
    const prot = [...found[8]!].reduce(
      (bits, letter, i) => bits | (letter === '-' ? 0 : 1 << i),
      0,
    );
    const call = this.#calls.of(tid);
    const task = this.#tasks.get(pid);
    const flags =
      (found[9] === 's' ? MAP_SHARED : MAP_PRIVATE) |
      (name === '' ? MAP_ANONYMOUS : 0) |
      (name === '[stack]' ? MAP_GROWSDOWN | MAP_ANONYMOUS : 0);
    const pgoff = name === '' || name === '[stack]' ? 0 : Number.parseInt(found[5]!, 16) / 4096;
    const map: ImageMap = { start, end: start + pages, prot, flags, pgoff, name };
    if (task?.exec !== undefined) {
      task.exec.map(map);
      if (task.image === '' && name.startsWith('/')) task.image = name;
    } else if (call !== undefined) {
      call.file = name;
      call.mappedBytes = pages * 4096;
    } else if (this.#log.isEarly && this.#options.ignoreEarlyMaps !== true) {
      // perf lists what a process had before the recording began.
      addMap(this.#log.builder, 0, pid, tid, map);
    }
    return true;
  }

  /** PERF_RECORD_FORK. */
  forked(text: string): void {
    const found = PAIRS.exec(text);
    if (found === null) return;
    const [child, childTid, parent, parentTid] = found.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
    ];
    if (this.#fork !== undefined) this.#endFork(-1);
    const isThread = child === parent;
    if (this.#hidden.has(parent)) {
      if (this.#options.begun?.includes(child) === true) this.#task(child);
      else if (!isThread) this.#hidden.add(child);
      return;
    }
    if (isThread) this.#task(parent).threads.add(childTid);
    else this.#task(child);
    // perf lists the threads that were there before as if they were born now.
    if (this.#log.isEarly) return;
    this.#fork = { pid: parent, tid: parentTid, child: childTid, isThread };
  }

  /** task:task_newtask, behind the FORK that it tells more of. */
  newTask(text: string): void {
    const flags = /clone_flags=([0-9a-f]+)/.exec(text);
    const child = Number(/pid=(\d+)/.exec(text)?.[1] ?? -1);
    if (flags === null || this.#fork?.child !== child) return;
    this.#endFork(Number.parseInt(flags[1]!, 16) | 0);
  }

  #endFork(flags: number): void {
    const fork = this.#fork;
    this.#fork = undefined;
    if (fork === undefined) return;
    const op = fork.isThread ? OP_THREAD : OP_FORK;
    const { builder } = this.#log;
    const row = builder.add(this.#log.now(), fork.pid, fork.tid, op);
    builder.detail(row, 0, flags, 0, 0, fork.child);
  }

  /** PERF_RECORD_EXIT. */
  exited(text: string): void {
    const found = PAIRS.exec(text);
    if (found === null) return;
    const pid = Number(found[1]);
    const tid = Number(found[2]);
    const task = this.#tasks.get(pid);
    this.#calls.forget(tid);
    if (this.#hidden.has(pid) || task === undefined) return;
    task.threads.delete(tid);
    const isLast = task.threads.size === 0;
    const { builder } = this.#log;
    const row = builder.add(this.#log.now(), pid, tid, isLast ? OP_EXIT : OP_THREAD_EXIT);
    if (!isLast) return;
    builder.events.arg[row] = -1;
    this.#tasks.delete(pid);
  }

  /** After the last line: what is not complete is there all the same. */
  finish(): void {
    if (this.#fork !== undefined) this.#endFork(-1);
    for (const [pid, task] of this.#tasks) this.#endExec(pid, task);
  }
}
