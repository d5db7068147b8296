/** Random programs of the fuzzer's generator keep every law: after each step, access and call. */
import { describe, expect, test } from 'vitest';
import { programText, runProgram } from '../../src/lab/index.ts';
import type { LawName } from '../../src/laws/index.ts';
import { parseProgram } from '../../src/scenario/index.ts';

const SEED = 29;
const STEPS = 20;
const MEMORY = 1 << 28;

/** What was broken, with the program's line; how often each law was exercised. */
function broken(kernel: string, programs: number) {
  const told: string[] = [];
  const exercised = new Map<LawName, number>();
  for (let i = 0; i < programs; i++) {
    const text = programText(SEED, i, STEPS);
    const { program } = parseProgram(text, `program ${i} of seed ${SEED}`);
    const report = runProgram(program!, { laws: true, kernel, memory: MEMORY });
    for (const law of report.laws) {
      exercised.set(law.name, (exercised.get(law.name) ?? 0) + law.exercised);
      for (const { line, message } of law.broken) {
        told.push(`program ${i}: ${text.split('\n')[line - 1]}: ${message}`);
      }
    }
  }
  return { told, exercised };
}

describe('random programs', () => {
  test('keep every law on 6.18, and exercise each', () => {
    const { told, exercised } = broken('6.18', 200);
    expect(told).toEqual([]);
    // A fault in a range that userfaultfd is registered for is rarer than that.
    exercised.delete('uffd');
    for (const [law, times] of exercised) expect([law, times > 0]).toEqual([law, true]);
  });

  test('keep every law on 6.10', () => {
    expect(broken('6.10', 60).told).toEqual([]);
  });
});
