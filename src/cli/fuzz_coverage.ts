/**
 * Coverage of the model by a fuzz run, from the engine itself. The bundle has no files any more, so
 * a run that asks for coverage executes the unbundled program.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FileCoverage, fileCoverage, type ScriptCoverage } from '../lab/index.ts';

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

export class Coverage {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** What was reached since the start, by file of the model. */
  async stop(): Promise<FileCoverage[]> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const found: FileCoverage[] = [];
    for (const script of result) {
      const file = MODEL.exec(script.url)?.[1];
      if (file === undefined) continue;
      const source = readFileSync(fileURLToPath(script.url), 'utf8');
      found.push(fileCoverage(file, source, script as ScriptCoverage));
    }
    this.#session.disconnect();
    return found.sort((a, b) => (a.file < b.file ? -1 : 1));
  }
}
