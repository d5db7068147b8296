/**
 * Which program is number i of a seed. Programs come in blocks that share their settings, so that
 * the host need not change them for each; a program's text says them all the same.
 */
import { Random } from '../base/index.ts';
import { generateProgram, generateSettings } from './generate.ts';

export const BLOCK_PROGRAMS = 64;
/** One program in this many is observed in full. */
export const FULL_EVERY = 10;

/** Two numbers as one seed: the steps of splitmix32 over both. */
function mix(a: number, b: number): number {
  let z = (Math.imul(a ^ 0x5bd1e995, 0x21f0aaad) + Math.imul(b, 0x9e3779b9)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x735a2d97);
  z = Math.imul(z ^ (z >>> 15), 0x21f0aaad);
  return (z ^ (z >>> 15)) | 0;
}

/** Settings of the block that program `index` belongs to, as lines of a scenario. */
export function blockSettings(seed: number, index: number): string[] {
  const block = Math.floor(index / BLOCK_PROGRAMS);
  return generateSettings(new Random(mix(seed, -1 - block)));
}

export function programText(seed: number, index: number, steps: number): string {
  const head = blockSettings(seed, index);
  return generateProgram(new Random(mix(seed, index)), { steps, head });
}

export function isFull(index: number): boolean {
  return index % FULL_EVERY === 0;
}
