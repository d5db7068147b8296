/** A notation for calls on the modelled kernel: numbers in, one number out, negative for an errno. */
import { type TaskRow, word } from '../../src/base/index.ts';
import type { BootOptions } from '../../src/kernel/index.ts';
import { Kernel, type SpawnOptions, type Value } from '../../src/kernel/index.ts';
import { findKernel } from '../../src/mm/release.ts';

export type Arg = number | Value | null;

export class Driver {
  readonly kernel: Kernel;
  task: TaskRow;

  constructor(options: Partial<BootOptions> & { readonly kernelName?: string } = {}) {
    const release = findKernel(options.kernelName ?? '6.18');
    if (release === undefined) throw new Error('no such kernel');
    this.kernel = Kernel.boot({ memoryBytes: 2 ** 30, contents: true, ...options, release });
    this.task = this.kernel.firstTask;
  }

  spawn(options: SpawnOptions = {}): TaskRow {
    return this.kernel.spawn(options);
  }

  raw(name: string, ...args: Arg[]) {
    const values = args.map((a) =>
      typeof a === 'number' ? word.fromNumber(a) : a === null ? word.ZERO : a,
    );
    return this.kernel.syscall(this.task, name, values);
  }

  /** The call's value, or minus its errno; anything else fails the test. */
  call(name: string, ...args: Arg[]): number {
    const result = this.raw(name, ...args);
    if ('value' in result) return word.toNumber(result.value);
    if ('errno' in result) return -result.errno;
    throw new Error(`${name}: ${JSON.stringify(result)}`);
  }

  as<T>(task: TaskRow, run: () => T): T {
    const before = this.task;
    this.task = task;
    try {
      return run();
    } finally {
      this.task = before;
    }
  }

  /** Touches pages [vpn, vpn + n); the first failure's ACCESS_* code, or 0. */
  touch(vpn: number, n: number, kind = 1): number {
    for (let i = 0; i < n; i++) {
      const failed = this.kernel.access(this.task, vpn + i, kind);
      if (failed !== 0) return failed;
    }
    return 0;
  }

  text(path: string): string {
    const file = this.kernel.readFile(path, this.task);
    if ('text' in file) return file.text;
    throw new Error(`${path}: ${JSON.stringify(file)}`);
  }

  words(path: string, first: number, count: number): Uint32Array {
    const file = this.kernel.readFile(path, 0, { offset: first * 8, length: count * 8 });
    if ('bytes' in file) return new Uint32Array(file.bytes.buffer);
    throw new Error(`${path}: ${JSON.stringify(file)}`);
  }

  /** A field of /proc/self/status. */
  status(name: string): string {
    const line = this.text('/proc/self/status').match(new RegExp(`^${name}:\\s*(.*)$`, 'm'));
    return line?.[1] ?? '';
  }
}
