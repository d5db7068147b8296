/** Laws as bits, in the order of LAWS; and how often each was exercised. */
import { LAWS, type LawName } from '../laws/index.ts';

export const LAW_NAMES: readonly LawName[] = LAWS.map((law) => law.name);

function bit(name: LawName): number {
  return LAW_NAMES.indexOf(name);
}

export const LAW_TRANSLATION = bit('translation');
export const LAW_CONTAINMENT = bit('containment');
export const LAW_NO_OVERWRITE = bit('no-overwrite');
export const LAW_COUNTERS = bit('counters');
export const LAW_MAPCOUNT = bit('mapcount');
export const LAW_REFCOUNT = bit('refcount');
export const LAW_REVERSE_MAP = bit('reverse-map');
export const LAW_LIFETIME = bit('lifetime');
export const LAW_PERMISSION = bit('permission');
export const LAW_EXCLUSIVITY = bit('exclusivity');
export const LAW_ISOLATION = bit('isolation');
export const LAW_UFFD = bit('uffd');
export const LAW_ALIGNMENT = bit('alignment');
export const LAW_PROGRESS = bit('progress');
export const LAW_RESIDENCY = bit('residency');
export const LAW_INHERITANCE = bit('inheritance');
/** No law: an assertion of the model failed, its books are beyond judging. */
export const BOOKS_FAIL = LAW_NAMES.length;

/** Bits of the laws named; all by default. */
export function lawMask(names: readonly LawName[] | undefined): number {
  if (names === undefined) return (1 << (BOOKS_FAIL + 1)) - 1;
  let mask = 1 << BOOKS_FAIL;
  for (const name of names) mask |= 1 << bit(name);
  return mask;
}

export class LawCounts {
  readonly times = new Float64Array(LAW_NAMES.length + 1);
  /** What happens was counted before. */
  muted = false;

  met(law: number, times: number): void {
    if (!this.muted) this.times[law]! += times;
  }
}
