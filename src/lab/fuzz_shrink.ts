/**
 * Makes a program smaller that shows a divergence, line by line, as long as it still shows one of
 * the same kind. Names the next lines need may go with their line: a program that cannot be parsed
 * counts as one that shows nothing.
 */
import type { Divergence } from './verify_compare.ts';

/** Divergences of one kind are taken for the same bug: the call or access, and the observable. */
export function divergenceKind(found: Divergence): string {
  const call = found.text.replace(/^\w+: */, '').replace(/^\w+ = /, '');
  const verb = /^[a-z_0-9]+/.exec(call)?.[0] ?? call;
  const advice = /MADV_\w+|UFFDIO_\w+/.exec(call)?.[0];
  return `${verb}${advice === undefined ? '' : ` ${advice}`}: ${found.observable}`;
}

const PASSES_MAX = 4;

/** `shows` tells whether the lines still show the divergence. Calls it at most a few hundred times. */
export async function shrinkLines(
  lines: readonly string[],
  shows: (lines: readonly string[]) => Promise<boolean>,
): Promise<string[]> {
  let best = [...lines];
  for (let size = best.length >> 1; size > 1; size >>= 1) {
    for (let at = 0; at + 1 < best.length; ) {
      const fewer = [...best.slice(0, at), ...best.slice(at + size)];
      if (fewer.length > 0 && (await shows(fewer))) best = fewer;
      else at += size;
    }
  }
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const before = best.length;
    for (let at = best.length - 1; at >= 0; at--) {
      const fewer = [...best.slice(0, at), ...best.slice(at + 1)];
      if (fewer.length > 0 && (await shows(fewer))) best = fewer;
    }
    if (best.length === before) break;
  }
  return best;
}
