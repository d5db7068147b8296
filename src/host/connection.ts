/**
 * Frames through an executor's channels: one channel for each job. Frames go out in order and come
 * back in order, so each job keeps a queue of who waits for the next answer.
 */
import type { Readable, Writable } from 'node:stream';
import type { Transport } from './transport.ts';

export type FrameHandler = (words: Uint32Array | undefined) => void;

/** Cuts a stream of bytes into frames; a frame's words are a copy of their own. */
class FrameReader {
  #parts: Buffer[] = [];
  #have = 0;
  #need = 4;
  readonly #onFrame: (words: Uint32Array) => void;

  constructor(onFrame: (words: Uint32Array) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#have += chunk.length;
    while (this.#have >= this.#need) {
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [all];
      const size = all.readUInt32LE(0);
      this.#need = 4 + size;
      if (this.#have < this.#need) return;
      const words = new Uint32Array(size >> 2);
      all.copy(new Uint8Array(words.buffer), 0, 4, 4 + size);
      this.#parts = [all.subarray(this.#need)];
      this.#have -= this.#need;
      this.#need = 4;
      this.#onFrame(words);
    }
  }
}

interface Waiting {
  readonly handler: FrameHandler;
  readonly limitMs: number;
}

/** One inspector: frames go out at once and wait in its pipe; answers come in the same order. */
class Job {
  readonly #to: Writable;
  readonly #waiting: Waiting[] = [];
  readonly #onStuck: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** The inspector of this job is gone. */
  ended = false;

  constructor(to: Writable, from: Readable, onStuck: () => void) {
    this.#to = to;
    this.#onStuck = onStuck;
    const reader = new FrameReader((words) => {
      const next = this.#waiting.shift();
      this.#watch();
      next?.handler(words);
    });
    from.on('data', (chunk: Buffer) => reader.push(chunk));
    // One that has been looked at before stands still.
    from.resume();
    from.on('close', () => this.abandon());
    from.on('error', () => this.abandon());
    to.on('error', () => this.abandon());
  }

  /** The time of an answer runs from when the one before it came. */
  #watch(): void {
    clearTimeout(this.#timer);
    const head = this.#waiting[0];
    this.#timer = head && setTimeout(this.#onStuck, head.limitMs);
  }

  /** The next frame that comes goes to `handler`; undefined when none comes any more. */
  expect(limitMs: number, handler: FrameHandler): void {
    if (this.ended) {
      handler(undefined);
      return;
    }
    this.#waiting.push({ handler, limitMs });
    if (this.#waiting.length === 1) this.#watch();
  }

  send(frame: Uint8Array, limitMs: number, handler: FrameHandler): void {
    this.expect(limitMs, handler);
    if (!this.ended) this.#to.write(frame);
  }

  end(): void {
    this.#to.end();
  }

  abandon(): void {
    this.ended = true;
    clearTimeout(this.#timer);
    for (const { handler } of this.#waiting.splice(0)) handler(undefined);
  }

  get waiting(): number {
    return this.#waiting.length;
  }
}

export class Connection {
  readonly #transport: Transport;
  readonly jobs: readonly Job[];

  constructor(transport: Transport) {
    this.#transport = transport;
    this.jobs = transport.channels.map(({ to, from }) => new Job(to, from, () => transport.kill()));
    void transport.exited.then(() => {
      for (const job of this.jobs) job.abandon();
    });
  }

  get errors(): string {
    return this.#transport.errors;
  }

  get lastLines(): readonly string[] {
    return this.#transport.lastLines ?? [];
  }

  get pid(): number {
    return this.#transport.pid;
  }

  /** Waits, for a while, until the executor has ended and `errors` is complete. */
  async lastWords(limitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([this.#transport.exited, late]);
    clearTimeout(timer);
  }

  complaints(): string[] {
    return this.#transport.complaints?.() ?? [];
  }

  async close(limitMs: number): Promise<void> {
    for (const job of this.jobs) job.end();
    await this.#transport.close(limitMs);
  }
}

export type { Job };
