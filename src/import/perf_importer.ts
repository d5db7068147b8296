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
  OP_LOST,
  TOUCH_EXEC,
  TOUCH_READ,
  TOUCH_WRITE,
  type TraceBuilder,
  type TraceNote,
} from '../trace/index.ts';
import type { Importer, ImportFacts, ImportReport } from './importer.ts';
import { type PageAddress, parseFaultHead, parseHead, readHexAddress } from './perf_line.ts';
import { PerfLog } from './perf_log.ts';
import { OpenCalls } from './perf_open_calls.ts';
import { type PerfOptions, PerfProcesses } from './perf_processes.ts';

const USER_PAGES = 2 ** 44;

export class PerfImporter implements Importer {
  readonly kind = 'perf script';
  readonly #log: PerfLog;
  readonly #calls: OpenCalls;
  readonly #processes: PerfProcesses;
  readonly #address: PageAddress = { vpn: 0, offset: 0 };
  #lost = 0;
  #hasTracepoints = false;
  #hasKernelFaults = false;
  #hasSoftware = false;
  readonly #ownStart: number;
  readonly #ownEnd: number;
  #own = 0;

  constructor(report: ImportReport, options: PerfOptions = {}) {
    const { start, end } = options.ownPages ?? { start: 0, end: 0 };
    this.#ownStart = start;
    this.#ownEnd = end;
    this.#log = new PerfLog(report);
    this.#calls = new OpenCalls(this.#log);
    this.#processes = new PerfProcesses(this.#log, this.#calls, options);
  }

  get builder(): TraceBuilder {
    return this.#log.builder;
  }

  /** Seconds on perf's clock at time 0. */
  get origin(): number {
    return this.#log.origin;
  }

  line(text: string, number: number): void {
    const fault = text.indexOf('exceptions:page_fault_');
    if (fault > 0 && parseFaultHead(text, fault, this.#log.head)) {
      this.#fault(text, fault, number);
      return;
    }
    if (text === '' || text.startsWith('#')) return;
    if (!parseHead(text, this.#log.head)) {
      // Lines of call chains begin with spaces and an address; an empty one ends them.
      if (!/^\s+[0-9a-f]+ .*|^\s*$/.test(text)) this.#bad(text, number);
      return;
    }
    this.#event(text, number);
  }

  #bad(text: string, number: number): void {
    this.#log.report.bad(number, text, '`comm pid/tid time: event: …` of perf script');
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
    const { pid, tid } = this.#log.head;
    if (vpn >= USER_PAGES || this.#processes.hides(pid)) return;
    if (vpn >= this.#ownStart && vpn < this.#ownEnd) {
      this.#own++;
      return;
    }
    const time = this.#log.now();
    const image = this.#processes.imageFor(pid, isKernel);
    if (image === undefined) this.builder.touch(time, pid, tid, vpn, offset, access, how);
    else image.touch(vpn, offset, access, how);
  }

  #event(text: string, number: number): void {
    const { event, rest, pid } = this.#log.head;
    if (event.startsWith('syscalls:sys_enter_')) {
      if (this.#processes.hides(pid)) return;
      this.#processes.calls(pid);
      this.#calls.enter(text, event.slice(19));
    } else if (event.startsWith('syscalls:sys_exit_')) {
      if (!this.#processes.hides(pid)) this.#calls.exit(text, event.slice(18), number);
    } else if (event.startsWith('PERF_RECORD_')) {
      this.#record(text, event.slice(12), number);
    } else if (event === 'task:task_newtask') {
      this.#processes.newTask(text.slice(rest));
    } else if (event === 'sched:sched_process_exec') {
      this.#processes.execEnds(text.slice(rest));
    } else if (/^(?:page-faults|faults|minor-faults|major-faults)(?::|$)/.test(event)) {
      this.#software(text, number);
    }
  }

  /** perf's software event: the address is its first number. */
  #software(text: string, number: number): void {
    const { rest } = this.#log.head;
    const at = text.slice(rest).search(/[0-9a-f]/);
    if (at < 0 || readHexAddress(text, rest + at, this.#address) < 0) {
      this.#log.report.bad(number, text, 'an address (record with `perf record -d`)');
      return;
    }
    this.#hasSoftware = true;
    this.#touch(0, FAULT_TAKEN, false);
  }

  #record(text: string, record: string, number: number): void {
    const { pid, tid, rest } = this.#log.head;
    const processes = this.#processes;
    const said = text.slice(rest);
    switch (record) {
      case 'MMAP2':
        if (!processes.mapped(said)) {
          const expected = 'PERF_RECORD_MMAP2 pid/tid: [start(length) @ offset …]';
          this.#log.report.bad(number, text, expected);
        }
        return;
      case 'COMM':
        processes.named(said);
        return;
      case 'COMM exec':
        processes.execBegins();
        return;
      case 'FORK':
        processes.forked(said);
        return;
      case 'EXIT':
        processes.exited(said);
        return;
      case 'LOST':
      case 'LOST_SAMPLES': {
        const count = Number(/lost (\d+)/.exec(said)?.[1] ?? 0);
        if (count === 0) return;
        this.#lost += count;
        const row = this.builder.add(this.#log.now(), pid, tid, OP_LOST);
        this.builder.events.result[row] = count;
        return;
      }
      default:
        return;
    }
  }

  finish(): ImportFacts {
    this.#processes.finish();
    const files = [...this.#log.files.files.values()];
    const { command } = this.#processes;
    const notes = this.#notes();
    return { mode: 'import-perf', lost: this.#lost, command, files, notes, own: this.#own };
  }

  #notes(): TraceNote[] {
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
    if (!this.#processes.hasMaps) {
      add(
        'no-maps',
        'It does not tell which files are mapped, nor what a program maps at its start (perf script --show-mmap-events).',
      );
    }
    if (!this.#calls.any) {
      add('no-calls', 'It has no system calls: mappings and their ends are unknown.');
    }
    return notes;
  }
}
