/**
 * "We are wrong": an assertion is a defect of Faultline, never of the input or of the modelled
 * world. It is thrown, caught only at the top (exit 70), and printed with the seed and step that
 * `context` holds at that moment.
 */
export class FaultlineBug extends Error {
  override readonly name = 'FaultlineBug';
}

/** What to print beside a failed assertion: set by whoever drives the machine. */
export const bugContext = { seed: '', step: '' };

export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) bug(fact);
}

/** Reports a state that cannot be. Out of line, so that a caller's hot path stays small. */
export function bug(fact: string): never {
  throw new FaultlineBug(fact);
}
