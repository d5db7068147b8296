/**
 * `expect` on a recording: what both sides were on the kernel is kept with its answers, and judged by
 * the language's rules when the recording is asked.
 */
import { word } from '../base/index.ts';
import { type ExpectResult, holdsBetween, type OperandValue } from '../scenario/expectations.ts';
import type { Program, Step } from '../scenario/index.ts';
import { hexWord } from './recording_forms.ts';

/** A number as hex; a text in an object; folio and index of a page; null where there was nothing. */
type RecordedValue = string | { readonly text: string } | readonly [number, number] | null;

/** Left and right side, and why one could not be read. */
export type RecordedExpect = readonly [RecordedValue, RecordedValue, cannot?: string];

function encodeValue(value: OperandValue): RecordedValue {
  switch (value.kind) {
    case 'number':
      return word.toHex(value.value);
    case 'text':
      return { text: value.text };
    case 'page':
      return [value.folio, value.index];
    case 'none':
      return null;
  }
}

function decodeValue(value: RecordedValue): OperandValue {
  if (value === null) return { kind: 'none' };
  if (typeof value === 'string') return { kind: 'number', value: hexWord(value) };
  if ('text' in value) return { kind: 'text', text: value.text };
  return { kind: 'page', folio: value[0], index: value[1] };
}

export function encodeExpect({ left, right, cannot }: ExpectResult): RecordedExpect {
  const sides = [encodeValue(left), encodeValue(right)] as const;
  return cannot === undefined ? sides : [...sides, cannot];
}

function judgeStep({ op }: Step, recorded: RecordedExpect | undefined): ExpectResult | undefined {
  if (op.kind !== 'expect' || recorded === undefined) return undefined;
  const [left, right] = [decodeValue(recorded[0]), decodeValue(recorded[1])];
  const result = { holds: holdsBetween(op.expectation, left, right), left, right };
  return recorded[2] === undefined || result.holds ? result : { ...result, cannot: recorded[2] };
}

/** Of each step of the program; undefined where it is no expectation, or was not recorded. */
export function judgeRecorded(
  program: Program,
  recorded: Readonly<Record<number, RecordedExpect>>,
): (ExpectResult | undefined)[] {
  return program.steps.map((step, i) => judgeStep(step, recorded[i]));
}
