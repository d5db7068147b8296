/** Reads a trace: finds its newest footer, checks its version, decodes its row groups. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Diagnostic } from '../base/index.ts';
import {
  decodeRowGroup,
  EVENT_COLUMNS,
  type Events,
  emptyMeta,
  type Footer,
  KEY_META,
  KEY_SCHEMA,
  MAGIC,
  makeEvents,
  makeSharedEvents,
  metaFrom,
  parseFooter,
  rangeOf,
  SCHEMA_OLDEST,
  SCHEMA_VERSION,
  type Trace,
  type TraceMeta,
  trimEvents,
  upgradeTrace,
} from '../trace/index.ts';
import { reasonOf, traceDiagnostic } from './codes.ts';
import { readForeign } from './foreign.ts';

const TAIL = 8;
/** How much is searched at a time for the footer of a torn file. */
const WINDOW = 1 << 22;
/** What zlib allows. */
const LEAST_CHUNK = 64;
const FOOTER_MOST = 1 << 28;

/** In one piece of the known size: pieces of the usual 16 kB are all copied once more. */
function inflate(bytes: Uint8Array, plainBytes: number): Uint8Array {
  return gunzipSync(bytes, { chunkSize: Math.max(plainBytes, LEAST_CHUNK) });
}

/** A file that is open, with its newest whole footer. */
export interface OpenTrace {
  readonly path: string;
  readonly fd: number;
  readonly bytes: number;
  readonly footer: Footer;
  /** Where that footer ends: less than `bytes` in a torn file. */
  readonly wholeBytes: number;
  readonly schema: number;
  readonly meta: TraceMeta;
  readonly rawMeta: Record<string, unknown>;
}

export interface Opened {
  readonly open: OpenTrace | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Equal as long as it is the same file and nobody has written to it. */
export function stampOf(fd: number): string {
  const { dev, ino, size, mtimeNs } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

function readAt(fd: number, from: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const read = readSync(fd, buffer, done, length - done, from + done);
    if (read === 0) break;
    done += read;
  }
  return buffer.subarray(0, done);
}

/** The footer whose magic ends at `end`, if one does. */
function footerAt(fd: number, end: number): Footer | undefined {
  if (end < TAIL + 4) return undefined;
  const tail = readAt(fd, end - TAIL, TAIL);
  if (tail.toString('latin1', 4) !== MAGIC) return undefined;
  const length = tail.readUInt32LE(0);
  if (length > FOOTER_MOST || length + TAIL + 4 > end) return undefined;
  const footer = parseFooter(readAt(fd, end - TAIL - length, length));
  return footer !== undefined && footer.end <= end - TAIL - length ? footer : undefined;
}

/** The newest footer at or before `end`: the file was torn behind it. */
function searchFooter(fd: number, end: number): { footer: Footer; wholeBytes: number } | undefined {
  for (let to = end; to > 4; to -= WINDOW) {
    const from = Math.max(0, to - WINDOW);
    // Three bytes more, so that no magic is cut by a window's edge.
    const window = readAt(fd, from, Math.min(end, to + 3) - from);
    for (let at = window.lastIndexOf(MAGIC); at > 0; at = window.lastIndexOf(MAGIC, at - 1)) {
      const footer = footerAt(fd, from + at + 4);
      if (footer !== undefined) return { footer, wholeBytes: from + at + 4 };
    }
  }
  return undefined;
}

function parseMeta(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const NO_TRACE_HINT = 'make one with `faultline record` or `faultline import`';

/** Opens a trace; without one, the diagnostics say why. The caller closes `open.fd`. */
export function openTrace(path: string): Opened {
  const fail = (code: 'TRC001' | 'TRC002' | 'TRC003', message: string, hint?: string): Opened => ({
    open: undefined,
    diagnostics: [traceDiagnostic('error', code, path, message, hint)],
  });
  let fd = -1;
  try {
    fd = openSync(path, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) {
      closeSync(fd);
      return fail('TRC001', 'this is a directory, not a file');
    }
    const bytes = stat.size;
    const found = openWhole(path, fd, bytes);
    if (found.open === undefined) closeSync(fd);
    return found;
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    return fail('TRC001', reasonOf(error));
  }
}

function openWhole(path: string, fd: number, bytes: number): Opened {
  const bad = (code: 'TRC002' | 'TRC003', message: string, hint?: string): Opened => ({
    open: undefined,
    diagnostics: [traceDiagnostic('error', code, path, message, hint)],
  });
  if (bytes === 0) return bad('TRC002', 'the file is empty', NO_TRACE_HINT);
  if (readAt(fd, 0, 4).toString('latin1') !== MAGIC) {
    return bad('TRC002', 'this is no trace: it does not begin as a Parquet file', NO_TRACE_HINT);
  }
  const whole = footerAt(fd, bytes);
  const found =
    whole === undefined ? searchFooter(fd, bytes) : { footer: whole, wholeBytes: bytes };
  if (found === undefined) {
    return bad('TRC002', 'the trace was torn before its first events were complete');
  }
  const { footer, wholeBytes } = found;
  const schema = Number(footer.pairs[KEY_SCHEMA] ?? Number.NaN);
  if (!Number.isInteger(schema)) {
    const hint = `keep the metadata '${KEY_SCHEMA}' and '${KEY_META}' when you rewrite a trace`;
    return bad('TRC002', 'this Parquet file is no trace: it names no schema', hint);
  }
  if (schema > SCHEMA_VERSION || schema < SCHEMA_OLDEST) {
    const message = `this trace has schema version ${schema}; this program reads ${
      SCHEMA_OLDEST === SCHEMA_VERSION ? '' : `${SCHEMA_OLDEST} to `
    }${SCHEMA_VERSION}`;
    return bad('TRC003', message, schema > SCHEMA_VERSION ? 'update Faultline' : undefined);
  }
  const missing = EVENT_COLUMNS.filter((column) => !footer.columns.includes(column));
  if (missing.length > 0) {
    return bad(
      'TRC002',
      `this trace lacks the column${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`,
    );
  }
  const rawMeta = parseMeta(footer.pairs[KEY_META]);
  const meta = metaFrom(rawMeta, emptyMeta('import-perf', ''));
  const diagnostics: Diagnostic[] = [];
  if (wholeBytes < bytes) {
    const cut = bytes - wholeBytes;
    const message = `the trace is torn: its last ${cut} bytes are incomplete; the ${footer.rows} events before them are used`;
    diagnostics.push(traceDiagnostic('warning', 'TRC004', path, message));
  }
  if (footer.rows === 0) {
    diagnostics.push(traceDiagnostic('warning', 'TRC005', path, 'the trace has no events'));
  }
  const open = { path, fd, bytes, footer, wholeBytes, schema, meta, rawMeta };
  return { open, diagnostics };
}

/** What gives names their numbers while row groups are decoded. */
export class NameTable {
  readonly names: string[] = [''];
  readonly #rows = new Map<string, number>([['', 0]]);

  readonly place = (name: string): number => {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = this.names.length;
      this.names.push(name);
      this.#rows.set(name, row);
    }
    return row;
  };
}

/** Decodes row group `index` into the rows from `at` of `out`. False when its bytes are damaged. */
export function readGroup(
  open: OpenTrace,
  index: number,
  out: Events,
  at: number,
  names: NameTable,
  fresh = false,
): boolean {
  const group = open.footer.groups[index];
  if (group === undefined) return false;
  const { start, end } = rangeOf(group);
  const bytes = readAt(open.fd, start, end - start);
  if (bytes.length !== end - start) return false;
  try {
    return decodeRowGroup(group, bytes, out, at, names.place, inflate, fresh);
  } catch (error) {
    // What is left to throw here is zlib, on damaged bytes.
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) return false;
    throw error;
  }
}

