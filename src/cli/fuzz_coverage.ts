/**
 * Coverage of the model by a fuzz run, from the engine itself. The bundle has no files any more, so
 * a run that asks for coverage executes the unbundled program.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Elsewhere,
  type FileCoverage,
  fileCoverage,
  playIn,
  type ReachedBy,
  type ScriptCoverage,
  type World,
} from '../lab/index.ts';
import type { Program } from '../scenario/index.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const MODEL = /\/dist\/((?:mm|kernel)\/[\w/]+)\.js$/;

/** The unbundled program beside us; undefined when we are it, or when it is not there. */
export function unbundledMain(): string | undefined {
  const path = join(HERE, 'cli', 'main.js');
  return existsSync(path) ? path : undefined;
}

/** Runs this command line unbundled; its exit code. */
export function runUnbundled(path: string): number {
  const ran = spawnSync(process.execPath, [path, ...process.argv.slice(2)], { stdio: 'inherit' });
  return ran.status ?? 1;
}

/** By file of the model; the counts begin anew. */
type Taken = ReadonlyMap<string, { readonly url: string; readonly seen: ScriptCoverage }>;

export class Coverage {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  async #take(): Promise<Taken> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const taken = new Map<string, { url: string; seen: ScriptCoverage }>();
    for (const script of result) {
      const file = MODEL.exec(script.url)?.[1];
      if (file !== undefined) taken.set(file, { url: script.url, seen: script as ScriptCoverage });
    }
    return taken;
  }

  /**
   * What was reached since the start, by file of the model; and of what was not, where programs
   * reach it elsewhere.
   */
  async stop(worlds: readonly World[], programs: readonly Program[]): Promise<FileCoverage[]> {
    const here = await this.#take();
    const beside: { readonly by: ReachedBy; readonly taken: Taken }[] = [];
    for (const world of worlds) {
      for (const program of programs) playIn(world, program);
      beside.push({ by: world.by, taken: await this.#take() });
    }
    this.#session.disconnect();
    const found: FileCoverage[] = [];
    for (const [file, { url, seen }] of here) {
      const elsewhere: Elsewhere[] = [];
      for (const { by, taken } of beside) {
        const other = taken.get(file);
        if (other !== undefined) elsewhere.push({ by, seen: other.seen });
      }
      const source = readFileSync(fileURLToPath(url), 'utf8');
      found.push(fileCoverage(file, source, seen, elsewhere));
    }
    return found.sort((a, b) => (a.file < b.file ? -1 : 1));
  }
}
