/** The same program on several kernels: runs side by side, and where they differ. */
import type { Program } from '../scenario/index.ts';
import type { CompareReport, Difference, RunReport, TaskReport } from './report.ts';
import { type RunOptions, runProgram } from './run.ts';

function stepDifferences(runs: readonly RunReport[]): Difference[] {
  const found: Difference[] = [];
  const first = runs[0];
  if (first === undefined) return found;
  first.steps.forEach((step, i) => {
    const same = runs.map((run) => run.steps[i] ?? step);
    const put = (what: string, values: readonly string[]): void => {
      if (values.some((value) => value !== values[0])) {
        found.push({ line: step.line, task: step.task, what, values });
      }
    };
    put(
      'result',
      same.map((s) => s.result),
    );
    put(
      'faults',
      same.map((s) => faults(s.minflt, s.majflt)),
    );
    put(
      'signal',
      same.map((s) => (s.signal ? `${s.signal.name}/${s.signal.code}` : 'none')),
    );
    put(
      'verdict',
      same.map((s) => s.verdict),
    );
  });
  return found;
}

function faults(minor: number, major: number): string {
  return major > 0 ? `${minor}+${major} major` : String(minor);
}

/** "page 2 of A": pages in the terms of the whole picture, so that two runs can be compared. */
function pageWords(task: TaskReport | undefined, address: string): string {
  const page = task?.pages.find((p) => p.address === address);
  if (page === undefined) return 'not mapped';
  if (page.zero === true) return 'zero page';
  if (!page.present) return page.guard === true ? 'guard' : 'not present';
  const rights = page.writable ? 'writable' : 'read-only';
  return `page ${page.index} of folio ${page.folio}, ${rights}`;
}

function stateDifferences(runs: readonly RunReport[]): Difference[] {
  const found: Difference[] = [];
  const line = runs[0]?.steps.at(-1)?.line ?? 0;
  for (const task of runs[0]?.tasks ?? []) {
    const same = runs.map((run) => run.tasks.find((t) => t.name === task.name));
    const addresses = new Set(same.flatMap((t) => t?.pages.map((p) => p.address) ?? []));
    for (const address of [...addresses].sort()) {
      const values = same.map((t) => pageWords(t, address));
      if (values.some((value) => value !== values[0])) {
        found.push({ line, task: task.name, what: `page ${address}`, values });
      }
    }
    for (const kind of ['anon', 'file', 'shmem', 'swap'] as const) {
      const values = same.map((t) => `${(t?.rss[kind] ?? 0) / 1024} kB`);
      if (values.some((value) => value !== values[0])) {
        found.push({ line, task: task.name, what: `rss.${kind}`, values });
      }
    }
  }
  return found;
}

export function compareProgram(
  program: Program,
  kernels: readonly string[],
  options: Omit<RunOptions, 'kernel'> = {},
): CompareReport {
  const runs = kernels.map((kernel) => runProgram(program, { laws: true, ...options, kernel }));
  const broken = runs
    .map((run) => ({
      kernel: run.kernel,
      laws: run.laws.filter((law) => law.broken.length > 0).map((law) => law.name),
    }))
    .filter((entry) => entry.laws.length > 0);
  return {
    file: program.file,
    kernels,
    runs,
    differences: [...stepDifferences(runs), ...stateDifferences(runs)],
    broken,
  };
}