export interface ReadTrace {
  readonly trace: Trace | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

function damage(path: string, good: number, all: number): Diagnostic {
  const message = `the trace is damaged behind event ${good} of ${all}; the events before are used`;
  return traceDiagnostic('warning', 'TRC006', path, message);
}

/** Events of a trace that can be read row group by row group; 0 of every other file. */
export function rowsOf(path: string): number {
  const { open } = openTrace(path);
  if (open === undefined) return 0;
  closeSync(open.fd);
  return open.footer.ours && open.schema === SCHEMA_VERSION ? open.footer.rows : 0;
}

export interface Scanned {
  readonly meta: TraceMeta | undefined;
  /** Of the file that was scanned: see stampOf. */
  readonly stamp: string;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Gives the row groups to `take`, one after the other, in the same memory: a trace of any size. Of
 * a damaged one, those before the damage.
 */
export async function scanTrace(
  path: string,
  take: (events: Events, names: readonly string[]) => void,
): Promise<Scanned> {
  const { open, diagnostics } = openTrace(path);
  if (open === undefined) return { meta: undefined, stamp: '', diagnostics };
  const stamp = stampOf(open.fd);
  const { footer } = open;
  if (!footer.ours || open.schema !== SCHEMA_VERSION) {
    closeSync(open.fd);
    const read = await readTrace(path);
    if (read.trace !== undefined) take(read.trace.events, read.trace.names);
    return { meta: read.trace?.meta, stamp, diagnostics: read.diagnostics };
  }
  const found = [...diagnostics];
  try {
    const names = new NameTable();
    const events = makeEvents(Math.max(0, ...footer.groups.map((group) => group.rows)));
    let good = 0;
    for (let i = 0; i < footer.groups.length; i++) {
      if (!readGroup(open, i, events, 0, names)) {
        found.push(damage(path, good, footer.rows));
        break;
      }
      events.rows = footer.groups[i]!.rows;
      good += events.rows;
      take(events, names.names);
    }
    return { meta: open.meta, stamp, diagnostics: found };
  } finally {
    closeSync(open.fd);
  }
}

/** The whole trace in memory (`shared`: by threads). Of a damaged one, the part before the damage. */
export async function readTrace(path: string, shared = false): Promise<ReadTrace> {
  const { open, diagnostics } = openTrace(path);
  if (open === undefined) return { trace: undefined, diagnostics };
  const found = [...diagnostics];
  try {
    const { footer } = open;
    const names = new NameTable();
    const events = shared ? makeSharedEvents(footer.rows) : makeEvents(footer.rows);
    if (footer.ours) {
      for (let i = 0; i < footer.groups.length; i++) {
        const { rows } = footer.groups[i]!;
        if (!readGroup(open, i, events, events.rows, names, true)) {
          found.push(damage(path, events.rows, footer.rows));
          break;
        }
        events.rows += rows;
      }
    } else {
      const failure = await readForeign(open.path, events, names.place);
      if (failure !== undefined) {
        const hint = 'write it with gzip, Snappy or no compression';
        found.push(traceDiagnostic('error', 'TRC006', path, failure, hint));
        return { trace: undefined, diagnostics: found };
      }
    }
    upgradeTrace(open.schema, open.rawMeta, events);
    const meta = metaFrom(open.rawMeta, open.meta);
    return { trace: { meta, names: names.names, events: trimEvents(events) }, diagnostics: found };
  } finally {
    closeSync(open.fd);
  }
}
