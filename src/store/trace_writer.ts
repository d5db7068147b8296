/**
 * Writes a trace, row group by row group. After every footer the file is whole; a failed write
 * (disk full) cuts it back to the last footer, so that what was recorded stays readable.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import {
  ByteSink,
  copyEvents,
  type Events,
  encodeFooter,
  encodeRowGroup,
  growEvents,
  MAGIC,
  makeEvents,
  type RowGroup,
  type TraceMeta,
} from '../trace/index.ts';
import { reasonOf } from './codes.ts';

/** Rows of a row group: large enough to pack well, small enough to be decoded in a cache. */
export const GROUP_ROWS = 1 << 17;
/** A footer is written when row groups grew by this share since the last. */
const FOOTER_SHARE = 1 / 16;
const GZIP_LEVEL = 6;

const deflate = (bytes: Uint8Array): Uint8Array => gzipSync(bytes, { level: GZIP_LEVEL });

export class TraceWriteError extends Error {
  override readonly name = 'TraceWriteError';
  /** Events that are in the file and can be read. */
  readonly kept: number;

  constructor(reason: string, kept: number) {
    super(reason);
    this.kept = kept;
  }
}

export class TraceWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #pending: Events = makeEvents(4096);
  readonly #groups: RowGroup[] = [];
  #meta: TraceMeta;
  /** Rows in row groups that were written. */
  #rows = 0;
  #at = 0;
  /** End of the last footer, and what the file holds up to there. */
  #wholeAt = 0;
  #wholeRows = 0;
  #wholeGroups = 0;
  #closed = false;

  /** Throws TraceWriteError when the file cannot be made. */
  constructor(path: string, meta: TraceMeta) {
    this.path = path;
    this.#meta = meta;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      throw new TraceWriteError(reasonOf(error), 0);
    }
    this.#write(new Uint8Array([...MAGIC].map((letter) => letter.charCodeAt(0))));
  }

  get rows(): number {
    return this.#rows + this.#pending.rows;
  }

  get bytes(): number {
    return this.#at;
  }

  /** What later footers say. */
  set meta(meta: TraceMeta) {
    this.#meta = meta;
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#at + done);
      }
      this.#at += bytes.length;
    } catch (error) {
      this.#giveUp();
      throw new TraceWriteError(reasonOf(error), this.#wholeRows);
    }
  }

  /** Back to the last footer; a file that never had one goes. */
  #giveUp(): void {
    this.#closed = true;
    try {
      ftruncateSync(this.#fd, this.#wholeAt);
    } finally {
      closeSync(this.#fd);
      if (this.#wholeAt === 0) unlinkSync(this.path);
    }
  }

  /** Appends rows [from, to) of `events`, whose names are `names`. */
  append(events: Events, from: number, to: number, names: readonly string[]): void {
    const pending = this.#pending;
    for (let at = from; at < to; ) {
      const take = Math.min(to - at, GROUP_ROWS - pending.rows);
      growEvents(pending, pending.rows + take);
      copyEvents(events, at, at + take, pending, pending.rows);
      pending.rows += take;
      at += take;
      if (pending.rows === GROUP_ROWS) this.flush(names);
    }
  }

  /** Writes what is pending as a row group, and a footer where one is due. */
  flush(names: readonly string[], withFooter = false): void {
    const pending = this.#pending;
    if (pending.rows > 0) {
      const sink = new ByteSink(1 << 20);
      const group = encodeRowGroup(pending, names, this.#at, sink, deflate);
      this.#write(sink.view());
      this.#groups.push(group);
      this.#rows += pending.rows;
      pending.rows = 0;
    }
    const since = this.#groups.length - this.#wholeGroups;
    if (withFooter || since > this.#wholeGroups * FOOTER_SHARE) this.#footer();
  }

  #footer(): void {
    this.#write(encodeFooter(this.#groups, this.#meta));
    this.#wholeAt = this.#at;
    this.#wholeRows = this.#rows;
    this.#wholeGroups = this.#groups.length;
  }

  /** Leaves no file behind, or the part up to the last footer. */
  abandon(): void {
    if (!this.#closed) this.#giveUp();
  }

  close(names: readonly string[], meta: TraceMeta): void {
    if (this.#closed) return;
    this.#meta = meta;
    this.flush(names, true);
    this.#closed = true;
    try {
      fdatasyncSync(this.#fd);
    } catch {
      // A pipe or a device: nothing to wait for.
    }
    closeSync(this.#fd);
  }
}
