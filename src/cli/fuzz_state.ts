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

/** A divergence whose program the kernel answered otherwise when it was asked again. */
export interface Unstable {
  readonly program: number;
  readonly kind: string;
  readonly divergence: Divergence;
  /** Scenario file: the whole program with the answers of the first time; '' when none was kept. */
  readonly file: string;
  /** What each later time showed: DIVERGES_AGAIN, AGREES, or the kind of another divergence. */
  readonly later: readonly string[];
}

export const DIVERGES_AGAIN = 'the same divergence';
export const AGREES = 'no divergence';

export interface FuzzState {
  readonly version: 2;
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
  /** Divergences that did not show each time that the program was asked again. */
  readonly unstable: Unstable[];
}

export function newState(seed: number, steps: number, kernel: string): FuzzState {
  return {
    version: 2,
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
    unstable: [],
  };
}

/** Version 1 kept the numbers of such programs alone, as `fleeting`. */
interface FuzzStateV1 extends Omit<FuzzState, 'version' | 'unstable'> {
  readonly version: 1;
  readonly fleeting: readonly number[];
}

const UNKNOWN: Divergence = {
  ...{ step: 0, line: 0, text: '', task: '', address: '', observable: 'not kept' },
  ...{ model: '', kernel: '' },
};

function upgraded(state: FuzzState | FuzzStateV1): FuzzState {
  if (state.version === 2) return state;
  const { fleeting, ...rest } = state;
  const unstable = fleeting.map((program) => {
    return { program, kind: '', divergence: UNKNOWN, file: '', later: [AGREES] };
  });
  return { ...rest, version: 2, unstable };
}

const FILE = 'state.json';

function fileOf(seed: number, program: number): string {
  return `seed-${seed}-program-${program}.fl`;
}

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    for (const name of ['findings', 'unstable']) mkdirSync(join(path, name), { recursive: true });
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
      const state = JSON.parse(text) as FuzzState | FuzzStateV1;
      const same = state.seed === seed && state.steps === steps && state.kernel === kernel;
      const isKnown = state.version === 1 || state.version === 2;
      return isKnown && same ? upgraded(state) : undefined;
    } catch {
      return undefined;
    }
  }

  save(state: FuzzState): void {
    this.#write(FILE, `${JSON.stringify(state, null, 1)}\n`);
  }

  /** Returns the file's path. */
  saveFinding(seed: number, program: number, text: string): string {
    return this.#keep('findings', seed, program, text);
  }

  /** Moves what was a finding: its file lies in another folder then. */
  saveUnstable(seed: number, program: number, text: string): string {
    const path = this.#keep('unstable', seed, program, text);
    rmSync(join(this.path, 'findings', fileOf(seed, program)), { force: true });
    return path;
  }

  #keep(folder: string, seed: number, program: number, text: string): string {
    const name = join(folder, fileOf(seed, program));
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
