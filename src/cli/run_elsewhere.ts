/** `faultline run --on`: the real kernel, one in a virtual machine, or a recording executes. */
import type { Diagnostic } from '../base/index.ts';
import type { HostKernel } from '../host/index.ts';
import { hostReport, judgeRecorded, type Recording } from '../lab/index.ts';
import { EXIT_INPUT } from './exit.ts';
import { exitOf, openHost } from './host_session.ts';
import { cliError, type Loaded } from './input.ts';
import { Output, writeJson } from './output.ts';
import { readRecording, recordedAnswer } from './recording_place.ts';
import {
  emptyReport,
  exitCode,
  type Ran,
  type RunCommandOptions,
  runFiles,
} from './run_command.ts';
import { refusedSettings, withSettings } from './settings.ts';

/** The real kernel executes the program; what it cannot do is a diagnostic. */
async function runOnHost(
  loaded: Loaded,
  host: HostKernel,
  options: RunCommandOptions,
): Promise<Ran> {
  if (loaded.program === undefined) {
    return { report: emptyReport(loaded, options, loaded.diagnostics), code: EXIT_INPUT };
  }
  const program = withSettings(loaded.program, options.set ?? []);
  const seen = await host.execute(program, { observe: 'full' });
  const ran = hostReport(program, seen);
  const diagnostics = [...loaded.diagnostics, ...refusedSettings(ran), ...seen.notes];
  const report = { ...ran, diagnostics };
  return { report, code: exitCode(report) };
}

/** What the kernel of the recording answered then; settings cannot be given to it. */
function runRecorded(
  loaded: Loaded,
  path: string,
  recording: Recording,
  options: RunCommandOptions,
): Ran {
  const empty = (found: readonly Diagnostic[]): Ran => {
    return { report: emptyReport(loaded, options, found), code: EXIT_INPUT };
  };
  if (loaded.program === undefined) return empty(loaded.diagnostics);
  if ((options.set ?? []).length > 0) {
    const message = 'a recording has its answers: --set cannot change what it was asked';
    return empty([...loaded.diagnostics, cliError('CLI013', path, message)]);
  }
  const answer = recordedAnswer(recording, path, loaded.file);
  if ('severity' in answer) return empty([...loaded.diagnostics, answer]);
  const expectations = judgeRecorded(loaded.program, answer.recorded.expects);
  const ran = hostReport(loaded.program, { ...answer.seen, expectations });
  const report = { ...ran, diagnostics: loaded.diagnostics };
  return { report, code: exitCode(report) };
}

export async function runElsewhere(
  files: readonly string[],
  options: RunCommandOptions,
): Promise<number> {
  const { on } = options;
  const refuse = async (why: Diagnostic, code: number): Promise<number> => {
    new Output(options).diagnostics([why]);
    if (options.json === true) await writeJson({ files: [], diagnostics: [why] });
    return code;
  };
  if (on.kind === 'recording') {
    const recording = readRecording(on.path);
    if ('severity' in recording) return await refuse(recording, EXIT_INPUT);
    const run = (one: Loaded): Ran => runRecorded(one, on.path, recording, options);
    return await runFiles(files, options, run);
  }
  const host = await openHost({ jobs: 1, place: on });
  if ('severity' in host) return await refuse(host, exitOf(host));
  try {
    return await runFiles(files, options, (one) => runOnHost(one, host, options));
  } finally {
    await host.close();
  }
}
