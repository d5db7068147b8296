/** Logs of any size into trace files: text streams through, rows leave as soon as they are many. */
import { StringDecoder } from 'node:string_decoder';
import type { Diagnostic } from '../base/index.ts';
import type { ImportFacts, LogImport } from '../import/index.ts';
import type { TraceWriter } from '../store/index.ts';
import type { Merge } from './merge.ts';

/** Rows that are kept before they go to the file. */
const ROWS_KEPT = 1 << 15;

export interface Imported {
  readonly facts: ImportFacts | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads `source` to its end. The writer is made by `open` when there is something to write, so that
 * a file that is no log overwrites nothing; it is still open afterwards.
 */
export async function importStream(
  source: AsyncIterable<Uint8Array>,
  log: LogImport,
  open: () => TraceWriter,
  progress: (bytes: number, rows: number) => void,
  merge?: Merge,
): Promise<Imported & { writer: TraceWriter | undefined }> {
  // Paths may be in any encoding; bytes that are no UTF-8 become replacement characters.
  const decoder = new StringDecoder('utf8');
  let writer: TraceWriter | undefined;
  let bytes = 0;
  const drain = (): void => {
    const { builder } = log;
    if (builder === undefined || builder.rows === 0) return;
    writer ??= open();
    if (merge === undefined) writer.append(builder.events, 0, builder.rows, builder.names);
    else merge.append(builder.events, builder.names, log.origin);
    builder.clear();
  };
  for await (const piece of source) {
    bytes += piece.length;
    log.push(decoder.write(piece as Buffer));
    if (log.unknown) break;
    if ((log.builder?.rows ?? 0) >= ROWS_KEPT) drain();
    progress(bytes, writer?.rows ?? 0);
  }
  log.push(decoder.end());
  const { facts, diagnostics } = log.finish();
  drain();
  merge?.end();
  return { facts, diagnostics, writer };
}
