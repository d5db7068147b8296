/** From text in pieces to events, whatever kind of log it is. */
import type { Diagnostic } from '../base/index.ts';
import type { TraceBuilder } from '../trace/index.ts';
import { type Importer, type ImportFacts, ImportReport } from './importer.ts';
import { LackeyImporter } from './lackey_importer.ts';
import { Lines } from './lines.ts';
import { PerfImporter } from './perf_importer.ts';
import type { PerfOptions } from './perf_processes.ts';
import { StraceImporter } from './strace_importer.ts';

export type LogKind = 'perf' | 'strace' | 'lackey';

const PERF =
  /^\s*\S.*?\s+-?\d+(?:\/-?\d+)?\s+(?:\[\d+\]\s+)?(?:\S{4,5}\s+)?\d+\.\d{3,9}:\s+(?:\d+\s+)?[A-Za-z_]/;
const LACKEY = /^(?:I | [LSM]) [0-9a-f]+,\d+$|^==\d+== Lackey/;
const STRACE =
  /^(?:\[pid +\d+\] |\d+ +)?(?:\d\d:\d\d:\d\d(?:\.\d+)? |\d+\.\d+ |\(\+ *\d+\.\d+\) | *\d+\.\d+ )*(?:[a-z_0-9]+\(.*|<\.\.\. [a-z_0-9]+ resumed>.*|\+\+\+ .* \+\+\+|--- .* ---|strace: .*)$/;

/** What kind of log a line is from; undefined when it could be of any. */
function kindOfLine(line: string): LogKind | undefined {
  if (LACKEY.test(line)) return 'lackey';
  if (PERF.test(line)) return 'perf';
  if (STRACE.test(line)) return 'strace';
  return undefined;
}

/** Lines that are looked at before a log counts as unknown. */
const LOOKED_AT = 200;

export interface LogImportOptions extends PerfOptions {
  readonly kind?: LogKind;
}

export class LogImport {
  readonly report: ImportReport;
  readonly #options: LogImportOptions;
  readonly #lines: Lines;
  #importer: Importer | undefined;
  /** The first lines, until one tells the kind. */
  #held: string[] = [];
  #unknown = false;

  constructor(file: string, options: LogImportOptions = {}) {
    this.report = new ImportReport(file);
    this.#options = options;
    this.#lines = new Lines(
      (line, number) => this.#line(line, number),
      (number) =>
        this.report.add('warning', 'IMP005', number, 'this line is longer than 1 MB and left out'),
    );
    if (options.kind !== undefined) this.#importer = this.#make(options.kind);
  }

  /** Lines read so far. */
  get lines(): number {
    return this.#lines.number;
  }

  /** "strace" and the like; '' until it is known. */
  get kind(): string {
    return this.#importer?.kind ?? '';
  }

  /** Where the events are; undefined until the kind is known. */
  get builder(): TraceBuilder | undefined {
    return this.#importer?.builder;
  }

  /** Seconds on the log's own clock at time 0 of its rows; 0 where it has none. */
  get origin(): number {
    return this.#importer instanceof PerfImporter ? this.#importer.origin : 0;
  }

  /** True when no known kind of log has such lines: the rest need not be read. */
  get unknown(): boolean {
    return this.#unknown;
  }

  push(piece: string): void {
    if (!this.#unknown) this.#lines.push(piece);
  }

  #make(kind: LogKind): Importer {
    if (kind === 'perf') return new PerfImporter(this.report, this.#options);
    return kind === 'strace' ? new StraceImporter(this.report) : new LackeyImporter(this.report);
  }

  #line(line: string, number: number): void {
    if (this.#importer !== undefined) {
      this.#importer.line(line, number);
      return;
    }
    if (this.#unknown) return;
    this.#held.push(line);
    const kind = kindOfLine(line);
    if (kind !== undefined) {
      const importer = this.#make(kind);
      this.#importer = importer;
      for (const [i, held] of this.#held.entries()) {
        importer.line(held, number - this.#held.length + 1 + i);
      }
      this.#held = [];
    } else if (this.#held.length === LOOKED_AT) {
      this.#unknown = true;
    }
  }

  /** After the last piece. Without facts the diagnostics say why there are none. */
  finish(): { facts: ImportFacts | undefined; diagnostics: readonly Diagnostic[] } {
    this.#lines.end();
    const facts = this.#importer?.finish();
    if (facts === undefined) {
      const isEmpty = this.#held.every((line) => line.trim() === '');
      const message = isEmpty ? 'the log is empty' : 'this is no log of a known kind';
      const hint =
        "known are the text of `perf script`, strace's output, and lackey's with --trace-mem=yes";
      this.report.add('error', 'IMP001', 0, message, isEmpty ? undefined : hint);
    }
    return { facts, diagnostics: this.report.all() };
  }
}
