/** A notation for small traces: one call a line of a test. */

import {
  type Replay,
  releaseNamed,
  runReplay,
  type SettingWrite,
  startReplay,
  THP_ROOT,
} from '../../src/replay/index.ts';
import {
  emptyMeta,
  FAULT_TAKEN,
  OP_BRK,
  OP_EXEC,
  OP_EXIT,
  OP_FORK,
  OP_MADVISE,
  OP_MAP,
  OP_MMAP,
  OP_MREMAP,
  OP_MUNMAP,
  TOUCH_READ,
  TOUCH_WRITE,
  type Trace,
  TraceBuilder,
  type TraceMeta,
} from '../../src/trace/index.ts';

const PRIVATE = 0x22;
const SHARED = 0x21;
const RW = 3;
export const TOP = 0x7ffff7fff;

/** A recording in the making: addresses are page numbers, lengths pages. */
export class Tape {
  readonly builder = new TraceBuilder();
  #time = 0;
  pid = 100;

  #row(op: number, vpn = 0, pages = 0): number {
    this.#time += 1000;
    return this.builder.add(this.#time, this.pid, this.pid, op, vpn, 0, pages * 4096);
  }

  exec(name = '/usr/bin/app'): this {
    const row = this.#row(OP_EXEC);
    this.builder.events.name[row] = this.builder.name(name);
    return this;
  }

  /** A mapping of the image. */
  map(vpn: number, pages: number, name = '', prot = RW, flags = 2, pgoff = 0): this {
    const row = this.#row(OP_MAP, vpn, pages);
    this.builder.detail(row, prot, flags, pgoff, this.builder.name(name), 0);
    return this;
  }

  mmap(at: number, pages: number, flags = PRIVATE, name = '', pgoff = 0): this {
    const row = this.#row(OP_MMAP, 0, pages);
    this.builder.detail(row, RW, flags, pgoff, this.builder.name(name), at);
    return this;
  }

  shared(at: number, pages: number): this {
    return this.mmap(at, pages, SHARED);
  }

  munmap(at: number, pages: number): this {
    this.#row(OP_MUNMAP, at, pages);
    return this;
  }

  mremap(from: number, pages: number, to: number, newPages: number, flags = 1): this {
    const row = this.#row(OP_MREMAP, from, pages);
    this.builder.detail(row, 0, flags, newPages, 0, to);
    return this;
  }

  madvise(at: number, pages: number, advice: number): this {
    const row = this.#row(OP_MADVISE, at, pages);
    this.builder.events.arg[row] = advice;
    return this;
  }

  brk(vpn: number): this {
    const row = this.#row(OP_BRK, vpn);
    this.builder.events.result[row] = vpn;
    return this;
  }

  fork(child: number, flags = 0): this {
    const row = this.#row(OP_FORK);
    this.builder.detail(row, 0, flags, 0, 0, child);
    return this;
  }

  exit(): this {
    this.#row(OP_EXIT);
    return this;
  }

  as(pid: number): this {
    this.pid = pid;
    return this;
  }

  write(vpn: number, pages = 1, fault = FAULT_TAKEN): this {
    return this.#touch(vpn, pages, TOUCH_WRITE, fault);
  }

  read(vpn: number, pages = 1, fault = FAULT_TAKEN): this {
    return this.#touch(vpn, pages, TOUCH_READ, fault);
  }

  #touch(vpn: number, pages: number, arg: number, fault: number): this {
    for (let i = 0; i < pages; i++) {
      this.#time += 1000;
      this.builder.touch(this.#time, this.pid, this.pid, vpn + i, 0, arg, fault);
    }
    return this;
  }

  trace(meta: Partial<TraceMeta> = {}): Trace {
    const base = emptyMeta('tracepoints', 'test');
    return this.builder.finish({ ...base, thpDisabled: true, ...meta });
  }
}

export function setting(text: string): SettingWrite {
  const [name, value] = text.split('=') as [string, string];
  return { path: name.startsWith('/') ? name : THP_ROOT + name, value };
}

export const ANON_64K = 'hugepages-64kB/enabled=always';
export const ANON_2M = 'hugepages-2048kB/enabled=always';
export const SHMEM_64K = 'hugepages-64kB/shmem_enabled=always';

export function run(trace: Trace, ...settings: string[]): Replay {
  const options = { release: releaseNamed(), settings: settings.map(setting) };
  const { replay, refused } = startReplay(trace, options);
  if (refused.length > 0) throw new Error(`refused: ${refused[0]!.path}`);
  runReplay(replay, options);
  return replay;
}
