/**
 * A violation that the packed laws found, shown by the whole machinery: the program as text, run on
 * the full model with the laws of room `laws`, which give the words. What they do not confirm is a
 * defect of ours.
 */
import { bug, FaultlineBug } from '../base/index.ts';
import type { RunReport } from '../lab/index.ts';
import { ScenarioRun } from '../lab/run.ts';
import type { LawName } from '../laws/index.ts';
import type { Release } from '../mm/release_types.ts';
import { parseProgram } from '../scenario/index.ts';

/** RAM of the machine that confirms: ample, and quick to make. */
const MEMORY = 64 * 1048576;

export interface Confirmed {
  readonly task: string;
  /** Hex address; '' where the law speaks of none. */
  readonly address: string;
  readonly found: string;
  readonly due: string;
  readonly message: string;
  /** The whole machine before and after the last step. */
  readonly before: RunReport;
  readonly after: RunReport;
  /** Every law that the program breaks, the one in question among them. */
  readonly laws: readonly string[];
}

/** Runs a program; `law` must be broken by its last step. */
export function confirm(text: string, release: Release, law: LawName): Confirmed {
  const { program, diagnostics } = parseProgram(text, 'counterexample.fl');
  const bad = diagnostics.find((d) => d.severity === 'error');
  if (bad !== undefined) bug(`a counterexample is a scenario: line ${bad.line}: ${bad.message}`);
  const run = new ScenarioRun(program, release, MEMORY, { laws: true });
  const last = program.steps.length - 1;
  for (let i = 0; i < last; i++) run.step(i);
  const before = run.report();
  run.step(last);
  const after = run.report();
  const report = after.laws.find((l) => l.name === law);
  const violation = report?.broken.at(-1);
  if (violation === undefined) bug(`the laws confirm a violation of ${law} in\n${text}`);
  const { task, address, found, due, message } = violation;
  const laws = after.laws.filter((l) => l.broken.length > 0).map((l) => l.name);
  return { task, address, found, due, message, before, after, laws };
}

/** The same where the model itself fails on an assertion: its message. */
export function confirmFailure(text: string, release: Release): string {
  const { program } = parseProgram(text, 'counterexample.fl');
  const run = new ScenarioRun(program, release, MEMORY, { laws: false });
  try {
    run.run();
  } catch (error) {
    if (error instanceof FaultlineBug) return error.message;
    throw error;
  }
  return '';
}
