/** The costs that `faultline calibrate` measured here, in a file of the user's. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { COST_VERSION, type CostModel, DEFAULT_COSTS, mappedCosts } from '../advise/index.ts';

export function costsPath(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(cache, 'faultline', 'costs.json');
}

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 10 && value.every((n) => Number(n) > 0);
}

function isCosts(value: unknown): value is CostModel {
  if (typeof value !== 'object' || value === null) return false;
  const costs = value as Partial<Record<keyof CostModel, unknown>>;
  if (costs.version !== COST_VERSION || typeof costs.machine !== 'string') return false;
  const numbers = [costs.file, costs.cow, costs.zeroByte, costs.tlbMiss];
  const isMapped = costs.shmemMapped === undefined || isList(costs.shmemMapped);
  return (
    isMapped && isList(costs.anon) && isList(costs.shmem) && numbers.every((n) => Number(n) >= 0)
  );
}

export interface FoundCosts {
  readonly costs: CostModel;
  /** The file that they are from; '' for the defaults. */
  readonly path: string;
  /** A file was there that is none of ours, or of another version. */
  readonly unreadable: boolean;
}

export function readCosts(path = costsPath()): FoundCosts {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { costs: DEFAULT_COSTS, path: '', unreadable: false };
  }
  try {
    const costs: unknown = JSON.parse(text);
    if (isCosts(costs)) {
      // Of 2026-11-24 to 30: half of what an allocating one took.
      const shmemMapped = costs.shmemMapped ?? mappedCosts(costs.shmem[0]! / 2);
      return { costs: { ...costs, shmemMapped }, path, unreadable: false };
    }
  } catch {
    // Said by `unreadable`.
  }
  return { costs: DEFAULT_COSTS, path: '', unreadable: true };
}

export function writeCosts(costs: CostModel, path = costsPath()): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(costs, null, 2)}\n`);
}
