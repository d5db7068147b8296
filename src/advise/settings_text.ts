/**
 * Settings of one's own, as text:
 *
 *     # a comment
 *     small: hugepages-16kB/enabled=always
 *     both:  hugepages-16kB/enabled=always hugepages-2048kB/enabled=always
 *
 * A line is a name, a colon, and files with their values. A file that a line does not name is as
 * it was while recording.
 */
import type { Diagnostic } from '../base/index.ts';
import type { Candidate } from './candidate.ts';

export interface ParsedSettings {
  readonly candidates: readonly Candidate[];
  readonly diagnostics: readonly Diagnostic[];
}

export function parseSettings(
  text: string,
  file: string,
  pathOf: (name: string) => string,
): ParsedSettings {
  const candidates: Candidate[] = [];
  const diagnostics: Diagnostic[] = [];
  const wrong = (line: number, column: number, message: string): void => {
    diagnostics.push({ severity: 'error', code: 'ADV001', file, line, column, message });
  };
  text.split('\n').forEach((raw, i) => {
    const line = raw.replace(/#.*$/, '').trimEnd();
    if (line.trim() === '') return;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    if (colon < 1 || name === '') {
      wrong(i + 1, 1, "expected a name and a colon, as in 'small: hugepages-16kB/enabled=always'");
      return;
    }
    if (candidates.some((one) => one.name === name)) {
      wrong(i + 1, 1, `the name '${name}' is used twice`);
      return;
    }
    const settings = [];
    for (const match of line.slice(colon + 1).matchAll(/\S+/g)) {
      const word = match[0];
      const equals = word.indexOf('=');
      if (equals < 1 || equals === word.length - 1) {
        wrong(i + 1, colon + 2 + match.index, `expected PATH=VALUE, found '${word}'`);
        return;
      }
      settings.push({ path: pathOf(word.slice(0, equals)), value: word.slice(equals + 1) });
    }
    candidates.push({ name, settings });
  });
  if (candidates.length === 0 && diagnostics.length === 0)
    wrong(0, 0, 'the file names no settings');
  return { candidates, diagnostics };
}
