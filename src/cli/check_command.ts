/** `faultline check`: every short program, against the laws. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Diagnostic } from '../base/index.ts';
import { type Bounds, type CheckOptions, type CheckReport, programOf } from '../explore/index.ts';
import { DEFAULT_KERNEL } from '../mm/release.ts';
import { checkVerdict, checkView } from '../view/index.ts';
import { boundsOf, type CheckCommandOptions } from './check_options.ts';
import { runInThreads } from './check_thread.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, writeJson } from './output.ts';
import { CounterLine } from './progress.ts';
import { type CompiledVariant, compileVariant } from './variant.ts';

/** Seconds without a sign of life after which a variant is taken for one that never returns. */
const TIMEOUT = 20;

export async function checkCommand(options: CheckCommandOptions): Promise<number> {
  const out = new Output(options);
  const bounds = boundsOf(options);
  let variant: CompiledVariant | undefined;
  if (options.variant !== undefined) {
    const compiled = await compileVariant(options.variant);
    if ('diagnostics' in compiled) return refuse(out, options, compiled.diagnostics);
    variant = compiled;
  }
  const status = new CounterLine(options.quiet !== true && options.json !== true);
  const outcome = await runInThreads(
    {
      kernel: options.kernel ?? DEFAULT_KERNEL,
      options: searchOptions(options, bounds),
      ...(variant === undefined ? {} : { variant }),
      ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    },
    jobsOf(options),
    variant === undefined ? NEVER : (options.timeout ?? TIMEOUT),
    (text) => status.show(text),
  );
  status.end();
  if ('report' in outcome) return tell(outcome.report, options, out);
  if ('unusable' in outcome) {
    return refuse(out, options, [cliError('CLI012', options.checkpoint ?? '', outcome.unusable)]);
  }
  const file = options.variant ?? '';
  if ('refused' in outcome) {
    return refuse(out, options, [cliError('CLI010', file, outcome.refused)]);
  }
  const message = `does not return for ${options.timeout ?? TIMEOUT} s: taken for a loop without end`;
  const program = programOf(bounds, outcome.silent).trimEnd().split('\n').join('\n    ');
  const hint = `at work was the last step of\n    ${program}`;
  return refuse(out, options, [cliError('CLI010', file, message, hint)]);
}

/** Threads of a search that nobody has given a number of. */
const JOBS_MAX = 8;

/** Walks and programs to their end are one after the other: what was met before matters. */
function jobsOf(options: CheckCommandOptions): number {
  if (options.walks !== undefined || options.depthFirst === true) return 1;
  return options.jobs ?? Math.min(availableParallelism(), JOBS_MAX);
}

/** Ctrl-C: what was explored until then is told, and proves no more than it says. */
const EXIT_INTERRUPTED = 130;

/** No watch is kept on what is ours; as long as a timer can wait. */
const NEVER = 2_000_000;

function searchOptions(options: CheckCommandOptions, bounds: Bounds): CheckOptions {
  return {
    bounds,
    ...(options.laws === undefined ? {} : { laws: options.laws }),
    ...(options.memoryLimit === undefined ? {} : { memory: options.memoryLimit }),
    ...(options.depthFirst === true ? { depthFirst: true } : {}),
    ...(options.walks === undefined ? {} : { walks: options.walks }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
}

async function refuse(
  out: Output,
  options: CheckCommandOptions,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  out.diagnostics(diagnostics);
  if (options.json === true) await writeJson({ variant: options.variant, diagnostics });
  return EXIT_INPUT;
}

async function tell(
  report: CheckReport,
  options: CheckCommandOptions,
  out: Output,
): Promise<number> {
  const view = { width: out.width, all: options.all === true };
  if (options.output !== undefined) {
    const failed = writeCounterexamples(report, options.output);
    if (failed !== undefined) {
      out.diagnostics([cliError('CLI008', options.output, failed)]);
      return EXIT_INPUT;
    }
  }
  if (options.json === true) await writeJson(documentOf(report));
  else if (options.quiet !== true) await out.lines(checkView(report, view));
  else if (report.violations.length > 0) await out.lines(checkVerdict(report, view));
  if (report.violations.length > 0) return EXIT_DISAGREES;
  return report.end === 'stopped' ? EXIT_INTERRUPTED : EXIT_OK;
}

/** mkdir -p; Node's own never ends below /proc (mkdir there fails with ENOENT). */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  mkdirSync(path);
}

/** One file a kind of violation; what could not be written, or undefined. */
function writeCounterexamples(report: CheckReport, directory: string): string | undefined {
  try {
    makeDirectory(directory);
    report.violations.forEach(({ law, by, program }, i) => {
      const number = String(i + 1).padStart(2, '0');
      const name = `${number}-${law}-${by.replace(/[^a-z0-9]+/gi, '-')}`.replace(/-+$/, '');
      writeFileSync(join(directory, `${name}.fl`), program);
    });
    return undefined;
  } catch (error) {
    return `cannot write: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
}

function documentOf(report: CheckReport): unknown {
  return {
    ...report,
    violations: report.violations.map(({ shown, ...rest }) => ({
      ...rest,
      ...(shown === undefined
        ? {}
        : {
            task: shown.task,
            address: shown.address,
            found: shown.found,
            due: shown.due,
            laws: shown.laws,
            before: shown.before.tasks,
            after: shown.after.tasks,
          }),
    })),
  };
}
