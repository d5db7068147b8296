/** "Did you mean …?": the nearest known word, if it is near enough to be a slip of the keyboard. */
import { distance } from 'fastest-levenshtein';

const LENGTH_MAX = 48;

/** Edits that still are a slip; two letters that changed places count as two. */
function editsMax(length: number): number {
  if (length < 4) return 1;
  return length <= 9 ? 2 : Math.floor(length / 3);
}

/** The candidate with the fewest edits, when those may be a slip. */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length === 0 || written.length > LENGTH_MAX) return undefined;
  const folded = written.toLowerCase();
  let best: string | undefined;
  let bestEdits = editsMax(written.length) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - written.length) >= bestEdits) continue;
    const edits = Math.min(
      distance(written, candidate),
      // Wrong case alone is one slip, whatever the number of letters.
      distance(folded, candidate.toLowerCase()) + 0.5,
    );
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

export function didYouMean(written: string, candidates: Iterable<string>): string | undefined {
  const found = nearest(written, candidates);
  return found === undefined ? undefined : `did you mean '${found}'?`;
}

/** Text of the input inside a message: one line, bounded, control characters made visible. */
export function clip(text: string, max = 48): string {
  const short = text.length > max ? `${text.slice(0, max)}...` : text;
  let out = '';
  for (const character of short) {
    const code = character.codePointAt(0)!;
    if (code >= 32 && code !== 127 && code !== 0xfffd) out += character;
    else out += code === 9 ? ' ' : `\\x${code.toString(16).padStart(2, '0')}`;
  }
  return out;
}
