/** `faultline check`: every short program, against the laws. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CheckReport, KernelCheck } from '../explore/index.ts';
import { DEFAULT_KERNEL, findKernel } from '../mm/release.ts';
import { checkVerdict, checkView } from '../view/index.ts';
import { boundsOf, type CheckCommandOptions } from './check_options.ts';
import { EXIT_DISAGREES, EXIT_INPUT, EXIT_OK } from './exit.ts';
import { cliError } from './input.ts';
import { Output, writeJson } from './output.ts';
import { CounterLine } from './progress.ts';

/** Transitions between two looks at the clock. */
const PORTION = 1 << 13;

export async function checkCommand(options: CheckCommandOptions): Promise<number> {
  const out = new Output(options);
  const release = findKernel(options.kernel ?? DEFAULT_KERNEL)!;
  const check = new KernelCheck(release, {
    bounds: boundsOf(options),
    ...(options.laws === undefined ? {} : { laws: options.laws }),
    ...(options.memoryLimit === undefined ? {} : { memory: options.memoryLimit }),
    ...(options.walks === undefined ? {} : { walks: options.walks }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
  const status = new CounterLine(options.quiet !== true && options.json !== true);
  const begin = performance.now();
  while (check.run(PORTION)) status.show(check.progress((performance.now() - begin) / 1000));
  status.end();
  return tell(check.report(), options, out);
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
  return report.violations.length > 0 ? EXIT_DISAGREES : EXIT_OK;
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
