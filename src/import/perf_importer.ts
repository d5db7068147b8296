/**
 * The text of `perf script`, as a recording has it:
 *
 *     perf record -d -e exceptions:page_fault_user -e exceptions:page_fault_kernel \
 *       -e syscalls:sys_enter_mmap -e syscalls:sys_exit_mmap … -e task:task_newtask \
 *       -e sched:sched_process_exec -- CMD
 *     perf script --ns --show-mmap-events --show-task-events --show-lost-events
 *
 * What is in the text and what is invented:
 *
 *     page_fault_user, page_fault_kernel   TOUCH: address and kind are the hardware's own
 *     page-faults (software event)         TOUCH: the address; read or write is not told
 *     sys_enter_X … sys_exit_X             one row at the exit; a munmap earlier, if another
 *                                          thread got the range before (the order is invented)
 *     MMAP2 inside mmap or shmat           the name of the mapped file
 *     COMM exec … sched_process_exec       EXEC, MAP, PRESENT: see perf_exec.ts
 *     FORK, task_newtask, EXIT             FORK or THREAD with flags; THREAD_EXIT or EXIT
 *     ftruncate(fd), fallocate(fd)         the file's name is that of a later mmap of this fd;
 *                                          the row comes before that mmap (its place is invented)
 */
import {
  FAULT_KERNEL,
  FAULT_PROTECTION,
  FAULT_TAKEN,
  OP_EXIT,
  OP_FALLOCATE,
  OP_FORK,
  OP_FTRUNCATE,
  OP_LOST,
  OP_MMAP,
  OP_THREAD,
  OP_THREAD_EXIT,
  TOUCH_EXEC,
  TOUCH_READ,
  TOUCH_WRITE,
  TraceBuilder,
  type TraceNote,
} from '../trace/index.ts';
import { FileNames } from './file_names.ts';
import type { Importer, ImportFacts, ImportReport } from './importer.ts';
import {
  bytesOf,
  type CallArg,
  type CallRow,
  callRow,
  intOf,
  type OpenCall,
  readArgs,
  resultOf,
} from './perf_calls.ts';
import { addMap, ExecImage, type ImageMap } from './perf_exec.ts';
import {
  type PageAddress,
  type PerfHead,
  parseFaultHead,
  parseHead,
  readHexAddress,
} from './perf_line.ts';

const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_GROWSDOWN = 0x100;
const USER_PAGES = 2 ** 44;

export interface PerfOptions {
  /** Processes whose own doings are no part of the trace, nor their children's before an exec. */
  readonly launchers?: readonly number[];
  /** Mappings that perf reports of a process that ran already are known from elsewhere. */
  readonly ignoreEarlyMaps?: boolean;
}

interface Task {
  readonly threads: Set<number>;
  exec: ExecImage | undefined;
  image: string;
}

