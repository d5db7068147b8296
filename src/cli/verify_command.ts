/** `faultline verify FILE…`: model against the real kernel, step by step. */
import type { Diagnostic } from '../base/index.ts';
import type { HostTranscript } from '../host/index.ts';
import { type Divergence, MASKED, verifyProgram } from '../lab/index.ts';
import { type Line, line } from '../view/index.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { exitOf, type HostSession, isSession, openSession } from './host_session.ts';
import { cliError, loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { Place } from './place.ts';
import { Progress } from './progress.ts';

export interface VerifyCommandOptions extends OutputOptions {
  readonly on: Place;
  readonly kernel?: string;
  readonly full?: boolean;
}

interface FileReport {
  readonly file: string;
  /** `cannot`: it needs what that machine does not have or allow. */
  readonly verdict: 'agrees' | 'differs' | 'unmodelled' | 'cannot' | 'failed';
  readonly steps: number;
  readonly compared: number;
  readonly divergence?: Divergence;
  readonly unmodelled?: string;
  /** What that is. */
  readonly cannot?: string;
  /** Line of an access that faults for ever on both kernels. */
  readonly endless?: number;
  readonly diagnostics: readonly Diagnostic[];
}

async function verifyFile(
  path: string,
  session: HostSession,
  options: VerifyCommandOptions,
): Promise<FileReport> {
  const loaded = loadProgram(path);
  const { file } = loaded;
  const failed = (diagnostics: readonly Diagnostic[]): FileReport => ({
    file,
    verdict: 'failed',
    steps: 0,
    compared: 0,
    diagnostics,
  });
  if (loaded.program === undefined) return failed(loaded.diagnostics);
  if (loaded.program.memory !== undefined) {
    const message = 'says how much memory its machine has; a real one cannot be given that';
    const cannot = 'its machine has another memory';
    return { ...failed([cliError('CLI009', file, message)]), verdict: 'cannot', cannot };
  }
  const observe = options.full === true ? 'full' : 'pages';
  const seen: HostTranscript = await session.host.execute(loaded.program, { observe });
  const diagnostics = [...loaded.diagnostics, ...seen.notes];
  // A setting that is refused or missing there shows in the comparison, unless the model agrees.
  const errors = seen.notes.filter((note) => note.severity === 'error' && note.code !== 'HOST010');
  // A step that does not end may be the model's prediction.
  if (errors.some((note) => note.code !== 'HOST007')) return failed(diagnostics);
  const found = verifyProgram(loaded.program, seen, {
    release: session.modelled.release,
    memory: seen.memoryBytes,
  });
  const { compared, divergence, unmodelled, cannot, stepsCompared: steps } = found;
  if (errors.length > 0 && found.endless === undefined) return failed(diagnostics);
  const told = found.endless === undefined ? diagnostics : loaded.diagnostics;
  const base = { file, steps, compared, diagnostics: told };
  if (found.endless !== undefined) return { ...base, verdict: 'agrees', endless: found.endless };
  if (divergence !== undefined) return { ...base, verdict: 'differs', divergence };
  if (cannot !== undefined) return { ...base, verdict: 'cannot', cannot };
  if (unmodelled !== undefined) return { ...base, verdict: 'unmodelled', unmodelled };
  return { ...base, verdict: 'agrees' };
}

/** A divergence in a few lines. */
export function divergenceLines(file: string, found: Divergence): Line[] {
  const where = found.address === '' ? '' : ` at ${found.address}`;
  return [
    line(`${file}:${found.line}: step ${found.step + 1}: ${found.text}`),
    line(`  task    ${found.task === '' ? '(all)' : found.task}`),
    line(`  differs ${found.observable}${where}`),
    line(`  model   ${found.model}`),
    line(`  kernel  ${found.kernel}`),
  ];
}

function reportLines(report: FileReport): Line[] {
  const values = `${report.compared.toLocaleString('en')} values, ${report.steps} steps`;
  switch (report.verdict) {
    case 'agrees':
      if (report.endless !== undefined) {
        const what = `line ${report.endless} faults for ever on both`;
        return [line(`${report.file}: agrees: ${what} (${values} before)`)];
      }
      return [line(`${report.file}: agrees (${values})`)];
    case 'differs':
      return divergenceLines(report.file, report.divergence!);
    case 'unmodelled':
      return [
        line(`${report.file}: not modelled: ${report.unmodelled} (agrees before: ${values})`),
      ];
    case 'cannot':
      return [line(`${report.file}: cannot be asked: ${report.cannot} (agrees before: ${values})`)];
    case 'failed':
      return [line(`${report.file}: could not be compared`)];
  }
}

/** What the machine does not allow is no error of the input. */
function noteOf(report: FileReport): Diagnostic[] {
  return report.diagnostics.map((d) => ({ ...d, severity: 'note' as const }));
}

function worstOf(reports: readonly FileReport[]): number {
  if (reports.some((r) => r.verdict === 'failed' || r.verdict === 'unmodelled')) return EXIT_INPUT;
  return reports.some((r) => r.verdict === 'differs') ? EXIT_DISAGREES : EXIT_OK;
}

export async function verifyCommand(
  files: readonly string[],
  options: VerifyCommandOptions,
): Promise<number> {
  const out = new Output(options);
  const { on: place, kernel } = options;
  const session = await openSession({ jobs: 1, place, kernel });
  if (!isSession(session)) {
    out.diagnostics([session]);
    if (options.json === true) await writeJson({ files: [], diagnostics: [session] });
    return exitOf(session);
  }
  const { host, modelled } = session;
  const { release, where, unseen } = host.info();
  const reports: FileReport[] = [];
  const progress = new Progress('verify', options.quiet !== true);
  try {
    for (const [i, path] of files.entries()) {
      const report = await verifyFile(path, session, options);
      reports.push(report);
      progress.report(i + 1, files.length);
      out.diagnostics(report.verdict === 'cannot' ? noteOf(report) : report.diagnostics);
      if (options.json === true) continue;
      if (options.quiet === true && report.verdict === 'agrees') continue;
      await out.lines(reportLines(report));
    }
  } finally {
    progress.end();
    await host.close();
  }
  const compared = reports.reduce((sum, r) => sum + r.compared, 0);
  const model = modelled.release.name;
  if (options.json === true) {
    await writeJson({
      host: release,
      where,
      model,
      exact: modelled.exact,
      compared,
      masked: [...MASKED, ...unseen],
      files: reports,
    });
  } else if (options.quiet !== true) {
    const agree = reports.filter((r) => r.verdict === 'agrees').length;
    const cannot = reports.filter((r) => r.verdict === 'cannot').length;
    const more = cannot === 0 ? '' : `, ${cannot} cannot be asked`;
    await out.lines([
      line(
        `${agree} of ${reports.length} files agree${more}: model ${model}, kernel ${release}, ${compared.toLocaleString('en')} values`,
      ),
      ...unseen.map(({ what, why }) => line(`(not compared there: ${what}: ${why})`)),
      ...(modelled.exact ? [] : [line(`(no model of ${release}: ${model} is the next older one)`)]),
    ]);
  }
  return worstOf(reports);
}
