/** A prediction beside what a log recorded. */
import { type TaskRow, word } from '../base/index.ts';
import type { CallResult, Kernel, Observed, Value } from '../kernel/index.ts';
import type { Expected } from '../scenario/index.ts';

/** The prediction is what the log recorded. */
export function same(result: CallResult, expected: Expected): boolean {
  if ('value' in result)
    return expected.kind === 'value' && word.equal(result.value, expected.value);
  if ('errno' in result) return expected.kind === 'errno' && expected.errno === result.errno;
  return 'none' in result && expected.kind === 'none';
}

/** What a recorded result tells the model that it cannot know (descriptors, pids). */
export function observedOf(expected: Expected): Observed | undefined {
  if (expected.kind === 'value') {
    const value = word.toSigned(expected.value);
    return expected.path === undefined ? { value } : { value, path: expected.path };
  }
  return expected.kind === 'errno' ? { errno: expected.errno } : undefined;
}

/** Executes a call whose recorded result tells the model what it cannot know (descriptors, pids). */
export function observedCall(
  kernel: Kernel,
  task: TaskRow,
  name: string,
  values: readonly Value[],
  observed: Observed | undefined,
): CallResult {
  kernel.observe(observed);
  const result = kernel.syscall(task, name, values);
  kernel.observe(undefined);
  return result;
}
