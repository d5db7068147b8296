/**
 * System calls between their enter and their exit, and the descriptors that they name: a file's
 * name comes with the first mapping of its descriptor, and what was done to it before waits for it.
 */
import { OP_FALLOCATE, OP_FTRUNCATE, OP_MMAP } from '../trace/index.ts';
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
import type { PerfLog } from './perf_log.ts';

const MAP_ANONYMOUS = 0x20;

interface Waiting {
  readonly row: CallRow;
  readonly pid: number;
  readonly tid: number;
}

export class OpenCalls {
  readonly #log: PerfLog;
  /** By thread. */
  readonly #calls = new Map<number, OpenCall>();
  /** Process and descriptor → name; or the rows that wait for one. */
  readonly #named = new Map<string, string>();
  readonly #waiting = new Map<string, Waiting[]>();
  #any = false;

  constructor(log: PerfLog) {
    this.#log = log;
  }

  /** The log has system calls. */
  get any(): boolean {
    return this.#any;
  }

  /** The call that a thread is in. */
  of(tid: number): OpenCall | undefined {
    return this.#calls.get(tid);
  }

  /** A thread has ended, or executes another program. */
  forget(tid: number): void {
    this.#calls.delete(tid);
  }

  /** `sys_enter_NAME`, the line at hand. */
  enter(text: string, name: string): void {
    const { pid, tid, rest } = this.#log.head;
    this.#any = true;
    const args = readArgs(text, rest);
    this.#calls.set(tid, { name, pid, args, file: '', mappedBytes: 0, done: false });
  }

  /** `sys_exit_NAME`, the line at hand. */
  exit(text: string, name: string, number: number): void {
    const { pid, tid, rest } = this.#log.head;
    const call = this.#calls.get(tid);
    const value = readArgs(text, rest)[0];
    if (call === undefined || call.name !== name || value === undefined) {
      // The recording began inside the call, or its enter was lost.
      if (this.#any) {
        const message = `the beginning of this ${name} is not in the log`;
        this.#log.report.add('note', 'IMP004', number, message);
      }
      return;
    }
    this.#calls.delete(tid);
    // A new object behind a descriptor that had another name.
    if (name === 'memfd_create') this.#named.delete(`${pid}:${value.offset}`);
    if (call.done) return;
    const row = callRow(call, value, this.#log.files);
    if (row === undefined) return;
    if (row.op === OP_FTRUNCATE || row.op === OP_FALLOCATE) {
      this.#onDescriptor(call, row);
      return;
    }
    if (!resultOf(value).isError) {
      this.#unmapFirst(pid, value, row);
      if (row.op === OP_MMAP) this.#nameDescriptor(call);
    }
    this.#log.call(pid, tid, row);
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
      const early = callRow(call, { vpn: 0, offset: 0 }, this.#log.files);
      if (early !== undefined) this.#log.call(pid, tid, early);
      call.done = true;
    }
  }

  #onDescriptor(call: OpenCall, row: CallRow): void {
    const key = `${call.pid}:${intOf(call.args[0])}`;
    const name = this.#named.get(key);
    const { pid, tid } = this.#log.head;
    // Descriptors are used again: a file that is not in memory is not what grows here.
    const kind = name === undefined ? 'file' : this.#log.files.files.get(name)?.kind;
    if (name !== undefined && (kind === 'memfd' || kind === 'tmpfs')) {
      this.#log.call(pid, tid, { ...row, name });
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
      this.#log.call(pid, tid, { ...row, name: call.file });
    }
    this.#waiting.delete(key);
  }
}
