/** `faultline import LOG -o T` */
import { spawn } from 'node:child_process';
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { Diagnostic } from '../base/index.ts';
import { LogImport } from '../import/index.ts';
import {
  convertRaw,
  importStream,
  isRawFolder,
  RAW_SUFFIX,
  rawFolder,
  withFacts,
} from '../record/index.ts';
import {
  reasonOf,
  scanTrace,
  TraceWriteError,
  TraceWriter,
  traceDiagnostic,
} from '../store/index.ts';
import { emptyMeta, SCHEMA_VERSION, Summariser, type TraceMeta } from '../trace/index.ts';
import { traceInfoView } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError, STDIN_NAME } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import { CounterLine } from './progress.ts';
import { version } from './version.ts';

export interface ImportCommandOptions extends OutputOptions {
  readonly output?: string;
}

type Source = { readonly stream: AsyncIterable<Uint8Array>; readonly failed: () => string };

/** The first bytes tell compressed text and perf's own files. */
function headOf(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head, 0, 8, 0);
    return head.toString('latin1');
  } finally {
    closeSync(fd);
  }
}

/** perf.data is turned into text by perf itself. */
function perfScript(path: string): Source {
  const child = spawn('perf', ['script', '-i', path, ...PERF_SCRIPT_FLAGS], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let failure = '';
  child.stderr.on('data', (piece: Buffer) => {
    if (said.length < 4096) said += piece.toString('utf8');
  });
  child.on('error', (error) => {
    failure = (error as NodeJS.ErrnoException).code === 'ENOENT' ? NO_PERF : error.message;
  });
  child.on('exit', (code) => {
    if (code !== 0 && code !== null)
      failure = said.trim().split('\n').at(-1) ?? `exit code ${code}`;
  });
  return { stream: child.stdout, failed: () => failure };
}

export const PERF_SCRIPT_FLAGS = [
  ...['--ns', '--show-mmap-events', '--show-task-events', '--show-lost-events'],
  ...['-F', 'comm,pid,tid,time,event,trace,addr'],
];
const NO_PERF = 'perf is not installed (Debian: apt install linux-perf)';

function openSource(path: string): Source | Diagnostic {
  if (path === '-') return { stream: process.stdin, failed: () => '' };
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return cliError('CLI002', path, 'this is a directory, not a file');
    const head = stat.isFile() ? headOf(path) : '';
    if (head === 'PERFILE2') return perfScript(path);
    const file = createReadStream(path, { highWaterMark: 1 << 20 });
    let failure = '';
    if (!head.startsWith('\x1f\x8b')) return { stream: file, failed: () => failure };
    const plain = createGunzip();
    file.on('error', (error) => plain.destroy(error));
    plain.on('error', (error) => {
      failure = error.message;
    });
    return { stream: file.pipe(plain), failed: () => failure };
  } catch (error) {
    return cliError('CLI001', path, reasonOf(error));
  }
}

function defaultOutput(log: string): string {
  const base =
    log === '-' ? 'trace' : (log.split('/').at(-1) ?? 'trace').replace(/\.(gz|txt|log|data)$/g, '');
  return `${base}.parquet`;
}

/** What `record` left behind: it was killed, or the disk was full. */
async function importRaw(folder: string, options: ImportCommandOptions): Promise<number> {
  const out = new Output(options);
  const bare = folder.replace(/\/+$/, '');
  const usual = bare.endsWith(RAW_SUFFIX) ? bare.slice(0, -RAW_SUFFIX.length) : `${bare}.parquet`;
  const path = options.output ?? usual;
  const line = new CounterLine(options.quiet !== true);
  const text = 'The recording was not finished: it has what was written until then.';
  const { rows, diagnostics } = await convertRaw(rawFolder(bare), {
    output: path,
    notes: [{ code: 'unfinished', text }],
    onProgress: (words) => line.show(words),
  });
  line.end();
  if (rows === 0) return refuse(out, path, options, diagnostics);
  return await show(out, path, 'perf script', options, diagnostics);
}

export async function importCommand(file: string, options: ImportCommandOptions): Promise<number> {
  if (file !== '-' && isRawFolder(file)) return await importRaw(file, options);
  const out = new Output(options);
  const path = options.output ?? defaultOutput(file);
  const name = file === '-' ? STDIN_NAME : file;
  const source = openSource(file);
  if ('severity' in source) return refuse(out, path, options, [source]);
  const first: TraceMeta = {
    ...emptyMeta('import-perf', `faultline ${version()}`),
    command: [name],
  };
  const log = new LogImport(name);
  const line = new CounterLine(options.quiet !== true);
  const found: Diagnostic[] = [];
  let kept = 0;
  try {
    const done = await importStream(
      source.stream,
      log,
      () => new TraceWriter(path, first),
      (bytes, rows) => line.show(`${name}: ${(bytes / 1048576).toFixed(0)} MB, ${rows} events`),
    );
    line.end();
    found.push(...done.diagnostics);
    const failure = source.failed();
    if (failure !== '') found.push(cliError('CLI001', name, failure));
    const { writer, facts } = done;
    if (facts !== undefined) {
      if (writer === undefined) {
        found.push(cliError('CLI001', name, `this ${log.kind} log has no event of memory`));
      } else {
        writer.close(log.builder?.names ?? [''], {
          ...first,
          schema: SCHEMA_VERSION,
          mode: facts.mode,
          command: facts.command.length > 0 ? facts.command : [name],
          lost: facts.lost,
          files: facts.files.map(withFacts),
          notes: facts.notes,
        });
        kept = writer.rows;
      }
    }
  } catch (error) {
    line.end();
    if (error instanceof TraceWriteError) {
      const rest = error.kept > 0 ? `; the first ${error.kept} events are in it` : '';
      found.push(
        traceDiagnostic(
          'error',
          'TRC007',
          path,
          `the trace cannot be written: ${error.message}${rest}`,
        ),
      );
    } else if (isIoError(error)) {
      found.push(cliError('CLI001', name, reasonOf(error)));
    } else {
      throw error;
    }
  }
  if (kept === 0) return refuse(out, path, options, found);
  return await show(out, path, log.kind, options, found);
}

/** The trace that was made. */
async function show(
  out: Output,
  path: string,
  kind: string,
  options: ImportCommandOptions,
  found: readonly Diagnostic[],
): Promise<number> {
  out.diagnostics(found);
  const summariser = new Summariser();
  const { meta } = await scanTrace(path, (events, names) => summariser.add(events, names));
  if (meta === undefined) return EXIT_INPUT;
  const summary = summariser.finish(meta.lost);
  const isBad = found.some((each) => each.severity === 'error');
  if (options.json === true) {
    await writeJson({ trace: path, kind, meta, summary, diagnostics: found });
  } else if (options.quiet !== true) {
    await out.lines(traceInfoView(path, statSync(path).size, meta, summary, out.width));
  }
  return isBad ? EXIT_INPUT : EXIT_OK;
}

async function refuse(
  out: Output,
  path: string,
  options: ImportCommandOptions,
  found: readonly Diagnostic[],
): Promise<number> {
  out.diagnostics(found);
  if (options.json === true) {
    await writeJson({ trace: path, kind: '', meta: null, summary: null, diagnostics: found });
  }
  return EXIT_INPUT;
}

function isIoError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string';
}
