/**
 * Which program is number i of a seed. Programs come in blocks that share their settings, so that
 * the host need not change them for each; a program's text says them all the same.
 */
import { Random } from '../base/index.ts';
import { generateProgram } from './generate.ts';
import { generateSettings } from './generate_settings.ts';

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

/** What the kernel that is asked lets programs do beyond what every one does. */
export interface PlanAbilities {
  /** fault_around_bytes can be written. */
  readonly faultAround: boolean;
}

const FAULT_AROUND = '/sys/kernel/debug/fault_around_bytes';
const FAULT_AROUND_BYTES = [4096, 8192, 16384, 32768, 131072, 2097152];

/** Settings of the block that program `index` belongs to, as lines of a scenario. */
export function blockSettings(seed: number, index: number, can?: PlanAbilities): string[] {
  const block = Math.floor(index / BLOCK_PROGRAMS);
  const random = new Random(mix(seed, -1 - block));
  const lines = generateSettings(random);
  // Drawn last, so that the rest is the same for every kernel.
  if (can?.faultAround === true && random.chance(60)) {
    lines.unshift(`echo ${random.pick(FAULT_AROUND_BYTES)} > ${FAULT_AROUND}`);
  }
  return lines;
}

export function programText(
  seed: number,
  index: number,
  steps: number,
  can?: PlanAbilities,
): string {
  const head = blockSettings(seed, index, can);
  return generateProgram(new Random(mix(seed, index)), { steps, head });
}

export function isFull(index: number): boolean {
  return index % FULL_EVERY === 0;
}