const MMAP2 =
  /^ (-?\d+)\/(-?\d+): \[(?:0x)?([0-9a-f]+)\((?:0x)?([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) \d+\]: ([-r][-w][-x])([sp]) (.*)$/;
const PAIRS = /^\((\d+):(\d+)\):\((\d+):(\d+)\)/;

export class PerfImporter implements Importer {
  readonly kind = 'perf script';
  readonly builder = new TraceBuilder();
  readonly files = new FileNames();
  readonly #report: ImportReport;
  readonly #options: PerfOptions;
  readonly #head: PerfHead = { pid: 0, tid: 0, seconds: 0, nanoseconds: 0, event: '', rest: 0 };
  readonly #address: PageAddress = { vpn: 0, offset: 0 };
  readonly #tasks = new Map<number, Task>();
  readonly #hidden = new Set<number>();
  readonly #calls = new Map<number, OpenCall>();
  /** Process and descriptor → name; or the rows that wait for one. */
  readonly #named = new Map<string, string>();
  readonly #waiting = new Map<string, { row: CallRow; pid: number; tid: number }[]>();
  #fork: { pid: number; tid: number; child: number; isThread: boolean } | undefined;
  #baseSeconds = -1;
  #baseNanoseconds = 0;
  #time = 0;
  #lost = 0;
  #command: readonly string[] = [];
  #hasMaps = false;
  #hasTracepoints = false;
  #hasKernelFaults = false;
  #hasSoftware = false;
  #hasCalls = false;

  constructor(report: ImportReport, options: PerfOptions = {}) {
    this.#report = report;
    this.#options = options;
    for (const pid of options.launchers ?? []) this.#hidden.add(pid);
  }

  /** Seconds on perf's clock at time 0. */
  get origin(): number {
    return this.#baseSeconds + this.#baseNanoseconds / 1e9;
  }

  line(text: string, number: number): void {
    const fault = text.indexOf('exceptions:page_fault_');
    if (fault > 0 && parseFaultHead(text, fault, this.#head)) {
      this.#fault(text, fault, number);
      return;
    }
    if (text === '' || text.startsWith('#')) return;
    if (!parseHead(text, this.#head)) {
      // Lines of call chains begin with spaces and an address; an empty one ends them.
      if (!/^\s+[0-9a-f]+ .*|^\s*$/.test(text)) this.#bad(text, number);
      return;
    }
    this.#event(text, number);
  }

  #bad(text: string, number: number): void {
    this.#report.bad(number, text, '`comm pid/tid time: event: …` of perf script');
  }

  /** The time of the line in #head; it never falls. */
  #now(): number {
    const { seconds, nanoseconds } = this.#head;
    if (this.#baseSeconds < 0) {
      this.#baseSeconds = seconds;
      this.#baseNanoseconds = nanoseconds;
    }
    const time = (seconds - this.#baseSeconds) * 1e9 + nanoseconds - this.#baseNanoseconds;
    if (time > this.#time) this.#time = time;
    return this.#time;
  }

  #fault(text: string, at: number, number: number): void {
    const isKernel = text.charCodeAt(at + 22) === 107;
    const address = text.indexOf('address=0x', at);
    const code = text.indexOf('error_code=0x', at);
    const out = this.#address;
    if (address < 0 || code < 0 || readHexAddress(text, address + 10, out) < 0) {
      this.#bad(text, number);
      return;
    }
    this.#hasTracepoints = true;
    if (isKernel) this.#hasKernelFaults = true;
    const bits = Number.parseInt(text.slice(code + 13), 16);
    const access = (bits & 16) !== 0 ? TOUCH_EXEC : (bits & 2) !== 0 ? TOUCH_WRITE : TOUCH_READ;
    const how =
      FAULT_TAKEN | (isKernel ? FAULT_KERNEL : 0) | ((bits & 1) !== 0 ? FAULT_PROTECTION : 0);
    this.#touch(access, how, isKernel);
  }

  #touch(access: number, how: number, isKernel: boolean): void {
    const { vpn, offset } = this.#address;
    const { pid, tid } = this.#head;
    if (vpn >= USER_PAGES || (this.#hidden.size > 0 && this.#hidden.has(pid))) return;
    const time = this.#now();
    if (this.#fork !== undefined) this.#endFork(-1);
    const task = this.#tasks.get(pid);
    if (task?.exec !== undefined) {
      if (isKernel) {
        task.exec.touch(vpn, offset, access, how);
        return;
      }
      this.#endExec(pid, task);
    }
    this.builder.touch(time, pid, tid, vpn, offset, access, how);
  }

  #event(text: string, number: number): void {
    const { event, rest, pid } = this.#head;
    if (event.startsWith('syscalls:sys_enter_')) this.#enter(text, event.slice(19));
    else if (event.startsWith('syscalls:sys_exit_')) this.#exit(text, event.slice(18), number);
    else if (event.startsWith('PERF_RECORD_')) this.#record(text, event.slice(12), number);
    else if (event === 'task:task_newtask') this.#newTask(text.slice(rest));
    else if (event === 'sched:sched_process_exec') {
      const image = /filename=(.*) pid=\d+ old_pid=\d+/.exec(text.slice(rest))?.[1] ?? '';
      const task = this.#tasks.get(pid);
      if (task === undefined) return;
      task.image = image;
      if (this.#command.length === 0 && !this.#hidden.has(pid)) this.#command = [image];
      if (task.exec !== undefined) this.#endExec(pid, task);
    } else if (/^(?:page-faults|faults|minor-faults|major-faults)(?::|$)/.test(event)) {
      this.#software(text, number);
    }
  }

  /** perf's software event: the address is its first number. */
  #software(text: string, number: number): void {
    const at = text.slice(this.#head.rest).search(/[0-9a-f]/);
    if (at < 0 || readHexAddress(text, this.#head.rest + at, this.#address) < 0) {
      this.#report.bad(number, text, 'an address (record with `perf record -d`)');
      return;
    }
    this.#hasSoftware = true;
    this.#touch(0, FAULT_TAKEN, false);
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
      exec.emit(this.builder, this.#now(), pid, task.image);
    }
  }

  #record(text: string, record: string, number: number): void {
    const { pid, tid, rest } = this.#head;
    switch (record) {
      case 'MMAP2':
        this.#mapped(text, number);
        return;
      case 'COMM exec': {
        if (this.#options.launchers?.includes(pid) !== true) this.#hidden.delete(pid);
        const task = this.#task(pid);
        task.threads.clear();
        task.threads.add(pid);
        task.exec = new ExecImage();
        task.image = '';
        this.#calls.delete(pid);
        return;
      }
      case 'FORK':
        this.#forked(text.slice(rest));
        return;
      case 'EXIT':
        this.#exited(PAIRS.exec(text.slice(rest)));
        return;
      case 'LOST':
      case 'LOST_SAMPLES': {
        const count = Number(/lost (\d+)/.exec(text.slice(rest))?.[1] ?? 0);
        if (count === 0) return;
        this.#lost += count;
        const row = this.builder.add(this.#now(), pid, tid, OP_LOST);
        this.builder.events.result[row] = count;
        return;
      }
      default:
        return;
    }
  }

  #mapped(text: string, number: number): void {
    const { rest, tid, seconds } = this.#head;
    const found = MMAP2.exec(text.slice(rest));
    if (found === null) {
      this.#report.bad(number, text, 'PERF_RECORD_MMAP2 pid/tid: [start(length) @ offset …]');
      return;
    }
    const pid = Number(found[1]);
    if (pid < 0 || this.#hidden.has(pid)) return;
    this.#hasMaps = true;
    const start = Number.parseInt(found[3]!, 16) / 4096;
    const pages = Number.parseInt(found[4]!, 16) / 4096;
    const name = this.files.place(found[10]!, found[6]!, Number(found[7]));
    const prot = [...found[8]!].reduce(
      (bits, letter, i) => bits | (letter === '-' ? 0 : 1 << i),
      0,
    );
    const call = this.#calls.get(tid);
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
    } else if (seconds === 0 && this.#head.nanoseconds === 0) {
      // perf lists what a process had before the recording began.
      if (this.#options.ignoreEarlyMaps !== true) addMap(this.builder, 0, pid, tid, map);
    }
  }

  #forked(text: string): void {
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
      if (!isThread) this.#hidden.add(child);
      return;
    }
    if (isThread) this.#task(parent).threads.add(childTid);
    else this.#task(child);
    this.#fork = { pid: parent, tid: parentTid, child: childTid, isThread };
  }

  #newTask(text: string): void {
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
    const row = this.builder.add(this.#now(), fork.pid, fork.tid, op);
    this.builder.detail(row, 0, flags, 0, 0, fork.child);
  }

  #exited(found: RegExpExecArray | null): void {
    if (found === null) return;
    const pid = Number(found[1]);
    const tid = Number(found[2]);
    const task = this.#tasks.get(pid);
    this.#calls.delete(tid);
    if (this.#hidden.has(pid) || task === undefined) return;
    task.threads.delete(tid);
    const isLast = task.threads.size === 0;
    const row = this.builder.add(this.#now(), pid, tid, isLast ? OP_EXIT : OP_THREAD_EXIT);
    if (isLast) {
      this.builder.events.arg[row] = -1;
      this.#tasks.delete(pid);
    }
  }

  #enter(text: string, name: string): void {
    const { pid, tid, rest } = this.#head;
    if (this.#hidden.has(pid)) return;
    this.#hasCalls = true;
    const task = this.#tasks.get(pid);
    if (task?.exec !== undefined) this.#endExec(pid, task);
    const args = readArgs(text, rest);
    this.#calls.set(tid, { name, pid, args, file: '', mappedBytes: 0, done: false });
  }

  #exit(text: string, name: string, number: number): void {
    const { pid, tid, rest } = this.#head;
    if (this.#hidden.has(pid)) return;
    const call = this.#calls.get(tid);
    const value = readArgs(text, rest)[0];
    if (call === undefined || call.name !== name || value === undefined) {
      // The recording began inside the call, or its enter was lost.
      if (this.#hasCalls) {
        const message = `the beginning of this ${name} is not in the log`;
        this.#report.add('note', 'IMP004', number, message);
      }
      return;
    }
    this.#calls.delete(tid);
    // A new object behind a descriptor that had another name.
    if (name === 'memfd_create') this.#named.delete(`${pid}:${value.offset}`);
    if (call.done) return;
    const row = callRow(call, value, this.files);
    if (row === undefined) return;
    if (row.op === OP_FTRUNCATE || row.op === OP_FALLOCATE) {
      this.#onDescriptor(call, row);
      return;
    }
    if (!resultOf(value).isError) {
      this.#unmapFirst(pid, value, row);
      if (row.op === OP_MMAP) this.#nameDescriptor(call);
    }
    this.#add(pid, tid, row);
  }

  /**
   * Another thread's munmap that has not returned yet, of a range that this call was given: the
   * kernel had done it before.
   */
  #unmapFirst(pid: number, value: CallArg, row: CallRow): void {
    const length = row.op === OP_MMAP ? (row.length ?? 0) : (row.pgoff ?? 0) * 4096;
    const end = value.vpn + Math.ceil(length / 4096);
    for (const [tid, call] of this.#calls) {
      if (call.pid !== pid || call.name !== 'munmap' || call.done) continue;
      const from = call.args[0]?.vpn ?? 0;
      const to = from + Math.ceil(bytesOf(call.args[1]) / 4096);
      if (from >= end || to <= value.vpn) continue;
      const early = callRow(call, { vpn: 0, offset: 0 }, this.files);
      if (early !== undefined) this.#add(pid, tid, early);
      call.done = true;
    }
  }

  #onDescriptor(call: OpenCall, row: CallRow): void {
    const key = `${call.pid}:${intOf(call.args[0])}`;
    const name = this.#named.get(key);
    const { pid, tid } = this.#head;
    // Descriptors are used again: a file that is not in memory is not what grows here.
    const kind = name === undefined ? 'file' : this.files.files.get(name)?.kind;
    if (name !== undefined && (kind === 'memfd' || kind === 'tmpfs')) {
      this.#add(pid, tid, { ...row, name });
      return;
    }
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [{ row, pid, tid }]);
    else waiting.push({ row, pid, tid });
  }

  /** A mapped descriptor has a name: what was done to it before can be told now. */
  #nameDescriptor(call: OpenCall): void {
    const fd = intOf(call.args[4]);
    if (fd < 0 || call.file === '' || (intOf(call.args[3]) & MAP_ANONYMOUS) !== 0) return;
    const key = `${call.pid}:${fd}`;
    this.#named.set(key, call.file);
    for (const { row, pid, tid } of this.#waiting.get(key) ?? []) {
      this.#add(pid, tid, { ...row, name: call.file });
    }
    this.#waiting.delete(key);
  }

  #add(pid: number, tid: number, row: CallRow): void {
    const { builder } = this;
    const { op, address, length = 0, arg = 0, arg2 = 0, pgoff = 0, name = '', result } = row;
    const vpn = address?.vpn ?? 0;
    const at = builder.add(this.#now(), pid, tid, op, vpn, address?.offset ?? 0, length);
    builder.detail(at, arg, arg2, pgoff, builder.name(name), result);
  }

  finish(): ImportFacts {
    if (this.#fork !== undefined) this.#endFork(-1);
    for (const [pid, task] of this.#tasks) this.#endExec(pid, task);
    const notes: TraceNote[] = [];
    const add = (code: string, text: string): void => {
      notes.push({ code, text });
    };
    if (this.#hasTracepoints && !this.#hasKernelFaults) {
      add(
        'no-kernel-faults',
        'It has no faults of the kernel itself (page_fault_kernel): memory that only read() and its like fill is missing.',
      );
    }
    if (this.#hasSoftware && !this.#hasTracepoints) {
      add(
        'access-unknown',
        'It does not tell reads from writes: each touch counts as a write where the mapping allows one.',
      );
    }
    if (!this.#hasMaps) {
      add(
        'no-maps',
        'It does not tell which files are mapped, nor what a program maps at its start (perf script --show-mmap-events).',
      );
    }
    if (!this.#hasCalls)
      add('no-calls', 'It has no system calls: mappings and their ends are unknown.');
    const files = [...this.files.files.values()];
    return { mode: 'import-perf', lost: this.#lost, command: this.#command, files, notes };
  }
}
