/** `faultline inspect PID…` */
import { InvalidArgumentError } from 'commander';
import type { Diagnostic } from '../base/index.ts';
import { LiveRefusal, readLiveProcess } from '../host/index.ts';
import { type FolioSums, type InspectReport, inspectReport } from '../lab/index.ts';
import { BLANK, inspectLegend, inspectView, type Line } from '../view/index.ts';
import { EXIT_INPUT, EXIT_OK } from './exit.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';

export interface InspectOptions extends OutputOptions {
  /** Pages of a cont block. */
  readonly cont: number;
}

const PAGE_BYTES = 4096;
const CONT_MAX_BYTES = 2 ** 21;

/** `16K` … `2M`: pages of a block. */
export function parseCont(text: string): number {
  const parts = /^(\d+)([KM])$/i.exec(text.trim());
  const bytes =
    parts === null ? 0 : Number(parts[1]) * (parts[2]!.toUpperCase() === 'K' ? 2 ** 10 : 2 ** 20);
  const pages = bytes / PAGE_BYTES;
  if (bytes > CONT_MAX_BYTES || pages < 2 || !Number.isInteger(Math.log2(pages))) {
    throw new InvalidArgumentError('expected a power of two from 8K to 2M, as in 64K');
  }
  return pages;
}

export function parsePid(text: string, before: number[] = []): number[] {
  const pid = Number(text);
  if (!/^\d+$/.test(text) || pid < 1 || pid > 2 ** 22) {
    throw new InvalidArgumentError('expected a process number');
  }
  return [...before, pid];
}

function refusal(pid: number, message: string): Diagnostic {
  return { severity: 'error', code: 'CLI020', file: `pid ${pid}`, line: 0, column: 0, message };
}

const bytes = (sums: FolioSums) => ({
  resident: sums.resident * PAGE_BYTES,
  anon: sums.anon * PAGE_BYTES,
  zero: sums.zero * PAGE_BYTES,
  pmd: sums.pmd * PAGE_BYTES,
  aligned: sums.aligned * PAGE_BYTES,
  unaligned: sums.unaligned * PAGE_BYTES,
  partial: sums.partial * PAGE_BYTES,
  cont: sums.cont * PAGE_BYTES,
  byOrder: sums.byOrder.map((pages) => pages * PAGE_BYTES),
});

/** Sizes in bytes, addresses in hex, as in every document of ours. */
function documentOf(report: InspectReport): unknown {
  const address = (vpn: number) => (vpn === 0 ? '0x0' : `0x${vpn.toString(16)}000`);
  return {
    pid: report.pid,
    command: report.command,
    contBytes: report.contPages * PAGE_BYTES,
    total: bytes(report.total),
    mappings: report.mappings.map((mapping) => ({
      start: address(mapping.startVpn),
      end: address(mapping.endVpn),
      prot: mapping.perms,
      name: mapping.name,
      ...bytes(mapping),
    })),
  };
}

export async function inspectCommand(
  pids: readonly number[],
  options: InspectOptions,
): Promise<number> {
  const out = new Output(options);
  const reports: InspectReport[] = [];
  const refused: Diagnostic[] = [];
  for (const pid of pids) {
    try {
      const live = readLiveProcess(pid);
      reports.push(inspectReport(pid, live.command, live.mappings, options.cont));
    } catch (error) {
      if (!(error instanceof LiveRefusal)) throw error;
      refused.push(refusal(pid, error.message));
    }
  }
  out.diagnostics(refused);
  if (options.json === true) {
    await writeJson({ processes: reports.map(documentOf), diagnostics: refused });
  } else {
    const lines: Line[] = [];
    for (const report of reports) {
      const shown = options.quiet === true ? { ...report, mappings: [] } : report;
      lines.push(...inspectView(shown, { width: out.width, all: options.all === true }), BLANK);
    }
    if (reports.length > 0) lines.push(...inspectLegend(options.cont, out.width));
    await out.lines(lines);
  }
  return refused.length > 0 ? EXIT_INPUT : EXIT_OK;
}
