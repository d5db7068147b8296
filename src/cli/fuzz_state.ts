/** What a fuzz run has done and found, in files: it goes on where it was interrupted. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Divergence } from '../lab/index.ts';

export interface Finding {
  readonly program: number;
  readonly kind: string;
  readonly divergence: Divergence;
  /** Scenario file. */
  readonly file: string;
  readonly shrunk: boolean;
}

export interface FuzzState {
  readonly version: 1;
  readonly seed: number;
  readonly steps: number;
  /** Kernel that answered. */
  readonly kernel: string;
  /** Programs before this one are done. */
  next: number;
  programs: number;
  values: number;
  seconds: number;
  readonly findings: Finding[];
  /** Rules that programs reached and the model does not have, and how often. */
  readonly unmodelled: Record<string, number>;
  /** Programs that the host could not execute, by message. */
  readonly refused: Record<string, number>;
  /** Divergences that were gone when the program was run again. */
  readonly fleeting: number[];
}

export function newState(seed: number, steps: number, kernel: string): FuzzState {
  return {
    version: 1,
    seed,
    steps,
    kernel,
    next: 0,
    programs: 0,
    values: 0,
    seconds: 0,
    findings: [],
    unmodelled: {},
    refused: {},
    fleeting: [],
  };
}

const FILE = 'state.json';

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(join(path, 'findings'), { recursive: true });
  }

  /** The state of an earlier run with this seed, length and kernel; undefined if there is none. */
  load(seed: number, steps: number, kernel: string): FuzzState | undefined {
    let text: string;
    try {
      text = readFileSync(join(this.path, FILE), 'utf8');
    } catch {
      return undefined;
    }
    try {
      const state = JSON.parse(text) as FuzzState;
      const same = state.seed === seed && state.steps === steps && state.kernel === kernel;
      return state.version === 1 && same ? state : undefined;
    } catch {
      return undefined;
    }
  }

  save(state: FuzzState): void {
    this.#write(FILE, `${JSON.stringify(state, null, 1)}\n`);
  }

  /** Returns the file's path. */
  saveFinding(seed: number, program: number, text: string): string {
    const name = join('findings', `seed-${seed}-program-${program}.fl`);
    this.#write(name, text);
    return join(this.path, name);
  }

  /** Whole or not at all: a full disk leaves the old file. */
  #write(name: string, text: string): void {
    const path = join(this.path, name);
    const fresh = `${path}.new`;
    try {
      writeFileSync(fresh, text);
      renameSync(fresh, path);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    }
  }
}
