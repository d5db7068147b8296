/**
 * Whoever runs an executor: a process of this machine, or a virtual machine. It has a pair of
 * streams for each job, and says why it ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface Channel {
  readonly to: Writable;
  readonly from: Readable;
}

export interface Transport {
  readonly channels: readonly Channel[];
  readonly pid: number;
  /** What the executor, or who runs it, had to say of a failure; '' when nothing. */
  readonly errors: string;
  /** Last lines of a virtual machine's console, once something is wrong. */
  readonly lastLines?: readonly string[];
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;
  /** At once, for one that hangs. */
  kill(): void;
  /** The channels were ended: ends in order, or is killed when that takes longer than the limit. */
  close(limitMs: number): Promise<void>;
  /** What the kernel complained of since this was asked last (a virtual machine's console). */
  complaints?(): string[];
}

const ERRORS_MAX = 4000;

/** The executor as a process, with two pipes for each job. */
export class LocalProcess implements Transport {
  readonly #process: ChildProcess;
  readonly channels: readonly Channel[];
  readonly exited: Promise<void>;
  #errors = '';

  constructor(path: string, args: readonly string[], jobs: number) {
    const pipes = Array.from({ length: jobs * 2 }, () => 'pipe' as const);
    // A group of its own: a Ctrl-C at the terminal comes to us, and we end the executor in order.
    const stdio = ['ignore' as const, 'ignore' as const, 'pipe' as const, ...pipes];
    this.#process = spawn(path, [...args], { stdio, detached: true });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-ERRORS_MAX);
    });
    this.channels = Array.from({ length: jobs }, (_, i) => ({
      to: this.#process.stdio[3 + 2 * i] as Writable,
      from: this.#process.stdio[4 + 2 * i] as Readable,
    }));
    this.exited = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#errors += error.message;
        resolve();
      });
      this.#process.on('close', resolve);
    });
  }

  /** What the executor wrote to its error output, without its name before each line. */
  get errors(): string {
    return this.#errors.replace(/^faultline-executor: /gm, '').trim();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Returns when its guard has put the settings back. */
  async close(limitMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), limitMs);
    await this.exited;
    clearTimeout(timer);
  }
}
