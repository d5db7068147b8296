/** `faultline verify FILE…`: model against the real kernel, step by step. */
import type { Diagnostic } from '../base/index.ts';
import type { ExecuteOptions, HostTranscript } from '../host/index.ts';
import {
  type Divergence,
  type HostRelease,
  MASKED,
  mayBeOthers,
  OTHER_MEMORY,
  type OtherTranscript,
  type Recording,
  verifyProgram,
} from '../lab/index.ts';
import { type Line, line } from '../view/index.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { exitOf, type HostSession, isSession, modelledAs, openSession } from './host_session.ts';
import { cliError, type Loaded, loadProgram } from './input.ts';
import { Output, type OutputOptions, writeJson } from './output.ts';
import type { Place } from './place.ts';
import { Progress } from './progress.ts';
import { readRecording, recordedAnswer, recordingTitle } from './recording_place.ts';

export interface VerifyCommandOptions extends OutputOptions {
  readonly on: Place;
  readonly kernel?: string;
  /** Only what is seen of mappings and pages: no smaps, no status. */
  readonly pages?: boolean;
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

function failed(file: string, diagnostics: readonly Diagnostic[]): FileReport {
  return { file, verdict: 'failed', steps: 0, compared: 0, diagnostics };
}

type Runnable = Loaded & { readonly program: NonNullable<Loaded['program']> };

/** What the comparison came to; a step that did not end is told by `late`. */
function reportOf(
  loaded: Runnable,
  seen: OtherTranscript,
  how: { modelled: HostRelease; memory: number; late: boolean },
  diagnostics: readonly Diagnostic[],
): FileReport {
  const { file } = loaded;
  const { modelled, memory, late } = how;
  const found = verifyProgram(loaded.program, seen, { release: modelled.release, memory });
  const { compared, divergence, unmodelled, cannot, stepsCompared: steps } = found;
  if (late && found.endless === undefined) return failed(file, diagnostics);
  const told = found.endless === undefined ? diagnostics : loaded.diagnostics;
  const base = { file, steps, compared, diagnostics: told };
  if (found.endless !== undefined) return { ...base, verdict: 'agrees', endless: found.endless };
  if (divergence !== undefined) return { ...base, verdict: 'differs', divergence };
  if (cannot !== undefined) return { ...base, verdict: 'cannot', cannot };
  if (unmodelled !== undefined) return { ...base, verdict: 'unmodelled', unmodelled };
  return { ...base, verdict: 'agrees' };
}

async function verifyFile(
  path: string,
  session: HostSession,
  options: VerifyCommandOptions,
): Promise<FileReport> {
  const loaded = loadProgram(path);
  const { file, program } = loaded;
  if (program === undefined) return failed(file, loaded.diagnostics);
  if (program.memory !== undefined) {
    const message = 'says how much memory its machine has; a real one cannot be given that';
    const told = failed(file, [cliError('CLI009', file, message)]);
    return { ...told, verdict: 'cannot', cannot: OTHER_MEMORY };
  }
  const runnable = { ...loaded, program };
  if (options.pages === true) return await compareOnce(runnable, session, { observe: 'pages' });
  return await compareFully(runnable, session);
}

/** How often a file is asked again, when another process may have moved what differs. */
const ASK_AGAIN = 3;

/** Statistics that differ in another way each time are not this program's. */
async function compareFully(loaded: Runnable, session: HostSession): Promise<FileReport> {
  const found = new Set<string>();
  let report: FileReport;
  let asked = 0;
  do {
    report = await compareOnce(loaded, session, { observe: 'full', stats: true });
    if (!mayBeOthers(report.divergence)) return report;
    found.add(JSON.stringify(report.divergence));
  } while (asked++ < ASK_AGAIN);
  if (found.size === 1) return report;
  const without = await compareOnce(loaded, session, { observe: 'full' });
  const message = 'statistics were not compared: other processes of that machine moved them';
  const note = { ...cliError('CLI014', loaded.file, message), severity: 'note' as const };
  return { ...without, diagnostics: [...without.diagnostics, note] };
}

async function compareOnce(
  loaded: Runnable,
  session: HostSession,
  how: ExecuteOptions,
): Promise<FileReport> {
  const { file, program } = loaded;
  const seen: HostTranscript = await session.host.execute(program, how);
  const diagnostics = [...loaded.diagnostics, ...seen.notes];
  const errors = seen.notes.filter((note) => note.severity === 'error');
  // A step that does not end may be the model's prediction.
  if (errors.some((note) => note.code !== 'HOST007')) return failed(file, diagnostics);
  const { modelled } = session;
  const told = { modelled, memory: seen.memoryBytes, late: errors.length > 0 };
  return reportOf(loaded, seen, told, diagnostics);
}

function verifyRecorded(
  path: string,
  on: string,
  recording: Recording,
  modelled: HostRelease,
): FileReport {
  const loaded = loadProgram(path);
  const { file, program } = loaded;
  if (program === undefined) return failed(file, loaded.diagnostics);
  const answer = recordedAnswer(recording, on, file);
  if ('severity' in answer) return failed(file, [...loaded.diagnostics, answer]);
  const how = { modelled, memory: recording.memoryBytes, late: false };
  return reportOf({ ...loaded, program }, answer.seen, how, loaded.diagnostics);
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

/** A setting that is refused: an answer if the model's is the same, else the verdict says it. */
const REFUSED = 'HOST010';

/** What the machine does not allow is no error of the input. */
function toldOf({ verdict, diagnostics }: FileReport): readonly Diagnostic[] {
  if (verdict === 'differs' || verdict === 'failed') return diagnostics;
  const told = diagnostics.filter((d) => d.code !== REFUSED);
  return verdict === 'cannot' ? told.map((d) => ({ ...d, severity: 'note' as const })) : told;
}

function worstOf(reports: readonly FileReport[]): number {
  if (reports.some((r) => r.verdict === 'failed' || r.verdict === 'unmodelled')) return EXIT_INPUT;
  return reports.some((r) => r.verdict === 'differs') ? EXIT_DISAGREES : EXIT_OK;
}

/** The executor is gone: it was killed, or its kernel died of the program. */
const EXECUTOR_ENDED = 'HOST015';

/** Who answers: a kernel that is asked now, or a recording. */
interface Answers {
  /** "6.18.44", for a recording with its date. */
  readonly kernel: string;
  readonly release: string;
  readonly where: string;
  readonly modelled: HostRelease;
  readonly unseen: readonly { readonly what: string; readonly why: string }[];
  verify(path: string): FileReport | Promise<FileReport>;
  close(): Promise<void>;
}

function openRecorded(path: string, kernel: string | undefined): Answers | Diagnostic {
  const recording = readRecording(path);
  if ('severity' in recording) return recording;
  const { release } = recording;
  const modelled = modelledAs(release, kernel);
  if (modelled === undefined) {
    return cliError('CLI007', path, `no modelled kernel stands for ${release}`);
  }
  return {
    ...{
      kernel: recordingTitle(recording),
      release,
      where: 'recording',
      modelled,
      unseen: recording.unseen ?? [],
    },
    verify: (file) => verifyRecorded(file, path, recording, modelled),
    close: async () => {},
  };
}

async function openAnswers(options: VerifyCommandOptions): Promise<Answers | Diagnostic> {
  const { on, kernel } = options;
  if (on.kind === 'recording') return openRecorded(on.path, kernel);
  const asked = { jobs: 1, place: on, kernel };
  let session = await openSession(asked);
  if (!isSession(session)) return session;
  const { modelled } = session;
  const { release, where, unseen } = session.host.info();
  return {
    ...{ kernel: release, release, where, modelled, unseen },
    verify: async (file) => {
      if (!isSession(session)) return failed(file, [session]);
      const report = await verifyFile(file, session, options);
      if (!report.diagnostics.some((d) => d.code === EXECUTOR_ENDED)) return report;
      // The next file gets an executor, or a machine, of its own.
      await session.host.close();
      session = await openSession(asked);
      return report;
    },
    close: async () => {
      if (isSession(session)) await session.host.close();
    },
  };
}

export async function verifyCommand(
  files: readonly string[],
  options: VerifyCommandOptions,
): Promise<number> {
  const out = new Output(options);
  const answers = await openAnswers(options);
  if ('severity' in answers) {
    out.diagnostics([answers]);
    if (options.json === true) await writeJson({ files: [], diagnostics: [answers] });
    return exitOf(answers);
  }
  const { kernel, release, where, modelled, unseen } = answers;
  const reports: FileReport[] = [];
  const progress = new Progress('verify', options.quiet !== true);
  try {
    for (const [i, path] of files.entries()) {
      const report = await answers.verify(path);
      reports.push(report);
      progress.report(i + 1, files.length);
      out.diagnostics(toldOf(report));
      if (options.json === true) continue;
      if (options.quiet === true && report.verdict === 'agrees') continue;
      await out.lines(reportLines(report));
    }
  } finally {
    progress.end();
    await answers.close();
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
        `${agree} of ${reports.length} files agree${more}: model ${model}, kernel ${kernel}, ${compared.toLocaleString('en')} values`,
      ),
      ...unseen.map(({ what, why }) => line(`(not compared there: ${what}: ${why})`)),
      ...(modelled.exact ? [] : [line(`(no model of ${release}: ${model} is the next older one)`)]),
    ]);
  }
  return worstOf(reports);
}
