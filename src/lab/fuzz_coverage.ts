/**
 * Which functions and branches of the model a run has reached: the engine's block coverage, told in
 * words. A range that ran 0 times inside a function that ran is a branch that no program has taken.
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

export interface FileCoverage {
  /** "mm/shmem". */
  readonly file: string;
  readonly functions: number;
  readonly branches: number;
  /** Names of functions that never ran. */
  readonly unreached: readonly string[];
  /** Branches that were never taken: the function and the first line of its text. */
  readonly untaken: readonly { readonly in: string; readonly text: string }[];
}

const TEXT_MAX = 90;

function firstLine(source: string, start: number, end: number): string {
  const text = source
    .slice(start, end)
    .split('\n')
    .map((line) => line.trim())
    .find((line) => !/^[{}()\s;]*$/.test(line) && !line.startsWith('//'));
  return (text ?? '').slice(0, TEXT_MAX);
}

export function fileCoverage(file: string, source: string, seen: ScriptCoverage): FileCoverage {
  const unreached: string[] = [];
  const untaken: { in: string; text: string }[] = [];
  let functions = 0;
  let branches = 0;
  for (const { functionName: name, ranges } of seen.functions) {
    if (name === '') continue;
    functions++;
    if (ranges[0]?.count === 0) {
      unreached.push(name);
      continue;
    }
    for (const range of ranges.slice(1)) {
      branches++;
      if (range.count > 0) continue;
      const text = firstLine(source, range.startOffset, range.endOffset);
      if (text !== '') untaken.push({ in: name, text });
    }
  }
  return { file, functions, branches, unreached, untaken };
}
