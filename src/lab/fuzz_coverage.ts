/**
 * Which functions and branches of the model a run has reached: the engine's block coverage, told in
 * words. A range that ran 0 times inside a function that ran is a branch that no program has taken.
 * Why not is told where it can be found out: the same programs reach it in another world (another
 * kernel, other settings), or its text says that it serves logs alone.
 */

/** As the engine's Profiler.takePreciseCoverage gives it, for one script. */
export interface ScriptCoverage {
  readonly functions: readonly {
    readonly functionName: string;
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/**
 * Where a branch is reached that the run has not taken. `release`, `settings`, `why` and `files` are
 * measured: programs of the run reach it on another modelled kernel, with settings or on a machine
 * that the asked kernel does not offer, when decisions are recorded, when files of /proc are read.
 * `logs` and `unmodelled` are read off its text: it serves strace logs, or ends in a refusal.
 */
export type ReachedBy = (typeof REACHED_BY)[number];
export const REACHED_BY = ['release', 'settings', 'why', 'files', 'logs', 'unmodelled'] as const;

/** What programs reach in another world. */
export interface Elsewhere {
  readonly by: ReachedBy;
  readonly seen: ScriptCoverage;
}

export interface FileCoverage {
  /** "mm/shmem". */
  readonly file: string;
  readonly functions: number;
  readonly branches: number;
  /** Names of functions that never ran. */
  readonly unreached: readonly string[];
  /** Where those of them run that run elsewhere. */
  readonly unreachedBy: Readonly<Record<string, ReachedBy>>;
  /** Branches that were never taken: the function and the first line of its text. */
  readonly untaken: readonly Untaken[];
}

export interface Untaken {
  readonly in: string;
  readonly text: string;
  readonly by?: ReachedBy;
}

const TEXT_MAX = 90;

type Range = ScriptCoverage['functions'][number]['ranges'][number];

function firstLine(source: string, start: number, end: number): string {
  const text = source
    .slice(start, end)
    .split('\n')
    .map((line) => line.trim())
    .find((line) => !/^[{}()\s;]*$/.test(line) && !line.startsWith('//'));
  return (text ?? '').slice(0, TEXT_MAX);
}

/** How often the place ran; `whole` is its function. */
function countAt(seen: ScriptCoverage, whole: Range, offset: number): number {
  const same = seen.functions.find(
    ({ ranges: [r] }) => r?.startOffset === whole.startOffset && r.endOffset === whole.endOffset,
  );
  // Inner ranges come behind those that hold them.
  const inner = same?.ranges.findLast((r) => r.startOffset <= offset && offset < r.endOffset);
  return inner?.count ?? 0;
}

const LOGS = /\bobserved\b|\btold\b|\bignored\b|\blearn[A-Z]|\bassume[A-Z]|InLog\b|\binLog\b/;
const UNMODELLED = /\bunmodelled\b/;

/** What the text of a branch, with the line that it begins in, says of it. */
function byText(source: string, start: number, end: number): ReachedBy | undefined {
  const from = source.lastIndexOf('\n', start) + 1;
  const text = source.slice(from, start) + firstLine(source, start, end);
  if (LOGS.test(text)) return 'logs';
  return UNMODELLED.test(text) ? 'unmodelled' : undefined;
}

export function fileCoverage(
  file: string,
  source: string,
  seen: ScriptCoverage,
  elsewhere: readonly Elsewhere[] = [],
): FileCoverage {
  const unreached: string[] = [];
  const unreachedBy: Record<string, ReachedBy> = {};
  const untaken: Untaken[] = [];
  let functions = 0;
  let branches = 0;
  for (const { functionName: name, ranges } of seen.functions) {
    const [whole] = ranges;
    if (name === '' || whole === undefined) continue;
    functions++;
    const reachedAt = (offset: number): ReachedBy | undefined =>
      elsewhere.find((other) => countAt(other.seen, whole, offset) > 0)?.by;
    if (whole.count === 0) {
      unreached.push(name);
      const by = reachedAt(whole.startOffset) ?? (LOGS.test(name) ? 'logs' : undefined);
      if (by !== undefined) unreachedBy[name] = by;
      continue;
    }
    for (const { count, startOffset: start, endOffset: end } of ranges.slice(1)) {
      branches++;
      if (count > 0) continue;
      const text = firstLine(source, start, end);
      if (text === '') continue;
      const by = reachedAt(start) ?? byText(source, start, end);
      untaken.push({ in: name, text, ...(by === undefined ? {} : { by }) });
    }
  }
  return { file, functions, branches, unreached, unreachedBy, untaken };
}
