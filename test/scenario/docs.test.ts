/** The manual's examples are programs, and its list of codes is the real one. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SCENARIO_CODES } from '../../src/scenario/index.ts';
import { complaints, stepsOf } from './helpers.ts';

const MANUAL = readFileSync(new URL('../../docs/scenario-language.md', import.meta.url), 'utf8');
const examples = [...MANUAL.matchAll(/```fl\n([^`]*)```/g)].map((match) => match[1]!);

test('there are examples', () => expect(examples.length).toBeGreaterThanOrEqual(6));

test.each(examples)('example %#', (text) => {
  expect(complaints(text)).toEqual([]);
  expect(stepsOf(text).length).toBeGreaterThan(2);
});

test('every diagnostic is explained in its own words', () => {
  for (const [code, meaning] of Object.entries(SCENARIO_CODES)) {
    expect(MANUAL).toContain(`| \`${code}\` | ${meaning} |`);
  }
});
