/**
 * What the explorer explores. It knows nothing of what a state is: a model owns one current state,
 * copies it to a slot and back, changes it by an action, and gives its fingerprint.
 *
 * A model whose states differ only in names (of frames, of tasks) gives equal states equal
 * fingerprints: that is how symmetry is removed. Steps that commute are not: see docs/check.md.
 */
export interface Model {
  /** Bit i of what is broken is properties[i]; at most 31. */
  readonly properties: readonly string[];
  /** Makes the initial state the current one. */
  reset(): void;
  /** Copies the current state to a slot, and back. Slots are numbered by depth, from 0. */
  save(slot: number): void;
  restore(slot: number): void;
  /** The most actions that a state offers. */
  readonly actionsMax: number;
  /** Writes the actions that may be possible now, ascending; returns how many. */
  actions(into: Int32Array): number;
  /** Performs an action: ACT_DONE, ACT_DISABLED (nothing changed) or ACT_CUT. */
  act(action: number): number;
  /** Performs an action that was performed here before: what is counted of it was counted then. */
  again(action: number): void;
  /** Two words that are equal for equal states, and else differ but for 1 in 2^64. */
  fingerprint(into: Int32Array): void;
  /** Properties that the last action broke. */
  brokenByAction(): number;
  /**
   * Properties that the current state breaks, whichever way led to it: judged once, after
   * fingerprint().
   */
  brokenInState(): number;
  /**
   * Which violations of one property are of the same kind, told once: those of equal words, which
   * depend on nothing but the arguments.
   */
  kindOf(property: number, action: number): string;
}

export const ACT_DONE = 0;
/** Not possible here: the state is as before. */
export const ACT_DISABLED = 1;
/** Leads out of the bounds: performed, counted, not followed. */
export const ACT_CUT = 2;

/** One kind of violation, with the shortest program that shows it. */
export interface Finding {
  readonly property: number;
  readonly kind: string;
  readonly actions: readonly number[];
}
