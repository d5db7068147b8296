/** A program by the numbers of its actions, as a scenario without comments. */
import { Alphabet } from './alphabet.ts';
import type { Bounds } from './bounds.ts';
import { programText } from './program_text.ts';

export function programOf(bounds: Bounds, actions: readonly number[]): string {
  const { actions: alphabet } = new Alphabet(bounds);
  const known = actions.filter((action) => action >= 0 && action < alphabet.length);
  return programText(
    bounds,
    known.map((action) => alphabet[action]!),
    [],
  ).text;
}
